"""What really differs: the bytes of an extent in one image and in the other."""

from __future__ import annotations

from dataclasses import dataclass

from traceview.findings import Extent
from traceview.repair.images import DiskImage, pieces

__all__ = ["Difference", "compare", "difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How many bytes differ, and the offset on the disk of the first that does (None for none)."""

    count: int
    first: int | None


def difference(a: bytes, b: bytes, offset: int = 0) -> Difference:
    """Compare bytes of the same length, which stand at `offset` on the disk."""
    if a == b:
        return Difference(0, None)
    # Long integers are compared at the speed of memory, byte by byte in Python is not.
    changed = (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")
    return Difference(len(a) - changed.count(0), offset + len(a) - len(changed.lstrip(b"\0")))


def compare(source: DiskImage, target: DiskImage, extent: Extent) -> Difference:
    """Compare an extent of two images. Raises ImageError where one of them cannot be read."""
    count, first = 0, None
    for piece in pieces(extent):
        found = difference(source.read(piece), target.read(piece), piece.offset)
        count += found.count
        if first is None:
            first = found.first
    return Difference(count, first)
