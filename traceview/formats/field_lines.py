"""Reads texts of one record a line whose values are named: the part that is the same for all such formats.

What a line is, its clock and its thread, and what the writer says of records that it lost, is a `Dialect`'s to tell:
one module a format.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from traceview.events import MAX_GAPS, NO_TIME, Arg, Conversion, EventForm, Gap, Kind, ReadStats
from traceview.formats.base import FormsOf, MakeReader, Wanted
from traceview.formats.builder import BatchBuilder
from traceview.formats.carried import reader_of as reader_of_lines
from traceview.formats.clock import STEP_NS, Clock
from traceview.formats.declarations import Declarations, forms_for
from traceview.formats.field_grammar import Syntax
from traceview.formats.fields import Decoded, EventFields
from traceview.formats.log_blocks import Fault, note_fault
from traceview.formats.log_scraps import is_garbage

__all__ = ["Dialect", "FieldLines", "Loss", "PlainRecords", "reader_of", "share_of_records"]

_REMEMBERED = 1 << 16
"""The times of so many records are remembered; a loss that began before them is taken to have begun with the trace."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a line says of records that were lost: how many (None where it does not say), in its own words.

    `since_ns` and `until_ns` are the time in which that was, or NO_TIME where the line does not say.
    """

    count: int | None
    text: str
    since_ns: int = NO_TIME
    until_ns: int = NO_TIME


class Dialect(Protocol):
    """How one format writes a record. It lives as long as one reading, and is told of all lines in their order."""

    syntax: Syntax
    line: re.Pattern[bytes]
    """Matches the line of a record (multi-line mode) without its end; the group NAME is its event."""
    partial: bool
    """Whether records may lack arguments of their event."""
    number: re.Pattern[str] | None
    """Matches the name of an event that is traced in several places, with the group NAME for what it is called."""
    doubt: str
    """Why something must be missing right before the record that was placed last, "" where nothing tells."""
    unordered: str
    """What it means that time steps back, where the writer mixes up the order of records; else ""."""

    def place(self, match: re.Match[bytes]) -> tuple[int, int]:
        """Return the time in ns and the thread of a record; it is called once for each, in their order."""
        ...

    def values(self, match: re.Match[bytes], event: EventFields) -> Decoded | None:
        """Return the form and the arguments of a record, or None where it is of no form."""
        ...

    def text(self, match: re.Match[bytes]) -> bytes | None:
        """Return the values of a record of which no form is known, as text, or None where they are damaged."""
        ...

    def loss(self, line: bytes) -> Loss | None:
        """Return what a line that is no record says of lost records."""
        ...

    def suspect(self, line: bytes) -> bool:
        """Say whether a line that is no record can be what is left of one."""
        ...


class PlainRecords:
    """What most dialects have in common: the arguments are the text behind the rest, and nothing tells of doubt."""

    doubt = ""
    unordered = ""
    number: re.Pattern[str] | None = None

    def values(self, match: re.Match[bytes], event: EventFields) -> Decoded | None:
        """Return the form and the arguments of a record, or None where it is of no form."""
        return event.read(self.text(match))

    def text(self, match: re.Match[bytes]) -> bytes:
        """Return the arguments as text."""
        return (match["TEXT"] or b"").removesuffix(b"\r")


class _Event:
    __slots__ = ("count", "fields", "wanted", "whole")

    def __init__(self, fields: EventFields, *, wanted: bool) -> None:
        self.fields = fields
        self.wanted = wanted
        self.count = 0
        text = (Arg("text", Kind.STRING),)
        self.whole = EventForm(fields.name, text, (Conversion("STRING", 0),), declared=False)


class FieldLines:
    """Takes the lines of one text, in order, and collects their records in `builder`."""

    def __init__(
        self, dialect: Dialect, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted, stats: ReadStats
    ) -> None:
        self.stats = stats
        self.builder = BatchBuilder()
        self._dialect = dialect
        self._forms_of = forms_of
        self._declarations = declarations
        self._wanted = wanted
        self._events: dict[bytes, _Event] = {}
        self._clock = Clock(stats)
        self._losses = _Losses(stats)

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        at = 0
        for match in self._dialect.line.finditer(block):
            start = match.start()
            if start > at:
                self._others(block[at : start - 1], base + at)
            at = match.end() + 1
            self._record(match, base + start)
        if at < len(block):
            self._others(block[at:-1], base + at)

    def take_unfinished(self, line: bytes, base: int) -> None:
        """Take a line that lacks its end: a number in it may be cut, so it is no record."""
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        loss = self._dialect.loss(line)
        if loss is not None:
            self.lost(loss, base)
        elif line.strip():
            text = "a line without its end: it may be cut, and is not judged"
            stats.add_gap(Gap("cut", stats.records, base, stats.lines, stats.last_ts_ns, 1, text))

    def take_fault(self, fault: Fault) -> None:
        """Take what is no line, and cuts one off."""
        if fault.rest:
            self.take_unfinished(fault.rest, fault.rest_at)
        note_fault(fault, self.stats)

    def lost(self, loss: Loss, offset: int) -> None:
        """Note what the writer says of records that it lost; `offset` is where it says so."""
        self._losses.take(loss, offset)

    def finish(self) -> None:
        """Note what is left to be said when there are no more lines."""
        self._losses.finish()
        names = self.stats.names = {}
        for event in self._events.values():
            name = event.fields.name
            names[name] = names.get(name, 0) + event.count
            if not event.fields.forms:
                self.stats.unknown_names.add(name)

    def _record(self, match: re.Match[bytes], offset: int) -> None:
        stats = self.stats
        stats.lines += 1
        name = match["NAME"]
        event = self._events.get(name) or self._event(name)
        ts, tid = self._dialect.place(match)
        if self._dialect.doubt:
            doubt = self._dialect.doubt
            stats.add_gap(Gap("clock-jump", stats.records, offset, stats.lines, ts, None, doubt))
        if ts != NO_TIME:
            before = stats.last_ts_ns
            if before == NO_TIME:
                stats.first_ts_ns = ts
            elif not before <= ts <= before + STEP_NS:
                self._clock.step(ts, before, offset, stats.lines)
                if self._dialect.unordered and before - STEP_NS <= ts < before:
                    text = self._dialect.unordered
                    stats.add_gap(Gap("clock-jump", stats.records, offset, stats.lines, ts, None, text))
            stats.last_ts_ns = ts
        self._losses.record(ts)
        record = stats.records
        stats.records = record + 1
        event.count += 1
        if not event.wanted:
            return
        if event.fields.forms:
            decoded = self._dialect.values(match, event.fields)
        else:
            raw = self._dialect.text(match)
            decoded = (event.whole, (self.builder.strings.intern(raw),)) if raw is not None else None
        if decoded is None:
            self._unreadable(match.group(), event.fields.name, record, offset, ts)
            return
        form, values = decoded
        self.builder.add(self.builder.code_of(form), (record, stats.lines, offset, ts, tid), values)

    def _event(self, name: bytes) -> _Event:
        dialect = self._dialect
        text = name.decode("ascii")
        forms = forms_for(text, self._declarations, self._forms_of)
        numbered = dialect.number.fullmatch(text) if dialect.number is not None and not forms else None
        if numbered is not None:
            known = forms_for(numbered["NAME"], self._declarations, self._forms_of)
            text, forms = (numbered["NAME"], known) if known else (text, forms)
        fields = EventFields(text, forms, dialect.syntax, self.builder.strings, partial=dialect.partial)
        event = self._events[name] = _Event(fields, wanted=self._wanted(text))
        return event

    def _unreadable(self, line: bytes, name: str, record: int, offset: int, ts: int) -> None:
        stats = self.stats
        stats.refuse(offset, line, name)
        text = "a record whose values are of no known form"
        stats.add_gap(Gap("unreadable", record, offset, stats.lines, ts, 1, text))

    def _others(self, text: bytes, offset: int) -> None:
        for line in text.split(b"\n"):
            self._other(line.removesuffix(b"\r"), offset)
            offset += len(line) + 1

    def _other(self, line: bytes, offset: int) -> None:
        """Take a line that is no record."""
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        loss = self._dialect.loss(line)
        if loss is not None:
            self.lost(loss, offset)
        elif line and (self._dialect.suspect(line) or is_garbage(line)):
            text = "a line that is damaged: it may have been a record"
            stats.add_gap(Gap("unreadable", stats.records, offset, stats.lines, stats.last_ts_ns, None, text))


class _Losses:
    """Makes gaps of what a writer says of lost records: each covers the records from its time."""

    def __init__(self, stats: ReadStats) -> None:
        self._stats = stats
        self._open: list[tuple[Loss, int, int]] = []
        """With the place and the line of what says so, until a record comes that is later."""
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        """The times of the records before this one."""

    def record(self, ts_ns: int) -> None:
        """Be told of a record, before it is counted."""
        if self._open:
            later = [each for each in self._open if ts_ns > each[0].until_ns]
            for each in later:
                self._open.remove(each)
                self._gap(*each)
        self._recent.append(ts_ns)

    def take(self, loss: Loss, offset: int) -> None:
        """Take what a line says."""
        found = loss, offset, self._stats.lines
        if loss.until_ns == NO_TIME or self._stats.last_ts_ns > loss.until_ns:
            self._gap(*found)
        elif len(self._open) < MAX_GAPS:
            self._open.append(found)

    def finish(self) -> None:
        """Take the end of the trace."""
        for each in self._open:
            self._gap(*each)
        self._open.clear()

    def _gap(self, loss: Loss, offset: int, line: int) -> None:
        stats = self._stats
        behind = self._later_than(loss.until_ns) if loss.until_ns != NO_TIME else 0
        reach = self._later_than(loss.since_ns) - behind if loss.since_ns != NO_TIME else 0
        place = (stats.records - behind, offset, line, stats.last_ts_ns)
        stats.add_gap(Gap("dropped", *place, loss.count, loss.text, None, reach))

    def _later_than(self, ts_ns: int) -> int:
        """Return how many of the last records came after the last one up to a time; all, where that is forgotten."""
        return next((n for n, ts in enumerate(reversed(self._recent)) if ts <= ts_ns), self._stats.records)


def reader_of(dialect: Callable[[], Dialect]) -> MakeReader:
    """Return what makes readers of a dialect, as a format names it."""
    return reader_of_lines(lambda *given: FieldLines(dialect(), *given))


def share_of_records(head: bytes, *expressions: re.Pattern[bytes]) -> float:
    """Return the share of a head's lines that one of the expressions of a format matches."""
    lines = head.split(b"\n")[:-1] or [head]
    return sum(any(e.fullmatch(line.removesuffix(b"\r")) for e in expressions) for line in lines) / len(lines)
