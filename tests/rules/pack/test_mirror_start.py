"""The starts of mirror jobs: what a guest changes before the job is set up. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Sequence

from tests.rules.pack.cases import Case, PackStory, coverage_of, stock, window_of
from tests.timeline.story import BLOCK, COPY, DISK, DRIVE, FILTER, JOB, JOB2, OTHER_DRIVE, edges, lines
from traceview.findings import Extent, Severity, Verdict
from traceview.vocabulary import Op

START = "mirror-start-guest-write"
CHUNK = 65536
"""What a job copies at a time."""


def starting(
    *, writes: Sequence[int] = (8192,), inside: bool = True, copies: Sequence[int] = (CHUNK,), op: str = "pwritev",
    blk: int = DRIVE, works: bool = True, to: int = COPY, spoils: bool = False,
) -> PackStory:  # fmt: skip
    """Start a job on a stock build, let it copy some chunks, and end it on a node.

    The guest writes between the job's start and its first look, or before and after that.
    """
    story = stock()
    story.move(DISK, FILTER)

    def write() -> None:
        for offset in writes:
            story.reach(op, offset, blk=blk)

    if not inside:
        write()
    story.start()
    if inside:
        write()
    if spoils:
        story.spoil()
    if works:
        story.look(dirty=len(copies))
        if not inside:
            write()
        for offset in copies:
            story.copy(offset=offset)
    if to:
        story.look()
        story.before_drain()
        story.enter()
        story.completed()
        story.move(FILTER, to)
        story.concluded()
    return story


CASES = (
    Case(
        START, starting, lambda: starting(inside=False), lambda: starting(inside=False, spoils=True),
        severity=Severity.DATA_LOSS,
    ),
)  # fmt: skip


def test_a_change_that_the_job_does_not_copy_is_missing_from_its_target() -> None:
    window = window_of(starting(), START)
    assert (window.severity, window.pivoted, window.lost) == (Severity.DATA_LOSS, True, [Extent(8192, BLOCK)])
    assert [(r.op, r.offset) for r in window.requests] == [(Op.WRITE, 8192)]


def test_the_window_lasts_from_the_start_to_the_first_look_or_copy() -> None:
    story = stock()
    story.move(DISK, FILTER)
    story.reach("pwritev", 4096)
    opened = story.start()
    story.enter()
    write = story.reach("pwritev", 8192)
    closed = story.look(dirty=1)
    story.reach("pwritev", 12288)
    story.copy(offset=CHUNK)
    window = window_of(story, START)
    assert (edges(window), lines(window.requests)) == ((opened, closed), [write])


def test_a_change_that_the_job_copies_later_is_excused_with_a_reason() -> None:
    window = window_of(starting(writes=[4096, 8192], copies=[CHUNK, 0]), START)
    assert (window.verdict, window.requests) == (Verdict.CLEAN, [])
    assert window.reason == "2 copied by the job later"


def test_of_several_changes_those_are_told_that_the_job_does_not_copy() -> None:
    window = window_of(starting(writes=[4096, 2 * CHUNK], copies=[0]), START)
    assert (window.verdict, [r.offset for r in window.requests]) == (Verdict.VIOLATED, [2 * CHUNK])


def test_a_change_that_the_job_copies_only_in_part_is_not_excused() -> None:
    assert window_of(starting(writes=[CHUNK - BLOCK // 2], copies=[0]), START).severity is Severity.DATA_LOSS


def test_another_jobs_copy_excuses_nothing() -> None:
    story = starting(to=0)
    story.copy(JOB2, 0)
    story.copy(JOB, 2 * CHUNK)
    assert window_of(story, START).verdict is Verdict.VIOLATED


def test_a_read_changes_nothing() -> None:
    assert window_of(starting(op="preadv"), START).verdict is Verdict.CLEAN


def test_a_change_of_a_disk_that_is_not_mirrored_does_not_count() -> None:
    assert window_of(starting(blk=OTHER_DRIVE), START).verdict is Verdict.CLEAN


def test_a_job_that_ends_back_on_its_source_loses_nothing() -> None:
    window = window_of(starting(to=DISK), START)
    assert (window.verdict, window.severity, window.lost) == (Verdict.VIOLATED, Severity.BROKEN_PROMISE, [])


def test_a_job_that_runs_on_may_still_copy_and_has_lost_nothing_yet() -> None:
    story = starting(to=0)
    assert window_of(story, START).severity is not Severity.DATA_LOSS
    assert window_of(story, START).lost == []
    story.copy(offset=0)
    assert window_of(story, START).verdict is Verdict.CLEAN


def test_a_job_that_is_not_seen_to_work_is_not_judged() -> None:
    covered = coverage_of(starting(works=False, to=0).scan(None), START)
    assert (covered.windows, covered.reason) == (0, "not traced")
    assert ("mirror_one_iteration", "mirror_restart_iter") in covered.events
