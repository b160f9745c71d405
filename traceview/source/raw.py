"""The bytes as they lie in a file or come through a pipe, before anything is unpacked.

What the system cannot read of a file (a bad disk) is passed over block by block, as far as it lets that be done: zeros
are given in its place, so that everything behind it stands where it stood.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from dataclasses import dataclass
from io import BufferedIOBase

from traceview.errors import TraceReadError

__all__ = ["BLOCK", "MOST_BLOCKS", "RawBytes", "Unread"]

POLL_MS = 100
"""How long a wait for a pipe lasts before it is looked whether anybody still wants its bytes."""
BLOCK = 4096
"""So many bytes are passed over where the system cannot read them."""
MOST_BLOCKS = 1024
"""So many blocks are tried: each may take the disk seconds."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Bytes of a file, from `at` on, that the system could not read: zeros were given for them. `why` is its error."""

    at: int
    size: int
    why: str


class RawBytes:
    """An open file, read once from front to back. Every method raises `TraceReadError` where the system refuses.

    `name` is what people call the file; `taken` is how many of its bytes were given out. `unread` are those that the
    system could not read. At the end, `cut` says why it came early ("" where it did not), `cause` the cause of the gap
    that this is, and `missing` how many bytes are known to be missing.
    """

    def __init__(self, stream: BufferedIOBase, name: str) -> None:
        self._stream = stream
        self._name = name
        self._peeked = b""
        self._abandoned = False
        self._size = _size_of(stream)
        self.taken = 0
        self.unread: list[Unread] = []
        self.cut = ""
        self.cause = "cut"
        self.missing: int | None = None

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
        while done < len(view) and not self.cut:
            try:
                got = self._stream.readinto(view[done:])
            except OSError as e:
                got = self._pass_over(view[done:], self.taken + done, e)
            if not got:
                self._end(self.taken + done)
                break
            done += got
        self.taken += done
        return done

    def read(self, count: int) -> bytes:
        """Return what can be had, up to `count` bytes, waiting for the first; none at the end or when abandoned."""
        data, self._peeked = self._peeked[:count], self._peeked[count:]
        try:
            if not data and not self.cut and self._wait():
                data = self._stream.read1(count)
        except OSError as e:
            self._give_up(e, self.taken)
        self.taken += len(data)
        return data

    def _pass_over(self, view: memoryview, at: int, e: OSError) -> int:
        """Fill the front of `view` block by block, up to and with the first that cannot be read; return the number."""
        if e.errno != errno.EIO or not self._size:
            self._give_up(e, at)
            return 0
        done = 0
        failed = False
        while done < len(view) and not failed and at + done < self._size:
            place = at + done
            size = min(len(view) - done, BLOCK - place % BLOCK, self._size - place)
            try:
                self._stream.seek(place)
                data = self._stream.read(size)
            except OSError as again:
                failed = True
                self._note_unread(place, size, again)
                data = bytes(size)
                self._stream.seek(place + size)
            if not data:
                break
            view[done : done + len(data)] = data
            done += len(data)
        if sum(-(-u.size // BLOCK) for u in self.unread) > MOST_BLOCKS:
            self.cut = f"more than {MOST_BLOCKS} blocks could not be read: the rest is not tried"
            self.cause, self.missing = "disk-error", self._size - at - done
        return done

    def _note_unread(self, at: int, size: int, e: OSError) -> None:
        if self.unread and self.unread[-1].at + self.unread[-1].size == at:
            last = self.unread.pop()
            at, size = last.at, last.size + size
        self.unread.append(Unread(at, size, e.strerror or str(e)))

    def _give_up(self, e: OSError, at: int) -> None:
        """End where the system cannot read and nothing can be passed over. Raises where nothing was read before."""
        if not at or e.errno != errno.EIO:
            raise self._refused(e) from e
        self.cut = f"the system cannot read on: {e.strerror or e}"
        self.cause = "disk-error"
        self.missing = max(self._size - at, 0) if self._size else None

    def _end(self, at: int) -> None:
        """Look, at the end, whether it is where it was when the file was opened."""
        now = _size_of(self._stream)
        if self.cut or not self._size:
            return
        if at < self._size:
            self.cut = f"the file became shorter while it was read: its last {self._size - at} bytes are gone"
            self.cause, self.missing = "shrunk", self._size - at
        elif now > at:
            self.cut = f"the file became longer while it was read: what follows {at} bytes is not looked at"
            self.cause, self.missing = "grown", now - at

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


def _size_of(stream: BufferedIOBase) -> int:
    """Return the size of an open file, 0 of what has none."""
    try:
        info = os.fstat(stream.fileno())
    except OSError:  # it is in memory
        return 0
    return info.st_size if stat.S_ISREG(info.st_mode) else 0
