"""Which BlockBackend a guest device uses. The traces are synthetic."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import DISK, DRIVE, OTHER_DRIVE, OTHER_VDEV, OWN, VDEV, Story
from traceview.timeline import devices as module
from traceview.timeline.devices import DeviceMap


def learned(story: Story, *cuts: int) -> DeviceMap:
    """Return the map after the story, cut into tables at the given records."""
    known, table = DeviceMap(), story.table()
    edges = [0, *cuts, len(table)]
    for first, last in itertools.pairwise(edges):
        known.feed(table.take(slice(first, last)))
    return known


def use(story: Story, offset: int, *, vdev: int = VDEV, blk: int = DRIVE, request: int = 0x70) -> None:
    story.take_up("write", offset, request=request, vdev=vdev)
    story.submit("pwritev", offset, blk=blk, request=request)


def test_a_device_is_tied_to_a_blockbackend_by_the_request_pointer() -> None:
    story = Story()
    story.take_up("write", 0, request=0x70)
    story.submit("pwritev", 4096, request=0x70)  # another place: the device merged it with others
    known = learned(story)
    assert (known.blk_of(VDEV), known.serves_device(DRIVE)) == (DRIVE, True)


def test_on_stock_builds_it_is_tied_by_operation_and_place() -> None:
    story = Story()
    story.take_up("write", 0)
    story.reach("pwritev", 0, node=DISK)
    assert learned(story).blk_of(VDEV) == DRIVE


def test_a_blockbackend_is_known_by_the_event_that_took_most_of_its_requests_up() -> None:
    story = Story()
    use(story, 0)
    use(story, 4096)
    story.say("ide_dma_cb IDEState 0x1; sector_num=16 n=8 cmd=DMA WRITE")
    story.submit("pwritev", 16 * 512, request=0)
    known = learned(story)
    assert (known.event_of(DRIVE), known.event_of(OTHER_DRIVE)) == ("virtio_blk_handle_write", "")


@pytest.mark.parametrize(("op", "offset"), [("preadv", 0), ("pwritev", 512)])
def test_another_operation_or_place_ties_nothing(op: str, offset: int) -> None:
    story = Story()
    story.take_up("write", 0)
    story.reach(op, offset, node=DISK)
    known = learned(story)
    assert (known.blk_of(VDEV), known.serves_device(DRIVE)) == (None, False)


def test_another_request_pointer_ties_nothing_though_the_place_is_the_same() -> None:
    story = Story()
    story.take_up("write", 0, request=0x70)
    story.submit("pwritev", 0, request=0x71)
    assert learned(story).blk_of(VDEV) is None


def test_devices_are_told_apart() -> None:
    story = Story()
    use(story, 0)
    use(story, 4096, vdev=OTHER_VDEV, blk=OTHER_DRIVE, request=0x71)
    known = learned(story)
    assert (known.blk_of(VDEV), known.blk_of(OTHER_VDEV)) == (DRIVE, OTHER_DRIVE)


def test_the_blockbackend_that_a_device_uses_most_is_its_own() -> None:
    story = Story()
    use(story, 0, blk=OWN)
    for number in range(1, 4):
        use(story, 4096 * number)
    assert learned(story).blk_of(VDEV) == DRIVE


def ide(story: Story, sector: int) -> None:
    story.say(f"nvme_rw write 8 blocks (4096 bytes) from LBA {sector}")
    story.reach("pwritev", sector * 512, node=DISK)


def test_devices_that_the_release_does_not_name_are_one_device_while_they_use_one_blockbackend() -> None:
    story = Story()
    ide(story, 8)
    assert learned(story).blk_of(0) == DRIVE


def test_and_are_nothing_certain_when_they_use_several() -> None:
    story = Story()
    ide(story, 8)
    story.say("nvme_rw write 8 blocks (4096 bytes) from LBA 16")
    story.reach("pwritev", 8192, blk=OTHER_DRIVE)
    assert learned(story).blk_of(0) is None


def test_a_named_blockbackend_is_the_guests_and_a_nameless_one_only_if_a_device_uses_it() -> None:
    story = Story()
    use(story, 0)
    known = learned(story)
    assert known.is_guest(OTHER_DRIVE, "drive1")
    assert known.is_guest(DRIVE, "")
    assert not known.is_guest(OWN, "")
    assert not known.is_guest(OWN, None)


def test_where_no_device_is_traced_a_blockbackend_of_unknown_name_is_taken_for_the_guests() -> None:
    story = Story()
    story.submit("pwritev", blk=OWN)
    known = learned(story)
    assert known.is_guest(OWN, None)
    assert not known.is_guest(OWN, "")


def test_a_blockbackend_whose_first_requests_no_device_made_is_not_looked_at_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_LOOKS", 3)
    story = Story()
    for number in range(3):
        story.submit("pwritev", 4096 * number, blk=OWN, request=0x79)
    use(story, 0, blk=OWN)
    assert not learned(story).serves_device(OWN)


def test_enough_votes_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH_VOTES", 2)
    story = Story()
    for number in range(2):
        use(story, 4096 * number)
    for number in range(2, 8):
        use(story, 4096 * number, vdev=OTHER_VDEV)
    known = learned(story)
    assert known.blk_of(VDEV) == DRIVE
    assert known.blk_of(OTHER_VDEV) is None


@pytest.mark.parametrize(("between", "tied"), [(0, True), (2, True), (3, False), (30, False)])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_request_that_was_taken_up_too_long_ago_ties_nothing(
    between: int, tied: bool, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REACH_BACK", 3)
    story = Story()
    story.take_up("write", 0)
    for _ in range(between):
        story.iteration()
    story.reach("pwritev", 0, node=DISK)
    assert (learned(story, cut).blk_of(VDEV) == DRIVE) == tied


def test_requests_that_are_out_of_reach_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REACH_BACK", 3)
    story = Story()
    for number in range(20):
        story.take_up("write", 4096 * number)
    assert len(learned(story, *range(1, 20))._recent) == 4


def test_of_two_devices_that_took_up_the_same_place_the_later_one_is_tied() -> None:
    story = Story()
    story.take_up("write", 0, vdev=OTHER_VDEV)
    story.take_up("write", 0)
    story.reach("pwritev", 0, node=DISK)
    known = learned(story)
    assert (known.blk_of(VDEV), known.blk_of(OTHER_VDEV)) == (DRIVE, None)


@given(
    st.lists(st.tuples(st.sampled_from([VDEV, OTHER_VDEV]), st.sampled_from([DRIVE, OTHER_DRIVE, OWN])), max_size=8),
    st.lists(st.integers(0, 16), max_size=4),
)
def test_what_is_learned_does_not_depend_on_where_the_trace_is_cut(
    uses: list[tuple[int, int]], cuts: list[int]
) -> None:
    story = Story().cast()
    for number, (vdev, blk) in enumerate(uses):
        use(story, 4096 * number, vdev=vdev, blk=blk, request=0x70 + number)
    whole = learned(story)
    pieces = learned(story, *sorted(min(c, story.lines) for c in cuts))
    for vdev in (VDEV, OTHER_VDEV):
        assert pieces.blk_of(vdev) == whole.blk_of(vdev)
    for blk in (DRIVE, OTHER_DRIVE, OWN):
        assert pieces.serves_device(blk) == whole.serves_device(blk)
