"""Which BlockBackend a guest device uses, learned from its first requests.

A device model's request and the block layer's are tied by the request pointer (`opaque`) where builds trace it, else
by operation and place on the disk. A BlockBackend that never serves a device is a job's own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from traceview.events import Int64Array
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["DeviceMap"]

ENOUGH_VOTES = 32
MOST_LOOKS = 256
"""A BlockBackend whose first requests no device is seen to make is not looked at for ever."""
REACH_BACK = 10_000
"""How many records before a submission its device may have taken the request up."""


@dataclass(slots=True)
class _TakenUp:
    """Requests that devices took up, as columns."""

    record: Int64Array
    device: Int64Array
    request: Int64Array
    op: Int64Array
    offset: Int64Array
    length: Int64Array

    @classmethod
    def of(cls, table: MeaningTable) -> _TakenUp:
        rows = np.flatnonzero(table.where(Meaning.DEVICE_REQUEST))
        device, request, offset, length = (table.role(r, rows) for r in ("device", "request", "offset", "length"))
        return cls(table.record[rows], device, request, table.op[rows].astype(np.int64), offset, length)

    def device_of(self, record: int, request: int, op: int, offset: int, length: int) -> int | None:
        """Return the device that took up what is submitted at `record`, the latest that fits, or None."""
        last = int(np.searchsorted(self.record, record))
        first = int(np.searchsorted(self.record, record - REACH_BACK))
        span = slice(first, last)
        if request:
            fits = self.request[span] == request
        else:
            fits = (self.offset[span] == offset) & (self.length[span] == length) & (self.op[span] == op)
        found = np.flatnonzero(fits)
        return int(self.device[first + int(found[-1])]) if len(found) else None


class DeviceMap:
    """Ties devices (pointers; 0 where a release does not trace them) to BlockBackends."""

    def __init__(self) -> None:
        self._votes: dict[int, Counter[int]] = {}
        self._looks: Counter[int] = Counter()
        self._served: Counter[int] = Counter()
        self._done: set[int] = set()
        self._recent: list[_TakenUp] = []
        self.device_requests = False

    def feed(self, table: MeaningTable) -> None:
        """Learn from the next table of the trace. The outcome does not depend on where tables are cut."""
        if not len(table):
            return
        taken_up = _TakenUp.of(table)
        self.device_requests |= bool(len(taken_up.record))
        self._recent = [r for r in self._recent if int(r.record[-1]) >= int(table.record[0]) - REACH_BACK]
        if len(taken_up.record):
            self._recent.append(taken_up)
        submitted = np.flatnonzero(table.where(Meaning.SUBMIT, Meaning.REACH))
        blks = table.role("blk", submitted)
        undecided = np.ones(len(blks), dtype=np.bool_)
        for blk in self._done:
            undecided &= blks != blk
        if not undecided.any():
            return
        for row in map(table.row, submitted[undecided]):
            blk = row.role("blk")
            if blk not in self._done:
                self._look(blk, row.record, row.role("request"), int(row.op), row.role("offset"), row.role("length"))

    def _look(self, blk: int, record: int, request: int, op: int, offset: int, length: int) -> None:
        self._looks[blk] += 1
        for recent in reversed(self._recent):
            device = recent.device_of(record, request, op, offset, length)
            if device is not None:
                self._served[blk] += 1
                self._votes.setdefault(device, Counter())[blk] += 1
                break
        if self._served[blk] >= ENOUGH_VOTES or self._looks[blk] >= MOST_LOOKS:
            self._done.add(blk)

    def serves_device(self, blk: int) -> bool:
        """Say whether a guest device was seen to use the BlockBackend."""
        return self._served[blk] > 0

    def is_decided(self, blk: int) -> bool:
        """Say whether enough was seen of a BlockBackend that `serves_device` will not change."""
        return blk in self._done

    def is_guest(self, blk: int, name: str | None) -> bool:
        """Say whether requests of a BlockBackend are a guest's; `name` is the one it was attached with, if traced."""
        if name or self.serves_device(blk):
            return True
        return name is None and not self.device_requests

    def blk_of(self, device: int) -> int | None:
        """Return the BlockBackend that a device uses, or None where that is not known for certain."""
        votes = self._votes.get(device)
        if not votes:
            return None
        if device == 0 and len(votes) > 1:
            return None  # several devices that the release does not tell apart
        return votes.most_common(1)[0][0]
