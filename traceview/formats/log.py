"""The log backend's text ("stderr" up to QEMU 2.5): every generation of the line, other output mixed in.

The hot path is two regular expressions derived from ``grammars/log_line.lark``: one for the line, one for each form
of a wanted event. Whatever they refuse goes the slow way, line by line, which tells a record that begins in the
middle of a physical line from text that is none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from traceview.errors import GrammarError
from traceview.events import (
    NO_THREAD,
    NO_TIME,
    Arg,
    BatchBuilder,
    Conversion,
    EventBatch,
    EventForm,
    Gap,
    Kind,
    ReadStats,
    Refusal,
)
from traceview.formats.base import BATCH_ROWS, FormatInfo, FormsOf, Wanted
from traceview.formats.declarations import Declarations
from traceview.formats.log_grammar import DecodePlan, scanner
from traceview.source import ByteSource

if TYPE_CHECKING:
    from traceview.formats.log_compiled import CompiledLines

__all__ = ["FORMAT", "LogReader"]

MAX_LINE = 1 << 24
"""A line longer than this is no record; it is passed over without being held in memory."""
MAX_REFUSED = 100
"""How many refused lines are kept for explanation; all are counted."""
COMPILED_FROM = 8 << 20
"""The part of a log before this byte is read by the Python path: small logs need not wait for the compiled one."""
_NS = 1_000_000_000
# Without prefix any words could be a record; QEMU's event names all have an underscore or are declared.
_LIKELY_NAME = re.compile(rb"[a-z][a-z0-9]*_[A-Za-z0-9_]*")


class _Event:
    """What the reader knows of one event name."""

    __slots__ = ("code", "count", "plans", "wanted")

    def __init__(self, plans: list[DecodePlan], code: list[int], wanted: bool) -> None:
        self.plans = plans
        self.code = code
        self.wanted = wanted
        self.count = 0


def score(head: bytes) -> float:
    """Return how sure it is that `head` is the log backend's: by the share of its lines that are records."""
    lines = (head.split(b"\n")[:-1] or [head])[:500]
    prefixed = bare = 0
    for line in lines:
        match = scanner().line.match(line)
        if match is None:
            prefixed += scanner().embedded.search(line) is not None
        elif match.start(scanner().name) > 0:
            prefixed += 1
        else:
            bare += _LIKELY_NAME.fullmatch(match[scanner().name]) is not None
    if prefixed:
        return 0.3 + 0.6 * prefixed / len(lines)
    return 0.1 + 0.5 * bare / len(lines) if bare else 0.0


