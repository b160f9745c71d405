"""Windows of jobs as they close: what stands in them, before it is known whose it is and what it costs."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from traceview.detect.buffer import MAX_RECORDS, RowBuffer
from traceview.detect.counted import Counted, rows_that_count
from traceview.detect.pending import LOOK_BACK
from traceview.detect.shapes import classify, name_main_contexts
from traceview.findings import Evidence, Happening, Request, Shape
from traceview.rules import EXIT_RULE, Rule, WindowClause
from traceview.timeline.jobs import Job
from traceview.timeline.kicks import KickTracker
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.timeline.nesting import build_nesting
from traceview.vocabulary import MeaningTable, Op, Row

__all__ = ["Candidate", "collect"]


@dataclass(slots=True)
class Candidate:
    """A window and all requests that might be in its way. The job goes on being filled in after the window closed.

    `submitted` are requests handed to the node, with the shape of each; `taken_up` what devices took up in the window
    as (device pointer, request); `bounded` is False where the window is too long for its rows to be held.
    """

    rule: Rule
    clause: WindowClause
    job: Job
    open: Mark | None
    close: Mark | None
    confirmed: bool = True
    submitted: list[tuple[Request, Shape, str]] = field(default_factory=list)
    taken_up: list[tuple[int, Request]] = field(default_factory=list)
    nodeless: list[tuple[int, Request]] = field(default_factory=list)
    """What devices took up where no record shows the node, as (device pointer, 0 if not known; request)."""
    happened: list[Happening] = field(default_factory=list)
    bounded: bool = True
    ended: bool = False
    """The window does not close although the trace goes on after its job."""
    end_record: int = 0
    """The last record that can lie in the window: that of its close, or the last of the trace."""
    witness: MeaningTable | None = None

    @property
    def evidence(self) -> Evidence:
        """By what the window is bounded."""
        return self.clause.evidence


def collect(
    candidate: Candidate, buffer: RowBuffer, names: NameTracker, *, last_record: int | None, keep_witness: bool
) -> Candidate:
    """Fill in what happened in a window from the rows that are held.

    A window that does not close has what came up to `last_record`, or nothing if that is not known.
    """
    first, close = candidate.open, candidate.close
    end = close.record if close is not None else last_record
    if end is not None:
        candidate.end_record = end
    elif first is not None:
        candidate.end_record = first.record
    if first is None:
        return candidate
    too_long = candidate.end_record - first.record > MAX_RECORDS
    if too_long or not buffer.holds(first.record):
        candidate.bounded = False
        return candidate
    behind = candidate.end_record + (close is None)
    if not buffer.matter_between(first.record, behind, candidate.clause.counting):
        return candidate
    rows = buffer.between(buffer.iteration_start(first.record), candidate.end_record)
    assert rows is not None, "the buffer holds the record that it told of"
    earlier = buffer.between(first.record - LOOK_BACK, first.record)
    inside = (rows.record > first.record) & (rows.record < behind)
    counted = rows_that_count(rows, inside, earlier, candidate.clause, candidate.job, candidate.end_record)
    if not counted:
        return candidate
    _fill_in(candidate, rows, counted, first, names)
    if keep_witness:
        candidate.witness = rows.take(np.arange(len(rows)))
    return candidate


def _fill_in(candidate: Candidate, rows: MeaningTable, counted: Counted, first: Mark, names: NameTracker) -> None:
    """Write what counts of a window's rows into the candidate."""
    nesting = build_nesting(rows, names.contexts) if counted.submitted.any() else None
    if nesting is not None and candidate.close is not None:
        name_main_contexts(rows, nesting, counted.submitted, candidate.close, names)
    kicks = KickTracker()
    waiting: list[tuple[int, Request]] = []
    exact = candidate.evidence is Evidence.EXACT
    for row in rows.rows(rows.where(*KickTracker.MEANINGS, *KickTracker.TAKEN_UP) | counted.any_of):
        kicks.feed(row)
        if nesting is not None and counted.submitted[row.index]:
            shape, reason, context = classify(row, first, nesting, names, exact=exact)
            request = _request(row, names, held_back=False, kick=kicks.last(row.tid), context=context)
            candidate.submitted.append((request, shape, reason))
        elif counted.taken_up[row.index]:
            waiting.append((row.role("device"), _request(row, names, held_back=True, kick=kicks.last(row.tid))))
        if counted.nodeless[row.index]:
            device = row.role("device") or row.role("blk") or kicks.last_device(row.tid)
            candidate.nodeless.append((device, _request(row, names, held_back=False, kick=kicks.last(row.tid))))
        if counted.happened[row.index]:
            candidate.happened.append(Happening(Mark.of(row), row.text()))
    submitted = _Submitted(r for r, _, _ in candidate.submitted)
    candidate.taken_up = [(device, request) for device, request in waiting if not submitted.covers(request)]


class _Submitted:
    """Requests that were handed over, by operation and place: there may be very many."""

    def __init__(self, requests: Iterable[Request]) -> None:
        found: dict[Op, list[tuple[int, int]]] = {}
        for r in requests:
            found.setdefault(r.op, []).append((r.offset, r.offset + r.length))
        self._starts: dict[Op, list[int]] = {}
        self._reach: dict[Op, list[int]] = {}
        """How far the requests reach that begin so far on."""
        for op, places in found.items():
            places.sort()
            self._starts[op] = [start for start, _ in places]
            self._reach[op] = list(itertools.accumulate((end for _, end in places), max))

    def covers(self, request: Request) -> bool:
        """Say whether one of them is that of a device's request, alone or merged with others."""
        at = bisect.bisect_right(self._starts.get(request.op, ()), request.offset)
        return at > 0 and request.offset + request.length <= self._reach[request.op][at - 1]


def _request(row: Row, names: NameTracker, *, held_back: bool, kick: Mark | None, context: str = "") -> Request:
    blk = row.role("blk")
    return Request(
        op=row.op,
        offset=row.role("offset"),
        length=row.role("length"),
        blk=blk,
        device=names.device(blk) if blk else "",
        node=row.role("node"),
        held_back=held_back,
        mark=Mark.of(row),
        kick=kick,
        context=context,
    )


def shape_of(candidate: Candidate, counted: list[Request]) -> tuple[Shape | None, str]:
    """Return the shape of a window: that of its first request that counts, and why where it has none."""
    if candidate.rule.id != EXIT_RULE:
        return None, ""
    marks = {r.mark.record for r in counted}
    for request, shape, reason in candidate.submitted:
        if request.mark.record in marks:
            return shape, reason
    return None, ""
