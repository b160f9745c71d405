"""The records that a scan looks at one by one: those that change the state of a job, or a name."""

from __future__ import annotations

from collections.abc import Iterable

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
_OF_JOB = tuple(m for m in JobTracker.MEANINGS if m not in _NOT_BY_JOB)
Steps = npt.NDArray[np.int8]

_NO_STEP, _STEP, _LOOK, _ACTIVITY, _ENTER = range(5)
_STEPS = np.full(max(Meaning) + 1, _NO_STEP, dtype=np.int8)
_STEPS[list(_OF_JOB)] = _STEP
_STEPS[Meaning.JOB_LOOK] = _LOOK
_STEPS[Meaning.JOB_ACTIVITY] = _ACTIVITY
_STEPS[Meaning.COROUTINE_ENTER] = _ENTER
_LEAVES_IDLE = np.isin(np.arange(5), (_LOOK, _ACTIVITY, _ENTER))
"""By step: whether an entry behind it changes nothing."""


def find_anchors(table: MeaningTable, running: Iterable[int], coroutines: Iterable[int] = ()) -> Mask:
    """Return the mask of the rows that `JobTracker` and `NameTracker` must see.

    `running` are the known jobs, `coroutines` theirs.

    A busy job looks, copies and is entered again and again. Of that, only what leaves a trace in what the tracker knows
    stays: the first entry after a drain has begun, and the last look before the job does something else.
    """
    mask = table.where(*ANCHORS)
    rows = np.flatnonzero(mask)
    step = _STEPS[table.meaning[rows]]
    entries = rows[step == _ENTER]
    if len(entries):  # most are of other coroutines
        starting = np.flatnonzero(table.where(Meaning.JOB_START, Meaning.JOB_LOOK, Meaning.JOB_BEFORE_DRAIN))
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
    rows, step, job = rows[~idle], step[~idle], job[~idle]
    mask[rows[_idle_steps(step, job)]] = False
    return mask


def _among(values: Int64Array, chosen: list[int]) -> Mask:
    return np.isin(values, np.array(chosen, dtype=np.int64))


def _idle_entries(step: Steps, job: Int64Array) -> Mask:
    """Return which steps, sorted by job, are entries that change nothing: no drain has begun, or it is over.

    The first entry of each job stays: it tells the job's coroutine.
    """
    idle: Mask = step == _ENTER
    entries = np.flatnonzero(idle)
    idle[1:] &= (job[1:] == job[:-1]) & _LEAVES_IDLE[step[:-1]]
    idle[:1] = False
    first = np.ones(len(entries), dtype=np.bool_)
    first[1:] = job[entries[1:]] != job[entries[:-1]]
    idle[entries[first]] = False
    return idle


def _idle_steps(step: Steps, job: Int64Array) -> Mask:
    """Return which steps, sorted by job, are undone by what the job does next."""
    copying = (step == _LOOK) | (step == _ACTIVITY)
    same = job[1:] == job[:-1]
    begins = np.ones(len(step), dtype=np.bool_)
    begins[1:] = ~(same & copying[1:] & copying[:-1])
    run = np.cumsum(begins) - 1
    # Of a run of looks and copying the first step tells that the job works, and the last look all the rest; where there
    # is none, any step does.
    first = np.flatnonzero(begins)
    kept = first.copy()
    looks = np.flatnonzero(step == _LOOK)
    kept[run[looks]] = looks  # the last of several values for one place stays
    idle: Mask = copying.copy()
    idle[kept] = idle[first] = False
    return idle
