"""Valid input to begin with: samples, what the tests' writers make, and pieces of the captures where these are."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT, captures_folder
from tests.timeline.story import instrumented, stock
from tests.writers import PREFIXES, SimpletraceWriter, log_line
from traceview.events import Kind
from traceview.formats import FORMATS
from traceview.formats.declarations import read_declarations
from traceview.source import ByteSource
from traceview.vocabulary import builtin

__all__ = ["MOST_BYTES", "TOKENS", "seeds"]

MOST_BYTES = 4096
"""So large a seed is at most: small inputs are many inputs."""
SAMPLES = ROOT / "sample-traces"
_AT = 1_600_000_000
TOKENS = (
    b"\x00", b"\xff", b"\r", b"\n", b"\r\n", b" ", b"@", b":", b"=", b"{", b"}", b'"', b"'", b"\\", b"%", b"(null)",
    b"(nil)", b"0x", b"-1", b"0", b"18446744073709551615", b"18446744073709551616", b"9" * 40, b"0x" + b"f" * 20,
    b"1@1.000001:", b"mirror_start bs 0x1 s 0x2 opaque (nil)", b"\x1b[2J", b"\xe2\x80\xae", b"<script>", b"=1+1",
    b"\x00" * 512, b"A" * 600, b"pid=", b"[LOST 5 EVENTS]", b"message repeated 3 times: [ ", b"2026-02-30T99:99:99Z",
)  # fmt: skip
"""What is put into input now and then."""


@cache
def lines() -> tuple[bytes, ...]:
    """Return records as the log backend writes them behind the prefix."""
    told = instrumented()
    told.start()
    told.look()
    told.defer()
    told.write(4096)
    told.leave()
    second = stock()
    second.before_drain()
    second.enter()
    second.completed()
    texts = [item.text for story in (told, second) for item in story.told if hasattr(item, "text")]
    texts.append('bdrv_open_common bs 0xb1 filename "/srv/a b.img" flags 0xa022 format_name "raw"')
    texts.append('monitor_qmp_respond mon 0x1 json: {"return": {}, "id": "libvirt-1"}')
    texts.append("virtio_blk_handle_write vdev 0xe1 req 0x77 sector 8 nsectors 8")
    return tuple(t.encode() for t in texts)


def _fields(line: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return an event's name and its arguments, for formats that tell them by name: as far as one can see."""
    name, _, text = line.partition(b" ")
    words = text.split(b" ")
    return name, [(k, v) for k, v in zip(words[::2], words[1::2], strict=False) if k.decode().isidentifier()]


def _ftrace(line: bytes, n: int) -> bytes:
    return b"           <...>-7999    [000] ...1.  2302.%06d: tracing_mark_write: %s" % (865513 + n, line)


def _syslog(line: bytes, n: int) -> bytes:
    stamp = (
        b"Nov 23 00:30:%02d vm qemu-system-x86_64[7999]: ",
        b"2026-11-23T00:30:%02d.008953+00:00 vm qemu-system-x86_64[7999]: ",
        b"<30>1 2026-11-23T00:30:%02d.008953+00:00 vm qemu-system-x86_64 7999 - -  ",
    )[n % 3]
    return stamp % (n % 60) + line


def _journald(line: bytes, n: int) -> bytes:
    text = line.decode("ascii").replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'{{"__REALTIME_TIMESTAMP":"{_AT}{n:06}","__MONOTONIC_TIMESTAMP":"{n + 5}","_PID":"7999",'
        f'"SYSLOG_IDENTIFIER":"qemu-system-x86_64","MESSAGE":"{text}"}}'
    ).encode()


def _stap(line: bytes, n: int) -> bytes:
    return b"22806@%d %s" % (1547735341399856820 + n * 1000, line)


def _simpletrace_text(line: bytes, n: int) -> bytes:
    name, fields = _fields(line)
    return b"%s %d.%03d pid=7999 %s" % (name, n, n, b" ".join(b"%s=%s" % f for f in fields))


def _lttng(line: bytes, n: int) -> bytes:
    name, fields = _fields(line)
    head = b"[01:04:54.%09d] (+0.000005740) vm qemu:%s: { cpu_id = 0 }, " % (815768466 + n, name)
    context = b'{ vtid = 11683, vpid = 11683, procname = "qemu-system-x86" }, '
    return head + context + b"{ %s }" % b", ".join(b"%s = %s" % f for f in fields)


def _perf(line: bytes, n: int) -> bytes:
    name, fields = _fields(line)
    head = b"qemu-system-x86 7999/8001 [001] 2302.%06d: probe_qemu:%s: (55d0c0de0000) " % (n, name)
    return head + b" ".join(b"%s=%s" % f for f in fields)


