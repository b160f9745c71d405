"""Copying what a plan says, so that it can be undone at any moment."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from traceview.errors import ImageError, RepairRefusedError, TraceviewError
from traceview.findings import Extent
from traceview.repair.images import DiskImage, pieces
from traceview.repair.pair import Pair
from traceview.repair.plan import Plan, Step
from traceview.repair.undo import Origin, UndoWriter

__all__ = ["Done", "default_undo", "execute", "write_checked"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a repair has copied, and the file that undoes it (None where nothing was to be copied)."""

    steps: tuple[Step, ...]
    undo: Path | None


def default_undo(target: Path, now: datetime) -> Path:
    """Return a name for an undo file that is not taken: the target's, with a time behind it.

    Raises RepairRefusedError for a block device, beside which no file can be kept.
    """
    if target.is_block_device():
        raise RepairRefusedError(f"{target}: is a block device, beside which no undo file can lie: say --undo FILE")
    plain = f"{target}.undo-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (Path(plain + (f"-{i}" if i else "")) for i in range(10_000))
    return next((name for name in names if not name.exists()), Path(plain))


def execute(
    plan: Plan, pair: Pair, undo: Path, now: datetime, on_step: Callable[[Step], None] = lambda _step: None
) -> Done:
    """Copy what a plan says from the source to the target of `pair`, which was opened to be written.

    Of each piece, what it overwrites is saved in the file `undo` first; then it is written, flushed to the disk, read
    back and compared. `on_step` is told of each extent that is done.

    Raises RepairRefusedError where something stands against the plan, ImageError at the first failure; the message
    says what was done before it, and how to undo that.
    """
    if plan.obstacles:
        raise RepairRefusedError("nothing was written: " + "\n".join(plan.obstacles))
    steps = plan.to_copy
    if not steps:
        return Done((), None)
    writer = UndoWriter(undo, _origin(pair, now))
    done: list[Step] = []
    try:
        for step in steps:
            for piece in pieces(step.lost.extent):
                _copy(piece, pair, writer)
            done.append(step)
            on_step(step)
        writer.finish()
    except TraceviewError as e:
        raise ImageError(
            f"{e}\n{len(done)} of {len(steps)} extents were copied before that. What was overwritten is in {undo}; to "
            f"put it back: traceview repair --undo {shlex.quote(str(undo))}"
        ) from e
    finally:
        writer.close()
    return Done(tuple(done), undo)


def _origin(pair: Pair, now: datetime) -> Origin:
    return Origin(
        target=str(pair.target.path.absolute()),
        format=pair.target.format,
        size=pair.target.size,
        source=str(pair.source.path.absolute()),
        created=now.astimezone(UTC).isoformat(timespec="seconds"),
    )


def _copy(piece: Extent, pair: Pair, writer: UndoWriter) -> None:
    new, old = pair.source.read(piece), pair.target.read(piece)
    if new != old:
        writer.save(piece, old, new)
        write_checked(pair.target, piece, new)


def write_checked(image: DiskImage, extent: Extent, data: bytes) -> None:
    """Write an extent to the disk and read it back. Raises ImageError, also if it reads back different."""
    image.write(extent.offset, data)
    image.flush()
    if image.read(extent) != data:
        raise ImageError(f"{image.path}: what was written at {extent.offset} reads back different: is the disk broken?")
