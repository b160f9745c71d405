"""The bytes as they lie in a file or come through a pipe, before anything is unpacked."""

from __future__ import annotations

import select
from io import BufferedIOBase

from traceview.errors import TraceReadError

__all__ = ["RawBytes"]

POLL_MS = 100
"""How long a wait for a pipe lasts before it is looked whether anybody still wants its bytes."""


class RawBytes:
    """An open file, read once from front to back. Every method raises `TraceReadError` where the system refuses.

    `name` is what people call the file; `taken` is how many of its bytes were given out.
    """

    def __init__(self, stream: BufferedIOBase, name: str) -> None:
        self._stream = stream
        self._name = name
        self._peeked = b""
        self._abandoned = False
        self.taken = 0

    def peek(self, count: int) -> bytes:
        """Return the first `count` bytes, or all if there are fewer, without using them up."""
        try:
            while len(self._peeked) < count and (more := self._stream.read1(count - len(self._peeked))):
                self._peeked += more
        except OSError as e:
            raise self._refused(e) from e
        return self._peeked

    def read_into(self, view: memoryview) -> int:
        """Fill the front of `view`, all of it unless the end comes first; return the number of bytes."""
        done = min(len(self._peeked), len(view))
        view[:done], self._peeked = self._peeked[:done], self._peeked[done:]
        try:
            while done < len(view) and (got := self._stream.readinto(view[done:])):
                done += got
        except OSError as e:
            raise self._refused(e) from e
        self.taken += done
        return done

    def read(self, count: int) -> bytes:
        """Return what can be had, up to `count` bytes, waiting for the first; none at the end or when abandoned."""
        data, self._peeked = self._peeked[:count], self._peeked[count:]
        try:
            if not data and self._wait():
                data = self._stream.read1(count)
        except OSError as e:
            raise self._refused(e) from e
        self.taken += len(data)
        return data

    def abandon(self) -> None:
        """Make a `read` that waits in another thread return at once: nobody wants the bytes any more."""
        self._abandoned = True

    def _wait(self) -> bool:
        """Wait until there is something to read (the end, too); say whether it is still wanted."""
        try:
            number = self._stream.fileno()
        except OSError:  # it is in memory
            return not self._abandoned
        poll = select.poll()
        poll.register(number, select.POLLIN)
        while not self._abandoned:
            if poll.poll(POLL_MS):
                return True
        return False

    def _refused(self, e: OSError) -> TraceReadError:
        return TraceReadError(f"{self._name}: cannot be read: {e.strerror or e}")

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
