"""Blocks of log lines through the compiled kernel; what it leaves goes to the Python path of `formats.log_lines`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from traceview.events import NO_TIME
from traceview.formats.log_kernel import STRING_SHIFT
from traceview.formats.log_tables import BlockScan, KernelTables

if TYPE_CHECKING:
    from traceview.formats.log_lines import LineReader

__all__ = ["CompiledLines"]

MOST_ROWS = 1 << 15
WIDTH = 10
"""QEMU rejects events of more than 10 arguments (from 2.10 on; older ones have fewer)."""
GIVE_UP_AFTER = 1 << 20
"""Bytes after which a log of which the kernel takes less than half is left to the Python path."""


class CompiledLines:
    """Takes blocks for a `LineReader`, in order. The records that come out are those of the Python path."""

    def __init__(self, reader: LineReader) -> None:
        self._reader = reader
        self._tables = KernelTables()
        self._out = BlockScan(MOST_ROWS, WIDTH)
        self._threads_known = 0
        self._taken = self._left = 0
        self.worth_it = True
        """Whether the kernel takes most of what it is given."""

    def take(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        self._learn()
        array = np.frombuffer(block, dtype=np.uint8)
        at = 0
        while at < len(block):
            self._tables.scan(array, at, len(block), self._out)
            self._merge(block, base)
            at = int(self._out.totals[4])
        self._taken += len(block)
        if self._taken > GIVE_UP_AFTER:
            self.worth_it = self._taken >= 2 * self._left
            self._taken = self._left = 0

    def _merge(self, block: bytes, base: int) -> None:
        """Put the rows of one go and the records of its stops into the reader, in order."""
        reader, stats, out = self._reader, self._reader.stats, self._out
        rows, stops, records, lines, _, first_ts, last_ts, known = (int(x) for x in out.totals)
        record_base, line_base = stats.records, stats.lines
        if first_ts >= 0:
            reader.prefixed = True
            if stats.first_ts_ns == NO_TIME:
                stats.first_ts_ns = first_ts
        if known != self._threads_known:
            self._threads_known = known
            reader.threads.update(b"%d" % (t - 1) for t in out.threads[out.threads > 0].tolist())
        done = taken = 0
        for place, row, before, line, time in out.stops[:stops].tolist():
            self._emit(block, base, done, row, record_base, line_base)
            done = row
            if before > taken:  # else the last time is that of the stop before
                stats.last_ts_ns = time
                taken = before
            stats.records, stats.lines = record_base + before, line_base + line
            end = block.index(b"\n", place) + 1
            names = len(reader.events)
            reader.take_lines(block[place:end], base + place)
            record_base = stats.records - before
            self._left += end - place
            if len(reader.events) > names:
                self._learn()
        self._emit(block, base, done, rows, record_base, line_base)
        stats.records, stats.lines = record_base + records, line_base + lines
        if records > taken:
            stats.last_ts_ns = last_ts
        self._count()

    def _learn(self) -> None:
        """Give the kernel the names that the Python path has met."""
        for name in list(self._reader.events)[len(self._tables.names) :]:
            event = self._reader.events[name]
            forms = [(p.form, c) for p, c in zip(event.plans, event.code, strict=False)] if event.wanted else None
            self._tables.add(name, forms)

    def _count(self) -> None:
        counts = self._tables.counts
        for code in np.flatnonzero(counts).tolist():
            self._reader.events[self._tables.names[code]].count += int(counts[code])
        counts[:] = 0

    def _emit(self, block: bytes, base: int, first: int, last: int, record_base: int, line_base: int) -> None:
        if first == last:
            return
        rows = self._out.rows[first:last].copy()
        rows[:, 1] += record_base
        rows[:, 2] += line_base + 1
        rows[:, 3] += base
        args = self._out.args[first:last].copy()
        for code, slots in self._tables.strings.items():
            for i in np.flatnonzero(rows[:, 0] == code).tolist():
                for slot in slots:
                    args[i, slot] = self._string(block, int(args[i, slot]))
        self._reader.builder.extend(rows, args)

    def _string(self, block: bytes, packed: int) -> int:
        at, size = packed >> STRING_SHIFT, packed & ((1 << STRING_SHIFT) - 1)
        return self._reader.builder.strings.intern(block[at : at + size])
