"""Whose requests are whose, where they carry neither device nor node (QEMU to 2.9). The traces are synthetic."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.cuts import every_cut, pieces
from tests.timeline.story import BLOCK, DISK, DRIVE, IO_THREAD, OTHER_DRIVE, OTHER_VDEV, VDEV, VQ, Story
from traceview.timeline.ownership import Ownership
from traceview.vocabulary import Op


def learned(story: Story, cuts: Iterable[int] = ()) -> Ownership:
    """Return what is learned of a story that is cut before the given rows."""
    known = Ownership()
    for part in pieces(story.table(), cuts):
        known.feed(part)
    return known


def devices(story: Story) -> tuple[set[int], bool]:
    """Return the devices of a story and whether one alone is known; any cut of the trace must give the same."""
    found = [learned(story, cuts) for cuts in every_cut(story)]
    assert all((k.devices, k.one_device) == (found[0].devices, found[0].one_device) for k in found)
    return found[0].devices, found[0].one_device


def take_up(story: Story, request: int = 0x70, offset: int = 0, *, op: str = "write", tid: int | None = None) -> int:
    """Let a device of QEMU to 2.9 take a request up: the record does not say which one."""
    text = f"virtio_blk_handle_{op} req 0x{request:x} sector {offset // 512} nsectors {BLOCK // 512}"
    return story.say(text, tid=tid)


def node_aio(story: Story, request: int = 0x70, offset: int = 0, *, op: str = "writev") -> int:
    return story.say(f"bdrv_aio_{op} bs 0x{DISK:x} sector_num {offset // 512} nb_sectors 8 opaque 0x{request:x}")


def kick(story: Story, vdev: int = VDEV, *, tid: int | None = None) -> int:
    return story.say(f"virtio_queue_notify vdev 0x{vdev:x} n 0 vq 0x{VQ:x}", tid=tid)


# which devices there are


def test_a_device_is_known_by_its_pointer() -> None:
    story = Story()
    story.take_up("write", 0, vdev=VDEV)
    assert devices(story) == ({VDEV}, True)
    story.take_up("read", 0, vdev=OTHER_VDEV)
    assert devices(story) == ({VDEV, OTHER_VDEV}, False)


def test_a_transfer_is_known_by_its_blockbackend() -> None:
    story = Story()
    for blk in (DRIVE, DRIVE):
        story.say(f"dma_blk_io dbs=0x70 bs=0x{blk:x} offset=0 to_dev=1")
    assert devices(story) == ({DRIVE}, True)
    story.say(f"dma_blk_io dbs=0x70 bs=0x{OTHER_DRIVE:x} offset=0 to_dev=1")
    assert devices(story) == ({DRIVE, OTHER_DRIVE}, False)


def test_a_request_without_device_is_that_of_the_queue_that_was_kicked_last() -> None:
    story = Story()
    kick(story, VDEV)
    take_up(story)
    take_up(story)
    assert devices(story) == ({VDEV}, True)
    kick(story, OTHER_VDEV)
    assert devices(story) == ({VDEV}, True)
    take_up(story)
    assert devices(story) == ({VDEV, OTHER_VDEV}, False)


def test_a_kick_counts_for_its_thread() -> None:
    story = Story()
    kick(story, VDEV)
    kick(story, OTHER_VDEV, tid=IO_THREAD)
    take_up(story)
    assert devices(story) == ({VDEV}, True)
    take_up(story, tid=IO_THREAD)
    assert devices(story) == ({VDEV, OTHER_VDEV}, False)


def test_a_request_that_no_kick_came_before_may_be_of_any_device() -> None:
    story = Story()
    take_up(story)
    kick(story)
    take_up(story)
    assert devices(story) == ({VDEV}, False)


def test_a_trace_without_requests_knows_no_device() -> None:
    story = Story()
    kick(story)
    assert devices(story) == (set(), False)


# whose nodes are shown


def test_an_operation_is_followed_where_a_node_is_seen_to_carry_out_what_a_device_took_up() -> None:
    story = Story()
    take_up(story, 0x70, BLOCK, op="read")
    node_aio(story, 0x70, BLOCK, op="readv")
    take_up(story, 0x71, BLOCK)
    assert learned(story).followed == {Op.READ}
    node_aio(story, 0x71, BLOCK)
    assert learned(story).followed == {Op.READ, Op.WRITE}


@pytest.mark.parametrize(("request_", "offset"), [(0x71, BLOCK), (0x70, 2 * BLOCK)])
def test_io_of_another_pointer_or_place_ties_nothing(request_: int, offset: int) -> None:
    story = Story()
    take_up(story, 0x70, BLOCK)
    node_aio(story, request_, offset)
    assert learned(story).followed == set()


def test_requests_that_reach_their_nodes_show_it_of_every_operation() -> None:
    story = Story()
    take_up(story)
    story.reach("preadv")
    assert learned(story).followed == {op for op in Op if op}


@pytest.mark.parametrize(("strangers", "tied"), [(3, True), (4, False)])
def test_it_is_not_looked_for_for_ever(strangers: int, tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.timeline.ownership._MOST_LOOKS", 4)
    story = Story()
    take_up(story)
    for _ in range(strangers):
        node_aio(story, 0x99)
    node_aio(story)
    node_aio(story, op="readv")  # reads are looked at by themselves
    assert learned(story).followed == ({Op.WRITE, Op.READ} if tied else {Op.READ})


def test_where_all_is_shown_nobody_needs_to_guess_any_longer() -> None:
    story = Story()
    story.take_up("write", 0, vdev=VDEV)
    story.reach("pwritev")
    shown = story.lines
    story.take_up("write", 0, vdev=OTHER_VDEV)
    assert learned(story, [shown]).devices == {VDEV}
