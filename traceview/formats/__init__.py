"""The trace formats: one module each, known by the first bytes of a file."""

from __future__ import annotations

from traceview.errors import UnknownFormatError, UnknownNameError, nearest
from traceview.formats import (
    bpftrace,
    ctf,
    ftrace,
    journald,
    libvirt,
    log,
    lttng,
    perf,
    simpletrace,
    simpletrace_text,
    stap,
    syslog,
)
from traceview.formats.base import FormatInfo
from traceview.source import HEAD_BYTES, ByteSource, compression_of

__all__ = ["FORMATS", "Detection", "detect", "format_by_id"]

FORMATS: tuple[FormatInfo, ...] = (
    simpletrace.FORMAT,
    log.FORMAT,
    simpletrace_text.FORMAT,
    lttng.FORMAT,
    perf.FORMAT,
    bpftrace.FORMAT,
    ctf.FORMAT,
    ftrace.FORMAT,
    syslog.FORMAT,
    journald.FORMAT,
    stap.FORMAT,
    libvirt.FORMAT,
)

_TOOLS = {"gzip": "zcat", "xz": "xzcat", "zstd": "zstdcat", "bzip2": "bzcat"}
_FOREIGN = (
    (0, b"\x04\x22\x4d\x18", "lz4 data", "lz4 -dc FILE | traceview scan -"),
    (0, b"\x5d\x00\x00", "lzma data of the old kind", "xz --format=lzma -dc FILE | traceview scan -"),
    (0, b"\x89LZO\x00", "lzop data", "lzop -dc FILE | traceview scan -"),
    (0, b"LZIP", "lzip data", "lzip -dc FILE | traceview scan -"),
    (0, b"\x1f\x9d", "data of compress", "zcat FILE | traceview scan -"),
    (0, b"PK\x03\x04", "a zip archive", "unzip -p FILE | traceview scan -"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so FILE | traceview scan -"),
    (0, b"\x17\x08Dtracing", "a trace.dat of trace-cmd", "trace-cmd report FILE | traceview scan -"),
    (257, b"ustar", "a tar archive", "tar xf FILE, then traceview scan the folder"),
)
"""What is known and not read: where its magic stands, the magic, its name, what to do."""


class Detection:
    """Which format the first bytes of a source speak for, and how surely."""

    def __init__(self, source: ByteSource) -> None:
        self.head = source.head()
        self.scores = {f.id: f.score(self.head) for f in FORMATS} if self.head else {}
        best = max(FORMATS, key=lambda f: self.scores.get(f.id, 0.0))
        self.best: FormatInfo | None = best if self.scores.get(best.id, 0.0) > 0 else None


def detect(source: ByteSource) -> FormatInfo:
    """Return the format of a source.

    Raises UnknownFormatError where no format recognises the first `HEAD_BYTES` bytes, or there are none.
    """
    detection = Detection(source)
    foreign = _foreign(source, detection.head)
    if foreign:
        raise UnknownFormatError(f"{source.name}: {foreign}")
    if detection.best is not None:
        return detection.best
    if not detection.head:
        raise UnknownFormatError(f"{source.name}: {source.cut or 'the file is empty'}")
    known = ", ".join(f"{f.id} ({f.title})" for f in FORMATS)
    raise UnknownFormatError(
        f"{source.name}: no trace format recognises its first {min(HEAD_BYTES, len(detection.head))} bytes; known are "
        f"{known}. Say which it is with --format"
    )


def _foreign(source: ByteSource, head: bytes) -> str:
    """Say what the first bytes are, and what to do, where they are of a known kind that is not read."""
    inner = compression_of(head)
    if source.compression and inner:
        tool = _TOOLS[source.compression]
        return (
            f"{source.compression} data that unpack to {inner} data: traceview unpacks once, so take off the outer "
            f"layer: {tool} FILE | traceview scan -"
        )
    for at, magic, what, do in _FOREIGN:
        if head.startswith(magic, at):
            within = f"{source.compression} data that unpack to " if source.compression else ""
            return f"{within}{what}, which traceview does not read: {do}"
    return ""


def format_by_id(name: str) -> FormatInfo:
    """Return a format by its id. Raises UnknownNameError."""
    for info in FORMATS:
        if info.id == name:
            return info
    ids = [f.id for f in FORMATS]
    raise UnknownNameError(f"format {name!r} is not known{nearest(name, ids)}; known are {', '.join(ids)}")
