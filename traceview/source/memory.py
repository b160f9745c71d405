"""Bytes that are in memory, as a source: a part of a file that is looked at before all of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from traceview.source.bytes import DEFAULT_CHUNK, HEAD_BYTES, ByteSource, ReadInto

__all__ = ["MemorySource"]


class MemorySource(ByteSource):
    """Some bytes, called by a name; they can be read again and again, and are unpacked already."""

    def __init__(self, data: bytes, name: str, *, chunk_bytes: int = DEFAULT_CHUNK) -> None:
        super().__init__(name, chunk_bytes=chunk_bytes)
        self.once = False
        self._data = data
        self._compression = ""

    def size(self) -> int:
        """Return how many bytes there are."""
        return len(self._data)

    def head(self) -> bytes:
        """Return up to `HEAD_BYTES` first bytes."""
        return self._data[:HEAD_BYTES]

    @contextmanager
    def reading(self) -> Iterator[ReadInto]:
        """Give what fills a caller's buffer with the next bytes."""
        left = memoryview(self._data)

        def read_into(view: memoryview) -> int:
            nonlocal left
            got = min(len(view), len(left))
            view[:got], left = left[:got], left[got:]
            return got

        yield read_into
