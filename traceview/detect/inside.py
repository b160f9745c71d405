"""What stands inside windows whose subject is a pointer: found a table at a time, for all windows of a clause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from traceview.detect.matching import RELATIONS, matching_rows
from traceview.events import NO_TIME, Int64Array, distinct
from traceview.findings import Happening, Request
from traceview.rules import Pattern, Rule, Template, WindowClause
from traceview.timeline.job_nodes import JobNodes
from traceview.timeline.marks import Mark
from traceview.timeline.running import RunningContexts
from traceview.vocabulary import Mask, Meaning, MeaningTable, Op

if TYPE_CHECKING:
    from traceview.detect.keyed import KeyedWindow

__all__ = ["Inside", "Spans", "Surroundings"]

Span = tuple["KeyedWindow", int, int]
"""A window, and the rows of a table between which it is open."""


class Spans:
    """Where windows are open in one table of `length` rows; `open_windows` are those that are, by their key.

    A row of -1 stands for an opening in an earlier table, the length of the table for a closing in a later one. Of the
    windows that are open all along nothing is written down: there may be many.
    """

    def __init__(self, open_windows: Mapping[int, KeyedWindow], length: int) -> None:
        self._open = open_windows
        self._length = length
        self._began: dict[int, int] = {}
        """By the id() of a window that opened in the table: the row."""
        self._closed: dict[int, list[Span]] = {}

    def open(self, window: KeyedWindow, row: int) -> None:
        """Note that a window opens at a row."""
        self._began[id(window)] = row

    def close(self, window: KeyedWindow, row: int) -> None:
        """Note that a window closes at a row."""
        self._closed.setdefault(window.key, []).append((window, self._began.pop(id(window), -1), row))

    def cancel(self, window: KeyedWindow) -> None:
        """Note that a window is void."""
        self._began.pop(id(window), None)

    def forget(self) -> None:
        """Note that all open windows are void."""
        self._began.clear()

    def has(self, key: int) -> bool:
        """Say whether a window of a key is open somewhere in the table."""
        return key in self._open or key in self._closed

    def of(self, key: int) -> Iterator[Span]:
        """Yield the windows of a key."""
        yield from self._closed.get(key, ())
        window = self._open.get(key)
        if window is not None:
            yield window, self._began.get(id(window), -1), self._length

    def all(self) -> Iterator[Span]:
        """Yield all windows."""
        for spans in self._closed.values():
            yield from spans
        for window in self._open.values():
            yield window, self._began.get(id(window), -1), self._length


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

    def look(self, table: MeaningTable, present: frozenset[int], spans: Spans) -> None:
        """Note in each window what stands in it, of a table in which the meanings `present` occur."""
        if not present & self._meanings:
            return
        allowed: Mask = np.zeros(len(table), dtype=np.bool_)
        for pattern in self._clause.allow:
            for _, rows in self._rows_of(table, pattern, spans):
                allowed[rows] = True
        for pattern in self._clause.forbid:
            if self._rule.template is Template.COUNTER:
                self._note_pending(table, pattern, allowed, spans)
                continue
            for window, rows in self._rows_of(table, pattern, spans):
                _take(table, window, self._misplaced(table, window, rows[~allowed[rows]]), pattern)
        for pattern in self._clause.guard:
            for window, rows in self._rows_of(table, pattern, spans):
                window.held += len(rows)
        for pattern in self._clause.starved:
            for window, rows in self._rows_of(table, pattern, spans):
                _note_progress(window, table.batch.ts_ns[rows])

    def _note_pending(self, table: MeaningTable, pattern: Pattern, allowed: Mask, spans: Spans) -> None:
        """Note the ends of requests that were on their way when their window opened: most windows have none."""
        ends = matching_rows(table, pattern)
        ends = ends[~allowed[ends]]
        for window, first, last in spans.all() if len(ends) else ():
            if window.pending is not None and window.pending.requests:
                _take(table, window, np.array(window.pending.ended(table, ends, first, last), dtype=np.int64), pattern)

    def _rows_of(self, table: MeaningTable, pattern: Pattern, spans: Spans) -> Iterator[tuple[KeyedWindow, Int64Array]]:
        """Yield, for each window that has some, the rows inside it that a pattern fits."""
        rows = matching_rows(table, pattern)
        if not len(rows):
            return
        for key, own in self._by_key(table, rows, pattern, spans):
            for window, first, last in spans.of(key) if pattern.key is not None else spans.all():
                a, b = np.searchsorted(own, [first + 1, last])
                inside = self._as_opening(table, window, own[a:b], pattern)
                if len(inside):
                    yield window, inside

    def _by_key(
        self, table: MeaningTable, rows: Int64Array, pattern: Pattern, spans: Spans
    ) -> Iterator[tuple[int, Int64Array]]:
        """Yield the keys that windows have with their rows; all rows at once where the pattern asks for no key."""
        if pattern.key is None:
            yield 0, rows
            return
        keys = self.column(table, rows, pattern.key)
        for key in distinct(keys):
            if spans.has(key):
                yield key, rows[keys == key]

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


def _take(table: MeaningTable, window: KeyedWindow, rows: Int64Array, pattern: Pattern) -> None:
    """Keep rows that are forbidden in a window, requests as such."""
    word = pattern.word
    if not (word.is_guest and word.ops):
        room = window.happened.room
        happened = (Happening(Mark.at(table, r), table.batch.text(r)) for r in rows[:room].tolist())
        window.happened.keep(happened, len(rows))
        return
    # Where a build traces both steps of requests, the second one counts: whether it does, the whole trace tells.
    first_step = (
        table.where(Meaning.SUBMIT)[rows] if Meaning.REACH in word.meanings else np.zeros(len(rows), dtype=bool)
    )
    for kept, own in ((window.submitted, rows[first_step]), (window.requests, rows[~first_step])):
        kept.keep(_requests(table, own[: kept.room]), len(own))


def _note_progress(window: KeyedWindow, ts_ns: Int64Array) -> None:
    """Note when something was seen that a window may starve, and the longest that it stayed away."""
    known = ts_ns[ts_ns != NO_TIME]
    if len(known) and window.progress_ns != NO_TIME:
        times = np.concatenate(([window.progress_ns], known))
        window.starved_ns = max(window.starved_ns, int(np.diff(times).max()))
        window.progress_ns = int(known[-1])


def _requests(table: MeaningTable, rows: Int64Array) -> Iterator[Request]:
    columns = (table.role(role, rows).tolist() for role in ("offset", "length", "blk", "node"))
    for row, op, offset, length, blk, node in zip(rows.tolist(), table.op[rows].tolist(), *columns, strict=True):
        yield Request(
            op=Op(op), offset=offset, length=length, blk=blk, device="", node=node, held_back=False,
            mark=Mark.at(table, row),
        )  # fmt: skip
