"""Windows that begin by the million, and of which only those count that stay open too long: requests, coroutines.

An opening of a subject that is open begins its window anew. A request is closed, too, where it reaches its node: that
is known by its place on the disk, as the block layer does not pass the device's pointer on (QEMU 2.6 and newer).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from traceview.detect.inside import Surroundings
from traceview.detect.keyed_state import KeyedWindow
from traceview.detect.matching import matching_rows
from traceview.events import NO_TIME, Int64Array, distinct
from traceview.findings import Happening
from traceview.rules import Pattern, Rule, WindowClause
from traceview.timeline.marks import Mark
from traceview.vocabulary import Mask, Meaning, MeaningTable

__all__ = ["MOST_WAITING", "LongWaits"]

MOST_WAITING = 10_000
"""What waits at once and is followed, of one clause; others are counted and not judged."""

_ENDS_OF_REQUESTS = (Meaning.REQUEST_DONE, Meaning.REQUEST_ANSWERED, Meaning.SUBMIT)


class _Waiting(NamedTuple):
    """What waits, since when, and for a request its operation and place."""

    key: int
    mark: Mark
    op: int
    start: int
    length: int


class _Edges(NamedTuple):
    """The openings and closings of a table: row, key, and whether it opens; and the requests that reach their nodes."""

    rows: Int64Array
    keys: Int64Array
    opens: Mask
    reached: Int64Array
    op: npt.NDArray[np.uint8]
    start: Int64Array
    end: Int64Array

    def arrival(self, op: int, start: int, length: int, after: int, before: int) -> int:
        """Return the row, between two rows, at which a request arrives, alone or merged with others; else `before`."""
        a, b = np.searchsorted(self.reached, [after + 1, before])
        if a == b:
            return before
        covers = (self.start[a:b] <= start) & (start + length <= self.end[a:b]) & (self.op[a:b] == op)
        return int(self.reached[a + np.argmax(covers)]) if covers.any() else before


class LongWaits:
    """Follows the windows of one clause through the tables of one trace; `untimed` says that some have no times."""

    def __init__(self, rule: Rule, clause: WindowClause, known: Surroundings) -> None:
        self.rule = rule
        self.clause = clause
        self.untimed = False
        self._known_roles = known
        self._begun = self._late = 0
        """How many opened at a known time, and how many of them were open too long or were closed who knows when."""
        self.left_out = 0
        """How many were not followed, as too many waited already."""
        self._by_place = any(p.word.name == "guest_reached" for p in clause.close)
        edges = (*clause.open, *clause.close)
        self._meanings = frozenset(m for p in edges for m in (*p.word.meanings, *p.word.beside))
        self._known: Int64Array = np.zeros(0, dtype=np.int64)
        """The keys that were met, in order."""
        self._waiting: dict[int, _Waiting] = {}
        """What waits at the end of the last table, by key."""
        self._last_ns = NO_TIME

    def feed(self, table: MeaningTable, present: frozenset[int]) -> Iterator[KeyedWindow]:
        """Take the next table, in which the meanings `present` occur; yield what waited too long and waits no more."""
        ts_ns = table.batch.ts_ns
        told = ts_ns[ts_ns != NO_TIME]
        if len(told):
            self._last_ns = max(int(told.max()), self._last_ns)
        if not present & self._meanings:
            return
        edges = self._edges(table)
        waited = [w for w in self._waiting.values() if self._too_long(w.mark.ts_ns, self._last_ns)]
        first = dict(zip(edges.keys[::-1].tolist(), edges.rows[::-1].tolist(), strict=True)) if waited else {}
        for waiting in waited:
            yield from self._ended(table, edges, waiting, -1, first.get(waiting.key, len(table)))
        if len(told) and self._too_long(int(told.min()), int(told.max())):
            yield from self._waited_inside(table, edges)
        self._follow(table, edges)

    def finish(self) -> Iterator[KeyedWindow]:
        """Yield what waits still, and too long, when the trace ends."""
        for waiting in self._waiting.values():
            if self._too_long(waiting.mark.ts_ns, self._last_ns):
                yield self._window(waiting, None)

    @property
    def in_time(self) -> int:
        """How many were closed in time, when the trace has been read."""
        open_still = sum(w.mark.ts_ns != NO_TIME for w in self._waiting.values())
        return max(self._begun - self._late - open_still, 0)

    def _edges(self, table: MeaningTable) -> _Edges:
        opened, opened_keys = self._rows(table, self.clause.open)
        closed, closed_keys = self._rows(table, self.clause.close)
        rows, keys = np.concatenate((opened, closed)), np.concatenate((opened_keys, closed_keys))
        opens = np.arange(len(rows)) < len(opened)
        order = np.argsort(rows, kind="stable")
        reached = np.flatnonzero(table.where(Meaning.REACH)) if self._by_place else rows[:0]
        start = table.role("offset", reached)
        return _Edges(
            rows[order], keys[order], opens[order], reached, table.op[reached], start,
            start + table.role("length", reached),
        )  # fmt: skip

    def _rows(self, table: MeaningTable, patterns: Iterable[Pattern]) -> tuple[Int64Array, Int64Array]:
        """Return the rows that patterns fit and that have a key, and the keys."""
        found = []
        for pattern in patterns:
            if pattern.word.name == "guest_reached":
                found.append(np.flatnonzero(table.where(*_ENDS_OF_REQUESTS)))
            else:
                found.append(matching_rows(table, pattern))
        rows = np.concatenate(found)
        keys = self._known_roles.column(table, rows, self.rule.subject)
        if self._by_place and not keys.all():
            keys = np.where(keys != 0, keys, table.role("device", rows))  # a disk that takes up one request at a time
        return rows[keys != 0], keys[keys != 0]

    def _too_long(self, first_ns: int, last_ns: int) -> bool:
        return NO_TIME not in (first_ns, last_ns) and last_ns - first_ns >= self.clause.lasts_ns

    def _window(self, waiting: _Waiting, close: Mark | None) -> KeyedWindow:
        mark = waiting.mark
        window = KeyedWindow(self.rule, self.clause, waiting.key, mark, {}, close=close, progress_ns=mark.ts_ns)
        window.happened.keep([Happening(mark, mark.event)], 1)
        return window

    def _ended(
        self, table: MeaningTable, edges: _Edges, waiting: _Waiting, after: int, before: int
    ) -> Iterator[KeyedWindow]:
        """Yield a window that closes in a table, before row `before` or there, if it was open too long."""
        end = edges.arrival(waiting.op, waiting.start, waiting.length, after, before)
        if end < len(table) and self._too_long(waiting.mark.ts_ns, int(table.batch.ts_ns[end])):
            self._late += 1
            yield self._window(waiting, Mark.at(table, end))

    def _waited_inside(self, table: MeaningTable, edges: _Edges) -> Iterator[KeyedWindow]:
        """Yield what begins in a table, and ends in it after too long."""
        order = np.argsort(edges.keys, kind="stable")
        keys, rows = edges.keys[order], edges.rows[order]
        ends = np.append(rows[1:], len(table))
        ends[:-1][keys[1:] != keys[:-1]] = len(table)
        for at in np.flatnonzero(edges.opens[order]).tolist():
            row, end = int(rows[at]), int(ends[at])
            last = table.batch.ts_ns[end] if end < len(table) else self._last_ns
            if self._too_long(int(table.batch.ts_ns[row]), int(last)):
                yield from self._ended(table, edges, _waiting(table, int(keys[at]), row), row, end)

    def _follow(self, table: MeaningTable, edges: _Edges) -> None:
        """Note what waits at the end of a table."""
        for waiting in list(self._waiting.values()) if self._by_place else ():
            if edges.arrival(waiting.op, waiting.start, waiting.length, -1, len(table)) < len(table):
                del self._waiting[waiting.key]
        if not len(edges.rows):
            return
        self._count(table, edges)
        self._meet(edges.keys)
        last = np.full(len(self._known), -1, dtype=np.int64)
        last[np.searchsorted(self._known, edges.keys)] = np.arange(len(edges.rows))  # of several the last one stays
        told = np.flatnonzero(last >= 0)
        for key in self._known[told].tolist() if self._waiting else ():
            self._waiting.pop(key, None)
        open_still = told[edges.opens[last[told]]]
        rows = edges.rows[last[open_still]]
        columns = (
            self._known[open_still],
            rows,
            table.op[rows],
            table.role("offset", rows),
            table.role("length", rows),
        )
        for key, row, op, start, length in zip(*(c.tolist() for c in columns), strict=True):
            if edges.arrival(op, start, length, row, len(table)) < len(table):
                continue
            if len(self._waiting) < MOST_WAITING:
                self._waiting[key] = _Waiting(key, Mark.at(table, row), op, start, length)
            else:
                self.left_out += 1
                self._late += int(table.batch.ts_ns[row]) != NO_TIME

    def _count(self, table: MeaningTable, edges: _Edges) -> None:
        timed = table.batch.ts_ns[edges.rows] != NO_TIME
        self._begun += int(np.count_nonzero(edges.opens & timed))
        # What such a record closes may have been open for any time.
        self._late += int(np.count_nonzero(~edges.opens & ~timed))
        self.untimed |= not timed.all()

    def _meet(self, keys: Int64Array) -> None:
        """Make room for keys that were not met before."""
        at = np.minimum(np.searchsorted(self._known, keys), max(len(self._known) - 1, 0))
        new = distinct(keys if not len(self._known) else keys[self._known[at] != keys])
        if new:
            self._known = np.insert(self._known, np.searchsorted(self._known, new), new)


def _waiting(table: MeaningTable, key: int, row: int) -> _Waiting:
    at = np.array([row])
    place = (int(table.role(role, at)[0]) for role in ("offset", "length"))
    return _Waiting(key, Mark.at(table, row), int(table.op[row]), *place)
