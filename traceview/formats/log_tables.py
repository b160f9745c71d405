"""The tables of the compiled hot path, made from the forms of events; see `formats.log_kernel` for what they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from traceview.events import Conversion, EventForm, Int64Array
from traceview.formats import log_kernel as kernel

__all__ = ["BlockScan", "KernelTables"]

_OPS = {
    "POINTER": kernel.POINTER, "DECIMAL": kernel.DECIMAL, "UNSIGNED": kernel.UNSIGNED, "HEX": kernel.HEX,
    "ALT_HEX": kernel.ALT_HEX,
}  # fmt: skip
MOST_STOPS = 256
"""Stops in one go: what the Python path learns from them (new names) is used from the next go on."""


class BlockScan:
    """What one go of the kernel over a block found; arrays as `log_kernel.scan_block` describes them."""

    __slots__ = ("args", "rows", "stops", "threads", "totals")

    def __init__(self, most_rows: int, width: int) -> None:
        self.rows: Int64Array = np.zeros((most_rows, 6), dtype=np.int64)
        self.args: Int64Array = np.zeros((most_rows, width), dtype=np.int64)
        self.stops: Int64Array = np.zeros((MOST_STOPS, 5), dtype=np.int64)
        self.threads: Int64Array = np.zeros(1 << 14, dtype=np.int64)
        self.totals: Int64Array = np.zeros(8, dtype=np.int64)


class KernelTables:
    """Grows with the names that a trace turns out to have."""

    def __init__(self) -> None:
        self._slots = 1 << 10
        self._hash: npt.NDArray[np.uint64] = np.zeros(self._slots, dtype=np.uint64)
        self._code: npt.NDArray[np.int32] = np.full(self._slots, -1, dtype=np.int32)
        self._at: Int64Array = np.zeros(self._slots, dtype=np.int64)
        self._size: Int64Array = np.zeros(self._slots, dtype=np.int64)
        self.names: list[bytes] = []
        self._first_plan: list[int] = []
        self._plan: list[tuple[int, int, int]] = []
        self._literals = bytearray()
        self.strings: dict[int, list[int]] = {}
        """For each form code with strings, the arguments that are."""
        self._arrays: tuple[npt.NDArray[np.uint8], Int64Array, Int64Array, npt.NDArray[np.uint8]] | None = None
        self.counts: Int64Array = np.zeros(0, dtype=np.int64)

    def add(self, name: bytes, forms: Sequence[tuple[EventForm, int]] | None) -> None:
        """Take in a name: with its forms and their codes, or None if its records are only to be counted."""
        first = kernel.COUNTED if forms is None else self._plans(forms)
        if 2 * (len(self.names) + 1) > self._slots:
            self._grow()
        self._insert(name, len(self.names))
        self.names.append(name)
        self._first_plan.append(first)
        self.counts = np.append(self.counts, np.int64(0))
        self._arrays = None

    def _plans(self, forms: Sequence[tuple[EventForm, int]]) -> int:
        """Return the row of the first plan, or `LEFT` if one of the forms is beyond the kernel."""
        coded = [_operations(form) for form, _ in forms]
        if not coded or any(c is None for c in coded):
            return kernel.LEFT
        first = len(self._plan)
        for i, (operations, (form, code)) in enumerate(zip(coded, forms, strict=True)):
            assert operations is not None
            for op, text in operations:
                self._plan.append((op, len(self._literals), len(text)))
                self._literals += text
            last = i == len(forms) - 1
            self._plan.append((kernel.END, code, -1 if last else len(self._plan) + 1))
            strings = [
                j for j, c in enumerate(p for p in form.line if isinstance(p, Conversion)) if c.terminal == "STRING"
            ]
            if strings:
                self.strings[code] = strings
        return first

    def _insert(self, name: bytes, code: int) -> None:
        value = _fnv(name)
        slot = value & (self._slots - 1)
        while self._code[slot] >= 0:
            slot = (slot + 1) & (self._slots - 1)
        self._hash[slot], self._code[slot] = value, code
        self._at[slot], self._size[slot] = sum(map(len, self.names[:code])), len(name)

    def _grow(self) -> None:
        self._slots *= 2
        self._hash = np.zeros(self._slots, dtype=np.uint64)
        self._code = np.full(self._slots, -1, dtype=np.int32)
        self._at = np.zeros(self._slots, dtype=np.int64)
        self._size = np.zeros(self._slots, dtype=np.int64)
        for code, name in enumerate(self.names):
            self._insert(name, code)

    def scan(self, block: npt.NDArray[np.uint8], begin: int, size: int, out: BlockScan) -> None:
        """Run the kernel over ``block[begin:size]``, which ends in a newline."""
        if self._arrays is None:
            self._arrays = (
                np.frombuffer(b"".join(self.names) + b"\0", dtype=np.uint8),
                np.array([*self._first_plan, kernel.LEFT], dtype=np.int64),
                np.array([*self._plan, (kernel.END, -1, -1)], dtype=np.int64),
                np.frombuffer(bytes(self._literals) + b"\0", dtype=np.uint8),
            )
        names, first_plan, plan, literals = self._arrays
        kernel.scan_block(
            block, begin, size, np.uint64(self._slots - 1), self._hash, self._code, self._at, self._size, names,
            first_plan, plan, literals, self.counts, out.rows, out.args, out.stops, out.threads,
            out.totals,
        )  # fmt: skip


def _operations(form: EventForm) -> list[tuple[int, bytes]] | None:
    """Return the opcodes of a form's line, with the text of literals; None where the kernel has no opcode."""
    operations: list[tuple[int, bytes]] = []
    for i, piece in enumerate(form.line):
        if isinstance(piece, str):
            operations.append((kernel.LITERAL, piece.encode("utf-8")))
        elif piece.terminal == "STRING" and i == len(form.line) - 1 and not piece.width:
            operations.append((kernel.REST, b""))
        elif piece.terminal in _OPS and not piece.width and piece.arg >= 0:
            operations.append((_OPS[piece.terminal], b""))
        else:
            return None
    return operations


def _fnv(name: bytes) -> int:
    value = 14695981039346656037
    for byte in name:
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value
