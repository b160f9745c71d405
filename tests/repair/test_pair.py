"""The two images of a repair: opened, locked, and what stands against writing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.repair import MIB, content, in_use_by_qemu, make_image, needs_qemu, noise, qemu_opens
from traceview.errors import ImageError, RepairRefusedError
from traceview.findings import Extent
from traceview.repair import pair as pairs
from traceview.repair.lock import Use
from traceview.repair.pair import open_alone, open_pair


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_image(tmp_path / "old.img", noise(MIB))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return make_image(tmp_path / "new.img", noise(MIB, 2))


def test_two_images_that_nobody_uses_have_nothing_against_them(old: Path, new: Path) -> None:
    for write in (False, True):
        with open_pair(old, new, write=write) as pair:
            assert (pair.obstacles, pair.doubts) == ([], [])
            assert (pair.source.path, pair.target.path) == (old, new)


@pytest.mark.parametrize("link", ["hardlink_to", "symlink_to"])
def test_one_file_by_two_names_is_refused(link: str, old: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.img"
    getattr(other, link)(old)
    with pytest.raises(RepairRefusedError, match="are the same file"), open_pair(old, other, write=False):
        pass


def test_images_of_different_size_are_doubted_but_a_last_sector_may_be_cut(old: Path, new: Path) -> None:
    os.truncate(new, 2 * MIB)
    with open_pair(old, new, write=False) as pair:
        assert pair.doubts == ["the images differ in size: old.img is 1048576 B, new.img 2097152 B"]
    os.truncate(new, MIB - 511)
    with open_pair(old, new, write=False) as pair:
        assert pair.doubts == []


@needs_qemu
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("which", ["old", "new"])
def test_an_image_in_use_is_an_obstacle_and_can_be_read_all_the_same(
    which: str, write: bool, old: Path, new: Path
) -> None:
    path = {"old": old, "new": new}[which]
    with in_use_by_qemu(path), open_pair(old, new, write=write) as pair:
        (obstacle,) = pair.obstacles
        assert pair.used == [obstacle]
        assert obstacle.startswith(f"{path}: is in use: process ")
        assert pair.source.read(Extent(0, 512)) == noise(MIB)[:512]
        with pytest.raises(ImageError):
            pair.target.write(0, b"x")


@needs_qemu
def test_somebody_who_comes_between_the_question_and_the_lock_is_an_obstacle(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "use_of", lambda _path, _claim: Use())
    with in_use_by_qemu(new), open_pair(old, new, write=True) as pair:
        assert len(pair.obstacles) == 1


@needs_qemu
def test_only_a_pair_to_be_written_keeps_others_out(old: Path, new: Path) -> None:
    with open_pair(old, new, write=False):
        assert qemu_opens(new)
    with open_pair(old, new, write=True):
        assert not qemu_opens(new)
        assert not qemu_opens(old)
    assert qemu_opens(new)
    assert qemu_opens(old)


def test_a_target_that_cannot_be_written_is_an_obstacle(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with open_pair(old, new, write=True) as pair:
        assert pair.obstacles == [f"{new}: cannot be written: no permission, or read-only"]
        assert pair.used == []


def test_a_file_system_without_locks_is_a_doubt(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "use_of", lambda path, _claim: Use(doubt=f"{path.name}?"))
    with open_pair(old, new, write=False) as pair:
        assert (pair.obstacles, pair.doubts) == ([], ["old.img?", "new.img?"])


@needs_qemu
def test_images_of_different_formats_are_read_and_written_each_in_its_own(old: Path, tmp_path: Path) -> None:
    new = make_image(tmp_path / "new.qcow2", noise(MIB, 2), "qcow2")
    with open_pair(old, new, write=True) as pair:
        assert (pair.source.format, pair.target.format, pair.doubts) == ("raw", "qcow2", [])
        pair.target.write(4096, pair.source.read(Extent(4096, 4096)))
        assert not qemu_opens(new, "qcow2"), "the lock was taken again"
    expected = noise(MIB, 2)
    assert content(new, "qcow2") == expected[:4096] + noise(MIB)[4096:8192] + expected[8192:]


@needs_qemu
def test_an_overlay_is_read_while_the_base_below_it_is_written(tmp_path: Path) -> None:
    # As after an active commit: the source lies on top of the target.
    base = make_image(tmp_path / "base.img", noise(MIB))
    top = tmp_path / "top.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(top)], check=True)
    with open_pair(top, base, "qcow2", write=True) as pair:
        assert (pair.obstacles, pair.doubts) == ([], [])
        pair.target.write(512, b"x" * 512)
        assert pair.source.read(Extent(0, 1024)) == noise(MIB)[:512] + b"x" * 512


def test_an_image_to_put_something_back_into_is_locked_or_refused(new: Path) -> None:
    with open_alone(new, "raw", write=True) as image:
        image.write(0, b"back")
        with pytest.raises(RepairRefusedError, match="is in use"), open_alone(new, "raw", write=False):
            pass
    with open_alone(new, "raw", write=False) as image, pytest.raises(ImageError):
        image.write(0, b"x")
    assert new.read_bytes()[:4] == b"back"
