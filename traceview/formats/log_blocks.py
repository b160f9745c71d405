"""A log's bytes as blocks of complete lines, read into a few buffers that are used again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from traceview.compiled import PADDING
from traceview.events import Gap, ReadStats

__all__ = ["FEWEST_ZEROS", "MAX_LINE", "Block", "Blocks", "Fault", "note_fault"]

MAX_LINE = 1 << 20
"""A line longer than this is no record; it is passed over without being held in memory."""
FEWEST_ZEROS = 8
"""So many zero bytes in a row are no part of a line but a hole, as in a log that was truncated as it was written."""

_HOLE = bytes(FEWEST_ZEROS)


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes that are no lines: `size` of them from `at` on. `cause` is that of the gap which it becomes.

    `rest` is the beginning of a line that the fault cuts off, from `rest_at` on.
    """

    cause: str
    at: int
    size: int
    rest: bytes = b""
    rest_at: int = 0

    @property
    def text(self) -> str:
        """What it is, in words."""
        if self.cause == "long-line":
            return f"a line of {self.size} bytes was passed over: more than {MAX_LINE}"
        return f"{self.size} zero bytes: what stood there is lost, or never reached the disk"


def note_fault(fault: Fault, stats: ReadStats) -> None:
    """Make a gap of a fault. A line that is too long is counted; what a hole cuts off is not taken here."""
    lines = int(fault.cause == "long-line")
    stats.lines += lines
    stats.other_lines += lines
    line = stats.lines if lines else stats.lines + 1
    stats.add_gap(Gap(fault.cause, stats.records, fault.at, line, stats.last_ts_ns, None, fault.text, fault.size))


@dataclass(frozen=True, slots=True)
class Block:
    """Complete lines: ``buffer[:size]``, the first of which begins at `base`. `faults` stand before them."""

    buffer: bytearray
    size: int
    base: int
    faults: tuple[Fault, ...] = ()

    @property
    def passed_over(self) -> int:
        """Where a line begins that is too long and stands before the block, or -1."""
        return next((f.at for f in reversed(self.faults) if f.cause == "long-line"), -1)

    def line_end(self, at: int) -> int:
        """Return the place behind the line that stands at `at`."""
        return self.buffer.index(b"\n", at) + 1


