"""Copying what a plan says: saved first, read back, undone at any moment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.repair import MIB, losses_of, lost, make_image, noise, without
from traceview.errors import ImageError, RepairRefusedError
from traceview.findings import Extent
from traceview.losses import LossState, LostExtent
from traceview.repair.execute import Done, default_undo, execute
from traceview.repair.images import PIECE, RawImage
from traceview.repair.pair import Pair, open_pair
from traceview.repair.plan import Plan, make_plan
from traceview.repair.undo import UndoWriter, digest, read_undo

OLD = noise(12 * MIB)
HOLES = [Extent(8192, 4096), Extent(MIB, 2 * PIECE + 512), Extent(11 * MIB, 512)]
NEW = without(OLD, HOLES, noise(12 * MIB, 2))
LOST = [lost(h.offset, h.length) for h in HOLES]
NOW = datetime(2024, 5, 16, 12, 11, 12, tzinfo=timezone(timedelta(hours=2)))


@contextmanager
def planned(folder: Path, *extents: LostExtent, force: tuple[int, ...] = ()) -> Iterator[tuple[Plan, Pair, Path]]:
    """Make two images and a plan to repair one of them."""
    old, new = make_image(folder / "old.img", OLD), make_image(folder / "new.img", NEW)
    with open_pair(old, new, write=True) as pair:
        yield make_plan(losses_of(*(extents or LOST)), pair, force=force), pair, folder / "vm.undo"


def test_what_the_plan_says_is_copied_and_nothing_else(tmp_path: Path) -> None:
    told: list[int] = []
    with planned(tmp_path, *LOST[:2]) as (plan, pair, undo):
        done = execute(plan, pair, undo, NOW, on_step=lambda s: told.append(s.lost.extent.offset))
    assert done == Done(tuple(plan.steps), undo)
    assert told == [8192, MIB]
    assert (tmp_path / "new.img").read_bytes() == without(OLD, HOLES[2:], NEW)
    assert (tmp_path / "old.img").read_bytes() == OLD


def test_what_was_there_is_in_the_undo_file_piece_by_piece(tmp_path: Path) -> None:
    with planned(tmp_path) as (plan, pair, path):
        execute(plan, pair, path, NOW)
    with read_undo(path) as undo:
        assert undo.finished
        assert [(s.extent.offset, s.extent.length) for s in undo.records] == [
            (8192, 4096), (MIB, PIECE), (MIB + PIECE, PIECE), (MIB + 2 * PIECE, 512), (11 * MIB, 512),
        ]  # fmt: skip
        for saved in undo.records:
            place = slice(saved.extent.offset, saved.extent.end)
            assert undo.old_bytes(saved) == NEW[place]
            assert saved.new_digest == digest(OLD[place])
        assert undo.origin.target == str(tmp_path / "new.img")
        assert undo.origin.source == str(tmp_path / "old.img")
        assert (undo.origin.format, undo.origin.size) == ("raw", 12 * MIB)
        assert undo.origin.created == "2024-05-16T10:11:12+00:00"


def test_pieces_that_are_the_same_in_both_are_not_written(tmp_path: Path) -> None:
    with planned(tmp_path, lost(0, 12 * MIB)) as (plan, pair, path):
        execute(plan, pair, path, NOW)
    with read_undo(path) as undo:
        assert [s.extent.offset for s in undo.records] == [0, PIECE, 2 * PIECE]
    again = tmp_path / "again"
    again.mkdir()
    with planned(again, lost(0, 12 * MIB)) as (plan, pair, path):
        pair.target.write(MIB, OLD[MIB : MIB + PIECE * 2 + 512])
        execute(plan, pair, path, NOW)
    with read_undo(path) as undo:
        assert [s.extent.offset for s in undo.records] == [0, 2 * PIECE]


def noted(name: str, plain: Callable[..., None], calls: list[str]) -> Callable[..., None]:
    """Return a function that does the same, and notes that it was called."""

    def call(*words: object) -> None:
        calls.append(name)
        plain(*words)

    return call


def test_the_old_bytes_are_saved_before_the_image_is_touched_and_reach_the_disk_before_the_next_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for cls, name in ((UndoWriter, "save"), (RawImage, "write"), (RawImage, "flush"), (UndoWriter, "finish")):
        monkeypatch.setattr(cls, name, noted(name, getattr(cls, name), calls))
    with planned(tmp_path, *LOST[:1], LOST[2]) as (plan, pair, undo):
        execute(plan, pair, undo, NOW)
    assert calls == ["save", "write", "flush", "save", "write", "flush", "finish"]


def test_nothing_to_copy_leaves_no_undo_file(tmp_path: Path) -> None:
    with planned(tmp_path, lost(0, 4096), lost(state=LossState.UNCERTAIN)) as (plan, pair, undo):
        assert execute(plan, pair, undo, NOW) == Done((), None)
    assert not undo.exists()
    assert (tmp_path / "new.img").read_bytes() == NEW


def test_what_is_forced_is_copied(tmp_path: Path) -> None:
    with planned(tmp_path, lost(state=LossState.UNCERTAIN), force=(8192,)) as (plan, pair, undo):
        assert len(execute(plan, pair, undo, NOW).steps) == 1
    assert (tmp_path / "new.img").read_bytes() == without(OLD, HOLES[1:], NEW)


def test_an_obstacle_is_a_refusal_and_nothing_is_written(tmp_path: Path) -> None:
    with planned(tmp_path) as (plan, pair, undo):
        plan.obstacles += ["in use", "read-only"]
        with pytest.raises(RepairRefusedError, match="nothing was written: in use\nread-only"):
            execute(plan, pair, undo, NOW)
    assert not undo.exists()
    assert (tmp_path / "new.img").read_bytes() == NEW


# failures


def fails_at(number: int, monkeypatch: pytest.MonkeyPatch, *, written: int = 0) -> None:
    """Have the disk refuse the so-manieth write, after `written` bytes of it."""
    plain, count = RawImage.write, [0]

    def write(image: RawImage, offset: int, data: bytes) -> None:
        count[0] += 1
        if count[0] == number:
            plain(image, offset, data[:written])
            raise ImageError(f"{image.path}: cannot be written at {offset}: Input/output error")
        plain(image, offset, data)

    monkeypatch.setattr(RawImage, "write", write)


def test_the_first_failure_ends_it_and_says_what_was_done_and_how_to_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_at(3, monkeypatch, written=100)
    with planned(tmp_path) as (plan, pair, _):
        undo = tmp_path / "my undo"
        with pytest.raises(ImageError) as error:
            execute(plan, pair, undo, NOW)
    assert str(error.value) == (
        f"{tmp_path}/new.img: cannot be written at {MIB + PIECE}: Input/output error\n"
        f"1 of 3 extents were copied before that. What was overwritten is in {undo}; to put it back: "
        f"traceview repair --undo '{undo}'"
    )
    with read_undo(undo) as saved:
        assert not saved.finished
        assert len(saved.records) == 3


def test_what_reads_back_different_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RawImage, "write", lambda *_words: None)
    with (
        planned(tmp_path) as (plan, pair, undo),
        pytest.raises(ImageError, match="what was written at 8192 reads back different"),
    ):
        execute(plan, pair, undo, NOW)


def test_an_undo_file_that_cannot_be_written_leaves_the_image_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UndoWriter, "save", lambda *_words: (_ for _ in ()).throw(ImageError("no space left")))
    with planned(tmp_path) as (plan, pair, undo), pytest.raises(ImageError, match="no space left\n0 of 3"):
        execute(plan, pair, undo, NOW)
    assert (tmp_path / "new.img").read_bytes() == NEW


def test_an_undo_file_that_is_there_already_is_a_refusal(tmp_path: Path) -> None:
    with planned(tmp_path) as (plan, pair, undo):
        undo.write_bytes(b"mine")
        with pytest.raises(ImageError, match="no undo file is ever overwritten"):
            execute(plan, pair, undo, NOW)
    assert undo.read_bytes() == b"mine"
    assert (tmp_path / "new.img").read_bytes() == NEW


def test_a_source_that_becomes_shorter_ends_it(tmp_path: Path) -> None:
    with planned(tmp_path) as (plan, pair, undo):
        os.truncate(tmp_path / "old.img", 2 * MIB)
        with pytest.raises(ImageError, match="it has become shorter, is it in use"):
            execute(plan, pair, undo, NOW)


# the undo file's name


def test_an_undo_file_lies_beside_the_target_and_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    target = tmp_path / "new.img"
    first = default_undo(target, NOW)
    assert str(first) == f"{target}.undo-20240516T101112Z"
    first.touch()
    assert str(default_undo(target, NOW)) == f"{target}.undo-20240516T101112Z-1"


def test_a_block_device_needs_an_undo_file_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_block_device", lambda _path: True)
    with pytest.raises(RepairRefusedError, match=re.escape("say --undo FILE")):
        default_undo(tmp_path / "sdx", datetime.now(UTC))
