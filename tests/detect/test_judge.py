"""From a window and its requests to a verdict. The traces are synthetic."""

from __future__ import annotations

import pytest

from tests.timeline.story import (
    COPY,
    DISK,
    DRIVE,
    FILTER,
    FOUNDING,
    IO_THREAD,
    JOB,
    JOB2,
    OTHER_DISK,
    OTHER_DRIVE,
    OTHER_VDEV,
    OWN,
    VDEV,
    Story,
    drains,
    edges,
    exits,
    instrumented,
    lines,
    stock,
)
from traceview.findings import Evidence, ScanResult, Severity, Verdict, Window
from traceview.vocabulary import Op


def exit_window(story: Story) -> Window:
    (window,) = exits(story.scan())
    return window


def drain_window(story: Story) -> Window:
    (window,) = drains(story.scan())
    return window


def deferred() -> Story:
    """Tell an instrumented trace up to the point at which a job waits for its exit."""
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    return story


def drained() -> Story:
    """Tell a stock trace up to the point at which a job's source is drained for the last time."""
    story = stock()
    story.before_drain()
    story.enter()
    return story


# what makes a violation, and how bad it is


def test_a_write_before_a_switch_is_data_loss() -> None:
    story = deferred()
    write = story.write(8192)
    story.leave()
    window = exit_window(story)
    assert (window.verdict, window.severity, window.evidence) == (
        Verdict.VIOLATED,
        Severity.DATA_LOSS,
        Evidence.EXACT,
    )
    assert (lines(window.requests), window.reason, window.target) == ([write], "", COPY)
    (request,) = window.requests
    assert (request.op, request.offset, request.length) == (Op.WRITE, 8192, 4096)
    assert (request.blk, request.device, request.node, request.held_back) == (DRIVE, "drive0", DISK, False)


@pytest.mark.parametrize("op", ["pwrite_zeroes", "pdiscard"])
def test_zeroes_and_discards_before_a_switch_are_data_loss(op: str) -> None:
    story = deferred()
    story.submit(op)
    story.leave()
    assert exit_window(story).severity is Severity.DATA_LOSS


def test_a_read_before_a_switch_is_a_broken_promise() -> None:
    story = deferred()
    story.read()
    story.leave()
    window = exit_window(story)
    assert (window.verdict, window.severity, window.lost) == (Verdict.VIOLATED, Severity.BROKEN_PROMISE, [])


def test_a_flush_before_a_switch_is_a_broken_promise() -> None:
    story = deferred()
    story.say(f"blk_aio_flush blk 0x{DRIVE:x} bs 0x{DISK:x} opaque (nil)")
    story.leave()
    assert exit_window(story).severity is Severity.BROKEN_PROMISE


def test_a_write_before_an_exit_without_switch_is_a_broken_promise() -> None:
    story = deferred()
    story.write()
    story.leave(pivots=False)
    window = exit_window(story)
    assert (window.severity, window.pivoted, window.lost) == (Severity.BROKEN_PROMISE, False, [])


def test_a_window_without_requests_is_clean() -> None:
    story = deferred()
    story.leave()
    assert {w.verdict for w in story.scan().windows} == {Verdict.CLEAN}
    assert exit_window(story).severity is None


def test_requests_at_the_edges_are_outside() -> None:
    story = instrumented()
    story.start()
    story.write()
    story.look()
    story.defer()
    story.exit()
    story.write()
    story.pivot()
    story.exit_done()
    story.write()
    assert {w.verdict for w in story.scan().windows} == {Verdict.CLEAN}


def test_a_write_in_the_second_door_is_data_loss_of_its_own_rule() -> None:
    story = instrumented()
    story.start()
    opened = story.look()
    write = story.write()
    closed = story.defer()
    story.leave()
    window = drain_window(story)
    assert edges(window) == (opened, closed)
    assert (window.severity, lines(window.requests), window.shape) == (Severity.DATA_LOSS, [write], None)
    assert exit_window(story).verdict is Verdict.CLEAN


def test_the_second_door_opens_only_with_a_clean_last_look() -> None:
    story = instrumented()
    story.start()
    story.look(dirty=0)
    story.look(dirty=2)
    story.write()
    story.defer()
    story.leave(pivots=False)
    assert drains(story.scan()) == []


# whose I/O it is


