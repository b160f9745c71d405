"""Windows of everything but jobs: nodes, BlockBackends, contexts, devices. Their subject is a pointer in the records.

Openings and closings are few and are paired one by one; what happens inside is looked for a table at a time, as the
trace is read, so that a window that stays open for all of it costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from traceview.detect.buffer import RowBuffer
from traceview.detect.inside import Inside, Spans, Surroundings
from traceview.detect.keyed_state import KeyedWindow
from traceview.detect.matching import matching_rows
from traceview.detect.pending import LOOK_BACK, Pending
from traceview.events import Int64Array
from traceview.rules import Again, Pattern, Rule, Template, WindowClause
from traceview.timeline.marks import Mark
from traceview.vocabulary import MeaningTable

__all__ = ["KeyedClause"]

MOST_KEPT_OPEN = 10_000
"""About how many requests are kept of all windows of a clause that are open at once: some traces see none closed."""
_OPEN, _CLOSE, _CANCEL, _AFTER = range(4)
_ALL = -1
"""The key of what makes all windows void."""


class KeyedClause:
    """Follows the windows of one clause of a rule through the tables of one trace."""

    def __init__(self, rule: Rule, clause: WindowClause, buffer: RowBuffer, known: Surroundings) -> None:
        self.rule = rule
        self.clause = clause
        self._buffer = buffer
        self._known = known
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
        if present & self._edges:
            spans, closed = self._pair(table)
            self._inside.look(table, present, spans)
            yield from closed
        elif self._open:
            self._inside.look(table, present, Spans(self._open, len(table)))

    def finish(self) -> Iterator[KeyedWindow]:
        """Yield the windows that are open when the trace ends."""
        yield from self._open.values()
        self._open = {}

    def _opened(self, table: MeaningTable, row: int, key: int) -> KeyedWindow:
        mark = Mark.at(table, row)
        at = np.array([row])
        roles = {role: int(self._known.column(table, at, role)[0]) for role in self._inside.of_opening}
        window = KeyedWindow(self.rule, self.clause, key, mark, roles, progress_ns=mark.ts_ns)
        window.limit(MOST_KEPT_OPEN // (len(self._open) + 1))
        if self.rule.template is Template.COUNTER:
            node, blk = (key if self.rule.subject == kind else 0 for kind in ("node", "blk"))
            earlier = self._buffer.between(mark.record - LOOK_BACK, mark.record)
            window.pending = Pending(earlier, node, (blk,) if blk else ())
            if window.pending.requests:
                self._inside.wait(window)
        return window

    def _pair(self, table: MeaningTable) -> tuple[Spans, list[KeyedWindow]]:
        """Pair openings and closings. Return where which window is open in the table, and those that close in it."""
        spans = Spans(self._open, len(table))
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
                    self._open[key] = self._opened(table, row, key)
                    spans.open(self._open[key], row)
            elif kind == _CANCEL and key == _ALL:
                spans.forget()
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
                    spans.close(window, row)
                else:
                    spans.cancel(window)
            else:
                self._armed.discard(key)
        return spans, closed

    def _edge_rows(self, table: MeaningTable) -> list[tuple[int, int, int]]:
        """Return row, kind and key of each opening, closing and the like, in order; of one row what ends is first."""
        clause = self.clause
        found: list[tuple[int, int, int, int]] = []
        kinds = ((clause.close, _CLOSE), (clause.cancel, _CANCEL), (clause.after, _AFTER), (clause.open, _OPEN))
        for order, (patterns, kind) in enumerate(kinds):
            for pattern in patterns:
                rows = matching_rows(table, pattern)
                keys = self._keys(table, rows, pattern)
                if kind == _CANCEL and pattern.key is None and self.rule.subject != "qemu":
                    keys = np.full(len(rows), _ALL)
                found += [(r, order, kind, k) for r, k in zip(rows.tolist(), keys.tolist(), strict=True)]
        # A record that fits two patterns of one edge passes it once.
        return [(row, kind, key) for row, _, kind, key in sorted(set(found))]

    def _keys(self, table: MeaningTable, rows: Int64Array, pattern: Pattern) -> Int64Array:
        if pattern.key is None or not len(rows):
            return np.zeros(len(rows), dtype=np.int64)
        return self._known.column(table, rows, pattern.key)
