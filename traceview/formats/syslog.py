"""QEMU's syslog backend: the files of syslogd, rsyslogd, syslog-ng and BusyBox, and journalctl's text like theirs.

Of many programs' lines those of QEMU's are told by the program's name. Any of them may be missing: daemons limit rates,
cut messages, and drop them under load.
"""

from __future__ import annotations

import re
from functools import cache

from traceview.events import NO_TIME
from traceview.formats.base import FormatInfo
from traceview.formats.carried import PREFIXED, Loss, reader_of, share_of_records, thread_of
from traceview.formats.carried_grammar import expression, rule_pattern
from traceview.formats.carried_lines import lines_of
from traceview.formats.carried_time import Times, clock_ns

__all__ = ["FORMAT", "LOSSY", "Syslog", "unescaped"]

LOSSY = "syslog may drop and cut messages without a mark"
_LOSSES = ("lost_by", "lost", "suppressed", "dropping", "repeated")
# Control characters as daemons write them, in octal; the end of a line stays as it is, so that a record is one line.
_ESCAPED = re.compile(rb"#(0[0-3][0-7]|177)")
_END_OF_LINE = b"012"
_CUT_FROM = 200
"""BusyBox cuts messages at 256 bytes, with the prefix; others later. Only long records that end in a number mind."""
_CUT_REPEATED = 899
"""rsyslogd writes no more of a message that it says was repeated, with the blank before it."""


@cache
def _expressions() -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    """Return those of a record's line, of its beginning inside another line, of the head alone, and of losses."""
    head = rule_pattern("syslog", "head")
    before = "".join(rule_pattern("syslog", rule) for rule in ("repeat", "prefix", "name"))
    losses = "|".join(f"(?P<{rule}>{rule_pattern('syslog', rule)})" for rule in _LOSSES)
    return (
        expression(f"^{rule_pattern('syslog', 'record')}$"),
        expression(f"{head}{before} "),
        expression(f"^{head}"),
        expression(losses),
    )


def unescaped(text: bytes) -> bytes:
    """Return text with the control characters that a daemon wrote in octal (``#011``), but for ends of lines."""
    if b"#" not in text:
        return text
    return _ESCAPED.sub(lambda m: m[0] if m[1] == _END_OF_LINE else bytes([int(m[1], 8)]), text)


class Syslog:
    """The lines of one syslog file."""

    hints: tuple[bytes, ...] = (b"qemu", b"kvm")
    sure_start = True
    cut_from = _CUT_FROM
    lossless = False

    def __init__(self) -> None:
        self.line, self.inside, self._head, self._losses = _expressions()
        self._times = Times()
        self._after_record = False

    def moment(self, match: re.Match[bytes], record: int, glued: bool) -> tuple[int, int]:  # noqa: ARG002
        """Return time (ns) and process, or the thread where the log backend's own prefix has it."""
        self._after_record = True
        thread, seconds, micros = match.group(*PREFIXED)
        if thread is not None:
            return clock_ns(seconds, micros), int(thread)
        month, iso, rfc5424 = match.group("stamp_MONTH_TIME", "stamp_ISO_TIME", "when_TIME")
        process = thread_of(match["pid_PID"] or match["procid_PROCID"])
        if month is not None:
            return self._times.month_ns(month), process
        return (NO_TIME if iso is None and rfc5424 is None else self._times.iso_ns(iso or rfc5424)), process

    def strand(self, match: re.Match[bytes]) -> bytes | None:  # noqa: ARG002
        """Return nothing: lines may come late."""
        return None

    def spread(self, match: re.Match[bytes], text: bytes) -> tuple[bytes, int]:
        """Return the text without a daemon's escapes, and how often the message was there."""
        if match["repeat_TIMES"] is None:
            return unescaped(text), 1
        whole = text.endswith(b"]") and len(match["name_NAME"]) + len(text) < _CUT_REPEATED
        return unescaped(text.removesuffix(b"]")), int(match["repeat_TIMES"]) if whole else 0

    def suspect(self, line: bytes) -> bool:  # noqa: ARG002
        """Say no: records may be missing anyway."""
        return False

    def loss(self, line: bytes, records: int) -> Loss | None:  # noqa: ARG002
        """Return what a daemon says of messages that it did not write."""
        after_record, self._after_record = self._after_record, False
        found = self._losses.search(line)
        if found is None or (found["repeated"] and not after_record):
            return None
        text = line[found.start() :][:200].decode("ascii", "backslashreplace").strip()
        counts = (found[f"{rule}_COUNT"] for rule in _LOSSES if rule != "dropping")
        count = next((c for c in counts if c is not None), None)
        return Loss(f"a daemon says: {text}", None if count is None else int(count))


def score(head: bytes) -> float:
    """Return how sure it is that `head` is a syslog file: more than a little only where QEMU's records are in it."""
    line, _, begin, _ = _expressions()
    records, lines = share_of_records(head, line)
    if records:
        return 0.92 + 0.07 * records / lines
    return 0.2 if begin.search(head) is not None else 0.0


FORMAT = FormatInfo(
    id="syslog",
    title="syslog backend: a syslog file (traditional, ISO or RFC 5424 lines)",
    releases="2.8 to 9.0",
    clock="the daemon's wall clock: in microseconds (ISO, RFC 5424), or in seconds without year and zone (traditional)",
    thread="process id, none before QEMU has opened the log",
    loss="the daemon may drop, cut and fold messages, with a mark or without one",
    reference="QEMU scripts/tracetool/backend/syslog.py; RFC 3164, RFC 5424",
    score=score,
    make=reader_of(lines_of(Syslog)),
    lossy=LOSSY,
)
