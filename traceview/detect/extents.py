"""Bytes that somebody wrote too early or too late, less what was written there since."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np

from traceview.events import Int64Array, distinct
from traceview.findings import Extent
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, MeaningTable, Op

__all__ = ["ANY_DEVICE", "LossTracker", "common_extents", "copied_by_jobs", "merge_extents", "written_by_guests"]

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


def common_extents(one: Iterable[Extent], other: Iterable[Extent]) -> list[Extent]:
    """Return the bytes that are in both, of disjoint extents, as disjoint extents in order."""
    others = list(other)
    found = [(max(a.offset, b.offset), min(a.end, b.end)) for a in one for b in others]
    return merge_extents(Extent(start, end - start) for start, end in found if start < end)


class _Loss:
    """What one window lost, as disjoint extents in order; shrinks as somebody writes there."""

    def __init__(self, since: int, extents: list[Extent]) -> None:
        self.since = since
        self.until: int | None = None
        self.left = extents
        self.made_good: list[tuple[Extent, Mark]] = []

    def overwrite(self, start: int, end: int, mark: Mark) -> None:
        first = at = bisect.bisect_right(self.left, start, key=_end)
        kept: list[Extent] = []
        while at < len(self.left) and (extent := self.left[at]).offset < end:
            a, b = max(extent.offset, start), min(extent.end, end)
            self.made_good.append((Extent(a, b - a), mark))
            kept += [Extent(extent.offset, a - extent.offset), Extent(b, extent.end - b)]
            at += 1
        self.left[first:at] = [e for e in kept if e.length > 0]


def _end(extent: Extent) -> int:
    return extent.end


class _Left:
    """All that some losses leave, by place: which of them a write may touch is found without asking each."""

    def __init__(self, losses: Iterable[_Loss]) -> None:
        found = sorted(((e.offset, e.end, loss) for loss in losses for e in loss.left), key=lambda f: f[0])
        self._losses = [loss for _, _, loss in found]
        self._ends = [end for _, end, _ in found]
        self._starts = np.array([start for start, _, _ in found], dtype=np.int64)
        self._reach = np.maximum.accumulate(np.array(self._ends, dtype=np.int64))
        """How far the extents reach that begin so far on."""

    def spans(self, start: Int64Array, end: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return, for each of some writes, the first extent that may reach into it, and the first that is behind it.

        Where the second is not behind the first, the write touches none.
        """
        return np.searchsorted(self._reach, start, side="right"), np.searchsorted(self._starts, end, side="left")

    def touched(self, first: int, last: int, start: int) -> Iterator[_Loss]:
        """Yield the losses that a write from `start` on touches, by its `spans`."""
        for at in range(first, last):
            if self._ends[at] > start:
                yield self._losses[at]


ANY_DEVICE = 0
"""Stands for the BlockBackend where the trace has none: what any device takes up counts as a rewrite."""
Writers = Callable[[MeaningTable], Iterator[tuple[int, Int64Array]]]
"""Who wrote what in a table: pointers, each with the rows of its writes."""
W = TypeVar("W", bound=Hashable)


def written_by_guests(table: MeaningTable) -> Iterator[tuple[int, Int64Array]]:
    """Yield the BlockBackends through which guests hand writes over; `ANY_DEVICE` with all that devices take up."""
    rows, blks, different = table.handed_over()
    for blk in different:
        own = rows[blks == blk]
        yield blk, own[_CHANGES_DATA[table.op[own]]]
    taken_up = np.flatnonzero(table.where(Meaning.DEVICE_REQUEST))
    yield ANY_DEVICE, taken_up[_CHANGES_DATA[table.op[taken_up]]]


def copied_by_jobs(table: MeaningTable) -> Iterator[tuple[int, Int64Array]]:
    """Yield the mirror jobs that begin to copy stretches of their source."""
    rows = np.flatnonzero(table.where(Meaning.JOB_ACTIVITY))
    jobs = table.role("job", rows)
    for job in distinct(jobs):
        yield job, rows[jobs == job]


class LossTracker(Generic[W]):
    """Follows the losses of windows, each known as some W, through the rest of the trace; `writers` make them good."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._losses: dict[W, dict[int, _Loss]] = {}
        self._by_writer: dict[int, list[_Loss]] = {}
        self._left: dict[int, _Left] = {}
        self._stopped: set[int] = set()

    def watch(self, window: W, writer: int, since_record: int, extents: Iterable[Extent]) -> None:
        """Begin to follow what a window lost; what `writer` writes after `since_record` makes it good."""
        loss = _Loss(since_record, merge_extents(extents))
        self._losses.setdefault(window, {})[writer] = loss
        self._by_writer.setdefault(writer, []).append(loss)
        self._left.pop(writer, None)

    def stop(self, writer: int, until_record: int) -> None:
        """Note that who writes under a pointer behind a record is somebody else."""
        self._stopped.add(writer)
        for loss in self._by_writer.get(writer, ()):
            if loss.until is None:
                loss.until = until_record

    def feed(self, table: MeaningTable) -> None:
        """Take the next table of the trace (also the one in which a window closed, or a writer was stopped)."""
        for writer, rows in self._writers(table) if self._by_writer else ():
            losses = self._by_writer.get(writer)
            if losses is None:
                continue
            start = table.role("offset", rows)
            end = start + table.role("length", rows)
            left = self._all_left(writer)
            first, last = left.spans(start, end)
            hits = np.flatnonzero((first < last) & (start < end))
            marks = Mark.all_at(table, rows[hits])
            columns = (c[hits].tolist() for c in (start, end, first, last))
            for mark, a, b, i, j in zip(marks, *columns, strict=True):
                for loss in left.touched(i, j, a):
                    if mark.record > loss.since and (loss.until is None or mark.record <= loss.until):
                        loss.overwrite(a, b, mark)
            if len(hits):
                self._left.pop(writer, None)
                self._by_writer[writer] = [x for x in losses if x.left]
            if not self._by_writer[writer]:
                del self._by_writer[writer]
        for writer in self._stopped:
            losses = [x for x in self._by_writer.pop(writer, ()) if x.until is None]
            self._left.pop(writer, None)
            if losses:
                self._by_writer[writer] = losses
        self._stopped.clear()

    def _all_left(self, writer: int) -> _Left:
        """Return what all losses that one writer can make good leave together."""
        known = self._left.get(writer)
        if known is None:
            known = self._left[writer] = _Left(self._by_writer[writer])
        return known

    def left(self, window: W, writer: int) -> list[Extent]:
        """Return what a window still lacks that a writer could make good."""
        loss = self._losses.get(window, {}).get(writer)
        return loss.left if loss is not None else []

    def made_good(self, window: W, writer: int) -> list[tuple[Extent, Mark]]:
        """Return what a writer made good of what a window lost, each piece with the record of the write."""
        loss = self._losses.get(window, {}).get(writer)
        return loss.made_good if loss is not None else []
