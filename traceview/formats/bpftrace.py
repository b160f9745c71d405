"""What bpftrace scripts print of QEMU's USDT markers and functions, one record a line (docs/formats.md has scripts)."""

from __future__ import annotations

import re
from functools import cache, partial

from traceview.events import NO_TIME
from traceview.formats.base import FormatInfo
from traceview.formats.field_grammar import Syntax, explain_fields, field_terminal
from traceview.formats.field_lines import Loss, PlainRecords, reader_of, share_of_records

__all__ = ["FORMAT", "SYNTAX", "BpftraceScript"]

GRAMMAR = "bpftrace"
_LOST = re.compile(rb"\bLost (?P<COUNT>[0-9]{1,18}) events\b")
_UNORDERED = "bpftrace mixed up the processors: put the lines in order first (sort -s -n -k 3,3)"
_SUSPECT = re.compile(rb"[A-Za-z_][A-Za-z0-9_]* [0-9]+ [0-9]+|[a-z][a-z0-9]*_[A-Za-z0-9_]* [0-9]")


def unquoted(raw: bytes) -> bytes:
    """Return the string between quotes in which nothing is escaped."""
    return raw[1:-1]


SYNTAX = Syntax(GRAMMAR, b" ", b" ", b"=", b'"', b'"', b"", unquoted)


@cache
def _line() -> re.Pattern[bytes]:
    name, thread, time, text = (field_terminal(GRAMMAR, t) for t in ("NAME", "THREAD", "TIME", "TEXT"))
    line = f"^(?P<NAME>{name}) (?P<THREAD>{thread}) (?P<TIME>{time})(?P<TEXT>{text})?$"
    return re.compile(line.encode(), re.MULTILINE)


class BpftraceScript(PlainRecords):
    """The lines of one text."""

    syntax = SYNTAX
    partial = True
    unordered = _UNORDERED

    def __init__(self) -> None:
        self.line = _line()

    def place(self, match: re.Match[bytes]) -> tuple[int, int]:
        """Return the time in ns and the thread of a record."""
        ts = int(match["TIME"])
        return ts if ts < 1 << 63 else NO_TIME, int(match["THREAD"])

    def loss(self, line: bytes) -> Loss | None:
        """Return what bpftrace says of records that it lost."""
        match = _LOST.search(line)
        return None if match is None else Loss(int(match["COUNT"]), f"{int(match['COUNT'])} records lost by bpftrace")

    def suspect(self, line: bytes) -> bool:
        """Say whether a line may be what is left of a record."""
        return _SUSPECT.match(line) is not None


def score(head: bytes) -> float:
    """Return how sure it is that `head` is such a script's, by the share of its lines that are records."""
    share = share_of_records(head, _line())
    return 0.3 + 0.65 * share if share else 0.0


FORMAT = FormatInfo(
    id="bpftrace",
    title="lines of a bpftrace script: NAME TID NSECS arg=value ...",
    releases="any with symbols; 0.14 to 9.0 with USDT markers",
    clock="nsecs of bpftrace: nanoseconds since the boot",
    thread="thread id",
    loss="lost records, marked (by newer releases on standard error)",
    reference="docs/formats.md; bpftrace(8)",
    score=score,
    make=reader_of(BpftraceScript),
    explain=partial(explain_fields, syntax=SYNTAX),
    printed=False,
    resolution_ns=100,
    lossy="bpftrace drops records when its buffer is full, and newer releases say so only on standard error",
)
