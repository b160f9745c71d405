"""Where the bytes come from: files, stdin, pipes, and what the operating system refuses."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.writers import PACK, MemorySource
from traceview.errors import TraceNotFoundError, TraceReadError
from traceview.source import HEAD_BYTES, STDIN, ByteSource, compression_of

if TYPE_CHECKING:
    from typing_extensions import Buffer


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """Put bytes where standard input is."""
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    yield stream
    assert not stream.closed, "standard input is not ours to close"


def fill(stream: io.BytesIO, data: bytes) -> None:
    stream.write(data)
    stream.seek(0)


class Failing(io.RawIOBase):
    """A stream that the operating system fails to read, after some bytes."""

    def __init__(self, before: bytes = b"") -> None:
        self._before = before

    def readable(self) -> bool:
        return True

    def readinto(self, room: Buffer) -> int:
        if not self._before:
            raise OSError(errno.EIO, "Input/output error")
        view = memoryview(room)
        size = min(len(view), len(self._before))
        view[:size], self._before = self._before[:size], self._before[size:]
        return size


def failing(before: bytes = b"") -> io.BufferedReader:
    return io.BufferedReader(Failing(before))


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 1000])
def test_a_file_comes_in_pieces_that_make_it_up(tmp_path: Path, length: int) -> None:
    data = os.urandom(length)
    (tmp_path / "t").write_bytes(data)
    pieces = list(ByteSource(tmp_path / "t", chunk_bytes=10).chunks())
    assert b"".join(pieces) == data
    assert all(len(p) == 10 for p in pieces[:-1])
    assert all(pieces)


def test_a_file_can_be_read_again_and_again_and_its_head_does_not_use_it_up(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"abc")
    source = ByteSource(tmp_path / "t")
    for _ in range(2):
        assert source.head() == b"abc"
        assert b"".join(source.chunks()) == b"abc"


def test_the_head_of_a_file_is_no_more_than_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"x" * (HEAD_BYTES + 1))
    assert len(ByteSource(tmp_path / "t").head()) == HEAD_BYTES


@given(st.binary(max_size=200).filter(lambda d: not compression_of(d)), st.integers(1, 300))
def test_the_head_of_stdin_is_read_again_as_its_first_pieces(data: bytes, chunk_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        source = ByteSource(STDIN, chunk_bytes=chunk_bytes)
        assert source.head() == data
        assert source.head() == data
        pieces = list(source.chunks())
        assert b"".join(pieces) == data
        assert all(0 < len(p) <= chunk_bytes for p in pieces)


def test_stdin_that_is_longer_than_its_head_is_read_in_whole(stdin: io.BytesIO) -> None:
    data = os.urandom(HEAD_BYTES * 2 + 17)
    fill(stdin, data)
    source = ByteSource(STDIN)
    assert source.head() == data[:HEAD_BYTES]
    assert b"".join(source.chunks()) == data


def test_stdin_can_be_read_without_having_looked_at_its_head(stdin: io.BytesIO) -> None:
    fill(stdin, b"abc")
    assert b"".join(ByteSource(STDIN).chunks()) == b"abc"


def test_stdin_can_be_read_only_once(stdin: io.BytesIO) -> None:
    fill(stdin, b"abc")
    source = ByteSource(STDIN)
    assert list(source.chunks()) == [b"abc"]
    with pytest.raises(TraceReadError, match="<stdin> can be read only once"):
        next(source.chunks())


def test_stdin_is_called_so_and_has_no_size(stdin: io.BytesIO) -> None:
    source = ByteSource(STDIN)
    assert (source.name, source.is_stdin, source.size()) == ("<stdin>", True, None)


def test_a_file_is_called_by_its_path_and_has_a_size(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"abc")
    source = ByteSource(path)
    assert (source.name, source.is_stdin, source.size()) == (str(path), False, 3)


def test_what_is_no_regular_file_has_no_size(tmp_path: Path) -> None:
    assert ByteSource(tmp_path).size() is None
    assert ByteSource(tmp_path / "absent").size() is None


def test_a_named_pipe_loses_nothing_to_the_look_at_its_head(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = os.urandom(HEAD_BYTES * 2 + 17)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    source = ByteSource(path, chunk_bytes=1000)
    assert source.head() == data[:HEAD_BYTES]
    assert b"".join(source.chunks()) == data
    writer.join()
    with pytest.raises(TraceReadError, match="can be read only once"):
        next(source.chunks())


def test_progress_is_told_the_size_of_each_piece(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"x" * 25)
    source = ByteSource(tmp_path / "t", chunk_bytes=10)
    told: list[int] = []
    source.on_bytes = told.append
    assert len(list(source.chunks())) == 3
    assert told == [10, 10, 5]


@pytest.mark.parametrize("chunk_bytes", [0, -1])
def test_pieces_must_have_at_least_one_byte(chunk_bytes: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ByteSource("t", chunk_bytes=chunk_bytes)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    source = ByteSource(tmp_path / "absent")
    with pytest.raises(TraceNotFoundError, match=r"absent: no such file"):
        source.head()
    with pytest.raises(FileNotFoundError):
        next(source.chunks())


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TraceReadError, match="cannot be read: Is a directory"):
        ByteSource(tmp_path).head()


def test_a_file_that_one_may_not_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(TraceReadError, match="secret: cannot be read: Permission denied"):
        ByteSource(path).head()


def test_what_fails_behind_its_beginning_ends_there_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.open", lambda *_: failing(b"abcdefghijkl"))
    source = ByteSource(tmp_path / "t", chunk_bytes=4)
    assert list(source.chunks()) == [b"abcd", b"efgh", b"ijkl"]
    assert (source.cause, source.cut) == ("disk-error", "the system cannot read on: Input/output error")
    assert b"abcdefghijkl".startswith(ByteSource(tmp_path / "t").head())


def test_stdin_that_fails_is_a_read_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=failing()))
    with pytest.raises(TraceReadError, match="<stdin>: cannot be read: Input/output error"):
        ByteSource(STDIN).head()
    with pytest.raises(TraceReadError, match="<stdin>: cannot be read: Input/output error"):
        next(ByteSource(STDIN).chunks())


# compressed ones


LINES = b"".join(b"%d@1.%06d:mirror_before_drain s 0x1 dirty count %d\n" % (i % 7, i, i * i) for i in range(60_000))
PACKED = {kind: pack(LINES) for kind, pack in PACK.items()}
kinds = pytest.mark.parametrize("kind", sorted(PACK))


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@kinds
def test_the_head_of_a_compressed_file_is_unpacked_and_does_not_use_it_up(kind: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(PACKED[kind])
    source = ByteSource(tmp_path / "t")
    for _ in range(2):
        assert source.head() == LINES[:HEAD_BYTES]
        assert b"".join(source.chunks()) == LINES
    assert source.compression == kind


@kinds
def test_compressed_stdin_is_read_like_a_file(kind: str, stdin: io.BytesIO) -> None:
    fill(stdin, PACKED[kind] * 2)
    source = ByteSource(STDIN)
    assert source.head() == LINES[:HEAD_BYTES]
    assert (source.compression, source.cut) == (kind, "")
    assert b"".join(source.chunks()) == LINES * 2


@kinds
@pytest.mark.parametrize("looked_at", [True, False])
def test_a_named_pipe_with_compressed_bytes_is_read_like_a_file(kind: str, looked_at: bool, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PACKED[kind],))
    writer.start()
    source = ByteSource(path, chunk_bytes=1000)
    if looked_at:
        assert source.head() == LINES[:HEAD_BYTES]
    assert b"".join(source.chunks()) == LINES
    writer.join()


@pytest.mark.parametrize("kind", ["", *sorted(PACK)])
@given(sizes=st.lists(st.sampled_from([0, 1, 7, 4096, 100_000, 3_000_000]), min_size=1, max_size=9))
def test_a_caller_s_buffer_is_filled_whatever_its_size(kind: str, sizes: list[int]) -> None:
    with MemorySource(PACKED.get(kind, LINES)).reading() as read_into:
        at = 0
        for size in sizes:
            room = bytearray(size + 2)
            got = read_into(memoryview(room)[1:-1])
            assert got == min(size, len(LINES) - at)
            assert room == b"\0" + LINES[at : at + got] + b"\0" * (size - got + 1)
            at += got


@pytest.mark.parametrize("kind", ["", *sorted(PACK)])
@pytest.mark.parametrize("chunk_bytes", [100_000, 1 << 20])
def test_progress_counts_the_bytes_on_the_disk(kind: str, chunk_bytes: int, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(PACKED.get(kind, LINES) * 3)
    source = ByteSource(tmp_path / "t", chunk_bytes=chunk_bytes)
    told: list[int] = []
    source.on_bytes = told.append
    total = 0
    for piece in source.chunks():
        total += len(piece)
        assert sum(told) <= (source.size() or 0)
    assert total == 3 * len(LINES)
    assert sum(told) == source.size()
    assert all(count > 0 for count in told)


@kinds
def test_progress_of_a_pipe_counts_what_the_look_at_its_head_took(kind: str, stdin: io.BytesIO) -> None:
    fill(stdin, PACKED[kind])
    source = ByteSource(STDIN)
    source.head()
    told: list[int] = []
    source.on_bytes = told.append
    assert sum(map(len, source.chunks())) == len(LINES)
    assert sum(told) == len(PACKED[kind])


# how a reading ends


class InterruptError(Exception):
    """Something that goes wrong where the bytes are used."""


def leave_by_closing(source: ByteSource) -> None:
    pieces = source.chunks()
    next(pieces)
    assert isinstance(pieces, Generator)
    pieces.close()


def leave_by_forgetting(source: ByteSource) -> None:
    next(source.chunks())


def leave_by_error(source: ByteSource) -> None:
    with pytest.raises(InterruptError), source.reading() as read_into:  # noqa: PT012  (the context is what is tested)
        read_into(memoryview(bytearray(10)))
        raise InterruptError


def leave_by_interrupt(source: ByteSource) -> None:
    with pytest.raises(KeyboardInterrupt), source.reading() as read_into:  # noqa: PT012
        read_into(memoryview(bytearray(10)))
        raise KeyboardInterrupt


def leave_at_the_end(source: ByteSource) -> None:
    assert sum(map(len, source.chunks())) > 0


@pytest.mark.parametrize("kind", ["", *sorted(PACK)])
@pytest.mark.parametrize(
    "leave", [leave_by_closing, leave_by_forgetting, leave_by_error, leave_by_interrupt, leave_at_the_end]
)
def test_however_a_reading_is_left_neither_threads_nor_open_files_stay(
    kind: str, leave: Callable[[ByteSource], None], tmp_path: Path
) -> None:
    (tmp_path / "t").write_bytes(PACKED.get(kind, LINES) * 4)
    threads, files = threading.active_count(), open_files()
    source = ByteSource(tmp_path / "t", chunk_bytes=1000)
    leave(source)
    assert (threading.active_count(), open_files()) == (threads, files)


def test_a_reading_of_a_pipe_whose_writer_says_no_more_can_be_left(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    enough, left = threading.Event(), threading.Event()

    def write() -> None:
        with open(path, "wb") as pipe:
            pipe.write(PACKED["gzip"][:20_000])
            pipe.flush()
            enough.set()
            left.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    source = ByteSource(path, chunk_bytes=10)
    pieces = source.chunks()
    assert source.head() == LINES[:HEAD_BYTES]
    assert next(pieces) == LINES[:10]
    assert enough.wait(30)
    asked = time.monotonic()
    assert isinstance(pieces, Generator)
    pieces.close()
    assert time.monotonic() - asked < 5
    left.set()
    writer.join()


def test_only_what_is_compressed_takes_a_thread(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(LINES)
    (tmp_path / "packed").write_bytes(PACKED["zstd"] * 10)
    threads = threading.active_count()
    with ByteSource(tmp_path / "plain").reading() as read_into:
        read_into(memoryview(bytearray(10)))
        assert threading.active_count() == threads
    with ByteSource(tmp_path / "packed").reading() as read_into:
        read_into(memoryview(bytearray(10)))
        assert threading.active_count() == threads + 1


def test_a_disk_that_fails_while_it_is_unpacked_ends_the_stream_and_is_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.open", lambda *_: failing(PACKED["gzip"][:100_000]))
    source = ByteSource(tmp_path / "t", chunk_bytes=1000)
    assert sum(map(len, source.chunks())) > 0
    assert source.cause == "disk-error"
    assert source.cut.startswith("the gzip stream ends early, after ")
    assert source.cut.endswith(": the system cannot read on: Input/output error")


def test_a_stream_that_ends_early_says_so_by_its_cause() -> None:
    for kind, cause in (("gzip", "compressed-early"), ("xz", "compressed-early")):
        source = MemorySource(PACKED[kind][:-30])
        list(source.chunks())
        assert (source.cause, source.missing) == (cause, None)


# files that change, and holes


def test_a_file_that_becomes_shorter_while_it_is_read_ends_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"x" * 100_000)
    source = ByteSource(path, chunk_bytes=10_000)
    pieces = source.chunks()
    first = next(pieces)
    os.truncate(path, 30_000)
    rest = list(pieces)
    read = len(first) + sum(map(len, rest))
    assert (source.cause, source.missing) == ("shrunk", 100_000 - read)
    assert f"its last {100_000 - read} bytes are gone" in source.cut


def test_a_file_that_becomes_longer_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"x" * 100_000)
    source = ByteSource(path, chunk_bytes=10_000)
    pieces = source.chunks()
    first = next(pieces)
    with open(path, "ab") as more:
        more.write(b"y" * 5000)
    assert first + b"".join(pieces) == b"x" * 100_000 + b"y" * 5000
    assert source.cut == ""


@pytest.mark.parametrize("before", [0, 10, HEAD_BYTES, 3 * HEAD_BYTES + 7])
def test_the_head_behind_a_hole_is_its_first_bytes_that_are_no_zeros(before: int, tmp_path: Path) -> None:
    data = bytes(before) + b"1@2.000003:mirror_exit \n" * 10
    (tmp_path / "t").write_bytes(data)
    source = ByteSource(tmp_path / "t")
    assert source.head().lstrip(b"\0") == data.lstrip(b"\0")
    assert b"".join(source.chunks()) == data


def test_a_pipe_that_begins_with_a_hole_loses_nothing_to_the_look_at_its_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = bytes(5 * HEAD_BYTES + 3) + b"text\n" * 20_000
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))
    source = ByteSource(STDIN)
    assert source.head().startswith(b"text\n")
    assert b"".join(source.chunks()) == data


def test_a_file_of_zeros_alone_has_a_head_of_zeros(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(bytes(3 * HEAD_BYTES))
    assert ByteSource(tmp_path / "t").head() == bytes(HEAD_BYTES)


@pytest.mark.parametrize("piped", [False, True])
def test_what_is_refused_leaves_no_open_file(piped: bool, tmp_path: Path) -> None:
    refused = b"\x28\xb5\x2f\xfd\0\xa0" + b"x" * 100  # a window of 1 GiB
    path = tmp_path / "t"
    writer = threading.Thread(target=path.write_bytes, args=(refused,))
    if piped:
        os.mkfifo(path)
    writer.start()
    if not piped:
        writer.join()
    files = open_files()
    with pytest.raises(TraceReadError, match="t: it needs 1024 MiB of memory"):
        ByteSource(path).head()
    writer.join()
    assert open_files() <= files


# no more than so many bytes


@pytest.mark.parametrize("kind", ["", *sorted(PACK)])
@given(max_bytes=st.integers(1, 3000), chunk_bytes=st.integers(1, 2000))
def test_reading_stops_after_so_many_unpacked_bytes_and_says_so(kind: str, max_bytes: int, chunk_bytes: int) -> None:
    data = LINES[:1500]
    source = MemorySource(PACK[kind](data) if kind else data, chunk_bytes=chunk_bytes, max_bytes=max_bytes)
    assert b"".join(source.chunks()) == data[:max_bytes]
    assert source.cut == (f"stopped after {max_bytes} bytes (--max-bytes)" if max_bytes < len(data) else "")
    assert source.head() == data


@pytest.mark.parametrize("kind", sorted(PACK))
def test_a_stream_that_ends_early_just_where_reading_stops_is_called_so(kind: str) -> None:
    packed = PACKED[kind][: len(PACKED[kind]) * 9 // 10]
    there = MemorySource(packed)
    got = b"".join(there.chunks())
    source = MemorySource(packed, max_bytes=len(got))
    assert b"".join(source.chunks()) == got
    assert source.cut == there.cut
    assert there.cut.startswith(f"the {kind} stream ends early")


def test_a_second_reading_forgets_how_the_first_one_ended() -> None:
    source = MemorySource(LINES, max_bytes=10)
    list(source.chunks())
    assert source.cut
    source.max_bytes = None
    list(source.chunks())
    assert source.cut == ""


@pytest.mark.parametrize("max_bytes", [0, -1])
def test_at_least_one_byte_must_be_wanted(max_bytes: int) -> None:
    with pytest.raises(ValueError, match="max_bytes must be at least 1"):
        ByteSource("t", max_bytes=max_bytes)
