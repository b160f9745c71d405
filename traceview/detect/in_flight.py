"""Which requests of violated windows have ended, and when: one that had not when the guest was moved is not certain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from traceview.events import Int64Array
from traceview.findings import Request
from traceview.timeline.kicks import KickTracker
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["ENDS", "Ending", "InFlight"]

ENDS = (Meaning.REQUEST_DONE, Meaning.REQUEST_ANSWERED, Meaning.DMA_DONE)
"""What tells that a request of a device has ended."""
_BEGINS = (Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.DMA_START)


@dataclass(slots=True)
class Ending:
    """The end of one request: `mark` is None as long as it was not seen, `failed` where it ended with an error.

    `waiting` are the pointers of what devices took up and the request carries; none where the trace does not tell.
    """

    since: int
    waiting: set[int] = field(default_factory=set)
    known: bool = False
    """Whether the trace tells whose request it is, so that its end can be seen."""
    mark: Mark | None = None
    failed: bool = False


class InFlight:
    """Follows requests of some windows, each known by its window's index and its record, to their end."""

    def __init__(self) -> None:
        self.traced = False
        """Whether ends of requests occur in the trace at all."""
        self._endings: dict[tuple[int, int], Ending] = {}
        self._waiting: dict[int, list[Ending]] = {}

    def watch(self, index: int, requests: Iterable[Request], rows: MeaningTable) -> None:
        """Begin to follow requests of a window; `rows` are those around it, up to its closing at least."""
        for request in requests:
            ending = Ending(request.mark.record, _carried(request, rows))
            ending.known = bool(ending.waiting)
            self._endings[index, request.mark.record] = ending
            for pointer in ending.waiting:
                self._waiting.setdefault(pointer, []).append(ending)
        self.feed(rows)

    def feed(self, table: MeaningTable) -> None:
        """Take the next table, or one that was taken before."""
        ends = np.flatnonzero(table.where(*ENDS))
        self.traced |= len(ends) > 0
        if not self._waiting:
            return
        rows = np.union1d(ends, np.flatnonzero(table.where(*_BEGINS)))
        requests = table.role("request", rows)
        own = np.isin(requests, np.fromiter(self._waiting, dtype=np.int64, count=len(self._waiting)))
        rows, requests = rows[own], requests[own]
        is_end = np.isin(rows, ends)
        columns = (requests, is_end, table.role("ret", rows))
        for mark, request, end, ret in zip(Mark.all_at(table, rows), *(c.tolist() for c in columns), strict=True):
            self._note(mark, request, failed=ret != 0, end=end)

    def _note(self, mark: Mark, request: int, *, failed: bool, end: bool) -> None:
        """Take a record of a request's pointer: its end, or the beginning of another request under it."""
        left = []
        for ending in self._waiting.get(request, ()):
            if mark.record <= ending.since:
                left.append(ending)
            elif end:
                ending.waiting.discard(request)
                ending.failed |= failed
                if not ending.waiting:
                    ending.mark = mark
        if left:
            self._waiting[request] = left
        else:
            self._waiting.pop(request, None)

    def ending(self, index: int, record: int) -> Ending:
        """Return what is known of the end of a request."""
        return self._endings.get((index, record)) or Ending(record)


def _carried(request: Request, rows: MeaningTable) -> set[int]:
    """Return the pointers of what devices had taken up and a request carries, alone or merged with others.

    A request that is handed over has the device's pointer as its opaque, one that reaches its node has none: there
    the latest that was taken up for each place counts.
    """
    at = np.flatnonzero(rows.record == request.mark.record)
    own = set(rows.role("request", at).tolist()) - {0}
    if own:
        return own
    taken_up: Int64Array = np.flatnonzero(rows.where(*KickTracker.TAKEN_UP) & (rows.record < request.mark.record))
    taken_up = taken_up[(rows.op[taken_up] == request.op) & (rows.role("request", taken_up) != 0)]
    start, length = rows.role("offset", taken_up), rows.role("length", taken_up)
    # A transfer is traced without its length (dma_blk_io): where it begins is all that is known of it.
    inside = (start >= request.offset) & (start + np.maximum(length, 1) <= request.offset + request.length)
    latest = dict(zip(start[inside].tolist(), rows.role("request", taken_up[inside]).tolist(), strict=True))
    return set(latest.values())
