"""Compressed bytes: what is recognised, what is delivered, and what is said of streams that are cut or damaged."""

from __future__ import annotations

import bz2
import lzma
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cli import IN_OWN_PROCESS
from tests.writers import PACK, MemorySource
from traceview.errors import TraceReadError
from traceview.source import ByteSource, compression_of
from traceview.source.packed import FIRST_OUTPUT, GROWTH, MAGIC_BYTES, MOST_OUTPUT, Unpacker

KINDS = sorted(PACK)
kinds = pytest.mark.parametrize("kind", KINDS)


def text(size: int, seed: int = 0) -> bytes:
    """Return lines that compress like those of a trace."""
    rng = random.Random(seed)  # noqa: S311  (not for secrets)
    lines = (b"4711@%d.%06d:blk_aio_pwritev blk 0x55 offset %d\n" % (i, rng.getrandbits(19), rng.getrandbits(30))
             for i in range(size // 40 + 1))  # fmt: skip
    return b"".join(lines)[:size]


TEXT = text(200_000)
LONGEST_MATCH = 258
"""Bytes that one match of deflate makes at the most (RFC 1951, 3.2.5)."""
PACKED = {kind: pack(TEXT) for kind, pack in PACK.items()}


def unpacked(data: bytes, *, chunk_bytes: int = 1 << 20) -> tuple[bytes, ByteSource]:
    """Return what is delivered of compressed bytes, and the source to ask about it."""
    source = MemorySource(data, chunk_bytes=chunk_bytes)
    return b"".join(source.chunks()), source


def by_its_own_library(kind: str, data: bytes) -> bytes:
    """Return all that the reference makes of a stream's first bytes."""
    match kind:
        case "gzip":
            return zlib.decompressobj(31).decompress(data)
        case "xz":
            return lzma.LZMADecompressor().decompress(data)
        case "bzip2":
            return bz2.BZ2Decompressor().decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


# what is recognised


@kinds
@pytest.mark.parametrize("name", ["trace", "trace.log", "trace.zip"])
def test_a_compressed_file_is_known_by_its_content_not_by_its_name(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PACKED[kind])
    source = ByteSource(tmp_path / name)
    assert source.compression == kind
    assert b"".join(source.chunks()) == TEXT


@pytest.mark.parametrize("name", ["trace.gz", "trace.xz", "trace.zst", "trace.bz2"])
def test_a_plain_file_is_read_as_it_is_whatever_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(TEXT)
    source = ByteSource(tmp_path / name)
    assert source.compression == ""
    assert b"".join(source.chunks()) == TEXT


@pytest.mark.parametrize("head", [b"", b"\x1f\x8b", b"BZh is a word", b"BZh91AY&S", b"\xfd7zXZ", b"(\xb5/", b"P*M"])
def test_bytes_that_only_begin_like_a_compressed_stream_are_plain(head: bytes) -> None:
    assert compression_of(head) == ""
    assert unpacked(head)[0] == head


# what is delivered


@kinds
@given(data=st.binary(max_size=3000), chunk_bytes=st.integers(1, 4000))
def test_what_was_compressed_is_delivered_in_pieces_of_the_size_that_was_asked_for(
    kind: str, data: bytes, chunk_bytes: int
) -> None:
    source = MemorySource(PACK[kind](data), chunk_bytes=chunk_bytes)
    pieces = list(source.chunks())
    assert b"".join(pieces) == data
    assert all(len(p) == chunk_bytes for p in pieces[:-1])
    assert (source.cut, source.damaged) == ("", False)


@kinds
@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=5), padding=st.integers(0, 300))
def test_members_one_after_the_other_are_one_stream_and_zeros_between_them_are_nothing(
    kind: str, parts: list[bytes], padding: int
) -> None:
    got, source = unpacked((b"\0" * padding).join(PACK[kind](p) for p in parts) + b"\0" * padding)
    assert got == b"".join(parts)
    assert source.cut == ""


@kinds
def test_many_members_that_are_larger_than_any_buffer_are_one_stream(kind: str) -> None:
    got, source = unpacked(PACKED[kind] * 7 + b"\0" * 200_000)
    assert got == TEXT * 7
    assert source.cut == ""


@kinds
def test_an_empty_compressed_file_is_like_an_empty_file(kind: str) -> None:
    got, source = unpacked(PACK[kind](b""))
    assert (got, source.head(), source.cut) == (b"", b"", "")


@kinds
def test_no_call_unpacks_more_than_a_bounded_piece(kind: str) -> None:
    rest = [PACK[kind](b"\0" * 30_000_000)]
    unpacker = Unpacker(kind, lambda _count: rest.pop() if rest else b"", "memory")
    sizes = []
    while piece := unpacker.read():
        sizes.append(len(piece))
    assert sum(sizes) == 30_000_000
    assert max(sizes) <= MOST_OUTPUT


_BOMB = """
import resource, sys
from traceview.source import ByteSource
with ByteSource(sys.argv[1]).reading() as read_into:
    room = memoryview(bytearray(1 << 20))
    total = read_into(room)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while got := read_into(room):
        total += got
print(total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // (1024 if sys.platform == "darwin" else 1))
"""


