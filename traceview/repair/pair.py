"""The images of a repair, opened, and what stands against writing to one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from traceview.errors import RepairRefusedError
from traceview.repair.formats import RAW, format_of
from traceview.repair.images import DiskImage, RawImage, kind_of
from traceview.repair.lock import READER, WRITER, ImageLock, use_of
from traceview.repair.qemu import SECTOR, QemuImage

__all__ = ["Pair", "open_alone", "open_pair"]


@dataclass(slots=True)
class Pair:
    """Two images of one disk.

    `obstacles` say why nothing may be written now, `used` those of them that are others' use of the images, `doubts`
    what makes all bytes unsafe.
    """

    source: DiskImage
    target: DiskImage
    obstacles: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)


@contextmanager
def open_pair(
    source: Path, target: Path, source_format: str | None = None, target_format: str | None = None, *, write: bool
) -> Iterator[Pair]:
    """Open two images; with `write`, others are kept from them as long as the block lasts, unless there are obstacles.

    Without it, who uses them is asked, and nobody is kept out. The formats are as for `format_of`. Raises ImageError
    for an image that cannot be opened, RepairRefusedError where both are one file.
    """
    for path in (source, target):
        kind_of(path)
    if source.samefile(target):
        raise RepairRefusedError(
            f"{source} and {target} are the same file: --source is the image that has the bytes, --target the one that "
            "the guest was moved to"
        )
    from_format = format_of(source, source_format, "--source-format")
    to_format = format_of(target, target_format, "--target-format")
    obstacles = [] if os.access(target, os.W_OK) else [f"{target}: cannot be written: no permission, or read-only"]
    uses = (use_of(source, READER), use_of(target, WRITER))
    used = [u.obstacle for u in uses if u.obstacle]
    obstacles += used
    doubts = [u.doubt for u in uses if u.doubt]
    with ExitStack() as stack:
        lock = None
        if write and not obstacles:
            try:
                stack.callback(ImageLock(source, READER).release)
                lock = ImageLock(target, WRITER)
                stack.callback(lock.release)
            except RepairRefusedError as e:  # somebody has come since
                obstacles.append(str(e))
        old = _opened(source, from_format, stack, writable=False)
        new = _opened(target, to_format, stack, lock, writable=lock is not None)
        if _sectors(old) != _sectors(new):
            doubts.append(f"the images differ in size: {source.name} is {old.size} B, {target.name} {new.size} B")
        yield Pair(old, new, obstacles, doubts, used)


@contextmanager
def open_alone(target: Path, image_format: str, *, write: bool) -> Iterator[DiskImage]:
    """Open an image to put something back; with `write`, others are kept from it as long as the block lasts.

    Raises ImageError if it cannot be opened, RepairRefusedError if it is in use.
    """
    kind_of(target)
    use = use_of(target, WRITER)
    if use.obstacle:
        raise RepairRefusedError(use.obstacle)
    with ExitStack() as stack:
        lock = ImageLock(target, WRITER) if write else None
        if lock is not None:
            stack.callback(lock.release)
        yield _opened(target, image_format, stack, lock, writable=write)


def _opened(
    path: Path, image_format: str, stack: ExitStack, lock: ImageLock | None = None, *, writable: bool
) -> DiskImage:
    image: DiskImage
    if image_format == RAW:
        image = RawImage(path, writable=writable)
    else:
        image = qemu = QemuImage(path, image_format)
        if lock is not None:
            qemu.aside = lock.aside
    stack.callback(image.close)
    return image


def _sectors(image: DiskImage) -> int:
    """Return the size in sectors, in which QEMU counts: it takes a file that ends inside one for the whole of it."""
    return -(-image.size // SECTOR)
