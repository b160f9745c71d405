"""Lines of the log backend to records: every generation of the line, other output mixed in.

The hot path is two regular expressions derived from ``grammars/log_line.lark``: one for the line, one for each form
of a wanted event. Whatever they refuse goes the slow way, line by line, which tells a record that begins in the
middle of a physical line from text that is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from traceview.errors import GrammarError
from traceview.events import (
    NO_THREAD,
    NO_TIME,
    Arg,
    Conversion,
    EventForm,
    Gap,
    Kind,
    ReadStats,
    Refusal,
)
from traceview.formats.base import FormsOf, Wanted
from traceview.formats.builder import BatchBuilder
from traceview.formats.declarations import Declarations, forms_for
from traceview.formats.log_grammar import DecodePlan, scanner

__all__ = ["MAX_REFUSED", "Event", "LineReader", "is_likely_name"]

MAX_REFUSED = 100
"""How many refused lines are kept for explanation; all are counted."""
_NS = 1_000_000_000
# Without prefix any words could be a record; QEMU's event names all have an underscore or are declared.
_LIKELY_NAME = re.compile(rb"[a-z][a-z0-9]*_[A-Za-z0-9_]*")


def is_likely_name(word: bytes) -> bool:
    """Say whether a word without a declaration looks like the name of an event."""
    return _LIKELY_NAME.fullmatch(word) is not None


class Event:
    """What the reader knows of one event name."""

    __slots__ = ("code", "count", "plans", "wanted")

    def __init__(self, plans: list[DecodePlan], code: list[int], wanted: bool) -> None:
        self.plans = plans
        self.code = code
        self.wanted = wanted
        self.count = 0


class LineReader:
    """Takes the lines of one log, in order, and collects their records in `builder`.

    `events` is what is known of each name met, in the order of its first line; `threads` are the thread ids met, as
    they are written; `prefixed` says whether a record with a prefix was met.
    """

    def __init__(self, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted, stats: ReadStats) -> None:
        self.stats = stats
        self.builder = BatchBuilder()
        self.events: dict[bytes, Event] = {}
        self.threads: set[bytes] = set()
        self.prefixed = False
        self._forms_of = forms_of
        self._declarations = declarations
        self._wanted = wanted
        self._second = b""
        self._second_ns = 0

    def take_unfinished(self, line: bytes, base: int) -> None:
        """Take the last line, which lacks its end: a number in it may be cut, so it is no record."""
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        looks = scanner().line.match(line)
        cut_prefix = self.prefixed and line[:1].isdigit()
        bare = looks is not None and looks.start(scanner().name) == 0
        record = looks is not None and (not bare or self._bare_name(looks[scanner().name]))
        if not record and not cut_prefix and scanner().embedded.search(line) is None:
            return
        text = "the last line has no end: it may be cut, and is not judged"
        stats.add_gap(Gap("cut", stats.records, base, stats.lines, stats.last_ts_ns, 1, text))

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        scan = scanner()
        name_group, text_group = scan.name, scan.text
        stats = self.stats
        crlf = b"\r\n" in block  # QEMU on Windows ends its lines so
        at = 0
        for match in scan.line.finditer(block):
            start = match.start()
            if start > at:
                self._others(block[at : start - 1], base + at)
            at = match.end() + 1
            stats.lines += 1
            name = match[name_group]
            event = self.events.get(name)
            if event is None:
                event = self._event(name)
            prefixed = match.start(name_group) > start
            text = match[text_group]
            # Text is looked into where another record may have run into it, wanted or not, so that the numbers of
            # the records do not depend on what is wanted.
            alone = b"@" not in text or not event.plans or scan.embedded.search(text) is None
            if alone and prefixed and not event.wanted:
                self._count(match, prefixed)
                event.count += 1
                continue
            if crlf:
                text = text.removesuffix(b"\r")
            if not prefixed and not self._accept_bare(name, event, text):
                self._slow(block[start : match.end()], base + start)
                continue
            which, values = self._decoded(event, text)
            if values is None:
                self._split(block[start : match.end()], base + start, 0, match.start(text_group) - start)
                continue
            ts, tid = self._count(match, prefixed)
            event.count += 1
            if event.wanted:
                self.builder.add(event.code[which], (stats.records - 1, stats.lines, base + start, ts, tid), values)
        if at < len(block):
            self._others(block[at:-1], base + at)

    def _event(self, name: bytes) -> Event:
        text = name.decode("ascii")
        plans = []
        for form in forms_for(text, self._declarations, self._forms_of):
            try:
                plans.append(DecodePlan(form, self.builder.strings))
            except GrammarError:  # a form whose line cannot be taken apart: its text is kept as it is
                continue
        wanted = self._wanted(text)
        codes: list[int] = []
        if wanted:
            whole = EventForm(text, (Arg("text", Kind.STRING),), (Conversion("STRING", 0),), declared=False)
            codes = [self.builder.code_of(f) for f in ([p.form for p in plans] or [whole])]
        event = self.events[name] = Event(plans, codes, wanted)
        return event

    def _decoded(self, event: Event, text: bytes) -> tuple[int, Sequence[int] | None]:
        """Return which of an event's forms a text has and its arguments, or None where it has none of them."""
        for which, plan in enumerate(event.plans):
            values = plan.decode(text)
            if values is not None:
                return which, values
        if event.plans:
            return 0, None
        return 0, (self.builder.strings.intern(text),) if event.wanted else ()

    def _accept_bare(self, name: bytes, event: Event, text: bytes) -> bool:
        """Say whether a line without prefix is a record: its form fits, or it is likely in a log without prefixes."""
        if event.plans:
            return any(p.decode(text) is not None for p in event.plans)
        return self._bare_name(name)

    def _bare_name(self, name: bytes) -> bool:
        """Say whether the first word of a line without prefix can be the name of an event."""
        event = self.events.get(name)
        if event is not None and event.plans:
            return True
        return not self.prefixed and _LIKELY_NAME.fullmatch(name) is not None

    def _count(self, match: re.Match[bytes], prefixed: bool) -> tuple[int, int]:
        """Count a record and return its time in ns and its thread."""
        ts, tid = NO_TIME, NO_THREAD
        if prefixed:
            scan = scanner()
            self.prefixed = True
            thread = match[scan.thread]
            if thread is not None:
                ts, tid = self._epoch(match[scan.seconds], match[scan.microseconds]), int(thread)
                self.threads.add(thread)
            else:
                ts, tid = _iso_prefix(match)
        stats = self.stats
        if ts != NO_TIME:
            if stats.first_ts_ns == NO_TIME:
                stats.first_ts_ns = ts
            stats.last_ts_ns = ts
        stats.records += 1
        return ts, tid

    def _epoch(self, second: bytes, microsecond: bytes) -> int:
        if second != self._second:
            self._second, self._second_ns = second, int(second) * _NS
        return _time(self._second_ns + int(microsecond) * 1000)

    def _others(self, text: bytes, offset: int) -> None:
        """Take lines that no expression matched as they stand."""
        for line in text.split(b"\n"):
            self.stats.lines += 1
            self._slow(line, offset)
            offset += len(line) + 1

    def _slow(self, line: bytes, offset: int) -> None:
        """Take a line that is no record from its beginning: one may begin in its middle."""
        if scanner().embedded.search(line) is None:
            self.stats.other_lines += 1
        else:
            self._split(line, offset, None, 0)

    def _split(self, line: bytes, offset: int, begin: int | None, search_from: int) -> None:
        """Take the records of a line that holds several, or other output before or behind a record.

        `begin` is where the first record is known to begin (None if that is to be found), `search_from` where
        others can.
        """
        for inner in scanner().embedded.finditer(line, search_from):
            # Digits before a record may have run into its thread; the threads named so far tell, if just one fits.
            stop = inner.end("epoch_THREAD")
            starts = [at for at in range(inner.start(), stop) if line[at:stop] in self.threads]
            if begin is not None:
                end = starts[0] if len(starts) == 1 else inner.start()
                self._piece(line[begin:end], offset + begin, sure_of_end=len(starts) == 1)
            begin = min(starts, default=inner.start())
        assert begin is not None, "a line without records is not split"
        self._piece(line[begin:].removesuffix(b"\r"), offset + begin, sure_of_end=True)

    def _piece(self, piece: bytes, offset: int, *, sure_of_end: bool) -> None:
        """Take a piece of a line that begins with a record; other output may have run into the record's text.

        Where it is not sure where the next record begins, a value must not reach up to it: its last digits could be
        the first of that record's thread.
        """
        match = scanner().line.match(piece)
        assert match is not None, "a piece begins with a prefix and a name"
        name, text = match[scanner().name], match[scanner().text]
        event = self.events.get(name) or self._event(name)
        if not event.plans:
            self._add(match, offset, event, *self._decoded(event, text))
            return
        for which, plan in enumerate(event.plans):
            values, end = plan.decode(text), len(text)
            if values is None:
                values, end = plan.decode_head(text) or (None, 0)
            if values is None or text[end : end + 1].isalnum():
                continue
            ends_in_value = bool(plan.form.line) and isinstance(plan.form.line[-1], Conversion)
            if sure_of_end or end < len(text) or not ends_in_value:
                self._add(match, offset, event, which, values)
                return
        self._unreadable(piece, match, offset, event)

    def _add(self, match: re.Match[bytes], offset: int, event: Event, which: int, values: Sequence[int] | None) -> None:
        ts, tid = self._count(match, prefixed=True)
        event.count += 1
        if event.wanted and values is not None:
            row = (self.stats.records - 1, self.stats.lines, offset, ts, tid)
            self.builder.add(event.code[which], row, values)

    def _unreadable(self, line: bytes, match: re.Match[bytes], offset: int, event: Event) -> None:
        """Take a record of which no more than its event can be told. It is a record all the same, and has a number."""
        stats = self.stats
        record = stats.records
        ts, _ = self._count(match, prefixed=True)
        event.count += 1
        if not event.wanted:
            return
        stats.refused_count += 1
        if len(stats.refused) < MAX_REFUSED:
            stats.refused.append(Refusal(stats.lines, offset, line[:1000].decode("utf-8", "surrogateescape")))
        text = "a record whose text is of no known form"
        stats.add_gap(Gap("unreadable", record, offset, stats.lines, ts, 1, text))


def _iso_prefix(match: re.Match[bytes]) -> tuple[int, int]:
    scan = scanner()
    for time_group, thread_group in scan.iso:
        if match[time_group] is not None:
            tid = int(match[thread_group]) if thread_group else NO_THREAD
            return _iso_ns(match[time_group]), tid
    return NO_TIME, int(match[scan.named_thread])


def _iso_ns(text: bytes) -> int:
    try:
        moment = datetime.fromisoformat(text[:19].decode("ascii")).replace(tzinfo=UTC)
    except ValueError:  # a month 13 or the like: the record is real, its time is not
        return NO_TIME
    return _time(int(moment.timestamp()) * _NS + int(text[20:26]) * 1000)


def _time(ts_ns: int) -> int:
    """Return a time, or NO_TIME where it is so far off that 64 bits do not hold it."""
    return ts_ns if abs(ts_ns) < 1 << 63 else NO_TIME