@kinds
def test_the_memory_that_a_bomb_takes_stays_flat(kind: str, tmp_path: Path) -> None:
    member = PACK[kind](b"\0" * 100_000_000)
    (tmp_path / "bomb").write_bytes(member * 3)
    assert len(member) < 110_000
    done = subprocess.run(
        [sys.executable, "-c", _BOMB, tmp_path / "bomb"], env=IN_OWN_PROCESS, capture_output=True, text=True, check=True
    )
    total, grown_kib = map(int, done.stdout.split())
    assert total == 300_000_000
    assert grown_kib < 24 << 10


# what is cut


@kinds
@given(data=st.data())
def test_of_a_stream_that_ends_early_all_is_delivered_that_was_there(kind: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(MAGIC_BYTES, len(PACKED[kind]) - 1))
    got, source = unpacked(PACKED[kind][:at], chunk_bytes=data.draw(st.sampled_from([1000, 1 << 20])))
    there = by_its_own_library(kind, PACKED[kind][:at])
    assert there.startswith(got)
    assert len(there) - len(got) <= (8 if kind == "gzip" else 0), "isal looks a few bits further ahead than zlib"
    assert source.cut == f"the {kind} stream ends early, after {len(got)} bytes unpacked"
    assert not source.damaged


@kinds
@given(data=st.data())
def test_a_file_of_members_is_cut_unless_it_ends_with_one_of_them(kind: str, data: st.DataObject) -> None:
    parts = [b"a" * 10, text(3000), b"", text(50, 1)]
    packed = [PACK[kind](p) for p in parts]
    whole = b"".join(packed)
    at = data.draw(st.integers(MAGIC_BYTES, len(whole)))
    got, source = unpacked(whole[:at])
    assert b"".join(parts).startswith(got)
    ends = {sum(map(len, packed[: i + 1])) for i in range(len(packed))}
    assert (source.cut == "") == (at in ends)
    assert not source.damaged


@kinds
@pytest.mark.parametrize(
    "behind", [b"x", b"not compressed\n" * 20, b"\0\0\0not compressed\n", b"\x1f\x8b\x07" + b"x" * 20]
)
def test_other_bytes_behind_the_stream_are_not_lost_without_a_word(kind: str, behind: bytes) -> None:
    got, source = unpacked(PACKED[kind] + behind)
    assert got == TEXT
    assert source.cut == f"after {len(TEXT)} bytes unpacked, the {kind} stream goes on with other bytes"
    assert not source.damaged


# what is damaged


@kinds
@given(data=st.data())
def test_what_is_delivered_before_the_damage_is_right_and_all_but_a_little_of_it(
    kind: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(24, len(PACKED[kind]) - 1))
    flipped = bytearray(PACKED[kind])
    flipped[at] ^= data.draw(st.integers(1, 255))
    got, source = unpacked(bytes(flipped))
    sure = by_its_own_library(kind, PACKED[kind][:at])
    common = min(len(got), len(sure))
    assert got[:common] == sure[:common]
    # One call of the library is lost; isal unpacks a match that reaches beyond it whole, and loses that, too.
    ahead = LONGEST_MATCH if kind == "gzip" else 0
    assert len(got) >= len(sure) - max(FIRST_OUTPUT, len(sure) // GROWTH) - ahead
    if got != TEXT:
        assert source.cut
    if source.damaged:
        assert source.cut.startswith(f"the {kind} stream is damaged, after {len(got)} bytes unpacked: ")


@kinds
@given(data=st.data())
def test_no_damage_whatever_ends_in_anything_but_a_word_about_it(kind: str, data: st.DataObject) -> None:
    packed = bytearray(PACK[kind](text(500)))
    for _ in range(data.draw(st.integers(1, 8))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    assume(compression_of(bytes(packed)) == kind)
    try:
        _, source = unpacked(bytes(packed))
    except TraceReadError as e:
        assert str(e).startswith("memory: it ")  # noqa: PT017  (either is fine)
    else:
        assert source.cut or not source.damaged


@given(data=st.binary(max_size=300), kind=st.sampled_from(KINDS))
def test_noise_behind_a_magic_is_no_trace_and_no_crash(data: bytes, kind: str) -> None:
    try:
        unpacked(PACKED[kind][:MAGIC_BYTES] + data)
    except TraceReadError as e:
        assert str(e).startswith("memory: it ")  # noqa: PT017


# what is refused


def test_an_xz_header_that_asks_for_gigabytes_is_refused() -> None:
    packed = bytearray(PACKED["xz"])
    header = slice(12, 12 + (packed[12] + 1) * 4 - 4)  # of the first block, without its checksum
    assert packed[14:16] == b"\x21\x01", "LZMA2, and one byte for the size of its dictionary"
    packed[16] = 40  # 4 GiB
    packed[header.stop : header.stop + 4] = struct.pack("<I", zlib.crc32(packed[header]))
    with pytest.raises(TraceReadError, match=r"^memory: it needs more memory .* 192 MiB .* xz -dc FILE \| traceview"):
        MemorySource(bytes(packed)).head()


@pytest.mark.parametrize("preset", [0, 9, 9 | lzma.PRESET_EXTREME])
def test_every_preset_of_xz_is_read(preset: int) -> None:
    assert unpacked(lzma.compress(TEXT, preset=preset))[0] == TEXT


@pytest.mark.parametrize("check", [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
def test_every_checksum_of_xz_is_read(check: int) -> None:
    assert unpacked(lzma.compress(TEXT, check=check))[0] == TEXT
