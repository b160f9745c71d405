"""Requests that were on their way when something said that nothing is: those that end after it and began before."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from traceview.events import Int64Array
from traceview.timeline.kicks import KickTracker
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["LOOK_BACK", "begun_between", "first_ends", "was_pending"]

LOOK_BACK = 1000
"""How many records before a window's opening a device may have taken up a request that counts in the window."""
_DONE = (Meaning.REQUEST_DONE, Meaning.REQUEST_ANSWERED, Meaning.DMA_DONE)
_BEGUN = (Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.DMA_START)


def begun_between(table: MeaningTable, first: int, last: int) -> set[int]:
    """Return the pointers of the requests that begin in the rows from `first` on, before `last`."""
    rows = first + np.flatnonzero(table.where(*_BEGUN)[first:last])
    return set(table.role("request", rows).tolist())


def first_ends(table: MeaningTable, ends: Int64Array, begun: Collection[int]) -> list[tuple[int, int]]:
    """Return row and request of the ends of requests that are not among those `begun` inside, each request once.

    An end may be told twice: by the device model, and as the answer to the guest.
    """
    told = set(begun)
    kept = []
    for row, request in zip(ends.tolist(), table.role("request", ends).tolist(), strict=True):
        if request not in told:
            kept.append((row, request))
            told.add(request)
    return kept


def was_pending(earlier: MeaningTable, request: int, node: int, blks: Collection[int]) -> bool:
    """Say whether a request had reached a node or one of its BlockBackends, and was not done when the rows end."""
    own = np.flatnonzero(earlier.where(*_BEGUN, *_DONE))
    own = own[earlier.role("request", own) == request]
    done = np.flatnonzero(earlier.where(*_DONE)[own])
    own = own[done[-1] + 1 :] if len(done) else own
    submitted = own[earlier.where(Meaning.SUBMIT)[own]]
    if bool((earlier.role("node", submitted) == node).any()):
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
