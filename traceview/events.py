"""The one columnar table that every trace format produces and everything later reads.

An *event form* is one way in which an event of some release writes its arguments; a *batch* is a run of records,
in file order, as numpy columns. Strings are interned once in a `StringTable`; every argument is one int64.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CAUSES",
    "MANY",
    "MAX_GAPS",
    "MAX_REFUSED",
    "NO_LINE",
    "NO_THREAD",
    "NO_TIME",
    "Arg",
    "Conversion",
    "EventBatch",
    "EventForm",
    "Gap",
    "Int64Array",
    "Kind",
    "Piece",
    "ReadStats",
    "Refusal",
    "StringTable",
    "distinct",
    "to_int64",
]

Int64Array = npt.NDArray[np.int64]

NO_TIME = int(np.iinfo(np.int64).min)
"""``ts_ns`` of a record that carries no time."""
NO_THREAD = -1
"""``tid`` of a record that carries neither process nor thread id."""
NO_LINE = 0
"""``line`` of a record of a binary file."""

_INT64_MAX = (1 << 63) - 1
_TWO_64 = 1 << 64


class Kind(enum.Enum):
    """What an argument's int64 means."""

    POINTER = "pointer"
    """A host address: an unsigned 64-bit name."""
    INT = "int"
    """A signed integer."""
    UINT = "uint"
    """An unsigned integer, kept in 64 bits."""
    STRING = "string"
    """An index into the batch's `StringTable`."""