def _bpftrace(line: bytes, n: int) -> bytes:
    name, fields = _fields(line)
    return b"%s 7999 %d %s" % (name, 2302865513000 + n, b" ".join(b"%s=%s" % f for f in fields))


def _log(line: bytes, n: int) -> bytes:
    name, _, text = line.decode().partition(" ")
    return log_line(name, text, prefix=PREFIXES[n // 8 % len(PREFIXES)], ts_us=_AT * 1_000_000 + n)


def _libvirt(line: bytes, n: int) -> bytes:
    if n % 12 == 0:
        return (
            b"2026-01-31 12:00:00.123+0000: starting up libvirt version: 9.0.0, qemu version: 7.2.22, kernel: 6.1, "
            b"hostname: h\nLC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=vm,debug-threads=on"
        )
    return (
        b"2026-01-31 12:00:%02d.123+0000: shutting down, reason=crashed" % (n % 60) if n % 12 == 11 else _log(line, 8)
    )


_WRITERS: dict[str, Callable[[bytes, int], bytes]] = {
    "log": _log, "ftrace": _ftrace, "syslog": _syslog, "journald": _journald, "stap": _stap, "libvirt": _libvirt,
    "simpletrace-text": _simpletrace_text, "lttng": _lttng, "perf": _perf, "bpftrace": _bpftrace,
}  # fmt: skip
"""How a record stands in the text of each format; of others, seeds are the log's."""


def _text(name: str) -> Iterator[bytes]:
    write = _WRITERS.get(name, _log)
    for first in range(0, len(lines()), 6):
        yield b"".join(write(line, first + n) + b"\n" for n, line in enumerate(lines()[first : first + 6]))


def _simpletrace(version: int) -> Iterator[bytes]:
    chance = random.Random(version)  # noqa: S311  (not for secrets)
    declared = read_declarations(SAMPLES / "simpletrace-2.6/trace-events")
    known = [e.forms[0] for e in builtin().events.values() if e.forms]
    forms = known if version == 4 else [f for f in declared.numbered(version) if f.args]
    numbers = {f.name: n for n, f in enumerate(known if version == 4 else declared.numbered(version))}
    for order in "<>":
        writer = SimpletraceWriter(version, order=order)
        for at in range(8):
            form = chance.choice(forms)
            number = numbers[form.name]
            if version == 4:
                writer.mapping(number, form.name)
            values: list[int | bytes] = [
                b"/srv/a b.img" if arg.kind is Kind.STRING else chance.getrandbits(chance.choice((8, 32, 64)))
                for arg in form.args
            ]
            writer.record(number, values, ts_ns=1000 * at)
            if at == 3:
                writer.dropped(7)
        yield writer.data
    if version == 3:
        yield (SAMPLES / "simpletrace-2.6/trace.bin").read_bytes()[:MOST_BYTES]


def _found(name: str) -> Iterator[bytes]:
    """Yield the beginnings of samples and captures that are of a format."""
    folders = [SAMPLES] + ([folder] if (folder := captures_folder()) is not None else [])
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and _format_of(path) == name:
                yield next(iter(ByteSource(path, chunk_bytes=MOST_BYTES).chunks()))


@cache
def _format_of(path: Path) -> str:
    head = ByteSource(path).head()
    best = max(FORMATS, key=lambda f: f.score(head)) if head else None
    return best.id if best is not None and best.score(head) > 0.4 else ""


def _rules() -> Iterator[bytes]:
    for path in sorted((ROOT / "traceview/rules/pack").glob("*.rules")):
        yield path.read_bytes()[:MOST_BYTES]


def _declarations() -> Iterator[bytes]:
    written = (SAMPLES / "simpletrace-2.6/trace-events").read_bytes()
    for at in range(0, min(len(written), 16 * 1024), 1024):
        yield written[at : at + 1024]


def _baseline() -> Iterator[bytes]:
    yield b"# ours\nrule:mirror-exit-guest-io vm:web-* until:2030-03-31 reason: rack 7 gets the fix in March\n"
    yield b"identity:v1-0123456789abcdef0123456789abcdef reason: filed\n"
    yield b'device:drive[0-3] image:"/var/lib/libvirt/new images/*" reason: scratch disks\n'


def _packed() -> Iterator[bytes]:
    for text in [*_text("log"), *_simpletrace(4)]:
        yield from (text, gzip.compress(text), lzma.compress(text), bz2.compress(text))


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    """Return what the mutators begin with, for a reader of `tests.fuzz.entries`."""
    if name.startswith("simpletrace-") and name[-1].isdigit():
        found = list(_simpletrace(int(name[-1])))
    elif name in ("rules", "declarations", "baseline", "detection"):
        others = {"rules": _rules, "declarations": _declarations, "baseline": _baseline, "detection": _packed}
        found = list(others[name]())
    else:
        found = [*_text(name), *_found(name)]
    return tuple(found)
