"""What stands inside windows whose subject is a pointer: found a table at a time, for all windows of a clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from traceview.detect.matching import RELATIONS, matching_rows
from traceview.detect.pending import begun_between, first_ends, was_pending
from traceview.events import NO_TIME, Int64Array, distinct
from traceview.findings import Happening, Request
from traceview.rules import Pattern, Rule, Template, WindowClause
from traceview.timeline.job_nodes import JobNodes
from traceview.timeline.marks import Mark
from traceview.timeline.running import RunningContexts
from traceview.vocabulary import Mask, Meaning, MeaningTable, Op

if TYPE_CHECKING:
    from traceview.detect.keyed import KeyedWindow

__all__ = ["Inside", "Surroundings"]

MOST_AT_ONCE = 1000
"""Rows of one table that are taken down for one window; more are counted."""
Span = tuple["KeyedWindow", int, int]


@dataclass(slots=True)
class Surroundings:
    """What is found out for records beside what they carry: the node of each job, the context of each thread."""

    job_nodes: JobNodes = field(default_factory=JobNodes)
    running: RunningContexts = field(default_factory=RunningContexts)


class Inside:
    """Looks for what a clause forbids, allows, guards with and starves, between the edges of its windows.

    `of_opening` are the roles of an opening that something inside is compared with.
    """

    def __init__(self, rule: Rule, clause: WindowClause, known: Surroundings) -> None:
        self._rule = rule
        self._clause = clause
        self._known = known
        inside = (*clause.forbid, *clause.allow, *clause.guard, *clause.starved)
        compared = {str(c.value) for p in inside for c in p.conditions if c.of_opening}
        self.of_opening = compared | ({clause.executor.role} if clause.executor is not None else set())
        self._meanings = frozenset(m for p in inside for m in p.word.meanings)

    def look(self, table: MeaningTable, present: frozenset[int], spans: Sequence[Span]) -> None:
        """Note in each window what stands in it, of a table in which the meanings `present` occur."""
        if not spans or not present & self._meanings:
            return
        allowed: Mask = np.zeros(len(table), dtype=np.bool_)
        for pattern in self._clause.allow:
            for _, rows in self._rows_of(table, pattern, spans):
                allowed[rows] = True
        began = {id(window): first for window, first, _ in spans}
        for pattern in self._clause.forbid:
            for window, rows in self._rows_of(table, pattern, spans):
                forbidden = self._misplaced(table, window, rows[~allowed[rows]])
                if self._rule.template is Template.COUNTER:
                    forbidden = _pending(table, window, began[id(window)], forbidden)
                _take(table, window, forbidden, pattern)
        if self._rule.template is Template.COUNTER:
            for window, first, last in spans:
                if last == len(table):
                    window.begun |= begun_between(table, first + 1, last)
        for pattern in self._clause.guard:
            for window, rows in self._rows_of(table, pattern, spans):
                window.held += len(rows)
        for pattern in self._clause.starved:
            for window, rows in self._rows_of(table, pattern, spans):
                _note_progress(window, table.batch.ts_ns[rows])

    def _rows_of(
        self, table: MeaningTable, pattern: Pattern, spans: Sequence[Span]
    ) -> list[tuple[KeyedWindow, Int64Array]]:
        """Return, for each window that has some, the rows inside it that a pattern fits."""
        rows = matching_rows(table, pattern)
        if not len(rows):
            return []
        rows = _one_step(table, rows)
        by_key = self._by_key(table, rows, pattern, {w.key for w, _, _ in spans})
        found = []
        for window, first, last in spans:
            own = by_key.get(window.key if pattern.key is not None else 0)
            if own is not None:
                a, b = np.searchsorted(own, [first + 1, last])
                inside = self._as_opening(table, window, own[a:b], pattern)
                if len(inside):
                    found.append((window, inside))
        return found

    def _by_key(
        self, table: MeaningTable, rows: Int64Array, pattern: Pattern, wanted: set[int]
    ) -> dict[int, Int64Array]:
        """Return the rows of each key that a window has; all of them under 0 where the pattern asks for none."""
        if pattern.key is None or pattern.word.name == "guest_done":
            return dict.fromkeys(wanted | {0}, rows)  # whose the end of a request is, its beginning tells
        keys = self.column(table, rows, pattern.key)
        of_windows = np.isin(keys, np.array(list(wanted), dtype=np.int64))
        rows, keys = rows[of_windows], keys[of_windows]
        return {key: rows[keys == key] for key in distinct(keys)}

    def column(self, table: MeaningTable, rows: Int64Array, role: str) -> Int64Array:
        """Return a role of some rows, found out where the rows do not carry it; 0 where it is not known."""
        if role == "thread":
            return table.tid[rows]
        values = table.role(role, rows)
        if values.all():
            return values
        if role == "ctx":
            return np.where(values != 0, values, self._known.running.of(table, rows))
        if role == "node":
            return np.where(values != 0, values, self._known.job_nodes.of(table, rows))
        return values

    def _as_opening(self, table: MeaningTable, window: KeyedWindow, rows: Int64Array, pattern: Pattern) -> Int64Array:
        for condition in pattern.conditions:
            if condition.of_opening and len(rows):
                value = window.roles[str(condition.value)]
                rows = rows[RELATIONS[condition.relation](self.column(table, rows, condition.role), value)]
        return rows

    def _misplaced(self, table: MeaningTable, window: KeyedWindow, rows: Int64Array) -> Int64Array:
        """Return, of rows that must run in some thread or context, those that do not; all rows where none is asked."""
        executor = self._clause.executor
        if executor is None or not len(rows):
            return rows
        column = self.column(table, rows, executor.role)
        window.ran += len(rows)
        window.untold += int(np.count_nonzero(column <= 0))
        elsewhere = (column != window.roles[executor.role]) & (column > 0)
        same = column == window.roles[executor.role]
        return np.asarray(rows[elsewhere if executor.same else same])


def _one_step(table: MeaningTable, rows: Int64Array) -> Int64Array:
    """Return the rows without the first of two steps of requests, where a build traces both."""
    reached = table.where(Meaning.REACH)[rows]
    submitted = table.where(Meaning.SUBMIT)[rows]
    return rows[~submitted] if reached.any() and submitted.any() else rows


def _take(table: MeaningTable, window: KeyedWindow, rows: Int64Array, pattern: Pattern) -> None:
    """Keep rows that are forbidden in a window, requests as such."""
    few, more = rows[:MOST_AT_ONCE], max(len(rows) - MOST_AT_ONCE, 0)
    if pattern.word.is_guest and pattern.word.ops:
        window.keep([_request(table, r) for r in few.tolist()], [], more)
    else:
        window.keep([], [Happening(Mark.at(table, r), table.batch.text(r)) for r in few.tolist()], more)


def _pending(table: MeaningTable, window: KeyedWindow, first: int, ends: Int64Array) -> Int64Array:
    """Return the ends of requests that were on their way when the window opened."""
    earlier = window.earlier
    if earlier is None or not len(ends):
        return ends[:0]
    begun = window.begun | begun_between(table, first + 1, int(ends[-1]))
    node = window.key if window.rule.subject == "node" else 0
    blks = (window.key,) if window.rule.subject == "blk" else ()
    found = [r for r, request in first_ends(table, ends, begun) if was_pending(earlier, request, node, blks)]
    return np.array(found, dtype=np.int64)


def _note_progress(window: KeyedWindow, ts_ns: Int64Array) -> None:
    """Note when something was seen that a window may starve, and the longest that it stayed away."""
    known = ts_ns[ts_ns != NO_TIME]
    if len(known) and window.progress_ns != NO_TIME:
        times = np.concatenate(([window.progress_ns], known))
        window.starved_ns = max(window.starved_ns, int(np.diff(times).max()))
        window.progress_ns = int(known[-1])


def _request(table: MeaningTable, row: int) -> Request:
    at = np.array([row])
    offset, length, blk, node = (int(table.role(role, at)[0]) for role in ("offset", "length", "blk", "node"))
    return Request(
        op=Op(int(table.op[row])), offset=offset, length=length, blk=blk, device="", node=node, held_back=False,
        mark=Mark.at(table, row),
    )  # fmt: skip
