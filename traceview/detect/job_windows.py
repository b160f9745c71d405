"""Windows of jobs: each rule's opening and closing, matched against what a job does, record by record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from traceview.detect.matching import row_matches
from traceview.detect.needs import Seen, lacking
from traceview.rules import Again, Evidence, Pattern, Rule, WindowClause
from traceview.timeline.jobs import Job, Step
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, Row

__all__ = ["JobWindow", "JobWindows"]

_POINTS: dict[str, Callable[[Job], Mark | None]] = {
    "job_running": lambda job: job.running,
    "job_working": lambda job: job.working,
    "job_drained": lambda job: job.drained,
    "job_left": lambda job: job.left_coroutine,
    "job_switched": lambda job: job.switched,
    "job_moved_on": lambda job: job.moved_on,
}
"""Where the timeline says that a job passed a point, by the word for it."""


@dataclass(frozen=True, slots=True)
class JobWindow:
    """A window of a job: not seen to open where `open` is None; with `ended` it does not close, but the job is gone."""

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
    points: dict[str, Mark] = field(default_factory=dict)
    """Where the job passed its points, as far as was known after the last record."""


class JobWindows:
    """Follows the windows of jobs for the rules whose subject is a job.

    Of one rule's clauses, those of exact evidence come first: where a job was seen to open or close such a window,
    stand-ins are not asked. Of the stand-ins the first to close counts. A job has one window a rule. `seen` is what has
    occurred in the trace so far, and goes on growing.
    """

    def __init__(self, rules: Iterable[Rule], seen: Seen) -> None:
        self._clauses = [(rule, clause) for rule in rules for clause in rule.windows]
        self._seen = seen
        self._by_meaning: dict[Meaning, list[int]] = {}
        self._by_point: dict[str, list[int]] = {}
        """The clauses that a record of a meaning, or a point that a job passes, can open, close and the like."""
        for i, (_, clause) in enumerate(self._clauses):
            for p in (*clause.cancel, *clause.after, *clause.confirm, *clause.open, *clause.close):
                if p.word.point:
                    self._by_point.setdefault(p.word.name, []).append(i)
                for meaning in () if p.word.point else p.word.meanings:
                    self._by_meaning.setdefault(meaning, []).append(i)
        self._stand_ins = {
            rule.id: {p.word.name for c in rule.windows if c.evidence is Evidence.PROXY for p in (*c.open, *c.close)}
            for rule, _ in self._clauses
        }
        """The words by which stand-ins bound the windows of each rule."""
        self._exactly: set[str] = set()
        """The rules of which some job's window was bounded by exact evidence."""
        self._states: dict[int, tuple[Job, _JobState]] = {}

    @property
    def rules(self) -> list[Rule]:
        """The rules that are followed, in their order."""
        return list({rule.id: rule for rule, _ in self._clauses}.values())

    def retain_from(self) -> int | None:
        """Return the first record that a window of a running job may need, or None."""
        needed = [
            state.opened.record
            for job, known in self._states.values()
            if not job.left
            for state, (rule, _) in zip(known.states, self._clauses, strict=True)
            if state.opened is not None and rule.id not in known.taken
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
                yield from self._end(job)  # it was gone before this record
        for job in touched.values():
            yield from self._step(job, row, own=job is subject)
        for key, job in finished.items():
            if key in touched:
                yield from self._end(job)

    def finish(self, running: Iterable[Job]) -> Iterator[JobWindow]:
        """Yield the windows of running jobs that are open when the trace ends."""
        for job in running:
            if job.left:
                continue
            state = self._state(job)
            for i in self._open_clauses(job, state):
                rule, clause = self._clauses[i]
                yield JobWindow(rule, clause, job, state.states[i].opened, None, state.states[i].confirmed)
                state.taken.add(rule.id)

    def _state(self, job: Job) -> _JobState:
        known = self._states.get(id(job))
        if known is None:
            known = self._states[id(job)] = job, _JobState([_State() for _ in self._clauses])
        return known[1]

    def _step(self, job: Job, row: Row, *, own: bool) -> Iterator[JobWindow]:
        """Advance a job by a record; `own` if the record is about it and not only a point of it."""
        job_state = self._state(job)
        known = {name: point for name, at in _POINTS.items() if (point := at(job)) is not None}
        points = {name: point for name, point in known.items() if job_state.points.get(name) is not point}
        undone = not (job_state.points.keys() <= known.keys())
        job_state.points = known
        asked = set(self._by_meaning.get(row.meaning, ())) if own else set()
        asked.update(*(self._by_point.get(name, ()) for name in points))
        if not (asked or undone):
            return
        mark = Mark.of(row)

        def fits(patterns: Iterable[Pattern]) -> Mark | None:
            """Return where one of the patterns fits, which may have been before this record tells of it, or None."""
            for p in patterns:
                if p.word.name in points:
                    return points[p.word.name]
                if own and not p.word.point and row.meaning in p.word.meanings and row_matches(row, p):
                    return mark
            return None

        closing = {}
        for i in sorted(asked):
            _, clause = self._clauses[i]
            state = job_state.states[i]
            if fits(clause.cancel):
                state.after, state.opened = False, None
            if fits(clause.after):
                state.after = True
            if fits(clause.confirm):
                state.confirmed = True
            opens = fits(clause.open)
            if opens and (state.after or not clause.after):
                self._see(i, state, clause.open)
                if state.opened is None or clause.again is Again.RESTARTS:
                    state.opened = opens
            closes = fits(clause.close)
            if closes:
                self._see(i, state, clause.close)
                closing[i] = closes
        # What undoes a point, or moves it, undoes the window that it opened.
        for i, (_, clause) in enumerate(self._clauses) if undone or points else ():
            state = job_state.states[i]
            if state.opened is not None and all(p.word.point for p in clause.open):
                still = [at for p in clause.open if (at := _POINTS[p.word.name](job)) is not None]
                state.opened = still[0] if still else None
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

    def _open_clauses(self, job: Job, state: _JobState, *, gone: bool = False) -> Iterator[int]:
        """Yield, for each rule, the clause by which a window stands open: the one of which the trace lacks least."""
        standing: dict[str, list[int]] = {}
        for i, (rule, clause) in enumerate(self._clauses):
            passed_over = clause.tentative or (clause.evidence is Evidence.PROXY and self._is_exact(rule))
            if state.states[i].opened is not None and not passed_over:
                standing.setdefault(rule.id, []).append(i)
        for places in standing.values():
            best = min(places, key=lambda i: len(lacking(self._clauses[i][1].needs, self._seen)))
            rule, clause = self._clauses[best]
            failed = gone and clause.confirm and not (state.states[best].confirmed and job.ret == 0)
            if self._may_take(rule, best, state) and not failed:
                yield best

    def _is_exact(self, rule: Rule) -> bool:
        """Say whether the trace is of a build that would show a window of the rule itself."""
        forbidden = {m for c in rule.windows if c.evidence is Evidence.EXACT for p in c.forbid for m in p.word.meanings}
        return rule.id in self._exactly or any(meaning in forbidden for meaning, _ in self._seen)

    def _end(self, job: Job) -> Iterator[JobWindow]:
        state = self._state(job)
        for i in [] if job.left else list(self._open_clauses(job, state, gone=True)):
            rule, clause = self._clauses[i]
            yield JobWindow(rule, clause, job, state.states[i].opened, None, state.states[i].confirmed, ended=True)
        self._states.pop(id(job), None)
