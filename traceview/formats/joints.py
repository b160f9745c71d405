"""What is said of the joints between the files of a rotated log, as gaps among its records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from traceview.events import NO_TIME, EventBatch, Gap
from traceview.formats.base import Reader, Wanted
from traceview.source import ByteSource
from traceview.source.rotated import Joint, RotatedSource

__all__ = ["CLOCK_STEP_NS", "with_joints"]

CLOCK_STEP_NS = 1_000_000_000
"""So far time may step back from one file to the next, as clocks are set and threads overtake each other."""


def with_joints(source: ByteSource, reader: Reader, wanted: Wanted) -> Iterator[EventBatch]:
    """Yield the batches of a reader; what its source says of joints becomes gaps, each at the record behind it."""
    if not isinstance(source, RotatedSource):
        yield from reader.batches(wanted)
        return
    joints = _Joints(source, reader)
    for batch in reader.batches(wanted):
        joints.pass_by(batch)
        yield batch
    joints.finish()


class _Joints:
    """Follows the records over the joints of one reading."""

    def __init__(self, source: RotatedSource, reader: Reader) -> None:
        self._source = source
        self._reader = reader
        self._placed = 0
        self._file = 0
        self._latest = NO_TIME
        """The latest time of a record in the current file."""

    def pass_by(self, batch: EventBatch) -> None:
        for joint in self._source.joints[self._placed :]:
            row = int(np.searchsorted(batch.byte_offset, joint.byte_offset))
            if row == len(batch):
                break
            self._add(joint, int(batch.record[row]), int(batch.line[row]), int(batch.ts_ns[row]))
        begins = np.array([p.begins for p in self._source.parts if p.begins >= 0], dtype=np.int64)
        files = np.searchsorted(begins, batch.byte_offset, side="right") - 1
        for file in np.flatnonzero(np.bincount(files)).tolist():
            rows = np.flatnonzero(files == file)
            times = batch.ts_ns[rows]
            told = rows[times != NO_TIME]
            if not len(told):
                continue
            if file != self._file:
                self._compare(file, batch, int(told[0]))
                self._file, self._latest = file, NO_TIME
            self._latest = max(self._latest, int(batch.ts_ns[told].max()))

    def _compare(self, file: int, batch: EventBatch, row: int) -> None:
        """Say so where a file begins earlier than the one before it ends."""
        back = self._latest - int(batch.ts_ns[row])
        if self._latest != NO_TIME and back > CLOCK_STEP_NS:
            before, part = self._source.parts[self._file], self._source.parts[file]
            text = f"{part.path} begins {back / 1e9:.3g} s before {before.path} ends: their order is not certain"
            joint = Joint(part.begins, "file-order", text)
            self._put(joint, int(batch.record[row]), int(batch.line[row]), int(batch.ts_ns[row]))

    def _add(self, joint: Joint, record: int, line: int, ts_ns: int) -> None:
        self._placed += 1
        self._put(joint, record, line, ts_ns)

    def _put(self, joint: Joint, record: int, line: int, ts_ns: int) -> None:
        self._reader.stats.add_gap(Gap(joint.cause, record, joint.byte_offset, line, ts_ns, None, joint.text))

    def finish(self) -> None:
        stats = self._reader.stats
        for joint in self._source.joints[self._placed :]:
            self._add(joint, stats.records, stats.lines, NO_TIME)
        stats.gaps.sort(key=lambda g: g.record)
