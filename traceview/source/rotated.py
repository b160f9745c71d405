"""One trace that lies in several files: a log that was rotated, read from its oldest file to its newest as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from traceview.source.bytes import DEFAULT_CHUNK, HEAD_BYTES, ByteSource, ReadInto

__all__ = ["Joint", "Member", "Part", "RotatedSource"]

TAIL_BYTES = 1 << 20
"""So much of a file's end is searched for the beginning of the next one: what was copied and then not cut off."""
MOST_TRIES = 1000
"""So many places are tried at which it may begin: lines with times are not the same again and again."""
SAME_LINES = 3
"""So many lines at least must be the same for what stands twice to be one thing."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Something to be said of the place where one file ends and the next begins; `cause` is that of a gap."""

    byte_offset: int
    cause: str
    text: str


@dataclass(slots=True)
class Part:
    """One of the files: where it begins in the whole, as far as reading has come (-1 if it has not).

    `first_line` is such that a line of the whole, less it, plus one is the line in the file; so is `first_byte` (its
    beginning may stand in the file before it, too, and is passed over).
    """

    path: str
    begins: int = -1
    first_line: int = 1
    first_byte: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a trace that lies in several.

    Of rotated logs `first_line` and `first_byte` are those of the whole trace at which the file begins; of files of
    threads, which begin together, they are 1 and 0, and `thread` is whose it is. `left_out` says why nothing was read
    of it, ``""`` where it was.
    """

    path: str
    first_line: int = 1
    first_byte: int = 0
    thread: int | None = None
    left_out: str = ""


class RotatedSource(ByteSource):
    """The bytes of several files, the oldest first, one after the other; each unpacked by its own compression.

    It is called by the name of the newest. `before` has, for the place of a file among `paths`, what is to be said of
    the joint before it: cause and text. With `timed`, lines have times: what stands at the end of one file and again at
    the beginning of the next is passed over the second time, and said to be. `left_out` are files of the log that are
    not read, with the reasons.

    After a reading, or as it goes on, `parts` tells where the files begin, and `joints` what is to be said of joints.
    """

    def __init__(
        self, paths: Sequence[str | Path], *, chunk_bytes: int = DEFAULT_CHUNK, max_bytes: int | None = None,
        before: dict[int, tuple[str, str]] | None = None, timed: bool = False, left_out: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(paths[-1], chunk_bytes=chunk_bytes, max_bytes=max_bytes)
        self.paths = [str(p) for p in paths]
        self.before = dict(before or {})
        self.timed = timed
        self.left_out = dict(left_out or {})
        self.once = False
        self.parts = [Part(p) for p in self.paths]
        self.joints: list[Joint] = []

    def size(self) -> int | None:
        """Return the size of all files together on the disk, in bytes."""
        sizes = [ByteSource(p).size() for p in self.paths]
        return None if None in sizes else sum(s for s in sizes if s is not None)

    def head(self) -> bytes:
        """Return up to `HEAD_BYTES` first bytes of the whole. Raises as `chunks` does."""
        head = b""
        for path in self.paths:
            source = ByteSource(path)
            head += source.head()
            self._compression = source.compression if self._compression is None else self._compression
            if len(head) >= HEAD_BYTES:
                break
        return head[:HEAD_BYTES]

    @contextmanager
    def reading(self) -> Iterator[ReadInto]:
        """Open the files, one after the other, for reading (see `ByteSource.reading`)."""
        self._forget()
        self.parts, self.joints = [Part(p) for p in self.paths], []
        with ExitStack() as opened:
            yield _Joined(self, opened).read_into

    def place(self, line: int, byte_offset: int) -> tuple[str, int]:
        """Return in which file a line of the whole stands, and in which line there."""
        part = self.part_at(byte_offset)
        return part.path, line - part.first_line + 1

    def part_at(self, byte_offset: int) -> Part:
        """Return the file in which a byte of the whole stands."""
        begun = [p for p in self.parts if 0 <= p.begins <= byte_offset]
        return begun[-1] if begun else self.parts[0]


class _Joined:
    """One reading of the files."""

    def __init__(self, source: RotatedSource, opened: ExitStack) -> None:
        self._source = source
        self._opened = opened
        self._next = 0
        self._member: ByteSource | None = None
        self._read: ReadInto | None = None
        self._waiting = memoryview(b"")
        """Read from the current file, and not yet given out."""
        self._tail = b""
        self._given = self._lines = 0
        self._left = source.max_bytes

    def read_into(self, view: memoryview) -> int:
        room = view if self._left is None else view[: self._left]
        done = 0
        while done < len(room) and (self._read is not None or self._open()):
            got = self._take(room[done:])
            self._count(room[done : done + got])
            done += got
            if done < len(room):
                self._close()
        if self._left is not None and done:
            self._left -= done
            if self._left == 0 and self._more():
                self._source.cut = f"stopped after {self._source.max_bytes} bytes (--max-bytes)"
                self._source.cause, self._source.missing = "cut", None
        return done

    def _more(self) -> bool:
        """Say whether anything follows."""
        one = memoryview(bytearray(1))
        while self._read is not None or self._open():
            if self._take(one):
                return True
            self._close()
        return False

    def _take(self, view: memoryview) -> int:
        """Fill the front of a view from the current file; fewer bytes than fit only at its end."""
        done = min(len(self._waiting), len(view))
        view[:done], self._waiting = self._waiting[:done], self._waiting[done:]
        if done < len(view) and self._read is not None:
            done += self._read(view[done:])
        return done

    def _count(self, given: memoryview) -> None:
        self._given += len(given)
        self._lines += int(np.count_nonzero(np.frombuffer(given, dtype=np.uint8) == 0x0A))
        if self._source.timed and len(given):
            self._tail = (self._tail + bytes(given[-TAIL_BYTES:]))[-TAIL_BYTES:]

    def _open(self) -> bool:
        """Begin the next file; say whether there is one."""
        source = self._source
        if self._next == len(source.paths):
            return False
        number, self._next = self._next, self._next + 1
        member = self._member = ByteSource(source.paths[number], chunk_bytes=source.chunk_bytes)
        member.on_bytes = self._tell if source.on_bytes is not None else None
        self._read = self._opened.enter_context(member.reading())
        skipped = self._again() if number else b""
        part = source.parts[number]
        part.begins, part.first_byte = self._given, self._given - len(skipped)
        part.first_line = self._lines + 1 - skipped.count(b"\n")
        if number in source.before:
            source.joints.append(Joint(self._given, *source.before[number]))
        if skipped:
            lines = skipped.count(b"\n")
            text = f"{lines} lines at the beginning of {part.path} stand at the end of {source.paths[number - 1]}, too"
            source.joints.append(Joint(self._given, "duplicated", f"{text}: they count once"))
        self._tail = b""
        return True

    def _tell(self, count: int) -> None:
        if self._source.on_bytes is not None:
            self._source.on_bytes(count)

    def _again(self) -> bytes:
        """Pass over what the end of the file before has, too; return it."""
        if not self._source.timed or not self._tail:
            return b""
        room = memoryview(bytearray(TAIL_BYTES))
        assert self._read is not None
        begin = bytes(room[: self._read(room)])
        self._waiting = memoryview(begin)
        needle = _first_lines(begin)
        at = -1
        for _ in range(MOST_TRIES if needle else 0):
            at = self._tail.find(needle, at + 1)
            if at < 0:
                break
            again = self._tail[at:]
            if begin.startswith(again):
                self._waiting = self._waiting[len(again) :]
                return again
        return b""

    def _close(self) -> None:
        """End the current file; what was wrong with it is said of the joint behind it, or of the whole."""
        self._opened.close()
        self._read = None
        member, source = self._member, self._source
        self._member = None
        if member is None:
            return
        first = source.parts[self._next - 1].first_byte
        source.unread = [*source.unread, *(replace(u, at=u.at + first) for u in member.unread)]
        if not member.cut:
            return
        text = f"{member.name}: {member.cut}"
        if member.damaged or self._next == len(source.paths):
            source.cut, source.cause, source.missing = text, member.cause, member.missing
            source.damaged = source.damaged or member.damaged
        else:
            source.joints.append(Joint(self._given, member.cause, text))


def _first_lines(begin: bytes) -> bytes:
    """Return the first lines of a file, as many as must be the same; ``b""`` where there are fewer."""
    at = 0
    for _ in range(SAME_LINES):
        at = begin.find(b"\n", at) + 1
        if not at:
            return b""
    return begin[:at]
