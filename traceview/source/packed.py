"""Compressed bytes as a stream: gzip, xz, zstd and bzip2, known by their first bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from traceview.errors import TraceReadError

__all__ = ["MAGIC_BYTES", "Unpacker", "compression_of"]

FIRST_INPUT, MOST_INPUT = 1 << 6, 1 << 16
"""Compressed bytes read at a time: few at first, more later on."""
FIRST_OUTPUT, MOST_OUTPUT = 1 << 9, 1 << 18
"""Bytes unpacked at a time: few at first, never more than the second, whatever the input asks for.

A library that meets damage loses what it unpacked in the same call (isal also what it unpacked ahead of it), so that
calls begin small and grow slowly: what is lost is little beside what was delivered.
"""
GROWTH = 16
"""Beyond the first sizes, a call takes and makes one part in so many of what the calls before it did."""
MAX_XZ_MEMORY = 192 << 20
"""Enough for every preset of xz and for windows of 128 MiB; a header of a few bytes may ask for 4 GiB."""
MAGIC_BYTES = 10


class Decompressor(Protocol):
    """What the libraries offer for one gzip member, xz or bzip2 stream, or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Library:
    begin: Callable[[], Decompressor]
    damage: tuple[type[Exception], ...]
    refused: tuple[type[Exception], ...] = ()


def _gzip() -> _Library:
    from isal import igzip_lib  # noqa: PLC0415  (only where a trace is compressed so; the same below)

    error = cast(type[Exception], igzip_lib.IsalError)  # its types take the class for an instance
    return _Library(lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), (error,))


def _xz() -> _Library:
    import lzma  # noqa: PLC0415

    return _Library(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_XZ_MEMORY), (lzma.LZMAError,))


def _zstd() -> _Library:
    import zstandard  # noqa: PLC0415

    from traceview.source.zstd import ZstdFrame, ZstdRefusedError  # noqa: PLC0415

    return _Library(ZstdFrame, (zstandard.ZstdError,), (ZstdRefusedError,))


def _bzip2() -> _Library:
    import bz2  # noqa: PLC0415

    return _Library(bz2.BZ2Decompressor, (OSError, ValueError))


_KINDS: dict[str, tuple[re.Pattern[bytes], Callable[[], _Library]]] = {
    "gzip": (re.compile(rb"\x1f\x8b\x08"), _gzip),
    "xz": (re.compile(rb"\xfd7zXZ\x00"), _xz),
    "zstd": (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _zstd),  # a frame, or a skippable one
    "bzip2": (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), _bzip2),  # a block, or the end of an empty stream
}


def compression_of(head: bytes) -> str:
    """Return how data are compressed ("gzip", "xz", "zstd", "bzip2"; "" if not), by their first `MAGIC_BYTES` bytes."""
    return next((kind for kind, (magic, _) in _KINDS.items() if magic.match(head)), "")


class Unpacker:
    """Unpacks a stream: all its members one after the other, zeros between and behind them passed over.

    `kind` is one of `compression_of`, `read` returns up to so many compressed bytes (none at their end), `name` is
    what people call the file. `cut` says at the end why it came early ("" where it did not), `damaged` that bytes which
    were already given out may be wrong as well: a checksum stands behind what it speaks for; `early` that its bytes end
    before it does.
    """

    def __init__(self, kind: str, read: Callable[[int], bytes], name: str) -> None:
        self._kind = kind
        self._name = name
        self._read = read
        self._magic, load = _KINDS[kind]
        self._library = load()
        self._input = b""
        self._member: Decompressor | None = None
        self._packed = self._unpacked = 0
        self._over = False
        self.cut = ""
        self.damaged = self.early = False

    def read(self) -> bytes:
        """Return the next bytes, no more than `MOST_OUTPUT`; none at the end.

        Raises TraceReadError for a stream that would need too much memory or a dictionary.
        """
        while not self._over:
            self._member = self._member or self._next_member()
            if self._member is not None and (piece := self._piece(self._member)):
                self._unpacked += len(piece)
                return piece
        return b""

    def _next_member(self) -> Decompressor | None:
        """Begin the next member; without one, it is over."""
        while len(self._input) < MAGIC_BYTES and (more := self._more()):
            self._input = (self._input + more).lstrip(b"\0")
        if self._magic.match(self._input):
            return self._library.begin()
        self._over = True
        if self._input:
            self.cut = f"after {self._unpacked} bytes unpacked, the {self._kind} stream goes on with other bytes"
        return None

    def _piece(self, member: Decompressor) -> bytes:
        data, self._input = self._input, b""
        ended = False
        if not data and member.needs_input:
            data = self._more()
            ended = not data
        try:
            piece = member.decompress(data, _grown(self._unpacked, FIRST_OUTPUT, MOST_OUTPUT))
        except self._library.refused as e:
            raise TraceReadError(f"{self._name}: {e}") from e
        except self._library.damage as e:
            if "limit" in str(e):  # lzma has no type of its own for it
                raise TraceReadError(
                    f"{self._name}: it needs more memory to be unpacked than the {MAX_XZ_MEMORY >> 20} MiB that are "
                    "allowed; if you trust it: xz -dc FILE | traceview scan -"
                ) from e
            self._over = self.damaged = True
            self.cut = f"the {self._kind} stream is damaged, after {self._unpacked} bytes unpacked: {e}"
            return b""
        if member.eof:
            self._input, self._member = member.unused_data.lstrip(b"\0"), None
        elif ended and not piece:
            self._over = self.early = True
            self.cut = f"the {self._kind} stream ends early, after {self._unpacked} bytes unpacked"
        return piece

    def _more(self) -> bytes:
        data = self._read(_grown(self._packed, FIRST_INPUT, MOST_INPUT))
        self._packed += len(data)
        return data


def _grown(before: int, first: int, most: int) -> int:
    return min(max(before // GROWTH, first), most)
