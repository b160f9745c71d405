"""Nodes and AioContexts: what runs in a context that is left, or that is not the node's. The traces are synthetic."""

from __future__ import annotations

import pytest

from tests.rules.pack.cases import (
    HALF_A_MINUTE_US,
    IN_TIME_US,
    Case,
    PackStory,
    coverage_of,
    happened,
    instrumented,
    quiet_windows,
    window_of,
    windows_of,
)
from tests.timeline.story import (
    DISK,
    DRIVE,
    IO_THREAD,
    IOTHREAD,
    MAIN,
    MAIN_THREAD,
    OTHER_DISK,
    OTHER_DRIVE,
    OWN,
    edges,
    lines,
)
from traceview.findings import Verdict
from traceview.vocabulary import Op

SWITCH = "context-switch-guest-io"
FOREIGN = "guest-request-in-foreign-context"
NBD = "nbd-request-in-context-switch"
SCHEDULED = "scheduled-coroutine-never-runs"
LOCKED = "drain-under-graph-lock"
COROUTINE, OTHER_COROUTINE = 0x10, 0x11


# the stories


def switch(*, inside: bool = True, spoils: bool = False, blk: int = DRIVE, node: int = DISK) -> PackStory:
    """Move the disk to another context; a guest's write comes in between, or right after."""
    story = instrumented()
    story.leave_context()
    if spoils:
        story.spoil()
    if inside:
        story.write(8192, blk=blk, node=node)
    story.join_context()
    if not inside:
        story.write(8192, blk=blk, node=node)
    return story


def moved(*, ctx: int = MAIN, told: bool = True, blk: int = DRIVE, node: int = DISK) -> PackStory:
    """Attach the disk to an IOThread's context; a guest's write comes in a thread that runs in `ctx`."""
    story = instrumented()
    story.poll(MAIN)
    story.poll_done(MAIN)
    story.join_context(ctx=IOTHREAD)
    story.tid = IO_THREAD
    if told:
        story.poll(ctx)
    story.write(8192, blk=blk, node=node)
    if told:
        story.poll_done(ctx)
    story.tid = MAIN_THREAD
    story.leave_context()
    return story


def clients_move(*, inside: bool = True, ctx: int = MAIN, told: bool = True) -> PackStory:
    """Move the clients of an NBD export from the main context to an IOThread's; one sends a request from `ctx`."""
    story = PackStory()

    def request() -> None:
        if told:
            story.enter_context(ctx)
        story.say("nbd_trip Reading request")

    story.say(f"nbd_blk_aio_detach Export disk: Detaching clients from AIO context 0x{MAIN:x}")
    if inside:
        request()
    story.say(f"nbd_blk_aio_attached Export disk: Attaching clients to AIO context 0x{IOTHREAD:x}")
    if not inside:
        request()
    return story


def schedule(story: PackStory, coroutine: int = COROUTINE) -> int:
    return story.say(f"aio_co_schedule ctx 0x{MAIN:x} co 0x{coroutine:x}")


def run(story: PackStory, coroutine: int = COROUTINE) -> int:
    return story.say(f"aio_co_schedule_bh_cb ctx 0x{MAIN:x} co 0x{coroutine:x}")


def scheduled(wait_us: int = HALF_A_MINUTE_US) -> PackStory:
    """Schedule two coroutines: one runs at once, the other one later."""
    story = PackStory()
    schedule(story, OTHER_COROUTINE)
    run(story, OTHER_COROUTINE)
    schedule(story)
    story.wait(wait_us)
    run(story)
    return story


def never_runs() -> PackStory:
    """Schedule a coroutine in a trace that does not show that coroutines run."""
    story = PackStory()
    schedule(story)
    story.wait(2 * HALF_A_MINUTE_US)
    story.notify()
    return story


def locked(*, inside: bool = True, unlocks: bool = True) -> PackStory:
    """Lock the graph for writing; a drained section begins under the lock, or before it."""
    story = PackStory()
    if not inside:
        story.drain()
    story.say("bdrv_graph_wrlock depth 0")
    if inside:
        story.drain()
    if unlocks:
        story.say("bdrv_graph_wrunlock depth 0")
    return story


CASES = (
    Case(SWITCH, switch, lambda: switch(inside=False), lambda: switch(inside=False, spoils=True)),
    Case(FOREIGN, moved, lambda: moved(ctx=IOTHREAD), lambda: moved(told=False)),
    Case(NBD, clients_move, lambda: clients_move(inside=False), lambda: clients_move(told=False)),
    Case(SCHEDULED, scheduled, lambda: scheduled(IN_TIME_US), never_runs),
    Case(LOCKED, locked, lambda: locked(inside=False), lambda: locked(inside=False, unlocks=False)),
)


