"""Devices: nodes that are taken from under them, and task management that does not end. The traces are synthetic."""

from __future__ import annotations

import pytest

from tests.rules.pack.cases import (
    HALF_A_MINUTE_US,
    IN_TIME_US,
    Case,
    PackStory,
    coverage_of,
    happened,
    quiet_windows,
    stock,
    window_of,
)
from tests.timeline.story import COPY, DISK, DRIVE, OTHER_DISK, OTHER_DRIVE, VDEV, Story, edges
from traceview.findings import Verdict

DETACHED = "blk-detached-under-io"
TASK = "scsi-task-management-never-ends"
REQUEST = 0x71


def detached(
    *, begins_inside: bool = False, ends_inside: bool = True, reaches: bool = True, attaches: bool = True,
    blk: int = DRIVE, node: int = DISK,
) -> PackStory:  # fmt: skip
    """Take the disk away from its BlockBackend; a write that began before ends after that, unless said otherwise."""
    story = stock()
    story.reach_for(0x70, 4096)
    story.done(0x70)
    if not begins_inside:
        story.take_up("write", 8192, request=REQUEST)
        if reaches:
            story.reach("pwritev", 8192, blk=blk, node=node)
        if not ends_inside:
            story.done(REQUEST)
    story.detach()
    if begins_inside:
        story.reach_for(REQUEST, 8192, blk=blk, node=node)
    if ends_inside:
        story.done(REQUEST)
    if attaches:
        story.attach(node=COPY)
    return story


def not_seen_to_reach() -> PackStory:
    """Detach a BlockBackend in a trace that shows only what devices do."""
    story = PackStory()
    story.attach()
    story.take_up("write", 8192, request=REQUEST)
    story.detach()
    story.done(REQUEST)
    story.attach(node=COPY)
    return story


def manage(story: Story, tag: int) -> int:
    return story.say(f"virtio_scsi_tmf_req virtio_scsi_tmf_req lun=0 tag=0x{tag:x} subtype=5")


def managed(story: Story, tag: int) -> int:
    return story.say(f"virtio_scsi_tmf_resp virtio_scsi_tmf_resp lun=0 tag=0x{tag:x} response=0")


def task(wait_us: int = HALF_A_MINUTE_US, *, ends: bool = True) -> PackStory:
    """Reset one unit at once, and another one that takes its time."""
    story = PackStory()
    manage(story, 0x10)
    managed(story, 0x10)
    manage(story, 0x11)
    story.wait(wait_us)
    if ends:
        managed(story, 0x11)
    else:
        story.notify()
    return story


def no_answers() -> PackStory:
    """Reset a unit in a trace that does not show the ends of task management functions."""
    story = PackStory()
    manage(story, 0x10)
    story.wait(2 * HALF_A_MINUTE_US)
    story.notify()
    return story


CASES = (
    Case(DETACHED, detached, lambda: detached(ends_inside=False), not_seen_to_reach),
    Case(TASK, task, lambda: task(IN_TIME_US), no_answers),
)


# blk-detached-under-io


def test_a_request_that_ends_after_its_node_was_taken_away_is_told_by_its_end() -> None:
    story = stock()
    story.reach_for(REQUEST, 8192)
    opened = story.detach()
    ended = story.done(REQUEST)
    story.say(f"virtio_blk_req_complete vdev 0x{VDEV:x} req 0x{REQUEST:x} status 0")  # the same end, told again
    closed = story.attach(node=COPY)
    window = window_of(story, DETACHED)
    assert (edges(window), happened(window)) == ((opened, closed), [ended])
    assert (window.subject, window.key) == ("blk", DRIVE)


def test_a_request_that_begins_while_the_node_is_away_is_no_breach_of_the_claim() -> None:
    assert window_of(detached(begins_inside=True), DETACHED).verdict is Verdict.CLEAN


def test_a_pointer_that_is_used_anew_while_the_node_is_away_is_no_breach_of_the_claim() -> None:
    story = stock()
    story.reach_for(REQUEST, 4096)
    story.done(REQUEST)
    story.detach()
    story.reach_for(REQUEST, 8192)
    story.done(REQUEST)
    story.attach(node=COPY)
    assert window_of(story, DETACHED).verdict is Verdict.CLEAN


def test_a_request_that_a_drained_blockbackend_had_parked_has_not_worked_on_the_node() -> None:
    assert window_of(detached(reaches=False), DETACHED).verdict is Verdict.CLEAN


def test_a_request_of_another_blockbackend_may_end_at_any_time() -> None:
    assert window_of(detached(blk=OTHER_DRIVE, node=OTHER_DISK), DETACHED).verdict is Verdict.CLEAN


@pytest.mark.parametrize(("ends_inside", "verdict"), [(True, Verdict.VIOLATED), (False, Verdict.CLEAN)])
def test_a_blockbackend_may_stay_without_node_to_the_end_of_the_trace(ends_inside: bool, verdict: Verdict) -> None:
    window = window_of(detached(ends_inside=ends_inside, attaches=False), DETACHED)
    assert (window.verdict, window.close) == (verdict, None)


def test_where_requests_are_not_seen_to_reach_nodes_no_detachment_is_judged() -> None:
    covered = coverage_of(not_seen_to_reach().scan(None), DETACHED)
    assert (covered.windows, covered.reason) == (0, "not traced")
    assert covered.events == (("blk_co_preadv", "blk_co_pwritev"),)


# scsi-task-management-never-ends


def test_a_reset_that_takes_half_a_minute_is_told_by_its_beginning() -> None:
    window = window_of(task(), TASK)
    assert (edges(window), window.key, happened(window)) == ((3, 4), 0x11, [3])


def test_a_reset_that_has_not_ended_after_half_a_minute_has_a_window_without_end() -> None:
    window = window_of(task(ends=False), TASK)
    assert (edges(window), window.verdict) == ((3, None), Verdict.VIOLATED)


def test_the_end_of_another_function_ends_no_wait() -> None:
    story = PackStory()
    opened = manage(story, 0x11)
    manage(story, 0x10)
    managed(story, 0x10)
    story.wait(HALF_A_MINUTE_US)
    closed = managed(story, 0x11)
    assert edges(window_of(story, TASK)) == (opened, closed)


def test_a_tag_that_is_used_anew_begins_a_new_wait() -> None:
    story = PackStory()
    for _ in range(3):
        manage(story, 0x10)
        story.wait(IN_TIME_US)
    managed(story, 0x10)
    result = story.scan([TASK])
    assert (result.windows, result.inconclusive) == ([], False)


def test_where_records_are_lost_no_reset_is_said_to_end_in_time() -> None:
    story = task(IN_TIME_US)
    assert quiet_windows(story.binary().scan([TASK]), TASK) == 2
    story.lose()
    assert quiet_windows(story.binary().scan([TASK]), TASK) == 0
