"""Rotated logs: which files are one log, in which order, and what is not known of their joints."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from traceview.errors import TraceviewError
from traceview.events import NO_TIME
from traceview.formats.joints import CLOCK_STEP_NS
from traceview.sets.look import Look
from traceview.sets.model import Kind, TraceSet
from traceview.source import ByteSource
from traceview.source.naming import rotated_name
from traceview.source.rotated import TAIL_BYTES

__all__ = ["rotated_set"]

_BINARY = frozenset(("simpletrace", "ctf"))
"""Formats that are no lines: nothing that rotates logs cuts them so that they can be joined."""


def rotated_set(
    group: Sequence[Path], traces: Collection[Path], look: Callable[[Path], Look]
) -> TraceSet | None:  # fmt: skip
    """Return the files of one rotated log, of those whose names say so (the oldest first); None where they are none.

    `traces` are those that are surely traces. The order of the names holds, unless times speak against it; where times
    overlap by more than clocks are set, the files are no one log.
    """
    looks = [look(p) for p in group]
    formats = {lk.info.id for lk in looks if lk.info is not None and lk.path in traces}
    if len(formats) != 1 or formats & _BINARY:
        return None
    looks = [lk for lk in looks if not lk.error and (lk.info is None or lk.info.id in formats)]
    left_out: dict[str, str] = {}
    for older in list(looks):
        twin = next((lk for lk in looks if lk is not older and _is_beginning(older, lk)), None)
        if twin is not None:
            looks.remove(older)
            left_out[str(older.path)] = f"all of it stands in {twin.path}, too"
    by_name, looks = looks, _by_time(looks)
    if len(looks) + len(left_out) < 2 or not looks or any(_overlap(a, b) for a, b in pairwise(_told(looks))):
        return None
    before: dict[int, tuple[str, str]] = {}
    for place, (older, newer) in enumerate(pairwise(looks), 1):
        if by_name.index(older) > by_name.index(newer):
            text = f"by its times {older.path} is older than {newer.path}, whatever their names say"
            before[place] = ("file-order", text)
    for newer_path, text in _missing(group):
        place = next((i for i, lk in enumerate(looks) if lk.path == newer_path), 0)
        if place and place not in before:
            before[place] = ("missing-file", text)
    timed = any(lk.begins_ns != NO_TIME for lk in looks)
    return TraceSet(Kind.ROTATED, tuple(lk.path for lk in looks), before=before, left_out=left_out, timed=timed)


def _told(looks: Sequence[Look]) -> list[Look]:
    return [lk for lk in looks if lk.begins_ns != NO_TIME]


def _by_time(looks: Sequence[Look]) -> list[Look]:
    """Return the files in the order of their first times; one without times stays behind the one before it."""
    keys: list[int] = []
    for look in looks:
        keys.append(look.begins_ns if look.begins_ns != NO_TIME else (keys[-1] if keys else NO_TIME))
    return [looks[i] for i in sorted(range(len(looks)), key=keys.__getitem__)]


def _missing(group: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield which numbers there are not between two files, in words, with the newer of the files."""
    for older, newer in pairwise(group):
        first, last = rotated_name(older.name), rotated_name(newer.name)
        until = last.number if last.number is not None else 0 if last.age[0] == 0 else None
        if first.number is not None and until is not None and first.number - until > 1:
            names = [f"{first.base}.{n}" for n in (until + 1, first.number - 1)]
            several = f"{names[0]} to {names[1]} are missing: what they had is not known"
            yield newer, f"{names[0]} is missing: what it had is not known" if names[0] == names[1] else several


def _overlap(older: Look, newer: Look) -> bool:
    """Say whether a file ends so late that the next cannot follow it, and does not have its beginning either."""
    if older.ends_ns == NO_TIME or older.ends_ns <= newer.begins_ns + CLOCK_STEP_NS:
        return False
    first = newer.head[: newer.head.find(b"\n") + 1]
    return not first or first not in _end_of(older.path)


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - TAIL_BYTES, 0))
            return file.read(TAIL_BYTES)
    except OSError:
        return b""


def _is_beginning(one: Look, other: Look) -> bool:
    """Say whether all of one file is the beginning of another: a copy that was made, and what it is of not cut off."""
    head = min(len(one.head), len(other.head))
    if not head or one.begins_ns == NO_TIME or one.head[:head] != other.head[:head]:
        return False
    if len(one.head) > len(other.head):
        return False
    try:
        return _same_bytes(one.path, other.path)
    except TraceviewError:
        return False


def _same_bytes(one: Path, other: Path) -> bool:
    """Say whether the second file, unpacked, begins with all of the first (or is the same, and comes later)."""
    first, second = ByteSource(one), ByteSource(other)
    with first.reading() as read_first, second.reading() as read_second:
        a, b = memoryview(bytearray(1 << 20)), memoryview(bytearray(1 << 20))
        while got := read_first(a):
            if read_second(b[:got]) < got or a[:got] != b[:got]:
                return False
    return not (first.cut or first.damaged)
