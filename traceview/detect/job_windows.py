"""Windows of jobs: each rule's opening and closing, matched against what a job does, record by record."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from traceview.detect.matching import row_matches
from traceview.detect.needs import Seen, lacking
from traceview.rules import Again, Evidence, Pattern, Rule, WindowClause
from traceview.timeline.jobs import Job, Step
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, Row

__all__ = ["MOST_WINDOWS", "JobWindow", "JobWindows"]

MOST_WINDOWS = 20_000
"""Windows of one rule that are held to be judged; more are counted, and not judged."""

_POINTS = {
    "job_running": "running",
    "job_working": "working",
    "job_drained": "drained",
    "job_left": "left_coroutine",
    "job_switched": "switched",
    "job_moved_on": "moved_on",
}
"""By the word for a point that a job passes, where the timeline keeps it."""
_points_of: Callable[[Job], tuple[Mark | None, ...]] = attrgetter(*_POINTS.values())
_CANCEL, _AFTER, _CONFIRM, _OPEN, _CLOSE = range(5)
_Use = tuple[int, int]
"""A clause, and which of its edges something is."""


@dataclass(frozen=True, slots=True)
class JobWindow:
    """A window of a job: not seen to open where `open` is None; with `ended` it does not close, but the job is gone.

    Of those that do not close a rule's `chosen` one counts: which that is, all of the trace tells.
    """

    rule: Rule
    clause: WindowClause
    job: Job
    open: Mark | None
    close: Mark | None
    confirmed: bool
    ended: bool = False


@dataclass(slots=True)
class _State:
    """How far one job has come on the way that one clause describes."""

    after: bool = False
    opened: Mark | None = None
    seen: bool = False
    confirmed: bool = False


@dataclass(slots=True)
class _JobState:
    """One job on its way through all clauses; `taken` are the rules that have had their window of it."""

    states: list[_State]
    taken: set[str] = field(default_factory=set)
    points: tuple[Mark | None, ...] = (None,) * len(_POINTS)
    """Where the job passed its points, as far as was known after the last record."""


class JobWindows:
    """Follows the windows of jobs for the rules whose subject is a job.

    Of one rule's clauses, those of exact evidence come first: where a job was seen to open or close such a window,
    stand-ins are not asked. Of the stand-ins the first to close counts. A job has one window a rule.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._clauses = [(rule, clause) for rule in rules for clause in rule.windows]
        self._by_meaning: dict[Meaning, list[tuple[Pattern, list[_Use]]]] = {}
        """What records of a meaning can open, close and the like: each pattern once, with all clauses that have it."""
        self._by_point: dict[str, list[_Use]] = {}
        for i, (_, clause) in enumerate(self._clauses):
            for kind, patterns in enumerate((clause.cancel, clause.after, clause.confirm, clause.open, clause.close)):
                for p in patterns:
                    if p.word.point:
                        self._by_point.setdefault(p.word.name, []).append((i, kind))
                    for meaning in () if p.word.point else p.word.meanings:
                        self._note_use(meaning, p, (i, kind))
        self._stand_ins = {
            rule.id: {p.word.name for c in rule.windows if c.evidence is Evidence.PROXY for p in (*c.open, *c.close)}
            for rule, _ in self._clauses
        }
        """The words by which stand-ins bound the windows of each rule."""
        self._exactly: set[str] = set()
        """The rules of which some job's window was bounded by exact evidence."""
        self._states: dict[int, tuple[Job, _JobState]] = {}
        self._told: Counter[str] = Counter()

    def _note_use(self, meaning: Meaning, pattern: Pattern, use: _Use) -> None:
        known = self._by_meaning.setdefault(meaning, [])
        for other, uses in known:
            if (other.word, other.conditions) == (pattern.word, pattern.conditions):
                uses.append(use)
                return
        known.append((pattern, [use]))

    @property
    def meanings(self) -> frozenset[Meaning]:
        """What bounds the windows, of jobs or of anything."""
        return frozenset(self._by_meaning)

    @property
    def every_look(self) -> bool:
        """Whether each look at the bitmap and each copy may count, and not only what a row of them comes to."""
        return not all(_goes_by_the_last_look(clause) for _, clause in self._clauses)

    @property
    def rules(self) -> list[Rule]:
        """The rules that are followed, in their order."""
        return list({rule.id: rule for rule, _ in self._clauses}.values())

    def retain_from(self) -> int | None:
        """Return the first record that a window of a running job may need, or None."""
        needed = [
            state.opened.record
            for job, known in self._states.values()
            for state, (rule, _) in zip(known.states, self._clauses, strict=True)
            if state.opened is not None and rule.id not in known.taken and not _is_behind(job, state.opened)
        ]
        return min(needed, default=None)

    def feed(self, row: Row, subject: Job | None, steps: Iterable[tuple[Step, Job]]) -> Iterator[JobWindow]:
        """Take a record that the job tracker has taken: the job it was about, and the steps it led to."""
        finished = {id(job): job for step, job in steps if step is Step.FINISHED}
        touched = {id(job): job for step, job in steps if step is not Step.FINISHED}
        if subject is not None:
            touched[id(subject)] = subject
        for key, job in finished.items():
            if key not in touched:
                yield from filter(self._has_room, self._end(job))  # it was gone before this record
        for job in touched.values():
            yield from filter(self._has_room, self._step(job, row, own=job is subject))
        for key, job in finished.items():
            if key in touched:
                yield from filter(self._has_room, self._end(job))

    def finish(self, running: Iterable[Job]) -> Iterator[JobWindow]:
        """Yield the windows of running jobs that are open when the trace ends."""
        for job in running:
            yield from filter(self._has_room, self._standing(job, self._state(job), gone=False))

    def _has_room(self, window: JobWindow) -> bool:
        """Count a window; say whether it is one of those that are told."""
        self._told[window.rule.id] += 1
        return self._told[window.rule.id] <= MOST_WINDOWS

    def too_many(self) -> dict[str, str]:
        """Return the rules of which there were more windows than are told, each with what that means."""
        return {
            rule: f"{count - MOST_WINDOWS} of its windows are not judged: more than {MOST_WINDOWS}"
            for rule, count in self._told.items()
            if count > MOST_WINDOWS
        }

    def _state(self, job: Job) -> _JobState:
        known = self._states.get(id(job))
        if known is None:
            known = self._states[id(job)] = job, _JobState([_State() for _ in self._clauses])
        return known[1]

    def _step(self, job: Job, row: Row, *, own: bool) -> Iterator[JobWindow]:
        """Advance a job by a record; `own` if the record is about it and not only a point of it."""
        job_state = self._state(job)
        before, job_state.points = job_state.points, _points_of(job)
        passed: dict[int, dict[int, Mark]] = {}
        """By clause, which of its edges are passed, and where: a point maybe before this record, which tells it."""
        if own:
            hits = [uses for p, uses in self._by_meaning.get(row.meaning, ()) if row_matches(row, p)]
            if hits:
                mark = Mark.of(row)
                for i, kind in itertools.chain(*hits):
                    passed.setdefault(i, {})[kind] = mark
        moved = job_state.points != before
        for name, point, old in zip(_POINTS, job_state.points, before, strict=True) if moved else ():
            if point is not None and point is not old:
                for i, kind in self._by_point.get(name, ()):
                    edges = passed.setdefault(i, {})
                    edges[kind] = min(point, edges.get(kind, point), key=_record)
        if not (passed or moved):
            return
        closing = {}
        for i in sorted(passed):
            _, clause = self._clauses[i]
            state, edges = job_state.states[i], passed[i]
            if _CANCEL in edges:
                state.after, state.opened = False, None
            if _AFTER in edges:
                state.after = True
            if _CONFIRM in edges:
                state.confirmed = True
            opens, closes = edges.get(_OPEN), edges.get(_CLOSE)
            if opens and not (state.after or not clause.after):
                opens = None
            # What closes a window and opens one closes first; what only opens one, and would close it too, opens it.
            if opens and closes and opens.record >= closes.record:
                opens, closes = (None, closes) if state.opened is not None else (opens, None)
            if opens:
                self._see(i, state, clause.open)
                if state.opened is None or clause.again is Again.RESTARTS:
                    state.opened = opens
            if closes:
                self._see(i, state, clause.close)
                closing[i] = closes
        # What undoes a point, or moves it, undoes the window that it opened.
        for i, (_, clause) in enumerate(self._clauses) if moved else ():
            state = job_state.states[i]
            if state.opened is not None and all(p.word.point for p in clause.open):
                still = [at for p in clause.open if (at := getattr(job, _POINTS[p.word.name])) is not None]
                state.opened = min(still, key=_record, default=None)
        if closing:
            yield from self._close(job, job_state, closing)

    def _see(self, index: int, state: _State, edge: Iterable[Pattern]) -> None:
        """Note that a window of a clause was seen to open or close, by a word that stand-ins do not share."""
        rule, clause = self._clauses[index]
        if clause.evidence is Evidence.EXACT and any(p.word.name not in self._stand_ins[rule.id] for p in edge):
            state.seen = True
            self._exactly.add(rule.id)

    def _close(self, job: Job, state: _JobState, closing: Mapping[int, Mark]) -> Iterator[JobWindow]:
        for rule in {self._clauses[i][0].id: self._clauses[i][0] for i in closing}.values():
            chosen = [i for i in closing if self._clauses[i][0] is rule and self._may_take(rule, i, state)]
            opened = [i for i in chosen if state.states[i].opened is not None]
            # One that is not known to have opened is told all the same, unless it may well not have been.
            unopened = [
                i for i in chosen if not self._clauses[i][1].tentative and not (self._clauses[i][1].confirm and job.ret)
            ]
            for i in (opened or unopened)[:1]:
                clause = self._clauses[i][1]
                yield JobWindow(rule, clause, job, state.states[i].opened, closing[i], state.states[i].confirmed)
                state.taken.add(rule.id)

    def _may_take(self, rule: Rule, index: int, state: _JobState) -> bool:
        if rule.id in state.taken:
            return False
        if self._clauses[index][1].evidence is Evidence.EXACT:
            return True
        return not any(
            r is rule and c.evidence is Evidence.EXACT and state.states[i].seen
            for i, (r, c) in enumerate(self._clauses)
        )

    def _standing(self, job: Job, state: _JobState, *, gone: bool) -> Iterator[JobWindow]:
        """Yield the windows of a job that stand open when it is gone, or the trace ends."""
        for i, (rule, clause) in enumerate(self._clauses):
            opened, confirmed = state.states[i].opened, state.states[i].confirmed
            failed = gone and clause.confirm and not (confirmed and job.ret == 0)
            if opened is None or clause.tentative or failed or _is_behind(job, opened):
                continue
            if self._may_take(rule, i, state):
                yield JobWindow(rule, clause, job, opened, None, confirmed, ended=gone)

    def chosen(self, standing: Iterable[JobWindow], seen: Seen) -> list[JobWindow]:
        """Return, of windows that do not close, one for each job and rule: that of which the trace lacks least.

        `seen` is what occurred in all of the trace. Where it is of a build that would show a window of the rule itself,
        stand-ins are not asked.
        """
        best: dict[tuple[int, str], JobWindow] = {}
        for window in standing:
            if window.clause.evidence is Evidence.PROXY and self._is_exact(window.rule, seen):
                continue
            key = id(window.job), window.rule.id
            other = best.get(key)
            if other is None or len(lacking(window.clause.needs, seen)) < len(lacking(other.clause.needs, seen)):
                best[key] = window
        return list(best.values())

    def _is_exact(self, rule: Rule, seen: Seen) -> bool:
        forbidden = {m for c in rule.windows if c.evidence is Evidence.EXACT for p in c.forbid for m in p.word.meanings}
        return rule.id in self._exactly or any(meaning in forbidden for meaning, _ in seen)

    def _end(self, job: Job) -> Iterator[JobWindow]:
        yield from self._standing(job, self._state(job), gone=True)
        self._states.pop(id(job), None)


def _record(mark: Mark) -> int:
    return mark.record


def _is_behind(job: Job, opened: Mark) -> bool:
    """Say whether a job has left what it came to before its exit or its switch, where a window of it opened."""
    left = job.exit or job.switched or job.moved_on
    return left is not None and opened.record < left.record


def _goes_by_the_last_look(clause: WindowClause) -> bool:
    """Say whether, of looks and copies in a row, the last look and what follows it tell all: as an opening, at least.

    It opens with any look that finds the bitmap clean, and is cancelled by any that does not, or by any copying.
    """

    def asks(patterns: Iterable[Pattern]) -> list[tuple[str, ...]]:
        copying = (Meaning.JOB_LOOK, Meaning.JOB_ACTIVITY)
        found = [p for p in patterns if not p.word.point and not set(copying).isdisjoint(p.word.meanings)]
        return [(p.word.name, *map(str, p.conditions)) for p in found]

    return (
        not asks((*clause.after, *clause.confirm, *clause.close))
        and set(asks(clause.open)) <= {("job_look", "count = 0")}
        and (not asks(clause.open) or clause.again is Again.RESTARTS)
        and set(asks(clause.cancel)) <= {("job_look", "count != 0"), ("job_activity",)}
    )
