"""Windows as they close: the requests that stand in them, before it is known whose they are and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from traceview.detect.buffer import MAX_RECORDS, RowBuffer
from traceview.detect.shapes import classify
from traceview.findings import Evidence, Request, Shape
from traceview.rules import EXIT_RULE
from traceview.timeline.jobs import Job
from traceview.timeline.kicks import KickTracker
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.timeline.nesting import build_nesting
from traceview.vocabulary import Mask, Meaning, MeaningTable, Row

__all__ = ["Candidate", "collect"]


@dataclass(slots=True)
class Candidate:
    """A window and all requests that might be in its way. The job goes on being filled in after the window closed.

    `submitted` are requests handed to the node, with the shape of each; `taken_up` what devices took up in the window
    as (device pointer, request); `bounded` is False where the window is too long for its rows to be held.
    """

    rule: str
    evidence: Evidence
    job: Job
    open: Mark | None
    close: Mark | None
    submitted: list[tuple[Request, Shape, str]] = field(default_factory=list)
    taken_up: list[tuple[int, Request]] = field(default_factory=list)
    bounded: bool = True
    ended: bool = False
    """The window does not close although the trace goes on after its job."""
    end_record: int = 0
    """The last record that can lie in the window: that of its close, or the last of the trace."""
    witness: MeaningTable | None = None


def collect(
    candidate: Candidate, buffer: RowBuffer, names: NameTracker, *, last_record: int | None, keep_witness: bool
) -> Candidate:
    """Fill in the requests of a window from the rows that are held.

    A window that does not close has those up to `last_record`, or none if that is not known.
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
    if not buffer.requests_between(first.record, behind):
        return candidate
    rows = buffer.between(buffer.iteration_start(first.record), candidate.end_record)
    assert rows is not None, "the buffer holds the request that it told of"
    inside = (rows.record > first.record) & (rows.record < behind)
    submitted = _submissions(rows, inside, candidate)
    taken_up = inside & rows.where(Meaning.DEVICE_REQUEST)
    if not (submitted.any() or taken_up.any()):
        return candidate
    nesting = build_nesting(rows, names.contexts) if submitted.any() else None
    kicks = KickTracker()
    waiting: list[tuple[int, Request]] = []
    for row in rows.rows(rows.where(*KickTracker.MEANINGS, Meaning.DEVICE_REQUEST) | submitted):
        kicks.feed(row)
        if nesting is not None and submitted[row.index]:
            exact = candidate.evidence is Evidence.EXACT
            shape, reason, context = classify(row, first, nesting, names, exact=exact)
            request = _request(row, names, held_back=False, kick=kicks.last(row.tid), context=context)
            candidate.submitted.append((request, shape, reason))
        elif taken_up[row.index]:
            waiting.append((row.role("device"), _request(row, names, held_back=True, kick=kicks.last(row.tid))))
    candidate.taken_up = [
        (device, request)
        for device, request in waiting
        if not any(_covers(r, request) for r, _, _ in candidate.submitted)
    ]
    if keep_witness and (candidate.submitted or candidate.taken_up):
        candidate.witness = rows.take(np.arange(len(rows)))
    return candidate


def _submissions(rows: MeaningTable, inside: Mask, candidate: Candidate) -> Mask:
    """Return the mask of the requests handed to the window's node, of the rows inside it."""
    job = candidate.job
    exact = candidate.evidence is Evidence.EXACT
    places = np.flatnonzero(inside & rows.where(Meaning.SUBMIT if exact else Meaning.REACH))
    mask: Mask = np.zeros(len(rows), dtype=np.bool_)
    if exact:
        mask[places[rows.role("node", places) == job.node]] = True
        return mask
    blks = rows.role("blk", places)
    for blk, attached in job.devices.items():
        until = attached.record if attached is not None else candidate.end_record + 1
        mask[places[(blks == blk) & (rows.record[places] < until)]] = True
    return mask


def _covers(submitted: Request, request: Request) -> bool:
    """Say whether a submission is that of a device's request, alone or merged with others."""
    return (
        submitted.op is request.op
        and submitted.offset <= request.offset
        and request.offset + request.length <= submitted.offset + submitted.length
    )


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
    if candidate.rule != EXIT_RULE:
        return None, ""
    marks = {r.mark.record for r in counted}
    for request, shape, reason in candidate.submitted:
        if request.mark.record in marks:
            return shape, reason
    return None, ""
