"""Locks: QEMU's, which we see and which it sees, and ours against a second traceview."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repair import MIB, in_use_by_qemu, make_image, needs_qemu, noise, qemu_opens
from traceview.errors import ImageError, RepairRefusedError
from traceview.repair import lock as locks
from traceview.repair.lock import READER, WRITER, Claim, ImageLock, Permission, Use, use_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_image(tmp_path / "disk.img", noise(MIB))


# what others do is seen


def test_an_image_that_nobody_uses_is_free(path: Path) -> None:
    assert use_of(path, READER) == use_of(path, WRITER) == Use()


@needs_qemu
@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
@pytest.mark.parametrize("claim", [READER, WRITER])
def test_a_qemu_that_may_write_is_in_the_way_of_readers_and_writers(
    image_format: str, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_image(tmp_path / "disk", noise(MIB), image_format)
    with in_use_by_qemu(path, image_format) as qemu:
        use = use_of(path, claim)
        assert use.obstacle == (
            f"{path}: is in use: process {qemu.pid} (qemu-io) has it open for writing; stop that first"
        )
        monkeypatch.setattr(locks, "writers_of", lambda _path: [])
        use = use_of(path, claim)
        assert "a QEMU (or another traceview) has it open for writing" in use.obstacle
        with pytest.raises(RepairRefusedError, match="is in use: a QEMU"):
            ImageLock(path, claim)
    assert use_of(path, claim) == Use()
    ImageLock(path, claim).release()


@needs_qemu
def test_a_qemu_that_only_reads_is_in_the_way_of_writers_only(tmp_path: Path) -> None:
    path = make_image(tmp_path / "disk", noise(MIB), "qcow2")
    with in_use_by_qemu(path, "qcow2", "-r"):
        assert use_of(path, READER) == Use()
        assert "reads it and lets nobody write" in use_of(path, WRITER).obstacle
        ImageLock(path, READER).release()
        with pytest.raises(RepairRefusedError, match="lets nobody write"):
            ImageLock(path, WRITER)


@needs_qemu
def test_an_export_of_qemu_nbd_is_in_the_way(path: Path, tmp_path: Path) -> None:
    command = ["qemu-nbd", "--fork", "--pid-file", str(tmp_path / "pid"), "-k", str(tmp_path / "sock"), "-f", "raw"]
    subprocess.run([*command, str(path)], check=True)
    assert "nbd" in use_of(path, WRITER).obstacle
    os.kill(int((tmp_path / "pid").read_text(encoding="ascii")), 15)


# what we do is seen


@needs_qemu
@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_no_qemu_opens_an_image_that_we_write(image_format: str, tmp_path: Path) -> None:
    path = make_image(tmp_path / "disk", noise(MIB), image_format)
    lock = ImageLock(path, WRITER)
    assert not qemu_opens(path, image_format)
    assert qemu_opens(path, image_format, "-r") == (image_format == "raw"), "a format's own data must not change"
    assert qemu_opens(path, image_format, "-r", "-U"), "but one may look at it"
    lock.release()
    assert qemu_opens(path, image_format)


@needs_qemu
def test_no_qemu_writes_to_an_image_that_we_read(tmp_path: Path) -> None:
    path = make_image(tmp_path / "disk", noise(MIB), "qcow2")
    lock = ImageLock(path, READER)
    assert not qemu_opens(path, "qcow2")
    assert qemu_opens(path, "qcow2", "-r")
    lock.release()
    assert qemu_opens(path, "qcow2")


@needs_qemu
def test_a_qemu_gets_in_while_we_have_stepped_aside_and_no_longer(path: Path) -> None:
    lock = ImageLock(path, WRITER)
    with lock.aside():
        assert qemu_opens(path)
    assert not qemu_opens(path)
    lock.release()


@needs_qemu
def test_one_that_stays_when_we_come_back_is_an_error(path: Path) -> None:
    lock = ImageLock(path, WRITER)
    stays = in_use_by_qemu(path)
    with pytest.raises(RepairRefusedError, match="is in use: a QEMU"), lock.aside():
        stays.__enter__()
    stays.__exit__(None, None, None)
    lock.release()


# a second traceview


def test_a_second_writer_is_kept_out_and_so_is_a_reader(path: Path) -> None:
    lock = ImageLock(path, WRITER)
    assert "has it open for writing" in use_of(path, WRITER).obstacle
    for claim in (READER, WRITER):
        with pytest.raises(RepairRefusedError, match="is in use"):
            ImageLock(path, claim)
    lock.release()
    ImageLock(path, WRITER).release()


def test_several_may_read(path: Path) -> None:
    readers = [ImageLock(path, READER) for _ in range(3)]
    with pytest.raises(RepairRefusedError):
        ImageLock(path, WRITER)
    for reader in readers:
        reader.release()


def test_whoever_has_locked_the_file_by_other_means_is_respected(path: Path) -> None:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RepairRefusedError, match="wait for that to end"):
            ImageLock(path, WRITER)


def test_what_a_program_inherits_keeps_others_out_until_it_ends(path: Path) -> None:
    lock = ImageLock(path, WRITER)
    with lock.aside() as inherited:
        child = subprocess.Popen(["sleep", "60"], pass_fds=inherited)
    lock.release()
    with pytest.raises(RepairRefusedError, match="or a qemu-img that one has left behind"):
        ImageLock(path, WRITER)
    child.kill()
    child.wait()
    ImageLock(path, WRITER).release()


def test_where_the_lock_on_the_file_locks_bytes_too_one_byte_is_locked_instead(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on NFS. A lock on bytes of another open file stands in for it, and is gone as soon as ours has been let go.
    other = os.open(path, os.O_RDWR)
    plain = fcntl.flock

    def flock(fd: int, operation: int) -> None:
        plain(fd, operation)
        kind = fcntl.F_UNLCK if operation == fcntl.LOCK_UN else fcntl.F_WRLCK
        locks._lock_byte(other, kind, locks._OURS)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = ImageLock(path, WRITER)
    monkeypatch.undo()
    with path.open("rb") as file:
        plain(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert locks._is_locked(other, locks._OURS)
    lock.release()
    assert not locks._is_locked(other, locks._OURS)
    os.close(other)


# where there are no locks


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_a_doubt_and_no_obstacle(
    number: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    doubt = f"whether a QEMU uses disk.img cannot be told: no locks there ({os.strerror(number)})"
    assert use_of(path, WRITER) == Use(doubt=doubt)
    lock = ImageLock(path, WRITER)
    assert lock.doubt == doubt
    with lock.aside() as inherited:
        assert len(inherited) == 1
    lock.release()


def test_any_other_refusal_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(ImageError, match="cannot be locked: Input/output error"):
        ImageLock(path, WRITER)


def test_an_image_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened: No such file"):
        use_of(tmp_path / "gone", READER)
    with pytest.raises(ImageError, match="cannot be locked: No such file"):
        ImageLock(tmp_path / "gone", READER)


@pytest.mark.skipif(sys.platform != "linux", reason="the bytes that Linux's QEMU locks")
def test_the_bytes_are_those_of_qemu(path: Path) -> None:
    lock = ImageLock(path, WRITER)
    other = os.open(path, os.O_RDONLY)
    assert [b for b in range(500) if locks._is_locked(other, b)] == [100, 101, 201, 203]
    lock.release()
    lock = ImageLock(path, READER)
    assert [b for b in range(500) if locks._is_locked(other, b)] == [100, 201, 203]
    lock.release()
    assert [b for b in range(500) if locks._is_locked(other, b)] == []
    os.close(other)
    assert [p.value for p in Permission] == [1, 2, 4, 8]
