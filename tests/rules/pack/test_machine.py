"""A machine that has stopped: nothing of the guest may move until it runs again. The traces are synthetic."""

from __future__ import annotations

import pytest

from tests.rules.pack.cases import Case, PackStory, coverage_of, instrumented, stock, window_of, windows_of
from tests.timeline.story import DISK, DRIVE, OTHER_DISK, OTHER_DRIVE, OWN, Story, edges, lines
from traceview.findings import Verdict
from traceview.vocabulary import Op

STOPPED = "stopped-machine-guest-io"


def run(story: Story) -> int:
    return story.say("vm_state_notify running 1 reason 9 (running)")


def stop(story: Story) -> int:
    """Stop the machine; return the line on which all its requests are done."""
    story.say("vm_state_notify running 0 reason 4 (paused)")
    return story.say("vm_stop_flush_all ret 0")


def stopped(*, writes: bool = True, runs_again: bool = True, blk: int = DRIVE, node: int = DISK) -> PackStory:
    """Stop a machine; a guest's write comes while it is stopped, or right before and right after."""
    story = instrumented()
    run(story)
    if not writes:
        story.write(8192, blk=blk, node=node)
    stop(story)
    if writes:
        story.write(8192, blk=blk, node=node)
    if runs_again:
        run(story)
        story.write(8192, blk=blk, node=node)
    return story


def seldom_traced() -> PackStory:
    """Stop a machine in a trace that shows no reads."""
    story = PackStory()
    story.cast()
    story.write()
    run(story)
    stop(story)
    run(story)
    return story


CASES = (Case(STOPPED, stopped, lambda: stopped(writes=False), seldom_traced),)


def test_a_write_to_a_stopped_machine_is_told_with_its_place() -> None:
    story = instrumented()
    run(story)
    opened = stop(story)
    write = story.write(8192)
    closed = run(story)
    window = window_of(story, STOPPED)
    assert (edges(window), lines(window.requests)) == ((opened, closed), [write])
    assert [(r.op, r.offset, r.device) for r in window.requests] == [(Op.WRITE, 8192, "drive0")]
    assert (window.subject, window.key) == ("qemu", 0)


def test_all_disks_of_a_stopped_machine_must_be_quiet() -> None:
    assert window_of(stopped(blk=OTHER_DRIVE, node=OTHER_DISK), STOPPED).verdict is Verdict.VIOLATED


def test_jobs_go_on_while_the_machine_is_stopped() -> None:
    assert window_of(stopped(blk=OWN), STOPPED).verdict is Verdict.CLEAN


def test_what_reaches_a_node_while_virtual_cpus_stop_and_requests_are_flushed_is_expected() -> None:
    story = instrumented()
    run(story)
    story.say("vm_state_notify running 0 reason 4 (paused)")
    story.write()
    opened = story.say("vm_stop_flush_all ret 0")
    window = window_of(story, STOPPED)
    assert (edges(window), window.verdict) == ((opened, None), Verdict.CLEAN)


def test_a_machine_that_comes_to_another_state_of_rest_has_not_run_again() -> None:
    story = instrumented()
    run(story)
    stop(story)
    story.say("vm_state_notify running 0 reason 7 (postmigrate)")
    write = story.write()
    run(story)
    assert lines(window_of(story, STOPPED).requests) == [write]


def test_a_machine_that_does_not_run_again_stays_quiet_to_the_end_of_the_trace() -> None:
    window = window_of(stopped(writes=False, runs_again=False), STOPPED)
    assert (window.verdict, window.reason) == (Verdict.CLEAN, "up to the end of the trace")
    window = window_of(stopped(runs_again=False), STOPPED)
    assert (window.verdict, window.close) == (Verdict.VIOLATED, None)


@pytest.mark.parametrize(("reaches", "verdict"), [(False, Verdict.CLEAN), (True, Verdict.VIOLATED)])
def test_a_request_that_was_parked_breaks_the_silence_when_it_reaches_its_node(reaches: bool, verdict: Verdict) -> None:
    story = stock()
    run(story)
    stop(story)
    story.take_up("write", 4096)
    if reaches:
        story.reach("pwritev", 4096, node=DISK)
    run(story)
    assert window_of(story, STOPPED).verdict is verdict


def test_each_stop_has_a_window_of_its_own() -> None:
    story = stopped(writes=False)
    stop(story)
    read = story.read()
    run(story)
    first, second = windows_of(story, STOPPED)
    assert (first.verdict, second.verdict, lines(second.requests)) == (Verdict.CLEAN, Verdict.VIOLATED, [read])


def test_where_it_is_not_traced_that_the_machine_runs_again_nothing_is_judged() -> None:
    story = instrumented()
    story.say("vm_stop_flush_all ret 0")
    story.write()
    assert window_of(story, STOPPED).reason == "not traced: vm_state_notify"
    covered = coverage_of(story.scan(None), STOPPED)
    assert (covered.windows, covered.reason, covered.events) == (0, "not traced", (("vm_state_notify",),))
