"""Which of the lost extents really differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repair import MIB, losses_of, lost, make_image, named, noise, without
from traceview.errors import RepairRefusedError
from traceview.findings import Extent
from traceview.losses import LossState
from traceview.repair.compare import Difference
from traceview.repair.pair import Pair, open_pair
from traceview.repair.verify import Checked, verify

DATA = noise(MIB)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    other = bytearray(without(DATA, [Extent(65536, 512)], noise(MIB, 2)))
    other[8200] ^= 1
    old, new = make_image(tmp_path / "old.img", DATA), make_image(tmp_path / "new.img", bytes(other))
    with open_pair(old, new, write=False) as opened:
        yield opened


def only(pair: Pair, extent: object) -> Checked:
    (checked,) = verify(losses_of(extent), pair)  # type: ignore[arg-type]
    return checked


@pytest.mark.parametrize("state", [LossState.LOST, LossState.UNCERTAIN])
def test_an_extent_that_differs_is_told_from_one_that_does_not(state: LossState, pair: Pair) -> None:
    assert only(pair, lost(state=state)).difference == Difference(1, 8200)
    assert only(pair, lost(16384, state=state)).difference == Difference(0, None)


def test_what_was_rewritten_is_not_compared_and_leaves_nothing_open(pair: Pair) -> None:
    checked = only(pair, lost(state=LossState.REWRITTEN))
    assert (checked.difference, checked.reasons, checked.open) == (None, ("the guest has written there since",), False)


def test_what_is_not_in_these_images_is_left_open(pair: Pair) -> None:
    behind = only(pair, lost(MIB))
    assert (behind.difference, behind.open) == (None, True)
    assert "behind the end" in behind.reasons[0]
    _, elsewhere = verify(losses_of(named(), named(has="/vm/middle.img")), pair)
    assert elsewhere == Checked(elsewhere.lost, None, ("/vm/middle.img has it, not this source",))
    assert elsewhere.open


def test_images_of_other_names_are_compared_and_the_doubt_is_told(pair: Pair) -> None:
    checked = only(pair, named(now="/vm/third.img"))
    assert checked.difference == Difference(1, 8200)
    assert "on 'third.img' when it ends" in checked.reasons[0]


def test_the_disk_is_chosen_as_for_a_repair(pair: Pair) -> None:
    losses = losses_of(lost(), lost(65536, 512, device="drive1"))
    with pytest.raises(RepairRefusedError, match="several disks"):
        verify(losses, pair)
    assert [c.lost.device for c in verify(losses, pair, device="drive1")] == ["drive1"]
