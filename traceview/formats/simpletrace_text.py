"""The text of QEMU's scripts/simpletrace.py: a binary trace, printed record by record, without absolute times."""

from __future__ import annotations

import ast
import re
from functools import cache, partial

from traceview.events import NO_THREAD
from traceview.formats.base import FormatInfo
from traceview.formats.field_grammar import Syntax, explain_fields, field_terminal
from traceview.formats.field_lines import Loss, PlainRecords, reader_of, share_of_records

__all__ = ["FORMAT", "SYNTAX", "SimpletraceText"]

GRAMMAR = "simpletrace_text"


def _unquoted(raw: bytes) -> bytes:
    """Return the bytes of a string that Python printed as a literal; a damaged literal stays as it is."""
    try:
        value = ast.literal_eval(raw.decode("latin-1"))
    except (SyntaxError, ValueError):
        return raw
    return value if isinstance(value, bytes) else raw


SYNTAX = Syntax(GRAMMAR, b" ", b" ", b"=", b"", b"", b"", _unquoted)
"""Strings are raw as the script of QEMU 2.x printed them, or literals of Python 3."""


@cache
def _patterns() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    name, delta, mark, pid, text, dropped, number = (
        field_terminal(GRAMMAR, t) for t in ("NAME", "DELTA", "PID_MARK", "PID", "TEXT", "DROPPED", "NUMBER")
    )
    stamp = f" (?P<DELTA>{delta})(?:{mark}(?P<PID>{pid}))?"
    line = f"^(?!{dropped})(?P<NAME>{name}){stamp}(?P<TEXT>{text})?$"
    loss = f"{dropped}{stamp} num_events_dropped=(?P<COUNT>{number})"
    return re.compile(line.encode(), re.MULTILINE), re.compile(loss.encode())


class SimpletraceText(PlainRecords):
    """The lines of one text. Time is the sum of what passed between the records, from 0."""

    syntax = SYNTAX
    partial = False

    def __init__(self) -> None:
        self.line, self._loss = _patterns()
        self._now = 0

    def place(self, match: re.Match[bytes]) -> tuple[int, int]:
        """Return the time in ns and the process of a record."""
        self._pass(match["DELTA"])
        pid = match["PID"]
        return self._now, NO_THREAD if pid is None else int(pid)

    def _pass(self, delta: bytes) -> None:
        now = self._now + int(delta.replace(b".", b""))
        self._now = now if abs(now) < 1 << 62 else self._now

    def loss(self, line: bytes) -> Loss | None:
        """Return how many records the writer dropped, where a line says so."""
        match = self._loss.fullmatch(line)
        if match is None:
            return None
        self._pass(match["DELTA"])
        count = int(match["COUNT"], 16)
        return Loss(count, f"{count} records dropped by the writer")

    def suspect(self, line: bytes) -> bool:
        """Say that what is no record is damaged: the script prints nothing else."""
        return bool(line.strip())


def score(head: bytes) -> float:
    """Return how sure it is that `head` is the script's, by the share of its lines that are records."""
    line, loss = _patterns()
    share = share_of_records(head, line, loss)
    return 0.3 + 0.65 * share if share else 0.0


FORMAT = FormatInfo(
    id="simpletrace-text",
    title="text of QEMU's scripts/simpletrace.py",
    releases="0.14 to 9.0",
    clock="nanoseconds from the first record on; no wall time",
    thread="process id (2.1 and newer), none before",
    loss="as the binary trace marked it (dropped records); the tail after a crash is lost without a mark",
    reference="QEMU scripts/simpletrace.py",
    score=score,
    make=reader_of(SimpletraceText),
    explain=partial(explain_fields, syntax=SYNTAX),
    printed=False,
    resolution_ns=100,
)