class Blocks:
    """Cuts what `read_into` gives into blocks of about `block_bytes`; a longer line makes a longer block.

    A block is to be given back (`free`) when its bytes are not needed any more. After the last one, `rest` is what
    stands behind the last newline, from `rest_at` on, and `faults` what stands before that.
    """

    def __init__(self, read_into: Callable[[memoryview], int], block_bytes: int) -> None:
        self._read_into = read_into
        self._block_bytes = block_bytes
        self._free: list[bytearray] = []
        self.bytes_read = 0
        self.rest = b""
        self.rest_at = 0
        self.faults: list[Fault] = []
        self._buffer = bytearray()
        self._base = self._filled = 0
        self._long_at = self._zeros_at = -1
        """Where the line begins of which the first bytes are gone as it is too long, or the hole that goes on."""
        self._cut = (b"", 0)
        """The beginning of the line that the hole cuts off, and its place."""

    @property
    def rest_passed_over(self) -> int:
        """Where a line begins that is too long and stands behind the last block, or -1."""
        return next((f.at for f in reversed(self.faults) if f.cause == "long-line"), -1)

    def free(self, block: Block) -> None:
        """Take a block back."""
        if len(block.buffer) == self._block_bytes + PADDING:
            self._free.append(block.buffer)

    def __iter__(self) -> Iterator[Block]:
        self._buffer = self._new()
        while True:
            capacity = len(self._buffer) - PADDING
            if self._filled == capacity:  # not one newline in all of it
                self._buffer = self._new(2 * capacity, 0, self._filled)
                continue
            with memoryview(self._buffer) as view:
                got = self._read_into(view[self._filled : capacity])
            if not got:
                break
            self.bytes_read += got
            before = self._filled
            self._filled += got
            yield from self._whole(before)
        self._end()

    def _whole(self, before: int) -> Iterator[Block]:
        """Yield the lines that are complete now, where ``buffer[:before]`` has no newline and no hole."""
        while True:
            if self._zeros_at >= 0 and not self._behind_zeros():
                return
            hole = self._buffer.find(_HOLE, max(before - FEWEST_ZEROS + 1, 0), self._filled)
            limit = hole if hole >= 0 else self._filled
            before = 0
            if self._long_at >= 0:
                newline = self._buffer.find(b"\n", 0, limit)
                if newline >= 0:
                    self._long(newline + 1)
                elif hole < 0:
                    # Zeros at the end may be the first of a hole.
                    self._drop(max(limit - FEWEST_ZEROS + 1, 0))
                    return
                else:
                    self._long(limit)
                continue
            end = self._buffer.rfind(b"\n", 0, limit) + 1
            if self._too_long(end, limit, whole=hole >= 0):
                yield from self._around_long(limit)
                continue
            if hole >= 0:
                self._cut = bytes(self._buffer[end:hole]), self._base + end
                self._zeros_at = self._base + hole
            if end:
                yield self._block(end, hole if hole >= 0 else end)
            elif hole >= 0:
                self._drop(hole)
            if hole < 0:
                return

    def _too_long(self, end: int, limit: int, *, whole: bool) -> bool:
        """Say whether ``buffer[:limit]``, of which `end` bytes are lines, has a line that is too long.

        Zeros at the end may be the first of a hole, unless it is `whole` because a hole follows.
        """
        if limit - end > MAX_LINE and (whole or len(self._buffer[end:limit].rstrip(b"\0")) > MAX_LINE):
            return True
        half = MAX_LINE // 2 + 1  # a line that is too long has an aligned stretch of this size without newline
        return end > MAX_LINE and any(
            self._buffer.find(b"\n", at, at + half) < 0 for at in range(0, end - half + 1, half)
        ) and any(size > MAX_LINE for _, size in self._lines(end))  # fmt: skip

    def _lines(self, end: int) -> Iterator[tuple[int, int]]:
        """Yield place and size (without newline) of the lines in ``buffer[:end]``."""
        newlines = np.flatnonzero(np.frombuffer(self._buffer, dtype=np.uint8, count=end) == ord("\n"))
        at = 0
        for newline in newlines.tolist():
            yield at, newline - at
            at = newline + 1

    def _around_long(self, limit: int) -> Iterator[Block]:
        """Yield the lines before the first that is too long; what is left begins with it, and it is being left out."""
        end = self._buffer.rfind(b"\n", 0, limit) + 1
        at = next((place for place, size in self._lines(end) if size > MAX_LINE), end)
        if at:
            yield self._block(at, at)
        self._long_at = self._base

    def _long(self, end: int) -> None:
        """Note that the line that is too long ends before ``buffer[end]``."""
        at, self._long_at = self._long_at, -1
        self.faults.append(Fault("long-line", at, self._base + end - at))
        self._drop(end)

    def _behind_zeros(self) -> bool:
        """Drop the zeros of the hole that goes on at the beginning of the buffer; say whether it has ended."""
        given = np.frombuffer(self._buffer, dtype=np.uint8, count=self._filled)
        zeros = int(np.argmax(given != 0)) if given.any() else self._filled
        del given
        self._drop(zeros)
        if not self._filled:
            return False
        self._hole_ends()
        return True

    def _hole_ends(self) -> None:
        rest, rest_at = self._cut
        self.faults.append(Fault("nul-hole", self._zeros_at, self._base - self._zeros_at, rest, rest_at))
        self._cut, self._zeros_at = (b"", 0), -1

    def _end(self) -> None:
        """Take what is left when there is nothing more to read."""
        if self._zeros_at >= 0:
            self._hole_ends()
        if self._long_at < 0 and self._filled > MAX_LINE:
            self._long_at = self._base
        if self._long_at >= 0:
            self._long(self._filled)
        self.rest, self.rest_at = bytes(self._buffer[: self._filled]), self._base

    def _block(self, end: int, following: int) -> Block:
        """Return the lines of ``buffer[:end]`` as a block; what begins at `following` goes to a buffer of its own."""
        block = Block(self._buffer, end, self._base, tuple(self.faults))
        self.faults = []
        self._buffer = self._new(self._filled - following + 1, following, self._filled)
        self._base += following
        self._filled -= following
        return block

    def _drop(self, first: int) -> None:
        """Let go of the first bytes of the buffer."""
        if first:
            self._buffer[: self._filled - first] = self._buffer[first : self._filled]
            self._base += first
            self._filled -= first

    def _new(self, least: int = 0, first: int = 0, last: int = 0) -> bytearray:
        """Return a buffer with room for `least` bytes that begins with ``buffer[first:last]`` of the one there is."""
        if least > self._block_bytes or not self._free:
            buffer = bytearray(max(least, self._block_bytes) + PADDING)
        else:
            buffer = self._free.pop()
        buffer[: last - first] = self._buffer[first:last]
        return buffer
