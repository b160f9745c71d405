"""simpletrace binary files, versions 2, 3 and 4 (QEMU 1.2 to 9.0: trace/simple.c, scripts/simpletrace.py).

Header: u64 ~0, u64 magic, u64 version. A record is u64 event, u64 ts_ns, u32 length (with these 24 bytes), u32 pid
(reserved in version 2), then 8 bytes an argument, or u32 length and bytes for a string. In version 4 each item has a
u64 type before it: 0 maps an id to a name, 1 is a record. Integers are in the byte order of the host.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from traceview.errors import DeclarationsMismatchError, DeclarationsNeededError, UnsupportedVersionError
from traceview.events import (
    NO_LINE,
    NO_THREAD,
    NO_TIME,
    BatchBuilder,
    EventBatch,
    EventForm,
    Gap,
    Kind,
    ReadStats,
    StringTable,
    to_int64,
)
from traceview.formats.base import BATCH_ROWS, FormatInfo, FormsOf, Wanted, note_cut
from traceview.formats.declarations import Declarations
from traceview.releases import ReleaseRange, release_key
from traceview.source import ByteSource

__all__ = ["FORMAT", "SimpletraceReader"]

MAGIC = 0xF2B177CB0AA429B4
HEADER_ID = (1 << 64) - 1
DROPPED_ID = (1 << 64) - 2
FILE_HEADER = 24
RECORD_HEADER = 24
MAX_RECORD = 1 << 18
"""A record cannot be larger than the ring buffer it was written through (256 KiB, trace/simple.c)."""
MAX_NAME = 1 << 12
MAX_STRING = 512
"""MAX_TRACE_STRLEN of trace/simple.c."""
_TYPE_MAPPING, _TYPE_EVENT = 0, 1
_WRITERS = {0: "QEMU 0.14 to 1.1", 1: "no released QEMU (a development tree between 1.1 and 1.2)"}
_RELEASES = {2: "1.2 to 2.0", 3: "2.1 to 2.7", 4: "2.8 and newer"}


def _byte_order(head: bytes) -> str | None:
    for order in ("<", ">"):
        if len(head) >= 16 and struct.unpack_from(f"{order}QQ", head) == (HEADER_ID, MAGIC):
            return order
    return None


def score(head: bytes) -> float:
    """Return 1.0 for the simpletrace magic in either byte order, else 0.0."""
    return 1.0 if _byte_order(head) else 0.0


@dataclass(slots=True)
class _Layout:
    """How the arguments of one form lie in a record; `fixed` is their size, or -1 where there are strings."""

    form: EventForm
    fixed: int
    numbers: struct.Struct | None
    order: str

    @classmethod
    def of(cls, form: EventForm, order: str) -> _Layout:
        if any(a.kind is Kind.STRING for a in form.args):
            return cls(form, -1, None, order)
        return cls(form, 8 * len(form.args), struct.Struct(f"{order}{len(form.args)}q"), order)

    def decode(self, buffer: bytes, start: int, end: int, strings: StringTable) -> Sequence[int] | None:
        """Return the arguments in ``buffer[start:end]``, or None if they are not of this form."""
        if self.numbers is not None:
            return self.numbers.unpack_from(buffer, start) if end - start == self.fixed else None
        values: list[int] = []
        at = start
        for arg in self.form.args:
            if arg.kind is Kind.STRING:
                if at + 4 > end:
                    return None
                (size,) = struct.unpack_from(f"{self.order}I", buffer, at)
                at += 4
                if size > MAX_STRING or at + size > end:
                    return None
                values.append(strings.intern(buffer[at : at + size]))
                at += size
            else:
                if at + 8 > end:
                    return None
                (value,) = struct.unpack_from(f"{self.order}Q", buffer, at)
                values.append(to_int64(value))
                at += 8
        return values if at == end else None


@dataclass(slots=True)
class _Event:
    """What one id of this file stands for."""

    name: str
    layouts: list[_Layout] | None
    """None until the first record: a built-in form is chosen by what the whole header maps."""
    declared: bool
    wanted: bool = False
    count: int = 0


class SimpletraceReader:
    """Reads one simpletrace file.

    Raises UnsupportedVersionError for versions 0, 1 and above 4, DeclarationsNeededError for version 2 or 3 without
    declarations; `batches` raises DeclarationsMismatchError where records cannot be what was declared.
    """

    def __init__(self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, jobs: int = 1) -> None:  # noqa: ARG002
        self.stats = ReadStats()
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        head = source.head()
        order = _byte_order(head)
        if order is None:
            raise UnsupportedVersionError(f"{source.name}: not a simpletrace file: its first 16 bytes lack the magic")
        self._order = order
        self.version = struct.unpack_from(f"{order}Q", head, 16)[0] if len(head) >= FILE_HEADER else 4
        self._check_version()
        self._events: dict[int, _Event] = {}
        self._replaced: list[_Event] = []
        """What ids stood for until they were mapped anew; no release does that."""
        if self.version < 4 and declarations is not None:
            for number, form in enumerate(declarations.numbered(self.version)):
                self._events[number] = _Event(form.name, [_Layout.of(form, order)], declared=True)
        self._written_by = ReleaseRange("2.8", None)
        """The releases that can have mapped the names of this version 4 file."""

    def _check_version(self) -> None:
        name, version = self._source.name, self.version
        if version in _WRITERS or version > 4:
            writer = _WRITERS.get(version, "a QEMU newer than this traceview")
            raise UnsupportedVersionError(
                f"{name}: simpletrace version {version}, written by {writer}; traceview reads versions 2, 3 and 4 "
                f"(QEMU 1.2 and newer). Read it with that release's scripts/simpletrace.py"
            )
        if version < 4 and self._declarations is None:
            installed = "share/qemu/trace-events (2.2 to 2.6) or share/qemu/trace-events-all (from 2.7)"
            raise DeclarationsNeededError(
                f"{name}: simpletrace version {version} (QEMU {_RELEASES[version]}) numbers its events by the build's "
                f"declarations file: give it with --trace-events FILE. QEMU installs it as {installed}; before 2.2 it "
                f"is only in the source tree. It must be of the very build that wrote the trace"
            )

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        for event in self._events.values():
            event.wanted = wanted(event.name)
        builder = BatchBuilder()
        walk = self._walk(builder, wanted)
        next(walk)
        carry, base = b"", 0
        for chunk in self._source.chunks():
            self.stats.bytes_read += len(chunk)
            buffer = carry + chunk
            used = walk.send((buffer, base))
            if used < 0:  # damaged beyond finding the next record
                break
            carry, base = buffer[used:], base + used
            if len(builder) >= BATCH_ROWS:
                yield from builder.flush()
        else:
            note_cut(self._source, self.stats, base + len(carry))
            if carry and not self._source.cut:
                place = "a record" if base else "its header"
                self._gap("cut", base, NO_TIME, 1, f"the file ends {len(carry)} bytes into {place}")
        yield from builder.flush()
        for event in (*self._replaced, *self._events.values()):
            if event.count:
                self.stats.names[event.name] = self.stats.names.get(event.name, 0) + event.count
                if not event.layouts:
                    self.stats.unknown_names.add(event.name)

    def _gap(self, cause: str, offset: int, ts_ns: int, count: int | None, text: str) -> None:
        self.stats.add_gap(Gap(cause, self.stats.records, offset, NO_LINE, ts_ns, count, text))

    def _walk(self, builder: BatchBuilder, wanted: Wanted) -> Generator[int, tuple[bytes, int], None]:
        """Take (buffer, its offset in the file); give the number of bytes used up, or -1 to stop reading."""
        order, stats, v4 = self._order, self.stats, self.version == 4
        header = struct.Struct(f"{order}QQII")
        item = struct.Struct(f"{order}Q")
        before = 8 if v4 else 0
        thread_known = self.version != 2
        started = False
        used = 0
        while True:
            buffer, base = yield used
            at, size = 0, len(buffer)
            if not started:
                if size < FILE_HEADER:
                    used = 0
                    continue
                at, started = FILE_HEADER, True
            while True:
                if v4:
                    if at + 8 > size:
                        break
                    (kind,) = item.unpack_from(buffer, at)
                    if kind == _TYPE_MAPPING:
                        end = self._mapping(buffer, at, base, wanted)
                        if end == at:
                            break
                        if end < 0:
                            at = -1
                            break
                        at = end
                        continue
                    if kind != _TYPE_EVENT:
                        self._gap("unreadable", base + at, NO_TIME, None, f"item type {kind}: expected 0 or 1")
                        at = -1
                        break
                start = at + before
                if start + RECORD_HEADER > size:
                    break
                number, ts, length, pid = header.unpack_from(buffer, start)
                if not RECORD_HEADER <= length <= MAX_RECORD:
                    self._bad_length(base + at, length)
                    at = -1
                    break
                end = start + length
                if end > size:
                    break
                if number == DROPPED_ID:
                    lost = item.unpack_from(buffer, start + RECORD_HEADER)[0] if length >= 32 else None
                    text = f"{'an unknown number of' if lost is None else lost} records dropped by the writer"
                    self._gap("dropped", base + at, to_int64(ts), lost, text)
                    at = end
                    continue
                event = self._events.get(number)
                if event is None:
                    self._unknown_id(base + at, number)
                    at = -1
                    break
                event.count += 1
                record = stats.records
                stats.records += 1
                ts = to_int64(ts)
                if record == 0:
                    stats.first_ts_ns = ts
                stats.last_ts_ns = ts
                values, layout = self._decode(event, buffer, start + RECORD_HEADER, end, base + at, builder.strings)
                if layout is not None and event.wanted:
                    row = (record, NO_LINE, base + at, ts, pid if thread_known else NO_THREAD)
                    builder.add(builder.code_of(layout.form), row, values)
                at = end
            used = at

    def _decode(
        self, event: _Event, buffer: bytes, start: int, end: int, offset: int, strings: StringTable
    ) -> tuple[Sequence[int], _Layout | None]:
        if event.layouts is None:
            event.layouts = self._builtin(event.name)
        if not event.layouts:
            return (), None
        for layout in event.layouts:
            if not event.wanted and layout.fixed >= 0:
                if layout.fixed == end - start:
                    return (), layout
                continue
            values = layout.decode(buffer, start, end, strings)
            if values is not None:
                return values, layout
        self._misfit(event, end - start, offset)
        return (), None

    def _misfit(self, event: _Event, size: int, offset: int) -> None:
        assert event.layouts
        declared = event.layouts[0]
        text = f"record of {event.name} has {size} bytes of arguments"
        if event.declared:
            fixed = "" if declared.fixed < 0 else f" of {declared.fixed} bytes"
            raise DeclarationsMismatchError(
                f"{self._source.name}: byte {offset}: {text}, but {self._file()} declares "
                f"{len(declared.form.args)} arguments{fixed}: the declarations are of another build than the trace"
            )
        if event.wanted:
            self._gap("unreadable", offset, NO_TIME, 1, f"{text}: no known release writes that; give --trace-events")

    def _bad_length(self, offset: int, length: int) -> None:
        text = f"record length {length} at byte {offset}: expected {RECORD_HEADER} to {MAX_RECORD}"
        self._gap("unreadable", offset, NO_TIME, None, f"{text}; the rest of the file is not read")

    def _unknown_id(self, offset: int, number: int) -> None:
        if self.version < 4:
            raise DeclarationsMismatchError(
                f"{self._source.name}: byte {offset}: event id {number}, but {self._file()} declares only ids 0 to "
                f"{len(self._events) - 1}: the declarations are of another build than the trace, or it is damaged there"
            )
        self._gap("unreadable", offset, NO_TIME, None, f"event id {number} was never mapped; the rest is not read")

    def _file(self) -> str:
        return self._declarations.name if self._declarations is not None else "the built-in vocabulary"

    def _mapping(self, buffer: bytes, at: int, base: int, wanted: Wanted) -> int:
        """Take in the mapping item at `at`; return its end, `at` if more bytes are needed, -1 if it is damaged."""
        if at + 20 > len(buffer):
            return at
        number: int
        size: int
        number, size = struct.unpack_from(f"{self._order}QI", buffer, at + 8)
        if size > MAX_NAME:
            self._gap("unreadable", base + at, NO_TIME, None, f"event name of {size} bytes; the rest is not read")
            return -1
        end = at + 20 + size
        if end > len(buffer):
            return at
        name = buffer[at + 20 : end].decode("ascii", "replace")
        declared = self._declarations.get(name) if self._declarations is not None else None
        layouts = [_Layout.of(declared, self._order)] if declared is not None else None
        before = self._events.get(number)
        if before is not None and before.count:
            self._replaced.append(before)
        self._events[number] = _Event(name, layouts, declared is not None, wanted(name))
        known = [f.releases for f in self._forms_of(name) if f.releases is not None]
        if known:
            since = min((r[0] for r in known), key=release_key)
            until = max((r[1] for r in known), key=release_key)
            if self._written_by.overlaps(since, until):
                self._written_by = self._written_by.narrowed(since, until)
        return end

    def _builtin(self, name: str) -> list[_Layout]:
        """Return the layouts of the forms that the releases which can have written this file know.

        Where none of them knows the event (a development tree, a backport), any form will do that fits its records.
        """
        forms = self._forms_of(name)
        known = [f for f in forms if f.releases is None or self._written_by.overlaps(*f.releases)]
        return [_Layout.of(f, self._order) for f in known or forms]


FORMAT = FormatInfo(
    id="simpletrace",
    title="simpletrace binary, versions 2 to 4",
    releases="1.2 to 9.0",
    clock="monotonic nanoseconds, not wall time",
    thread="process id (versions 3 and 4), none (version 2)",
    loss="marked by the writer (dropped records); the tail after a crash is lost without a mark",
    reference="QEMU trace/simple.c, scripts/simpletrace.py",
    score=score,
    make=SimpletraceReader,
)
