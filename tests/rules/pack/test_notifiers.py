"""Kicks of guests: heard when they must not be, or not heard for too long. The traces are synthetic."""

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
    window_of,
    windows_of,
)
from tests.timeline.story import DISK, IO_THREAD, IOHANDLER, IOTHREAD, MAIN, MAIN_THREAD, VQ, Story, edges
from traceview.findings import Evidence, Verdict

KICK = "external-off-kick"
DETACHED = "notifier-detached-for-good"
PARKED = "guest-request-parked-for-good"
OTHER_VQ = 0xF2
REQUEST = 0x71
BLK, SCSI = "QEMU 4.2 and newer, virtio-blk", "QEMU 6.0 and newer, virtio-scsi"


def external_off(story: Story, ctx: int = MAIN, count: int = 1) -> int:
    return story.say(f"aio_disable_external ctx 0x{ctx:x} external_disable_cnt {count}")


def external_on(story: Story, ctx: int = MAIN, count: int = 0) -> int:
    return story.say(f"aio_enable_external ctx 0x{ctx:x} external_disable_cnt {count}")


def polled(story: Story, ctx: int = MAIN, *, told: bool = True) -> int:
    """Let a context's handlers read a host notifier; return the line of it."""
    if told:
        story.poll(ctx)
    line = story.kick()
    if told:
        story.poll_done(ctx)
    return line


def disabled(*, inside: bool = True, ctx: int = MAIN, told: bool = True, tid: int = MAIN_THREAD) -> PackStory:
    """Disable the external events of the main context; a kick is heard meanwhile, or right after."""
    story = PackStory()
    external_off(story)
    story.tid = tid
    if inside:
        polled(story, ctx, told=told)
    story.tid = MAIN_THREAD
    external_on(story)
    if not inside:
        polled(story, ctx, told=told)
    return story


def detach(story: Story, queue: int = VQ) -> int:
    return story.say(f"virtio_queue_aio_detach_host_notifier vq 0x{queue:x} ctx 0x{MAIN:x}")


def attach(story: Story, queue: int = VQ) -> int:
    return story.say(f"virtio_queue_aio_attach_host_notifier vq 0x{queue:x} ctx 0x{MAIN:x}")


def detached(wait_us: int = HALF_A_MINUTE_US, *, between: str = "", attaches: bool = True) -> PackStory:
    """Detach two queues' notifiers: one is attached again at once, the other one later."""
    story = PackStory()
    detach(story, OTHER_VQ)
    attach(story, OTHER_VQ)
    detach(story)
    if between:
        story.say(between)
    story.wait(wait_us)
    if attaches:
        attach(story)
    else:
        story.notify()
    return story


def parked(wait_us: int = HALF_A_MINUTE_US, *, end: str = "reach", offset: int = 8192) -> PackStory:
    """Let a device take up a write that waits for its end; reads and writes reach their nodes before it."""
    story = PackStory()
    story.reach_for(0x70, 4096)
    story.done(0x70)
    story.take_up("write", 8192, request=REQUEST)
    story.wait(wait_us)
    match end:
        case "reach":
            story.reach("pwritev", offset, node=DISK)
        case "submit":
            story.submit("pwritev", offset, request=REQUEST)
        case "done":
            story.done(REQUEST)
        case _:
            story.notify()
    return story


def command(story: Story, tag: int) -> int:
    return story.say(f"virtio_scsi_cmd_req virtio_scsi_cmd_req lun=0 tag=0x{tag:x} cmd=0x2a")


def answer(story: Story, tag: int) -> int:
    return story.say(f"virtio_scsi_cmd_resp virtio_scsi_cmd_resp lun=0 tag=0x{tag:x} response=0 status=0x0")


def commanded(wait_us: int = HALF_A_MINUTE_US) -> PackStory:
    """Answer one SCSI command at once, and another one later."""
    story = PackStory()
    command(story, 0x10)
    answer(story, 0x10)
    command(story, 0x11)
    story.wait(wait_us)
    answer(story, 0x11)
    return story


def not_seen_to_end(begin: str) -> PackStory:
    """Begin a wait in a trace that does not show how such waits end."""
    story = PackStory()
    story.say(begin)
    story.wait(2 * HALF_A_MINUTE_US)
    story.notify()
    return story


def detached_at_the_end() -> PackStory:
    story = PackStory()
    detach(story)
    story.notify()
    return story


CASES = (
    Case(KICK, disabled, lambda: disabled(inside=False), lambda: disabled(told=False)),
    Case(DETACHED, detached, lambda: detached(IN_TIME_US), detached_at_the_end),
    Case(
        PARKED,
        parked,
        lambda: parked(IN_TIME_US),
        lambda: not_seen_to_end("virtio_blk_handle_write vdev 0xe1 req 0x71 sector 16 nsectors 8"),
        Evidence.PROXY,
        BLK,
    ),
    Case(
        PARKED,
        commanded,
        lambda: commanded(IN_TIME_US),
        lambda: not_seen_to_end("virtio_scsi_cmd_req virtio_scsi_cmd_req lun=0 tag=0x10 cmd=0x2a"),
        Evidence.PROXY,
        SCSI,
    ),
)


# external-off-kick


def test_a_kick_that_is_heard_while_external_events_are_off_is_told_by_its_record() -> None:
    story = PackStory()
    opened = external_off(story)
    kick = polled(story)
    closed = external_on(story)
    window = window_of(story, KICK)
    assert (edges(window), happened(window), window.key) == ((opened, closed), [kick], MAIN)