def test_io_to_another_node_does_not_count() -> None:
    story = deferred()
    story.write(blk=OTHER_DRIVE, node=OTHER_DISK)
    story.leave()
    assert exit_window(story).verdict is Verdict.CLEAN


def test_a_jobs_own_io_on_the_node_does_not_count() -> None:
    story = deferred()
    story.write(blk=OWN)
    story.leave()
    assert exit_window(story).verdict is Verdict.CLEAN


def test_an_unnamed_blockbackend_that_serves_a_device_is_a_guests() -> None:
    story = instrumented()
    story.take_up("write", 4096, request=0x70)
    story.submit("pwritev", 4096, blk=OWN, node=OTHER_DISK, request=0x70)
    story.start()
    story.look()
    story.defer()
    story.write(blk=OWN)
    story.leave()
    assert exit_window(story).verdict is Verdict.VIOLATED


def test_a_blockbackend_whose_name_was_never_traced_is_taken_for_a_guests() -> None:
    story = deferred()
    story.write(blk=0xD7)
    story.leave()
    window = exit_window(story)
    assert (window.verdict, window.requests[0].device) == (Verdict.VIOLATED, "0xd7")


# overlapping and nested windows, recycled pointers


def test_windows_of_two_jobs_overlap_and_each_has_its_own_requests() -> None:
    story = instrumented()
    for job, node in ((JOB, DISK), (JOB2, OTHER_DISK)):
        story.start(job, node)
        story.look(job)
    opened = story.defer(JOB, DISK)
    other_opened = story.defer(JOB2, OTHER_DISK)
    write = story.write()
    closed = story.leave(JOB, DISK)
    other_write = story.write(blk=OTHER_DRIVE, node=OTHER_DISK)
    other_closed = story.leave(JOB2, OTHER_DISK)
    first, second = exits(story.scan())
    assert (edges(first), lines(first.requests)) == ((opened, closed), [write])
    assert (edges(second), lines(second.requests)) == ((other_opened, other_closed), [other_write])
    assert (first.requests[0].device, second.requests[0].device) == ("drive0", "drive1")


def test_a_window_inside_another_jobs_exit_pivots_by_itself() -> None:
    story = instrumented()
    for job, node in ((JOB, DISK), (JOB2, OTHER_DISK)):
        story.start(job, node)
        story.look(job)
    story.defer(JOB, DISK)
    story.write()
    story.exit(JOB, DISK)
    story.defer(JOB2, OTHER_DISK)
    story.write(blk=OTHER_DRIVE, node=OTHER_DISK)
    story.leave(JOB2, OTHER_DISK)  # the switch is the inner job's
    story.exit_done(JOB, DISK)
    outer, inner = exits(story.scan())
    assert (outer.job, outer.pivoted, outer.severity) == (JOB, False, Severity.BROKEN_PROMISE)
    assert (inner.job, inner.pivoted, inner.severity) == (JOB2, True, Severity.DATA_LOSS)


def test_jobs_that_share_a_pointer_are_judged_one_by_one() -> None:
    story = instrumented()
    windows = []
    for node, target in ((DISK, COPY), (COPY, DISK), (DISK, COPY)):
        story.start(node=node)
        story.look()
        opened = story.defer(node=node)
        if node == COPY:
            story.write(node=node)
        closed = story.exit(node=node)
        story.pivot(node, target)
        story.exit_done(node=node)
        windows.append((opened, closed))
    result = exits(story.scan())
    assert [edges(w) for w in result] == windows
    assert [w.verdict for w in result] == [Verdict.CLEAN, Verdict.VIOLATED, Verdict.CLEAN]


# edges that the trace does not have


def test_an_exit_without_a_seen_deferral_is_inconclusive_and_has_no_opening() -> None:
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.write(node=COPY)
    closed = story.leave(node=COPY)
    window = exits(story.scan())[1]
    assert (window.open, edges(window)) == (None, (None, closed))
    assert (window.verdict, window.requests) == (Verdict.INCONCLUSIVE, [])
    assert window.reason == "its opening is not in the trace"
    assert (window.duration_ns, window.iterations) == (None, None)


def test_a_window_with_requests_that_is_open_at_the_end_is_violated_and_says_what_is_not_known() -> None:
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.defer(node=COPY)
    story.write(node=COPY)
    window = exits(story.scan())[1]
    assert (window.verdict, window.severity) == (Verdict.VIOLATED, Severity.BROKEN_PROMISE)
    assert (window.close, window.lost) == (None, [])
    assert window.reason == "still open at the end of the trace: whether the guest was moved is not known"


