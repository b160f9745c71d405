"""The bytes of a file before anything is unpacked."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.errors import TraceReadError
from traceview.source.raw import BLOCK, MOST_BLOCKS, RawBytes, Unread


@given(st.binary(max_size=60), st.integers(1, 30), st.lists(st.tuples(st.booleans(), st.integers(1, 20))))
def test_however_they_are_asked_for_the_bytes_come_once_and_in_order(
    data: bytes, peeked: int, asked: list[tuple[bool, int]]
) -> None:
    raw = RawBytes(io.BytesIO(data), "memory")
    assert raw.peek(peeked) == data[:peeked]
    assert raw.taken == 0
    got = b""
    for into, count in asked:
        if into:
            room = bytearray(count)
            done = raw.read_into(memoryview(room))
            assert done == min(count, len(data) - len(got)), "a buffer is filled while there are bytes"
            got += room[:done]
        else:
            got += raw.read(count)
        assert raw.taken == len(got)
    assert got == data[: len(got)]
    assert got + raw.read(100) + raw.read(100) == data


def test_bytes_of_a_pipe_are_given_as_soon_as_there_are_some() -> None:
    end, beginning = os.pipe()
    with open(end, "rb") as stream, open(beginning, "wb", buffering=0) as writer:
        raw = RawBytes(stream, "pipe")
        writer.write(b"abc")
        assert raw.read(1000) == b"abc"


def test_a_reader_that_waits_for_a_pipe_in_another_thread_can_be_called_off() -> None:
    end, beginning = os.pipe()
    with open(end, "rb") as stream, open(beginning, "wb"):
        raw = RawBytes(stream, "pipe")
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.append(raw.read(10)))
        thread.start()
        time.sleep(0.05)
        assert thread.is_alive(), "it waits"
        raw.abandon()
        thread.join(10)
        assert got == [b""]


class BadDisk(io.FileIO):
    """A file of which some blocks cannot be read."""

    def __init__(self, path: Path, bad: set[int], code: int = errno.EIO) -> None:
        super().__init__(path)
        self.bad = bad
        self.code = code
        self.tries = 0

    def readinto(self, room: object) -> int:
        view = memoryview(room).cast("B")  # type: ignore[arg-type]
        first = self.tell() // BLOCK
        good = 0
        while first + good not in self.bad and good * BLOCK < len(view):
            good += 1
        if not good:
            self.tries += 1
            raise OSError(self.code, os.strerror(self.code))
        data = super().read(min(len(view), good * BLOCK - self.tell() % BLOCK))
        view[: len(data)] = data
        return len(data)


def blocks(count: int) -> bytes:
    return b"".join(bytes([i % 255 + 1]) * BLOCK for i in range(count))


def read_all(raw: RawBytes, piece: int) -> bytes:
    out = b""
    room = bytearray(piece)
    while got := raw.read_into(memoryview(room)):
        out += room[:got]
    return out


@given(st.sets(st.integers(1, 19)), st.integers(1, 50_000))
def test_what_a_disk_cannot_read_is_passed_over_block_by_block(bad: set[int], piece: int) -> None:
    data = blocks(20)[:-100]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t")
        path.write_bytes(data)
        with io.BufferedReader(BadDisk(path, bad), BLOCK) as stream:
            raw = RawBytes(stream, "disk")
            got = read_all(raw, piece)
    expected = bytearray(data)
    for block in bad:
        expected[block * BLOCK : (block + 1) * BLOCK] = bytes(len(expected[block * BLOCK : (block + 1) * BLOCK]))
    assert got == expected
    assert raw.cut == ""
    told = {at // BLOCK for u in raw.unread for at in range(u.at, u.at + u.size, BLOCK)}
    assert told == bad
    assert {u.why for u in raw.unread} <= {"Input/output error"}


def test_blocks_in_a_row_that_cannot_be_read_are_told_as_one_place(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(blocks(10))
    with io.BufferedReader(BadDisk(tmp_path / "t", {3, 4, 5}), BLOCK) as stream:
        raw = RawBytes(stream, "disk")
        read_all(raw, 100_000)
    assert raw.unread == [Unread(3 * BLOCK, 3 * BLOCK, "Input/output error")]


def test_a_disk_of_which_very_much_cannot_be_read_is_given_up(tmp_path: Path) -> None:
    count = MOST_BLOCKS + 50
    (tmp_path / "t").write_bytes(blocks(count))
    disk = BadDisk(tmp_path / "t", set(range(2, count)))
    with io.BufferedReader(disk, BLOCK) as stream:
        raw = RawBytes(stream, "disk")
        got = read_all(raw, 1 << 20)
    assert got[: 2 * BLOCK] == blocks(2)
    assert raw.cause == "disk-error"
    assert raw.cut == f"more than {MOST_BLOCKS} blocks could not be read: the rest is not tried"
    assert raw.missing == count * BLOCK - len(got)
    assert disk.tries <= 2 * MOST_BLOCKS + 10


def test_a_file_of_which_the_first_block_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(blocks(2))
    with io.BufferedReader(BadDisk(tmp_path / "t", {0}), BLOCK) as stream, pytest.raises(TraceReadError, match="disk"):
        RawBytes(stream, "disk").peek(10)


def test_what_is_refused_for_another_reason_is_a_read_error(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(blocks(3))
    with io.BufferedReader(BadDisk(tmp_path / "t", {1}, errno.ESTALE), BLOCK) as stream:
        raw = RawBytes(stream, "disk")
        with pytest.raises(TraceReadError, match="disk: cannot be read: Stale file handle"):
            read_all(raw, 100_000)
