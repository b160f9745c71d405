"""Images of any format that QEMU knows, by its qemu-img: one process for each piece that is read or written.

What is used of it: ``--image-opts`` (QEMU 2.6 and newer), the offset and size of its raw driver (2.8), its locks,
``-U`` and ``--target-image-opts`` (2.10). An image is always named by the driver and the file, never by a file name
alone, which QEMU might take for a protocol or for options; so the format is never guessed, either.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from traceview.errors import ImageError
from traceview.findings import Extent
from traceview.repair.images import DiskImage, kind_of

__all__ = ["SECTOR", "TOOL", "QemuImage", "read_command", "write_command"]

TOOL = "qemu-img"
SECTOR = 512
"""The raw driver takes sizes in multiples of this only (QEMU 7.0: block/raw-format.c)."""

Aside = Callable[[], AbstractContextManager[tuple[int, ...]]]
"""Steps aside with our locks while qemu-img takes its own; gives the file descriptors that it is to inherit."""


def _aside_of_nobody() -> AbstractContextManager[tuple[int, ...]]:
    return nullcontext(())


def read_command(path: Path, image_format: str, extent: Extent, piece: Path | str) -> list[str]:
    """Return the command that reads an extent into the file `piece`.

    ``-U``: the image may be open elsewhere, by ourselves among others; whether it may be is decided before.
    """
    return [TOOL, "convert", "-U", "-O", "raw", "--image-opts", _stretch(path, image_format, extent), str(piece)]


def write_command(path: Path, image_format: str, extent: Extent, piece: Path | str) -> list[str]:
    """Return the command that writes the file `piece` to an extent.

    ``-n``: into the image that is there. ``-t writeback``: qemu-img flushes no target by default.
    """
    stretch = _stretch(path, image_format, extent)
    return [TOOL, "convert", "-n", "-f", "raw", "-t", "writeback", "--target-image-opts", str(piece), stretch]


def _stretch(path: Path, image_format: str, extent: Extent) -> str:
    """Return the options that open an extent of an image as a disk of its own."""
    window = f"driver=raw,offset={extent.offset},size={extent.length},"
    return window + ",".join(f"file.{option}" for option in _options(path, image_format))


def _options(path: Path, image_format: str) -> list[str]:
    protocol = "host_device" if kind_of(path) == stat.S_IFBLK else "file"
    # The parser of options takes a comma for the end of one unless there are two.
    name = str(path.absolute()).replace(",", ",,")
    return [f"driver={image_format}", f"file.driver={protocol}", f"file.filename={name}"]


class QemuImage(DiskImage):
    """An image that qemu-img reads and writes, extents of whole sectors.

    Raises ImageError if qemu-img is not installed, or does not open the image.
    """

    def __init__(self, path: Path, image_format: str) -> None:
        self.path = path
        self.format = image_format
        self.aside: Aside = _aside_of_nobody
        """What is done with our own locks while qemu-img writes."""
        options = ",".join(_options(path, image_format))
        printed = self._run([TOOL, "info", "-U", "--output=json", "--image-opts", options], "open it")
        self.size = int(json.loads(printed)["virtual-size"])
        with self._refusals():
            self._folder = tempfile.TemporaryDirectory(prefix="traceview-repair-")
        self._piece = Path(self._folder.name) / "piece.raw"

    def refusal(self, extent: Extent) -> str:
        """Say why an extent cannot be read or written here; ``""`` if it can."""
        if extent.offset % SECTOR or extent.length % SECTOR:
            return f"is not whole sectors of {SECTOR} B, which is all that {TOOL} reads and writes"
        return super().refusal(extent)

    def read(self, extent: Extent) -> bytes:
        """Return the bytes of an extent. Raises ImageError."""
        self._run(read_command(self.path, self.format, extent, self._piece), f"read it at {extent.offset}")
        with self._refusals():
            data = self._piece.read_bytes()
        if len(data) != extent.length:
            raise ImageError(f"{self.path}: {TOOL} gave {len(data)} B at {extent.offset}, not {extent.length}")
        return data

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes. Raises ImageError."""
        with self._refusals():
            self._piece.write_bytes(data)
        command = write_command(self.path, self.format, Extent(offset, len(data)), self._piece)
        with self.aside() as inherited:
            self._run(command, f"write it at {offset}", inherited)

    def flush(self) -> None:
        """Have what was written reach the disk."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as e:
            raise ImageError(f"{self.path}: what was written does not reach the disk: {e.strerror or e}") from e

    def close(self) -> None:
        """Remove what was put aside."""
        self._folder.cleanup()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise ImageError(f"{self.path}: a piece of it cannot be put aside: {e} (TMPDIR names the folder)") from e

    def _run(self, command: list[str], what: str, inherited: tuple[int, ...] = ()) -> str:
        tool = shutil.which(TOOL)
        if tool is None:
            raise ImageError(
                f"{self.path}: is a {self.format} image, for which {TOOL} is needed, and that is not installed "
                "(Debian, Ubuntu: qemu-utils; Fedora: qemu-img; openSUSE: qemu-tools)"
            )
        done = subprocess.run(  # noqa: S603  (its words are ours, and no shell takes them apart)
            [tool, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, pass_fds=inherited, check=False
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
            raise ImageError(f"{self.path}: {TOOL} cannot {what}: {said}")
        return done.stdout.decode("utf-8", "replace")
