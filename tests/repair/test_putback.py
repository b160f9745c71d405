"""Putting back what a repair has overwritten."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.repair import MIB, in_use_by_qemu, losses_of, lost, make_image, needs_qemu, noise, without
from traceview.errors import ImageError, RepairRefusedError, UndoFileError, UnknownNameError
from traceview.findings import Extent
from traceview.repair.execute import execute
from traceview.repair.pair import open_pair
from traceview.repair.plan import make_plan
from traceview.repair.putback import Restored, Restoring, opened_undo, put_back
from traceview.repair.undo import Origin, UndoWriter

OLD = noise(MIB)
HOLES = [Extent(8192, 4096), Extent(65536, 512), Extent(131072, 65536)]
NEW = without(OLD, HOLES, noise(MIB, 2))


@pytest.fixture
def repaired(tmp_path: Path) -> Path:
    """Return the undo file of a repair of the images beside it."""
    old, new, undo = make_image(tmp_path / "old.img", OLD), make_image(tmp_path / "new.img", NEW), tmp_path / "vm.undo"
    with open_pair(old, new, write=True) as pair:
        execute(make_plan(losses_of(*(lost(h.offset, h.length) for h in HOLES)), pair), pair, undo, datetime.now(UTC))
    assert new.read_bytes() == OLD
    return undo


def back(undo: Path, target: Path | None = None, *, write: bool = True, force: tuple[int, ...] = ()) -> list[Restored]:
    with opened_undo(undo, target, write=write) as (saved, image):
        return put_back(saved, image, write=write, force=force)


def test_every_byte_is_put_back_from_the_last_to_the_first(repaired: Path) -> None:
    assert back(repaired) == [Restored(h, Restoring.PUT_BACK) for h in reversed(HOLES)]
    assert (repaired.parent / "new.img").read_bytes() == NEW


def test_to_put_back_twice_does_no_harm(repaired: Path) -> None:
    back(repaired)
    assert back(repaired) == [Restored(h, Restoring.SAME) for h in reversed(HOLES)]
    assert (repaired.parent / "new.img").read_bytes() == NEW


def test_without_writing_it_is_only_said(repaired: Path) -> None:
    assert back(repaired, write=False) == [Restored(h, Restoring.PUT_BACK) for h in reversed(HOLES)]
    assert (repaired.parent / "new.img").read_bytes() == OLD


def test_what_somebody_has_written_since_is_left_unless_its_offset_is_named(repaired: Path) -> None:
    new = repaired.parent / "new.img"
    changed = bytearray(OLD)
    changed[65700] ^= 1
    new.write_bytes(changed)
    result = back(repaired)
    assert [r.outcome for r in result] == [Restoring.PUT_BACK, Restoring.CHANGED, Restoring.PUT_BACK]
    assert new.read_bytes() == without(bytes(changed), [HOLES[0], HOLES[2]], NEW)
    result = back(repaired, force=(65536,))
    assert result[1] == Restored(HOLES[1], Restoring.PUT_BACK, forced=True)
    assert new.read_bytes() == NEW


def test_an_offset_at_which_nothing_was_overwritten_is_an_error_that_names_the_nearest(repaired: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"--force 9000: nothing was overwritten there; the nearest .* 8192"):
        back(repaired, force=(9000,))
    assert (repaired.parent / "new.img").read_bytes() == OLD


def test_the_last_piece_of_a_repair_that_was_ended_is_put_back_whatever_it_has(tmp_path: Path) -> None:
    new = make_image(tmp_path / "new.img", OLD[:8192] + b"half" + NEW[8196:])
    writer = UndoWriter(tmp_path / "vm.undo", Origin(str(new), "raw", MIB, "", ""))
    writer.save(HOLES[0], NEW[8192:12288], OLD[8192:12288])
    writer.close()
    assert back(tmp_path / "vm.undo") == [Restored(HOLES[0], Restoring.PUT_BACK)]
    assert new.read_bytes() == OLD[:8192] + NEW[8192:]


def test_stretches_that_overlap_end_with_what_was_there_first(tmp_path: Path) -> None:
    old, new, undo = make_image(tmp_path / "old.img", OLD), make_image(tmp_path / "new.img", NEW), tmp_path / "vm.undo"
    extents = [lost(8192, 4096), lost(8192, 4096), lost(4096, 65536)]
    with open_pair(old, new, write=True) as pair:
        execute(make_plan(losses_of(*extents), pair), pair, undo, datetime.now(UTC))
    assert len(back(undo, write=False)) == 2
    back(undo)
    assert new.read_bytes() == NEW


def test_an_image_that_was_moved_is_named(repaired: Path) -> None:
    moved = (repaired.parent / "new.img").rename(repaired.parent / "moved.img")
    with pytest.raises(ImageError, match=r"new\.img: cannot be opened: No such file"):
        back(repaired)
    back(repaired, moved)
    assert moved.read_bytes() == NEW


def test_an_image_of_another_size_is_refused(repaired: Path) -> None:
    other = make_image(repaired.parent / "other.img", noise(2 * MIB))
    with pytest.raises(RepairRefusedError, match=r"is 2097152 B large, but the image that .* was saved from 1048576 B"):
        back(repaired, other)


@needs_qemu
def test_an_image_in_use_is_refused(repaired: Path) -> None:
    with (
        in_use_by_qemu(repaired.parent / "new.img"),
        pytest.raises(RepairRefusedError, match="has it open for writing; stop that first"),
    ):
        back(repaired)
    assert (repaired.parent / "new.img").read_bytes() == OLD


def test_a_damaged_file_puts_nothing_back(repaired: Path) -> None:
    raw = bytearray(repaired.read_bytes())
    raw[-100] ^= 1
    repaired.write_bytes(raw)
    with pytest.raises(UndoFileError, match="is damaged: nothing was put back"):
        back(repaired)
    assert (repaired.parent / "new.img").read_bytes() == OLD


def test_a_format_that_is_none_is_refused(tmp_path: Path) -> None:
    new = make_image(tmp_path / "new.img", OLD)
    UndoWriter(tmp_path / "x", Origin(str(new), "raw,file.filename=/etc/shadow", MIB, "", "")).close()
    with pytest.raises(ImageError, match="is no format"):
        back(tmp_path / "x")
