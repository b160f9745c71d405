"""Records of simpletrace files, one by one: what an item is, and what is to be said of one that cannot be read."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from traceview.events import NO_LINE, NO_THREAD, NO_TIME, Gap, ReadStats, to_int64
from traceview.formats.base import FormsOf, Wanted
from traceview.formats.builder import BatchBuilder
from traceview.formats.clock import STEP_NS, Clock
from traceview.formats.declarations import Declarations
from traceview.formats.simpletrace_forms import Build, BuiltinForms
from traceview.formats.simpletrace_items import (
    ANY,
    DROPPED_ID,
    MAPPING_HEADER,
    MAX_NAME,
    MAX_RECORD,
    RECORD_HEADER,
    TYPE_EVENT,
    TYPE_MAPPING,
    VARIES,
    Event,
    ItemCopies,
    Items,
    Layout,
)

__all__ = ["RecordWalker"]


@dataclass(slots=True)
class _Lost:
    """Where the chain of items broke, and why; whether all since are zeros; from where on the next is sought.

    `before` is the place of the record before it, -1 for none: the damage may be in its arguments.
    """

    cause: str
    text: str
    start: int
    search_from: int
    before: int = -1
    zeros: bool = True


class RecordWalker:
    """Takes the items of one file, in order, into `builder` and `stats`. When all was taken, `finish` is to be called.

    `events` are those that ids stand for now, `replaced` those that they stood for before. `changed` are the ids of
    which something has become known; whoever keeps tables of events takes them out.
    """

    def __init__(
        self, file: str, version: int, order: str, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted,
        stats: ReadStats,
    ) -> None:  # fmt: skip
        self.version = version
        self.stats = stats
        self.builder = BatchBuilder()
        self.items = Items(version, order)
        self.events = self.items.events
        self.replaced: list[Event] = []
        self.changed: set[int] = set()
        self._order = order
        self._builtin = BuiltinForms(forms_of, order)
        self._declarations = declarations
        self._wanted = wanted
        self._clock = Clock(stats)
        self._copies = ItemCopies(stats, self.items)
        self._lost: _Lost | None = None
        self._final = False
        self._process = 0  # of the last record that tells it: one alone may be damaged
        self.last_start = -1  # where the record before the next item stands, -1 where it is none or damaged
        self._build = Build(file, declarations)
        if version < 4 and declarations is not None:
            for number, form in enumerate(declarations.numbered(version)):
                self.events[number] = Event(form.name, [Layout.of(form, order)], True, wanted(form.name))
                self.changed.add(number)

    @property
    def busy(self) -> bool:
        """Whether what comes next is not simply the next item: the chain is broken, or a copy goes on."""
        return self._lost is not None or self._copies.going_on

    def needed(self, at: int) -> int:
        """Return the place in the file from which on bytes are needed, where the next item is at `at`."""
        if self._lost is not None:
            return min(self._lost.search_from, at)
        return self.last_start if self.last_start >= 0 else at

    def walk(self, buffer: bytearray, at: int, size: int, base: int, most: int = -1) -> int:
        """Take the items that stand whole in ``buffer[at:size]``, with `most` records at most (all by default).

        `base` is the offset of the buffer in the file. Returns the place of the next item. Raises
        DeclarationsMismatchError where records cannot be what was declared.
        """
        v4, before = self.version == 4, self.items.before
        if self.stats.records > 1:  # the first one may be damaged
            self.items.last_ns = self.stats.last_ts_ns
        left = most
        while left != 0:
            if self._lost is not None:
                at = self._seek(buffer, at, size, base)
                if self._lost is not None:
                    break
            elif self._copies.going_on:
                at = self._copies.follow(buffer, at, size, base)
                self.last_start = -1
                if self._copies.going_on:
                    break
            if v4:
                if at + 8 > size:
                    break
                (kind,) = struct.unpack_from(f"{self._order}Q", buffer, at)
                if kind == TYPE_MAPPING:
                    end = self._mapping(buffer, at, size, base)
                    if end == at and self._lost is None:
                        break
                    self.last_start = -1 if end > at else self.last_start
                    at = end
                    continue
                if kind != TYPE_EVENT:
                    self._lose("unknown-id", base + at, f"item type {kind}: expected 0 or 1")
                    continue
            if at + before + RECORD_HEADER > size:
                break
            left -= 1
            end = self._record(buffer, at, at + before, size, base)
            if end == at and self._lost is None and not self._copies.going_on:
                break
            at = end
        return at

    def keep(self, buffer: bytearray, at: int) -> None:
        """Take in ``buffer[:at]``, which is let go of."""
        self._copies.keep(buffer, at)

    def finish(self, buffer: bytearray, at: int, size: int, base: int) -> int:
        """Take what is left in ``buffer[at:size]`` when the file has ended; return where that cannot be read any more.

        Raises as `walk` does.
        """
        self._final = True
        while True:
            at = self.walk(buffer, at, size, base)
            if self._lost is not None:
                self._found(base + size, "up to the end of the file")
                at = size
            first = max(self.needed(base + at) - base, 0) + 1
            if at == size or not self.items.next_proven(buffer, first, size, final=True, but=at)[1]:
                break
            self._lose("bad-length", base + at, "an item that reaches beyond the end of the file")
        self._copies.finish()
        self._build.finish(self.events.values(), self.stats.records)
        return at

    def _record(self, buffer: bytearray, at: int, start: int, size: int, base: int) -> int:
        """Take the record whose header stands at `start`; return its end, or `at` where it cannot be taken (yet)."""
        number: int
        length: int
        number, ts, length, process = struct.unpack_from(f"{self._order}QQII", buffer, start)
        ts = to_int64(ts)
        if not RECORD_HEADER <= length <= MAX_RECORD:
            text = f"record length {length}: expected {RECORD_HEADER} to {MAX_RECORD}"
            return self._lose("bad-length", base + at, text, at)
        end, stats = start + length, self.stats
        if number == DROPPED_ID:
            return self._dropped(buffer, at, start, size, base, ts, length)
        event = self.events.get(number)
        if event is None:
            return self._unknown(buffer, at, end, size, base, number)
        if event.layouts is None:
            event.layouts = self._builtin.layouts(event.name)
            self.changed.add(number)
        possible = [x for x in event.layouts if x.can_take(length - RECORD_HEADER)]
        if end > size and possible:
            return at
        layout = next((x for x in possible if x.fits(buffer, start + RECORD_HEADER, end)), None)
        settled = not event.layouts and event.length in (length, VARIES)
        if (layout is None and not settled) or self._of_another_process(process):
            follows = self._follows(buffer, end, size)
            if follows is None:
                return at
            if not follows or (event.declared and self._hides(buffer, at, end)):
                return self._lose("bad-length", base + at, f"record of {event.name} of {length} bytes", at)
            if self._of_another_process(process) and not self._next_of(buffer, end, size, process):
                text = f"record of process {process} in a trace of process {self.items.process}"
                self._gap("unreadable", base + at, ts, 1, text, end - at)
                self.last_start = -1
                return end
        if layout is None and not event.layouts and not self._length_is_right(buffer, start, size, event, length):
            return self._lose("bad-length", base + at, f"record of {event.name} of {length} bytes", at)
        if end > size:
            return at
        if stats.records and not 0 <= ts - stats.last_ts_ns <= STEP_NS:
            copied = self._steps(buffer, at, size, base, ts)
            if copied is None or copied:
                return at
        self._count(event, ts, process)
        self.last_start = base + at
        if layout is not None and event.wanted:
            values = layout.decode(buffer, start + RECORD_HEADER, self.builder.strings)
            row = (stats.records - 1, NO_LINE, base + at, ts, process if self.version != 2 else NO_THREAD)
            self.builder.add(self.builder.code_of(layout.form), row, values)
        elif layout is None and event.layouts:
            self._misfit(event, event.layouts[0], end - start - RECORD_HEADER, base + at, end - at)
        if event.doubtful:
            self._gap("unknown-id", base + at, ts, 1, f"event id {number} is mapped to several events", end - at)
        return end

    def _count(self, event: Event, ts: int, process: int) -> None:
        stats = self.stats
        event.count += 1
        stats.records += 1
        if stats.records == 1:
            stats.first_ts_ns = ts
        else:
            self.items.last_ns = ts
        stats.last_ts_ns = ts
        if process and process == self._process:
            self.items.process = process
        self._process = process or self._process

    def _of_another_process(self, process: int) -> bool:
        return self.version != 2 and process not in (0, self.items.process) and self.items.process != 0

    def _next_of(self, buffer: bytearray, at: int, size: int, process: int) -> bool:
        """Say whether the item at `at` is a record of a process, too."""
        start = at + self.items.before
        return start + RECORD_HEADER <= size and struct.unpack_from(f"{self._order}I", buffer, start + 20)[0] == process

    def _steps(self, buffer: bytearray, at: int, size: int, base: int, ts: int) -> bool | None:
        """Take in that time steps back or far ahead; say whether a copy begins with that, None if it is not known."""
        before = self.stats.last_ts_ns
        if ts < before:
            copied = self._copies.begin(buffer, at, size, ts // 1000, final=self._final)
            if copied or copied is None:
                return copied
        if not -STEP_NS <= ts - before <= STEP_NS:
            self.items.earlier_ns = before
            self._clock.step(ts, before, base + at, NO_LINE)
        return False

    def _length_is_right(self, buffer: bytearray, start: int, size: int, event: Event, length: int) -> bool:
        """Say whether a record of an event without known form can have its length; learn from it what others have.

        Where it is not the length of those before it, another record must not follow at that distance.
        """
        if event.length in (length, VARIES):
            return True
        if event.length != ANY:
            if self.items.end_of(buffer, start + event.length, size):
                return False
            length = VARIES
        event.length = length
        self.changed.update(n for n, e in self.events.items() if e is event)
        return True

    def _follows(self, buffer: bytearray, end: int, size: int) -> bool | None:
        """Say whether an item in order follows at `end`, or the file ends there; None where that is not known yet."""
        if end >= size:
            return end == size if self._final else None
        follows = self.items.end_of(buffer, end, size, strict=False)
        if follows is None:
            return True if self._final else None
        return follows > 0

    def _hides(self, buffer: bytearray, at: int, end: int) -> bool:
        """Say whether there is an item in order within a record that is none: its length is wrong."""
        return self.items.next_proven(buffer, at + 1, end, final=True)[1]

    def _dropped(self, buffer: bytearray, at: int, start: int, size: int, base: int, ts: int, length: int) -> int:
        if length not in (RECORD_HEADER, RECORD_HEADER + 8):
            return self._lose("bad-length", base + at, f"a mark of dropped records of {length} bytes", at)
        if start + length > size:
            return at
        known = length > RECORD_HEADER
        lost = struct.unpack_from(f"{self._order}Q", buffer, start + RECORD_HEADER)[0] if known else None
        text = f"{'an unknown number of' if lost is None else lost} records dropped by the writer"
        self._gap("dropped", base + at, ts, lost, text, None)
        self.last_start = -1
        return start + length

    # what cannot be read

    def _gap(self, cause: str, offset: int, ts_ns: int, count: int | None, text: str, size: int | None) -> None:
        self.stats.add_gap(Gap(cause, self.stats.records, offset, NO_LINE, ts_ns, count, text, size))

    def _lose(self, cause: str, offset: int, text: str, at: int = 0) -> int:
        """Note that no item is known to follow at `offset`: the next one is sought. Returns `at`.

        It may begin within the record before, where bytes of that are missing.
        """
        before, self.last_start = self.last_start, -1
        search_from = offset + 1 if before < 0 else before + 1
        self._lost = _Lost(cause, text, offset, search_from, before)
        return at

    def _seek(self, buffer: bytearray, at: int, size: int, base: int) -> int:
        """Look for the next item in order; return its place, or where to look on when there is more."""
        lost = self._lost
        assert lost is not None
        first = max(lost.search_from - base, 0)
        place, proven = self.items.next_proven(buffer, first, size, final=self._final, but=lost.start - base)
        passed = buffer[max(lost.start - base, first) : place]
        lost.zeros = lost.zeros and not passed.strip(b"\0")
        lost.search_from = base + place
        if proven:
            self._found(base + place, "up to the next records that are in order")
        return min(place, size) if proven else max(at, min(place, size))

    def _found(self, offset: int, where: str) -> None:
        lost, self._lost = self._lost, None
        assert lost is not None
        start = lost.start if offset > lost.start else lost.before
        size = offset - start
        zeros = lost.zeros and offset > lost.start
        cause, text = ("overwritten", "zeros instead of records") if zeros else (lost.cause, lost.text)
        text = f"{text}; {size} bytes skipped, {where}"
        reach = int(lost.before >= 0)  # that record may be damaged
        self.stats.add_gap(Gap(cause, self.stats.records, start, NO_LINE, NO_TIME, None, text, size, reach))

    def _misfit(self, event: Event, layout: Layout, size: int, offset: int, whole: int) -> None:
        """Note a record that is none of its event's, where the next one is in its place all the same."""
        event.misfits += 1
        text = f"record of {event.name} has {size} bytes of arguments"
        if event.declared:
            self._build.misfit(event, layout, text, offset)
            self._gap("unreadable", offset, NO_TIME, 1, f"{text}: it is declared otherwise", whole)
        elif event.wanted:
            text += ": no known release writes that; give --trace-events"
            self._gap("unreadable", offset, NO_TIME, 1, text, whole)

    def _unknown(self, buffer: bytearray, at: int, end: int, size: int, base: int, number: int) -> int:
        """Take a record whose id stands for nothing, where the next one is in its place; return its end."""
        follows = self._follows(buffer, end, size)
        if follows is None:
            return at
        text = f"event id {number} was never mapped"
        if self.version < 4:
            text = f"event id {number}, but {self._build.file} declares only ids 0 to {len(self.events) - 1}"
        if not follows or self._hides(buffer, at, end):
            return self._lose("unknown-id", base + at, text, at)
        if self.version < 4:
            self._build.undeclared(number, text, base + at)
        self._gap("unknown-id", base + at, NO_TIME, 1, text, end - at)
        self.last_start = -1
        return end

    def _mapping(self, buffer: bytearray, at: int, size: int, base: int) -> int:
        """Take in the mapping item at `at`; return its end, or `at` where it is damaged or not there as a whole."""
        if at + MAPPING_HEADER > size:
            return at
        number: int
        length: int
        number, length = struct.unpack_from(f"{self._order}QI", buffer, at + 8)
        if not 0 < length <= MAX_NAME:
            return self._lose("bad-length", base + at, f"event name of {length} bytes", at)
        end = at + MAPPING_HEADER + length
        if end > size:
            return at
        name = buffer[at + MAPPING_HEADER : end].decode("ascii", "replace")
        before = self.events.get(number)
        if before is not None and before.name == name:
            return end
        declared = self._declarations.get(name) if self._declarations is not None else None
        layouts = [Layout.of(declared, self._order)] if declared is not None else None
        event = self.events[number] = Event(name, layouts, declared is not None, self._wanted(name))
        self.changed.add(number)
        if before is not None:
            event.doubtful, event.wanted = True, False
            reach = self.stats.records if before.count else 0
            text = f"event id {number} is mapped to {name} and was mapped to {before.name}: it is not known which it is"
            gap = Gap("unknown-id", self.stats.records, base + at, NO_LINE, NO_TIME, None, text, end - at, reach)
            self.stats.add_gap(gap)
            if before.count:
                self.replaced.append(before)
        self._builtin.note(name)
        return end
