"""The undo file: whole, cut short anywhere, damaged anywhere."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.errors import ImageError, UndoFileError
from traceview.findings import Extent
from traceview.repair.undo import Origin, UndoWriter, digest, read_undo

ORIGIN = Origin("/vm/new.img", "raw", 1 << 30, "/vm/old.img", "2024-05-16T10:11:12+00:00")
Records = list[tuple[int, bytes, bytes]]

records = st.lists(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(st.integers(0, (1 << 64) - 1), st.binary(min_size=n, max_size=n), st.just(b"n" * n))
    ),
    max_size=4,
)
texts = st.text().filter(lambda t: "\0" not in t)
origins = st.builds(Origin, texts, texts, st.integers(0), texts, texts)


@contextmanager
def written(kept: Records, *, finished: bool = True, origin: Origin = ORIGIN) -> Iterator[Path]:
    """Write an undo file into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(os, "fsync"):
        path = Path(folder) / "vm.undo"
        writer = UndoWriter(path, origin)
        for offset, old, new in kept:
            writer.save(Extent(offset, len(old)), old, new)
        if finished:
            writer.finish()
        writer.close()
        yield path


def read(path: Path) -> tuple[Origin, Records, bool]:
    with read_undo(path) as undo:
        kept = [(s.extent.offset, undo.old_bytes(s), s.new_digest) for s in undo.records]
        assert all(s.extent.length == len(old) for s, (_, old, _) in zip(undo.records, kept, strict=True))
        return undo.origin, kept, undo.finished


def digested(kept: Records) -> Records:
    return [(offset, old, digest(new)) for offset, old, new in kept]


@given(records, st.booleans(), origins)
def test_what_was_saved_is_read_again(kept: Records, finished: bool, origin: Origin) -> None:
    with written(kept, finished=finished, origin=origin) as path:
        assert read(path) == (origin, digested(kept), finished)


@given(records, st.booleans(), st.data())
def test_cut_short_anywhere_it_has_the_records_that_are_whole(
    kept: Records, finished: bool, data: st.DataObject
) -> None:
    with written([], finished=False) as empty:
        first = empty.stat().st_size
    with written(kept, finished=finished) as path:
        whole = path.read_bytes()
        length = data.draw(st.integers(0, len(whole) - 1))
        os.truncate(path, length)
        if length < first:
            with pytest.raises(UndoFileError, match="cut short"):
                read(path)
            return
        ends, at = [], first
        for _, old, _ in kept:
            at += 40 + len(old) + 16
            ends.append(at)
        assert read(path) == (ORIGIN, digested(kept)[: sum(end <= length for end in ends)], False)


@given(records.filter(bool), st.booleans(), st.data())
def test_damaged_anywhere_it_is_refused(kept: Records, finished: bool, data: st.DataObject) -> None:
    with written(kept, finished=finished) as path:
        raw = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(raw)
        with pytest.raises(UndoFileError, match=r"vm\.undo"):
            read(path)


@given(records, records.filter(bool), st.integers(0, 200))
def test_what_a_power_failure_leaves_of_the_last_record_is_left_out(kept: Records, last: Records, reached: int) -> None:
    with written(kept, finished=False) as path:
        before = path.stat().st_size
    with written([*kept, last[0]], finished=False) as path:
        raw = path.read_bytes()
        upto = min(before + reached, len(raw) - 16)
        path.write_bytes(raw[:upto] + bytes(len(raw) - upto))
        assert read(path) == (ORIGIN, digested(kept), False)


@given(records, st.binary(min_size=1, max_size=99).filter(lambda b: any(b[-16:])))
def test_what_goes_on_behind_its_end_is_refused(kept: Records, more: bytes) -> None:
    with written(kept) as path:
        path.write_bytes(path.read_bytes() + more)
        with pytest.raises(UndoFileError, match="goes on behind its end"):
            read(path)


def test_an_undo_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "vm.undo"
    path.write_bytes(b"mine")
    with pytest.raises(ImageError, match="is there already, and no undo file is ever overwritten"):
        UndoWriter(path, ORIGIN)
    assert path.read_bytes() == b"mine"