@dataclass(frozen=True, slots=True)
class Arg:
    """One declared argument: its name and how its int64 is to be read."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Conversion:
    """One printf conversion in a line: which value terminal it is, and which argument it prints.

    `terminal` is a terminal of ``grammars/log_line.lark``; `width` is the least width, padded with blanks on the
    left, or on the right where negative; `zeros` is the least number of characters of a number, padded with zeros
    on the left. `arg` is -1 for text that prints no argument (``%m``).
    """

    terminal: str
    arg: int
    width: int = 0
    zeros: int = 0


Piece = str | Conversion
"""A literal, or a conversion, of a line."""


@dataclass(frozen=True, slots=True)
class EventForm:
    """One way to write an event: its arguments, and the pieces of the line that the log backend makes of it.

    `releases` is the first and last QEMU release known to have the form, or None where no release is claimed
    (probes, a user's declarations).
    """

    name: str
    args: tuple[Arg, ...]
    line: tuple[Piece, ...] = ()
    releases: tuple[str, str] | None = None
    declared: bool = True
    """False for an event that no declaration names: its one argument is the text after the name."""

    def slot(self, arg: str) -> int:
        """Return the position of an argument, or -1 if the form has none of that name."""
        for i, a in enumerate(self.args):
            if a.name == arg:
                return i
        return -1

    def render(self, values: Sequence[int], strings: StringTable) -> str:
        """Return the text after the event's name as the log backend would write it (trace text, not escaped)."""
        out: list[str] = []
        for piece in self.line:
            if isinstance(piece, str):
                out.append(piece)
            elif piece.arg >= 0:
                text = _print(piece.terminal, values[piece.arg], strings)
                if len(text) < piece.zeros:
                    text = text[:2] + text[2:].zfill(piece.zeros - 2) if text[:2] == "0x" else text.zfill(piece.zeros)
                out.append(text.rjust(piece.width) if piece.width >= 0 else text.ljust(-piece.width))
        return "".join(out)


def _print(terminal: str, value: int, strings: StringTable) -> str:
    unsigned = value % _TWO_64
    match terminal:
        case "POINTER":
            return f"0x{unsigned:x}" if value else "(nil)"
        case "DECIMAL":
            return str(value)
        case "UNSIGNED":
            return str(unsigned)
        case "HEX":
            return f"{unsigned:x}"
        case "UPPER_HEX":
            return f"{unsigned:X}"
        case "ALT_HEX":
            return f"0x{unsigned:x}" if value else "0"
        case "OCTAL":
            return f"{unsigned:o}"
        case "CHARACTER":
            return bytes([unsigned & 0xFF]).decode("utf-8", "surrogateescape")
        case _:
            return strings[value]


def distinct(values: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Return the different values of a column, in order (`np.unique` brings all of ``numpy.ma`` with it)."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return [int(v) for v in ordered[first]]


def to_int64(value: int) -> int:
    """Fold an unsigned 64-bit value into the int64 of the same bits.

    Raises OverflowError for a value that fits neither.
    """
    if not -_INT64_MAX - 1 <= value < _TWO_64:
        raise OverflowError(f"{value} does not fit 64 bits")
    return value - _TWO_64 if value > _INT64_MAX else value


class StringTable:
    """Strings of a trace, each stored once; an argument of kind STRING is an index into it.

    Bytes that are no UTF-8 are kept (``surrogateescape``), so that nothing of a trace is lost here.
    """

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}
        self._text: list[str] = []

    def intern(self, raw: bytes) -> int:
        """Return the index of `raw`, adding it if it is new."""
        index = self._index.get(raw)
        if index is None:
            index = self._index[raw] = len(self._text)
            self._text.append(raw.decode("utf-8", "surrogateescape"))
        return index

    def find(self, text: str) -> int:
        """Return the index of `text`, or -1 if no record had it."""
        return self._index.get(text.encode("utf-8", "surrogateescape"), -1)

    def __getitem__(self, index: int) -> str:
        return self._text[index]

    def __len__(self) -> int:
        return len(self._text)


MAX_GAPS = 1000
"""Gaps told one by one."""
MANY = "many"
CAUSES: Mapping[str, str] = {
    "dropped": "records that the writer dropped, by its own mark",
    "cut": "the trace ends in a record, or was not read to its end",
    "unreadable": "a record that cannot be read",
    "bad-length": "a record or a name whose length cannot be",
    "unknown-id": "a record whose event id stands for nothing, or an item of no known type",
    "overwritten": "bytes that are no records where records should stand",
    "clock-jump": "time steps back, or far ahead",
    "duplicated": "records that stand there once more",
    "long-line": "a line that is too long to be held",
    "not-utf8": "a record whose text cannot be read and is no UTF-8",
    "nul-hole": "zero bytes where lines should stand",
    "shrunk": "the file became shorter while it was read",
    "grown": "the file became longer while it was read",
    "disk-error": "bytes that the system could not read",
    "compressed-early": "a compressed stream that ends early",
    "missing-file": "a file of a rotated log that is not there",
    "missing": "a record that must be there by what others say, and is not, or stands there twice",
    "file-order": "files of a rotated log whose order is not certain",
    MANY: "more gaps than are told one by one, or a checksum that fails: anything may be missing",
}
"""What a gap can be, in words."""
MAX_REFUSED = 100
"""How many refused lines are kept for explanation; all are counted."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where the trace is known to lack something, or to say something that cannot be relied on.

    `record` is the number of records read before it; `count` the records lost, or None where it cannot be told;
    `size_bytes` the bytes of the trace from `byte_offset` on that were not read, or None where that is not known or
    means nothing (the writer dropped them). `reach` is how many of the records before it are in doubt, too. `cause` is
    one of `CAUSES`. Behind one of cause ``many`` anything may be missing.
    """

    cause: str
    record: int
    byte_offset: int
    line: int
    ts_ns: int
    count: int | None
    text: str
    size_bytes: int | None = None
    reach: int = 0

    @property
    def first(self) -> int:
        """The first record that may stand elsewhere than it should: those before it are sure."""
        return self.record - self.reach

    @property
    def end_byte_offset(self) -> int | None:
        """Where reading goes on behind it; None where that is not known."""
        return None if self.size_bytes is None else self.byte_offset + self.size_bytes

    def between(self, first: int, last: int) -> bool:
        """Say whether something is missing behind record `first`, up to and with record `last`."""
        return self.first <= last and (first < self.record or self.cause == MANY)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line whose event is known and whose text fits none of its forms.

    `event` is the event's name, ``""`` where it is the first word behind a prefix of the log's.
    """

    line: int
    byte_offset: int
    text: str
    event: str = ""


@dataclass(slots=True)
class ReadStats:
    """What reading has met so far: it is complete once the batches are used up."""

    records: int = 0
    lines: int = 0
    other_lines: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    """How many records each event had, decoded or not."""
    unknown_names: set[str] = field(default_factory=set)
    """Events met that no declaration names."""
    lossy: str = ""
    """Why records may be missing without a mark: nothing is clean then."""
    printed: bool = True
    resolution_ns: int = 1000
    """What the format says of its records (`traceview.formats.base.FormatInfo`)."""
    head: bytes = b""
    """The first bytes of the trace, unpacked, as far as formats were told by them."""
    first_ts_ns: int = NO_TIME
    last_ts_ns: int = NO_TIME
    bytes_read: int = 0

    def refuse(self, byte_offset: int, text: bytes, event: str = "") -> None:
        """Note that the line read last is refused: all are counted, and `MAX_REFUSED` kept for explanation."""
        self.refused_count += 1
        if len(self.refused) < MAX_REFUSED:
            self.refused.append(Refusal(self.lines, byte_offset, text[:1000].decode("utf-8", "surrogateescape"), event))

    def add_gap(self, gap: Gap) -> None:
        """Note a gap. Beyond `MAX_GAPS` the last one stands for all that follow, and reaches as far back as they do."""
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)
            return
        last = self.gaps[-1]
        if last.cause != MANY:
            text = f"more than {MAX_GAPS} gaps: from here on they are not told one by one"
            last = replace(last, cause=MANY, count=None, text=text)
        self.gaps[-1] = replace(last, reach=max(last.reach, last.record - gap.first))


@dataclass(slots=True)
class EventBatch:
    """A run of records of the wanted events, in file order.

    Columns have one row a record: `code` (int64, index into `forms`), `record` (int64, place among *all* records,
    from 0), `line` (int64, from 1; `NO_LINE` in binary files), `byte_offset` (int64), `ts_ns` (int64, `NO_TIME`
    where absent), `tid` (int64: process id up to QEMU 3.1 and in simpletrace, thread id in logs from 4.0,
    `NO_THREAD` where absent). `args` is int64 of shape (rows, most arguments of any form).
    """

    forms: Sequence[EventForm]
    strings: StringTable
    code: Int64Array
    record: Int64Array
    line: Int64Array
    byte_offset: Int64Array
    ts_ns: Int64Array
    tid: Int64Array
    args: Int64Array

    def __len__(self) -> int:
        return len(self.code)

    def take(self, rows: npt.NDArray[np.bool_] | Int64Array | slice) -> EventBatch:
        """Return the chosen rows as a batch (a slice shares memory with this one)."""
        return EventBatch(
            self.forms, self.strings, self.code[rows], self.record[rows], self.line[rows], self.byte_offset[rows],
            self.ts_ns[rows], self.tid[rows], self.args[rows],
        )  # fmt: skip

    @classmethod
    def concat(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """Return the rows of batches of one trace, one after the other."""
        width = max(b.args.shape[1] for b in batches)
        padded = [_wide(b.args, width) for b in batches]
        return cls(
            batches[-1].forms,
            batches[0].strings,
            np.concatenate([b.code for b in batches]),
            np.concatenate([b.record for b in batches]),
            np.concatenate([b.line for b in batches]),
            np.concatenate([b.byte_offset for b in batches]),
            np.concatenate([b.ts_ns for b in batches]),
            np.concatenate([b.tid for b in batches]),
            np.concatenate(padded),
        )

    def text(self, row: int) -> str:
        """Return a record as the log backend would write it, without prefix (trace text, not escaped)."""
        form = self.forms[self.code[row]]
        return f"{form.name} {form.render(self.args[row].tolist(), self.strings)}"

    def values(self, row: int) -> dict[str, int | str]:
        """Return a record's arguments by name; pointers and numbers as int, strings as str."""
        form = self.forms[self.code[row]]
        return {a.name: _value(a.kind, int(self.args[row, i]), self.strings) for i, a in enumerate(form.args)}


def _value(kind: Kind, raw: int, strings: StringTable) -> int | str:
    if kind is Kind.STRING:
        return strings[raw]
    return raw if kind is Kind.INT else raw % _TWO_64


def _wide(args: Int64Array, width: int) -> Int64Array:
    """Return `args` with `width` columns."""
    missing = width - args.shape[1]
    return np.pad(args, ((0, 0), (0, missing))) if missing else args
