"""Windows of jobs that do not close, and those that the points on a job's way bound."""

from __future__ import annotations

import pytest

from tests.detect.of_jobs import Edges, about, edges, followed, of_job
from tests.detect.ruled import Tale, rule, spans, windows
from tests.timeline.story import COPY, DISK, FILTER, JOB, JOB2
from traceview.detect.job_windows import JobWindows
from traceview.detect.needs import Seen
from traceview.rules import words
from traceview.timeline.jobs import JobTracker
from traceview.vocabulary import Meaning, Op

STAND_INS = of_job(
    "open job_deferred(job) close job_exit(job)",
    proxies=["open job_look(job) close job_exit(job)", "open job_before_drain(job) close job_exit(job)"],
)  # fmt: skip


# windows without a closing


def test_a_window_that_is_open_when_the_trace_ends_has_no_closing() -> None:
    tale = Tale()
    tale.start()
    opened = tale.look()
    (window,) = followed(tale, of_job("open job_look(job) close job_deferred(job)"))
    assert (edges([window]), window.ended) == ([(opened, None)], False)
    assert followed(tale, of_job("open job_look(job) close job_deferred(job) tentative")) == []
    assert followed(tale, of_job("open job_before_drain(job) close job_deferred(job)")) == []


def test_a_window_of_a_job_that_is_gone_is_told_when_its_pointer_is_taken() -> None:
    tale = Tale()
    tale.start()
    opened = tale.look()
    tale.start(node=COPY)
    closing = tale.look(), tale.defer()
    found = followed(tale, of_job("open job_look(job) close job_deferred(job)"))
    assert (edges(found), [w.ended for w in found]) == ([(opened, None), closing], [True, False])


def test_a_job_that_had_its_window_and_is_gone_has_no_other() -> None:
    tale = Tale()
    tale.start()
    tale.look()
    tale.defer()
    tale.look()
    tale.start(node=COPY)
    assert len(followed(tale, of_job("open job_look(job) close job_deferred(job)"))) == 1


@pytest.mark.parametrize(("asked", "ret", "count"), [(True, 0, 1), (True, -125, 0), (False, 0, 0)])
def test_of_a_job_that_is_gone_only_a_confirmed_window_is_told(asked: bool, ret: int, count: int) -> None:
    own = of_job("open job_drained(job) confirm job_completed(job) close job_switched(job)")
    tale = Tale()
    tale.start()
    tale.before_drain()
    opened = tale.enter()
    if asked:
        tale.completed(ret=ret)
    tale.concluded()
    assert edges(followed(tale, own)) == [(opened, None)] * count


def test_of_clauses_that_stand_open_the_one_is_told_of_which_the_trace_lacks_least() -> None:
    own = of_job(
        proxies=[
            "open job_look(job) close job_exit(job)",
            "open job_before_drain(job) close job_exit(job) needs drained",
            "open job_flush(job) close job_exit(job)",
        ]
    )
    tale = Tale()
    tale.start()
    look, _ = tale.look(), tale.before_drain()
    tale.completed()
    seen: Seen = {(m, Op.NONE) for m in (Meaning.JOB_EXIT, Meaning.JOB_IS_COMMIT, Meaning.JOB_LOOK)}
    assert edges(followed(tale, own, seen=seen)) == [(look, None)]
    seen = {(m, Op.NONE) for m in (Meaning.JOB_EXIT, Meaning.JOB_IS_COMMIT, Meaning.JOB_BEFORE_DRAIN, Meaning.DRAINED)}
    assert about(followed(tale, own, seen=seen)) == ["proxy job_before_drain"]


def test_a_stand_in_that_stands_open_is_not_told_where_the_trace_would_show_the_window_itself() -> None:
    tale = Tale()
    tale.start()
    opened = tale.look()
    assert edges(followed(tale, STAND_INS)) == [(opened, None)]
    assert followed(tale, STAND_INS, seen={(Meaning.JOB_IS_COMMIT, Op.NONE)}) == []
    tale.start(JOB2, COPY)
    tale.defer(JOB2)
    tale.exit(JOB2)
    assert [w.job.key for w in followed(tale, STAND_INS)] == [JOB2]


