"""Windows of jobs, matched record by record: when they open, close, are void, or are another clause's."""

from __future__ import annotations

import pytest

from tests.detect.of_jobs import Edges, about, edges, followed, of_job
from tests.detect.ruled import Tale
from tests.timeline.story import COPY, DISK, JOB, JOB2, OTHER_DISK
from traceview.detect.job_windows import JobWindows

# opening and closing


def test_a_window_opens_once_and_closes_once() -> None:
    tale = Tale()
    tale.start()
    first = tale.look()
    tale.look()
    closed = tale.defer()
    tale.look()
    tale.defer()
    assert edges(followed(tale, of_job("open job_look(job) close job_deferred(job)"))) == [(first, closed)]


def test_where_openings_restart_a_window_the_last_one_counts() -> None:
    tale = Tale()
    tale.start()
    tale.look()
    last = tale.look()
    closed = tale.defer()
    assert edges(followed(tale, of_job("open job_look(job) restarts close job_deferred(job)"))) == [(last, closed)]


def test_an_opening_that_its_conditions_do_not_fit_is_none() -> None:
    tale = Tale()
    tale.start()
    tale.look(dirty=3)
    opened = tale.look(dirty=0)
    tale.look(dirty=2)
    closed = tale.defer()
    own = of_job("open job_look(job, count = 0) restarts close job_deferred(job)")
    assert edges(followed(tale, own)) == [(opened, closed)]


def test_any_of_several_openings_opens_and_any_of_several_closings_closes() -> None:
    own = of_job("open job_look(job) or job_before_drain(job) close job_deferred(job) or job_exit(job)")
    for act in (Tale.look, Tale.before_drain):
        for end in (Tale.defer, Tale.exit):
            tale = Tale()
            tale.start()
            opened, closed = act(tale), end(tale)
            assert edges(followed(tale, own)) == [(opened, closed)]


def test_each_job_has_a_window_of_its_own() -> None:
    tale = Tale()
    for job, node in ((JOB, DISK), (JOB2, OTHER_DISK)):
        tale.start(job, node)
    looks = [tale.look(job) for job in (JOB, JOB2)]
    ends = [tale.defer(job) for job in (JOB2, JOB)]
    found = followed(tale, of_job("open job_look(job) close job_deferred(job)"))
    assert [(w.job.key, e) for w, e in zip(found, edges(found), strict=True)] == [
        (JOB2, (looks[1], ends[0])), (JOB, (looks[0], ends[1])),
    ]  # fmt: skip


def test_a_job_that_takes_the_pointer_of_another_has_a_window_too() -> None:
    tale = Tale()
    told = []
    for node in (DISK, COPY):
        tale.start(node=node)
        told.append((tale.look(), tale.defer(node=node)))
        tale.leave(node=node)
    assert edges(followed(tale, of_job("open job_look(job) close job_deferred(job)"))) == told


def test_a_job_has_one_window_a_rule_and_each_rule_its_own() -> None:
    tale = Tale()
    tale.start()
    first, second = tale.look(), tale.defer()
    tale.look()
    left = tale.exit()
    one = of_job("open job_look(job) close job_deferred(job) or job_exit(job)", name="one-rule")
    other = of_job("open job_deferred(job) close job_exit(job)", name="other-rule")
    found = followed(tale, one, other)
    assert [w.rule.id for w in found] == ["one-rule", "other-rule"]
    assert edges(found) == [(first, second), (second, left)]
    assert JobWindows([one, other]).rules == [one, other]


def test_a_closing_without_opening_is_told_unless_there_may_have_been_none() -> None:
    tale = Tale()
    tale.start()
    closed = tale.defer()
    assert edges(followed(tale, of_job("open job_look(job) close job_deferred(job)"))) == [(None, closed)]
    assert followed(tale, of_job("open job_look(job) close job_deferred(job) tentative")) == []


# what comes before, makes void, confirms


AFTER = of_job(
    "open job_look(job) restarts after job_before_drain(job) cancel job_activity(job) close job_deferred(job)"
)


def test_an_opening_counts_only_after_what_it_waits_for() -> None:
    tale = Tale()
    tale.start()
    tale.look()
    tale.before_drain()
    opened = tale.look()
    closed = tale.defer()
    assert edges(followed(tale, AFTER)) == [(opened, closed)]


def test_what_another_job_waits_for_does_not_count() -> None:
    tale = Tale()
    for job in (JOB, JOB2):
        tale.start(job)
    tale.before_drain(JOB2)
    tale.look(JOB)
    closed = tale.defer(JOB)
    assert edges(followed(tale, AFTER)) == [(None, closed)]