# context-switch-guest-io


def test_a_write_between_two_contexts_is_told_with_its_place() -> None:
    story = instrumented()
    opened = story.leave_context()
    write = story.write(8192)
    closed = story.join_context()
    window = window_of(story, SWITCH)
    assert (edges(window), lines(window.requests)) == ((opened, closed), [write])
    (request,) = window.requests
    assert (request.op, request.offset, request.device, request.node) == (Op.WRITE, 8192, "drive0", DISK)
    assert (window.node, window.job, window.pivoted) == (DISK, 0, False)


@pytest.mark.parametrize("op", ["preadv", "pwrite_zeroes", "pdiscard"])
def test_a_request_of_any_kind_breaks_a_switch_of_contexts_and_runs_in_its_nodes_context(op: str) -> None:
    story = instrumented()
    story.leave_context()
    story.submit(op)
    story.join_context(ctx=IOTHREAD)
    story.enter_context(MAIN)
    story.submit(op)
    story.leave_context()
    for rule in (SWITCH, FOREIGN):
        assert windows_of(story, rule)[0].verdict is Verdict.VIOLATED


@pytest.mark.parametrize(("blk", "node"), [(OTHER_DRIVE, OTHER_DISK), (OWN, DISK)])
def test_neither_another_node_nor_a_jobs_own_io_breaks_the_switch_of_contexts(blk: int, node: int) -> None:
    assert window_of(switch(blk=blk, node=node), SWITCH).verdict is Verdict.CLEAN


def test_nodes_that_switch_at_once_have_a_window_each() -> None:
    story = instrumented()
    for node in (DISK, OTHER_DISK):
        story.leave_context(node)
    story.join_context(DISK)
    write = story.write(blk=OTHER_DRIVE, node=OTHER_DISK)
    story.write()
    story.join_context(OTHER_DISK)
    first, second = windows_of(story, SWITCH)
    assert (first.node, first.verdict) == (DISK, Verdict.CLEAN)
    assert (second.node, second.verdict, lines(second.requests)) == (OTHER_DISK, Verdict.VIOLATED, [write])


@pytest.mark.parametrize("writes", [0, 1])
def test_a_switch_of_contexts_that_the_trace_does_not_see_end_is_judged_by_what_is_in_it(writes: int) -> None:
    story = switch(inside=False)
    story.leave_context()
    for _ in range(writes):
        story.write()
    window = windows_of(story, SWITCH)[1]
    assert window.verdict is (Verdict.VIOLATED if writes else Verdict.INCONCLUSIVE)


def test_a_switch_of_contexts_is_not_judged_where_no_reads_are_traced() -> None:
    story = PackStory().cast()
    story.write()
    story.say(f"bdrv_detach_aio_context bs 0x{DISK:x}")
    story.say(f"bdrv_attach_aio_context bs 0x{DISK:x} new_context 0x{IOTHREAD:x}")
    result = story.scan(None)
    assert (coverage_of(result, SWITCH).windows, coverage_of(result, SWITCH).reason) == (0, "not traced")
    assert coverage_of(result, SWITCH).events == (("blk_aio_readv", "blk_aio_preadv", "blk_co_preadv"),)


# guest-request-in-foreign-context


def test_the_innermost_context_is_the_one_that_a_request_runs_in() -> None:
    story = instrumented()
    story.join_context(ctx=IOTHREAD)
    story.poll(MAIN)
    story.poll(IOTHREAD)
    story.write(4096)
    story.poll_done(IOTHREAD)
    write = story.write(8192)
    story.poll_done(MAIN)
    story.leave_context()
    assert lines(window_of(story, FOREIGN).requests) == [write]


@pytest.mark.parametrize(("ctx", "verdict"), [(MAIN, Verdict.VIOLATED), (IOTHREAD, Verdict.CLEAN)])
def test_on_stock_builds_the_coroutine_entered_last_tells_the_context(ctx: int, verdict: Verdict) -> None:
    story = instrumented()
    story.join_context(ctx=IOTHREAD)
    story.enter_context(ctx)
    story.write()
    story.leave_context()
    assert window_of(story, FOREIGN).verdict is verdict


@pytest.mark.parametrize(("blk", "node"), [(OTHER_DRIVE, OTHER_DISK), (OWN, DISK)])
def test_neither_another_node_nor_a_jobs_own_io_has_to_run_in_the_nodes_context(blk: int, node: int) -> None:
    assert window_of(moved(blk=blk, node=node), FOREIGN).verdict is Verdict.CLEAN