def test_a_window_without_requests_that_is_open_at_the_end_is_inconclusive() -> None:
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.defer(node=COPY)
    window = exits(story.scan())[1]
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_a_window_whose_job_ended_without_a_seen_exit_holds_nothing_from_after_that_end() -> None:
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.defer(node=COPY)
    write = story.write(node=COPY)
    story.exit_done(node=COPY)
    story.write(node=COPY)
    window = exits(story.scan())[1]
    assert (lines(window.requests), window.close) == ([write], None)
    assert window.verdict is Verdict.VIOLATED
    assert window.reason == "its end is not in the trace: whether the guest was moved is not known"


def test_a_window_that_was_never_seen_to_end_before_its_pointer_was_recycled_proves_nothing() -> None:
    # Where in this stretch the exit ran is not known, nor which of the writes came before it.
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.defer(node=COPY)
    story.write(node=COPY)
    story.start(node=COPY)
    story.write(node=COPY)
    window = exits(story.scan())[1]
    assert (window.verdict, window.requests) == (Verdict.INCONCLUSIVE, [])
    assert window.reason == "its end is not in the trace"


def test_a_trace_that_ends_in_the_switch_does_not_say_that_the_guest_was_moved() -> None:
    story = deferred()
    story.write()
    story.exit()
    story.pivot()
    window = exit_window(story)
    assert (window.ends_in_switch, window.severity, window.lost) == (True, Severity.BROKEN_PROMISE, [])
    assert window.reason == "the trace ends in the switch to the target: whether the guest was moved is not known"
    story.iteration()
    assert exit_window(story).severity is Severity.DATA_LOSS


def test_an_exit_whose_end_is_not_in_the_trace_does_not_say_that_the_guest_stayed() -> None:
    story = deferred()
    story.write()
    story.exit()
    window = exit_window(story)
    assert (window.verdict, window.pivoted) == (Verdict.VIOLATED, False)
    assert window.reason == "the end of its exit is not in the trace: whether the guest was moved is not known"


# what the trace does not show


@pytest.mark.parametrize(
    ("shown", "lacking"),
    [
        ("write", "blk_aio_readv or blk_aio_preadv"),
        ("read", "blk_aio_writev or blk_aio_pwritev"),
    ],
)
def test_a_trace_that_shows_no_reads_or_no_writes_is_never_clean(shown: str, lacking: str) -> None:
    story = Story().cast()
    getattr(story, shown)()
    story.start()
    story.look()
    story.defer()
    story.leave()
    result = story.scan()
    assert {w.verdict for w in result.windows} == {Verdict.INCONCLUSIVE}
    assert {w.reason for w in result.windows} == {f"not traced: {lacking}"}
    assert result.traces[0].missing_events == sorted(lacking.split(" or "))


@pytest.mark.parametrize(("shown", "lacking"), [("pwritev", "blk_co_preadv"), ("preadv", "blk_co_pwritev")])
def test_nor_is_a_stock_trace(shown: str, lacking: str) -> None:
    story = Story()
    story.attach()
    story.reach(shown, node=DISK)
    story.move(DISK, FILTER)
    story.start()
    story.before_drain()
    story.enter()
    story.completed()
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, f"not traced: {lacking}")


def test_what_was_seen_in_the_window_needs_no_proof_that_it_would_have_been_seen() -> None:
    story = Story().cast()
    story.start()
    story.defer()
    story.write()
    story.leave()
    assert exit_window(story).verdict is Verdict.VIOLATED


# records that are missing


def binary_exits(story: Story) -> list[Window]:
    return exits(story.binary().scan())


def test_records_dropped_inside_a_window_leave_it_inconclusive() -> None:
    story = deferred()
    story.lose(3)
    story.leave()
    (window,) = binary_exits(story)
    assert window.verdict is Verdict.INCONCLUSIVE
    assert window.reason == "records are missing inside it (3 records dropped by the writer)"


def test_records_dropped_outside_of_it_leave_a_window_as_it_is() -> None:
    story = instrumented()
    story.start()
    story.lose()
    story.look()
    story.defer()
    story.exit()
    story.lose()
    story.pivot()
    story.exit_done()
    story.lose()
    assert {w.verdict for w in story.binary().scan(FOUNDING).windows} == {Verdict.CLEAN}


