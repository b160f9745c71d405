"""Items of simpletrace files as they must be: what a file's records have in common, by which they are known again.

Where an item cannot be what it says, the next one is sought: a place from which on several items in a row are in order,
each beginning where the one before it ends. It is tried at every byte.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from traceview.events import NO_TIME, EventForm, Kind, ReadStats, StringTable
from traceview.formats.log_copies import FURTHEST, NEAR, Copies, Text

__all__ = [
    "ANY", "DROPPED_ID", "MAPPING_HEADER", "MAX_NAME", "MAX_RECORD", "MAX_STRING", "RECORD_HEADER", "TYPE_EVENT",
    "TYPE_MAPPING", "VARIES", "Event", "ItemCopies", "Items", "Layout",
]  # fmt: skip

DROPPED_ID = (1 << 64) - 2
RECORD_HEADER = 24
MAX_RECORD = 1 << 18
"""A record cannot be larger than the ring buffer it was written through (256 KiB, trace/simple.c)."""
MAX_NAME = 1 << 12
MAX_STRING = 512
"""MAX_TRACE_STRLEN of trace/simple.c."""
TYPE_MAPPING, TYPE_EVENT = 0, 1
MAPPING_HEADER = 20
ANY, VARIES = 0, -1
"""Lengths of an event without known form: not known yet, or not the same for all its records."""
CHAIN = 4
"""So many items in a row prove each other."""
NEAR_NS = 3600 * 1_000_000_000
"""A record that is sought is no further than this from the last one that was read."""
MOST_IDS = 1 << 20
_STRETCH = 1 << 18
"""Bytes that are searched at a time."""
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Layout:
    """How the arguments of one form lie in a record; `fixed` is their size, or -1 where there are strings."""

    form: EventForm
    fixed: int
    numbers: struct.Struct | None
    order: str

    @classmethod
    def of(cls, form: EventForm, order: str) -> Layout:
        """Return the layout of a form in a byte order (``<`` or ``>``)."""
        if any(a.kind is Kind.STRING for a in form.args):
            return cls(form, -1, None, order)
        return cls(form, 8 * len(form.args), struct.Struct(f"{order}{len(form.args)}q"), order)

    def can_take(self, size: int) -> bool:
        """Say whether arguments of so many bytes can be of this form, whatever they are."""
        if self.fixed >= 0:
            return size == self.fixed
        strings = sum(a.kind is Kind.STRING for a in self.form.args)
        least = 8 * len(self.form.args) - 4 * strings
        return least <= size <= least + MAX_STRING * strings

    def fits(self, buffer: Text, start: int, end: int) -> bool:
        """Say whether ``buffer[start:end]`` can be the arguments of this form."""
        if self.fixed >= 0:
            return end - start == self.fixed
        at = start
        for arg in self.form.args:
            if arg.kind is not Kind.STRING:
                at += 8
                continue
            if at + 4 > end:
                return False
            (size,) = struct.unpack_from(f"{self.order}I", buffer, at)
            if size > MAX_STRING:
                return False
            at += 4 + size
        return at == end

    def decode(self, buffer: Text, start: int, strings: StringTable) -> Sequence[int]:
        """Return the arguments that stand at `start`, where they fit."""
        if self.numbers is not None:
            return self.numbers.unpack_from(buffer, start)
        values: list[int] = []
        at = start
        for arg in self.form.args:
            if arg.kind is Kind.STRING:
                (size,) = struct.unpack_from(f"{self.order}I", buffer, at)
                at += 4
                values.append(strings.intern(bytes(buffer[at : at + size])))
                at += size
            else:
                (value,) = struct.unpack_from(f"{self.order}q", buffer, at)
                values.append(value)
                at += 8
        return values


@dataclass(slots=True)
class Event:
    """What one id of this file stands for.

    `length` is that of its records (with their header) where no form tells it, or `ANY` or `VARIES`; `misfits` is how
    many records had none of its forms; `doubtful` says that the file maps its id in two ways.
    """

    name: str
    layouts: list[Layout] | None
    """None until the first record: a built-in form is chosen by what the whole header maps."""
    declared: bool
    wanted: bool
    count: int = 0
    length: int = ANY
    misfits: int = 0
    doubtful: bool = False


class Items:
    """What the items of one file have in common: its ids, its process, its time. It grows as the file is read."""

    def __init__(self, version: int, order: str) -> None:
        self.version = version
        self.order = order
        self.before = 8 if version == 4 else 0
        """Bytes before a record's header: the type of the item."""
        self.events: dict[int, Event] = {}
        self.process = 0
        """The process of the records, 0 where it is not known yet (the first ones do not tell it)."""
        self.last_ns = NO_TIME
        self.earlier_ns = NO_TIME
        """The time before it stepped back or far ahead: one of both may be wrong."""
        self._item = struct.Struct(f"{order}Q")
        self._header = struct.Struct(f"{order}QQII")
        self._mapping = struct.Struct(f"{order}QI")

    def end_of(self, buffer: Text, at: int, size: int, *, strict: bool = True) -> int | None:
        """Return where the item at `at` ends if it is in order, 0 if it is not, None where too little of it is there.

        The end of a record may lie behind `size`. Where not `strict`, its header is all that is looked at: it may be
        of another build than what is known of its event.
        """
        start = at + self.before
        if self.before:
            if at + 8 > size:
                return None
            (kind,) = self._item.unpack_from(buffer, at)
            if kind == TYPE_MAPPING:
                return self._mapping_end(buffer, at, size)
            if kind != TYPE_EVENT:
                return 0
        if start + RECORD_HEADER > size:
            return None
        number, ts, length, process = self._header.unpack_from(buffer, start)
        if not self._is_near(ts):
            return 0
        if process and (self.version == 2 or self.process not in (0, process)):
            return 0
        end: int = start + length
        if number == DROPPED_ID:
            return end if length == RECORD_HEADER + 8 else 0
        event = self.events.get(number)
        if not RECORD_HEADER <= length <= MAX_RECORD:
            return 0
        if event is None:
            return 0 if strict or self.before or number > MOST_IDS else end
        if not event.layouts or not (strict and event.declared):
            return end
        possible = [x for x in event.layouts if x.can_take(length - RECORD_HEADER)]
        if end > size or not possible:
            return None if possible and all(x.fixed < 0 for x in possible) else end if possible else 0
        return end if any(x.fits(buffer, start + RECORD_HEADER, end) for x in possible) else 0

    def _is_near(self, ts_ns: int) -> bool:
        known = [t for t in (self.last_ns, self.earlier_ns) if t != NO_TIME]
        return not known or any(abs(ts_ns - t) <= NEAR_NS for t in known)

    def _mapping_end(self, buffer: Text, at: int, size: int) -> int | None:
        if at + MAPPING_HEADER > size:
            return None
        number, length = self._mapping.unpack_from(buffer, at + 8)
        if number > MOST_IDS or not 0 < length <= MAX_NAME:
            return 0
        end: int = at + MAPPING_HEADER + length
        name = bytes(buffer[at + MAPPING_HEADER : min(end, size)])
        if name and not _NAME.fullmatch(name):
            return 0
        known = self.events.get(number)
        if end > size:
            return None
        return end if known is None or known.name == name.decode("ascii") else 0

    def proven(self, buffer: Text, at: int, size: int, *, final: bool) -> bool | None:
        """Say whether a chain of items begins at `at`; None where too little is there to tell.

        Where the file ends with ``buffer[:size]`` (`final`), a shorter chain will do that lasts to its end.
        """
        for count in range(CHAIN):
            end = self.end_of(buffer, at, size) if at < size or not final else None
            if end is None or (final and end > size):
                return count > 0 if final else None
            if not end:
                return False
            at = end
        return True

    def next_proven(
        self, buffer: Text, at: int, size: int, *, final: bool, but: int = -1
    ) -> tuple[int, bool]:  # fmt: skip
        """Return where the next chain of items begins from `at` on, and True; or where to search on when there is more.

        It is searched at every byte but one.
        """
        for stretch in range(at, max(size, at + 1), _STRETCH):
            until = min(stretch + _STRETCH, size)
            for place in self._candidates(buffer, stretch, until, size):
                if place == but:
                    continue
                proven = self.proven(buffer, place, size, final=final)
                if proven is None:
                    return place, False
                if proven:
                    return place, True
        return max(at, size - self.before - RECORD_HEADER + 1), False

    def _candidates(self, buffer: Text, first: int, last: int, size: int) -> Iterator[int]:
        """Yield the places from `first` to before `last` at which the header of an item could stand, in order."""
        found = []
        fields = self.before // 8 + 3
        for shift in range(8):
            count = (min(last + 8 * fields, size) - first - shift) // 8
            if count < fields:
                continue
            words = np.frombuffer(buffer, dtype=f"{self.order}u8", offset=first + shift, count=count)
            found.append(first + shift + 8 * np.flatnonzero(self._possible(words, count - fields + 1)))
        if found:
            places = np.sort(np.concatenate(found))
            yield from places[places < last].tolist()

    def _possible(self, words: Words, count: int) -> Mask:
        """Say of each of the first `count` words whether an item could begin with it."""
        skipped = self.before // 8
        number, sizes = words[skipped : skipped + count], words[skipped + 2 : skipped + 2 + count]
        length = self._first_half(sizes)
        possible = ((number <= MOST_IDS) | (number == DROPPED_ID)) & (length >= RECORD_HEADER) & (length <= MAX_RECORD)
        if not skipped:
            return cast(Mask, possible)
        kind = words[:count]
        name = self._first_half(words[2 : 2 + count])
        mapping = (kind == TYPE_MAPPING) & (number <= MOST_IDS) & (name > 0) & (name <= MAX_NAME)
        return cast(Mask, ((kind == TYPE_EVENT) & possible) | mapping)

    def _first_half(self, words: Words) -> Words:
        return words >> np.uint64(32) if self.order == ">" else words & np.uint64(0xFFFFFFFF)


class ItemCopies(Copies):
    """The same for the items of a simpletrace file."""

    _noun = "records"
    _counts_lines = False

    def __init__(self, stats: ReadStats, items: Items) -> None:
        super().__init__(stats)
        self._items = items

    def _end_of(self, buffer: Text, at: int, size: int) -> int:
        end = self._items.end_of(buffer, at, size)
        return end if end and end <= size else 0

    def _original(self, buffer: Text, at: int, line: bytes, ts_us: int) -> int:  # noqa: ARG002  (steps back are rare)
        for size in (NEAR, FURTHEST):
            if size == FURTHEST and not self._may_look_far():
                break
            text = self.before(buffer, at, size)
            found = text.rfind(line)
            if found >= 0:
                return len(text) - found
        return 0
