"""The bytes of one trace, as the readers of the formats take them."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from traceview.errors import TraceNotFoundError, TraceReadError
from traceview.source.raw import RawBytes, Unread
from traceview.source.stream import Stream

__all__ = ["DEFAULT_CHUNK", "HEAD_BYTES", "STDIN", "ByteSource", "ReadInto"]

DEFAULT_CHUNK = 1 << 23
"""Bytes asked for at a time; memory holds a few of these, whatever the size of the file."""
HEAD_BYTES = 1 << 16
"""How many bytes a format may look at to recognise itself."""
STDIN = "-"

ReadInto = Callable[[memoryview], int]
"""Fills the front of a view with the next bytes and returns how many: fewer than fit only near the end, 0 there."""


class ByteSource:
    """The bytes of one trace, unpacked where they are compressed with gzip, xz, zstd or bzip2.

    `name` is what people are shown. A file can be read again and again; stdin (``-``) and named pipes (such as the
    shell makes of ``<(ssh host cat trace.log.xz)``) only once, so their head is kept for the reader that comes after
    detection. With `max_bytes`, reading stops after that many (unpacked) bytes.

    `cut` says why the last reading, or look at the head, ended before the trace did: a compressed file that ends early
    or is damaged, a file that became shorter meanwhile, a disk error, or `max_bytes`; "" if it did not. `cause` is the
    cause of the gap that this is (`traceview.events.CAUSES`), `missing` how many bytes are missing, where that is
    known. `damaged` says that what was delivered before may be wrong, too. `unread` is what the system could not read
    in the middle: zeros were given for it.
    """

    def __init__(self, path: str | Path, *, chunk_bytes: int = DEFAULT_CHUNK, max_bytes: int | None = None) -> None:
        if chunk_bytes < 1:
            raise ValueError("chunk_bytes must be at least 1")
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        self.path = str(path)
        self.chunk_bytes = chunk_bytes
        self.max_bytes = max_bytes
        self._forget()
        self.on_bytes: Callable[[int], None] | None = None
        """Called as the bytes are read with how many of the file's it were, compressed if it is (for progress)."""
        self.once = self.is_stdin or _is_pipe(self.path)
        """Whether the bytes can be read but once."""
        self._stream: Stream | None = None
        self._kept_head: bytes | None = None
        self._compression: str | None = None
        self._used = False

    def _forget(self) -> None:
        """Begin anew with what is known of the end."""
        self.cut = ""
        self.cause = "cut"
        self.missing: int | None = None
        self.damaged = False
        self.unread: Sequence[Unread] = ()

    def _learn(self, stream: Stream) -> None:
        """Take over what an opened stream knows of its end."""
        self.cut, self.cause, self.missing = stream.cut, stream.cause, stream.missing
        self.damaged, self.unread = stream.damaged, stream.unread

    @property
    def absolute(self) -> str:
        """The path from the root, by which another process finds the file; ``<stdin>``."""
        return self.name if self.is_stdin else str(Path(self.path).absolute())

    @property
    def is_stdin(self) -> bool:
        """Whether the bytes come from standard input."""
        return self.path == STDIN

    @property
    def name(self) -> str:
        """What to call the source in messages."""
        return "<stdin>" if self.is_stdin else self.path

    @property
    def compression(self) -> str:
        """How it is compressed, by its first bytes: gzip, xz, zstd, bzip2, or "". Raises as `head` does."""
        if self._compression is None:
            self.head()
        assert self._compression is not None
        return self._compression

    def size(self) -> int | None:
        """Return the size in bytes on the disk, or None where it cannot be known beforehand."""
        if self.is_stdin:
            return None
        try:
            info = Path(self.path).stat()
        except OSError:
            return None
        return info.st_size if stat.S_ISREG(info.st_mode) else None

    def head(self) -> bytes:
        """Return up to `HEAD_BYTES` first bytes, whatever `max_bytes` is, without using them up.

        Where those are all zeros, they are the first that are not.

        Raises as `chunks` does.
        """
        if self._kept_head is not None:
            return self._kept_head
        if not self.once:
            with self._opened() as stream:
                head, zeros = self._first(stream)
            if zeros:  # they are not to be passed over each time
                self._kept_head = head
            return head
        stream = self._begun()
        try:
            self._kept_head, zeros = self._first(stream)
        except TraceReadError:
            self._close(stream)
            raise
        stream.give_back(self._kept_head, zeros)
        self._stream = stream
        return self._kept_head

    def _first(self, stream: Stream) -> tuple[bytes, int]:
        """Return the first bytes, and how many zeros stand before them where there are more than a format may look at.

        A log that was truncated while QEMU wrote it begins with a hole as long as it was.
        """
        room = memoryview(bytearray(HEAD_BYTES))
        zeros = 0
        while True:
            got = stream.read_into(room)
            head = bytes(room[:got])
            if got < len(room):
                self._learn(stream)
            if got < len(room) or head.strip(b"\0"):
                break
            zeros += got
        if zeros:
            rest = head.lstrip(b"\0") or bytes(HEAD_BYTES)  # there is nothing else
            zeros += len(head) - len(rest)
            head = rest
        return head, zeros

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order, `chunk_bytes` at a time.

        Raises
        ------
        TraceNotFoundError
            The file is not there.
        TraceReadError
            The operating system refused, stdin or a pipe is asked for a second time, or unpacking would take too much
            memory.
        """
        with self.reading() as read_into:
            room = memoryview(bytearray(self.chunk_bytes))
            while got := read_into(room):
                yield bytes(room[:got])

    @contextmanager
    def reading(self) -> Iterator[ReadInto]:
        """Open the source for reading; give what fills a caller's buffer with the next bytes. Raises as `chunks` does.

        A plain file is read straight into the buffer; what is compressed is unpacked in a thread meanwhile, which has
        ended when the context is left, however that is.
        """
        if self.once and self._used:
            raise TraceReadError(f"{self.name} can be read only once: save it to a file first")
        self._used = True
        self._forget()
        with self._opened() as stream, stream.ahead():
            yield _Reading(self, stream).read_into

    @contextmanager
    def _opened(self) -> Iterator[Stream]:
        stream = self._stream or self._begun()
        try:
            yield stream
        finally:
            self._close(stream)

    def _begun(self) -> Stream:
        raw = RawBytes(self._open(), self.name)
        try:
            stream = Stream(raw, self.name)
        except TraceReadError:
            self._close(raw)
            raise
        self._compression = stream.compression
        return stream

    def _close(self, opened: Stream | RawBytes) -> None:
        if not self.is_stdin:  # that is not ours
            opened.close()

    def _open(self) -> BufferedIOBase:
        if self.is_stdin:
            return cast(BufferedIOBase, sys.stdin.buffer)
        try:
            return open(self.path, "rb")
        except FileNotFoundError as e:
            raise TraceNotFoundError(f"{self.path}: no such file") from e
        except OSError as e:
            raise TraceReadError(f"{self.name}: cannot be read: {e.strerror or e}") from e


class _Reading:
    """One reading of a source: keeps to its `max_bytes`, tells its `on_bytes`, says why it was cut."""

    def __init__(self, source: ByteSource, stream: Stream) -> None:
        self._source = source
        self._stream = stream
        self._left = source.max_bytes
        self._told = 0

    def read_into(self, view: memoryview) -> int:
        room = view if self._left is None else view[: self._left]
        got = self._stream.read_into(room)
        if got < len(room) or self._stream.unread:
            self._source._learn(self._stream)
        if self._left is not None and got:
            self._left -= got
            if self._left == 0:
                self._stop()
        self._tell()
        return got

    def _stop(self) -> None:
        """Say what follows the last byte that is wanted: more, or nothing."""
        more = self._stream.read_into(memoryview(bytearray(1)))
        self._source._learn(self._stream)
        if more:
            self._source.cut = f"stopped after {self._source.max_bytes} bytes (--max-bytes)"
            self._source.cause, self._source.missing, self._source.damaged = "cut", None, False

    def _tell(self) -> None:
        taken, self._told = self._stream.taken - self._told, self._stream.taken
        if taken and self._source.on_bytes is not None:
            self._source.on_bytes(taken)


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False  # opening it says what is wrong
