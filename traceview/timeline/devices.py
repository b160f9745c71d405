"""Which BlockBackend a guest device uses, learned from its first requests.

A device model's request and the block layer's are tied by the request pointer (`opaque`) where builds trace it, else
by operation and place on the disk. A BlockBackend that never serves a device is a job's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from traceview.events import Int64Array, distinct
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["DeviceMap"]

ENOUGH_VOTES = 32
MOST_LOOKS = 256
"""A BlockBackend whose first requests no device is seen to make is not looked at for ever."""
REACH_BACK = 10_000
"""How many records before a submission its device may have taken the request up."""
_ODD = np.int64(-7046029254386353131)
"""Multiplied by it, numbers that differ still differ, and are far apart."""


@dataclass(slots=True)
class _Requests:
    """Requests that devices took up, or that were handed to the block layer, as columns."""

    record: Int64Array
    request: Int64Array
    place: Int64Array
    """Operation, offset and length, mixed into one number."""
    owner: Int64Array
    """The device, or the BlockBackend."""
    code: Int64Array
    """The code of the record's form."""

    @classmethod
    def of(cls, table: MeaningTable, rows: Int64Array, owner: str) -> _Requests:
        place = table.role("offset", rows) * _ODD + table.role("length", rows)
        place = place * _ODD + table.op[rows]
        code = table.batch.code[rows].astype(np.int64)
        return cls(table.record[rows], table.role("request", rows), place, table.role(owner, rows), code)

    @classmethod
    def concat(cls, parts: Sequence[_Requests]) -> _Requests:
        return cls(
            np.concatenate([p.record for p in parts]), np.concatenate([p.request for p in parts]),
            np.concatenate([p.place for p in parts]), np.concatenate([p.owner for p in parts]),
            np.concatenate([p.code for p in parts]),
        )  # fmt: skip


def _made_by(submitted: _Requests, taken_up: _Requests) -> Int64Array:
    """Return, for each submission, the row of the latest fitting request that a device took up before it, or -1.

    A submission with a request pointer fits the requests with that pointer, another one those of its place.
    """
    found = np.full(len(submitted.record), -1, dtype=np.int64)
    if not len(taken_up.record):
        return found
    by_pointer = submitted.request != 0
    for rows, few, many in (
        (np.flatnonzero(by_pointer), submitted.request, taken_up.request),
        (np.flatnonzero(~by_pointer), submitted.place, taken_up.place),
    ):
        if len(rows):
            _, keys = np.unique(np.concatenate([few[rows], many]), return_inverse=True)
            wanted, there = keys[: len(rows)], keys[len(rows) :]
            order = np.lexsort((taken_up.record, there))
            # One number a request, by key and then by record: both are small enough.
            span = int(max(taken_up.record[-1], submitted.record[-1])) + 1
            at = np.searchsorted(there[order] * span + taken_up.record[order], wanted * span + submitted.record[rows])
            latest = order[np.maximum(at - 1, 0)]
            fits = (at > 0) & (there[latest] == wanted)
            fits &= submitted.record[rows] - taken_up.record[latest] <= REACH_BACK
            found[rows[fits]] = latest[fits]
    return found


class DeviceMap:
    """Ties devices (pointers; 0 where a release does not trace them) to BlockBackends."""

    def __init__(self) -> None:
        self._votes: dict[int, Counter[int]] = {}
        self._events: dict[int, Counter[str]] = {}
        """By BlockBackend, the events by which devices took its requests up."""
        self._looks: Counter[int] = Counter()
        self._served: Counter[int] = Counter()
        self._done: set[int] = set()
        self._recent: list[MeaningTable] = []
        self.device_requests = False

    def feed(self, table: MeaningTable) -> None:
        """Learn from the next table of the trace. The outcome does not depend on where tables are cut."""
        if not len(table):
            return
        self._recent = [t for t in self._recent if int(t.record[-1]) >= int(table.record[0]) - REACH_BACK]
        self._recent.append(table)
        self.device_requests |= bool(table.where(Meaning.DEVICE_REQUEST).any())
        rows, blks, different = table.handed_over()
        undecided = [blk for blk in different if blk not in self._done]
        looked_at = [rows[blks == blk][: MOST_LOOKS - self._looks[blk]] for blk in undecided]
        if looked_at:
            self._look(_Requests.of(table, np.sort(np.concatenate(looked_at)), "blk"))

    def _look(self, submitted: _Requests) -> None:
        """Look for the devices that made requests of BlockBackends that are not decided yet."""
        first, last = int(submitted.record[0]) - REACH_BACK, int(submitted.record[-1])
        parts = []
        for table in self._recent:
            a, b = np.searchsorted(table.record, [first, last])
            rows = int(a) + np.flatnonzero(table.meaning[a:b] == Meaning.DEVICE_REQUEST)
            parts.append(_Requests.of(table, rows, "device"))
        taken_up = _Requests.concat(parts)
        made_by = _made_by(submitted, taken_up)
        voting = made_by >= 0
        for blk in distinct(submitted.owner):
            rows = np.flatnonzero(submitted.owner == blk)
            served = self._served[blk] + np.cumsum(voting[rows])
            enough = int(np.searchsorted(served, ENOUGH_VOTES)) + 1
            voting[rows[enough:]] = False
            rows = rows[:enough]
            self._looks[blk] += len(rows)
            self._served[blk] = int(served[len(rows) - 1])
            if self._served[blk] >= ENOUGH_VOTES or self._looks[blk] >= MOST_LOOKS:
                self._done.add(blk)
        for row in np.flatnonzero(voting):  # in the order of the trace: of as many votes the first one wins
            device = int(taken_up.owner[made_by[row]])
            blk = int(submitted.owner[row])
            self._votes.setdefault(device, Counter())[blk] += 1
            event = self._recent[-1].batch.forms[int(taken_up.code[made_by[row]])].name
            self._events.setdefault(blk, Counter())[event] += 1

    def serves_device(self, blk: int) -> bool:
        """Say whether a guest device was seen to use the BlockBackend."""
        return self._served[blk] > 0

    def event_of(self, blk: int) -> str:
        """Return the event by which most requests of a BlockBackend were taken up, ``""`` where none was seen."""
        events = self._events.get(blk)
        return events.most_common(1)[0][0] if events else ""

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
