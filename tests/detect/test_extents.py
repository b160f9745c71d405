"""Which bytes a target lacks: what the window wrote, less what the same device rewrote since the switch."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import (
    BLOCK,
    COPY,
    DISK,
    DRIVE,
    FILTER,
    OTHER_DRIVE,
    Story,
    drains,
    exits,
    instrumented,
    stock,
)
from traceview.detect.extents import LossTracker, merge_extents, written_by_guests
from traceview.findings import Extent, Verdict, Window

extents = st.lists(st.builds(Extent, st.integers(0, 60), st.integers(0, 12)), max_size=8)


def octets(*parts: Extent) -> set[int]:
    return {at for e in parts for at in range(e.offset, e.end)}


# joining


@given(extents)
def test_merging_keeps_every_byte_and_adds_none(parts: list[Extent]) -> None:
    assert octets(*merge_extents(parts)) == octets(*parts)


@given(extents)
def test_merged_extents_are_in_order_apart_and_not_empty(parts: list[Extent]) -> None:
    merged = merge_extents(parts)
    assert all(e.length > 0 for e in merged)
    assert all(a.end < b.offset for a, b in itertools.pairwise(merged))


def test_extents_that_touch_become_one() -> None:
    assert merge_extents([Extent(8, 4), Extent(0, 8)]) == [Extent(0, 12)]


def test_extents_that_do_not_touch_stay_apart() -> None:
    assert merge_extents([Extent(9, 4), Extent(0, 8)]) == [Extent(0, 8), Extent(9, 4)]


# following


def tracker_after(lost: list[Extent], writes: list[Extent], *, cuts: tuple[int, ...] = ()) -> LossTracker[int]:
    """Return a tracker that lost `lost` at record 0 and then saw the writes, cut into tables at `cuts`."""
    story = Story()
    story.iteration()
    for e in writes:
        story.write(e.offset, length=e.length)
    table = story.table()
    tracker: LossTracker[int] = LossTracker(written_by_guests)
    tracker.watch(7, DRIVE, 0, lost)
    edges = [0, *sorted(cuts), len(table)]
    for first, last in itertools.pairwise(edges):
        tracker.feed(table.take(slice(first, last)))
    return tracker


@given(extents, extents, st.integers(0, 9))
def test_what_is_left_is_what_was_lost_less_what_was_rewritten(
    lost: list[Extent], writes: list[Extent], cut: int
) -> None:
    tracker = tracker_after(lost, writes, cuts=(min(cut, len(writes)),))
    left, made_good = tracker.left(7, DRIVE), tracker.made_good(7, DRIVE)
    assert octets(*left) == octets(*lost) - octets(*writes)
    assert octets(*(e for e, _ in made_good)) == octets(*lost) & octets(*writes)
    assert sum(e.length for e, _ in made_good) == len(octets(*lost) & octets(*writes))
    assert sum(e.length for e in left) == len(octets(*left))
    for extent, mark in made_good:  # by the first write that touches it
        first = next(i for i, w in enumerate(writes, 1) if octets(w) & octets(extent))
        assert mark.record == first


def test_a_window_that_is_not_followed_lacks_nothing() -> None:
    tracker = tracker_after([Extent(0, 8)], [Extent(0, 4)])
    for window, writer in ((8, DRIVE), (7, OTHER_DRIVE)):
        assert (tracker.left(window, writer), tracker.made_good(window, writer)) == ([], [])


# in a scan


def lossy() -> Story:
    """Tell a trace in which a guest's write is lost in the window."""
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.write(8192)
    story.write(16384)
    return story


def exit_window(story: Story) -> Window:
    (window,) = exits(story.scan())
    return window


def test_what_was_written_in_the_window_is_what_the_target_lacks() -> None:
    story = lossy()
    story.leave()
    window = exit_window(story)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8192, BLOCK), Extent(16384, BLOCK)], 0)


def test_neighbouring_writes_are_one_extent_and_a_double_write_counts_once() -> None:
    story = lossy()
    story.write(12288)
    story.write(8192)
    story.leave()
    assert exit_window(story).lost == [Extent(8192, 3 * BLOCK)]


def test_a_write_after_the_switch_rewrites() -> None:
    story = lossy()
    story.leave()
    story.write(16384, node=COPY)
    window = exit_window(story)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8192, BLOCK)], BLOCK)


