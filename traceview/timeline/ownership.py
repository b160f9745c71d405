"""What a trace of QEMU to 2.9 tells of whose requests are whose, where requests carry neither device nor node."""

from __future__ import annotations

from collections import Counter

import numpy as np

from traceview.events import Int64Array, distinct
from traceview.timeline.kicks import KickTracker
from traceview.vocabulary import Meaning, MeaningTable, Op

__all__ = ["Ownership"]

_MOST_LOOKS = 256
"""Requests of nodes that are held against those of devices before it is given up that they can be tied."""
_OPS = tuple(op for op in Op if op)


class Ownership:
    """Feed it the tables of one trace, in order.

    `devices` are those that were seen to take requests up: by their own pointer, or (where requests have none) by that
    of the queue that was kicked before. `followed` are the operations of which requests are seen to reach nodes: QEMU
    2.2 shows it for reads and not for writes, which virtio-blk hands over many at a time (bdrv_aio_multiwrite).
    """

    def __init__(self) -> None:
        self.devices: set[int] = set()
        self.followed: set[Op] = set()
        self._anonymous = False
        self._looks: Counter[Op] = Counter()
        self._kicked: dict[int, int] = {}
        self._taken_up: dict[int, int] = {}
        """The place on its disk of what was taken up last under each request's pointer."""

    @property
    def one_device(self) -> bool:
        """Whether only one device can have made a request that names none."""
        return len(self.devices) == 1 and not self._anonymous

    def feed(self, table: MeaningTable) -> None:
        """Learn from the next table."""
        if len(self.followed) == len(_OPS):
            return  # nobody needs to guess
        taken_up = np.flatnonzero(table.where(*KickTracker.TAKEN_UP))
        self._follow(table, taken_up)
        if not len(taken_up):
            self._note_kicks(table)
            return
        named = table.role("device", taken_up)
        named = np.where(named != 0, named, table.role("blk", taken_up))
        if not named.all():
            self._by_kicks(table)
        self.devices.update(d for d in distinct(named) if d)

    def _by_kicks(self, table: MeaningTable) -> None:
        rows = np.flatnonzero(table.where(*KickTracker.MEANINGS, *KickTracker.TAKEN_UP))
        kicks = table.where(*KickTracker.MEANINGS)[rows]
        device, blk, tid = table.role("device", rows), table.role("blk", rows), table.tid[rows]
        for thread in distinct(tid):
            own = tid == thread
            kicked = np.where(kicks[own], device[own], 0)
            # Each record looks back to the last kick of its thread, in this table or before it.
            last = np.maximum.accumulate(np.where(kicks[own], np.arange(len(kicked)), -1))
            whose = np.where(last >= 0, kicked[last], self._kicked.get(thread, 0))
            of_requests = np.where(blk[own] != 0, blk[own], whose)[~kicks[own]]
            self._anonymous |= bool((of_requests == 0).any())
            self.devices.update(d for d in distinct(of_requests) if d)
        self._note_kicks(table)

    def _note_kicks(self, table: MeaningTable) -> None:
        kicks = np.flatnonzero(table.where(*KickTracker.MEANINGS))
        for thread in distinct(table.tid[kicks]):
            last = kicks[table.tid[kicks] == thread][-1:]
            self._kicked[thread] = int(table.role("device", last)[0])

    def _follow(self, table: MeaningTable, taken_up: Int64Array) -> None:
        """Look whether I/O of nodes carries the pointers of what devices took up."""
        if bool(table.where(Meaning.REACH).any()):
            self.followed.update(_OPS)
            return
        tried = [self._to_try(table, op) for op in (Op.READ, Op.WRITE)]
        if not any(self._looks[op] < _MOST_LOOKS and op not in self.followed for op in (Op.READ, Op.WRITE)):
            return
        io = np.concatenate(tried)
        if not len(io):
            self._taken_up.update(
                zip(table.role("request", taken_up).tolist(), table.role("offset", taken_up).tolist(), strict=True)
            )
            return
        rows = np.concatenate((taken_up, io))
        is_io = np.arange(len(rows)) >= len(taken_up)
        order = np.argsort(rows, kind="stable")
        columns = (is_io, table.role("request", rows), table.role("offset", rows), table.op[rows])
        for begins_io, request, offset, op in zip(*(c[order].tolist() for c in columns), strict=True):
            if not begins_io:
                self._taken_up[request] = offset
            elif self._taken_up.get(request) == offset:
                self.followed.add(Op(op))

    def _to_try(self, table: MeaningTable, op: Op) -> Int64Array:
        """Return the I/O of nodes of a kind that is still to be held against what devices took up."""
        if op in self.followed:
            return np.zeros(0, dtype=np.int64)
        io = np.flatnonzero(table.where(Meaning.NODE_AIO) & (table.op == op))[: _MOST_LOOKS - self._looks[op]]
        self._looks[op] += len(io)
        return io
