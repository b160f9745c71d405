"""Mutators that know records: whole lines and items are cut, dropped, repeated, swapped and spliced, and bytes are."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Sequence

from tests.fuzz.seeds import MOST_BYTES, TOKENS
from tests.robustness.damaging import starts_of_records

__all__ = ["mutate"]

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_MOST = 4 * MOST_BYTES


def mutate(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds, changed in one to six ways."""
    data = chance.choice(seeds)
    for _ in range(chance.randint(1, 6)):
        data = chance.choice((_records, _records, _bytes, _number, _token))(chance, data, seeds)
    return data[:_MOST]


def _records(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Drop, repeat, swap, cut or splice whole records."""
    head, parts = _parts(data)
    if not parts:
        return data + chance.choice(seeds)
    at = chance.randrange(len(parts))
    match chance.randrange(6):
        case 0:
            del parts[at : at + chance.randint(1, 4)]
        case 1:
            parts[at:at] = parts[at : at + chance.randint(1, 3)] * chance.choice((1, 1, 2, 20))
        case 2:
            other = chance.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        case 3:
            parts[at:] = [parts[at][: chance.randrange(len(parts[at]) + 1)]]
        case 4:
            parts[at:at] = _parts(chance.choice(seeds))[1][: chance.randint(1, 4)]
        case _:
            other = chance.randrange(len(parts))
            cut = chance.randrange(len(parts[at]) + 1)
            parts[at] = parts[at][:cut] + parts[other][chance.randrange(len(parts[other]) + 1) :]
    return head + b"".join(parts)


def _parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return what stands before the records, and the records."""
    starts = starts_of_records(data)
    return data[: starts[0]], [data[a:b] for a, b in itertools.pairwise(starts)]


def _bytes(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Flip, drop, repeat or cut bytes."""
    if not data:
        return data
    at = chance.randrange(len(data))
    size = chance.choice((1, 1, 2, 4, 8, 40))
    match chance.randrange(5):
        case 0:
            return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at] + chance.randbytes(size) + data[at + size :]
        case 2:
            return data[:at] + data[at + size :]
        case 3:
            return data[: at + size] + data[at:]
        case _:
            return data[:at]


def _number(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Write a number at the edge of what can be into the bytes: a length, an id, a time."""
    layout = chance.choice(("<I", "<Q", ">I", ">Q"))
    size = struct.calcsize(layout)
    if len(data) < size:
        return data
    at = chance.randrange(len(data) - size + 1)
    value = chance.choice(_EDGES) % (1 << 8 * size)
    return data[:at] + struct.pack(layout, value) + data[at + size :]


def _token(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Put in a token that means something to some reader, or take something's place with it."""
    at = chance.randrange(len(data) + 1)
    token = chance.choice(TOKENS)
    return data[:at] + token + data[at + chance.choice((0, 0, len(token))) :]
