"""Which BlockBackend a guest device uses, learned from its first requests.

A device model's request and the block layer's are tied by the request pointer (`opaque`) where builds trace it, else
by operation and place on the disk. A BlockBackend that never serves a device is a job's own.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["DeviceMap"]

ENOUGH_VOTES = 32
MOST_LOOKS = 4096
"""A BlockBackend whose first requests no device is seen to make is not looked at for ever."""
_OUTSTANDING = 4096


class DeviceMap:
    """Ties devices (pointers; 0 where a release does not trace them) to BlockBackends."""

    def __init__(self) -> None:
        self._votes: dict[int, Counter[int]] = {}
        self._looks: Counter[int] = Counter()
        self._served: Counter[int] = Counter()
        self._done: set[int] = set()
        self._by_request: dict[int, int] = {}
        self._by_place: dict[tuple[int, int, int], int] = {}
        self.device_requests = False

    def feed(self, table: MeaningTable) -> None:
        """Learn from the next table of the trace. The outcome does not depend on where tables are cut."""
        requests = table.where(Meaning.DEVICE_REQUEST)
        self.device_requests |= bool(requests.any())
        wanted = requests | table.where(Meaning.SUBMIT, Meaning.REACH)
        blk = table.roles["blk"]
        if self._done:
            wanted &= ~np.isin(blk, list(self._done)) | requests
        for row in table.rows(wanted):
            place = (int(row.op), row.role("offset"), row.role("length"))
            if row.meaning is Meaning.DEVICE_REQUEST:
                self._remember(row.role("request"), place, row.role("device"))
            else:
                self._look(row.role("blk"), row.role("request"), place)

    def _remember(self, request: int, place: tuple[int, int, int], device: int) -> None:
        self._by_request[request] = device
        self._by_place[place] = device
        if len(self._by_request) > _OUTSTANDING:
            del self._by_request[next(iter(self._by_request))]
        if len(self._by_place) > _OUTSTANDING:
            del self._by_place[next(iter(self._by_place))]

    def _look(self, blk: int, request: int, place: tuple[int, int, int]) -> None:
        if blk in self._done:
            return
        self._looks[blk] += 1
        device = self._by_request.get(request) if request else self._by_place.get(place)
        if device is not None:
            self._served[blk] += 1
            self._votes.setdefault(device, Counter())[blk] += 1
        if self._served[blk] >= ENOUGH_VOTES or self._looks[blk] >= MOST_LOOKS:
            self._done.add(blk)

    def serves_device(self, blk: int) -> bool:
        """Say whether a guest device was seen to use the BlockBackend."""
        return self._served[blk] > 0

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
