"""Numbers the iterations of the main loop: how many main_loop_wait calls a record has behind it."""

from __future__ import annotations

import numpy as np

from traceview.events import distinct
from traceview.vocabulary import Mask, Meaning, MeaningTable

__all__ = ["IterationCounter"]


class IterationCounter:
    """Fills `MeaningTable.iteration`, table after table of one trace.

    Where several threads call main_loop_wait they are several processes (one process has one main loop), and each
    is counted by itself; a record of a thread that does not call it belongs to the only main loop seen so far, if so.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def number(self, table: MeaningTable) -> None:
        """Write the iteration column of the next table."""
        is_iteration = table.where(Meaning.ITERATION)
        calls = np.flatnonzero(is_iteration)
        callers = table.tid[calls]
        new = [int(calls[np.argmax(callers == tid)]) for tid in distinct(callers) if tid not in self._counts]
        # A loop is known from its first call on: the numbers must not depend on where the trace is cut into tables.
        start = 0
        for end in [*sorted(new), len(table)]:
            self._number(table, slice(start, end), is_iteration[start:end])
            if end < len(table):
                self._counts[int(table.tid[end])] = 0
            start = end

    def _number(self, table: MeaningTable, rows: slice, is_iteration: Mask) -> None:
        """Write the numbers of some rows, the loops of which are all known."""
        if not self._counts or not len(is_iteration):
            return
        iteration, tids = table.iteration[rows], table.tid[rows]
        if len(self._counts) == 1:
            (tid,) = self._counts
            iteration[:] = self._counts[tid] + np.cumsum(is_iteration)
            self._counts[tid] = int(iteration[-1])
            return
        for tid in self._counts:
            own = tids == tid
            numbers = self._counts[tid] + np.cumsum(is_iteration & own)
            iteration[own] = numbers[own]
            self._counts[tid] = int(numbers[-1])