def test_external_events_are_off_until_they_were_enabled_as_often_as_disabled() -> None:
    story = PackStory()
    opened = external_off(story)
    external_off(story, count=2)
    external_on(story, count=1)
    kick = polled(story)
    closed = external_on(story)
    window = window_of(story, KICK)
    assert (edges(window), happened(window)) == ((opened, closed), [kick])


def test_external_events_that_were_off_before_the_trace_began_have_no_window() -> None:
    story = PackStory()
    external_off(story, count=2)
    polled(story)
    external_on(story, count=1)
    external_on(story)
    assert windows_of(story, KICK) == []


@pytest.mark.parametrize(("ctx", "tid"), [(IOHANDLER, MAIN_THREAD), (IOTHREAD, IO_THREAD)])
def test_a_kick_that_another_context_hears_breaks_nothing(ctx: int, tid: int) -> None:
    assert window_of(disabled(ctx=ctx, tid=tid), KICK).verdict is Verdict.CLEAN


def test_on_stock_builds_the_coroutine_entered_last_tells_which_context_hears() -> None:
    story = PackStory()
    external_off(story)
    story.enter_context(MAIN)
    kick = story.kick()
    external_on(story)
    assert happened(window_of(story, KICK)) == [kick]


def test_where_no_contexts_are_traced_no_kick_is_judged() -> None:
    covered = coverage_of(disabled(told=False).scan(None), KICK)
    assert (covered.windows, covered.reason) == (0, "not traced")


def test_external_events_that_are_off_at_the_end_are_inconclusive() -> None:
    story = disabled(inside=False)
    external_off(story)
    assert [w.verdict for w in windows_of(story, KICK)] == [Verdict.CLEAN, Verdict.INCONCLUSIVE]


# notifier-detached-for-good


def test_a_notifier_that_is_attached_after_half_a_minute_was_away_too_long() -> None:
    window = window_of(detached(), DETACHED)
    assert (edges(window), window.key, happened(window)) == ((3, 4), VQ, [3])


def test_a_notifier_that_is_not_attached_again_has_a_window_without_end() -> None:
    window = window_of(detached(attaches=False), DETACHED)
    assert (edges(window), window.verdict) == ((3, None), Verdict.VIOLATED)
    window = window_of(detached(IN_TIME_US, attaches=False), DETACHED)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


@pytest.mark.parametrize(
    ("between", "windows"),
    [
        ("vm_state_notify running 0 reason 4 (paused)", 0),
        ("virtio_blk_data_plane_stop dataplane 0xe1", 0),
        ("vm_state_notify running 1 reason 9 (running)", 1),
        ("virtio_blk_data_plane_start dataplane 0xe1", 1),
    ],
)
def test_a_machine_or_a_device_that_stops_may_leave_its_notifiers_detached(between: str, windows: int) -> None:
    result = detached(between=between).scan([DETACHED])
    assert (len(result.findings), quiet_windows(result, DETACHED)) == (windows, 1)


# guest-request-parked-for-good


@pytest.mark.parametrize("end", ["reach", "submit", "done"])
def test_a_request_is_parked_no_more_when_it_reaches_its_node_is_handed_over_or_done(end: str) -> None:
    window = window_of(parked(end=end), PARKED)
    assert (edges(window), window.key, happened(window)) == ((4, 5), REQUEST, [4])
    result = parked(IN_TIME_US, end=end).scan([PARKED])
    assert (result.windows, result.inconclusive) == ([], False)


def test_a_request_that_never_gets_to_its_node_has_a_window_without_end() -> None:
    window = window_of(parked(end=""), PARKED)
    assert (edges(window), window.verdict) == ((4, None), Verdict.VIOLATED)


def test_what_reaches_another_place_on_the_disk_is_another_request() -> None:
    assert edges(window_of(parked(offset=1 << 20), PARKED)) == (4, None)


def test_a_request_that_is_merged_with_its_neighbours_has_reached_its_node() -> None:
    story = PackStory()
    story.reach_for(0x70, 4096)
    story.take_up("write", 8192, request=REQUEST)
    story.say(f"blk_co_pwritev blk 0xd1 bs 0x{DISK:x} offset 4096 bytes 12288 flags 0x0")
    story.wait(HALF_A_MINUTE_US)
    story.done(REQUEST)
    result = story.scan([PARKED])
    assert (result.windows, quiet_windows(result, PARKED)) == ([], 2)


def test_a_scsi_command_without_answer_has_a_window_without_end() -> None:
    story = commanded()
    story.told.pop()
    story.notify()
    assert edges(window_of(story, PARKED)) == (3, None)


def test_a_pointer_that_is_used_anew_begins_a_new_wait() -> None:
    story = parked(IN_TIME_US)
    for _ in range(2):
        story.take_up("write", 8192, request=REQUEST)
        story.wait(IN_TIME_US)
    story.done(REQUEST)
    assert windows_of(story, PARKED) == []


def test_a_tag_that_is_used_anew_begins_a_new_wait() -> None:
    story = commanded(IN_TIME_US)
    for _ in range(2):
        command(story, 0x11)
        story.wait(IN_TIME_US)
    answer(story, 0x11)
    assert windows_of(story, PARKED) == []


def test_where_records_are_lost_no_request_is_said_to_get_through_in_time() -> None:
    story = parked(IN_TIME_US)
    assert quiet_windows(story.binary().scan([PARKED]), PARKED) == 2
    story.lose()
    assert quiet_windows(story.binary().scan([PARKED]), PARKED) == 0