# points on a job's way


def passing(word: str) -> list[Edges]:
    """Return the window that a point opens, in a story of a job that passes all points."""
    tale = Tale()
    tale.stock_job()
    tale.enter()
    tale.look()
    tale.before_drain()
    tale.enter()
    tale.say("qemu_coroutine_terminate self 0x2")
    tale.completed()
    tale.move(FILTER, COPY)
    tale.concluded()
    shown = followed(tale, of_job(f'open {word}(job) close job_state(job, state = "concluded")'))
    return edges(shown)


def test_points_are_where_the_timeline_says_that_the_job_passed_them() -> None:
    started = Tale().stock_job().lines
    names = {w.name for w in words().values() if w.point}
    assert {name: passing(name) for name in names - {"job_moved_on"}} == {
        "job_running": [(started + 1, started + 9)],
        "job_working": [(started + 2, started + 9)],
        "job_drained": [(started + 4, started + 9)],
        "job_left": [(started + 5, started + 9)],
        "job_switched": [(started + 8, started + 9)],
    }


def test_where_attachments_are_not_traced_a_request_of_the_guest_shows_that_the_job_has_moved_on() -> None:
    tale = Tale()
    tale.reach("preadv", node=DISK)
    tale.start()
    tale.reach("pwritev", node=FILTER)
    tale.before_drain()
    opened = tale.enter()
    tale.reach("pwritev", node=FILTER)
    closed = tale.reach("pwritev", node=COPY)
    own = rule("open job_drained(job) close job_moved_on(job) forbid guest_reach(blk)", subject="job")
    (window,) = windows(tale, own)
    assert spans([window]) == [(opened, closed)]


def test_a_point_that_is_told_later_stands_where_it_was_passed() -> None:
    # In 2.12 and 3.0 a job tells that it is complete after its switch.
    tale = Tale()
    tale.stock_job()
    tale.before_drain()
    opened = tale.enter()
    closed = tale.move(FILTER, COPY)
    tale.completed()
    assert edges(followed(tale, of_job("open job_drained(job) close job_switched(job)"))) == [(opened, closed)]


def test_what_undoes_a_point_undoes_the_window_that_it_opened() -> None:
    own = of_job("open job_drained(job) close job_completed(job)")
    tale = Tale()
    tale.start()
    tale.before_drain()
    tale.enter()
    tale.copy()
    closed = tale.completed()
    assert edges(followed(tale, own)) == [(None, closed)]
    tale = Tale()
    tale.start()
    for _ in range(3):
        tale.copy()
        tale.before_drain()
        opened = tale.enter()
    closed = tale.completed()
    assert edges(followed(tale, own)) == [(opened, closed)]


def test_a_window_that_a_record_opened_stays_open_whatever_becomes_of_points() -> None:
    own = of_job("open job_before_drain(job) or job_drained(job) close job_completed(job)")
    tale = Tale()
    tale.start()
    opened = tale.before_drain()
    tale.copy()
    closed = tale.completed()
    assert edges(followed(tale, own)) == [(opened, closed)]


# how much of the trace must be kept


def test_the_trace_is_kept_from_the_first_opening_that_waits_for_its_closing() -> None:
    own = of_job("open job_look(job) close job_deferred(job)")
    tale = Tale()
    looks = {}
    for job in (JOB, JOB2):
        tale.start(job)
        looks[job] = tale.look(job) - 1
    for job in (JOB, JOB2):
        tale.defer(job)
    table = tale.table()
    tracker, of_jobs = JobTracker(), JobWindows([own])
    kept = [of_jobs.retain_from()]
    for row in table.rows(table.where(*JobTracker.MEANINGS)):
        steps = list(tracker.feed(row))
        list(of_jobs.feed(row, tracker.subject, steps))
        kept.append(of_jobs.retain_from())
    assert kept == [None, None, looks[JOB], looks[JOB], looks[JOB], looks[JOB2], None]
