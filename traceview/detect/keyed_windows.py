"""All windows whose subject is a pointer: one pass over the tables for all clauses of all rules."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np

from traceview.detect.buffer import RowBuffer
from traceview.detect.keyed import KeyedClause, KeyedWindow
from traceview.detect.waits import LongWaits
from traceview.events import NO_TIME, Gap
from traceview.rules import Rule, Template
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["MOST_LISTED", "KeyedWindows"]

MOST_LISTED = 10_000
"""Windows of one rule in which nothing happened that are listed one by one; more are counted."""

_STARTS = frozenset((Meaning.JOB_START, Meaning.OTHER_JOB_START))


class KeyedWindows:
    """Feed it the tables of one trace, in order. `windows` are those to be judged."""

    def __init__(self, rules: Iterable[Rule], buffer: RowBuffer) -> None:
        self._nodes: dict[int, int] = {}
        """The node of each job, as its start told."""
        self._clauses: list[KeyedClause | LongWaits] = []
        for rule in rules:
            if not rule.of_jobs:
                for clause in rule.windows:
                    self._clauses.append(
                        LongWaits(rule, clause) if clause.is_wait else KeyedClause(rule, clause, buffer, self._nodes)
                    )
        self.windows: list[KeyedWindow] = []
        self._quiet: Counter[str] = Counter()
        self._unlisted: dict[str, tuple[array[int], array[int]]] = {}
        self.last_ns = NO_TIME

    def feed(self, table: MeaningTable) -> None:
        """Take the next table."""
        if not self._clauses:
            return
        present = frozenset(np.flatnonzero(np.bincount(table.meaning)).tolist())
        if present & _STARTS:
            rows = np.flatnonzero(table.where(*_STARTS))
            self._nodes |= zip(table.role("job", rows).tolist(), table.role("node", rows).tolist(), strict=True)
        for clause in self._clauses:
            for window in clause.feed(table, present):
                self._close(window)
        told = table.batch.ts_ns[table.batch.ts_ns != NO_TIME]
        if len(told):
            self.last_ns = max(self.last_ns, int(told.max()))

    def finish(self) -> None:
        """Take what is open when the trace ends."""
        for clause in self._clauses:
            self.windows += [w for w in clause.finish() if not w.clause.tentative]

    def _close(self, window: KeyedWindow) -> None:
        rule = window.rule
        assert window.close is not None
        in_time = rule.template is Template.NEVER_CLOSED and not self._lasted(window)
        if not window.broken and not window.held and (in_time or self._quiet[rule.id] >= MOST_LISTED):
            opens, closes = self._unlisted.setdefault(rule.id, (array("q"), array("q")))
            opens.append(window.open.record)
            closes.append(window.close.record)
            return
        self._quiet[rule.id] += not window.broken
        self.windows.append(window)

    @staticmethod
    def _lasted(window: KeyedWindow) -> bool:
        assert window.close is not None
        span = window.close.since_ns(window.open)
        return span is None or span >= window.clause.lasts_ns

    def unlisted(self, gaps: Iterable[Gap]) -> Counter[str]:
        """Return how many windows of each rule are clean and not listed: in those with `gaps` records are missing."""
        missing = list(gaps)
        clean = Counter(
            {
                rule: sum(not any(g.between(a, b) for g in missing) for a, b in zip(opens, closes, strict=True))
                for rule, (opens, closes) in self._unlisted.items()
            }
        )
        if not missing:  # one mark of lost records may stand for any number of requests
            clean.update({c.rule.id: c.begun for c in self._clauses if isinstance(c, LongWaits)})
        return clean
