"""A log's bytes as blocks of complete lines, read into a few buffers that are used again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from traceview.compiled import PADDING

__all__ = ["MAX_LINE", "Block", "Blocks"]

MAX_LINE = 1 << 24
"""A line longer than this is no record; it is passed over without being held in memory."""


@dataclass(frozen=True, slots=True)
class Block:
    """Complete lines: ``buffer[:size]``, of which the first begins at `base` in the file.

    `passed_over` is where a line of more than `MAX_LINE` bytes begins that ends before `base` and is left out, or -1.
    """

    buffer: bytearray
    size: int
    base: int
    passed_over: int = -1

    def line_end(self, at: int) -> int:
        """Return the place behind the line that stands at `at`."""
        return self.buffer.index(b"\n", at) + 1


class Blocks:
    """Cuts what `read_into` gives into blocks of about `block_bytes`; a longer line makes a longer block.

    A block is to be given back (`free`) when its bytes are not needed any more. After the last one, `rest` is what
    stands behind the last newline, from `rest_at` on, and `rest_passed_over` where a line begins that is too long to
    hold, or -1.
    """

    def __init__(self, read_into: Callable[[memoryview], int], block_bytes: int) -> None:
        self._read_into = read_into
        self._block_bytes = min(block_bytes, MAX_LINE + 1)  # so that no block has a line that is too long
        self._free: list[bytearray] = []
        self.bytes_read = 0
        self.rest = b""
        self.rest_at = 0
        self.rest_passed_over = -1

    def free(self, block: Block) -> None:
        """Take a block back."""
        if len(block.buffer) == self._block_bytes + PADDING:
            self._free.append(block.buffer)

    def __iter__(self) -> Iterator[Block]:
        buffer, filled, base = self._buffer(), 0, 0
        skipping, passed_over = False, -1
        while True:
            capacity = len(buffer) - PADDING
            if filled == capacity:
                if filled > MAX_LINE or skipping:
                    if passed_over >= 0 and not skipping:  # the line before this one is too long, too
                        yield Block(self._buffer(), 0, base, passed_over)
                    passed_over = passed_over if skipping else base
                    base, filled, skipping = base + filled, 0, True
                else:
                    buffer = self._buffer(min(2 * capacity, MAX_LINE + 1), buffer, 0, filled)
                continue
            with memoryview(buffer) as view:
                got = self._read_into(view[filled:capacity])
            if not got:
                break
            self.bytes_read += got
            end = buffer.rfind(b"\n", filled, filled + got) + 1
            filled += got
            if skipping and end:
                first = buffer.index(b"\n") + 1
                buffer[: filled - first] = buffer[first:filled]
                base, filled, end = base + first, filled - first, end - first
                skipping = False
            if end:
                following = self._buffer(filled - end + 1, buffer, end, filled)
                yield Block(buffer, end, base, passed_over)
                buffer, base, filled, passed_over = following, base + end, filled - end, -1
        self.rest, self.rest_at = b"" if skipping else bytes(buffer[:filled]), base
        self.rest_passed_over = passed_over

    def _buffer(self, least: int = 0, source: bytearray | None = None, first: int = 0, last: int = 0) -> bytearray:
        """Return a buffer with room for `least` bytes that begins with ``source[first:last]``."""
        if least > self._block_bytes or not self._free:
            buffer = bytearray(max(least, self._block_bytes) + PADDING)
        else:
            buffer = self._free.pop()
        if source is not None:
            buffer[: last - first] = source[first:last]
        return buffer
