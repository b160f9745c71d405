"""Putting back what a repair has overwritten."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from traceview.errors import RepairRefusedError, UnknownNameError
from traceview.findings import Extent
from traceview.repair.execute import write_checked
from traceview.repair.formats import format_of
from traceview.repair.images import DiskImage
from traceview.repair.pair import open_alone
from traceview.repair.undo import Saved, UndoFile, digest, read_undo

__all__ = ["Restored", "Restoring", "opened_undo", "put_back"]


class Restoring(enum.StrEnum):
    """What becomes of a stretch that a repair overwrote."""

    PUT_BACK = "put-back"
    SAME = "same"
    """It has its old bytes already."""
    CHANGED = "changed"
    """It has neither those nor what the repair wrote: somebody has written there since. It is left unless forced."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A stretch, and what became of it."""

    extent: Extent
    outcome: Restoring
    forced: bool = False


@contextmanager
def opened_undo(path: Path, target: Path | None = None, *, write: bool) -> Iterator[tuple[UndoFile, DiskImage]]:
    """Open an undo file and the image that it is of, or `target`, where that has been moved to.

    Raises UndoFileError, ImageError, and RepairRefusedError where the image is in use, or cannot be the one.
    """
    with read_undo(path) as undo:
        place = target if target is not None else Path(undo.origin.target)
        with open_alone(place, format_of(place, undo.origin.format, str(path)), write=write) as image:
            if image.size != undo.origin.size:
                raise RepairRefusedError(
                    f"{place}: is {image.size} B large, but the image that {path} was saved from {undo.origin.size} B: "
                    "say where that is now with --target"
                )
            yield undo, image


def put_back(undo: UndoFile, image: DiskImage, *, write: bool, force: Collection[int] = ()) -> list[Restored]:
    """Write back what a repair has overwritten, from the last to the first; without `write`, say what would be.

    A stretch that has changed since the repair is left as it is, unless `force` has its offset. The last one of a
    repair that was ended while it wrote has perhaps been written in part, and is put back whatever it has.

    Raises UnknownNameError for an offset in `force` that is none, UndoFileError, ImageError.
    """
    offsets = {s.extent.offset for s in undo.records}
    for offset in force:
        if offset not in offsets:
            near = min(offsets, key=lambda o: (abs(o - offset), o), default=None)
            hint = f"; the nearest begins at {near}" if near is not None else ""
            raise UnknownNameError(f"--force {offset}: nothing was overwritten there{hint}")
    result = []
    for number, saved in reversed(list(enumerate(undo.records))):
        halfway = number == len(undo.records) - 1 and not undo.finished
        result.append(_one(undo, saved, image, write=write, halfway=halfway, forced=saved.extent.offset in force))
    return result


def _one(undo: UndoFile, saved: Saved, image: DiskImage, *, write: bool, halfway: bool, forced: bool) -> Restored:
    old, now = undo.old_bytes(saved), image.read(saved.extent)
    if now == old:
        return Restored(saved.extent, Restoring.SAME)
    known = halfway or digest(now) == saved.new_digest
    if not known and not forced:
        return Restored(saved.extent, Restoring.CHANGED)
    if write:
        write_checked(image, saved.extent, old)
    return Restored(saved.extent, Restoring.PUT_BACK, forced=not known)
