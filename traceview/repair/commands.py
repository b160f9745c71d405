"""The commands by which a repair reads and writes images that are not raw, for people to see or to run by hand."""

from __future__ import annotations

from collections.abc import Iterator

from traceview.findings import Extent
from traceview.repair.images import DiskImage, pieces
from traceview.repair.pair import Pair
from traceview.repair.plan import Step
from traceview.repair.qemu import QemuImage, read_command, write_command

__all__ = ["NEW", "commands_of"]

NEW = "new.raw"
_OLD, _BACK = "old.raw", "back.raw"


def commands_of(step: Step, pair: Pair) -> Iterator[list[str]]:
    """Yield the commands that copy an extent, in order: read the source, save the target, write, read it back.

    There are none for a raw image, which is read and written without QEMU. The pieces of the disk are files in the
    folder where the commands run; a repair has them in a temporary one.
    """
    for piece in pieces(step.lost.extent):
        yield from _read(pair.source, piece, NEW)
        yield from _read(pair.target, piece, _OLD)
        if isinstance(pair.target, QemuImage):
            yield write_command(pair.target.path, pair.target.format, piece, NEW)
        yield from _read(pair.target, piece, _BACK)


def _read(image: DiskImage, piece: Extent, name: str) -> Iterator[list[str]]:
    if isinstance(image, QemuImage):
        yield read_command(image.path, image.format, piece, name)
