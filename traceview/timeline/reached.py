"""Where requests of a BlockBackend begin to reach another node: it shows a switch where attachments are not traced."""

from __future__ import annotations

import numpy as np

from traceview.events import distinct
from traceview.vocabulary import Mask, Meaning, MeaningTable

__all__ = ["ReachedNodes"]


class ReachedNodes:
    """Feed it the tables of one trace, in order. It rests as soon as the trace is seen to tell of attachments."""

    def __init__(self) -> None:
        self._node_of: dict[int, int] = {}
        self._resting = False

    def feed(self, table: MeaningTable) -> Mask | None:
        """Return the mask of the requests that reach another node than the one before of their BlockBackend, or None.

        The first request of each BlockBackend is among them.
        """
        if self._resting:
            return None
        rows = np.flatnonzero(table.where(Meaning.REACH))
        attached = np.flatnonzero(table.where(Meaning.ROOT_ATTACH))
        if len(attached):
            self._resting = True
            rows = rows[rows < attached[0]]
        if not len(rows):
            return None
        blks, nodes = table.role("blk", rows), table.role("node", rows)
        mask: Mask = np.zeros(len(table), dtype=np.bool_)
        for blk in distinct(blks):
            own = np.flatnonzero(blks == blk)
            if len(own):
                before = np.concatenate(([self._node_of.get(blk, 0)], nodes[own][:-1]))
                mask[rows[own[nodes[own] != before]]] = True
                self._node_of[blk] = int(nodes[own[-1]])
        return mask
