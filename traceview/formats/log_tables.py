"""The tables of the compiled hot path, made from the forms of events; see `formats.log_kernel` for what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from traceview.events import Conversion, EventForm, Int64Array
from traceview.formats import log_kernel as kernel
from traceview.formats.log_blocks import Block

__all__ = ["Go", "KernelTables", "TableBuilder", "is_plain"]

UInt64Array = npt.NDArray[np.uint64]

_OPS = {
    "POINTER": kernel.POINTER, "DECIMAL": kernel.DECIMAL, "UNSIGNED": kernel.UNSIGNED, "HEX": kernel.HEX,
    "ALT_HEX": kernel.ALT_HEX,
}  # fmt: skip
_LIKE_DIGITS = tuple("0123456789abcdefx")
MOST_STOPS = 4096
"""Stops in one go over a block."""
BYTES_A_RECORD = 48
"""Room for the records of a go is made as if each had this many bytes; shorter ones take a further go."""
_STOP_FIELDS, _TOTALS = 5, 8


@dataclass(slots=True)
class Go:
    """What one go of the kernel found, as `log_kernel.scan_block` describes it: columns of one row a record.

    All are int64, `args` of shape (rows, width). `stops` has five columns, `threads` two, `counts` one number a name.
    """

    code: Int64Array
    record: Int64Array
    line: Int64Array
    place: Int64Array
    ts_ns: Int64Array
    tid: Int64Array
    args: Int64Array
    stops: Int64Array
    threads: Int64Array
    counts: Int64Array
    records: int
    lines: int
    end: int
    """The place behind the last line taken."""
    first_ts_ns: int
    last_ts_ns: int
    careful: bool
    status: int


@dataclass(frozen=True, slots=True)
class KernelTables:
    """The tables as they were when they were made: goes over several blocks may use them at the same time."""

    function: Callable[..., int]
    mask: int
    name_hash: UInt64Array
    name_code: npt.NDArray[np.int32]
    name_words: UInt64Array
    name_size: Int64Array
    first_plan: Int64Array
    plan: UInt64Array
    width: int

    def scan(self, block: Block, begin: int, *, learn: bool, careful: bool) -> Go:
        """Run the kernel over the lines of a block from `begin` on."""
        lines = np.frombuffer(block.buffer, dtype=np.uint8)
        room = (block.size - begin) // BYTES_A_RECORD + 1
        names = len(self.first_plan)
        code, record, line, place, ts_ns, tid = (np.empty(room, dtype=np.int64) for _ in range(6))
        args = np.empty((room, self.width), dtype=np.int64)
        counts = np.empty(names, dtype=np.int64)
        stops = np.empty((MOST_STOPS, _STOP_FIELDS), dtype=np.int64)
        threads = np.empty((kernel.MOST_THREADS, 2), dtype=np.int64)
        scratch = np.empty(kernel.SCRATCH, dtype=np.uint64)
        totals = np.zeros(_TOTALS, dtype=np.int64)
        totals[-1] = careful
        tables = (self.name_hash, self.name_code, self.name_words, self.name_size, self.first_plan, self.plan)
        columns = (code, record, line, place, ts_ns, tid, args)
        status = self.function(
            lines.ctypes.data, begin, block.size, self.mask, *(t.ctypes.data for t in tables),
            *(c.ctypes.data for c in columns), self.width, room, counts.ctypes.data, stops.ctypes.data, MOST_STOPS,
            threads.ctypes.data, scratch.ctypes.data, learn, names, totals.ctypes.data,
        )  # fmt: skip
        rows, stopped, records, taken, end, first, last, was_careful = totals.tolist()
        met = threads[: int(np.argmin(threads[:, 0])) if threads[-1, 0] < 0 else len(threads)]
        return Go(
            code[:rows], record[:rows], line[:rows], place[:rows], ts_ns[:rows], tid[:rows], args[:rows],
            stops[:stopped], met, counts, records, taken, end, first, last, bool(was_careful), status,
        )  # fmt: skip


class TableBuilder:
    """Grows with the names that a trace turns out to have."""

    def __init__(self, function: Callable[..., int]) -> None:
        self._function = function
        self.names: list[bytes] = []
        self._first_plan: list[int] = []
        self._plan: list[int] = []
        self._width = 1
        self.strings: dict[int, list[int]] = {}
        """For each form code with strings, the arguments that are."""
        self._tables: KernelTables | None = None
        self._hashes: UInt64Array = np.zeros(0, dtype=np.uint64)
        self._codes: npt.NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._words: UInt64Array = np.zeros((0, kernel.NAME_WORDS), dtype=np.uint64)
        self._entered = 0
        """So many of the names are entered into the three tables above."""

    def add(self, name: bytes, forms: Sequence[tuple[EventForm, int]] | None) -> None:
        """Take in a name: with its forms and their codes, or None if its records are to be counted unseen."""
        self._tables = None
        self.names.append(name)
        if forms is None:
            self._first_plan.append(kernel.COUNTED)
        else:
            self._first_plan.append(self._plans(forms))

    def _plans(self, forms: Sequence[tuple[EventForm, int]]) -> int:
        """Return the place of the first plan, or `LEFT` if one of the forms is beyond the kernel."""
        coded = [_steps(form) for form, _ in forms]
        if not coded or any(c is None for c in coded):
            return kernel.LEFT
        if not self._plan:
            self._plan += [0] * kernel.STEP  # so that no plan begins at 0
        first = len(self._plan)
        for i, (steps, (form, code)) in enumerate(zip(coded, forms, strict=True)):
            assert steps is not None
            behind = len(self._plan) + kernel.STEP * (1 + len(steps))
            self._plan += [code, behind if i < len(forms) - 1 else 0, 0, 0]
            for op, literal in steps:
                mask = (1 << 8 * len(literal)) - 1
                self._plan += [op, int.from_bytes(literal, "little"), mask, len(literal)]
            self._width = max(self._width, len(form.args))
            conversions = [p for p in form.line if isinstance(p, Conversion)]
            strings = [j for j, c in enumerate(conversions) if c.terminal == "STRING"]
            if strings and code != kernel.CHECKED:
                self.strings[code] = strings
        return first

    def tables(self) -> KernelTables:
        """Return the tables with the names of now."""
        if self._tables is None:
            self._tables = self._made()
        return self._tables

    def _made(self) -> KernelTables:
        """Return copies, as goes may be under way; a trace can have thousands of names that come one by one."""
        slots = 1 << max(6, (4 * len(self.names)).bit_length())
        if slots > len(self._codes):
            self._hashes, self._codes = np.zeros(slots, dtype=np.uint64), np.full(slots, -1, dtype=np.int32)
            self._words = np.zeros((slots // 2, kernel.NAME_WORDS), dtype=np.uint64)
            self._entered = 0
        for code in range(self._entered, len(self.names)):
            self._enter(code, self.names[code])
        self._entered = len(self.names)
        return KernelTables(
            self._function, slots - 1, self._hashes.copy(), self._codes.copy(),
            self._words[: len(self.names) + 1].copy(), np.array([*map(len, self.names), 0], dtype=np.int64),
            np.array([*self._first_plan, kernel.LEFT], dtype=np.int64), np.array([*self._plan, 0], dtype=np.uint64),
            self._width,
        )  # fmt: skip

    def _enter(self, code: int, name: bytes) -> None:
        if len(name) > 8 * kernel.NAME_WORDS:
            return  # the kernel does not find it
        parts = list(_words(name))
        self._words[code, : len(parts)] = parts[: kernel.NAME_WORDS]
        value = _hash(parts)
        mask = len(self._codes) - 1
        slot = value & mask
        while self._codes[slot] >= 0:
            slot = (slot + 1) & mask
        self._hashes[slot], self._codes[slot] = value, code


def is_plain(form: EventForm) -> bool:
    """Say whether the kernel can read the lines of a form."""
    return _steps(form) is not None


def _steps(form: EventForm) -> list[tuple[int, bytes]] | None:
    """Return the steps of a form's line: opcode, literal before it. None where the kernel has no opcode."""
    steps: list[tuple[int, bytes]] = []
    literal = b""
    for i, piece in enumerate(form.line):
        if isinstance(piece, str):
            literal += piece.encode("utf-8", "surrogateescape")
            continue
        if piece.terminal == "STRING" and not piece.width and piece.arg >= 0:
            op = kernel.REST if i == len(form.line) - 1 else kernel.STRING
            if op == kernel.STRING and kernel.STRING in dict(steps):
                return None  # to try out where both of two end would take too long
        elif piece.terminal in _OPS and not piece.width and piece.arg >= 0 and not _prolonged(form, i):
            op = _OPS[piece.terminal]
        else:
            return None
        steps += _after(literal, op)
        literal = b""
    return steps + _after(literal, kernel.END)


def _prolonged(form: EventForm, i: int) -> bool:
    """Say whether what follows a number may look like more of it: the kernel takes all digits that there are."""
    following = form.line[i + 1] if i + 1 < len(form.line) else ""
    if isinstance(following, Conversion):
        return following.terminal != "STRING"
    return following[:1] in _LIKE_DIGITS


def _after(literal: bytes, op: int) -> list[tuple[int, bytes]]:
    """Return the steps that take a literal of any size, and then what `op` says."""
    steps = []
    while len(literal) > 8:
        steps.append((kernel.NOTHING, literal[:8]))
        literal = literal[8:]
    return [*steps, (op, literal)]


def _words(name: bytes) -> Iterator[int]:
    """Yield the words of a name; the last has less than eight bytes, or none."""
    for at in range(0, len(name) + 1, 8):
        yield int.from_bytes(name[at : at + 8], "little")


_MASK = (1 << 64) - 1


def _hash(words: Sequence[int]) -> int:
    """Return what the kernel's `mix` makes of the words of a name."""
    h = int(kernel.BASIS)
    for w in words:
        h = ((h ^ w) * int(kernel.PRIME)) & _MASK
        h ^= h >> kernel.MIX_SHIFT
    return h
