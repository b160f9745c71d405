"""What a trace cannot tell: rules without a window to judge, jobs whose end was not traced, and what to enable."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from traceview.detect.needs import Namer, Seen, lacking, nearest_clause
from traceview.findings import RuleCoverage, Unjudged
from traceview.rules import FINAL_DRAIN_RULE, Rule, RuleSet
from traceview.timeline.jobs import Job
from traceview.vocabulary import Meaning

__all__ = ["Jobs", "cover", "find_unjudged"]

_STOCK_END = (Meaning.JOB_COMPLETED, Meaning.ROOT_ATTACH, Meaning.JOB_STATE, Meaning.JOB_ENDED)
_EXACT_END = (Meaning.JOB_DEFERRED, Meaning.JOB_EXIT)


class Jobs:
    """The jobs of a trace: those that have ended (or were followed by another of that name), and those that run on."""

    def __init__(self, ended: list[Job], running: list[Job]) -> None:
        self.ended = ended
        self.running = running


def cover(
    namer: Namer, rules: RuleSet, windows: Mapping[str, tuple[int, int]], passed_over: Mapping[str, str],
    told_elsewhere: Collection[str], seen: Seen,
) -> list[RuleCoverage]:  # fmt: skip
    """Return what each rule came to.

    `windows` has how many it had, and how many of them are not listed; `passed_over` says why some could not be judged,
    `told_elsewhere` has the rules of which another one told what their windows have.
    """
    covered = []
    for rule in rules:
        count, unlisted = windows.get(rule.id, (0, 0))
        reason = passed_over.get(rule.id, "")
        fell_short = bool(reason)
        events: tuple[tuple[str, ...], ...] = ()
        if not count:
            events = _untraced(namer, rule, seen)
            fell_short |= bool(events)
            nothing = (
                "another rule tells what its windows have"
                if rule.id in told_elsewhere
                else "no window of it was opened"
            )
            reason = "not traced" if events else reason or nothing
        covered.append(RuleCoverage(rule.id, count, unlisted, reason, events, rule.must_judge, fell_short))
    return covered


def _untraced(namer: Namer, rule: Rule, seen: Seen) -> tuple[tuple[str, ...], ...]:
    """Return what a rule needs and a trace does not have, each need as the events any of which meets it."""
    clause = nearest_clause(rule.windows, seen)
    return tuple(namer.names(n, clause.evidence) for n in lacking(clause.needs, seen))


def find_unjudged(
    namer: Namer, rules: Iterable[Rule], jobs: Jobs, judged: Mapping[str, set[int]], seen: Seen
) -> list[Unjudged]:
    """Return what could not be judged by rules that must; `judged` has the jobs of each rule's windows, by id()."""
    result = []
    meanings = {m for m, _ in seen}
    stock = bool(meanings & set(_STOCK_END)) and not meanings & set(_EXACT_END)
    for rule in (r for r in rules if r.must_judge):
        told_by_another = stock or any(judged.get(other) for other in rule.yields_to)
        if rule.yields_to and told_by_another and not meanings & set(_EXACT_END):
            continue  # what bounds its windows is not told apart there: they are part of the other rule's
        reason = _reason(rule, jobs, judged.get(rule.id, set()), meanings)
        if reason:
            clause = nearest_clause(rule.windows, seen)
            missing = lacking(clause.needs, seen)
            result.append(Unjudged(rule.id, reason, tuple(namer.names(n, clause.evidence) for n in missing)))
    return result


def _reason(rule: Rule, jobs: Jobs, judged: set[int], meanings: set[Meaning]) -> str:
    if not rule.of_jobs:
        return "" if judged else "no window of it was opened: its events were not traced, or nothing came to it"
    if not judged and not jobs.ended and not jobs.running:
        return "no mirror job is seen: none ran, or its events were not traced"
    missed = [j for j in jobs.ended if id(j) not in judged and _should_have_window(rule, j)]
    if missed:
        return f"{_jobs(len(missed))} ended, but the events that bound the window were not traced"
    if not judged and rule.id != FINAL_DRAIN_RULE and jobs.running and not jobs.ended:
        return f"{_jobs(len(jobs.running))} had not reached the end when the trace ended"
    if not judged and rule.id == FINAL_DRAIN_RULE and Meaning.JOB_LOOK not in meanings:
        return "no job is seen to look at its dirty bitmap"
    return ""


def _jobs(count: int) -> str:
    return "1 mirror job" if count == 1 else f"{count} mirror jobs"


def _should_have_window(rule: Rule, job: Job) -> bool:
    """Say whether a job that left no window of the rule must have passed one."""
    if job.ret not in (None, 0) and job.deferred is None:
        return False  # it failed or was cancelled before its end: nothing was switched
    if rule.id == FINAL_DRAIN_RULE and job.deferred is not None:
        # A last look that found dirty chunks is followed by a cancelled end, which switches nothing.
        return job.looks == 0 or bool(job.pivoted and job.last_look is None)
    return True
