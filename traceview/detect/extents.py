"""Which bytes a target lacks: what was written in a violated window, less what the same device rewrote since."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from traceview.events import Int64Array
from traceview.findings import Extent
from traceview.vocabulary import Mask, Meaning, MeaningTable, Op

__all__ = ["ANY_DEVICE", "LossTracker", "merge_extents"]

_CHANGES_DATA = np.array([Op(i).changes_data for i in range(max(Op) + 1)])


def merge_extents(extents: Iterable[Extent]) -> list[Extent]:
    """Return the same bytes as disjoint extents in order; those that touch become one."""
    merged: list[Extent] = []
    for extent in sorted((e for e in extents if e.length > 0), key=lambda e: e.offset):
        if merged and extent.offset <= merged[-1].end:
            last = merged[-1]
            merged[-1] = Extent(last.offset, max(last.end, extent.end) - last.offset)
        else:
            merged.append(extent)
    return merged


def _touched(extents: list[Extent], start: Int64Array, end: Int64Array) -> Mask:
    """Return which of the writes from `start` to `end` overlap extents that are disjoint and in order."""
    ends = np.array([e.end for e in extents], dtype=np.int64)
    starts = np.array([e.offset for e in extents] + [np.iinfo(np.int64).max], dtype=np.int64)
    # Only the first extent that ends behind a write's start can overlap it.
    return starts[np.searchsorted(ends, start, side="right")] < end


class _Loss:
    """What one window lost on one BlockBackend; shrinks as the device rewrites it."""

    def __init__(self, since: int, extents: list[Extent]) -> None:
        self.since = since
        self.left = extents
        self.rewritten = 0

    def overwrite(self, start: int, end: int) -> None:
        kept: list[Extent] = []
        for extent in self.left:
            a, b = max(extent.offset, start), min(extent.end, end)
            if a >= b:
                kept.append(extent)
                continue
            self.rewritten += b - a
            kept += [Extent(extent.offset, a - extent.offset), Extent(b, extent.end - b)]
        self.left = [e for e in kept if e.length > 0]


ANY_DEVICE = 0
"""Stands for the BlockBackend where the trace has none: what any device takes up counts as a rewrite."""


class LossTracker:
    """Follows the losses of all windows through the rest of the trace."""

    def __init__(self) -> None:
        self._losses: dict[int, dict[int, _Loss]] = {}
        self._by_blk: dict[int, list[_Loss]] = {}
        self._merged: dict[int, list[Extent]] = {}

    def watch(self, window: int, blk: int, since_record: int, extents: Iterable[Extent]) -> None:
        """Begin to follow what a window wrote through a BlockBackend; writes after `since_record` count."""
        loss = _Loss(since_record, merge_extents(extents))
        self._losses.setdefault(window, {})[blk] = loss
        self._by_blk.setdefault(blk, []).append(loss)
        self._merged.pop(blk, None)

    def feed(self, table: MeaningTable) -> None:
        """Take the next table of the trace (also the one in which a window was just closed)."""
        if not self._by_blk:
            return
        handed_over, blks, different = table.handed_over()
        for blk in (*different, ANY_DEVICE):
            losses = self._by_blk.get(blk)
            if losses is None:
                continue
            rows = handed_over[blks == blk]
            if blk == ANY_DEVICE:
                rows = np.flatnonzero(table.where(Meaning.DEVICE_REQUEST))
            rows = rows[_CHANGES_DATA[table.op[rows]]]
            start = table.role("offset", rows)
            end = start + table.role("length", rows)
            hits = np.flatnonzero(_touched(self._all_left(blk), start, end))
            for record, a, b in zip(*(c[hits].tolist() for c in (table.record[rows], start, end)), strict=True):
                for loss in losses:
                    if record > loss.since:
                        loss.overwrite(a, b)
            if len(hits):
                self._merged.pop(blk, None)
                self._by_blk[blk] = [x for x in losses if x.left]
            if not self._by_blk[blk]:
                del self._by_blk[blk]

    def _all_left(self, blk: int) -> list[Extent]:
        """Return what all losses of a BlockBackend leave together."""
        merged = self._merged.get(blk)
        if merged is None:
            merged = self._merged[blk] = merge_extents(e for loss in self._by_blk[blk] for e in loss.left)
        return merged

    def left(self, window: int, blk: int) -> tuple[list[Extent], int]:
        """Return what a window still lacks on a BlockBackend, and how many bytes were rewritten."""
        loss = self._losses.get(window, {}).get(blk)
        return (loss.left, loss.rewritten) if loss is not None else ([], 0)
