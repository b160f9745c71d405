"""LTTng-UST traces of QEMU as text: what babeltrace 1 and babeltrace 2 print of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, partial

from traceview.events import NO_THREAD, NO_TIME
from traceview.formats.base import FormatInfo
from traceview.formats.field_grammar import Syntax, explain_fields, field_terminal
from traceview.formats.field_lines import Loss, reader_of, share_of_records
from traceview.formats.fields import Decoded, EventFields

__all__ = ["FORMAT", "SYNTAX", "Babeltrace"]

GRAMMAR = "lttng"
_NS = 1_000_000_000
_DAY = 86_400 * _NS
_ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"0": b"\0",
}  # fmt: skip
_ESCAPED = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
_THREADS = tuple(
    re.compile(rb'(?:[^"]|"(?:[^"\\]|\\.)*+")*?(?<=[ {])' + name + rb" = ([0-9]{1,10})(?=[ ,])")
    for name in (b"vtid", b"tid", b"vpid", b"pid")
)
"""The contexts that tell a thread, and those that stand in for them: a process."""
_DISCARDED = re.compile(
    rb"(?:\[warning\]|WARNING:) Tracer (?:may have )?(?:discarded|lost)(?: (?P<COUNT>[0-9]{1,18}))?"
    rb"(?P<WHAT> (?:trace )?(?:event|packet))[^\[\n]*(?:\[(?P<SINCE>[^\]\n]{1,40})\] and \[(?P<UNTIL>[^\]\n]{1,40})\])?"
)
_MISSING = "babeltrace counts another time since the event before: events between them are missing, or were moved"
_MOST_BRACES = 4
"""No event has more contexts: of its packet, its stream, its own."""
_MOST_CONTEXTS = 4096
"""So many different contexts are remembered; a processor's number and a thread make one."""


def _unquoted(raw: bytes) -> bytes:
    inner = raw[1:-1]
    return _ESCAPED.sub(_character, inner) if b"\\" in inner else inner


