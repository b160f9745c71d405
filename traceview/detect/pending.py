"""Requests that were on their way when something said that nothing is: those that end after it and began before."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from traceview.events import Int64Array
from traceview.timeline.kicks import KickTracker
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["BEGUN", "LOOK_BACK", "Pending"]

LOOK_BACK = 1000
"""How many records before a window's opening a device may have taken up a request that counts in the window."""
_DONE = (Meaning.REQUEST_DONE, Meaning.REQUEST_ANSWERED, Meaning.DMA_DONE)
BEGUN = (Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.DMA_START)
"""What begins a request, of a pointer that another one may have had before."""


class Pending:
    """The requests that had reached a node, or (`node` 0) BlockBackends, and were not done when some rows end.

    `requests` are their pointers, as long as neither their end nor a new request of that pointer was seen.
    """

    __slots__ = ("requests",)

    def __init__(self, earlier: MeaningTable | None, node: int, blks: Collection[int]) -> None:
        self.requests: set[int] = set()
        if earlier is not None:
            self.requests = {r for r in _on_their_way(earlier) if _has_reached(earlier, r, node, blks)}

    def ended(self, table: MeaningTable, ends: Int64Array, first: int, last: int) -> list[int]:
        """Return which of the rows `ends`, behind row `first` and before row `last`, end such a request.

        An end may be told twice, by the device model and as the answer to the guest: the first one counts.
        """
        begins = np.flatnonzero(table.where(*BEGUN))
        rows = np.concatenate((begins, ends))
        is_end = np.arange(len(rows)) >= len(begins)
        inside = (rows > first) & (rows < last)
        rows, is_end = rows[inside], is_end[inside]
        requests = table.role("request", rows)
        own = np.isin(requests, np.fromiter(self.requests, dtype=np.int64, count=len(self.requests)))
        order = np.argsort(rows[own], kind="stable")
        found = []
        for row, end, request in zip(
            *(column[own][order].tolist() for column in (rows, is_end, requests)), strict=True
        ):
            if request in self.requests:
                self.requests.remove(request)
                if end:
                    found.append(row)
        return found


def _on_their_way(earlier: MeaningTable) -> list[int]:
    """Return the pointers of the requests that have begun and are not done."""
    rows = np.flatnonzero(earlier.where(*BEGUN, *_DONE))
    done = earlier.where(*_DONE)[rows].tolist()
    last = dict(zip(earlier.role("request", rows).tolist(), done, strict=True))  # of several records the last one stays
    return [request for request, is_done in last.items() if request and not is_done]


def _has_reached(earlier: MeaningTable, request: int, node: int, blks: Collection[int]) -> bool:
    own = np.flatnonzero(earlier.where(*BEGUN, *_DONE))
    own = own[earlier.role("request", own) == request]
    done = np.flatnonzero(earlier.where(*_DONE)[own])
    own = own[done[-1] + 1 :] if len(done) else own
    submitted = own[earlier.where(Meaning.SUBMIT)[own]]
    given = earlier.role("node", submitted) == node if node else np.isin(earlier.role("blk", submitted), list(blks))
    if bool(given.any()):
        return True
    taken_up = own[earlier.where(*KickTracker.TAKEN_UP)[own]]
    if not len(taken_up):
        return False
    # What a device took up is the block layer's only when it has reached the node: a drained BlockBackend parks it.
    reached = np.flatnonzero(earlier.where(Meaning.REACH))
    on_node = (earlier.role("node", reached) == node) | np.isin(earlier.role("blk", reached), list(blks))
    reached = reached[(reached > taken_up[0]) & on_node]
    start, op = earlier.role("offset", taken_up[:1])[0], earlier.op[taken_up[0]]
    end = start + earlier.role("length", taken_up[:1])[0]
    first = earlier.role("offset", reached)
    covers = (first <= start) & (end <= first + earlier.role("length", reached)) & (earlier.op[reached] == op)
    return bool(covers.any())
