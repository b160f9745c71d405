"""How a trace can be cut into tables: what is found in it must not depend on that."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import strategies as st

from tests.timeline.story import Story
from traceview.vocabulary import MeaningTable


def pieces(table: MeaningTable, cuts: Iterable[int]) -> list[MeaningTable]:
    """Return a table in parts, cut before the given rows."""
    edges = [0, *sorted({c for c in cuts if 0 < c < len(table)}), len(table)]
    return [table.take(slice(a, b)) for a, b in itertools.pairwise(edges)]


def every_cut(story: Story) -> list[list[int]]:
    """Return ways to cut a story: not at all, once at each record, and at all of them."""
    return [[], *([c] for c in range(1, story.lines)), list(range(1, story.lines))]


def any_cuts(most: int) -> st.SearchStrategy[list[int]]:
    """Rows before which a story of so many records is cut: at a few, at about half of them, or at all."""
    few = st.lists(st.integers(1, most), max_size=4)
    many = st.lists(st.booleans(), min_size=most, max_size=most).map(lambda cut: [i for i, c in enumerate(cut) if c])
    return few | many | st.just(list(range(1, most)))
