"""Windows of jobs, before it is known what stands in them: how the tests follow them, and tell them apart."""

from __future__ import annotations

from collections.abc import Iterable

from tests.detect.ruled import Tale, rule
from traceview.detect.job_windows import JobWindow, JobWindows
from traceview.detect.needs import Seen
from traceview.rules import Rule
from traceview.timeline.jobs import JobTracker

Edges = tuple[int | None, int | None]
NOTHING_FORBIDDEN = "forbid job_is_commit(job)"
"""A breach that no story here has: what stands in windows is another module's."""


def of_job(*exact: str, proxies: Iterable[str] = (), name: str = "own-rule") -> Rule:
    made = [f"{clauses} {NOTHING_FORBIDDEN}" for clauses in exact]
    return rule(*made, proxies=[f"{c} {NOTHING_FORBIDDEN}" for c in proxies], subject="job", name=name)


def followed(tale: Tale, *rules: Rule, seen: Seen | None = None) -> list[JobWindow]:
    """Return the windows of a story's jobs in the order in which they close, those that stay open behind them."""
    tracker, of_jobs = JobTracker(), JobWindows(rules)
    table = tale.table()
    found: list[JobWindow] = []
    for row in table.rows(table.where(*JobTracker.MEANINGS)):
        steps = list(tracker.feed(row))
        found += of_jobs.feed(row, tracker.subject, steps)
    found += of_jobs.finish(list(tracker.finish()))
    chosen = of_jobs.chosen([w for w in found if w.close is None], seen or set())
    return [w for w in found if w.close is not None or w in chosen]


def edges(found: list[JobWindow]) -> list[Edges]:
    return [(w.open.line if w.open else None, w.close.line if w.close else None) for w in found]


def about(found: list[JobWindow]) -> list[str]:
    """Return the evidence of each window, and the word that it opens with."""
    return [f"{w.clause.evidence} {w.clause.open[0].word.name}" for w in found]
