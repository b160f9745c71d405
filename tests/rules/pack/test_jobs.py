"""The ends of jobs: in which thread they run, and in the middle of what. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rules.pack.cases import Case, PackStory, coverage_of, happened, window_of, windows_of
from tests.timeline.story import DISK, IO_THREAD, JOB, JOB2, MAIN_THREAD, OTHER_DISK, edges
from traceview.findings import Evidence, Verdict

NESTED = "job-exit-in-anothers-exit"
FOREIGN = "job-exit-on-foreign-thread"
NEWER = "QEMU 3.1 and newer"


def two_exits(*, nested: bool = True, tid: int = MAIN_THREAD, threads: bool = True, ends: bool = True) -> PackStory:
    """Tell the exits of two jobs, one inside the other or one behind the other."""
    story = PackStory()
    if threads:
        story.other_thread()
    story.exit(JOB, DISK)
    if not nested and ends:
        story.exit_done(JOB, DISK)
    story.say(f"mirror_exit bs 0x{OTHER_DISK:x} job 0x{JOB2:x} ret 0 should_complete 1", tid=tid)
    story.say(f"mirror_exit_done bs 0x{OTHER_DISK:x} job 0x{JOB2:x}", tid=tid)
    if nested and ends:
        story.exit_done(JOB, DISK)
    return story


def spoiled_exit() -> PackStory:
    story = PackStory()
    story.other_thread()
    story.exit()
    story.spoil()
    story.exit_done()
    return story


def ending(story: PackStory, job: int = JOB, *, tid: int | None = None) -> None:
    """Tell the end of a job, from its completion to its conclusion."""
    story.state("pending", job, tid=tid)
    story.say(f"job_completed job 0x{job:x} ret 0", tid=tid)
    story.state("concluded", job, tid=tid)


def two_ends(*, nested: bool = True, tid: int = MAIN_THREAD, threads: bool = True) -> PackStory:
    """Tell the ends of two jobs as a stock build does, one inside the other or one behind the other."""
    story = PackStory()
    if threads:
        story.other_thread()
    story.state("pending")
    story.completed()
    if nested:
        ending(story, JOB2, tid=tid)
    story.state("concluded")
    if not nested:
        ending(story, JOB2, tid=tid)
    return story


def no_completions() -> PackStory:
    """Tell two ends in a trace that does not show when jobs are completed."""
    story = PackStory()
    story.other_thread()
    story.state("pending")
    story.state("concluded")
    return story


def made_and_ended(*, tid: int = IO_THREAD, threads: bool = True, dismissed: bool = True) -> PackStory:
    """Make a job in the main thread and complete it in some thread."""
    story = PackStory()
    if threads:
        story.other_thread()
    story.state("created")
    story.say(f"job_completed job 0x{JOB:x} ret 0", tid=tid)
    if dismissed:
        story.state("null")
    return story


CASES = (
    Case(NESTED, two_exits, lambda: two_exits(nested=False), spoiled_exit),
    Case(NESTED, two_ends, lambda: two_ends(nested=False), no_completions, Evidence.PROXY, NEWER),
    Case(
        FOREIGN,
        made_and_ended,
        lambda: made_and_ended(tid=MAIN_THREAD),
        lambda: made_and_ended(tid=MAIN_THREAD, threads=False),
    ),
)


# job-exit-in-anothers-exit


def test_the_outer_exit_is_violated_by_the_beginning_of_the_inner_one() -> None:
    story = PackStory()
    story.other_thread()
    opened = story.exit(JOB, DISK)
    inner = story.leave(JOB2, OTHER_DISK)
    closed = story.exit_done(JOB, DISK)
    outer_window, inner_window = windows_of(story, NESTED)
    assert (edges(outer_window), happened(outer_window)) == ((opened, closed), [inner])
    assert (outer_window.job, inner_window.job) == (JOB, JOB2)
    assert inner_window.verdict is Verdict.CLEAN


def test_a_jobs_own_records_do_not_break_its_exit() -> None:
    story = PackStory()
    story.other_thread()
    story.exit()
    story.exit()
    story.exit_done()
    assert window_of(story, NESTED).verdict is Verdict.CLEAN


@pytest.mark.parametrize("told", [two_exits, two_ends])
def test_exits_of_two_threads_run_beside_each_other_and_not_inside(told: Callable[..., PackStory]) -> None:
    assert {w.verdict for w in windows_of(told(tid=IO_THREAD), NESTED)} == {Verdict.CLEAN}


@pytest.mark.parametrize("told", [two_exits, two_ends])
def test_where_threads_are_not_told_apart_a_nested_exit_is_only_possible(told: Callable[..., PackStory]) -> None:
    result = told(threads=False).scan([NESTED])
    (finding,) = result.findings
    assert not finding.certain
    (happening,) = result.windows[finding.window].happenings
    assert happening.doubt == "the trace does not tell threads apart"


def test_without_nested_exits_it_does_not_matter_that_threads_are_not_told_apart() -> None:
    assert {w.verdict for w in windows_of(two_exits(nested=False, threads=False), NESTED)} == {Verdict.CLEAN}


def test_an_exit_that_has_not_ended_when_the_trace_does_is_judged_by_what_is_in_it() -> None:
    first = windows_of(two_exits(ends=False), NESTED)[0]
    assert (first.verdict, first.close) == (Verdict.VIOLATED, None)
    story = two_exits(nested=False)
    story.exit()
    last = windows_of(story, NESTED)[-1]
    assert (last.verdict, last.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_a_stock_end_that_does_not_conclude_promises_nothing() -> None:
    story = two_ends(nested=False)
    story.state("pending")
    story.completed(JOB2)
    assert [w.verdict for w in windows_of(story, NESTED)] == [Verdict.CLEAN] * 2


def test_a_job_that_fails_before_it_is_pending_has_no_exit_to_be_nested_in() -> None:
    story = two_ends(nested=False)
    story.state("aborting")
    ending(story, JOB2)
    story.state("concluded")
    assert story.scan([NESTED]).findings == []


def test_a_stock_end_lasts_until_the_job_is_concluded() -> None:
    story = PackStory()
    story.other_thread()
    opened = story.state("pending")
    story.state("aborting")
    story.completed(JOB2)
    closed = story.state("concluded")
    window = window_of(story, NESTED)
    assert (edges(window), window.verdict) == ((opened, closed), Verdict.VIOLATED)


def test_of_a_release_that_tells_the_completion_behind_the_exit_no_end_is_said_to_be_clean() -> None:
    story = PackStory()
    story.state("pending")
    story.say(f"job_completed job 0x{JOB:x} ret 0 corrected ret 0")  # as QEMU 3.0 tells it
    story.state("concluded")
    covered = coverage_of(story.scan(None), NESTED)
    assert (covered.windows, covered.unlisted) == (0, 0)
    assert "it holds for QEMU 3.1 and newer" in covered.reason
    assert story.scan([NESTED]).inconclusive


@pytest.mark.parametrize("asked", ["qmp_job_finalize", "qmp_block_job_finalize"])
def test_a_job_that_waits_to_be_finalized_is_in_its_exit_only_from_the_command_on(asked: str) -> None:
    story = PackStory()
    story.other_thread()
    story.state("pending")
    ending(story, JOB2)
    opened = story.say(f"{asked} job 0x{JOB:x}")
    story.completed()
    closed = story.state("concluded")
    second = windows_of(story, NESTED)[1]
    assert (second.job, second.verdict, edges(second)) == (JOB, Verdict.CLEAN, (opened, closed))


def test_where_exits_are_traced_stand_ins_are_not_asked() -> None:
    story = two_ends()
    opened = story.exit()
    closed = story.exit_done()
    window = window_of(story, NESTED)
    assert (edges(window), window.evidence, window.verdict) == ((opened, closed), Evidence.EXACT, Verdict.CLEAN)


# job-exit-on-foreign-thread


def test_an_exit_in_another_thread_than_that_which_made_the_job_is_told_by_its_completion() -> None:
    window = window_of(made_and_ended(), FOREIGN)
    assert (edges(window), happened(window), window.job) == ((2, 4), [3], JOB)
    assert [h.mark.tid for h in window.happenings] == [IO_THREAD]


def test_a_job_belongs_to_its_maker_until_it_is_dismissed() -> None:
    story = PackStory()
    opened = story.state("created")
    story.state("running")
    completed = story.say(f"job_completed job 0x{JOB:x} ret 0", tid=IO_THREAD)
    story.state("concluded")
    closed = story.state("null")
    window = window_of(story, FOREIGN)
    assert (edges(window), happened(window)) == ((opened, closed), [completed])


def test_of_a_pointer_whose_dismissal_is_not_told_the_last_maker_counts() -> None:
    story = PackStory()
    story.state("created")
    opened = story.state("created", tid=IO_THREAD)
    story.say(f"job_completed job 0x{JOB:x} ret 0", tid=IO_THREAD)
    closed = story.state("null")
    window = window_of(story, FOREIGN)
    assert (edges(window), window.verdict) == ((opened, closed), Verdict.CLEAN)


def test_another_jobs_exit_may_run_in_another_thread() -> None:
    story = PackStory()
    story.state("created")
    story.say(f"job_completed job 0x{JOB2:x} ret 0", tid=IO_THREAD)
    story.completed()
    story.state("null")
    assert window_of(story, FOREIGN).verdict is Verdict.CLEAN


def test_a_job_that_is_made_where_another_one_was_belongs_to_its_own_maker() -> None:
    story = made_and_ended(tid=MAIN_THREAD)
    story.state("created", tid=IO_THREAD)
    completed = story.completed()
    story.state("null")
    assert [happened(w) for w in windows_of(story, FOREIGN)] == [[], [completed]]


@pytest.mark.parametrize(("tid", "verdict"), [(IO_THREAD, Verdict.VIOLATED), (MAIN_THREAD, Verdict.CLEAN)])
def test_a_job_need_not_be_dismissed_to_be_judged(tid: int, verdict: Verdict) -> None:
    story = made_and_ended(tid=MAIN_THREAD)
    story.state("created")
    story.say(f"job_completed job 0x{JOB:x} ret 0", tid=tid)
    last = windows_of(story, FOREIGN)[1]
    assert (last.verdict, last.close) == (verdict, None)


@pytest.mark.parametrize("prefix", [True, False])
def test_no_exit_is_in_its_own_thread_where_threads_are_not_told_apart(prefix: bool) -> None:
    result = made_and_ended(tid=MAIN_THREAD, threads=not prefix).trace(prefix=prefix).scan([FOREIGN])
    assert [w.reason for w in result.windows] == ["the trace does not tell threads apart"]
    assert result.inconclusive


def test_where_it_need_not_be_judged_an_exit_without_thread_is_passed_over() -> None:
    covered = coverage_of(made_and_ended(tid=MAIN_THREAD, threads=False).scan(None), FOREIGN)
    assert covered.windows == 0
    assert covered.reason == "windows of it are not judged: the trace does not tell threads apart"
