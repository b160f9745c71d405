"""Numbers the iterations of the main loop: how many main_loop_wait calls a record has behind it."""

from __future__ import annotations

import numpy as np

from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["IterationCounter"]


class IterationCounter:
    """Fills `MeaningTable.iteration`, table after table of one trace.

    Where several threads call main_loop_wait they are several processes (one process has one main loop), and each
    is counted by itself; a record of a thread that never calls it belongs to the only main loop there is, if so.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def number(self, table: MeaningTable) -> None:
        """Write the iteration column of the next table."""
        is_iteration = table.where(Meaning.ITERATION)
        loops = [int(t) for t in np.unique(table.tid[is_iteration])]
        for tid in loops:
            self._counts.setdefault(tid, 0)
        if not self._counts:
            return
        if len(self._counts) == 1:
            (tid,) = self._counts
            table.iteration[:] = self._counts[tid] + np.cumsum(is_iteration)
            self._counts[tid] = int(table.iteration[-1]) if len(table) else self._counts[tid]
            return
        for tid in self._counts:
            own = table.tid == tid
            numbers = self._counts[tid] + np.cumsum(is_iteration & own)
            table.iteration[own] = numbers[own]
            if len(table):
                self._counts[tid] = int(numbers[-1])