def test_a_request_before_the_loss_of_records_still_counts() -> None:
    story = deferred()
    story.write()
    story.lose()
    story.leave()
    (window,) = binary_exits(story)
    assert window.severity is Severity.DATA_LOSS


def test_a_switch_that_may_have_been_dropped_is_not_denied() -> None:
    story = deferred()
    story.write()
    story.exit()
    story.lose()
    story.exit_done()
    (window,) = binary_exits(story)
    assert (window.verdict, window.pivoted) == (Verdict.VIOLATED, False)
    assert window.reason == "records are missing after the window: whether the guest was moved is not known"


def test_records_that_were_dropped_just_before_the_exit_hide_no_switch() -> None:
    story = deferred()
    story.write()
    story.lose()
    story.leave(pivots=False)
    (window,) = binary_exits(story)
    assert (window.severity, window.reason) == (Severity.BROKEN_PROMISE, "")


def test_a_switch_that_was_seen_is_certain_though_records_are_missing() -> None:
    story = deferred()
    story.write()
    story.exit()
    story.lose()
    story.pivot()
    story.exit_done()
    (window,) = binary_exits(story)
    assert (window.severity, window.reason) == (Severity.DATA_LOSS, "")


def test_in_a_window_without_end_what_comes_after_the_loss_of_records_proves_nothing() -> None:
    # The exit may be among the lost records, and the write then be on the target.
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.defer(node=COPY)
    story.lose(10)
    story.write(node=COPY)
    window = binary_exits(story)[1]
    assert window.verdict is Verdict.INCONCLUSIVE
    assert window.requests == []
    assert window.reason.startswith("records are missing inside it")


def test_in_a_window_without_end_what_comes_before_the_loss_of_records_counts() -> None:
    story = deferred()
    story.leave()
    story.start(node=COPY)
    story.defer(node=COPY)
    write = story.write(node=COPY)
    story.lose(10)
    story.write(node=COPY)
    window = binary_exits(story)[1]
    assert window.verdict is Verdict.VIOLATED
    assert [r.mark.record for r in window.requests] == [write - 1]


