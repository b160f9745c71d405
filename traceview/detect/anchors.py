"""The records that a scan looks at one by one: those that change the state of a job, or a name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from traceview.events import Int64Array, distinct
from traceview.timeline.jobs import JobTracker
from traceview.timeline.names import NameTracker
from traceview.vocabulary import Mask, Meaning, MeaningTable

__all__ = ["ANCHORS", "find_anchors"]

ANCHORS = (*JobTracker.MEANINGS, *NameTracker.MEANINGS)
_NOT_BY_JOB = (
    Meaning.PIVOT, Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, Meaning.COROUTINE_END, Meaning.QMP_EVENT,
)  # fmt: skip
_MAKES_KNOWN = (
    Meaning.JOB_START, Meaning.JOB_LOOK, Meaning.JOB_BEFORE_DRAIN, Meaning.JOB_DEFERRED, Meaning.JOB_EXIT,
)  # fmt: skip
"""What tells the tracker of a job, as early as the trace does."""
_OF_JOB = tuple(m for m in JobTracker.MEANINGS if m not in _NOT_BY_JOB)
Steps = npt.NDArray[np.int8]

_NO_STEP, _STEP, _CLEAN, _DIRTY, _ACTIVITY, _ENTER = range(6)
_STEPS = np.full(max(Meaning) + 1, _NO_STEP, dtype=np.int8)
_STEPS[list(_OF_JOB)] = _STEP
_STEPS[Meaning.JOB_LOOK] = _CLEAN
_STEPS[Meaning.JOB_ACTIVITY] = _ACTIVITY
_STEPS[Meaning.COROUTINE_ENTER] = _ENTER


def find_anchors(
    table: MeaningTable, running: Iterable[int], coroutines: Iterable[int] = (), also: Collection[Meaning] = (), *,
    every_look: bool = False,
) -> Mask:  # fmt: skip
    """Return the mask of the rows that `JobTracker`, `NameTracker` and `JobWindows` must see.

    `running` are the known jobs, `coroutines` theirs, `also` what bounds windows beside what is followed anyway.

    A busy job looks, copies and is entered again and again. Of that, only what leaves a trace in what is known of it
    stays: the first entry after each step, and of looks and copies in a row the first, the first of each kind, the last
    look and what follows it. With `every_look` all of them stay.
    """
    mask = table.where(*ANCHORS, *also)
    rows = np.flatnonzero(mask)
    steps = _STEPS if not also else _with_steps(also)
    step = steps[table.meaning[rows]]
    entries = rows[step == _ENTER]
    if len(entries):  # most are of other coroutines
        starting = np.flatnonzero(table.where(*_MAKES_KNOWN))
        jobs = [*running, *distinct(table.role("job", starting))]
        of_jobs = _among(table.role("job", entries), jobs)
        mask[entries[~of_jobs]] = False
        entries = entries[of_jobs]
    ends = rows[table.meaning[rows] == Meaning.COROUTINE_END]
    if len(ends):
        starts = np.flatnonzero(table.where(Meaning.JOB_START))
        started = [*distinct(table.role("coroutine", starts)), *distinct(table.role("coroutine", entries))]
        mask[ends[~_among(table.role("coroutine", ends), [*coroutines, *started])]] = False
    of_job = mask[rows] & (step != _NO_STEP)
    rows, step = rows[of_job], step[of_job]
    job = table.role("job", rows)
    order = np.argsort(job, kind="stable")
    rows, step, job = rows[order], step[order], job[order]
    idle = _idle_entries(step, job)
    mask[rows[idle]] = False
    mask[_handed_on(table, entries, ends)] = True
    if not every_look:
        rows, step, job = rows[~idle], step[~idle], job[~idle]
        step = np.where((step == _CLEAN) & (table.role("count", rows) != 0), np.int8(_DIRTY), step)
        mask[rows[_idle_steps(step, job)]] = False
    return mask


def _with_steps(also: Collection[Meaning]) -> Steps:
    steps = _STEPS.copy()
    steps[list(also)] = _STEP
    return steps


def _among(values: Int64Array, chosen: list[int]) -> Mask:
    return np.isin(values, np.array(chosen, dtype=np.int64))


def _idle_entries(step: Steps, job: Int64Array) -> Mask:
    """Return which steps, sorted by job, are entries that change nothing.

    All are but the first behind each step, and behind the first look after it: that may be what makes a job known.
    """
    begins = np.ones(len(step), dtype=np.bool_)
    begins[1:] = (job[1:] != job[:-1]) | (step[1:] == _STEP)
    idle: Mask = step == _ENTER
    others = np.flatnonzero(~idle)
    after_step = np.ones(len(others), dtype=np.bool_)
    after_step[1:] = (job[others][1:] != job[others][:-1]) | (step[others][:-1] == _STEP)
    begins[others[after_step]] = True
    entries = np.flatnonzero(idle)
    segment: Int64Array = np.cumsum(begins)
    idle[entries[_first_of_each(segment[entries])]] = False
    return idle


def _handed_on(table: MeaningTable, entries: Int64Array, ends: Int64Array) -> Int64Array:
    """Return the entries of coroutines that ended before, or were entered for another job: pointers are used anew."""
    rows = np.sort(np.concatenate([entries, ends]))
    ended = table.meaning[rows] == Meaning.COROUTINE_END
    coroutine, job = table.role("coroutine", rows), table.role("job", rows)
    order = np.argsort(coroutine, kind="stable")
    rows, ended, coroutine, job = rows[order], ended[order], coroutine[order], job[order]
    anew = (coroutine[1:] == coroutine[:-1]) & ~ended[1:] & (ended[:-1] | (job[1:] != job[:-1]))
    return np.asarray(rows[1:][anew])


def _idle_steps(step: Steps, job: Int64Array) -> Mask:
    """Return which steps, sorted by job, are undone by what the job does next."""
    looking = (step == _CLEAN) | (step == _DIRTY)
    copying = looking | (step == _ACTIVITY)
    begins = np.ones(len(step), dtype=np.bool_)
    begins[1:] = ~((job[1:] == job[:-1]) & copying[1:] & copying[:-1])
    run = np.cumsum(begins) - 1
    idle: Mask = copying.copy()
    idle[begins] = False
    looks = np.flatnonzero(looking)
    last_look = np.full(int(run[-1]) + 1 if len(run) else 0, -1, dtype=np.int64)
    last_look[run[looks]] = looks  # the last of several values for one place stays
    idle[last_look[last_look >= 0]] = False
    activity = np.flatnonzero(step == _ACTIVITY)
    for kind in (np.flatnonzero(step == _DIRTY), activity, activity[activity > last_look[run[activity]]]):
        idle[kind[_first_of_each(run[kind])]] = False
    return idle


def _first_of_each(groups: Int64Array) -> Mask:
    """Return which values, of some in order, are the first of those equal to them."""
    first = np.ones(len(groups), dtype=np.bool_)
    first[1:] = groups[1:] != groups[:-1]
    return first
