"""The systemd journal as ``journalctl -o json`` prints it: one JSON object a line, QEMU's record its MESSAGE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from traceview.events import NO_THREAD, NO_TIME, Gap, ReadStats
from traceview.formats.base import FormatInfo, FormsOf, Wanted
from traceview.formats.carried import PREFIXED, Loss, reader_of, share_of_records, thread_of
from traceview.formats.carried_grammar import expression, rule_pattern
from traceview.formats.carried_lines import CarriedLines
from traceview.formats.carried_time import clock_ns
from traceview.formats.declarations import Declarations

__all__ = ["FORMAT", "JournalLines"]

_PROGRAM = re.compile(r"(?:.*/)?(?:qemu.*|kvm)")
_NAMES = ("SYSLOG_IDENTIFIER", "_COMM")
_TIMES = ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP")
_PROCESSES = ("_PID", "SYSLOG_PID")
_HINTS = (b"qemu", b"kvm", b"Suppressed ")
_CUT_FROM = 48 << 10
"""journald breaks what a service prints at so many bytes."""
_NO_BLANK = re.compile(r"\S")
_JSON = json.JSONDecoder(strict=False)


@cache
def _expressions() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    return expression(f"^{rule_pattern('journald', 'event')}$"), expression(rule_pattern("journald", "suppressed"))


class _Entry:
    """What stands around the message that is being taken: the carrier of records in messages."""

    hints: tuple[bytes, ...] = ()
    sure_start = True
    cut_from = _CUT_FROM
    lossless = False

    def __init__(self) -> None:
        self.line, self._suppressed = _expressions()
        self.inside = self.line
        self.fields: dict[str, Any] = {}

    def moment(self, match: re.Match[bytes], record: int, glued: bool) -> tuple[int, int]:  # noqa: ARG002
        """Return time (ns) and process, or the thread where the log backend's own prefix has it."""
        thread, seconds, micros = match.group(*PREFIXED)
        if thread is not None:
            return clock_ns(seconds, micros), int(thread)
        stamp, process = self._digits(_TIMES), self._digits(_PROCESSES)
        ts = NO_TIME if stamp is None else clock_ns(stamp[:-6] or b"0", stamp[-6:].rjust(6, b"0"))
        return ts, thread_of(process) if process is not None and len(process) <= 10 else NO_THREAD

    def strand(self, match: re.Match[bytes]) -> bytes | None:  # noqa: ARG002
        """Return nothing: lines may come late."""
        return None

    def spread(self, match: re.Match[bytes], text: bytes) -> tuple[bytes, int]:  # noqa: ARG002
        """Return the text as it is: an entry is a record."""
        return text, 1

    def suspect(self, line: bytes) -> bool:  # noqa: ARG002
        """Say no: records may be missing anyway."""
        return False

    def loss(self, line: bytes, records: int) -> Loss | None:  # noqa: ARG002
        """Return what journald says, in a message, of entries that it dropped."""
        found = self._suppressed.match(line)
        if found is None:
            return None
        count = int(found["suppressed_COUNT"])
        return Loss(f"journald says: {found[0][:200].decode('ascii', 'backslashreplace')}", count)

    def of_qemu(self) -> bool:
        """Say whether a program of QEMU sent the entry."""
        values = (self.fields.get(name) for name in _NAMES)
        return any(isinstance(v, str) and _PROGRAM.fullmatch(v) is not None for v in values)

    def message(self) -> bytes | None:
        """Return the message, or None where there is none."""
        value = self.fields.get("MESSAGE")
        if isinstance(value, str):
            return _as_bytes(value).removesuffix(b"\r")
        if isinstance(value, list) and all(isinstance(v, int) and 0 <= v < 256 for v in value):
            return bytes(value)  # what is no text is printed as its bytes
        return None

    def _digits(self, names: tuple[str, ...]) -> bytes | None:
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
                return value.encode("ascii")
        return None


def _as_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")  # an escape of half a character


def _objects(line: bytes) -> Iterator[dict[str, Any] | None]:
    """Yield the objects of a line, and at last None where something else stands in it."""
    text = line.decode("utf-8", "surrogateescape").rstrip()
    at = 0
    while at < len(text):
        try:
            value, at = _JSON.raw_decode(text, _first_behind_blanks(text, at))
        except (ValueError, RecursionError):
            yield None
            return
        if not isinstance(value, dict):
            yield None
            return
        yield value


def _first_behind_blanks(text: str, at: int) -> int:
    found = _NO_BLANK.search(text, at)
    return at if found is None else found.start()


class JournalLines(CarriedLines):
    """Takes the lines of one export of the journal."""

    def __init__(self, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted, stats: ReadStats) -> None:
        self._entry = _Entry()
        super().__init__(self._entry, forms_of, declarations, wanted, stats)

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        for line in block.split(b"\n")[:-1]:
            self.stats.lines += 1
            if not any(hint in line for hint in _HINTS) or not self._entries(line, base):
                self.stats.other_lines += 1
            base += len(line) + 1

    def _entries(self, line: bytes, offset: int) -> bool:
        """Take the entries of a line, and say whether one is a record."""
        known = False
        for entry in _objects(line):
            if entry is None:
                if line.lstrip().startswith(b"{"):
                    self._missing("unreadable", offset, "an entry of the journal that cannot be read")
                continue
            self._entry.fields = entry
            message = self._entry.message()
            if not self._entry.of_qemu():
                loss = None if message is None else self._entry.loss(message, self.stats.records)
                if loss is not None:
                    self._missing("dropped", offset, loss.text, loss.count)
            elif message is not None:
                known |= self._message(message, offset)
            elif "MESSAGE" in entry:
                self._missing("cut", offset, "a message that journalctl prints only with --all", 1)
        return known

    def _message(self, message: bytes, offset: int) -> bool:
        match = self._entry.line.match(message)
        event = None if match is None else self._known(match["name_NAME"])
        if match is None or event is None:
            return False
        self._take(match, match["value_TEXT"] or b"", event, offset)
        return True

    def _missing(self, cause: str, offset: int, text: str, count: int | None = None) -> None:
        stats = self.stats
        stats.add_gap(Gap(cause, stats.records, offset, stats.lines, stats.last_ts_ns, count, text))


def score(head: bytes) -> float:
    """Return how sure it is that `head` is the journal: more than a little only where QEMU's records are in it."""
    lines = head.split(b"\n")[:-1] or [head]
    entries = [(line, e) for line in lines if b'"MESSAGE"' in line for e in _objects(line) if e is not None]
    if not any("__REALTIME_TIMESTAMP" in entry for _, entry in entries):
        return 0.0
    of_qemu = _Entry()
    records = 0
    for _, of_qemu.fields in entries:
        message = of_qemu.message() if of_qemu.of_qemu() else None
        records += message is not None and share_of_records(message, of_qemu.line)[0] > 0
    return 0.93 + 0.06 * records / len(lines) if records else 0.2


FORMAT = FormatInfo(
    id="journald",
    title="the systemd journal: journalctl -o json",
    releases="2.8 to 9.0",
    clock="wall clock in microseconds, when the message was sent",
    thread="process id; thread id where the message has the log backend's prefix",
    loss="journald may drop messages, with a mark or without one; long ones are printed only with --all",
    reference="systemd journal-fields(7), journalctl(1); QEMU scripts/tracetool/backend/syslog.py",
    score=score,
    make=reader_of(JournalLines),
    lossy="journald may drop messages without a mark",
)
