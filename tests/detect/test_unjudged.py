"""What a trace cannot tell, why, and which events would tell it. The traces are synthetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.timeline.story import COPY, DISK, FILTER, JOB, JOB2, Story, instrumented, stock
from traceview.api import open
from traceview.findings import Unjudged, Verdict
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE
from traceview.vocabulary import builtin

SAMPLES = Path(__file__).resolve().parents[2] / "sample-traces"


def unjudged(story: Story) -> dict[str, Unjudged]:
    found = story.scan().traces[0].unjudged
    assert all(name in builtin().events for u in found for names in u.events for name in names)
    return {u.rule: u for u in found}


def test_a_trace_without_mirror_job_is_judged_by_neither_rule() -> None:
    story = instrumented()
    found = unjudged(story)
    assert set(found) == {EXIT_RULE, FINAL_DRAIN_RULE}
    assert {u.reason for u in found.values()} == {"no mirror job is seen: none ran, or its events were not traced"}
    assert found[EXIT_RULE].events == (("mirror_start",), ("block_job_defer_to_main_loop",), ("mirror_exit",))
    assert found[FINAL_DRAIN_RULE].events == (
        ("mirror_start",), ("mirror_before_sleep",), ("block_job_defer_to_main_loop",),
    )  # fmt: skip


def test_a_trace_without_anything_is_judged_by_neither_rule_and_names_what_reads_and_writes() -> None:
    story = Story()
    story.iteration()
    events = unjudged(story)[EXIT_RULE].events
    assert ("blk_aio_writev", "blk_aio_pwritev") in events
    assert ("blk_aio_readv", "blk_aio_preadv") in events


def test_other_jobs_are_no_mirror_jobs() -> None:
    story = instrumented()
    story.say(f"stream_start bs 0x{DISK:x} base 0x{COPY:x} s 0x{JOB:x}")
    assert set(unjudged(story)) == {EXIT_RULE, FINAL_DRAIN_RULE}


def test_a_stock_trace_of_2_6_without_requests_of_the_guest_is_not_judged_and_says_what_to_trace() -> None:
    story = Story()
    story.start()
    story.look()
    story.before_drain()
    story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret 0")
    result = story.scan()
    (window,) = result.windows
    assert window.verdict is Verdict.INCONCLUSIVE
    assert "virtio_blk_handle_write" in window.reason
    assert "virtio_blk_handle_read" in result.traces[0].missing_events
    assert result.inconclusive


def test_a_stock_trace_of_2_6_whose_jobs_are_not_seen_to_look_is_not_judged_and_says_what_to_trace() -> None:
    story = Story()
    story.start()
    story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret 0")
    story.say("virtio_blk_handle_write req 0x77 sector 8 nsectors 8")
    story.say("virtio_blk_handle_read req 0x77 sector 8 nsectors 8")
    result = story.scan()
    (window,) = result.windows  # on stock builds the two doors are one window, under the exit rule
    assert (window.rule, window.verdict, window.open) == (EXIT_RULE, Verdict.INCONCLUSIVE, None)
    assert "mirror_before_sleep" in window.reason
    assert "mirror_before_sleep" in result.traces[0].missing_events
    assert result.traces[0].unjudged == []


def test_jobs_whose_pointer_is_taken_by_another_count_as_ended() -> None:
    story = Story()
    for _ in range(3):
        story.start()
        story.look()
    reason = unjudged(story)[EXIT_RULE].reason
    assert reason == "2 mirror jobs ended, but the events that bound the window were not traced"


def test_a_stock_trace_without_entries_of_coroutines_is_not_judged_and_names_them() -> None:
    story = Story()
    story.reach("preadv")
    story.reach("pwritev")
    story.start()
    story.before_drain()
    story.completed()
    story.concluded()
    found = unjudged(story)
    assert set(found) == {EXIT_RULE}  # on stock builds the two doors are one window, under the exit rule
    assert found[EXIT_RULE].events == (("qemu_aio_coroutine_enter",),)  # the guest's requests show the switch


def test_jobs_that_are_still_running_at_the_end_had_no_window_yet() -> None:
    story = instrumented()
    story.start(JOB)
    story.start(JOB2)
    reason = unjudged(story)[EXIT_RULE].reason
    assert reason == "2 mirror jobs had not reached the end when the trace ended"


def test_a_running_job_after_a_judged_one_leaves_nothing_unjudged() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.leave()
    story.start(JOB2)
    assert unjudged(story) == {}


def test_a_job_that_failed_needs_no_window() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.leave()
    story.start(JOB2)
    story.look(JOB2)
    story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB2:x} ret -5")
    assert unjudged(story) == {}


def test_a_job_that_was_never_seen_to_look_is_not_judged_by_the_second_door() -> None:
    story = instrumented()
    story.start()
    story.defer()
    story.leave()
    found = unjudged(story)
    assert set(found) == {FINAL_DRAIN_RULE}
    assert found[FINAL_DRAIN_RULE].events == (("mirror_before_sleep",),)


def test_a_job_that_was_moved_though_its_last_look_found_it_dirty_is_not_judged_by_the_second_door() -> None:
    story = instrumented()
    story.start()
    story.look(dirty=2)
    story.defer()
    story.leave()
    assert set(unjudged(story)) == {FINAL_DRAIN_RULE}


def test_a_job_that_was_cancelled_while_dirty_passes_no_second_door() -> None:
    story = instrumented()
    story.start()
    story.look(dirty=2)
    story.defer()
    story.leave(pivots=False)
    assert unjudged(story) == {}


def test_a_rule_that_was_not_asked_for_is_not_unjudged() -> None:
    story = instrumented()
    result = story.trace().scan([FINAL_DRAIN_RULE])
    assert [u.rule for u in result.traces[0].unjudged] == [FINAL_DRAIN_RULE]


def test_a_stock_job_that_was_judged_leaves_nothing_unjudged() -> None:
    story = stock()
    story.before_drain()
    story.enter()
    story.completed()
    story.move(FILTER, COPY)
    story.concluded()
    result = story.scan()
    assert ([w.verdict for w in result.windows], result.traces[0].unjudged) == ([Verdict.CLEAN], [])
    assert not result.inconclusive


def test_an_inconclusive_window_names_the_events_that_it_lacks() -> None:
    story = Story().cast()
    story.write()
    story.start()
    story.look()
    story.defer()
    story.leave()
    result = story.scan()
    assert result.inconclusive
    assert result.traces[0].missing_events == ["blk_aio_preadv", "blk_aio_readv"]


def test_a_judged_trace_misses_nothing() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.leave()
    assert story.scan().traces[0].missing_events == []


@pytest.mark.parametrize("name", ["mirror_exit", "block_job_defer_to_main_loop"])
def test_a_real_trace_without_one_of_its_edges_is_never_clean(name: str, tmp_path: Path) -> None:
    sample = (SAMPLES / "lp1570134-case-1" / "trace.log").read_bytes().splitlines(keepends=True)
    path = tmp_path / "trace.log"
    path.write_bytes(b"".join(line for line in sample if f":{name} ".encode() not in line))
    result = open(path).scan()
    assert result.inconclusive
    assert [w for w in result.windows if w.rule == EXIT_RULE and w.verdict is Verdict.CLEAN] == []
    assert name in result.traces[0].missing_events