class LogReader:
    """Reads one log. Never raises for what stands in the file: it is counted, kept apart, or marked as a gap."""

    def __init__(self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None) -> None:
        self.stats = ReadStats()
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        self.builder = BatchBuilder()
        self._wanted: Wanted = lambda _name: False
        self.events: dict[bytes, _Event] = {}
        self.threads: set[bytes] = set()
        self.prefixed = False
        self._second = b""
        self._second_ns = 0
        self._compiled: CompiledLines | None = None
        self._interpreted = os.environ.get("TRACEVIEW_COMPILED") == "0"

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        self._wanted = wanted
        carry, base = b"", 0
        skipping = False
        for chunk in self._source.chunks():
            self.stats.bytes_read += len(chunk)
            buffer = carry + chunk
            end = buffer.rfind(b"\n") + 1
            if skipping:
                first = buffer.find(b"\n") + 1
                if not first:
                    base, carry = base + len(buffer), b""
                    continue
                base, buffer, end, skipping = base + first, buffer[first:], end - first, False
            if end > MAX_LINE:
                self._block(buffer[:end], base)
            elif end:
                self._take(buffer[:end], base)
            carry, base = buffer[end:], base + end
            if len(carry) > MAX_LINE:
                self._too_long(base)
                base, carry, skipping = base + len(carry), b"", True
            if len(self.builder) >= BATCH_ROWS:
                yield from self.builder.flush()
        if carry:
            self._unfinished(carry, base)
        yield from self.builder.flush()
        self.stats.names = {n.decode("ascii"): e.count for n, e in self.events.items() if e.count}
        self.stats.unknown_names = {n for n in self.stats.names if not self.events[n.encode()].plans}

    def _take(self, block: bytes, base: int) -> None:
        """Take complete lines, compiled where the log is large enough to be worth it."""
        if self._compiled is None and base >= COMPILED_FROM and not self._interpreted:
            self._compiled = _compiled_lines(self)
            self._interpreted = self._compiled is None
        if self._compiled is None:
            self.take_lines(block, base)
            return
        self._compiled.take(block, base)
        if not self._compiled.worth_it:
            self._compiled, self._interpreted = None, True

    def _block(self, block: bytes, base: int) -> None:
        """Take complete lines of which some may be too long."""
        taken = at = 0
        while at < len(block):
            end = block.index(b"\n", at) + 1
            if end - 1 - at > MAX_LINE:
                if at > taken:
                    self._take(block[taken:at], base + taken)
                self._too_long(base + at)
                taken = end
            at = end
        if taken < len(block):
            self._take(block[taken:], base + taken)

    def _too_long(self, base: int) -> None:
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        text = f"a line of more than {MAX_LINE} bytes was passed over"
        stats.gaps.append(Gap("unreadable", stats.records, base, stats.lines, stats.last_ts_ns, None, text))

    def _unfinished(self, line: bytes, base: int) -> None:
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
        stats.gaps.append(Gap("cut", stats.records, base, stats.lines, stats.last_ts_ns, 1, text))

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

    def _event(self, name: bytes) -> _Event:
        text = name.decode("ascii")
        declared = self._declarations.get(text) if self._declarations is not None else None
        plans = []
        # A user's declarations come first; a log of another build than theirs is read with the built-in forms.
        for form in [*([declared] if declared is not None else []), *self._forms_of(text)]:
            try:
                plans.append(DecodePlan(form, self.builder.strings))
            except GrammarError:  # a form whose line cannot be taken apart: its text is kept as it is
                continue
        wanted = self._wanted(text)
        codes: list[int] = []
        if wanted:
            whole = EventForm(text, (Arg("text", Kind.STRING),), (Conversion("STRING", 0),), declared=False)
            codes = [self.builder.code_of(f) for f in ([p.form for p in plans] or [whole])]
        event = self.events[name] = _Event(plans, codes, wanted)
        return event

    def _decoded(self, event: _Event, text: bytes) -> tuple[int, Sequence[int] | None]:
        """Return which of an event's forms a text has and its arguments, or None where it has none of them."""
        for which, plan in enumerate(event.plans):
            values = plan.decode(text)
            if values is not None:
                return which, values
        if event.plans:
            return 0, None
        return 0, (self.builder.strings.intern(text),) if event.wanted else ()

    def _accept_bare(self, name: bytes, event: _Event, text: bytes) -> bool:
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

    def _add(
        self, match: re.Match[bytes], offset: int, event: _Event, which: int, values: Sequence[int] | None
    ) -> None:
        ts, tid = self._count(match, prefixed=True)
        event.count += 1
        if event.wanted and values is not None:
            row = (self.stats.records - 1, self.stats.lines, offset, ts, tid)
            self.builder.add(event.code[which], row, values)

    def _unreadable(self, line: bytes, match: re.Match[bytes], offset: int, event: _Event) -> None:
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
        stats.gaps.append(Gap("unreadable", record, offset, stats.lines, ts, 1, text))


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


def _compiled_lines(reader: LogReader) -> CompiledLines | None:
    """Return the compiled path for a reader, or None where Numba is not installed."""
    try:
        from traceview.formats.log_compiled import CompiledLines as Lines  # noqa: PLC0415  (slow to import)
    except ImportError:
        return None
    return Lines(reader)


FORMAT = FormatInfo(
    id="log",
    title='log backend text ("stderr" up to 2.5)',
    releases="1.0 to 9.0",
    clock="wall clock in microseconds, taken before the line is written; none where the prefix is absent",
    thread="process id (2.3 to 3.1), thread id (from 4.0), none where the prefix is absent",
    loss="none by itself; lines of other writers mix in",
    reference="QEMU scripts/tracetool/backend/log.py, util/log.c",
    score=score,
    make=LogReader,
)
