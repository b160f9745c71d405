"""One repetition of a trace whose times and pointers are patched in place, and the files that it is repeated into.

Each repetition is later than the one before, and its pointers are others, of the same number of digits: another set of
jobs and devices. Only what differs is written anew into the bytes, so a large file takes about as long as its writing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.captures import UnusableInputError

__all__ = ["POINTER_STEP", "Template", "TextTemplate", "write_repeated"]

POINTER_STEP = 1 << 32
"""By how much the pointers of a repetition are above those of the one before: more than a process maps in one place."""

_TIME = re.compile(rb"^\d+@(\d{10})\.", re.MULTILINE)
_NAME = re.compile(rb"^\d+@\d+\.\d+:(\w+)", re.MULTILINE)
_POINTER = re.compile(rb"\b0x([0-9a-f]{12})\b")
_FIXED_DIGITS = 2
"""The leading digits of the seconds that stay as they are; the rest fill a machine word."""
_PATCHED = 10**8


class Template(ABC):
    """The bytes of one repetition, and how they differ from one to the next."""

    size: int
    """Bytes of a repetition."""
    start: int
    """The earliest time of the original, in the unit of the format."""
    span: int
    """How much later another repetition may start, in the same unit: all its times are then later."""

    head: bytes = b""
    """What stands before the first repetition."""

    def head_counts(self) -> Counter[str]:
        """Return how many records of each event stand before the first repetition."""
        return Counter()

    @abstractmethod
    def counts(self) -> Counter[str]:
        """Return how many records of each event a repetition has."""

    @abstractmethod
    def render(self, repetition: int, start: int) -> memoryview:
        """Return the bytes of a repetition whose earliest time is `start`, valid until the next call.

        Raises UnusableInputError where times or pointers would need more digits.
        """


class TextTemplate(Template):
    """One repetition of a log with ``THREAD@SECONDS.MICROSECONDS:`` before each record; its times are seconds."""

    def __init__(self, text: bytes, head: bytes = b"") -> None:
        self.head = head
        self._bytes = bytearray(text)
        self.size = len(text)
        times = list(_TIME.finditer(text))
        if not times:
            raise UnusableInputError("no line has a time")
        self._time_at = np.array([m.start(1) + _FIXED_DIGITS for m in times])
        self._seconds, self._second = _distinct([int(m[1]) for m in times])
        self.start = int(self._seconds[0])
        self.span = int(self._seconds[-1]) - self.start + 1
        pointers = list(_POINTER.finditer(text))
        self._pointer_at = np.array([m.start(1) for m in pointers], dtype=np.int64)
        self._tops, self._top = _distinct([int(m[1], 16) // POINTER_STEP for m in pointers])

    def render(self, repetition: int, start: int) -> memoryview:
        """Return the bytes of a repetition whose earliest second is `start`."""
        seconds = (self._seconds + (start - self.start)).tolist()
        tops = (self._tops + repetition).tolist()
        if {s // _PATCHED for s in seconds} != {self.start // _PATCHED}:
            raise UnusableInputError(f"repetition {repetition}: its times change more digits than are patched")
        if tops and tops[-1] > 0xFFFF:
            raise UnusableInputError(f"repetition {repetition}: its pointers need more digits")
        self._patch(self._time_at, [b"%010d" % s for s in seconds], self._second, "<u8")
        self._patch(self._pointer_at, [b"%04x" % t for t in tops], self._top, "<u4")
        return memoryview(self._bytes)

    def head_counts(self) -> Counter[str]:
        """Return how many records of each event stand before the first repetition."""
        return Counter(m[1].decode("ascii") for m in _NAME.finditer(self.head))

    def counts(self) -> Counter[str]:
        """Return how many records of each event a repetition has."""
        return Counter(m[1].decode("ascii") for m in _NAME.finditer(self._bytes))

    def _patch(self, at: npt.NDArray[np.int64], words: list[bytes], which: npt.NDArray[np.int64], kind: str) -> None:
        """Write word ``words[which[i]]``, its last bytes as wide as `kind`, at each place ``at[i]``."""
        width = np.dtype(kind).itemsize
        values = np.frombuffer(b"".join(w[-width:] for w in words), dtype=kind)
        # A view of a word at every byte, so that one assignment writes them all.
        view = np.ndarray((self.size - width + 1,), kind, buffer=self._bytes, strides=(1,))
        view[at] = values[which]


def _distinct(values: Iterable[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct values in ascending order, and which of them each value is."""
    distinct, which = np.unique(np.fromiter(values, dtype=np.int64), return_inverse=True)
    return distinct, which


def write_repeated(path: Path, order: Sequence[Template]) -> int:
    """Write one repetition of each template of `order` to `path`, after the first's head; return the bytes written.

    The number of a repetition is its place in `order`. The file appears under its name when it is complete.
    """
    part = path.with_name(f"{path.name}.part")
    start = order[0].start
    with open(part, "wb") as out:
        written = out.write(order[0].head)
        for repetition, template in enumerate(order):
            written += out.write(template.render(repetition, start))
            start += template.span
    part.replace(path)
    return written
