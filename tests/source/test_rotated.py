"""Several files are read as one: at any cut, in pieces of any size, packed or not."""

from __future__ import annotations

import gzip
import itertools
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.source import ByteSource
from traceview.source.raw import RawBytes, Unread
from traceview.source.rotated import RotatedSource

LINES = [f"{4711 + i % 2}@1600000000.{i:06d}:virtio_notify vdev 0x{i:x} vq 0x1\n".encode() for i in range(40)]
PACK = (lambda data: data, gzip.compress, lzma.compress)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rotated")


_numbers = itertools.count()


def files(folder: Path, *parts: bytes) -> list[Path]:
    own = folder / str(next(_numbers))
    own.mkdir()
    paths = [own / f"vm.log.{len(parts) - i}" for i in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    return paths


def whole(source: ByteSource) -> bytes:
    return b"".join(source.chunks())


@given(
    data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=4), packing=st.lists(st.integers(0, 2)),
    chunk=st.integers(1, 70),
)  # fmt: skip
def test_all_bytes_come_once_and_in_order(
    folder: Path, data: bytes, cuts: list[int], packing: list[int], chunk: int
) -> None:  # fmt: skip
    edges = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(edges)]
    packed = [PACK[packing[i] if i < len(packing) else 0](part) for i, part in enumerate(parts)]
    source = RotatedSource(files(folder, *packed), chunk_bytes=chunk)
    assert whole(source) == data
    assert (source.cut, source.joints) == ("", [])
    assert source.head() == data
    assert whole(source) == data, "it can be read again"


def test_a_line_is_found_in_its_file(folder: Path) -> None:
    paths = files(folder, b"".join(LINES[:7]), b"", b"".join(LINES[7:20]), b"".join(LINES[20:]))
    source = RotatedSource(paths)
    whole(source)
    offset = 0
    for number, line in enumerate(LINES, 1):
        path, own = source.place(number, offset)
        assert Path(path).read_bytes().splitlines(keepends=True)[own - 1] == line
        offset += len(line)


def test_a_line_that_is_cut_by_the_rotation_is_of_the_file_in_which_it_begins(folder: Path) -> None:
    data = b"".join(LINES)
    at = len(LINES[0]) + 10
    paths = files(folder, data[:at], data[at:])
    source = RotatedSource(paths)
    assert whole(source) == data
    assert source.place(2, len(LINES[0])) == (str(paths[0]), 2)
    assert source.place(3, len(LINES[0]) + len(LINES[1])) == (str(paths[1]), 2)


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_what_was_copied_and_not_cut_off_comes_once(folder: Path, chunk: int) -> None:
    paths = files(folder, b"".join(LINES[:20]), b"".join(LINES[15:]))
    source = RotatedSource(paths, chunk_bytes=chunk, timed=True)
    assert whole(source) == b"".join(LINES)
    (joint,) = source.joints
    assert joint.cause == "duplicated"
    assert joint.byte_offset == sum(map(len, LINES[:20]))
    assert joint.text.startswith("5 lines at the beginning of ")
    assert source.place(21, joint.byte_offset) == (str(paths[1]), 6)


def test_lines_without_times_may_stand_there_twice(folder: Path) -> None:
    line = b"virtio_notify vdev 0x1 vq 0x1\n"
    source = RotatedSource(files(folder, line * 9, line * 5), timed=False)
    assert whole(source) == line * 14


def test_a_beginning_that_is_not_all_there_at_the_end_before_is_no_copy(folder: Path) -> None:
    source = RotatedSource(files(folder, b"".join(LINES[:20]), b"".join(LINES[15:18] + LINES[25:])), timed=True)
    assert whole(source) == b"".join(LINES[:20] + LINES[15:18] + LINES[25:])
    assert source.joints == []


def test_a_packed_file_that_ends_early_is_said_of_its_joint_and_the_next_one_is_read(folder: Path) -> None:
    packed = gzip.compress(b"".join(LINES[:20]))
    paths = files(folder, packed[: len(packed) - 9], b"".join(LINES[20:]))
    source = RotatedSource(paths)
    data = whole(source)
    assert data.endswith(b"".join(LINES[20:]))
    (joint,) = source.joints
    assert joint.cause == "compressed-early"
    assert str(paths[0]) in joint.text
    assert source.cut == ""


def test_a_packed_file_whose_checksum_fails_makes_all_doubtful(folder: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(LINES[:20])))
    packed[-6] ^= 0xFF
    source = RotatedSource(files(folder, bytes(packed), b"".join(LINES[20:])))
    whole(source)
    assert source.damaged
    assert source.cut.startswith(source.paths[0])


def test_what_a_disk_cannot_read_is_told_at_its_place_in_the_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def failing(self: RawBytes, view: memoryview) -> int:
        got = read_into(self, view)
        if got and not self.unread:
            self.unread = [Unread(2, 3, "Input/output error")]
        return got

    read_into = RawBytes.read_into
    monkeypatch.setattr(RawBytes, "read_into", failing)
    source = RotatedSource(files(folder, b"a" * 100, b"b" * 50))
    whole(source)
    assert [(u.at, u.size) for u in source.unread] == [(2, 3), (102, 3)]


def test_what_the_joint_is_known_for_is_said_where_it_is(folder: Path) -> None:
    paths = files(folder, b"ab\n", b"cd\n", b"ef\n")
    source = RotatedSource(paths, before={2: ("missing-file", "one is not there")})
    whole(source)
    assert [(j.byte_offset, j.cause, j.text) for j in source.joints] == [(6, "missing-file", "one is not there")]


@pytest.mark.parametrize("most", [1, 3, 4, 6, 7])
def test_most_bytes_are_those_of_all_files_together(folder: Path, most: int) -> None:
    source = RotatedSource(files(folder, b"abc", b"def", b""), max_bytes=most)
    assert whole(source) == b"abcdef"[:most]
    assert bool(source.cut) == (most < 6)


def test_progress_counts_the_bytes_of_all_files(folder: Path) -> None:
    paths = files(folder, gzip.compress(b"a" * 1000), b"b" * 1000)
    source = RotatedSource(paths)
    told: list[int] = []
    source.on_bytes = told.append
    whole(source)
    assert sum(told) == source.size() == sum(p.stat().st_size for p in paths)
