"""One zstd frame, unpacked block by block.

The library's own streams do not say whether the input ended inside a frame, and lose with an error what stood before
it in the same call. So the frame is walked here, by RFC 8878: header, blocks with three bytes before each, checksum.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import zstandard

__all__ = ["MAX_WINDOW", "ZstdFrame", "ZstdRefusedError"]

MAX_WINDOW = 128 << 20
"""The largest window that is unpacked, as by ``zstd -d``: a header of a few bytes may ask for any amount of memory."""
_FRAME = b"\x28\xb5\x2f\xfd"
_RLE = 1
_SKIP_BYTES = 1 << 16


class ZstdRefusedError(ValueError):
    """A sound frame that is not unpacked; the message says why, and what to do."""


class ZstdFrame:
    """A decompressor of one frame, to be used like `bz2.BZ2Decompressor`; a skippable frame unpacks to nothing.

    `decompress` raises `ZstdRefusedError`, and `zstandard.ZstdError` for damage.
    """

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._input = b""
        self._at = 0
        self._pieces = self._walk()

    def decompress(self, data: bytes, _max_length: int, /) -> bytes:
        """Return what the next block unpacks to: never more than 128 KiB, by the format."""
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        self.needs_input = False
        for piece in self._pieces:
            if piece is None:
                self.needs_input = True
                return b""
            if piece:
                return piece
        self.eof = True
        self.unused_data = self._input[self._at :]
        return b""

    def _walk(self) -> Iterator[bytes | None]:
        """Yield what each block unpacks to, None where more input is needed."""
        magic = yield from self._take(4)
        if magic != _FRAME:
            left = int.from_bytes((yield from self._take(4)), "little")
            while left:
                left -= len((yield from self._take(min(left, _SKIP_BYTES))))
            return
        header = magic + (yield from self._take(1))
        header += yield from self._take(zstandard.frame_header_size(header) - len(header))
        frame = zstandard.get_frame_parameters(header)
        _check(frame)
        unpack = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj().decompress
        unpack(header)
        last = False
        while not last:
            block = yield from self._take(3)
            yield unpack(block)
            bits = int.from_bytes(block, "little")
            last, kind, size = bool(bits & 1), bits >> 1 & 3, bits >> 3
            if size or kind == _RLE:  # the object is done for with the header of an empty last block
                yield unpack((yield from self._take(1 if kind == _RLE else size)))
        if frame.has_checksum:
            unpack((yield from self._take(4)))

    def _take(self, size: int) -> Generator[None, None, bytes]:
        """Return the next `size` bytes of the input; yields while they are not there."""
        while len(self._input) - self._at < size:
            yield None
        taken = self._input[self._at : self._at + size]
        self._at += size
        return taken


def _check(frame: zstandard.FrameParameters) -> None:
    if frame.window_size > MAX_WINDOW:
        bits = (frame.window_size - 1).bit_length()
        raise ZstdRefusedError(
            f"it needs {frame.window_size >> 20} MiB of memory to be unpacked, more than the {MAX_WINDOW >> 20} MiB "
            f"that are allowed; if you trust it: zstd -dc --long={bits} FILE | traceview scan -"
        )
    if frame.dict_id:
        raise ZstdRefusedError(
            f"it was compressed with a dictionary (number {frame.dict_id}), without which it cannot be unpacked: "
            "zstd -dc -D DICTIONARY FILE | traceview scan -"
        )