@pytest.mark.parametrize(("losses", "verdict"), [(2, Verdict.CLEAN), (3, Verdict.INCONCLUSIVE)])
def test_where_gaps_are_too_many_to_be_told_no_later_window_is_clean(
    losses: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traceview.events.MAX_GAPS", 2)
    story = instrumented()
    for _ in range(losses):
        story.lose()
    story.start()
    story.look()
    story.defer()
    story.leave()
    assert {w.verdict for w in story.binary().scan(FOUNDING).windows} == {verdict}


def test_a_line_that_cannot_be_read_inside_a_window_leaves_it_inconclusive() -> None:
    story = deferred()
    story.say("blk_aio_pwritev blk garbage")
    story.leave()
    window = exit_window(story)
    assert window.verdict is Verdict.INCONCLUSIVE
    assert "a record whose text is of no known form" in window.reason


# stock builds


def test_a_write_that_reaches_the_node_after_the_drained_point_is_data_loss() -> None:
    story = stock()
    story.before_drain()
    opened = story.enter()
    write = story.reach("pwritev", 4096)
    story.completed()
    closed = story.move(FILTER, COPY)
    story.concluded()
    window = exit_window(story)
    assert (edges(window), lines(window.requests)) == ((opened, closed), [write])
    assert (window.severity, window.evidence) == (Severity.DATA_LOSS, Evidence.PROXY)
    assert (window.node, window.target) == (DISK, COPY)


def test_flag_2_makes_a_write_of_zeroes() -> None:
    story = drained()
    story.reach("pwritev", flags=0x2)
    story.reach("pwritev", flags=0x11)
    story.reach("pwritev", flags=0x12)
    story.completed()
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert [r.op for r in window.requests] == [Op.WRITE_ZEROES, Op.WRITE, Op.WRITE_ZEROES]


def test_requests_before_the_drained_point_are_outside() -> None:
    story = stock()
    story.before_drain()
    story.reach("pwritev")
    story.enter()
    story.completed()
    story.move(FILTER, COPY)
    story.reach("pwritev", node=COPY)
    assert exit_window(story).verdict is Verdict.CLEAN


def test_of_many_drains_only_the_last_opens_a_window() -> None:
    story = stock()
    for _ in range(58):
        story.before_drain(dirty=0)
        story.enter()
        story.reach("pwritev")
        story.look(dirty=1)
        story.copy()
    story.before_drain()
    opened = story.enter()
    story.completed()
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert (window.open is not None and window.open.line, window.verdict) == (opened, Verdict.CLEAN)


def test_requests_of_each_of_a_devices_blockbackends_count_up_to_its_own_attachment() -> None:
    story = Story()
    story.attach(DRIVE, DISK, child=0x51)
    story.attach(OTHER_DRIVE, DISK, child=0x52)
    story.reach("preadv", node=DISK)
    story.reach("pwritev", node=DISK)
    story.move(DISK, FILTER, DRIVE, 0x51)
    story.move(DISK, FILTER, OTHER_DRIVE, 0x52)
    story.start()
    story.before_drain()
    story.enter()
    first = story.reach("pwritev", blk=DRIVE)
    story.completed()
    story.move(FILTER, COPY, DRIVE, 0x51)
    story.reach("pwritev", blk=DRIVE, node=COPY)
    second = story.reach("preadv", blk=OTHER_DRIVE)
    story.move(FILTER, COPY, OTHER_DRIVE, 0x52)
    assert lines(exit_window(story).requests) == [first, second]


def test_requests_of_other_blockbackends_do_not_count() -> None:
    story = drained()
    story.reach("pwritev", blk=OTHER_DRIVE)
    story.completed()
    story.move(FILTER, COPY)
    assert exit_window(story).verdict is Verdict.CLEAN


def test_a_job_that_was_cancelled_by_force_passes_no_window() -> None:
    story = stock()
    story.reach("pwritev")
    story.completed(ret=-125)
    story.move(FILTER, DISK)
    story.concluded(ret=-125)
    result = story.scan()
    assert (result.windows, result.traces[0].unjudged) == ([], [])


def test_a_job_that_was_cancelled_when_ready_passes_one_but_moves_nobody() -> None:
    story = drained()
    story.reach("pwritev")
    story.completed()
    story.move(FILTER, DISK)
    story.concluded()
    window = exit_window(story)
    assert (window.severity, window.pivoted, window.lost) == (Severity.BROKEN_PROMISE, False, [])


@pytest.mark.parametrize("requests", [0, 1])
def test_a_stock_window_that_no_completion_confirms_is_inconclusive(requests: int) -> None:
    # The job may have gone back to copying: nothing says that the drain was its last.
    story = drained()
    for _ in range(requests):
        story.reach("pwritev")
    story.say(f"blk_root_attach child 0x99 blk 0x{OWN:x} bs 0x{OTHER_DISK:x}")
    story.completed(JOB2)
    window = exit_window(story)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_a_completed_stock_window_that_is_open_at_the_end_is_violated_by_its_requests() -> None:
    story = drained()
    story.reach("pwritev")
    story.completed()
    window = exit_window(story)
    assert (window.verdict, window.severity) == (Verdict.VIOLATED, Severity.BROKEN_PROMISE)
    assert "still open at the end of the trace" in window.reason


def test_a_stock_job_that_concluded_without_a_seen_attachment_has_a_window_up_to_there() -> None:
    story = drained()
    write = story.reach("pwritev")
    story.completed()
    story.concluded()
    story.reach("pwritev")
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert (lines(window.requests), window.close, window.pivoted) == ([write], None, False)
    assert window.reason == "its end is not in the trace: whether the guest was moved is not known"


def test_and_without_requests_it_is_inconclusive() -> None:
    story = drained()
    story.completed()
    story.concluded()
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "its end is not in the trace")


def test_a_stock_switch_without_a_seen_drained_point_is_inconclusive() -> None:
    story = drained()
    story.completed()
    story.move(FILTER, COPY)
    story.concluded()
    story.start(JOB2, COPY)
    story.completed(JOB2)
    story.move(COPY, DISK)
    window = exits(story.scan())[-1]
    assert (window.open, window.verdict) == (None, Verdict.INCONCLUSIVE)


def test_a_stock_job_that_began_before_the_trace_is_judged_but_its_switch_is_not_named() -> None:
    story = Story()
    story.reach("preadv")
    story.before_drain()
    story.enter()
    story.reach("pwritev")
    story.completed()
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert (window.verdict, window.severity) == (Verdict.VIOLATED, Severity.BROKEN_PROMISE)
    assert window.reason == "the job's start is not in the trace: whether the guest was moved is not known"


# requests that had to wait


