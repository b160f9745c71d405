"""Which records of a job's window count: what a clause forbids in it, and what shows that a guard did its work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traceview.detect.matching import RELATIONS, matching_rows, meeting
from traceview.detect.pending import Pending
from traceview.events import Int64Array
from traceview.rules import Condition, Pattern, WindowClause
from traceview.timeline.jobs import Job
from traceview.timeline.kicks import KickTracker
from traceview.vocabulary import Mask, Meaning, MeaningTable

__all__ = ["Counted", "rows_that_count"]


@dataclass(frozen=True, slots=True)
class Counted:
    """Masks over the rows of a window.

    `submitted` are requests that reach the window's node, `nodeless` those that devices took up where no record shows
    which node they reach, `taken_up` what a guard may have held back, `happened` anything else that is forbidden.
    """

    submitted: Mask
    nodeless: Mask
    taken_up: Mask
    happened: Mask

    @property
    def any_of(self) -> Mask:
        """Which rows count for anything."""
        return np.asarray(self.submitted | self.nodeless | self.taken_up | self.happened)

    def __bool__(self) -> bool:
        return bool(self.any_of.any())


def rows_that_count(
    rows: MeaningTable, inside: Mask, earlier: MeaningTable | None, clause: WindowClause, job: Job, end_record: int
) -> Counted:
    """Return what counts of the rows of a job's window.

    `inside` are the rows between the opening and the closing, `earlier` some rows that stand before the opening.
    """
    none: Mask = np.zeros(len(rows), dtype=np.bool_)
    counted = Counted(none.copy(), none.copy(), none.copy(), none.copy())
    for pattern in clause.forbid:
        word = pattern.word
        found = matching_rows(rows, pattern)
        found = found[inside[found]]
        if word.name == "guest_request":
            counted.submitted[_on_node(rows, found, Meaning.REACH, job)] = True
            carried_out = meeting(rows, _node_io_of_guests(rows, inside, earlier, job), pattern.conditions)
            counted.submitted[carried_out] = True
            counted.nodeless[found[_has(rows, found, *KickTracker.TAKEN_UP)]] = True
        elif word.name == "guest_done":
            counted.happened[_begun_before(rows, found, inside, earlier, job)] = True
        elif word.is_guest:
            counted.submitted[_of_job(rows, _one_step(rows, found), pattern, job, end_record)] = True
        else:
            counted.happened[_of_job(rows, found, pattern, job, end_record)] = True
    for pattern in clause.guard:
        found = matching_rows(rows, pattern)
        counted.taken_up[_as_opening_of(rows, found[inside[found]], pattern, job)] = True
    for pattern in clause.allow:
        allowed = _of_job(rows, matching_rows(rows, pattern), pattern, job, end_record)
        counted.submitted[allowed] = counted.nodeless[allowed] = counted.happened[allowed] = False
    return counted


def _has(rows: MeaningTable, chosen: Int64Array, *meanings: Meaning) -> Mask:
    return np.asarray(rows.where(*meanings)[chosen])


def _one_step(rows: MeaningTable, found: Int64Array) -> Int64Array:
    """Return the rows of one of the two steps of requests, where a build traces both: the one nearer to the node."""
    reached = _has(rows, found, Meaning.REACH)
    return found[reached] if reached.any() and not reached.all() else found


def _of_job(rows: MeaningTable, found: Int64Array, pattern: Pattern, job: Job, end_record: int) -> Int64Array:
    """Return the rows whose role that is the window's is the job's, and that meet what is asked of the opening."""
    match pattern.key:
        case "blk":
            blks = rows.role("blk", found)
            of_device = np.zeros(len(found), dtype=np.bool_)
            for blk, attached in job.devices.items():
                until = attached.record if attached is not None else end_record + 1
                of_device |= (blks == blk) & (rows.record[found] < until)
            found = found[of_device]
        case None:
            pass
        case role:
            found = found[rows.role(role, found) == (job.node if role == "node" else job.key)]
    return _as_opening_of(rows, found, pattern, job)


def _as_opening_of(rows: MeaningTable, found: Int64Array, pattern: Pattern, job: Job) -> Int64Array:
    for condition in pattern.conditions:
        if condition.of_opening:
            found = found[_as_opening(rows, found, condition, job)]
    return np.asarray(found)


def _as_opening(rows: MeaningTable, found: Int64Array, condition: Condition, job: Job) -> Mask:
    value = {"job": job.key, "node": job.node}[str(condition.value)]
    return np.asarray(RELATIONS[condition.relation](rows.role(condition.role, found), value))


def _on_node(rows: MeaningTable, found: Int64Array, meaning: Meaning, job: Job) -> Int64Array:
    found = found[_has(rows, found, meaning)]
    return np.asarray(found[rows.role("node", found) == job.node])


def _node_io_of_guests(rows: MeaningTable, inside: Mask, earlier: MeaningTable | None, job: Job) -> Int64Array:
    """Return the I/O of the job's node inside the window that carries out what a device took up.

    QEMU to 2.5 passes the device's request on as the opaque of bdrv_aio_* (block.c, block/io.c); a job has its own.
    """
    found: Int64Array = np.flatnonzero(inside & rows.where(Meaning.NODE_AIO))
    found = found[(rows.role("node", found) == job.node) & (rows.role("request", found) != 0)]
    if not len(found):
        return found
    taken_up = {}
    for table in (earlier, rows):
        if table is not None:
            begun = np.flatnonzero(table.where(*KickTracker.TAKEN_UP))
            columns = (table.record[begun], table.role("request", begun), table.role("offset", begun), table.op[begun])
            for record, request, offset, op in zip(*(c.tolist() for c in columns), strict=True):
                taken_up[request, offset, op] = record
    places = zip(
        rows.role("request", found).tolist(), rows.role("offset", found).tolist(), rows.op[found].tolist(),
        rows.record[found].tolist(), strict=True,
    )  # fmt: skip
    ties = [taken_up.get((request, offset, op), record) < record for request, offset, op, record in places]
    return np.asarray(found[ties])


def _begun_before(
    rows: MeaningTable, found: Int64Array, inside: Mask, earlier: MeaningTable | None, job: Job
) -> list[int]:
    """Return the ends of requests that had reached the job's node before the window opened."""
    pending = Pending(earlier, job.node, job.devices)
    return pending.ended(rows, found, int(np.argmax(inside)) - 1, len(rows)) if pending.requests else []
