"""Where requests of a BlockBackend begin to reach another node, however the trace is cut."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, every_cut, pieces
from tests.timeline.story import COPY, DISK, DRIVE, FILTER, OTHER_DISK, OTHER_DRIVE, Story
from traceview.timeline.reached import ReachedNodes


def changes(story: Story, cuts: Iterable[int] = ()) -> list[int]:
    """Return the lines at which the node of a BlockBackend changes; the story is cut before the given rows."""
    reached = ReachedNodes()
    found: list[int] = []
    for part in pieces(story.table(), cuts):
        mask = reached.feed(part)
        if mask is not None:
            found += part.batch.line[np.flatnonzero(mask)].tolist()
    return found


def of_all_cuts(story: Story) -> list[int]:
    """Return the same, which any cut must give."""
    found = changes(story)
    assert all(changes(story, cuts) == found for cuts in every_cut(story))
    return found


def test_the_first_request_and_the_first_on_another_node_are_changes() -> None:
    story = Story()
    first = story.reach("preadv", node=DISK)
    story.reach("pwritev", node=DISK)
    moved = story.reach("preadv", node=FILTER)
    story.reach("preadv", node=FILTER)
    back = story.reach("pwritev", node=DISK)
    assert of_all_cuts(story) == [first, moved, back]


def test_each_blockbackend_is_followed_by_itself() -> None:
    story = Story()
    told = [story.reach("preadv", node=DISK), story.reach("preadv", blk=OTHER_DRIVE, node=OTHER_DISK)]
    for _ in range(2):
        story.reach("preadv", node=DISK)
        story.reach("preadv", blk=OTHER_DRIVE, node=OTHER_DISK)
    told.append(story.reach("preadv", blk=OTHER_DRIVE, node=COPY))
    story.reach("preadv", node=DISK)
    assert of_all_cuts(story) == told


def test_requests_that_are_only_handed_over_change_nothing() -> None:
    story = Story()
    story.write(node=DISK)
    story.write(node=COPY)
    assert of_all_cuts(story) == []
    reached = story.reach("pwritev", node=COPY)
    story.write(node=DISK)
    story.reach("pwritev", node=COPY)
    assert of_all_cuts(story) == [reached]


def test_from_the_first_attachment_on_there_is_nothing_to_guess() -> None:
    story = Story()
    first = story.reach("preadv", node=DISK)
    story.attach()
    story.reach("preadv", node=COPY)
    assert of_all_cuts(story) == [first]


acts = st.lists(
    st.tuples(st.sampled_from(["preadv", "pwritev"]), st.sampled_from([DRIVE, OTHER_DRIVE]), st.integers(1, 3)),
    max_size=30,
)


@given(acts, any_cuts(30))
def test_the_changes_are_those_that_a_plain_walk_finds(acts: list[tuple[str, int, int]], cuts: list[int]) -> None:
    story = Story()
    story.iteration()  # so that there is a table
    known: dict[int, int] = {}
    expected = []
    for op, blk, node in acts:
        line = story.reach(op, blk=blk, node=node)
        if known.get(blk) != node:
            expected.append(line)
        known[blk] = node
    assert changes(story, cuts) == expected
