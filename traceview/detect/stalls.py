"""Requests that a device took up and that do not come on: millions begin, and only those that wait too long are windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from traceview.detect.keyed import KeyedWindow
from traceview.events import NO_TIME, Int64Array, distinct
from traceview.findings import Happening
from traceview.rules import Rule, WindowClause
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["StalledRequests"]

_BEGUN, _GONE = Meaning.DEVICE_REQUEST, (Meaning.REQUEST_DONE, Meaning.REQUEST_ANSWERED, Meaning.SUBMIT)


class _Waiting(NamedTuple):
    """Where a request stands that waits."""

    pointer: int
    mark: Mark
    start: int
    length: int
    op: int


class _Reaches:
    """The requests of a table that reach their node: their rows, and where on the disk."""

    def __init__(self, table: MeaningTable) -> None:
        self._rows = np.flatnonzero(table.where(Meaning.REACH))
        self._start = table.role("offset", self._rows)
        self._end = self._start + table.role("length", self._rows)
        self._op = table.op[self._rows]

    def first(self, start: int, length: int, op: int, after: int, before: int) -> int:
        """Return the row, between two rows, at which a request arrives, alone or merged with others; else `before`."""
        a, b = np.searchsorted(self._rows, [after + 1, before])
        if a == b:
            return before
        covers = (self._start[a:b] <= start) & (start + length <= self._end[a:b]) & (self._op[a:b] == op)
        return int(self._rows[a + np.argmax(covers)]) if covers.any() else before


class StalledRequests:
    """Follows the requests of devices, by their pointers, from being taken up to reaching their node or being done.

    A request whose pointer begins anew is another one. Requests that the trace gives no pointer are not followed.
    """

    def __init__(self, rule: Rule, clause: WindowClause) -> None:
        self.rule = rule
        self.clause = clause
        self._known: Int64Array = np.zeros(0, dtype=np.int64)
        """The pointers that were met, in order."""
        self._waiting: dict[int, _Waiting] = {}
        """Those that wait at the end of the last table, by pointer."""
        self._last_ns = NO_TIME
        self.begun = 0
        """How many requests were taken up."""

    def feed(self, table: MeaningTable, present: frozenset[int]) -> Iterator[KeyedWindow]:
        """Take the next table, in which the meanings `present` occur; yield the requests that waited too long."""
        ts_ns = table.batch.ts_ns
        told = ts_ns[ts_ns != NO_TIME]
        if len(told):
            self._last_ns = max(int(told.max()), self._last_ns)
        rows = np.flatnonzero(table.where(_BEGUN, *_GONE)) if present & {_BEGUN, *_GONE} else ts_ns[:0]
        pointers = table.role("request", rows)
        rows, pointers = rows[pointers != 0], pointers[pointers != 0]
        reaches = _Reaches(table)
        overdue = [w for w in self._waiting.values() if self._too_long(w.mark.ts_ns, self._last_ns)]
        yield from self._come_on(table, reaches, overdue, rows, pointers)
        if len(told) and self._too_long(int(told.min()), int(told.max())):
            yield from self._waited_inside(table, reaches, rows, pointers)
        self._follow(table, reaches, rows, pointers)

    def finish(self) -> Iterator[KeyedWindow]:
        """Yield the requests that wait still when the trace ends."""
        for waiting in self._waiting.values():
            if self._too_long(waiting.mark.ts_ns, self._last_ns):
                yield self._window(waiting, None)

    def _too_long(self, first_ns: int, last_ns: int) -> bool:
        return NO_TIME not in (first_ns, last_ns) and last_ns - first_ns >= self.clause.lasts_ns

    def _window(self, waiting: _Waiting, close: Mark | None) -> KeyedWindow:
        mark = waiting.mark
        window = KeyedWindow(self.rule, self.clause, waiting.pointer, mark, {}, close=close, progress_ns=mark.ts_ns)
        window.happened.append(Happening(mark, mark.event))
        return window

    def _come_on(
        self, table: MeaningTable, reaches: _Reaches, overdue: list[_Waiting], rows: Int64Array, pointers: Int64Array
    ) -> Iterator[KeyedWindow]:
        """Yield those of requests from earlier tables that have waited too long when they come on in this one."""
        for waiting in overdue:
            own = rows[pointers == waiting.pointer]
            last = int(own[0]) if len(own) else len(table)
            end = reaches.first(waiting.start, waiting.length, waiting.op, -1, last)
            if end < len(table) and self._too_long(waiting.mark.ts_ns, int(table.batch.ts_ns[end])):
                yield self._window(waiting, Mark.at(table, end))

    def _waited_inside(
        self, table: MeaningTable, reaches: _Reaches, rows: Int64Array, pointers: Int64Array
    ) -> Iterator[KeyedWindow]:
        """Yield the requests that begin in a table, and come on in it after too long."""
        for pointer in distinct(pointers):
            own = rows[pointers == pointer]
            begun = np.flatnonzero(table.meaning[own[:-1]] == _BEGUN)
            ts_ns = table.batch.ts_ns
            for at in begun[ts_ns[own[begun + 1]] - ts_ns[own[begun]] >= self.clause.lasts_ns].tolist():
                waiting = _waiting(table, pointer, int(own[at]))
                end = reaches.first(waiting.start, waiting.length, waiting.op, int(own[at]), int(own[at + 1]))
                if self._too_long(waiting.mark.ts_ns, int(ts_ns[end])):
                    yield self._window(waiting, Mark.at(table, end))

    def _follow(self, table: MeaningTable, reaches: _Reaches, rows: Int64Array, pointers: Int64Array) -> None:
        """Note which requests wait at the end of a table."""
        for waiting in list(self._waiting.values()):
            if reaches.first(waiting.start, waiting.length, waiting.op, -1, len(table)) < len(table):
                del self._waiting[waiting.pointer]
        if not len(rows):
            return
        self._meet(pointers)
        last = np.full(len(self._known), -1, dtype=np.int64)
        last[np.searchsorted(self._known, pointers)] = np.arange(len(rows))  # of several the last one stays
        told = np.flatnonzero(last >= 0)
        at = rows[last[told]]
        for pointer in self._known[told].tolist() if self._waiting else ():
            self._waiting.pop(pointer, None)
        self.begun += int(np.count_nonzero(table.meaning[rows] == _BEGUN))
        begun = table.meaning[at] == _BEGUN
        at = at[begun]
        places = (
            self._known[told[begun]], at, table.role("offset", at), table.role("length", at), table.op[at],
        )  # fmt: skip
        for pointer, row, start, length, op in zip(*(p.tolist() for p in places), strict=True):
            if reaches.first(start, length, op, row, len(table)) == len(table):
                self._waiting[pointer] = _Waiting(pointer, Mark.at(table, row), start, length, op)

    def _meet(self, pointers: Int64Array) -> None:
        """Make room for pointers that were not met before."""
        at = np.minimum(np.searchsorted(self._known, pointers), max(len(self._known) - 1, 0))
        new = distinct(pointers if not len(self._known) else pointers[self._known[at] != pointers])
        if new:
            places = np.searchsorted(self._known, new)
            self._known = np.insert(self._known, places, new)


def _waiting(table: MeaningTable, pointer: int, row: int) -> _Waiting:
    at = np.array([row])
    return _Waiting(
        pointer, Mark.at(table, row), int(table.role("offset", at)[0]), int(table.role("length", at)[0]),
        int(table.op[row]),
    )  # fmt: skip
