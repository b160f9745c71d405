"""Few records of a busy job are looked at one by one, and what is known of it is the same as if all were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.timeline.story import COPY, JOB, JOB2, Story
from traceview.detect.anchors import find_anchors
from traceview.timeline.jobs import Job, JobTracker, Step
from traceview.vocabulary import Mask, Meaning, MeaningTable

UNKNOWN_JOB = 0xA9

STEPS: dict[str, Callable[[Story, int], object]] = {
    "start": lambda story, job: story.start(job),
    "clean look": lambda story, job: story.look(job, 0),
    "dirty look": lambda story, job: story.look(job, 3),
    "copy": lambda story, job: story.copy(job),
    "before drain": lambda story, job: story.before_drain(job),
    "enter": lambda story, job: story.enter(job),
    "coroutine ends": lambda story, _job: story.say("qemu_coroutine_terminate self 0x2"),
    "completed": lambda story, job: story.completed(job),
    "concluded": lambda story, job: story.concluded(job),
    "defer": lambda story, job: story.defer(job),
    "exit": lambda story, job: story.exit(job),
    "exit done": lambda story, job: story.exit_done(job),
}
OFTEN = ("clean look", "dirty look", "copy", "before drain", "enter")


def told(steps: list[tuple[str, int]]) -> MeaningTable:
    story = Story()
    story.look(UNKNOWN_JOB)  # so that there is a table
    for name, job in steps:
        STEPS[name](story, job)
    return story.table()


def known(job: Job) -> dict[str, object]:
    """Return what is known of a job; how often it looked is only known as whether it did."""
    facts = {f.name: getattr(job, f.name) for f in fields(job)}
    return {**facts, "looks": job.looks > 0}


def followed(
    tables: list[MeaningTable], chosen: Callable[[MeaningTable, JobTracker], Mask]
) -> dict[int, list[tuple[Step | None, dict[str, object]]]]:
    """Return, for each pointer, what its jobs did and what was known then, at last of those that did not finish.

    Each by itself: that a job is gone may be seen a little later, at the next record that counts, if its exit was all.
    """
    tracker = JobTracker()
    told: dict[int, list[tuple[Step | None, dict[str, object]]]] = {}
    for table in tables:
        for row in table.rows(chosen(table, tracker)):
            for step, job in tracker.feed(row):
                told.setdefault(job.key, []).append((step, known(job)))
    for job in tracker.finish():
        told.setdefault(job.key, []).append((None, known(job)))
    return told


steps_of_jobs = st.lists(
    st.tuples(st.sampled_from([*OFTEN, *OFTEN, *STEPS]), st.sampled_from([JOB, JOB2])), max_size=40
)


ENTERED_AFTER_ITS_END = ["clean look", "enter", "coroutine ends", "enter", "coroutine ends"]


@settings(max_examples=400)
@example([(step, JOB) for step in ENTERED_AFTER_ITS_END], [])
@given(steps_of_jobs, st.lists(st.integers(0, 40), max_size=3))
def test_what_is_known_of_jobs_is_what_all_their_records_say(steps: list[tuple[str, int]], cuts: list[int]) -> None:
    table = told(steps)
    edges = [0, *sorted(min(c, len(table)) for c in cuts), len(table)]
    tables = [table.take(slice(a, b)) for a, b in pairwise(edges)]
    few = followed(tables, lambda t, tracker: find_anchors(t, tracker.running, tracker.coroutines))
    assert few == followed(tables, lambda t, _tracker: t.where(*JobTracker.MEANINGS))


def test_of_a_thousand_looks_and_entries_the_first_of_each_and_the_last_look_are_looked_at() -> None:
    story = Story()
    started = story.start()
    first_look, first_entry = story.look(), story.enter()
    for _ in range(1000):
        story.copy()
        story.look()
        story.enter()
    story.copy()
    last = story.look()
    table = story.table()
    chosen = np.flatnonzero(find_anchors(table, ()))
    assert table.batch.line[chosen].tolist() == [started, first_look, first_entry, first_entry + 1, last]


def test_entries_of_coroutines_that_are_no_job_are_passed_over() -> None:
    story = Story()
    story.before_drain(JOB)
    story.enter(COPY)
    story.enter(JOB)
    table = story.table()
    chosen = find_anchors(table, ())
    assert table.meaning[chosen].tolist() == [Meaning.JOB_BEFORE_DRAIN, Meaning.COROUTINE_ENTER]
    assert not find_anchors(table.take(slice(1, 2)), [JOB]).any()
    assert find_anchors(table.take(slice(2, 3)), [JOB]).all()
