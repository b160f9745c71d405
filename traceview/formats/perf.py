"""``perf script`` of probes on QEMU's functions (``perf probe``) and of its USDT markers (``sdt_qemu``)."""

from __future__ import annotations

import re
from functools import cache, partial

from traceview.formats.base import FormatInfo
from traceview.formats.field_grammar import Syntax, explain_fields, field_terminal
from traceview.formats.field_lines import Loss, PlainRecords, reader_of, share_of_records

__all__ = ["FORMAT", "SYNTAX", "PerfScript"]

GRAMMAR = "perf"
_NS = 1_000_000_000
_LOST = re.compile(
    rb"PERF_RECORD_LOST(?:_SAMPLES)?\b[^\n]*?\blost[ =](?P<A>[0-9]{1,18})|\bLOST (?P<B>[0-9]{1,18}) events\b"
)
_CHUNKS = re.compile(rb"\blost (?P<COUNT>[0-9]{1,18}) chunks\b")
_NUMBERED = re.compile("(?P<NAME>[A-Za-z0-9_]+)_[1-9][0-9]{0,2}")
"""perf numbers the places of a marker, or of a function that is inlined, behind the first."""
_SUSPECT = re.compile(rb": +(?:[0-9]+ +)?(?:probe|sdt)(?:_[A-Za-z0-9_]+)?:[A-Za-z_]")


def unquoted(raw: bytes) -> bytes:
    """Return the string between quotes in which nothing is escaped."""
    return raw[1:-1]


SYNTAX = Syntax(GRAMMAR, b" ", b" ", b"=", b'"', b'"', b"", unquoted, "(?=__entry:|:)")


@cache
def _line() -> re.Pattern[bytes]:
    part = {
        t: field_terminal(GRAMMAR, t)
        for t in (
            "COMM", "PROCESS", "THREAD", "CPU", "SECONDS", "FRACTION", "BLANKS", "PERIOD", "GROUP", "NAME", "ENTRY",
            "COLON", "ADDRESS", "TEXT",
        )
    }  # fmt: skip
    who = f"{part['COMM']}?+{part['PROCESS']}?(?P<THREAD>{part['THREAD']}){part['CPU']}?"
    when = rf"(?P<SECONDS>{part['SECONDS']})\.(?P<FRACTION>{part['FRACTION']}){part['BLANKS']}{part['PERIOD']}?"
    probe = f"{part['GROUP']}(?P<NAME>{part['NAME']}){part['ENTRY']}?{part['COLON']}{part['ADDRESS']}"
    return re.compile(f"^{who}{when}{probe}(?P<TEXT>{part['TEXT']})?$".encode(), re.MULTILINE)


class PerfScript(PlainRecords):
    """The lines of one text. Call chains, other events and comments are lines of others."""

    syntax = SYNTAX
    partial = True
    number: re.Pattern[str] | None = _NUMBERED

    def __init__(self) -> None:
        self.line = _line()

    def place(self, match: re.Match[bytes]) -> tuple[int, int]:
        """Return the time in ns and the thread of a record."""
        return int(match["SECONDS"]) * _NS + int(match["FRACTION"].ljust(9, b"0")), int(match["THREAD"])

    def loss(self, line: bytes) -> Loss | None:
        """Return what perf says of records that it lost."""
        match = _LOST.search(line)
        if match is not None:
            count = int(match["A"] or match["B"])
            return Loss(count, f"{count} records lost by perf")
        match = _CHUNKS.search(line)
        return None if match is None else Loss(None, f"{match['COUNT'].decode()} chunks of records lost by perf")

    def suspect(self, line: bytes) -> bool:
        """Say whether a line may be what is left of a record: it names a probe."""
        return _SUSPECT.search(line) is not None


def score(head: bytes) -> float:
    """Return how sure it is that `head` is of perf script, with probes on QEMU among its events."""
    share = share_of_records(head, _line())
    return 0.5 + 0.45 * share if share else 0.0


FORMAT = FormatInfo(
    id="perf",
    title="perf script of probes on QEMU (perf probe, sdt_qemu)",
    releases="any with symbols; 0.14 to 9.0 with USDT markers",
    clock="perf's clock (monotonic since the boot) in microseconds, with --ns in nanoseconds",
    thread="thread id",
    loss="lost records, marked where perf script was given --show-lost-events",
    reference="Linux tools/perf/builtin-script.c, perf-probe(1)",
    score=score,
    make=reader_of(PerfScript),
    explain=partial(explain_fields, syntax=SYNTAX),
    printed=False,
    lossy="perf drops records when its buffer is full, and shows that only with --show-lost-events",
)