def test_nobody_else_may_read_what_a_guest_has_on_its_disk() -> None:
    with written([(0, b"x", b"y")]) as path:
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_no_text_is_kept() -> None:
    origin = Origin(os.fsdecode(b"/vm/\xff.img"), "qcow2", 1, "/vm/☃", "")
    with written([], origin=origin) as path:
        assert read(path)[0] == origin


def test_each_record_is_on_the_disk_when_it_has_been_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[str] = []
    plain_write, plain_sync = os.write, os.fsync

    def write(fd: int, data: bytes) -> int:
        calls.append("write")
        return plain_write(fd, data)

    def sync(fd: int) -> None:
        calls.append("sync")
        plain_sync(fd)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "fsync", sync)
    writer = UndoWriter(tmp_path / "x", ORIGIN)
    writer.save(Extent(0, 1), b"x", b"y")
    writer.finish()
    writer.close()
    # The header, then the folder's entry for the file; a record; the end.
    assert calls == ["write", "sync", "sync", "write", "sync", "write", "sync"]


def test_a_full_disk_is_an_error_and_leaves_a_file_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "vm.undo"
    writer = UndoWriter(path, ORIGIN)
    writer.save(Extent(0, 1), b"x", b"y")
    plain = os.write
    room = [30]

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        done = plain(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(ImageError, match="the undo file cannot be written: No space left"):
        writer.save(Extent(4096, 100), b"o" * 100, b"n" * 100)
    writer.close()
    monkeypatch.undo()
    assert read(path)[1:] == ([(0, b"x", digest(b"y"))], False)


@pytest.mark.parametrize("content", [b"x", b"TVUNDO2\n" + bytes(100), b"\0" * 100, b"QFI\xfb"])
def test_any_other_file_is_no_undo_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UndoFileError, match="is no undo file"):
        read(tmp_path / "x")


def test_an_empty_file_is_what_a_repair_leaves_that_was_ended_at_once(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UndoFileError, match="is empty or cut short"):
        read(tmp_path / "x")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        read(tmp_path / "x")
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        read(tmp_path)
    with pytest.raises(ImageError, match="the undo file cannot be written: No such file"):
        UndoWriter(tmp_path / "gone" / "x", ORIGIN)


@pytest.mark.parametrize("header", [b"[]", b"{}", b'{"target": "x", "more": 1}', b"not JSON",
     b'{"target": 5, "format": "raw", "size": 1, "source": "s", "created": "c"}',
     b'{"target": "t", "format": "raw", "size": "1", "source": "s", "created": "c"}',
     b'{"target": "t\\u0000", "format": "raw", "size": 1, "source": "s", "created": "c"}',
])  # fmt: skip
def test_a_header_that_says_something_else_is_refused(header: bytes, tmp_path: Path) -> None:
    start = b"TVUNDO1\n" + len(header).to_bytes(4, "little") + header
    (tmp_path / "x").write_bytes(start + digest(start))
    with pytest.raises(UndoFileError, match="its header is none that this traceview knows"):
        read(tmp_path / "x")


def test_a_file_that_changes_while_it_is_read_is_noticed() -> None:
    with written([(0, b"old", b"new")]) as path, read_undo(path) as undo:
        raw = bytearray(path.read_bytes())
        raw[undo.records[0].position] ^= 1
        path.write_bytes(raw)
        with pytest.raises(UndoFileError, match="has changed while it was read"):
            undo.old_bytes(undo.records[0])


def test_the_format_is_the_one_that_is_written_down() -> None:
    with written([(512, b"old", b"new")], origin=Origin("t", "raw", 1, "s", "c")) as path:
        raw = path.read_bytes()
    header = b'{"target": "t", "format": "raw", "size": 1, "source": "s", "created": "c"}'
    start = b"TVUNDO1\n" + len(header).to_bytes(4, "little") + header
    item = b"REC:" + (512).to_bytes(8, "little") + (3).to_bytes(8, "little") + digest(b"new")
    item += zlib.crc32(item).to_bytes(4, "little")
    end = b"END." + bytes(32)
    end += zlib.crc32(end).to_bytes(4, "little")
    assert raw == start + digest(start) + item + b"old" + digest(item + b"old") + end + digest(end)
