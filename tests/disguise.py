"""The same bug told by another trace: real records with other pointers, processes, clocks, neighbours and counts."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from tests.writers import log_line

__all__ = ["disguised"]

_POINTER = re.compile(r"0x[0-9a-f]{6,}")
_RECORD = re.compile(r"(\d+)@(\d+)\.(\d{6}):(\w+) ?(.*)")
_SUBMISSION = re.compile(r"sector_num \d+ nb_sectors \d+")
_NOISE = (
    ("qcow2_writev_start_req", "co {p} offset 0x{n:x} bytes {n}"),
    ("thread_pool_submit", "pool {p} req {p} opaque {p}"),
    ("memory_region_ops_write", "cpu 0 mr {p} addr 0x{n:x} value 0x1 size 4"),
    ("object_class_dynamic_cast_assert", "qio-channel->io-channel (io/channel.c:57:qio_channel_readv_full)"),
    ("blk_aio_writev", "blk {other} bs {other} sector_num {n} nb_sectors 8 opaque {p}"),
    ("blk_aio_readv", "blk {other} bs {other} sector_num {n} nb_sectors 16 opaque {p}"),
)
"""What may stand between any two records: other subsystems, and the requests of another disk."""


def disguised(records: list[str], opened: int, closed: int, seed: int) -> bytes:
    """Return records of a log (epoch prefix, without line ends) as another VM's trace would have them.

    `opened` and `closed` are the places in the list between which the bug shows: what is cut off lies outside.
    """
    dice = random.Random(seed)  # noqa: S311  (a disguise, no secret)
    first, last = dice.randint(0, opened), dice.randint(closed + 1, len(records))
    told = _with_other_counts(records[first:last], opened - first, closed - first, dice)
    renamed: dict[str, str] = {}
    process, prefix = dice.randrange(2, 1 << 22), dice.choice(("epoch", "iso", "named", "iso_named"))
    end = b"\r\n" if dice.random() < 0.1 else b"\n"
    begins_us, pace = dice.randrange(1_300_000_000_000_000, 1_900_000_000_000_000), dice.uniform(0.5, 20)
    started: int | None = None
    out = []
    for name, written, ts_us in _with_noise(told, dice):
        started = ts_us if started is None else started
        text = _POINTER.sub(lambda m: _another(m[0], renamed, dice), written)
        now = begins_us + int((ts_us - started) * pace)
        out.append(log_line(name, text, prefix=prefix, thread=process, ts_us=now) + end)
    return b"".join(out)


def _another(pointer: str, renamed: dict[str, str], dice: random.Random) -> str:
    while pointer not in renamed:
        new = f"0x{dice.randrange(1 << 40, 1 << 47) * 8:x}"
        if new not in renamed.values():
            renamed[pointer] = new
    return renamed[pointer]


def _with_other_counts(records: list[str], opened: int, closed: int, dice: random.Random) -> list[str]:
    """Repeat some of the window's requests elsewhere on the disk, and leave out some that are not the first."""
    out, seen = [], False
    for place, record in enumerate(records):
        inside = opened < place < closed and "blk_aio_" in record
        if inside and seen and dice.random() < 0.4:
            continue
        out.append(record)
        seen |= inside
        if inside:
            repeats = range(dice.choice((0, 0, 1, 5)))
            out += [_SUBMISSION.sub(f"sector_num {dice.randrange(1 << 20)} nb_sectors 8", record) for _ in repeats]
    return out


def _with_noise(records: list[str], dice: random.Random) -> Iterator[tuple[str, str, int]]:
    """Yield name, arguments and time (µs) of the records with others among them."""
    share, other = dice.choice((0.0, 0.1, 0.5)), "0x7f00deadbee0"
    for record in records:
        matched = _RECORD.fullmatch(record)
        assert matched is not None, record
        ts_us = int(matched[2]) * 1_000_000 + int(matched[3])
        yield matched[4], matched[5], ts_us
        if dice.random() < share:
            name, text = dice.choice(_NOISE)
            number = dice.randrange(1, 1 << 20)
            yield name, text.format(p=f"0x{dice.randrange(1 << 40, 1 << 46):x}", n=number, other=other), ts_us
