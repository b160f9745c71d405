"""Windows of everything but jobs: nodes, BlockBackends, contexts, devices. Their subject is a pointer in the records.

Openings and closings are few and are paired one by one; what happens inside is looked for a table at a time, as the
trace is read, so that a window that stays open for all of it costs no memory. What stands in a window is kept up to
`MOST_KEPT`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from traceview.detect.buffer import RowBuffer
from traceview.detect.inside import Inside, Surroundings
from traceview.detect.matching import matching_rows
from traceview.detect.pending import LOOK_BACK
from traceview.events import NO_TIME, Int64Array
from traceview.findings import Happening, Request
from traceview.rules import Again, Pattern, Rule, Template, WindowClause
from traceview.timeline.marks import Mark
from traceview.vocabulary import MeaningTable

__all__ = ["KeyedClause", "KeyedWindow"]

MOST_KEPT = 1000
"""Requests and happenings of one window that are kept; more are counted."""
_OPEN, _CLOSE, _CANCEL, _AFTER = range(4)
_ALL = -1
"""The key of what makes all windows void."""


@dataclass(slots=True)
class KeyedWindow:
    """One window. `roles` are those of its opening that something inside is compared with."""

    rule: Rule
    clause: WindowClause
    key: int
    open: Mark
    roles: dict[str, int]
    close: Mark | None = None
    requests: list[Request] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    held: int = 0
    """How many records show that a guard was put to the test."""
    ran: int = 0
    """How many records had to be in some thread or context."""
    untold: int = 0
    """Of how many of them the trace does not tell it."""
    more: int = 0
    progress_ns: int = NO_TIME
    """When what the window may starve was last seen, or the window opened."""
    starved_ns: int = 0
    """The longest that nothing of it was seen."""
    depth: int = 1
    earlier: MeaningTable | None = None
    """Records before its opening, where what began in them may end inside."""
    begun: set[int] = field(default_factory=set)
    """Requests that began inside, in the tables before."""

    @property
    def broken(self) -> bool:
        """Whether something that is forbidden stands in it."""
        return bool(self.requests or self.happened)

    def keep(self, requests: list[Request], happened: list[Happening], more: int) -> None:
        """Add what was found in the next table."""
        room = max(MOST_KEPT - len(self.requests) - len(self.happened), 0)
        self.more += more + max(len(requests) + len(happened) - room, 0)
        self.requests += requests[:room]
        self.happened += happened[: max(room - len(requests), 0)]


class KeyedClause:
    """Follows the windows of one clause of a rule through the tables of one trace."""

    def __init__(self, rule: Rule, clause: WindowClause, buffer: RowBuffer, known: Surroundings) -> None:
        self.rule = rule
        self.clause = clause
        self._buffer = buffer
        self._inside = Inside(rule, clause, known)
        self._open: dict[int, KeyedWindow] = {}
        self._armed: set[int] = set()
        self._edges = frozenset(
            m for p in (*clause.open, *clause.close, *clause.cancel, *clause.after) for m in p.word.meanings
        )

    def feed(self, table: MeaningTable, present: frozenset[int]) -> Iterator[KeyedWindow]:
        """Take the next table, in which the meanings `present` occur; yield the windows that close in it.

        What stands in windows that are still open is noted in them.
        """
        if not self._open and not present & self._edges:
            return
        spans: list[tuple[KeyedWindow, int, int]] = [(w, -1, len(table)) for w in self._open.values()]
        closed: list[KeyedWindow] = []
        if present & self._edges:
            spans, closed = self._pair(table, spans)
        self._inside.look(table, present, spans)
        yield from closed

    def _opened(self, table: MeaningTable, row: int, key: int) -> KeyedWindow:
        mark = Mark.at(table, row)
        at = np.array([row])
        roles = {role: int(self._inside.column(table, at, role)[0]) for role in self._inside.of_opening}
        window = KeyedWindow(self.rule, self.clause, key, mark, roles, progress_ns=mark.ts_ns)
        if self.rule.template is Template.COUNTER:
            window.earlier = self._buffer.between(mark.record - LOOK_BACK, mark.record)
        return window

    def finish(self) -> Iterator[KeyedWindow]:
        """Yield the windows that are open when the trace ends."""
        yield from self._open.values()
        self._open = {}

    def _pair(
        self, table: MeaningTable, spans: list[tuple[KeyedWindow, int, int]]
    ) -> tuple[list[tuple[KeyedWindow, int, int]], list[KeyedWindow]]:
        """Pair openings and closings. Return each window with the rows between which it is open, and those that close.

        A row of -1 stands for an opening in an earlier table, the length of the table for a closing in a later one.
        """
        began = {id(w): -1 for w, _, _ in spans}
        out: list[tuple[KeyedWindow, int, int]] = []
        closed: list[KeyedWindow] = []
        for row, kind, key in self._edge_rows(table):
            window = self._open.get(key)
            if kind == _AFTER:
                self._armed.add(key)
            elif kind == _OPEN:
                if self.clause.after and key not in self._armed:
                    continue
                if window is not None and self.clause.again is Again.NESTS:
                    window.depth += 1
                if window is None or self.clause.again is Again.RESTARTS:
                    opened = self._opened(table, row, key)
                    self._open[key] = opened
                    began[id(opened)] = row
            elif kind == _CANCEL and key == _ALL:
                self._open.clear()
                self._armed.clear()
            elif window is not None:
                if kind == _CLOSE and window.depth > 1:
                    window.depth -= 1
                    continue
                del self._open[key]
                self._armed.discard(key)
                if kind == _CLOSE:
                    window.close = Mark.at(table, row)
                    closed.append(window)
                    out.append((window, began[id(window)], row))
            else:
                self._armed.discard(key)
        out += [(w, began[id(w)], len(table)) for w in self._open.values()]
        return out, closed

    def _edge_rows(self, table: MeaningTable) -> list[tuple[int, int, int]]:
        """Return row, kind and key of each opening, closing and the like, in order; of one row what ends is first."""
        clause = self.clause
        found: list[tuple[int, int, int, int]] = []
        kinds = ((clause.close, _CLOSE), (clause.cancel, _CANCEL), (clause.after, _AFTER), (clause.open, _OPEN))
        for order, (patterns, kind) in enumerate(kinds):
            for pattern in patterns:
                rows = matching_rows(table, pattern)
                keys = _keys(table, rows, pattern)
                if kind == _CANCEL and pattern.key is None and self.rule.subject != "qemu":
                    keys = np.full(len(rows), _ALL)
                found += [(r, order, kind, k) for r, k in zip(rows.tolist(), keys.tolist(), strict=True)]
        found.sort()
        return [(row, kind, key) for row, _, kind, key in found]


def _keys(table: MeaningTable, rows: Int64Array, pattern: Pattern) -> Int64Array:
    if pattern.key is None:
        return np.zeros(len(rows), dtype=np.int64)
    return table.role(pattern.key, rows)
