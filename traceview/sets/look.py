"""A look at the beginning and the end of a file, by which it is known what it belongs to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traceview.detect.beginnings import MAIN_ONLY
from traceview.errors import TraceviewError
from traceview.events import NO_THREAD, NO_TIME, EventBatch, EventForm, Kind, distinct
from traceview.formats import Detection
from traceview.formats.base import FormatInfo
from traceview.source import HEAD_BYTES, ByteSource
from traceview.source.memory import MemorySource
from traceview.vocabulary import Dating, builtin

__all__ = ["Look", "look_at"]

_HEAP = 1 << 32
"""Pointers below are small numbers; those of a process are random (ASLR), and no other's."""
_NOTHING = Dating(None, "")


@dataclass(frozen=True, slots=True)
class Look:
    """What the first 64 KiB of a file, unpacked, and the last ones of one that is not packed, tell.

    `info` is its format, None for none; `begins_ns` and `ends_ns` are its first and its last time, `NO_TIME` where they
    are not known; `ids` the threads or processes of its beginning, `pointers` those that its records name; `main` says
    whether there are records that only a main thread writes. `error` says that it cannot be read.
    """

    path: Path
    head: bytes = b""
    info: FormatInfo | None = None
    packed: bool = False
    begins_ns: int = NO_TIME
    ends_ns: int = NO_TIME
    ids: frozenset[int] = frozenset()
    pointers: frozenset[int] = frozenset()
    main: bool = False
    dating: Dating = _NOTHING
    error: bool = False


@dataclass(slots=True)
class _Read:
    """What was read of some bytes."""

    first_ns: int
    last_ns: int
    ids: set[int]
    pointers: set[int]
    main: bool
    dating: Dating


def look_at(path: Path, format: FormatInfo | None = None) -> Look:
    """Look at a file. `format` is what it is known to be; None recognises it."""
    try:
        source = ByteSource(path)
        head = source.head()
        info = format or Detection(MemorySource(head, str(path))).best
        packed = bool(source.compression)
    except TraceviewError:
        return Look(path, error=True)
    if info is None:
        return Look(path, head, packed=packed)
    read = _read(head[: head.rfind(b"\n") + 1], info, path)
    if read is None:
        return Look(path, head, info, packed)
    ends = NO_TIME
    if not packed:
        whole = len(head) < HEAD_BYTES
        last = read if whole else _read(_tail(path), info, path)
        ends = last.last_ns if last is not None else NO_TIME
    ids, pointers = frozenset(read.ids), frozenset(read.pointers)
    return Look(path, head, info, packed, read.first_ns, ends, ids, pointers, read.main, read.dating)


def _tail(path: Path) -> bytes:
    """Return the last whole lines of a file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - HEAD_BYTES, 0))
            data = file.read(HEAD_BYTES)
    except OSError:
        return b""
    return data[data.find(b"\n") + 1 : data.rfind(b"\n") + 1]


def _read(lines: bytes, info: FormatInfo, path: Path) -> _Read | None:
    """Read some lines as a format; None where it refuses them as a whole."""
    vocabulary = builtin()
    read = _Read(NO_TIME, NO_TIME, set(), set(), False, _NOTHING)
    forms: dict[int, EventForm] = {}
    try:
        reader = info.make(MemorySource(lines, str(path)), vocabulary.forms_of, None)
        for batch in reader.batches(lambda _name: True):
            read.ids |= {i for i in distinct(batch.tid) if i != NO_THREAD}
            for code in np.flatnonzero(np.bincount(batch.code)).tolist():
                forms[id(batch.forms[code])] = batch.forms[code]
            read.pointers |= _pointers(batch)
    except TraceviewError:
        return None
    met = (vocabulary.events.get(name) for name in reader.stats.names)
    read.main = any(e is not None and e.meaning in MAIN_ONLY for e in met)
    read.first_ns, read.last_ns = reader.stats.first_ts_ns, reader.stats.last_ts_ns
    read.dating = vocabulary.date(reader.stats.names, forms.values(), text=info.printed)
    return read


def _pointers(batch: EventBatch) -> set[int]:
    found: set[int] = set()
    for code in np.flatnonzero(np.bincount(batch.code)).tolist():
        slots = [i for i, a in enumerate(batch.forms[code].args) if a.kind is Kind.POINTER]
        if slots:
            values = batch.args[np.ix_(batch.code == code, slots)].ravel()
            found |= {v for v in distinct(values) if v >= _HEAP}
    return found
