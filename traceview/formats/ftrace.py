"""QEMU's ftrace backend: the kernel's ring buffer as text, with what QEMU wrote into ``trace_marker``."""

from __future__ import annotations

import re
from functools import cache

from traceview.events import NO_TIME
from traceview.formats.base import FormatInfo
from traceview.formats.carried import Loss, reader_of, share_of_records
from traceview.formats.carried_grammar import expression, rule_pattern
from traceview.formats.carried_lines import lines_of
from traceview.formats.carried_time import clock_ns

__all__ = ["FORMAT", "Ftrace"]

MAX_MARK = 511
"""QEMU writes no more bytes of a record, the end of the line among them."""
_COMM = r"[^\n]{16}"
_MARK = b"tracing_mark"
_PLAIN = (b"#", b"=>", b" =>", b"cpus=", b"CPU", b"version")
"""What lines begin with that say nothing of an event: comments, stack traces, what trace-cmd reports of the file."""
_MOST_THREADS = 10_000
_HEADERS = (b"# tracer: ", b"# entries-in-buffer/entries-written: ")


@cache
def _entry() -> re.Pattern[bytes]:
    return expression(f"^{rule_pattern('ftrace', 'entry')}$")


@cache
def _inside() -> re.Pattern[bytes]:
    # In the middle of a line only the width of its column says where a thread's name begins.
    return expression(f"{_COMM}{rule_pattern('ftrace', 'where')}{rule_pattern('ftrace', 'name')} ")


@cache
def _marks() -> tuple[re.Pattern[bytes], ...]:
    return tuple(expression(rule_pattern("ftrace", rule)) for rule in ("header", "lost", "started", "other"))


class Ftrace:
    """The lines of one trace, and what they say of each processor's buffer."""

    hints: tuple[bytes, ...] = (b"] ",)
    sure_start = True
    cut_from = MAX_MARK
    lossless = True

    def __init__(self) -> None:
        self.line = _entry()
        self.inside = _inside()
        self._header, self._lost, self._started, self._about = _marks()
        self._threads: set[bytes] = set()
        self._last: dict[int, int] = {}
        """How many records had been read when a processor's buffer was last known to be whole."""

    def moment(self, match: re.Match[bytes], record: int, glued: bool) -> tuple[int, int]:  # noqa: ARG002
        """Return time (ns) and thread; no time where the trace clock counts something else."""
        self._last[int(match["at_CPU"])] = record + 1
        fraction = match["fraction_FRACTION"]
        if len(self._threads) < _MOST_THREADS:
            self._threads.add(match["at_TID"])
        ts = NO_TIME if fraction is None else clock_ns(match["at_SECONDS"], fraction)
        return ts, int(match["at_TID"])

    def strand(self, match: re.Match[bytes]) -> bytes | None:
        """Return the processor: its buffer is in order."""
        return match["at_CPU"]

    def spread(self, match: re.Match[bytes], text: bytes) -> tuple[bytes, int]:  # noqa: ARG002
        """Return the text as it is: an entry is a record."""
        return text, 1

    def loss(self, line: bytes, records: int) -> Loss | None:
        """Return what the kernel or trace-cmd says of entries that are missing."""
        if line.startswith(_HEADERS[1]):
            found = self._header.match(line)
            missing = int(found["header_WRITTEN"]) - int(found["header_KEPT"]) if found is not None else 0
            return Loss(f"{missing} entries before the first were overwritten", missing) if missing > 0 else None
        if line.startswith(b"CPU:"):
            found = self._lost.match(line)
            if found is not None:
                count = int(found["count_COUNT"]) if found["count_COUNT"] else None
                return self._missing(int(found["lost_CPU"]), count, records)
        if line.startswith(b"##### CPU "):
            found = self._started.match(line)
            if found is not None:
                cpu = int(found["started_CPU"])
                return Loss(f"entries of CPU {cpu} before this one were overwritten", None, records)
        return None

    def _missing(self, cpu: int, count: int | None, records: int) -> Loss:
        words = "entries" if count is None else f"{count} entries"
        reach = records - self._last.get(cpu, 0)
        self._last[cpu] = records
        return Loss(f"{words} of CPU {cpu} were lost", count, reach)

    def suspect(self, line: bytes) -> bool:
        """Say whether a line is neither the tracer's nor about an event, or is QEMU's mark and no record."""
        if not line or line.startswith(_PLAIN):
            return False
        about = self._about.match(line)
        return about is None or (about["at_TID"] in self._threads and _MARK in line)


def score(head: bytes) -> float:
    """Return how sure it is that `head` is the text of a ring buffer with QEMU's records."""
    records, lines = share_of_records(head, _entry())
    if records:
        return 0.92 + 0.07 * records / lines
    return 0.5 if head.startswith(_HEADERS) else 0.0


FORMAT = FormatInfo(
    id="ftrace",
    title="ftrace backend: the kernel's trace, trace_pipe, or trace-cmd report",
    releases="1.5 to 9.0",
    clock="the kernel's trace clock in microseconds (since the boot); none where it counts something else than time",
    thread="thread id",
    loss="overwritten and lost entries (marked); records are cut at 511 bytes",
    reference="QEMU trace/ftrace.c, scripts/tracetool/backend/ftrace.py; Linux Documentation/trace/ftrace.rst",
    score=score,
    make=reader_of(lines_of(Ftrace)),
)
