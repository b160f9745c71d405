"""Writers of the formats that carry the log backend's text, made from what docs/formats.md says of their lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

TIME_US = 1_795_393_833_871_579
LineWriter = Callable[[str, bytes, int, int], bytes]
"""Makes a line, without its end, of an event's name, its text, its thread and its time in µs."""

_RECORD = re.compile(rb"(?m)^(\d+)@(\d+)\.(\d{6}):(\w+) (.*)$")


def ftrace(
    name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US, *, comm: str = "<...>", cpu: int = 0,
    flags: str = "...1. ", tgid: str = "", source: str = "tracing_mark_write: ",
) -> bytes:  # fmt: skip
    """Return an entry of the ring buffer; times are of the boot clock, some days after the start."""
    seconds, micros = divmod(ts_us - TIME_US + 200_000_000_000, 1_000_000)
    head = f"{comm:>16}-{thread:<7d} {tgid}[{cpu:03}] {flags}{seconds:5}.{micros:06}: {source}{name} "
    return head.encode() + text


def trace_cmd(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return an entry as trace-cmd report prints it."""
    return ftrace(name, text, thread, ts_us, flags="", source="print:                tracing_mark_write: ")


def _moment(ts_us: int) -> datetime:
    return datetime.fromtimestamp(ts_us // 1_000_000, UTC).replace(microsecond=ts_us % 1_000_000)


def syslog_iso(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return a line of rsyslogd's default in Debian 12."""
    head = f"{_moment(ts_us).isoformat(timespec='microseconds')} vm qemu-system-x86_64[{thread}]: {name} "
    return head.encode() + text


def syslog_rfc5424(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return a line of RFC 5424."""
    moment = _moment(ts_us).isoformat(timespec="microseconds")
    return f"<30>1 {moment} vm qemu-system-x86_64 {thread} - -  {name} ".encode() + text


def syslog_traditional(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return a line of syslogd."""
    moment = _moment(ts_us)
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S} vm qemu-system-x86_64[{thread}]: {name} ".encode() + text


def journald(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return an entry of the journal; a message that is no text is printed as its bytes."""
    message = f"{name} ".encode() + text
    try:
        shown: str | list[int] = message.decode("utf-8")
    except UnicodeDecodeError:
        shown = list(message)
    return json.dumps(
        {
            "_PID": str(thread), "SYSLOG_IDENTIFIER": "qemu-system-x86_64", "__REALTIME_TIMESTAMP": str(ts_us),
            "__MONOTONIC_TIMESTAMP": str(ts_us - TIME_US + 200_000_000_000), "_TRANSPORT": "syslog", "MESSAGE": shown,
            "PRIORITY": "6", "_HOSTNAME": "vm",
        },
        ensure_ascii=False,
    ).encode()  # fmt: skip


def stap(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return a line of the log tapset, which has no word for a null pointer."""
    return f"{thread}@{ts_us}000 {name} ".encode() + text.replace(b"(nil)", b"0x0")


def libvirt(name: str, text: bytes, thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    """Return a line of QEMU in libvirt's log."""
    return f"{thread}@{ts_us // 1_000_000}.{ts_us % 1_000_000:06}:{name} ".encode() + text


BANNER = (
    b"2026-11-23 00:30:33.123+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4+deb12u1 (Debian), "
    b"qemu version: 9.0.0Debian 1:9.0.0+ds-1, kernel: 6.1.0-13-amd64, hostname: vm.example\n"
    b"LC_ALL=C \\\nPATH=/usr/sbin:/usr/bin \\\n/usr/bin/qemu-system-x86_64 \\\n"
    b"-name guest=vm-7,debug-threads=on \\\n-msg timestamp=on\n"
    b"char device redirected to /dev/pts/1 (label charserial0)\n"
)
ENDING = b"2026-11-23 00:31:00.000+0000: shutting down, reason=shutdown\n"
HEADER = (
    b"# tracer: nop\n#\n# entries-in-buffer/entries-written: 9/9   #P:2\n#\n"
    b"#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n#              | |         |   |||||     |         |\n"
)

WRITERS: dict[str, tuple[str, LineWriter]] = {
    "ftrace": ("ftrace", ftrace),
    "trace-cmd": ("ftrace", trace_cmd),
    "syslog-iso": ("syslog", syslog_iso),
    "syslog-rfc5424": ("syslog", syslog_rfc5424),
    "syslog-traditional": ("syslog", syslog_traditional),
    "journald": ("journald", journald),
    "stap": ("stap", stap),
    "libvirt": ("libvirt", libvirt),
}
"""By name: the id of the format, and what writes its lines."""


def records_of(log: bytes) -> Iterator[tuple[str, bytes, int, int]]:
    """Yield name, text, thread and time in µs of the records of a log with the prefix of 2.3 and later."""
    for match in _RECORD.finditer(log):
        yield match[4].decode(), match[5], int(match[1]), int(match[2]) * 1_000_000 + int(match[3])


def carried(writer: str, log: bytes) -> bytes:
    """Return a log's records as a file of another format, in the order in which that has them."""
    format_id, write = WRITERS[writer]
    records = list(records_of(log))
    if format_id == "ftrace":
        records.sort(key=lambda r: r[3])  # the kernel prints its buffers in the order of time
    body = b"".join(write(*record) + b"\n" for record in records)
    return {"ftrace": HEADER, "libvirt": BANNER}.get(format_id, b"") + body
