"""The trace formats: one module each, known by the first bytes of a file."""

from __future__ import annotations

from traceview.errors import UnknownFormatError, UnknownNameError, nearest
from traceview.formats import log, simpletrace
from traceview.formats.base import FormatInfo
from traceview.source import HEAD_BYTES, ByteSource

__all__ = ["FORMATS", "Detection", "detect", "format_by_id"]

FORMATS: tuple[FormatInfo, ...] = (simpletrace.FORMAT, log.FORMAT)


_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "zcat"),
    b"\xfd7zXZ\x00": ("xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstdcat"),
    b"BZh": ("bzip2", "bzcat"),
}


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
    for magic, (what, tool) in _COMPRESSED.items():
        if detection.head.startswith(magic):
            raise UnknownFormatError(
                f"{source.name}: {what} data; give traceview what it unpacks to: {tool} FILE | traceview scan -"
            )
    if detection.best is not None:
        return detection.best
    if not detection.head:
        raise UnknownFormatError(f"{source.name}: the file is empty")
    known = ", ".join(f"{f.id} ({f.title})" for f in FORMATS)
    raise UnknownFormatError(
        f"{source.name}: no trace format recognises its first {min(HEAD_BYTES, len(detection.head))} bytes; known are "
        f"{known}. Say which it is with --format"
    )


def format_by_id(name: str) -> FormatInfo:
    """Return a format by its id. Raises UnknownNameError."""
    for info in FORMATS:
        if info.id == name:
            return info
    ids = [f.id for f in FORMATS]
    raise UnknownNameError(f"format {name!r} is not known{nearest(name, ids)}; known are {', '.join(ids)}")
