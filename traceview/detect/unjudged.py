"""What a trace cannot tell: rules without a window to judge, jobs whose end was not traced, and what to enable."""

from __future__ import annotations

from collections.abc import Iterable

from traceview.detect.candidates import Candidate
from traceview.detect.needs import Seen, lacking, names_of
from traceview.findings import Evidence, Unjudged
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, Rule, builtin_rules
from traceview.timeline.jobs import Job
from traceview.vocabulary import Meaning, Vocabulary

__all__ = ["find_unjudged"]

_STOCK_END = (Meaning.JOB_COMPLETED, Meaning.ROOT_ATTACH, Meaning.JOB_STATE)


def find_unjudged(
    vocabulary: Vocabulary, jobs: list[Job], running: list[Job], candidates: Iterable[Candidate], seen: Seen
) -> list[Unjudged]:
    """Return what could not be judged.

    `jobs` have ended (or were followed by another of the same name), `running` had not when the trace ended.
    """
    judged = {rule.id: {id(c.job) for c in candidates if c.rule == rule.id} for rule in builtin_rules()}
    result = []
    for rule in builtin_rules():
        evidence = _evidence(rule, seen)
        if rule.id == FINAL_DRAIN_RULE and evidence is None:
            continue  # on stock builds the two doors are one window, reported under the exit rule
        reason = _reason(rule, jobs, running, judged[rule.id], seen)
        if reason:
            best = evidence or Evidence.EXACT
            missing = lacking(rule.needs.get(best.value, ()), seen)
            result.append(Unjudged(rule.id, reason, tuple(names_of(vocabulary, n, best) for n in missing)))
    return result


def _evidence(rule: Rule, seen: Seen) -> Evidence | None:
    """Return the evidence that the trace comes nearest to offering, or None if the rule has none of that kind."""
    meanings = {m for m, _ in seen}
    if meanings & set(_STOCK_END) and not meanings & {Meaning.JOB_DEFERRED, Meaning.JOB_EXIT}:
        return Evidence.PROXY if "proxy" in rule.needs else None
    return Evidence.EXACT


def _reason(rule: Rule, jobs: list[Job], running: list[Job], judged: set[int], seen: Seen) -> str:
    meanings = {m for m, _ in seen}
    if not judged and not jobs and not running:
        return "no mirror job is seen: none ran, or its events were not traced"
    missed = [j for j in jobs if id(j) not in judged and _should_have_window(rule, j)]
    if missed:
        return f"{_jobs(len(missed))} ended, but the events that bound the window were not traced"
    if not judged and rule.id == EXIT_RULE and running and not jobs:
        return f"{_jobs(len(running))} had not reached the end when the trace ended"
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
