"""What stands inside windows whose subject is a pointer: found a table at a time, for all windows of a clause."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from traceview.detect.keyed_state import KeyedWindow
from traceview.detect.matching import RELATIONS, matching_rows
from traceview.detect.pending import BEGUN
from traceview.events import NO_TIME, Int64Array, distinct
from traceview.findings import Happening, Request
from traceview.rules import Pattern, Rule, Template, WindowClause
from traceview.timeline.job_nodes import JobNodes
from traceview.timeline.marks import Mark
from traceview.timeline.running import RunningContexts
from traceview.vocabulary import Mask, Meaning, MeaningTable, Op
from traceview.vocabulary.words import Word

__all__ = ["Inside", "Spans", "Surroundings"]

_HAPPENING, _REQUEST, _EITHER_STEP = range(3)
"""As what a row is kept; of requests, whether only one step of them was asked for, or either."""
_OPS = tuple(Op(i) for i in range(max(Op) + 1))
Kinds = npt.NDArray[np.int8]
Span = tuple[KeyedWindow, int, int]
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

    def column(self, table: MeaningTable, rows: Int64Array, role: str) -> Int64Array:
        """Return a role of some rows, found out where the rows do not carry it; 0 where it is not known."""
        if role == "thread":
            return table.tid[rows]
        values = table.role(role, rows)
        if role not in ("ctx", "node") or values.all():
            return values
        return np.where(values != 0, values, (self.running if role == "ctx" else self.job_nodes).of(table, rows))


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
        self._waiting: dict[int, KeyedWindow] = {}
        """By its id(), each window that something was on its way at, and may still end in."""
        self._meanings = frozenset(m for p in inside for m in p.word.meanings)
        if rule.template is Template.COUNTER:
            self._meanings |= set(BEGUN)

    def wait(self, window: KeyedWindow) -> None:
        """Take a window that opens while something is on its way."""
        self._waiting[id(window)] = window

    def look(self, table: MeaningTable, present: frozenset[int], spans: Spans) -> None:
        """Note in each window what stands in it, of a table in which the meanings `present` occur."""
        if not present & self._meanings:
            return
        clause = self._clause
        allowed = {id(window): rows for window, rows, _ in self._all_of(table, clause.allow, spans)}
        none = np.zeros(0, dtype=np.int64)
        if self._rule.template is Template.COUNTER:
            self._note_pending(table, allowed, spans)
        else:
            for window, rows, kinds in self._all_of(table, clause.forbid, spans):
                counts = ~np.isin(rows, allowed.get(id(window), none)) & self._misplaced(table, window, rows)
                _take(table, window, rows[counts], kinds[counts])
        for window, rows, _ in self._all_of(table, clause.guard, spans):
            window.held += len(rows)
        for window, rows, _ in self._all_of(table, clause.starved, spans):
            _note_progress(window, table.batch.ts_ns[rows])

    def _note_pending(self, table: MeaningTable, allowed: Mapping[int, Int64Array], spans: Spans) -> None:
        """Note the ends of requests that were on their way when their window opened: most windows have none."""
        for pattern in self._clause.forbid if self._waiting else ():
            ends = matching_rows(table, pattern)
            for window in list(self._waiting.values()):
                found = [(first, last) for w, first, last in spans.of(window.key) if w is window]
                for first, last in found:
                    assert window.pending is not None
                    own = ends[~np.isin(ends, allowed[id(window)])] if id(window) in allowed else ends
                    rows = np.array(window.pending.ended(table, own, first, last), dtype=np.int64)
                    _take(table, window, rows, np.full(len(rows), _HAPPENING, dtype=np.int8))
        for window in list(self._waiting.values()):
            is_open = any(w is window and last == len(table) for w, _, last in spans.of(window.key))
            if not (is_open and window.pending is not None and window.pending.requests):
                del self._waiting[id(window)]

    def _all_of(
        self, table: MeaningTable, patterns: Sequence[Pattern], spans: Spans
    ) -> Iterator[tuple[KeyedWindow, Int64Array, Kinds]]:
        """Yield, for each window that has some, the rows inside it that a pattern fits, and as what each is kept.

        A row that several patterns fit is one row, of the first of them.
        """
        found: dict[int, tuple[KeyedWindow, list[Int64Array], list[Kinds]]] = {}
        for pattern in patterns:
            kind = _kind_of(pattern.word)
            for window, rows in self._rows_of(table, pattern, spans):
                _, parts, kinds = found.setdefault(id(window), (window, [], []))
                parts.append(rows)
                kinds.append(np.full(len(rows), kind, dtype=np.int8))
        for window, parts, kinds in found.values():
            if len(parts) == 1:
                yield window, parts[0], kinds[0]
                continue
            rows, first = np.unique(np.concatenate(parts), return_index=True)
            yield window, rows, np.concatenate(kinds)[first]

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
        keys = self._known.column(table, rows, pattern.key)
        for key in distinct(keys):
            if spans.has(key):
                yield key, rows[keys == key]

    def _as_opening(self, table: MeaningTable, window: KeyedWindow, rows: Int64Array, pattern: Pattern) -> Int64Array:
        for condition in pattern.conditions:
            if condition.of_opening and len(rows):
                value = window.roles[str(condition.value)]
                rows = rows[RELATIONS[condition.relation](self._known.column(table, rows, condition.role), value)]
        return rows

    def _misplaced(self, table: MeaningTable, window: KeyedWindow, rows: Int64Array) -> Mask:
        """Return which rows do not run in the thread or context that they must; all where none is asked."""
        executor = self._clause.executor
        if executor is None:
            return np.ones(len(rows), dtype=np.bool_)
        column, opening = self._known.column(table, rows, executor.role), window.roles[executor.role]
        known = (column > 0) & (opening > 0)
        window.ran += len(rows)
        window.untold += int(np.count_nonzero(~known))
        return np.asarray(known & ((column != opening) if executor.same else (column == opening)))


def _kind_of(word: Word) -> int:
    if not (word.is_guest and word.ops):
        return _HAPPENING
    # Where a build traces both steps of requests, the second one counts: whether it does, the whole trace tells.
    return _EITHER_STEP if {Meaning.SUBMIT, Meaning.REACH} <= set(word.meanings) else _REQUEST


def _take(table: MeaningTable, window: KeyedWindow, rows: Int64Array, kinds: Kinds) -> None:
    """Keep rows that are forbidden in a window, requests as such."""
    others = rows[kinds == _HAPPENING]
    if len(others):
        room = window.happened.room
        texts = (table.batch.text(r) for r in others[:room].tolist())
        happened = itertools.starmap(Happening, zip(Mark.all_at(table, others[:room]), texts, strict=True))
        window.happened.keep(happened, len(others))
    first_step = (kinds == _EITHER_STEP) & table.where(Meaning.SUBMIT)[rows]
    second_step = (kinds != _HAPPENING) & ~first_step
    for kept, own in ((window.submitted, rows[first_step]), (window.requests, rows[second_step])):
        if len(own):
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
    marks = Mark.all_at(table, rows)
    for mark, op, offset, length, blk, node in zip(marks, table.op[rows].tolist(), *columns, strict=True):
        yield Request(
            op=_OPS[op], offset=offset, length=length, blk=blk, device="", node=node, held_back=False, mark=mark
        )
