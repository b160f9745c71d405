"""Whether the images that the user gives are those that the trace speaks of.

A trace names images as the QEMU that wrote it opened them, perhaps on another host and long ago. So only the last part
of a name is held against the file that is given, and a name that is not known contradicts nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traceview.errors import RepairRefusedError, UnknownNameError, nearest
from traceview.losses import LossState, LostExtent

__all__ = ["Related", "choose_device", "file_name", "holder", "relate"]

_PROTOCOL = re.compile(r"(?!file:|host_device:)[A-Za-z][A-Za-z0-9+._-]*:")
"""A name with something before a colon is no file's (``nbd://host/disk``), but for these two."""


@dataclass(frozen=True, slots=True)
class Related:
    """A lost extent, and what its trace says of the images that are given.

    `elsewhere` is the image that has the bytes, where that is another than the source and the source has other lost
    bytes of the disk. `doubts` say what speaks against the two images. Both are trace text.
    """

    lost: LostExtent
    elsewhere: str = ""
    doubts: tuple[str, ...] = ()


def file_name(image: str) -> str:
    """Return the last part of an image's name in a trace; ``""`` where it names no file, or none that can be told."""
    if image.startswith("json:"):
        try:
            image = _named(json.loads(image[5:]))
        except (ValueError, RecursionError):
            return ""
    return "" if _PROTOCOL.match(image) else image.removeprefix("file:").removeprefix("host_device:").rpartition("/")[2]


def _named(options: Any) -> str:
    """Return the file that the options of an image come to."""
    while isinstance(options, dict):
        if isinstance(name := options.get("filename", options.get("file.filename")), str):
            return name
        options = options.get("file")
    return ""


def names_of(path: Path) -> frozenset[str]:
    """Return the names that a file goes by: its own, and that of what it is a link to."""
    return frozenset({path.name, path.resolve().name})


def choose_device(extents: Sequence[LostExtent], source: Path, target: Path, device: str | None) -> list[LostExtent]:
    """Return the extents of the disk that the images are of: `device`, else the only one, else the one named so.

    Raises UnknownNameError for a device without losses, RepairRefusedError where several can be meant.
    """
    devices = dict.fromkeys(e.device for e in extents)
    if device is not None:
        if device not in devices and extents:
            known = ", ".join(devices)
            raise UnknownNameError(f"--device: {device!r} has lost nothing, but {known} has{nearest(device, devices)}")
        return [e for e in extents if e.device == device]
    if len(devices) > 1:
        old, new = names_of(source), names_of(target)
        devices = dict.fromkeys(e.device for e in extents if file_name(e.has.file) in old and _now(e) in new)
        if len(devices) != 1:
            known = ", ".join(dict.fromkeys(e.device for e in extents))
            raise RepairRefusedError(
                f"several disks have lost bytes ({known}), and the names of the images do not tell which of them "
                f"{source.name} and {target.name} are of: say --device NAME"
            )
    return [e for e in extents if e.device in devices]


def relate(extents: Sequence[LostExtent], source: Path, target: Path) -> list[Related]:
    """Hold the names that a trace has for the images of one disk against the two that are given."""
    old, new = names_of(source), names_of(target)
    known = any(file_name(e.has.file) in old for e in extents)
    several = len({holder(e) for e in extents if e.state is not LossState.REWRITTEN}) > 1
    return [_related(e, source, target, old, new, known=known, several=several) for e in extents]


def holder(lost: LostExtent) -> Hashable:
    """Return what tells the image that has the bytes from others: its file, or the job that left it without a name.

    A node does not: its address is taken again by a later one.
    """
    return lost.has.file or (lost.trace, lost.job, lost.has.node)


def _related(
    lost: LostExtent,
    source: Path,
    target: Path,
    old: frozenset[str],
    new: frozenset[str],
    *,
    known: bool,
    several: bool,
) -> Related:
    has, now = file_name(lost.has.file), _now(lost)
    doubts = []
    if has and has not in old:
        if known:
            return Related(lost, elsewhere=lost.has.file)
        doubts.append(f"the trace says that {has!r} has these bytes, not {source.name!r}")
    elif not has and several:
        doubts.append("the trace does not name the image that has these bytes, and there are several")
    if now and now not in new:
        doubts.append(f"the trace says that the disk is on {now!r} when it ends, not on {target.name!r}")
    if (has in new and now in old and has != now) or _same_file(lost.has.file, target):
        doubts.append("it looks as if --source and --target are swapped")
    return Related(lost, doubts=tuple(doubts))


def _now(lost: LostExtent) -> str:
    """Return the name of the image that the disk is on when the trace ends."""
    name = file_name(lost.now.file)
    return name or (file_name(lost.lacks.file) if lost.now.node == lost.lacks.node else "")


def _same_file(image: str, path: Path) -> bool:
    """Say whether a trace's name for an image is, on this host, the very file."""
    try:
        return image.startswith("/") and path.samefile(image)
    except (OSError, ValueError):
        return False
