"""An image to read and to write, by the offsets that the guest sees; raw images are files, others go through QEMU."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from traceview.errors import ImageError
from traceview.findings import Extent

__all__ = ["PIECE", "DiskImage", "RawImage", "pieces"]

PIECE = 4 << 20
"""How many bytes are held at a time."""


def pieces(extent: Extent, size: int = PIECE) -> Iterator[Extent]:
    """Yield an extent in pieces of no more than `size` bytes, in order."""
    for offset in range(extent.offset, extent.end, size):
        yield Extent(offset, min(size, extent.end - offset))


class DiskImage(ABC):
    """An image of a disk. Offsets and lengths are in bytes, as the guest counts them."""

    path: Path
    format: str
    size: int
    """How large the guest sees the disk, in bytes."""

    def refusal(self, extent: Extent) -> str:
        """Say why an extent cannot be read or written here; ``""`` if it can."""
        if extent.end > self.size:
            return f"ends at {extent.end}, behind the end of {self.path.name} ({self.size} B)"
        return ""

    @abstractmethod
    def read(self, extent: Extent) -> bytes:
        """Return the bytes of an extent, no longer than `PIECE`. Raises ImageError."""

    @abstractmethod
    def write(self, offset: int, data: bytes) -> None:
        """Write bytes, no more than `PIECE`. Raises ImageError; some of them may have been written then."""

    @abstractmethod
    def flush(self) -> None:
        """Have everything that was written reach the disk, and the next `read` come from it. Raises ImageError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


def kind_of(path: Path) -> int:
    """Return what sort of file an image is (``stat.S_IFREG`` or ``stat.S_IFBLK``). Raises ImageError for any other."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError as e:
        raise ImageError(f"{path}: cannot be opened: {e.strerror or e}") from e
    if kind not in (stat.S_IFREG, stat.S_IFBLK):
        raise ImageError(f"{path}: is neither a file nor a block device")
    return kind


class RawImage(DiskImage):
    """An image whose bytes are the guest's: a file or a block device.

    Raises ImageError if it cannot be opened; a block device also where the system uses it (is it mounted?).
    """

    format = "raw"

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        kind = kind_of(path)
        flags = os.O_RDWR if writable else os.O_RDONLY
        if writable and kind == stat.S_IFBLK:
            flags |= os.O_EXCL  # with it, Linux refuses a block device that is mounted, or that a mapper uses
        try:
            self._fd = os.open(path, flags | os.O_CLOEXEC)
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as e:
            raise ImageError(f"{path}: cannot be opened{' to write' * writable}: {e.strerror or e}") from e

    def read(self, extent: Extent) -> bytes:
        """Return the bytes of an extent. Raises ImageError if it has not all of them."""
        parts, offset = [], extent.offset
        while offset < extent.end:
            try:
                part = os.pread(self._fd, extent.end - offset, offset)
            except OSError as e:
                raise ImageError(f"{self.path}: cannot be read at {offset}: {e.strerror or e}") from e
            if not part:
                raise ImageError(f"{self.path}: ends at {offset}: it has become shorter, is it in use?")
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes. Raises ImageError."""
        left = memoryview(data)
        while left:
            try:
                done = os.pwrite(self._fd, left, offset)
            except OSError as e:
                raise ImageError(f"{self.path}: cannot be written at {offset}: {e.strerror or e}") from e
            left, offset = left[done:], offset + done

    def flush(self) -> None:
        """Have what was written reach the disk, and forget the copy of it in memory."""
        try:
            os.fsync(self._fd)
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as e:
            raise ImageError(f"{self.path}: what was written does not reach the disk: {e.strerror or e}") from e

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
