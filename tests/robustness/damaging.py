"""Random damages to a trace: cuts, flips, drops, duplicates and swaps of bytes, records or blocks.

A record is a line of text, or an item of a simpletrace file. A `Damage` knows where each byte of what it made stood
before.
"""

from __future__ import annotations

import bisect
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["KINDS", "UNITS", "Damage", "Layout", "Span", "is_simpletrace", "random_damage"]

KINDS = ("cut", "behead", "flip", "drop", "duplicate", "swap")
UNITS = ("bytes", "records", "blocks")
BLOCK = 4096
NEAR = 2000
"""So many bytes around a window count as near it."""
_MAGIC = 0xF2B177CB0AA429B4

Span = tuple[int, int]


@dataclass(frozen=True)
class Damage:
    """One damage: the pieces of the whole that the damaged trace consists of, and the bytes in it that were changed.

    `pieces` are (first byte, byte after the last) in the whole; `flips` are (place in the whole, value to xor).
    `touched` is what of the whole was damaged.
    """

    kind: str
    unit: str
    pieces: tuple[Span, ...]
    touched: tuple[Span, ...]
    flips: tuple[tuple[int, int], ...] = ()

    def apply(self, data: bytes) -> bytes:
        """Return the damaged trace."""
        if not self.flips:
            return b"".join(data[a:b] for a, b in self.pieces)
        changed = bytearray(data)
        for place, value in self.flips:
            changed[place] ^= value
        return bytes(changed)

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [], 0
        for a, b in self.pieces:
            starts.append(at)
            at += b - a
        return starts

    def origin(self, offset: int) -> int:
        """Return where a byte of the damaged trace stood in the whole."""
        piece = bisect.bisect_right(self._starts, offset) - 1
        return self.pieces[piece][0] + offset - self._starts[piece]

    def touches(self, first: int, last: int) -> bool:
        """Say whether something was damaged from one byte of the whole to another."""
        return any(a <= last and b > first for a, b in self.touched)

    @property
    def words(self) -> str:
        """What was done, and where."""
        where = ", ".join(f"{a}..{b}" for a, b in self.touched)
        how = " by " + " ".join(f"{p}^{v:#04x}" for p, v in self.flips[:8]) if self.flips else ""
        return f"{self.kind} {self.unit} {where}{how}"


def is_simpletrace(data: bytes) -> bool:
    """Say whether bytes are a simpletrace file of a little-endian host."""
    return len(data) >= 24 and data[8:16] == struct.pack("<Q", _MAGIC)


def starts_of_records(data: bytes) -> list[int]:
    """Return where the lines of a text, or the items of a simpletrace file, begin, and at last where they end."""
    if is_simpletrace(data):
        return [*_items(data), len(data)]
    starts = [0]
    at = data.find(b"\n")
    while at >= 0:
        starts.append(at + 1)
        at = data.find(b"\n", at + 1)
    return starts if starts[-1] == len(data) else [*starts, len(data)]


def _items(data: bytes) -> Iterator[int]:
    (version,) = struct.unpack_from("<Q", data, 16)
    typed = 8 if version == 4 else 0
    at = 24
    while at + typed + 24 <= len(data):
        yield at
        if typed and struct.unpack_from("<Q", data, at)[0] == 0:
            at += 20 + struct.unpack_from("<I", data, at + 16)[0]
        else:
            at += typed + max(24, struct.unpack_from("<I", data, at + typed + 16)[0])


@dataclass
class Layout:
    """What there is to be damaged: bytes, where records begin, and where it matters more (`hot`) or less (`cold`)."""

    data: bytes
    hot: list[Span] = field(default_factory=list)
    cold: list[Span] = field(default_factory=list)

    @cached_property
    def starts(self) -> list[int]:
        """Where each record begins, and at last where the last one ends."""
        return starts_of_records(self.data)

    def record_at(self, at: int) -> int:
        """Return the number of the record that a byte belongs to."""
        return max(0, bisect.bisect_right(self.starts, at, hi=len(self.starts) - 1) - 1)


def random_damage(chance: random.Random, whole: Layout) -> Damage:
    """Return a damage: most stand in or near a window, and of those most near one that is violated or guarded."""
    kind, unit = chance.choice(KINDS), chance.choice(UNITS)
    size = len(whole.data)
    at = _place(chance, whole)
    match kind:
        case "cut" | "behead":
            edge = whole.starts[whole.record_at(at)] if unit == "records" else at
            edge = edge // BLOCK * BLOCK if unit == "blocks" else edge
            kept, gone = ((0, edge), (edge, size)) if kind == "cut" else ((edge, size), (0, edge))
            return Damage(kind, unit, (kept,), (gone,))
        case "flip":
            return _flip(chance, unit, at, size)
    a, b = _span(chance, whole, unit, at)
    if kind == "drop":
        return Damage(kind, unit, ((0, a), (b, size)), ((a, b),))
    if kind == "duplicate":
        return Damage(kind, unit, ((0, b), (a, size)), ((a, b),))
    c, d = _span(chance, whole, unit, min(size - 1, b + int(_large(chance, 5000)) * chance.randrange(2)))
    c, d = max(b, c), max(b, d)
    return Damage(kind, unit, ((0, a), (c, d), (b, c), (a, b), (d, size)), ((a, d),))


def _place(chance: random.Random, whole: Layout) -> int:
    chosen = whole.hot if whole.hot and chance.random() < 0.7 else whole.cold
    if not chosen or chance.random() < 0.25:
        return chance.randrange(len(whole.data))
    first, last = chance.choice(chosen)
    return min(max(0, chance.randint(first - NEAR, last + NEAR)), len(whole.data) - 1)


def _large(chance: random.Random, most: int) -> float:
    """Return a number from 1 to `most`, each order of magnitude as likely as the others."""
    return float(most ** chance.random())


def _span(chance: random.Random, whole: Layout, unit: str, at: int) -> Span:
    size = len(whole.data)
    if unit == "bytes":
        return at, min(size, at + int(_large(chance, BLOCK)))
    if unit == "blocks":
        first = at // BLOCK * BLOCK
        return first, min(size, first + BLOCK * chance.randint(1, 4))
    record = whole.record_at(at)
    return whole.starts[record], whole.starts[min(len(whole.starts) - 1, record + int(_large(chance, 64)))]


def _flip(chance: random.Random, unit: str, at: int, size: int) -> Damage:
    if unit == "blocks":
        first = at // BLOCK * BLOCK
        places: Sequence[int] = range(first, min(size, first + BLOCK))
    elif unit == "records":  # several bytes, of one record or of neighbours
        places = sorted({min(size - 1, at + chance.randrange(200)) for _ in range(chance.randint(2, 8))})
    else:
        places = [at]
    one_bit = unit == "bytes" and chance.random() < 0.5
    flips = tuple((p, 1 << chance.randrange(8) if one_bit else chance.randrange(1, 256)) for p in places)
    return Damage("flip", unit, ((0, size),), ((places[0], places[-1] + 1),), flips)
