"""An opened source: its unpacked bytes, once from front to back, whether it is compressed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from traceview.source.ahead import ReadAhead
from traceview.source.packed import MAGIC_BYTES, Unpacker, compression_of
from traceview.source.raw import RawBytes, Unread

__all__ = ["Stream"]

LOT_BYTES = 1 << 20
"""How much is unpacked before it is handed from thread to thread."""
_ZEROS = memoryview(bytes(1 << 20))
Lot = tuple[list[bytes], int]
"""Unpacked pieces, and how many bytes of the file had been taken when they were made."""


class Stream:
    """Bytes of an open file, unpacked. `taken` counts bytes of the file itself."""

    def __init__(self, raw: RawBytes, name: str) -> None:
        self._raw = raw
        self.compression = compression_of(raw.peek(MAGIC_BYTES))
        self._unpacker = Unpacker(self.compression, raw.read, name) if self.compression else None
        self._ahead: ReadAhead[Lot] | None = None
        self._pieces: list[memoryview] = []
        """Unpacked and not yet given out, the next one last."""
        self._taken_ahead = 0

    @property
    def taken(self) -> int:
        """How many bytes of the file, compressed if it is, what was given out has taken."""
        return self._raw.taken if self._ahead is None else self._taken_ahead

    @property
    def cut(self) -> str:
        """Say at the end why it came early, "" where it did not."""
        if self._unpacker is None:
            return self._raw.cut
        return f"{self._unpacker.cut}: {self._raw.cut}" if self._unpacker.cut and self._raw.cut else self._unpacker.cut

    @property
    def cause(self) -> str:
        """The cause of the gap that this is."""
        if self._raw.cut:
            return self._raw.cause
        return "compressed-early" if self._unpacker is not None and self._unpacker.early else "cut"

    @property
    def missing(self) -> int | None:
        """How many bytes are missing then, where that is known."""
        return self._raw.missing if self._unpacker is None else None

    @property
    def unread(self) -> Sequence[Unread]:
        """What the system could not read; zeros were given for it."""
        return self._raw.unread

    @property
    def damaged(self) -> bool:
        """Whether bytes that were given out may be wrong."""
        return self._unpacker is not None and self._unpacker.damaged

    def read_into(self, view: memoryview) -> int:
        """Fill the front of `view`, all of it unless the end comes first; return the number of bytes."""
        done = 0
        while done < len(view) and (self._pieces or self._refill()):
            piece = self._pieces.pop()
            size = min(len(piece), len(view) - done)
            view[done : done + size] = piece[:size]
            done += size
            if size < len(piece):
                self._pieces.append(piece[size:])
        if self._unpacker is None:
            done += self._raw.read_into(view[done:])
        return done

    def give_back(self, data: bytes, zeros: int = 0) -> None:
        """Make bytes the next ones again, with so many zeros before them (which take no memory)."""
        if data:
            self._pieces.append(memoryview(data))
        self._pieces += [_ZEROS] * (zeros // len(_ZEROS))
        if zeros % len(_ZEROS):
            self._pieces.append(_ZEROS[: zeros % len(_ZEROS)])

    def _refill(self) -> bool:
        """Fetch more unpacked pieces; say whether there are any."""
        if self._unpacker is None:
            return False
        if self._ahead is None:
            self.give_back(self._unpacker.read())
        elif (lot := self._ahead.take()) is not None:
            pieces, self._taken_ahead = lot
            self._pieces = [memoryview(p) for p in reversed(pieces)]
        else:  # it has stopped reading
            self._taken_ahead = self._raw.taken
        return bool(self._pieces)

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Unpack in a thread of its own meanwhile, if there is anything to unpack; afterwards nothing more is read."""
        if self._unpacker is None:
            yield
            return
        self._taken_ahead = self._raw.taken
        with ReadAhead(self._lot) as self._ahead:
            try:
                yield
            finally:
                self._raw.abandon()

    def _lot(self) -> Lot | None:
        assert self._unpacker is not None
        pieces: list[bytes] = []
        size = 0
        while size < LOT_BYTES and (piece := self._unpacker.read()):
            pieces.append(piece)
            size += len(piece)
        return (pieces, self._raw.taken) if pieces else None

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
