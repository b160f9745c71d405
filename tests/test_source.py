"""Where the bytes come from: files, directories, stdin, pipes, and what the operating system refuses."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.errors import TraceNotFoundError, TraceReadError
from traceview.source import HEAD_BYTES, STDIN, ByteSource, find_files


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

    def readinto(self, view: memoryview) -> int:  # type: ignore[override]
        if not self._before:
            raise OSError(errno.EIO, "Input/output error")
        piece, self._before = self._before[: len(view)], self._before[len(view) :]
        view[: len(piece)] = piece
        return len(piece)


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


@given(st.binary(max_size=200), st.integers(1, 300))
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

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(TraceReadError, match="secret: cannot be read: Permission denied"):
        ByteSource(path).head()


def test_a_disk_that_fails_in_mid_file_is_a_read_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.open", lambda *_, **__: Failing(b"abcdef"))
    pieces = ByteSource(tmp_path / "t", chunk_bytes=4).chunks()
    assert [next(pieces), next(pieces)] == [b"abcd", b"ef"]
    with pytest.raises(TraceReadError, match="t: cannot be read: Input/output error"):
        next(pieces)
    with pytest.raises(TraceReadError, match="Input/output error"):
        ByteSource(tmp_path / "t").head()


def test_stdin_that_fails_is_a_read_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Failing()))
    with pytest.raises(TraceReadError, match="<stdin>: cannot be read: Input/output error"):
        ByteSource(STDIN).head()
    with pytest.raises(TraceReadError, match="<stdin>: cannot be read: Input/output error"):
        next(ByteSource(STDIN).chunks())


def test_the_files_of_a_directory_are_found_at_any_depth_and_sorted(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "sub/z.log", "sub/deeper/y.log", "a/x.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [str(p.relative_to(tmp_path)) for p in find_files(tmp_path)] == [
        "a/x.log", "a.log", "b.log", "sub/deeper/y.log", "sub/z.log",
    ]  # fmt: skip


def test_hidden_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    for name in (".hidden", ".git/config", "seen", "sub/.too", "sub/seen"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [str(p.relative_to(tmp_path)) for p in find_files(tmp_path)] == ["seen", "sub/seen"]


def test_a_hidden_directory_that_is_named_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / ".traces").mkdir()
    (tmp_path / ".traces" / "t").write_bytes(b"")
    assert find_files(tmp_path / ".traces") == [tmp_path / ".traces" / "t"]


def test_links_to_files_are_followed_and_links_to_folders_and_nothing_are_not(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "t").write_bytes(b"")
    (tmp_path / "top" / "file").symlink_to(tmp_path / "elsewhere" / "t")
    (tmp_path / "top" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top" / "loop").symlink_to(tmp_path / "top")
    (tmp_path / "top" / "dangling").symlink_to(tmp_path / "absent")
    assert find_files(tmp_path / "top") == [tmp_path / "top" / "file"]


def test_pipes_in_a_directory_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert find_files(tmp_path) == []


def test_a_file_is_the_only_one_below_itself(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"")
    assert find_files(tmp_path / "t") == [tmp_path / "t"]


@pytest.mark.parametrize("name", ["absent", "n" * 300])
def test_files_below_what_is_not_there_are_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceNotFoundError, match="no such file or directory"):
        find_files(tmp_path / name)