def test_the_context_that_a_node_was_attached_to_last_is_its_own() -> None:
    story = instrumented()
    story.join_context(ctx=MAIN)
    opened = story.join_context(ctx=IOTHREAD)
    story.poll(MAIN)
    write = story.write()
    story.poll_done(MAIN)
    closed = story.leave_context()
    window = window_of(story, FOREIGN)
    assert (edges(window), lines(window.requests)) == ((opened, closed), [write])


def test_a_node_stays_in_its_context_to_the_end_of_the_trace() -> None:
    story = moved(ctx=IOTHREAD)
    story.join_context(ctx=MAIN)
    story.poll(MAIN)
    story.write()
    last = windows_of(story, FOREIGN)[1]
    assert (last.verdict, last.close, last.reason) == (Verdict.CLEAN, None, "up to the end of the trace")


def test_a_request_of_a_thread_whose_context_is_not_told_leaves_it_open_where_it_ran() -> None:
    story = moved(told=False)
    assert window_of(story, FOREIGN).reason == "the trace does not tell in which context it ran"
    assert coverage_of(story.scan(None), FOREIGN).reason.endswith("the trace does not tell in which context it ran")


# nbd-request-in-context-switch


def test_a_clients_request_in_the_context_that_was_left_is_told_by_its_record() -> None:
    window = window_of(clients_move(), NBD)
    assert (edges(window), happened(window), window.requests) == ((1, 4), [3], [])
    assert [h.text for h in window.happenings] == ["nbd_trip Reading request"]


def test_a_client_of_another_export_may_send_requests_in_its_own_context() -> None:
    assert window_of(clients_move(ctx=IOTHREAD), NBD).verdict is Verdict.CLEAN


# scheduled-coroutine-never-runs


def test_a_coroutine_that_runs_after_half_a_minute_has_waited_too_long() -> None:
    window = window_of(scheduled(), SCHEDULED)
    assert (edges(window), window.key, happened(window)) == ((3, 4), COROUTINE, [3])
    assert window.duration_ns == HALF_A_MINUTE_US * 1000


def test_a_coroutine_that_has_not_run_after_half_a_minute_waits_too_long() -> None:
    story = PackStory()
    schedule(story, OTHER_COROUTINE)
    run(story, OTHER_COROUTINE)
    opened = schedule(story)
    story.wait(HALF_A_MINUTE_US)
    schedule(story, OTHER_COROUTINE)
    window = window_of(story, SCHEDULED)
    assert (edges(window), window.verdict) == ((opened, None), Verdict.VIOLATED)


def test_a_coroutine_that_is_scheduled_anew_waits_from_there() -> None:
    story = scheduled(IN_TIME_US)
    for _ in range(2):
        schedule(story)
        story.wait(IN_TIME_US)
    run(story)
    result = story.scan([SCHEDULED])
    assert (result.windows, result.inconclusive) == ([], False)


def test_another_coroutine_that_runs_ends_no_wait() -> None:
    story = PackStory()
    opened = schedule(story)
    schedule(story, OTHER_COROUTINE)
    run(story, OTHER_COROUTINE)
    story.wait(HALF_A_MINUTE_US)
    closed = run(story)
    assert edges(window_of(story, SCHEDULED)) == (opened, closed)


def test_where_records_are_lost_no_coroutine_is_said_to_run_in_time() -> None:
    story = scheduled(IN_TIME_US)
    assert quiet_windows(story.binary().scan([SCHEDULED]), SCHEDULED) == 2
    story.lose()
    assert quiet_windows(story.binary().scan([SCHEDULED]), SCHEDULED) == 0


# drain-under-graph-lock


def test_a_drained_section_of_any_node_breaks_the_lock_of_the_graph() -> None:
    story = PackStory()
    opened = story.say("bdrv_graph_wrlock depth 0")
    drained = [story.drain(node) - 1 for node in (DISK, OTHER_DISK)]
    closed = story.say("bdrv_graph_wrunlock depth 0")
    window = window_of(story, LOCKED)
    assert (edges(window), happened(window)) == ((opened, closed), drained)


def test_a_section_that_begins_before_or_after_the_lock_breaks_nothing() -> None:
    story = locked(inside=False)
    story.undrain()
    story.drain()
    assert window_of(story, LOCKED).verdict is Verdict.CLEAN


def test_a_lock_that_is_held_at_the_end_is_inconclusive_until_somebody_drains_under_it() -> None:
    story = locked(inside=False)
    story.say("bdrv_graph_wrlock depth 0")
    assert windows_of(story, LOCKED)[1].verdict is Verdict.INCONCLUSIVE
    story.drain(OTHER_DISK)
    assert windows_of(story, LOCKED)[1].verdict is Verdict.VIOLATED
