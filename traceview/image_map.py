"""Which stretches of an image are allocated, as ``qemu-img map --output=json`` tells it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from traceview.errors import ImageMapError
from traceview.findings import Extent

__all__ = ["ImageMap"]


@dataclass(frozen=True, slots=True)
class ImageMap:
    """The stretches of an image that hold data of its own, in order: neither holes nor what its backing file has.

    The format is an array of objects with ``start``, ``length``, ``depth``, ``zero`` and ``data`` (qemu-img.c,
    dump_map_entry, QEMU 1.7 and newer). `end` is the end of what the map tells of.
    """

    allocated: tuple[Extent, ...]
    end: int

    @classmethod
    def read(cls, path: Path) -> ImageMap:
        """Read a map from a file. Raises ImageMapError for one that cannot be read, or is none."""
        try:
            entries = json.loads(path.read_bytes())
        except OSError as e:
            raise ImageMapError(f"{path}: {e.strerror or e}") from e
        except ValueError as e:
            raise ImageMapError(f"{path}: no JSON ({e}); make it with: qemu-img map --output=json IMAGE") from e
        return cls.parse(entries, str(path))

    @classmethod
    def parse(cls, entries: Any, source: str = "map") -> ImageMap:
        """Return the map of parsed JSON; `source` is what errors call it. Raises ImageMapError."""
        if not isinstance(entries, list):
            raise ImageMapError(f"{source}: expected an array of stretches, as qemu-img map --output=json prints it")
        stretches = sorted((_stretch(e, i, source) for i, e in enumerate(entries)), key=lambda s: s[0].offset)
        return cls(tuple(e for e, own in stretches if own), max((e.end for e, _ in stretches), default=0))

    def within(self, extent: Extent) -> Iterator[Extent]:
        """Yield the parts of an extent that are allocated."""
        first = bisect_right(self.allocated, extent.offset, key=lambda e: e.end)
        for own in takewhile(lambda e: e.offset < extent.end, islice(self.allocated, first, None)):
            start, end = max(own.offset, extent.offset), min(own.end, extent.end)
            yield Extent(start, end - start)

    def allocated_bytes(self, extent: Extent) -> int:
        """Return how many bytes of an extent are allocated."""
        return sum(e.length for e in self.within(extent))


def _stretch(entry: Any, index: int, source: str) -> tuple[Extent, bool]:
    """Return one stretch, and whether the image itself has data there."""
    if not isinstance(entry, dict):
        raise ImageMapError(f"{source}: entry {index} is no object")
    start, length, depth, data = (entry.get(k) for k in ("start", "length", "depth", "data"))
    numbers = [n for n in (start, length, depth) if isinstance(n, int) and not isinstance(n, bool) and n >= 0]
    if len(numbers) < 3 or not isinstance(data, bool):
        raise ImageMapError(f"{source}: entry {index} lacks start, length, depth or data, or has another kind of them")
    return Extent(numbers[0], numbers[1]), data and numbers[2] == 0
