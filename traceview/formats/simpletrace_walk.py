"""Records of simpletrace files, one by one: what an item is, and what is to be said of one that cannot be read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from traceview.errors import DeclarationsMismatchError
from traceview.events import (
    NO_LINE,
    NO_THREAD,
    NO_TIME,
    EventForm,
    Gap,
    Kind,
    ReadStats,
    StringTable,
    to_int64,
)
from traceview.formats.base import FormsOf, Wanted
from traceview.formats.builder import BatchBuilder
from traceview.formats.declarations import Declarations
from traceview.releases import ReleaseRange, release_key

__all__ = ["MAX_NAME", "MAX_RECORD", "MAX_STRING", "RECORD_HEADER", "Event", "Layout", "RecordWalker"]

DROPPED_ID = (1 << 64) - 2
RECORD_HEADER = 24
MAX_RECORD = 1 << 18
"""A record cannot be larger than the ring buffer it was written through (256 KiB, trace/simple.c)."""
MAX_NAME = 1 << 12
MAX_STRING = 512
"""MAX_TRACE_STRLEN of trace/simple.c."""
_TYPE_MAPPING, _TYPE_EVENT = 0, 1
_MAPPING_HEADER = 20


@dataclass(slots=True)
class Layout:
    """How the arguments of one form lie in a record; `fixed` is their size, or -1 where there are strings."""

    form: EventForm
    fixed: int
    numbers: struct.Struct | None
    order: str

    @classmethod
    def of(cls, form: EventForm, order: str) -> Layout:
        """Return the layout of a form in a byte order (``<`` or ``>``)."""
        if any(a.kind is Kind.STRING for a in form.args):
            return cls(form, -1, None, order)
        return cls(form, 8 * len(form.args), struct.Struct(f"{order}{len(form.args)}q"), order)

    def fits(self, buffer: bytearray, start: int, end: int) -> bool:
        """Say whether ``buffer[start:end]`` can be the arguments of this form."""
        if self.fixed >= 0:
            return end - start == self.fixed
        at = start
        for arg in self.form.args:
            if arg.kind is not Kind.STRING:
                at += 8
                continue
            if at + 4 > end:
                return False
            (size,) = struct.unpack_from(f"{self.order}I", buffer, at)
            if size > MAX_STRING:
                return False
            at += 4 + size
        return at == end

    def decode(self, buffer: bytearray, start: int, strings: StringTable) -> Sequence[int]:
        """Return the arguments that stand at `start`, where they fit."""
        if self.numbers is not None:
            return self.numbers.unpack_from(buffer, start)
        values: list[int] = []
        at = start
        for arg in self.form.args:
            if arg.kind is Kind.STRING:
                (size,) = struct.unpack_from(f"{self.order}I", buffer, at)
                at += 4
                values.append(strings.intern(bytes(buffer[at : at + size])))
                at += size
            else:
                (value,) = struct.unpack_from(f"{self.order}q", buffer, at)
                values.append(value)
                at += 8
        return values


@dataclass(slots=True)
class Event:
    """What one id of this file stands for."""

    name: str
    layouts: list[Layout] | None
    """None until the first record: a built-in form is chosen by what the whole header maps."""
    declared: bool
    wanted: bool
    count: int = 0


class RecordWalker:
    """Takes the items of one file, in order, into `builder` and `stats`.

    `events` are those that ids stand for now, `replaced` those that they stood for until they were mapped anew (no
    release does that). `changed` are the ids of which something has become known; whoever keeps tables of events takes
    them out.
    """

    def __init__(
        self, file: str, version: int, order: str, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted,
        stats: ReadStats,
    ) -> None:  # fmt: skip
        self.version = version
        self.stats = stats
        self.builder = BatchBuilder()
        self.events: dict[int, Event] = {}
        self.replaced: list[Event] = []
        self.changed: set[int] = set()
        self.ended = False
        """Whether the file is damaged beyond finding the next item."""
        self._name = file
        self._order = order
        self._forms_of = forms_of
        self._declarations = declarations
        self._wanted = wanted
        if version < 4 and declarations is not None:
            for number, form in enumerate(declarations.numbered(version)):
                self.events[number] = Event(form.name, [Layout.of(form, order)], True, wanted(form.name))
                self.changed.add(number)
        self._written_by = ReleaseRange("2.8", None)
        """The releases that can have mapped the names of this version 4 file."""

    def walk(self, buffer: bytearray, at: int, size: int, base: int, most: int = -1) -> int:
        """Take the items that stand whole in ``buffer[at:size]``, with `most` records at most (all by default).

        `base` is the offset of the buffer in the file. Returns the place of the next item; sets `ended` where there is
        none to be found. Raises DeclarationsMismatchError where a record cannot be what was declared.
        """
        order, stats, builder, v4 = self._order, self.stats, self.builder, self.version == 4
        header = struct.Struct(f"{order}QQII")
        item = struct.Struct(f"{order}Q")
        before = 8 if v4 else 0
        thread_known = self.version != 2
        left = most
        while left != 0:
            if v4:
                if at + 8 > size:
                    break
                (kind,) = item.unpack_from(buffer, at)
                if kind == _TYPE_MAPPING:
                    end = self._mapping(buffer, at, size, base)
                    if end == at:
                        break
                    at = end
                    continue
                if kind != _TYPE_EVENT:
                    self._unreadable(base + at, f"item type {kind}: expected 0 or 1")
                    break
            start = at + before
            if start + RECORD_HEADER > size:
                break
            left -= 1
            number, ts, length, pid = header.unpack_from(buffer, start)
            if not RECORD_HEADER <= length <= MAX_RECORD:
                self._bad_length(base + at, length)
                break
            end = start + length
            if end > size:
                break
            if number == DROPPED_ID:
                lost = item.unpack_from(buffer, start + RECORD_HEADER)[0] if length >= RECORD_HEADER + 8 else None
                text = f"{'an unknown number of' if lost is None else lost} records dropped by the writer"
                self._gap("dropped", base + at, to_int64(ts), lost, text)
                at = end
                continue
            event = self.events.get(number)
            if event is None:
                self._unknown_id(base + at, number)
                break
            event.count += 1
            record = stats.records
            stats.records += 1
            ts = to_int64(ts)
            if record == 0:
                stats.first_ts_ns = ts
            stats.last_ts_ns = ts
            if event.layouts is None:
                event.layouts = self._builtin(event.name)
                self.changed.add(number)
            for layout in event.layouts:
                if layout.fits(buffer, start + RECORD_HEADER, end):
                    if event.wanted:
                        values = layout.decode(buffer, start + RECORD_HEADER, builder.strings)
                        row = (record, NO_LINE, base + at, ts, pid if thread_known else NO_THREAD)
                        builder.add(builder.code_of(layout.form), row, values)
                    break
            else:
                if event.layouts:
                    self._misfit(event, event.layouts[0], length - RECORD_HEADER, base + at)
            at = end
        return at

    def _gap(self, cause: str, offset: int, ts_ns: int, count: int | None, text: str) -> None:
        self.stats.add_gap(Gap(cause, self.stats.records, offset, NO_LINE, ts_ns, count, text))

    def _unreadable(self, offset: int, text: str) -> None:
        """Note that nothing from `offset` on can be read."""
        self._gap("unreadable", offset, NO_TIME, None, text)
        self.ended = True

    def _misfit(self, event: Event, layout: Layout, size: int, offset: int) -> None:
        text = f"record of {event.name} has {size} bytes of arguments"
        if event.declared:
            fixed = "" if layout.fixed < 0 else f" of {layout.fixed} bytes"
            raise DeclarationsMismatchError(
                f"{self._name}: byte {offset}: {text}, but {self._file()} declares "
                f"{len(layout.form.args)} arguments{fixed}: the declarations are of another build than the trace"
            )
        if event.wanted:
            self._gap("unreadable", offset, NO_TIME, 1, f"{text}: no known release writes that; give --trace-events")

    def _bad_length(self, offset: int, length: int) -> None:
        text = f"record length {length} at byte {offset}: expected {RECORD_HEADER} to {MAX_RECORD}"
        self._unreadable(offset, f"{text}; the rest of the file is not read")

    def _unknown_id(self, offset: int, number: int) -> None:
        if self.version < 4:
            raise DeclarationsMismatchError(
                f"{self._name}: byte {offset}: event id {number}, but {self._file()} declares only ids 0 to "
                f"{len(self.events) - 1}: the declarations are of another build than the trace, or it is damaged there"
            )
        self._unreadable(offset, f"event id {number} was never mapped; the rest is not read")

    def _file(self) -> str:
        return self._declarations.name if self._declarations is not None else "the built-in vocabulary"

    def _mapping(self, buffer: bytearray, at: int, size: int, base: int) -> int:
        """Take in the mapping item at `at`; return its end, or `at` where it is damaged or not there as a whole."""
        if at + _MAPPING_HEADER > size:
            return at
        number: int
        length: int
        number, length = struct.unpack_from(f"{self._order}QI", buffer, at + 8)
        if length > MAX_NAME:
            self._unreadable(base + at, f"event name of {length} bytes; the rest is not read")
            return at
        end = at + _MAPPING_HEADER + length
        if end > size:
            return at
        name = buffer[at + _MAPPING_HEADER : end].decode("ascii", "replace")
        declared = self._declarations.get(name) if self._declarations is not None else None
        layouts = [Layout.of(declared, self._order)] if declared is not None else None
        before = self.events.get(number)
        if before is not None and before.count:
            self.replaced.append(before)
        self.events[number] = Event(name, layouts, declared is not None, self._wanted(name))
        self.changed.add(number)
        known = [f.releases for f in self._forms_of(name) if f.releases is not None]
        if known:
            since = min((r[0] for r in known), key=release_key)
            until = max((r[1] for r in known), key=release_key)
            if self._written_by.overlaps(since, until):
                self._written_by = self._written_by.narrowed(since, until)
        return end

    def _builtin(self, name: str) -> list[Layout]:
        """Return the layouts of the forms that the releases which can have written this file know.

        Where none of them knows the event (a development tree, a backport), any form will do that fits its records.
        """
        forms = self._forms_of(name)
        known = [f for f in forms if f.releases is None or self._written_by.overlaps(*f.releases)]
        return [Layout.of(f, self._order) for f in known or forms]
