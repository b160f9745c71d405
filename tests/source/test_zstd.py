"""zstd frames, walked by their blocks."""

from __future__ import annotations

import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.source.test_packed import TEXT, unpacked
from tests.writers import PACK, MemorySource
from traceview.errors import TraceReadError
from traceview.source.zstd import MAX_WINDOW

MAGIC = b"\x28\xb5\x2f\xfd"
LAST, RLE = 1, 1 << 1


def block(flags: int, size: int, content: bytes) -> bytes:
    return (flags | size << 3).to_bytes(3, "little") + content


@given(
    level=st.sampled_from([-5, 1, 3, 19]), checksum=st.booleans(), sized=st.booleans(),
    flushes=st.lists(st.integers(0, 5000)),
)  # fmt: skip
def test_frames_are_read_whatever_their_header_says_and_however_they_were_flushed(
    level: int, checksum: bool, sized: bool, flushes: list[int]
) -> None:
    data = TEXT[: sum(flushes)]
    writer = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=sized).compressobj(
        len(data) if sized else -1
    )
    packed, at = b"", 0
    for size in flushes:
        packed += writer.compress(data[at : at + size]) + writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        at += size
    packed += writer.compress(data[at:]) + writer.flush()
    got, source = unpacked(packed)
    assert (got, source.compression, source.cut) == (data, "zstd", "")


def test_skippable_frames_are_skipped_before_between_and_behind_the_others() -> None:
    skipped = b"\x5e\x2a\x4d\x18" + struct.pack("<I", 100_000) + b"x" * 100_000
    empty = b"\x50\x2a\x4d\x18" + struct.pack("<I", 0)
    frame = PACK["zstd"](TEXT)
    got, source = unpacked(empty + skipped + frame + skipped + empty + frame + skipped)
    assert (got, source.compression, source.cut) == (TEXT * 2, "zstd", "")
    assert unpacked(frame + skipped[:-1])[1].cut == f"the zstd stream ends early, after {len(TEXT)} bytes unpacked"


def test_blocks_of_one_byte_repeated_and_blocks_as_they_are_are_read() -> None:
    window = bytes([7 << 3])
    packed = MAGIC + b"\0" + window + block(RLE, 100_000, b"x") + block(0, 3, b"abc") + block(LAST, 0, b"")
    assert unpacked(packed)[0] == b"x" * 100_000 + b"abc"


def test_a_block_of_a_kind_that_is_not_defined_is_damage() -> None:
    got, source = unpacked(MAGIC + b"\0" + bytes([7 << 3]) + block(0, 3, b"abc") + block(3 << 1, 9, b"x" * 9))
    assert got == b"abc"
    assert source.damaged


@pytest.mark.parametrize(("exponent", "size"), [(18, "256"), (20, "1024"), (21, "2048")])
def test_a_window_that_takes_too_much_memory_is_refused(exponent: int, size: str) -> None:
    with pytest.raises(TraceReadError, match=rf"memory: it needs {size} MiB .* 128 MiB .* --long={10 + exponent} FILE"):
        MemorySource(MAGIC + b"\0" + bytes([exponent << 3]) + block(LAST, 3, b"abc")).head()


def test_the_largest_window_that_is_allowed_is_read() -> None:
    exponent = (MAX_WINDOW >> 10).bit_length() - 1
    assert unpacked(MAGIC + b"\0" + bytes([exponent << 3]) + block(LAST, 3, b"abc"))[0] == b"abc"


def test_a_frame_that_needs_a_dictionary_is_refused() -> None:
    with pytest.raises(TraceReadError, match=r"memory: it was compressed with a dictionary \(number 7\)"):
        MemorySource(MAGIC + b"\1" + bytes([7 << 3]) + b"\7" + block(LAST, 3, b"abc")).head()
