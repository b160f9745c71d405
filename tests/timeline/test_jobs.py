"""How jobs are followed from start to exit. The traces are synthetic."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.timeline.story import (
    COPY,
    DISK,
    DRIVE,
    FILTER,
    JOB,
    JOB2,
    OTHER_DISK,
    OTHER_DRIVE,
    OWN,
    START_US,
    STEP_US,
    Story,
)
from traceview.timeline.jobs import Job, JobTracker, Step

COLUMNS = {
    "job": "str", "kind": "str", "node": "str", "node_image": "str", "target": "str", "target_image": "str",
    "start_record": "Int64", "last_look_record": "Int64", "before_drain_record": "Int64", "drained_record": "Int64",
    "deferred_record": "Int64", "exit_record": "Int64", "exit_done_record": "Int64", "completed_record": "Int64",
    "switched_record": "Int64", "start_ns": "Int64", "end_ns": "Int64", "ret": "Int64", "pivoted": "boolean",
}  # fmt: skip


def follow(story: Story) -> tuple[list[tuple[Step, int]], list[Job]]:
    """Return what each record did, as (step, line), and the jobs in the order in which they finished."""
    tracker, table = JobTracker(), story.table()
    steps, finished = [], []
    for row in table.rows(table.where(*JobTracker.MEANINGS)):
        for step, job in tracker.feed(row):
            steps.append((step, row.line))
            if step is Step.FINISHED:
                finished.append(job)
    return steps, [*finished, *tracker.finish()]


def only(story: Story) -> Job:
    (job,) = follow(story)[1]
    return job


def line(mark: object) -> int | None:
    return getattr(mark, "line", None)


def frame(story: Story) -> pd.DataFrame:
    return story.trace().timeline().jobs


# builds that trace the deferral and the exit


def test_a_job_is_followed_from_start_to_exit() -> None:
    story = Story()
    start, look = story.start(), story.look()
    deferred, exited = story.defer(), story.exit()
    pivot, done = story.pivot(), story.exit_done()
    steps, (job,) = follow(story)
    assert steps == [(Step.DEFERRED, deferred), (Step.EXITED, exited), (Step.FINISHED, done)]
    marks = (job.start, job.last_look, job.deferred, job.exit, job.pivot, job.exit_done)
    assert [line(m) for m in marks] == [start, look, deferred, exited, pivot, done]
    assert (job.key, job.kind, job.node, job.target, job.ret, job.pivoted) == (JOB, "mirror", DISK, COPY, 0, True)


def test_an_exit_without_a_switch_leaves_the_guest_where_it_is() -> None:
    story = Story()
    story.start()
    story.defer()
    story.leave(pivots=False)
    assert only(story).pivoted is False
    assert only(story).target == 0


def test_before_the_exit_it_is_not_known_whether_a_job_pivots() -> None:
    story = Story()
    story.start()
    story.defer()
    assert only(story).pivoted is None


def test_a_recycled_pointer_is_a_new_job_after_the_exit() -> None:
    story = Story()
    story.start()
    story.defer()
    story.leave()
    second = story.start(node=COPY)
    story.defer(node=COPY)
    story.leave(node=COPY, pivots=False)
    first_job, second_job = follow(story)[1]
    assert (first_job.pivoted, second_job.pivoted) == (True, False)
    assert (first_job.node, second_job.node) == (DISK, COPY)
    assert line(second_job.start) == second


def test_a_recycled_pointer_is_a_new_job_after_a_new_start() -> None:
    story = Story()
    story.start()
    story.look()
    again = story.start(node=OTHER_DISK)
    steps, (first_job, second_job) = follow(story)
    assert steps == [(Step.FINISHED, again)]
    assert (first_job.node, second_job.node) == (DISK, OTHER_DISK)
    assert (first_job.looks, second_job.looks) == (1, 0)


@pytest.mark.parametrize("life", ["look", "defer", "before_drain", "exit"])
def test_a_job_that_has_left_and_moves_again_is_another_one_though_its_start_was_not_traced(life: str) -> None:
    story = Story()
    story.start()
    story.defer()
    exited = story.exit()  # its end is not traced either
    getattr(story, life)()
    first_job, second_job = follow(story)[1]
    assert (line(first_job.exit), first_job.pivoted) == (exited, False)
    assert (second_job.start, second_job.key) == (None, JOB)
    assert second_job.deferred is None or line(second_job.deferred) == exited + 1


def test_a_stock_job_that_was_switched_and_drains_again_is_another_one() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    story.completed()
    switched = story.move(FILTER, COPY)
    again = story.before_drain()
    first_job, second_job = follow(story)[1]
    assert line(first_job.switched) == switched
    assert (line(second_job.before_drain), second_job.completed, second_job.switched) == (again, None, None)


def test_the_switch_belongs_to_the_innermost_exit() -> None:
    story = Story()
    for job, node in ((JOB, DISK), (JOB2, OTHER_DISK)):
        story.start(job, node)
        story.defer(job, node)
    story.exit(JOB, DISK)
    story.leave(JOB2, OTHER_DISK)
    story.exit_done(JOB, DISK)
    inner, outer = follow(story)[1]
    assert (inner.key, inner.pivoted) == (JOB2, True)
    assert (outer.key, outer.pivoted) == (JOB, False)


def test_after_an_inner_exit_the_switch_belongs_to_the_outer_one_again() -> None:
    story = Story()
    for job, node in ((JOB, DISK), (JOB2, OTHER_DISK)):
        story.start(job, node)
        story.defer(job, node)
    story.exit(JOB, DISK)
    story.leave(JOB2, OTHER_DISK, pivots=False)
    story.pivot(DISK, COPY)
    story.exit_done(JOB, DISK)
    inner, outer = follow(story)[1]
    assert (inner.key, inner.pivoted) == (JOB2, False)
    assert (outer.key, outer.pivoted, outer.target) == (JOB, True, COPY)


def test_the_exits_of_two_processes_do_not_nest() -> None:
    story = Story()
    story.exit(JOB, DISK)
    story.tid = 2000
    story.exit(JOB2, OTHER_DISK)
    story.tid = 1000
    story.pivot(DISK, COPY)
    first_job, second_job = follow(story)[1]
    assert (first_job.pivoted, second_job.pivoted) == (True, False)


def test_nodes_that_are_replaced_outside_of_any_exit_are_of_no_job() -> None:
    story = Story()
    story.start()
    story.pivot()
    story.leave(pivots=False)
    story.pivot()
    assert only(story).pivoted is False


def test_exits_nest_no_more_when_the_end_of_one_was_lost_and_its_job_starts_anew() -> None:
    story = Story()
    story.start()
    story.exit()
    story.start(node=OTHER_DISK)
    story.pivot(COPY, DISK)
    first_job, second_job = follow(story)[1]
    assert first_job.pivoted is False
    assert second_job.pivoted is None


def test_an_active_commit_is_told_from_a_mirror_and_only_once() -> None:
    story = Story()
    story.say(f"commit_active_start bs 0x{DISK:x} base 0x{COPY:x} job 0x{JOB:x}")
    story.start()
    story.leave()
    story.start()
    assert [j.kind for j in follow(story)[1]] == ["commit", "mirror"]


def test_only_a_last_look_that_found_nothing_dirty_counts() -> None:
    story = Story()
    story.start()
    story.look(dirty=0)
    story.look(dirty=3)
    assert (only(story).last_look, only(story).looks) == (None, 2)
    clean = story.look(dirty=0)
    assert (line(only(story).last_look), only(story).looks) == (clean, 3)


def test_jobs_whose_start_was_not_seen_are_followed_from_their_first_own_record() -> None:
    for verb in ("look", "before_drain", "defer", "exit"):
        story = Story()
        getattr(story, verb)()
        assert (only(story).key, only(story).start) == (JOB, None)


def test_the_end_alone_makes_no_job() -> None:
    story = Story()
    story.exit_done()
    story.completed()
    story.concluded()
    story.copy()
    story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret 0")
    assert follow(story) == ([], [])


def test_the_stock_end_of_old_releases_finishes_a_job_that_was_not_seen_to_leave() -> None:
    story = Story()
    story.start()
    ended = story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret -5")
    steps, (job,) = follow(story)
    assert steps == [(Step.FINISHED, ended)]
    assert (job.ret, line(job.ended)) == (-5, ended)


def test_inside_an_exit_the_stock_end_finishes_nothing() -> None:
    story = Story()
    story.start()
    exited = story.exit()
    ended = story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret 0")
    done = story.exit_done()
    steps, (job,) = follow(story)
    assert steps == [(Step.EXITED, exited), (Step.FINISHED, done)]
    assert line(job.ended) == ended


# stock builds


def test_the_drained_point_is_the_first_entry_after_the_last_drain() -> None:
    story = Story().stock_job()
    story.enter()
    story.before_drain()
    story.enter()
    last = story.before_drain()
    drained = story.enter()
    story.enter()
    job = only(story)
    assert (line(job.before_drain), line(job.drained)) == (last, drained)


def test_entries_of_other_coroutines_drain_nothing() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter(JOB2)
    assert only(story).drained is None


@pytest.mark.parametrize("back_to_work", ["copy", "look"])
def test_a_job_that_goes_back_to_copying_is_not_drained_any_more(back_to_work: str) -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    getattr(story, back_to_work)()
    assert (only(story).before_drain, only(story).drained) == (None, None)


def test_a_restarted_round_is_activity_too() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    story.say(f"mirror_restart_iter s 0x{JOB:x} dirty count 1")
    assert (only(story).before_drain, only(story).drained) == (None, None)


def test_the_switch_is_the_attachment_of_the_devices_blockbackend_to_another_node() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    completed = story.completed()
    switched = story.move(FILTER, COPY)
    concluded = story.concluded()
    steps, (job,) = follow(story)
    assert steps == [(Step.SWITCHED, switched), (Step.FINISHED, concluded)]
    assert (line(job.completed), line(job.switched), job.target, job.pivoted) == (completed, switched, COPY, True)


def test_a_device_that_ends_up_on_its_source_was_not_moved() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    story.completed()
    story.move(FILTER, DISK)
    assert (only(story).pivoted, only(story).target) == (False, DISK)


def test_attachments_before_the_completion_switch_nothing() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    story.move(FILTER, COPY)
    assert only(story).switched is None


def test_a_device_with_several_blockbackends_is_switched_with_the_last_of_them() -> None:
    story = Story()
    story.attach(DRIVE, DISK, child=0x51)
    story.attach(OTHER_DRIVE, DISK, child=0x52)
    story.move(DISK, FILTER, DRIVE, 0x51)
    story.move(DISK, FILTER, OTHER_DRIVE, 0x52)
    story.start()
    story.before_drain()
    story.enter()
    story.completed()
    first = story.move(FILTER, COPY, DRIVE, 0x51)
    last = story.move(FILTER, COPY, OTHER_DRIVE, 0x52)
    job = only(story)
    assert line(job.switched) == last
    assert {b: line(m) for b, m in job.devices.items()} == {DRIVE: first, OTHER_DRIVE: last}


def test_a_jobs_own_blockbackend_is_none_of_its_devices() -> None:
    story = Story()
    story.attach(DRIVE, DISK, child=0x51)
    story.move(DISK, FILTER)
    story.attach(OWN, FILTER, child=0x59)
    story.start()
    assert list(only(story).devices) == [DRIVE]


def test_a_device_on_a_node_without_filter_is_a_device_of_the_job() -> None:
    story = Story()
    story.attach(DRIVE, DISK)
    story.attach(OTHER_DRIVE, OTHER_DISK, child=0x52)
    story.start()
    assert list(only(story).devices) == [DRIVE]


def test_a_blockbackend_that_was_detached_for_good_is_no_device_of_a_later_job() -> None:
    story = Story()
    story.attach(DRIVE, DISK, child=0x51)
    # the end of an earlier job shuffles its own BlockBackend about and detaches it
    story.attach(OWN, FILTER, child=0x59)
    story.move(FILTER, DISK, OWN, 0x59)
    story.move(DISK, FILTER, OWN, 0x59)
    story.detach(OWN, FILTER, 0x59)
    story.move(DISK, FILTER)
    story.start()
    assert list(only(story).devices) == [DRIVE]


def test_a_child_pointer_that_another_blockbackend_got_moves_nobody() -> None:
    story = Story().stock_job()
    story.before_drain()
    story.enter()
    story.completed()
    story.detach(OTHER_DRIVE, OTHER_DISK, child=0x52)
    story.attach(DRIVE, COPY, child=0x52)
    assert only(story).switched is None


def test_in_a_trace_that_begins_after_the_job_the_first_to_be_attached_is_the_device() -> None:
    story = Story()
    story.before_drain()
    story.enter()
    story.completed()
    switched = story.move(FILTER, COPY)
    story.move(FILTER, COPY, OWN, 0x59)
    job = only(story)
    assert (list(job.devices), line(job.switched), job.target) == ([DRIVE], switched, COPY)
    assert job.pivoted is None  # the node it was on before is not known


def test_other_transitions_of_a_job_finish_nothing() -> None:
    story = Story().stock_job()
    story.say(f"job_state_transition job 0x{JOB:x} (ret: 0) attempting allowed transition (running-->ready)")
    assert follow(story)[0] == []
    gone = story.say(f"job_state_transition job 0x{JOB:x} (ret: 0) attempting allowed transition (concluded-->null)")
    assert follow(story)[0] == [(Step.FINISHED, gone)]


def test_unfinished_jobs_come_in_the_order_of_their_start() -> None:
    story = Story()
    for job in (0xA7, 0xA3, 0xA5):
        story.start(job)
    assert [j.key for j in follow(story)[1]] == [0xA7, 0xA3, 0xA5]


def test_unfinished_jobs_are_given_once() -> None:
    story, tracker = Story(), JobTracker()
    story.start()
    for row in story.table().rows(story.table().where(*JobTracker.MEANINGS)):
        assert list(tracker.feed(row)) == []
    assert [j.key for j in tracker.finish()] == [JOB]
    assert list(tracker.finish()) == []


# the table


def test_the_table_of_jobs_has_the_documented_columns() -> None:
    story = Story()
    story.start()
    dtypes = frame(story).dtypes.astype(str).to_dict()
    assert {c: "str" if t == "object" else t for c, t in dtypes.items()} == COLUMNS


def test_the_table_of_jobs_has_a_row_a_job_and_na_where_nothing_was_seen() -> None:
    story = Story()
    story.start(JOB)
    story.start(JOB2, OTHER_DISK)
    story.look(JOB)
    deferred = story.defer(JOB)
    exited = story.leave(JOB)
    jobs = frame(story)
    assert jobs["job"].tolist() == [hex(JOB), hex(JOB2)]  # by start, not by end
    assert jobs["node"].tolist() == [hex(DISK), hex(OTHER_DISK)]
    assert jobs["target"].tolist() == [hex(COPY), ""]
    assert jobs["deferred_record"].tolist() == [deferred - 1, pd.NA]
    assert jobs["exit_record"].tolist() == [exited - 1, pd.NA]
    assert jobs["pivoted"].tolist() == [True, pd.NA]
    assert jobs["ret"].tolist() == [0, pd.NA]
    assert jobs["start_ns"].tolist() == [(START_US + n * STEP_US) * 1000 for n in (1, 2)]
    assert jobs["end_ns"].tolist() == [(START_US + (exited + 2) * STEP_US) * 1000, pd.NA]
    assert jobs["completed_record"].isna().all()


def test_the_table_of_jobs_of_a_trace_without_jobs_is_empty() -> None:
    story = Story()
    story.iteration()
    assert frame(story).empty