def _character(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes([int(match[1], 16)])
    return _ESCAPES.get(match[2], match[2])


SYNTAX = Syntax(GRAMMAR, b"", b", ", b" = ", b'"', b'"', b" }", _unquoted)
"""Strings are escaped (babeltrace 2), or stand in quotes as they are (babeltrace 1)."""


@cache
def _patterns() -> tuple[re.Pattern[bytes], ...]:
    time, between, named, name, colon = (
        field_terminal(GRAMMAR, t) for t in ("TIME", "BETWEEN", "BETWEEN_NAMED", "NAME", "COLON")
    )
    named_stamp = rf"timestamp = {time}{named}"
    opened = field_terminal(GRAMMAR, "OPEN")
    line = rf"^(?:\[{time}\]{between}|{named_stamp})(?P<NAME>{name}){colon}(?P<REST>(?={opened})[^\n]* \}}\r?)$"
    delta = r"(?:\] \(|, delta = )\+(?P<DELTA>[0-9]{1,10}\.[0-9]{9})"
    context = field_terminal(GRAMMAR, "CONTEXT")
    return (
        re.compile(line.encode(), re.MULTILINE),
        re.compile(opened.encode()),
        re.compile(context.encode()),
        re.compile(f"{context}{{0,{_MOST_BRACES}}}".encode()),
        re.compile(rf"(?:\[|timestamp = )(?P<TIME>{time})(?:{delta})?".encode()),
    )


class Babeltrace:
    """The lines of one text.

    Strings are literals until one is met that can only stand as it is: then babeltrace 1 wrote the text.
    """

    syntax = SYNTAX
    partial = False
    doubt = ""
    unordered = ""
    number: re.Pattern[str] | None = None

    def __init__(self, *, only_literals: bool = False) -> None:
        self.line, self._open, self._context, self._contexts, self._stamp = _patterns()
        self._readings = (True,) if only_literals else (True, False)
        self._last = self._printed = NO_TIME
        self._second = b""
        self._second_ns = 0
        self._threads: dict[bytes, int] = {}

    def place(self, match: re.Match[bytes]) -> tuple[int, int]:
        """Return the time in ns and the thread of a record, or the process where the contexts tell no thread."""
        stamp = self._stamp.match(match.string, match.start())
        assert stamp is not None, "each record begins with one"
        ts = self._stamped(stamp)
        if ts != NO_TIME:
            self._last = ts
        rest = match["REST"]
        contexts = self._contexts.match(rest)
        assert contexts is not None, "there may be none"
        before = contexts.group()
        tid = self._threads.get(before)
        if tid is None:
            tid = _thread_of(before)
            if len(self._threads) < _MOST_CONTEXTS:
                self._threads[before] = tid
        return ts, tid

    def _stamped(self, stamp: re.Match[bytes]) -> int:
        """Take the time of an event, whoever's, and what is to be doubted by the time that passed before it."""
        before, now = self._printed, self._time(stamp["TIME"])
        self._printed = now
        delta = stamp["DELTA"]
        known = delta is not None and NO_TIME not in (before, now)
        self.doubt = _MISSING if known and now - before != int(delta.replace(b".", b"")) else ""
        return now

    def _time(self, raw: bytes) -> int:
        """Return a time in ns. A time of day is that of the day on which it is nearest to the record before it."""
        second, dot, fraction = raw.partition(b".")
        if not dot:  # cycles of a clock of 1 GHz, which LTTng's is
            ns = int(raw)
            return ns if ns < 1 << 62 else NO_TIME
        if second != self._second:
            self._second, self._second_ns = second, _seconds(second)
        if self._second_ns == NO_TIME:
            return NO_TIME
        ts = self._second_ns + int(fraction)
        if len(second) == len("00:00:00") and b":" in second and self._last != NO_TIME:
            ts += max(0, (self._last - ts + _DAY // 2) // _DAY) * _DAY
        return ts

    def values(self, match: re.Match[bytes], event: EventFields) -> Decoded | None:
        """Return the form and the arguments of a record, or None where it is of no form."""
        bodies = list(self._bodies(match["REST"].removesuffix(b"\r")))
        for literals in self._readings:
            for body in bodies:
                found = event.decode(body, literals=literals)
                if found is not None:
                    return self._found(found, literals=literals)
        for literals in self._readings:
            for body in reversed(bodies):
                found = event.decode_nameless(body, literals=literals)
                if found is not None:
                    return self._found(found, literals=literals)
            found = event.adapt(bodies[-1], literals=literals)
            if found is not None:
                return self._found(found, literals=literals)
        return None

    def _found(self, decoded: Decoded, *, literals: bool) -> Decoded:
        if not literals:
            self._readings = (False,)
        return decoded

    def _bodies(self, rest: bytes) -> Iterator[bytes]:
        """Yield what may be the arguments: all from the first braces on, all from the second on, ..."""
        at = 0
        for _ in range(_MOST_BRACES + 1):
            opened = self._open.match(rest, at)
            if opened is None:
                return
            yield rest[opened.end() : max(opened.end(), len(rest) - len(b" }"))]
            context = self._context.match(rest, at)
            if context is None:
                return
            at = context.end()

    def text(self, match: re.Match[bytes]) -> bytes | None:
        """Return the arguments as text, or None where they are damaged."""
        rest = match["REST"].removesuffix(b"\r")
        before = self._contexts.match(rest)
        opened = self._open.match(rest, before.end()) if before is not None else None
        return None if opened is None else rest[opened.end() : max(opened.end(), len(rest) - len(b" }"))]

    def loss(self, line: bytes) -> Loss | None:
        """Return what babeltrace says of events that the tracer discarded."""
        match = _DISCARDED.search(line)
        if match is None:
            return None
        count = int(match["COUNT"]) if match["COUNT"] is not None and match["WHAT"] == b" event" else None
        number = "an unknown number of" if match["COUNT"] is None else match["COUNT"].decode()
        what = "packets of events" if match["WHAT"] != b" event" else "events"
        since, until = (self._when(match[group]) for group in ("SINCE", "UNTIL"))
        if NO_TIME in (since, until):
            since = until = NO_TIME
        return Loss(count, f"{number} {what} discarded by the tracer", since, until)

    def _when(self, raw: bytes | None) -> int:
        stamp = self._stamp.fullmatch(b"[" + raw) if raw is not None else None
        return NO_TIME if raw is None or stamp is None else self._time(raw)

    def suspect(self, line: bytes) -> bool:
        """Say whether a line may be what is left of a record: other lines are events of others, or messages."""
        stamp = self._stamp.match(line)
        if stamp is None:
            return True
        self._stamped(stamp)
        return bool(self.doubt) or b"qemu:" in line


def _thread_of(contexts: bytes) -> int:
    for pattern in _THREADS:
        match = pattern.match(contexts)
        if match is not None:
            return int(match[1])
    return NO_THREAD


def _seconds(raw: bytes) -> int:
    """Return the whole seconds of a time in ns; NO_TIME for a day that no calendar has."""
    if b":" not in raw:
        return int(raw) * _NS
    hours, minutes, seconds = (int(part) for part in raw[-8:].split(b":"))
    ns = ((hours * 60 + minutes) * 60 + seconds) * _NS
    if len(raw) == len("00:00:00"):
        return ns
    try:
        day = datetime.fromisoformat(raw[:10].decode("ascii")).replace(tzinfo=UTC)
    except ValueError:
        return NO_TIME
    ns += int(day.timestamp()) * _NS
    return ns if abs(ns) < 1 << 62 else NO_TIME


def score(head: bytes) -> float:
    """Return how sure it is that `head` is babeltrace's text of a trace with QEMU's events."""
    line, *_, stamp = _patterns()
    if not share_of_records(head, line):
        return 0.0
    lines = head.split(b"\n")[:-1] or [head]
    return 0.5 + 0.45 * sum(stamp.match(each) is not None for each in lines) / len(lines)


FORMAT = FormatInfo(
    id="lttng",
    title="LTTng-UST as text (babeltrace, babeltrace2)",
    releases="2.0 to 9.0",
    clock="wall clock in nanoseconds, in the zone of the reader; the time of day alone without --clock-seconds or "
    "--clock-date: a day is told from the next where less than 12 hours pass between two records",
    thread="thread id (context vtid), else process id (vpid), none where neither was recorded",
    loss="discarded events (marked by babeltrace on standard error: keep it with 2>&1)",
    reference="QEMU scripts/tracetool/backend/ust.py; babeltrace 1.5 and 2.0, text output",
    score=score,
    make=reader_of(Babeltrace),
    explain=partial(explain_fields, syntax=SYNTAX),
    printed=False,
    resolution_ns=100,
)
