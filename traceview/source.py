"""Where the bytes are: a file, a directory, stdin or a pipe, read from front to back in bounded pieces."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from traceview.errors import TraceNotFoundError, TraceReadError

__all__ = ["DEFAULT_CHUNK", "HEAD_BYTES", "STDIN", "ByteSource", "find_files"]

DEFAULT_CHUNK = 1 << 20
"""Bytes asked for at a time; memory holds a few of these, whatever the size of the file."""
HEAD_BYTES = 1 << 16
"""How many bytes a format may look at to recognise itself."""
STDIN = "-"


class ByteSource:
    """The bytes of one trace.

    `name` is what people are shown. A file can be read again and again; stdin (``-``) and named pipes (such as the
    shell makes of ``<(xzcat trace.log.xz)``) only once, so their head is kept for the reader that comes after
    detection.
    """

    def __init__(self, path: str | Path, *, chunk_bytes: int = DEFAULT_CHUNK) -> None:
        if chunk_bytes < 1:
            raise ValueError("chunk_bytes must be at least 1")
        self.path = str(path)
        self.chunk_bytes = chunk_bytes
        self._once = self.is_stdin or _is_pipe(self.path)
        self._stream: BinaryIO | None = None
        self._kept_head: bytes | None = None
        self._used = False
        self.on_bytes: Callable[[int], None] | None = None
        """Called with the size of each piece as it is read (for progress)."""

    @property
    def is_stdin(self) -> bool:
        """Whether the bytes come from standard input."""
        return self.path == STDIN

    @property
    def name(self) -> str:
        """What to call the source in messages."""
        return "<stdin>" if self.is_stdin else self.path

    def size(self) -> int | None:
        """Return the size in bytes, or None where it cannot be known beforehand."""
        if self.is_stdin:
            return None
        try:
            info = Path(self.path).stat()
        except OSError:
            return None
        return info.st_size if stat.S_ISREG(info.st_mode) else None

    def head(self) -> bytes:
        """Return up to `HEAD_BYTES` first bytes without using them up."""
        if not self._once:
            with self._open() as f:
                return self._first(f)
        if self._kept_head is None:
            self._stream = sys.stdin.buffer if self.is_stdin else self._open()
            self._kept_head = self._first(self._stream)
        return self._kept_head

    def _first(self, f: BinaryIO) -> bytes:
        try:
            return _read_up_to(f, HEAD_BYTES)
        except OSError as e:
            raise self._failed(e) from e

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order, `chunk_bytes` at a time. Raises what `reading` raises."""
        buffer = bytearray(self.chunk_bytes)
        with self.reading() as read_into, memoryview(buffer) as view:
            while count := read_into(view):
                yield bytes(view[:count])

    @contextmanager
    def reading(self) -> Iterator[Callable[[memoryview], int]]:
        """Give a function that fills the front of a buffer with the next bytes and returns how many (0 at the end).

        Raises
        ------
        TraceNotFoundError
            The file is not there.
        TraceReadError
            The operating system refused, or stdin or a pipe is asked for a second time.
        """
        if not self._once:
            with self._open() as f:
                yield partial(self._read_into, f)
            return
        if self._used:
            raise TraceReadError(f"{self.name} can be read only once: save it to a file first")
        self._used = True
        head = memoryview(self.head())
        assert self._stream is not None
        stream = self._stream

        def read_into(view: memoryview) -> int:
            nonlocal head
            if not head:
                return self._read_into(stream, view)
            count = min(len(view), len(head))
            view[:count] = head[:count]
            head = head[count:]
            return self._counted(count)

        try:
            yield read_into
        finally:
            if not self.is_stdin:
                stream.close()

    def _read_into(self, f: BinaryIO, view: memoryview) -> int:
        try:
            return self._counted(f.readinto(view))  # type: ignore[attr-defined]
        except OSError as e:
            raise self._failed(e) from e

    def _counted(self, count: int) -> int:
        if self.on_bytes is not None and count:
            self.on_bytes(count)
        return count

    def _open(self) -> BinaryIO:
        try:
            return open(self.path, "rb", buffering=0)
        except FileNotFoundError as e:
            raise TraceNotFoundError(f"{self.path}: no such file") from e
        except OSError as e:
            raise self._failed(e) from e

    def _failed(self, e: OSError) -> TraceReadError:
        return TraceReadError(f"{self.name}: cannot be read: {e.strerror or e}")


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False  # opening it says what is wrong


def _read_up_to(f: BinaryIO, count: int) -> bytes:
    parts: list[bytes] = []
    while count > 0:
        piece = f.read(count)
        if not piece:
            break
        parts.append(piece)
        count -= len(piece)
    return b"".join(parts)


def find_files(path: str | Path) -> list[Path]:
    """Return the regular files below a directory, sorted; hidden files and folders are passed over.

    Links to folders are not followed. Raises `TraceNotFoundError` if the path is not there.
    """
    root = Path(path)
    if not os.path.exists(root):  # unlike Path.exists, it takes any refusal for "no"
        raise TraceNotFoundError(f"{root}: no such file or directory")
    if not root.is_dir():
        return [root]
    found = []
    for folder, dirs, files in os.walk(root):
        dirs[:] = sorted(d for d in dirs if not d.startswith("."))
        found += [p for f in files if not f.startswith(".") and (p := Path(folder, f)).is_file()]
    return sorted(found)
