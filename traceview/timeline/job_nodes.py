"""On which node each job works: what its start says, for records of the job that name no node."""

from __future__ import annotations

import numpy as np

from traceview.events import Int64Array, distinct
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["JobNodes"]


class JobNodes:
    """Follows the jobs of one trace: ask `of` a table, then `note` it, table by table. Pointers of jobs are reused."""

    MEANINGS = frozenset((Meaning.JOB_START, Meaning.OTHER_JOB_START))

    def __init__(self) -> None:
        self._nodes: dict[int, int] = {}

    def of(self, table: MeaningTable, rows: Int64Array) -> Int64Array:
        """Return the node of the job of each row; 0 for a job whose start was not seen. Shape: as `rows`."""
        jobs = table.role("job", rows)
        starts = np.flatnonzero(table.where(*self.MEANINGS))
        of_start, nodes = table.role("job", starts), table.role("node", starts)
        out = np.zeros(len(rows), dtype=np.int64)
        for job in distinct(jobs):
            own, begins = jobs == job, of_start == job
            known = np.concatenate(([self._nodes.get(job, 0)], nodes[begins]))
            out[own] = known[np.searchsorted(starts[begins], rows[own])]
        return out

    def note(self, table: MeaningTable) -> None:
        """Remember the jobs that start in a table."""
        starts = np.flatnonzero(table.where(*self.MEANINGS))
        self._nodes |= zip(table.role("job", starts).tolist(), table.role("node", starts).tolist(), strict=True)