def test_a_window_that_is_void_must_be_waited_for_anew() -> None:
    tale = Tale()
    tale.start()
    tale.before_drain()
    tale.look()
    tale.copy()
    tale.look()
    closed = tale.defer()
    assert edges(followed(tale, AFTER)) == [(None, closed)]
    tale = Tale()
    tale.start()
    tale.before_drain()
    tale.look()
    tale.copy()
    tale.before_drain()
    opened = tale.look()
    closed = tale.defer()
    assert edges(followed(tale, AFTER)) == [(opened, closed)]


def test_a_void_window_may_open_again() -> None:
    tale = Tale()
    tale.start()
    tale.look()
    tale.copy()
    opened = tale.look()
    closed = tale.defer()
    own = of_job("open job_look(job) cancel job_activity(job) close job_deferred(job)")
    assert edges(followed(tale, own)) == [(opened, closed)]


def confirmed(*acts: str, ret: int = 0) -> list[tuple[Edges, bool]]:
    own = of_job("open job_look(job) confirm job_completed(job) close job_exit(job)")
    tale = Tale()
    tale.start()
    for act in acts:
        getattr(tale, act)()
    tale.exit(ret=ret)
    found = followed(tale, own)
    return list(zip(edges(found), [w.confirmed for w in found], strict=True))


def test_a_window_tells_whether_it_was_confirmed() -> None:
    assert confirmed("look") == [((2, 3), False)]
    assert confirmed("look", "completed") == [((2, 4), True)]
    assert confirmed("completed", "look") == [((3, 4), True)]


@pytest.mark.parametrize(("ret", "count"), [(0, 1), (-125, 0)])
def test_an_unseen_opening_of_a_job_that_failed_needs_no_closing_where_windows_must_be_confirmed(
    ret: int, count: int
) -> None:
    assert [e for e, _ in confirmed("completed", ret=ret)] == [(None, 3)] * count
    assert [e for e, _ in confirmed("look", "completed", ret=ret)] == [(2, 4)]


# exact evidence, and stand-ins for it


STAND_INS = of_job(
    "open job_deferred(job) close job_exit(job)",
    proxies=["open job_look(job) close job_exit(job)", "open job_before_drain(job) close job_exit(job)"],
)  # fmt: skip


def test_stand_ins_are_asked_only_where_a_job_was_not_seen_to_pass_an_exact_edge() -> None:
    tale = Tale()
    tale.start()
    tale.look()
    opened = tale.defer()
    closed = tale.exit()
    found = followed(tale, STAND_INS)
    assert (edges(found), about(found)) == ([(opened, closed)], ["exact job_deferred"])


def test_an_exact_closing_without_its_opening_is_exact_evidence_too() -> None:
    own = of_job("open job_deferred(job) close job_exit(job)", proxies=["open job_look(job) close job_exit_done(job)"])
    tale = Tale()
    tale.start()
    tale.look()
    closed = tale.exit()
    tale.exit_done()
    found = followed(tale, own)
    assert (edges(found), about(found)) == ([(None, closed)], ["exact job_deferred"])


def test_an_edge_that_stand_ins_share_is_no_exact_evidence() -> None:
    tale = Tale()
    tale.start()
    opened = tale.look()
    closed = tale.exit()
    found = followed(tale, STAND_INS)
    assert (edges(found), about(found)) == ([(opened, closed)], ["proxy job_look"])


def test_of_the_stand_ins_the_first_that_closes_counts() -> None:
    own = of_job(
        proxies=["open job_look(job) close job_exit(job)", "open job_before_drain(job) close job_deferred(job)"]
    )
    tale = Tale()
    tale.start()
    tale.look()
    opened, closed = tale.before_drain(), tale.defer()
    tale.exit()
    found = followed(tale, own)
    assert (edges(found), about(found)) == ([(opened, closed)], ["proxy job_before_drain"])


def test_of_stand_ins_that_close_at_once_the_first_that_was_opened_counts() -> None:
    own = of_job(proxies=["open job_look(job) close job_exit(job)", "open job_before_drain(job) close job_exit(job)"])
    for acts, opens in (("look before_drain", "job_look"), ("before_drain", "job_before_drain")):
        tale = Tale()
        tale.start()
        for act in acts.split():
            getattr(tale, act)()
        closed = tale.exit()
        found = followed(tale, own)
        assert (edges(found), about(found)) == ([(2, closed)], [f"proxy {opens}"])