def test_a_partial_rewrite_leaves_the_rest() -> None:
    story = lossy()
    story.leave()
    story.write(8192 + 512, node=COPY, length=1024)
    window = exit_window(story)
    assert window.lost[:2] == [Extent(8192, 512), Extent(8192 + 1536, BLOCK - 1536)]
    assert window.rewritten_bytes == 1024


def test_zeroes_and_discards_rewrite_as_well() -> None:
    for op in ("pwrite_zeroes", "pdiscard"):
        story = lossy()
        story.leave()
        story.submit(op, 8192, node=COPY)
        assert exit_window(story).lost == [Extent(16384, BLOCK)]


def test_a_read_rewrites_nothing() -> None:
    story = lossy()
    story.leave()
    story.read(8192, node=COPY)
    assert exit_window(story).rewritten_bytes == 0


def test_a_write_of_another_device_rewrites_nothing() -> None:
    story = lossy()
    story.leave()
    story.write(8192, blk=OTHER_DRIVE, node=COPY)
    assert exit_window(story).rewritten_bytes == 0


def test_writes_between_the_exit_and_its_end_are_on_the_target() -> None:
    story = lossy()
    story.exit()
    story.pivot()
    story.write(8192, node=COPY)
    story.exit_done()
    assert exit_window(story).rewritten_bytes == BLOCK


def test_what_was_lost_before_the_deferral_and_written_again_before_the_exit_is_still_lost() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.write(8192)
    story.defer()
    story.write(8192)
    story.leave()
    result = story.scan()
    for (window,) in (drains(result), exits(result)):
        assert (window.lost, window.rewritten_bytes) == ([Extent(8192, BLOCK)], 0)


def test_a_write_after_the_switch_heals_both_doors() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.write(8192)
    story.defer()
    story.write(8192)
    story.leave()
    story.write(8192, node=COPY)
    result = story.scan()
    for (window,) in (drains(result), exits(result)):
        assert (window.verdict, window.lost, window.rewritten_bytes) == (Verdict.VIOLATED, [], BLOCK)


def test_the_losses_of_two_jobs_are_followed_each_from_its_own_switch() -> None:
    story = lossy()
    story.leave()
    story.start(node=COPY)
    story.look()
    story.defer(node=COPY)
    story.write(8192, node=COPY)  # reaches the first target, and is lost to the second
    story.leave(node=COPY)
    first, second = exits(story.scan())
    assert (first.lost, first.rewritten_bytes) == ([Extent(16384, BLOCK)], BLOCK)
    assert (second.lost, second.rewritten_bytes) == ([Extent(8192, BLOCK)], 0)


def test_a_job_that_moved_nobody_lacks_nothing() -> None:
    story = lossy()
    story.leave(pivots=False)
    assert (exit_window(story).lost, exit_window(story).rewritten_bytes) == ([], 0)


def test_a_jobs_own_write_is_not_lacking() -> None:
    story = instrumented()
    story.start()
    story.defer()
    story.write(8192)
    story.write(65536, blk=0xD9)
    story.leave()
    assert exit_window(story).lost == [Extent(8192, BLOCK)]


def test_two_devices_on_one_node_lack_the_bytes_of_both() -> None:
    story = instrumented()
    story.start()
    story.defer()
    story.write(8192)
    story.write(8192, blk=OTHER_DRIVE)
    story.write(65536, blk=OTHER_DRIVE)
    story.leave()
    assert octets(*exit_window(story).lost) == octets(Extent(8192, BLOCK), Extent(65536, BLOCK))


def test_on_stock_builds_rewrites_count_from_the_attachment() -> None:
    story = stock()
    story.before_drain()
    story.enter()
    for offset in (0, 8192, 16384):
        story.reach("pwritev", offset)
    story.completed()
    story.reach("pwritev", 8192)
    story.move(FILTER, COPY)
    story.reach("pwritev", 16384, node=COPY)
    story.reach("pwritev", 0, node=COPY, flags=0x2)
    window = exit_window(story)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8192, BLOCK)], 2 * BLOCK)


def test_the_node_that_was_written_to_is_the_source() -> None:
    story = lossy()
    story.leave()
    assert {r.node for r in exit_window(story).requests} == {DISK}
