"""The simpletrace files to measure with: a capture, mixed and repeated, its records as QEMU writes them."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.captures import UnusableInputError, file_bytes, is_wanted
from benchmarks.mixing import mixed, places
from benchmarks.template import POINTER_STEP, Template
from traceview.events import EventForm, Kind
from traceview.formats.declarations import Declarations, read_declarations

__all__ = ["BinarySource", "BinaryTemplate", "Record", "layouts_json"]

_HEADER = struct.Struct("<QQQ")
_MAPPING = struct.Struct("<QQI")
_RECORD = struct.Struct("<QQII")
_MAGIC = 0xF2B177CB0AA429B4
_DROPPED = (1 << 64) - 2
_LEAST_POINTER, _MOST_POINTER = 1 << 44, (1 << 48) - 1
"""Pointers of twelve hexadecimal digits, as in the logs: the heap, the stacks and the libraries of a process."""
_SPARE_NS = 1000

Record = tuple[str, int, int, bytes]
"""Event, time in ns, process id, and the bytes of the arguments."""


@dataclass(slots=True)
class BinaryRecords:
    """A simpletrace file of version 3 or 4, taken apart: `head` is all before the first record."""

    version: int
    head: bytes
    numbers: dict[str, int]
    records: list[Record] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, declarations: Declarations) -> BinaryRecords:
        """Read a file of a little-endian host; marks of dropped records are left out.

        Raises UnusableInputError for other files.
        """
        data = file_bytes(path)
        if len(data) < _HEADER.size or _HEADER.unpack_from(data)[1] != _MAGIC:
            raise UnusableInputError(f"{path}: no simpletrace file of a little-endian host")
        version = _HEADER.unpack_from(data)[2]
        if version not in (3, 4):
            raise UnusableInputError(f"{path}: version {version}, expected 3 or 4")
        at = _HEADER.size
        numbers: dict[str, int] = {}
        if version == 3:
            numbers = {form.name: i for i, form in enumerate(declarations.numbered(3))}
        while version == 4 and data[at : at + 8] == bytes(8):
            _, number, size = _MAPPING.unpack_from(data, at)
            at += _MAPPING.size + size
            numbers[data[at - size : at].decode("ascii")] = number
        out = cls(version, data[:at], numbers)
        names = {number: name for name, number in numbers.items()}
        before = 8 if version == 4 else 0
        while at + before + _RECORD.size <= len(data):
            at += before
            number, time, size, pid = _RECORD.unpack_from(data, at)
            if number != _DROPPED and at + size <= len(data):
                out.records.append((names[number], time, pid, data[at + _RECORD.size : at + size]))
            at += size
        return out


class BinaryTemplate(Template):
    """One repetition of a simpletrace file; its times are nanoseconds."""

    def __init__(self, records: BinaryRecords, chosen: Sequence[Record], forms: Declarations) -> None:
        self.head = records.head
        kind = struct.pack("<Q", 1) if records.version == 4 else b""
        self._counts = Counter(name for name, *_ in chosen)
        out = bytearray()
        starts, candidates = [], []
        for name, time, pid, args in chosen:
            out += kind
            starts.append(len(out))
            out += _RECORD.pack(records.numbers[name], time, _RECORD.size + len(args), pid)
            candidates += [len(out) + offset for offset in _pointer_offsets(forms.get(name), args)]
            out += args
        self._bytes = out
        self.size = len(out)
        self._time_at = np.array(starts) + 8
        self._times = self._words("<i8")[self._time_at]
        self.start = int(self._times.min())
        self.span = int(self._times.max()) - self.start + _SPARE_NS
        at = np.array(candidates, dtype=np.int64)
        values = self._words("<u8")[at]
        pointers = (values >= _LEAST_POINTER) & (values <= _MOST_POINTER)
        self._top_at = at[pointers] + 4
        self._tops = (values[pointers] // POINTER_STEP).astype(np.int64)

    def counts(self) -> Counter[str]:
        """Return how many records of each event a repetition has."""
        return self._counts

    def render(self, repetition: int, start: int) -> memoryview:
        """Return the bytes of a repetition whose earliest time is `start` ns."""
        if len(self._tops) and int(self._tops.max()) + repetition > 0xFFFF:
            raise UnusableInputError(f"repetition {repetition}: its pointers need more than 48 bits")
        self._words("<i8")[self._time_at] = self._times + (start - self.start)
        self._words("<u2")[self._top_at] = self._tops + repetition
        return memoryview(self._bytes)

    def _words(self, kind: str) -> npt.NDArray[np.int64]:
        """Return a view of a word at every byte."""
        return np.ndarray((self.size - np.dtype(kind).itemsize + 1,), kind, buffer=self._bytes, strides=(1,))


def _pointer_offsets(form: EventForm | None, args: bytes) -> list[int]:
    """Return where in the bytes of the arguments pointers stand; none for an event that is not declared."""
    offsets = []
    at = 0
    for arg in form.args if form is not None else ():
        if arg.kind is Kind.STRING:
            at += 4 + int.from_bytes(args[at : at + 4], "little")
            continue
        if arg.kind is Kind.POINTER:
            offsets.append(at)
        at += 8
    return offsets


@dataclass(frozen=True)
class BinarySource:
    """A capture to repeat, those that records which do not matter are taken from, and the declarations of all."""

    capture: Path
    others: tuple[Path, ...]
    declared: Path

    @cached_property
    def declarations(self) -> Declarations:
        """The declarations of the events of the captures."""
        return read_declarations(self.declared)

    @cached_property
    def records(self) -> BinaryRecords:
        """The records of the capture."""
        return BinaryRecords.read(self.capture, self.declarations)

    @cached_property
    def surplus(self) -> list[Record]:
        """The records that do not matter, of the capture and then of the others, if the capture has their event."""
        all_of = [self.records, *(BinaryRecords.read(p, self.declarations) for p in self.others)]
        known = self.records.numbers
        return [r for records in all_of for r in records.records if r[0] in known and not is_wanted(r[0])]

    def template(self, share: float) -> BinaryTemplate:
        """Return the whole capture as a template in which `share` of the records matters."""
        own = self.records.records
        source, bearer = places(np.array([is_wanted(r[0]) for r in own]), share, len(self.surplus))
        chosen = mixed(own, self.surplus, source)
        borne = [own[i] for i in bearer.tolist()]
        return BinaryTemplate(
            self.records,
            [(name, b[1], b[2], args) for (name, _, _, args), b in zip(chosen, borne, strict=True)],
            self.declarations,
        )


def layouts_json(source: BinarySource) -> str:
    """Return what `struct_reader` needs: how the arguments of the wanted events lie, and the ids of version 3.

    A layout has one letter an argument: ``Q`` an unsigned and ``q`` a signed 64-bit integer, ``s`` a string.
    """
    letters = {Kind.STRING: "s", Kind.INT: "q"}
    layouts = {
        name: "".join(letters.get(a.kind, "Q") for a in form.args)
        for name in source.records.numbers
        if is_wanted(name) and (form := source.declarations.get(name)) is not None
    }
    numbers = source.records.numbers if source.records.version == 3 else {}
    return json.dumps({"wanted": layouts, "numbers": numbers})
