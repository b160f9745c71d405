"""QEMU's SystemTap tapset for logs, as ``qemu-trace-stap run`` prints it."""

from __future__ import annotations

import re
from functools import cache

from traceview.formats.base import FormatInfo
from traceview.formats.carried import Loss, reader_of, share_of_records
from traceview.formats.carried_grammar import expression, rule_pattern
from traceview.formats.carried_lines import lines_of
from traceview.formats.carried_time import clock_ns

__all__ = ["FORMAT", "Stap"]

_NS_DIGITS = 9
_NEVER_CUT = 1 << 62
_MOST_PROCESSES = 100


@cache
def _expressions() -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    """Return those of a record's line, of its beginning inside another line, and of what was lost."""
    return (
        expression(f"^{rule_pattern('stap', 'record')}$"),
        expression(f"{rule_pattern('stap', 'head')}{rule_pattern('stap', 'name')} "),
        expression(rule_pattern("stap", "skipped")),
        expression(rule_pattern("stap", "failures")),
    )


class Stap:
    """The lines of one run of SystemTap."""

    hints: tuple[bytes, ...] = (b"@",)
    sure_start = False
    cut_from = _NEVER_CUT
    lossless = False

    def __init__(self) -> None:
        self.line, self.inside, self._skipped, self._failures = _expressions()
        self._processes: set[bytes] = set()

    def moment(self, match: re.Match[bytes], record: int, glued: bool) -> tuple[int, int]:  # noqa: ARG002
        """Return time (ns) and process."""
        process = match["head_PID"]
        if glued and process not in self._processes:
            # Digits that stand before the line may have run into it.
            process = max((p for p in self._processes if process.endswith(p)), key=len, default=process)
        elif len(self._processes) < _MOST_PROCESSES:
            self._processes.add(process)
        stamp = match["head_NANOSECONDS"]
        return clock_ns(stamp[:-_NS_DIGITS], stamp[-_NS_DIGITS:]), int(process)

    def strand(self, match: re.Match[bytes]) -> bytes | None:  # noqa: ARG002
        """Return nothing: lines may come late."""
        return None

    def spread(self, match: re.Match[bytes], text: bytes) -> tuple[bytes, int]:  # noqa: ARG002
        """Return the text as it is: a line is a record."""
        return text, 1

    def suspect(self, line: bytes) -> bool:  # noqa: ARG002
        """Say no: records may be missing anyway."""
        return False

    def loss(self, line: bytes, records: int) -> Loss | None:
        """Return what SystemTap says, at its end, of probes and output that are missing anywhere before."""
        found = self._skipped.search(line)
        if found is not None:
            count = int(found["skipped_COUNT"])
            return Loss(f"SystemTap skipped {count} probes", count, records) if count else None
        found = self._failures.search(line)
        if found is not None and (count := int(found["failures_COUNT"])):
            return Loss(f"SystemTap lost output: {count} transport failures", None, records)
        return None


def score(head: bytes) -> float:
    """Return how sure it is that `head` is the output of the log tapset."""
    records, lines = share_of_records(head, _expressions()[0])
    return 0.92 + 0.07 * records / lines if records else 0.0


FORMAT = FormatInfo(
    id="stap",
    title="SystemTap's log tapset, as qemu-trace-stap prints it",
    releases="4.0 to 9.0",
    clock="wall clock in nanoseconds",
    thread="process id",
    loss="SystemTap skips probes and loses output under load, and says so on standard error, at its end",
    reference="QEMU scripts/qemu-trace-stap, scripts/tracetool/format/log_stap.py",
    score=score,
    make=reader_of(lines_of(Stap)),
    resolution_ns=100,
    lossy="SystemTap may skip probes, and says so on standard error alone",
)
