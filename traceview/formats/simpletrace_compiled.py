"""Records of large simpletrace files through the compiled kernel; what it leaves goes to `formats.simpletrace_walk`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from traceview.events import NO_LINE, Int64Array, Kind
from traceview.formats import simpletrace_kernel as kernel
from traceview.formats.base import BATCH_ROWS
from traceview.formats.builder import BatchBuilder
from traceview.formats.simpletrace_items import ANY, RECORD_HEADER, VARIES, Event, Layout
from traceview.formats.simpletrace_walk import RecordWalker

__all__ = ["MOST_IDS", "CompiledRecords"]

MOST_IDS = 1 << 13
"""Ids from here on are left to the Python path: the newest QEMU has some 5,000 events."""
MOST_AT_ONCE = 1 << 12
"""Records that are left to the Python path in one go, where the kernel takes hardly any."""
MOST_TEXTS = 1 << 16
"""Strings in one go over a block."""
_WORD = (1 << 64) - 1


@dataclass(slots=True)
class _Columns:
    """Room for the records of one batch: `rows` are filled, of which the first `handed_over` are in the builder."""

    width: int
    rows: int = 0
    handed_over: int = 0
    code: Int64Array = field(init=False)
    record: Int64Array = field(init=False)
    place: Int64Array = field(init=False)
    ts_ns: Int64Array = field(init=False)
    tid: Int64Array = field(init=False)
    args: Int64Array = field(init=False)
    addresses: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.code = np.empty(BATCH_ROWS, dtype=np.int64)
        self.record, self.place, self.ts_ns, self.tid = (np.empty(BATCH_ROWS, dtype=np.int64) for _ in range(4))
        self.args = np.zeros((BATCH_ROWS, self.width), dtype=np.int64)
        columns = (self.code, self.record, self.place, self.ts_ns, self.tid, self.args)
        self.addresses = [c.ctypes.data for c in columns]

    def hand_over(self, builder: BatchBuilder) -> None:
        """Give the builder what it has not got yet."""
        if self.handed_over < self.rows:
            rows = slice(self.handed_over, self.rows)
            line = np.full(self.rows - self.handed_over, NO_LINE, dtype=np.int64)
            builder.extend(
                self.code[rows], self.record[rows], line, self.place[rows], self.ts_ns[rows], self.tid[rows],
                self.args[rows],
            )  # fmt: skip
            self.handed_over = self.rows


class CompiledRecords:
    """Takes the blocks of one file in place of a `RecordWalker`. The records that come out are those of the walker."""

    def __init__(self, walker: RecordWalker, function: Callable[..., int]) -> None:
        self._walker = walker
        self._function = function
        self._first_plan = np.full(MOST_IDS, kernel.LEFT, dtype=np.int64)
        self._plan = np.zeros(1, dtype=np.int64)  # so that no plan begins at 0
        self._plans: dict[tuple[int, ...], int] = {}
        self._known = np.zeros((kernel.KNOWN_SLOTS, kernel.SLOT), dtype=np.uint64)
        self._texts = np.empty(MOST_TEXTS, dtype=np.int64)
        self._counts = np.zeros(MOST_IDS, dtype=np.int64)
        self._totals = np.zeros(kernel.TOTALS, dtype=np.int64)
        self._width = 1
        self._columns = _Columns(self._width)
        self._at_once = 1
        self._learn()

    def walk(self, buffer: bytearray, at: int, size: int, base: int) -> int:
        """Take the items that stand whole in ``buffer[at:size]``, as `RecordWalker.walk` does."""
        walker = self._walker
        while True:
            if walker.busy:
                self._hand_over()
                at = walker.walk(buffer, at, size, base, 1)
                self._learn()
                if walker.busy:
                    return at
            before = walker.stats.records
            status, at = self._go(buffer, at, size, base)
            if status == kernel.DONE:
                return at
            self._hand_over()
            if status == kernel.FULL:
                continue
            self._tell_counts()
            # Where the kernel takes hardly anything, it is not called anew for each record.
            few = walker.stats.records - before < self._at_once
            self._at_once = min(2 * self._at_once, MOST_AT_ONCE) if few else 1
            stopped_at = at
            at = walker.walk(buffer, at, size, base, self._at_once)
            self._learn()
            if at == stopped_at:
                return at

    def finish(self) -> None:
        """Hand over the records and counts that are still held back."""
        self._hand_over()
        self._tell_counts()

    def _hand_over(self) -> None:
        self._columns.hand_over(self._walker.builder)
        if self._columns.rows == BATCH_ROWS:
            self._columns = _Columns(self._columns.width)

    def _go(self, buffer: bytearray, at: int, size: int, base: int) -> tuple[int, int]:
        """Run the kernel once; return why it stopped, and where."""
        walker, stats, columns, totals = self._walker, self._walker.stats, self._columns, self._totals
        totals[:] = (
            columns.rows,
            0,
            stats.records,
            at,
            stats.first_ts_ns,
            stats.last_ts_ns,
            walker.items.process,
            walker.last_start,
        )
        first_plan, plan, known, texts, counts, at_totals = self._addresses
        status = self._function(
            np.frombuffer(buffer, dtype=np.uint8).ctypes.data, at, size, base, 8 if walker.version == 4 else 0,
            first_plan, MOST_IDS, plan, known, *columns.addresses, columns.width, BATCH_ROWS, texts, MOST_TEXTS,
            counts, walker.version != 2, at_totals,
        )  # fmt: skip
        columns.rows, texted, stats.records, reached, stats.first_ts_ns, stats.last_ts_ns, _, last = totals.tolist()
        walker.last_start = last
        if texted:
            self._intern(buffer, self._texts[:texted])
        return status, reached

    def _tell_counts(self) -> None:
        for number in np.flatnonzero(self._counts).tolist():
            self._walker.events[number].count += int(self._counts[number])
        self._counts[:] = 0

    def _intern(self, buffer: bytearray, texts: Int64Array) -> None:
        """Put strings that the kernel does not know into the table of strings, and let it know the short ones."""
        intern = self._walker.builder.strings.intern
        args = self._columns.args.reshape(-1)
        for at in texts.tolist():
            packed = int(args[at])
            place, size = packed >> kernel.STRING_SHIFT, packed & ((1 << kernel.STRING_SHIFT) - 1)
            raw = bytes(buffer[place : place + size])
            args[at] = index = intern(raw)
            if size <= kernel.KNOWN_SIZE:
                self._remember(raw, index)

    def _remember(self, raw: bytes, index: int) -> None:
        """Put a string into `known`: into a free slot, else into the first of its slots."""
        low, high = int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")
        first = ((low ^ (high * int(kernel.PRIME))) * int(kernel.PRIME) & _WORD) >> kernel.SLOT_SHIFT
        slots = [(first + i) % kernel.KNOWN_SLOTS for i in range(kernel.PROBES)]
        free = (slot for slot in slots if not self._known[slot, 2])
        self._known[next(free, first)] = (low, high, len(raw) + 1, index)

    def _learn(self) -> None:
        """Take what the walker has got to know of ids into the tables."""
        for number in self._walker.changed:
            if number < MOST_IDS:
                self._first_plan[number] = self._first_plan_of(self._walker.events[number])
        self._walker.changed.clear()
        tables = (self._first_plan, self._plan, self._known, self._texts, self._counts, self._totals)
        self._addresses = [t.ctypes.data for t in tables]
        if self._width > self._columns.width:
            self._columns = _Columns(self._width)

    def _first_plan_of(self, event: Event) -> int:
        if event.layouts is None or event.doubtful or (not event.layouts and event.length == ANY):
            return kernel.LEFT  # its first record chooses
        if not event.layouts:
            return kernel.COUNTED if event.length == VARIES else self._plan_of_length(event.length)
        key = tuple(id(layout.form) for layout in event.layouts)
        first = self._plans.get(key)
        if first is None:
            first = self._plans[key] = self._make_plans(event.layouts, wanted=event.wanted)
        return first

    def _plan_of_length(self, length: int) -> int:
        """Return the place of the plan of records that are counted if they have a length."""
        first = self._plans.get((-length,))
        if first is None:
            first = self._plans[-length,] = len(self._plan)
            self._plan = np.append(self._plan, [kernel.NOT_WANTED, 0, length, 0])
        return first

    def _make_plans(self, layouts: list[Layout], *, wanted: bool) -> int:
        """Write the plans of an event; return the place of the first."""
        first = len(self._plan)
        words = self._plan.tolist()
        for i, layout in enumerate(layouts):
            strings = [int(a.kind is Kind.STRING) for a in layout.form.args]
            code = self._walker.builder.code_of(layout.form) if wanted else kernel.NOT_WANTED
            length = RECORD_HEADER + layout.fixed if layout.fixed >= 0 else 0
            behind = len(words) + kernel.PLAN + len(strings)
            words += [code, behind if i < len(layouts) - 1 else 0, length, len(strings), *strings]
            if wanted:
                self._width = max(self._width, len(strings))
        self._plan = np.array(words, dtype=np.int64)
        return first
