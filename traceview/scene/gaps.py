"""Gaps of a trace, as bands of a scene: between the records that are drawn before and behind them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from traceview.events import MANY, Gap
from traceview.scene.model import Band

__all__ = ["GAP_LANE", "MOST_DRAWN", "gap_bands", "gap_words"]

GAP_LANE = "gaps"
"""The title of the lane that they have."""
MOST_DRAWN = 100
"""So many gaps of one scene are drawn."""


def gap_words(gap: Gap) -> str:
    """Return what a gap is, and how large, in a line (trace text, not escaped)."""
    size = []
    if gap.count is not None and gap.cause != "duplicated":
        size.append(f"{gap.count} record{'s' if gap.count != 1 else ''}")
    if gap.size_bytes is not None:
        size.append(f"{gap.size_bytes} B")
    return f"gap: {gap.cause}{', ' if size else ''}{', '.join(size)}: {gap.text}"


def gap_bands(
    gaps: Iterable[Gap], records: Sequence[int], at: Callable[[int], int], span_ns: tuple[int, int], lane: int
) -> Iterator[Band]:
    """Yield the bands of the gaps that lie between the first and the last of some records, which are in order.

    `at` returns the time (ns) of a record by its place in `records`; `span_ns` is what is drawn.
    """
    drawn = 0
    for gap in gaps:
        before, behind = bisect_left(records, gap.first) - 1, bisect_left(records, gap.record)
        endless = gap.cause == MANY
        if drawn == MOST_DRAWN or not records or behind == 0 or (behind == len(records) and before < behind - 1):
            continue
        drawn += 1
        begin = at(before) if before >= 0 else span_ns[0]
        end = at(behind) if behind < len(records) and not endless else span_ns[1]
        yield Band(
            lane, "gap", gap_words(gap), begin, max(begin, end), gap.record, cut_begin=before < 0,
            cut_end=behind == len(records) or endless,
        )  # fmt: skip
