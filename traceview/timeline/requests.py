"""Guest requests, each one record: kick, taken up by the device, handed to the block layer, completed.

What ties the steps is the request pointer where a build traces it with both (virtio-blk), the DMA state (IDE, SCSI
helpers), else operation and place on the disk. Requests that a device model merges share their submission.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from traceview.timeline.devices import DeviceMap
from traceview.timeline.kicks import KickTracker
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.vocabulary import Meaning, MeaningTable, Op, Row

__all__ = ["GuestRequest", "RequestBuilder"]

MOST_OUTSTANDING = 100_000
"""Requests that may wait, for their completion or for word whose they are; the oldest is given up beyond it."""
_MEANINGS = (
    Meaning.NOTIFIER_READ, Meaning.QUEUE_NOTIFY, Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.REACH,
    Meaning.REQUEST_DONE, Meaning.DMA_START, Meaning.DMA_DONE,
)  # fmt: skip


@dataclass(slots=True)
class GuestRequest:
    """One guest request. Steps that the trace does not show are None; `offset` and `length` are in bytes."""

    op: Op
    offset: int
    length: int
    device: int = 0
    blk: int = 0
    node: int = 0
    request: int = 0
    kick: Mark | None = None
    taken_up: Mark | None = None
    submitted: Mark | None = None
    completed: Mark | None = None
    ret: int | None = None

    @property
    def first(self) -> Mark:
        """The first step that was seen, the kick left aside."""
        mark = self.taken_up or self.submitted
        assert mark is not None
        return mark

    def covers(self, other: GuestRequest) -> bool:
        """Say whether another request of the same operation lies inside this one."""
        return (
            other.op is self.op
            and self.offset <= other.offset
            and other.offset + other.length <= self.offset + self.length
        )


class RequestBuilder:
    """Takes the tables of a trace in order and gives requests in the order in which they began."""

    def __init__(self, names: NameTracker, devices: DeviceMap) -> None:
        self._names = names
        self._devices = devices
        self._kicks = KickTracker()
        self._queue: OrderedDict[int, GuestRequest] = OrderedDict()
        self._by_pointer: dict[int, GuestRequest] = {}
        self._by_dma: dict[int, GuestRequest] = {}
        self._waiting: OrderedDict[int, GuestRequest] = OrderedDict()
        self._on_their_way: Counter[tuple[int, Op, int, int]] = Counter()
        """What was handed to the block layer and not yet seen to reach the node: (blk, op, offset, length)."""
        self._next = 0

    def feed(self, table: MeaningTable) -> Iterator[GuestRequest]:
        """Take the next table; yield what is complete (names and devices must have been fed before)."""
        for row in table.rows(table.where(*_MEANINGS)):
            self._row(row)
        yield from self._ready()

    def finish(self) -> Iterator[GuestRequest]:
        """Yield the requests that the trace leaves incomplete."""
        for request in self._queue.values():
            if self._is_guest(request):
                yield request
        self._queue.clear()

    def _ready(self) -> Iterator[GuestRequest]:
        while self._queue:
            key, request = next(iter(self._queue.items()))
            settled = request.completed is not None and self._is_decided(request)
            if not settled and len(self._queue) <= MOST_OUTSTANDING:
                return
            del self._queue[key]
            self._waiting.pop(key, None)
            if self._is_guest(request):
                yield request

    def _is_decided(self, request: GuestRequest) -> bool:
        """Say whether more of the trace cannot change whose the request is."""
        named = bool(self._names.blks.get(request.blk))
        return request.taken_up is not None or named or self._devices.is_decided(request.blk)

    def _is_guest(self, request: GuestRequest) -> bool:
        if request.taken_up is not None:
            return True
        return self._devices.is_guest(request.blk, self._names.blks.get(request.blk))

    def _row(self, row: Row) -> None:
        self._kicks.feed(row)
        match row.meaning:
            case Meaning.NOTIFIER_READ | Meaning.QUEUE_NOTIFY:
                pass
            case Meaning.DEVICE_REQUEST:
                self._take_up(row)
            case Meaning.SUBMIT | Meaning.REACH:
                self._submit(row)
            case Meaning.DMA_START:
                self._dma(row)
            case Meaning.REQUEST_DONE:
                self._complete(self._by_pointer.pop(row.role("request"), None), row)
            case _:
                self._complete(self._by_dma.pop(row.role("request"), None), row)

    def _add(self, request: GuestRequest) -> int:
        self._next += 1
        self._queue[self._next] = request
        return self._next

    def _take_up(self, row: Row) -> None:
        if not row.op:
            return  # a command that neither reads nor writes
        pointer = row.role("request")
        old = self._by_pointer.pop(pointer, None) if pointer else None
        if old is not None:
            self._complete(old, None)  # the pointer is used anew: its completion was not traced
        request = GuestRequest(
            row.op, row.role("offset"), row.role("length"), device=row.role("device"), request=pointer,
            kick=self._kicks.last(row.tid), taken_up=Mark.of(row),
        )  # fmt: skip
        key = self._add(request)
        self._waiting[key] = request
        if pointer:
            self._by_pointer[pointer] = request

    def _arrives(self, row: Row) -> bool:
        """Say whether a record is a second step of a request that was seen to be handed to the block layer.

        Builds that trace both steps trace them for each request.
        """
        step = (row.role("blk"), row.op, row.role("offset"), row.role("length"))
        if row.meaning is Meaning.SUBMIT:
            if len(self._on_their_way) >= MOST_OUTSTANDING:
                self._on_their_way.clear()  # the second step is not traced
            self._on_their_way[step] += 1
            return False
        if step not in self._on_their_way:
            return False
        self._on_their_way[step] -= 1
        if not self._on_their_way[step]:
            del self._on_their_way[step]
        return True

    def _submit(self, row: Row) -> None:
        if self._arrives(row):
            return
        mark = Mark.of(row)
        whole = GuestRequest(
            row.op, row.role("offset"), row.role("length"), blk=row.role("blk"), node=row.role("node"),
            request=row.role("request"), submitted=mark,
        )  # fmt: skip
        known = self._by_pointer.get(whole.request) if whole.request else None
        # A submission by pointer takes along what was merged into it; by place, it takes what it covers.
        matched = [
            (k, r)
            for k, r in self._waiting.items()
            if r is known or (whole.covers(r) and (known is not None or not whole.request))
        ]
        if known is None and not whole.request:
            exact = [(k, r) for k, r in matched if (r.offset, r.length) == (whole.offset, whole.length)]
            matched = exact[:1] or matched
        for key, request in matched:
            request.blk, request.node, request.submitted = whole.blk, whole.node, mark
            del self._waiting[key]
        if not matched:
            whole.kick = self._kicks.last(row.tid)
            self._add(whole)
            if whole.request:
                self._by_pointer[whole.request] = whole
            else:
                whole.completed = mark  # no build that traces only this ties a completion to it

    def _dma(self, row: Row) -> None:
        for request in reversed(self._waiting.values()):
            if (
                request.taken_up is not None
                and request.taken_up.tid == row.tid
                and request.offset == row.role("offset")
            ):
                self._by_dma[row.role("request")] = request
                request.blk = row.role("blk")
                return

    def _complete(self, request: GuestRequest | None, row: Row | None) -> None:
        if request is None:
            return
        if row is not None:
            request.completed, request.ret = Mark.of(row), row.role("ret")
        else:
            request.completed = request.submitted or request.taken_up