def parked(*, submitted: bool = False, vdev: int = VDEV) -> Story:
    """Tell a stock trace in which a device takes a request up after the drained point."""
    story = Story()
    story.attach()
    for device, blk in ((VDEV, DRIVE), (OTHER_VDEV, OTHER_DRIVE)):
        for op, reach in (("read", "preadv"), ("write", "pwritev")):
            story.take_up(op, 512 * blk, vdev=device)
            story.reach(reach, 512 * blk, blk=blk, node=DISK)
    story.move(DISK, FILTER)
    story.start()
    story.before_drain()
    story.enter()
    story.take_up("write", 1 << 20, vdev=vdev)
    if submitted:
        story.reach("pwritev", 1 << 20)
    story.completed()
    story.move(FILTER, COPY)
    return story


def test_a_request_that_was_taken_up_and_parked_leaves_the_window_guarded() -> None:
    window = exit_window(parked())
    assert (window.verdict, window.severity) == (Verdict.GUARDED, None)
    assert window.reason == "1 held back until after the window"
    (request,) = window.requests
    assert (request.held_back, request.blk, request.offset, request.node) == (True, DRIVE, 1 << 20, DISK)
    assert window.violating == []


def test_a_request_that_was_taken_up_and_submitted_counts_once() -> None:
    window = exit_window(parked(submitted=True))
    assert window.verdict is Verdict.VIOLATED
    assert [r.held_back for r in window.requests] == [False]


@pytest.mark.parametrize("shift", [-512, 512])
def test_a_submission_that_covers_a_request_only_in_part_is_not_its_own(shift: int) -> None:
    story = parked()
    story.told.pop()
    story.told.pop()  # the attachment
    story.reach("pwritev", (1 << 20) + shift)
    story.move(FILTER, COPY)
    window = exit_window(story)
    assert [(r.held_back, r.offset) for r in window.requests] == [(True, 1 << 20), (False, (1 << 20) + shift)]


def test_a_parked_request_of_another_device_does_not_matter() -> None:
    assert exit_window(parked(vdev=OTHER_VDEV)).verdict is Verdict.CLEAN


def test_a_parked_request_of_a_device_that_is_tied_to_no_blockbackend_does_not_matter() -> None:
    assert exit_window(parked(vdev=0xE9)).verdict is Verdict.CLEAN


# order between threads


def timed(request_us: int, *, tid: int = IO_THREAD, closes_us: int = 2000) -> Window:
    """Return the window from 1000 µs to `closes_us` in which another thread's write has the given time."""
    story = instrumented()
    story.start()
    story.say(f"block_job_defer_to_main_loop bs 0x{DISK:x} job 0x{JOB:x} fn 0x99", us=1000)
    story.submit("pwritev", tid=tid, us=request_us)
    story.say(f"mirror_exit bs 0x{DISK:x} job 0x{JOB:x} ret 0 should_complete 1", us=closes_us)
    story.pivot()
    story.exit_done()
    return exit_window(story)


def test_a_request_of_another_thread_well_inside_the_window_is_certain() -> None:
    assert timed(1500).requests[0].certain


@pytest.mark.parametrize("request_us", [1000, 1001, 1999, 2000])
def test_a_request_of_another_thread_closer_to_an_edge_than_the_clock_tells_is_not_certain(request_us: int) -> None:
    assert not timed(request_us).requests[0].certain


@pytest.mark.parametrize("request_us", [900, 2100])
def test_a_request_whose_time_contradicts_the_order_of_the_file_is_not_certain(request_us: int) -> None:
    window = timed(request_us)
    assert window.verdict is Verdict.VIOLATED  # the order of the file is the order of record
    assert not window.requests[0].certain


@pytest.mark.parametrize("request_us", [1000, 900])
def test_within_one_thread_the_order_of_the_file_is_certain(request_us: int) -> None:
    assert timed(request_us, tid=1000).requests[0].certain


def test_without_times_or_threads_the_order_of_the_file_is_all_there_is() -> None:
    story = deferred()
    story.write()
    story.leave()
    (window,) = exits(story.trace(prefix=False).scan())
    assert window.requests[0].certain
    assert window.duration_ns is None


def test_an_uncertain_request_is_uncertain_in_the_result_of_a_scan_as_a_whole() -> None:
    result: ScanResult = instrumented().scan()
    assert result.findings == []
    assert not timed(1001).requests[0].certain
