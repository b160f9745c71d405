"""All windows whose subject is a pointer: one pass over the tables for all clauses of all rules."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np

from traceview.detect.buffer import RowBuffer
from traceview.detect.inside import Surroundings
from traceview.detect.job_windows import MOST_WINDOWS
from traceview.detect.keyed import KeyedClause
from traceview.detect.keyed_state import KeyedWindow
from traceview.detect.needs import Seen, lacking
from traceview.detect.waits import MOST_WAITING, LongWaits
from traceview.events import MANY, NO_TIME, Gap, Int64Array
from traceview.releases import ReleaseRange
from traceview.rules import Evidence, Rule, Template, WindowClause
from traceview.timeline.job_nodes import JobNodes
from traceview.timeline.running import RunningContexts
from traceview.vocabulary import MeaningTable

__all__ = ["MOST_LISTED", "KeyedWindows"]

MOST_LISTED = 1_000
"""Windows of one rule in which nothing happened that are listed one by one; more are counted."""


class KeyedWindows:
    """Feed it the tables of one trace, in order. `windows` are those to be judged."""

    def __init__(self, rules: Iterable[Rule], buffer: RowBuffer) -> None:
        self._known = Surroundings()
        self._asks_contexts = False
        self._clauses: list[KeyedClause | LongWaits] = []
        for rule in rules:
            if not rule.of_jobs:
                for clause in rule.windows:
                    self._asks_contexts |= clause.asks_contexts
                    self._clauses.append(
                        LongWaits(rule, clause, self._known)
                        if clause.is_wait
                        else KeyedClause(rule, clause, buffer, self._known)
                    )
        self.windows: list[KeyedWindow] = []
        self._quiet: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._unlisted: dict[int, tuple[WindowClause, str, array[int], array[int]]] = {}
        """By the id() of a clause: it and its rule, where windows that are not listed opened, and where they closed."""
        self.last_ns = NO_TIME

    def feed(self, table: MeaningTable) -> None:
        """Take the next table."""
        if not self._clauses:
            return
        present = frozenset(np.flatnonzero(np.bincount(table.meaning)).tolist())
        for clause in self._clauses:
            for window in clause.feed(table, present):
                self._close(window)
        if present & JobNodes.MEANINGS:
            self._known.job_nodes.note(table)
        if self._asks_contexts and present & RunningContexts.MEANINGS:
            self._known.running.note(table)
        told = table.batch.ts_ns[table.batch.ts_ns != NO_TIME]
        if len(told):
            self.last_ns = max(self.last_ns, int(told.max()))

    def finish(self) -> None:
        """Take what is open when the trace ends."""
        for clause in self._clauses:
            for window in clause.finish():
                if not window.clause.tentative:
                    self._hold(window)

    def _close(self, window: KeyedWindow) -> None:
        rule = window.rule
        assert window.close is not None
        clause = window.clause
        quiet = not (window.broken or window.held or window.ran)
        in_time = False
        if rule.template is Template.NEVER_CLOSED:
            lasted = window.close.since_ns(window.open)
            in_time = lasted is not None and lasted < clause.lasts_ns
            if lasted is None and self._quiet[rule.id] >= MOST_LISTED:
                return  # one more of which nothing is known
        if quiet and (in_time or self._quiet[rule.id] >= MOST_LISTED):
            _, _, opens, closes = self._unlisted.setdefault(id(clause), (clause, rule.id, array("q"), array("q")))
            opens.append(window.open.record)
            closes.append(window.close.record)
            return
        self._quiet[rule.id] += not window.broken
        self._hold(window)

    def _hold(self, window: KeyedWindow) -> None:
        rule = window.rule.id
        if self._held[rule] < MOST_WINDOWS:
            self._held[rule] += 1
            self.windows.append(window)
        else:
            self._left_out[rule] += 1

    def too_many(self) -> dict[str, str]:
        """Return the rules of which there were more windows than are held, each with what that means."""
        told = {
            rule: f"{count} of its windows are not judged: more than {MOST_WINDOWS}"
            for rule, count in self._left_out.items()
        }
        for waits in self._clauses:
            if isinstance(waits, LongWaits) and waits.left_out:
                told[waits.rule.id] = (
                    f"{waits.left_out} of its windows are not judged: more than {MOST_WAITING} stood open at once"
                )
        return told

    def untimed(self) -> set[str]:
        """Return the rules of which windows are not listed as the trace does not tell when they opened or closed."""
        return {w.rule.id for w in self._clauses if isinstance(w, LongWaits) and w.untimed}

    def unlisted(
        self, gaps: Iterable[Gap], seen: Seen, releases: ReleaseRange | None = None
    ) -> Counter[tuple[str, Evidence]]:
        """Return how many windows of each rule are clean and not listed, by what they are bounded.

        Those with `gaps` inside are not, nor those that could not have been broken by what was `seen` in the trace, or
        of whose rule nothing is known in its `releases`.
        """
        missing = list(gaps)
        clean: Counter[tuple[str, Evidence]] = Counter()
        for clause, rule, opens, closes in self._unlisted.values():
            if not lacking(clause.needs, seen) and clause.holds_in(releases):
                clean[rule, clause.evidence] += _whole(np.array(opens), np.array(closes), missing)
        for waits in self._clauses:
            # One mark of lost records may stand for any number of requests.
            if isinstance(waits, LongWaits) and not (missing or lacking(waits.clause.needs, seen)):
                count = waits.in_time if waits.clause.holds_in(releases) else 0
                clean[waits.rule.id, waits.clause.evidence] += count
        return +clean


def _whole(opens: Int64Array, closes: Int64Array, gaps: Iterable[Gap]) -> int:
    """Return how many windows have none of the gaps inside, by the records at which they open and close."""
    whole = np.ones(len(opens), dtype=np.bool_)
    for gap in gaps:  # as Gap.between, for all windows at once
        whole &= (gap.first > closes) | ((opens >= gap.record) & (gap.cause != MANY))
    return int(np.count_nonzero(whole))
