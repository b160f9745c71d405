"""Which stretch of a capture is repeated: whole jobs, jobs cut short, or none at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.captures import LogLines, UnusableInputError
from traceview.timeline.names import NameTracker
from traceview.vocabulary import Meaning

__all__ = ["job_stretches", "names_before", "quiet_stretch", "short_jobs"]

Int64Array = npt.NDArray[np.int64]

_NAMES = (*NameTracker.MEANINGS, Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH)
_ENDS = (Meaning.JOB_EXIT_DONE, Meaning.JOB_COMPLETED)
_BEFORE_START, _AFTER_START, _BEFORE_END, _AFTER_END = 150, 200, 500, 150
"""Records that are kept around the start and the end of a job that is cut short."""


def _of(lines: LogLines, *meanings: Meaning) -> Int64Array:
    return np.flatnonzero(np.isin(lines.meaning, meanings))


def _starts(lines: LogLines) -> Int64Array:
    starts = _of(lines, Meaning.JOB_START)
    if not len(starts):
        raise UnusableInputError("the capture has no start of a job")
    return starts


def _snapped(lines: LogLines, at: int) -> int:
    """Return the last beginning of a loop iteration up to `at`, or `at` where iterations are not traced."""
    iterations = _of(lines, Meaning.ITERATION)
    before = int(np.searchsorted(iterations, at, side="right"))
    return int(iterations[before - 1]) if before else at


def names_before(lines: LogLines, end: int) -> Int64Array:
    """Return the lines before line `end` without which a stretch that begins there says less than the capture.

    They are those that say what is named and attached, and the first of each event that matters: which events were
    traced is known by them.
    """
    names = _of(lines, *_NAMES)
    _, first = np.unique(lines.event[:end], return_index=True)
    return np.union1d(names[names < end], first[lines.wanted[first]])


def job_stretches(lines: LogLines) -> list[tuple[int, int]]:
    """Return the stretches, first line and line after the last, that hold one job each and the time around it.

    They follow each other without a gap. Between two jobs the cut is half way, at the start of a loop iteration.
    """
    starts, ends = _starts(lines), _of(lines, *_ENDS)
    if not len(ends) or ends[-1] < starts[0]:
        raise UnusableInputError("the capture has no end of a job")
    cuts = []
    for start in starts.tolist():
        before = int(np.searchsorted(ends, start))
        if before:
            cuts.append(_snapped(lines, (int(ends[before - 1]) + start) // 2))
        else:
            cuts.append(_snapped(lines, max(start - _BEFORE_START, 0)))
    last = min(int(ends[-1]) + _AFTER_END, len(lines))
    return list(zip(cuts, [*cuts[1:], _snapped(lines, last)], strict=True))


def short_jobs(lines: LogLines) -> list[Int64Array]:
    """Return the lines of each job with most of its copying left out: its start, and the time around its end."""
    ends = _of(lines, *_ENDS)
    out = []
    for first, last in job_stretches(lines):
        start = int(_of(lines, Meaning.JOB_START)[np.searchsorted(_of(lines, Meaning.JOB_START), first)])
        of_job = ends[(ends >= start) & (ends < last)]
        if not len(of_job):
            continue
        end = int(of_job[-1])
        begins = _snapped(lines, max(start - _BEFORE_START, first))
        resumes = _snapped(lines, max(end - _BEFORE_END, start))
        stops = _snapped(lines, min(end + _AFTER_END, last))
        leaves = min(_snapped(lines, start + _AFTER_START), resumes)
        out.append(
            np.concatenate((np.arange(begins, max(leaves, start + 1)), np.arange(max(resumes, start + 1), stops)))
        )
    return out


def quiet_stretch(lines: LogLines) -> Int64Array:
    """Return the lines before the first job: guest I/O without a window."""
    first = job_stretches(lines)[0][0]
    if first < _AFTER_START:
        raise UnusableInputError("the capture has nothing before its first job")
    return np.arange(first)
