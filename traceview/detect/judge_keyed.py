"""From a window of a node, a context, a device ... to a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from traceview.detect.judge import DISORDER, UNBOUNDED, Known, doubt_of_order, other_release, words_of
from traceview.detect.keyed_state import KeyedWindow
from traceview.detect.needs import lacking
from traceview.events import NO_TIME, Gap
from traceview.findings import Evidence, Happening, Request, Verdict, Window
from traceview.rules import Template
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning

__all__ = ["NO_TIMES", "KeyedJudge"]

_NEVER = 1 << 62
NO_TIMES = "the trace does not tell when its records were written"
_ONE_THREAD = "the trace does not tell threads apart"


class KeyedJudge:
    """Judges the windows of one trace whose subject is a pointer.

    `last_ns` is the time of its last record; `tells_threads` whether its records name more than one thread.
    `passed_over` says, for each rule, why windows of it were not judged: of rules that need not be.
    """

    def __init__(self, known: Known, last_ns: int, *, tells_threads: bool) -> None:
        self._known = known
        self._last_ns = last_ns
        self._tells_threads = tells_threads
        self.passed_over: dict[str, str] = {}
        self._passed_over: dict[tuple[str, Evidence], str] = {}
        self._untraced: dict[int, str] = {}
        """By the id() of a clause, what of its windows was not traced."""
        self._reached = any(meaning is Meaning.REACH for meaning, _ in known.seen)

    def judge_all(
        self, windows: Iterable[KeyedWindow], unlisted: Mapping[tuple[str, Evidence], int]
    ) -> tuple[list[Window], Counter[str]]:
        """Return the windows with their verdicts, and how many of each rule are clean and not listed.

        Stand-ins are not asked of a rule that had windows of its own. `unlisted` are those of both kinds.
        """
        judged = [found for w in windows if (found := self.judge(w)) is not None]
        exactly = {w.rule for w in judged if w.evidence is Evidence.EXACT}
        exactly |= {rule for (rule, evidence), count in unlisted.items() if evidence is Evidence.EXACT and count}
        clean: Counter[str] = Counter()
        for (rule, evidence), count in unlisted.items():
            clean[rule] += count if evidence is Evidence.EXACT or rule not in exactly else 0
        for (rule, evidence), reason in self._passed_over.items():
            if evidence is Evidence.EXACT or rule not in exactly:
                self.passed_over[rule] = reason
        return [w for w in judged if w.evidence is Evidence.EXACT or w.rule not in exactly], +clean

    def judge(self, window: KeyedWindow) -> Window | None:
        """Return the window with its verdict, or None for one that there is nothing to say of.

        That is one that the trace could not judge, of a rule that need not, and one that was closed in time.
        """
        rule, blind = window.rule, self._blind(window)
        if blind and window.close is None and not rule.must_judge:
            self._pass_over(window, blind)  # there may be thousands of requests in it
            return None
        never_closed = rule.template is Template.NEVER_CLOSED
        sure_until = self._first_gap(window)
        kept = [window.requests]
        if not self._reached:
            kept.append(window.submitted)
        requests = [r for k in kept for r in k.items if self._is_guest(r) and r.mark.record < sure_until]
        requests = [self._named(r, window) for r in sorted(requests, key=lambda r: r.mark.record)]
        happened = self._lasting(window) if never_closed else window.happened.items
        happened = [self._timed(h, window) for h in happened if h.mark.record < sure_until]
        more = window.happened.more + sum(k.more for k in kept)
        if more and not (requests or happened):
            blind = "what stands in it is too much to be kept"
        verdict, reason = self._verdict(window, blind, broken=bool(requests or happened))
        if verdict is not Verdict.VIOLATED and blind and not rule.must_judge:
            self._pass_over(window, blind)
            return None
        if never_closed and verdict is not Verdict.VIOLATED and not blind and window.close is not None:
            return None  # closed in time, as millions are
        if never_closed and verdict is Verdict.CLEAN:
            verdict, reason = Verdict.INCONCLUSIVE, "still open at the end of the trace"
        job, node = (window.key if rule.subject == kind else 0 for kind in ("job", "node"))
        return Window(
            rule=rule.id, evidence=window.clause.evidence, verdict=verdict, reason=reason, job=job, job_kind="",
            node=node, target=0, pivoted=False, open=window.open, close=window.close, shape=None, shape_reason="",
            requests=requests, subject=rule.subject, key=window.key, happenings=happened, more=more,
            severities=rule.severities, about=window.clause.about, opening=words_of(window.clause.open),
            closing=words_of(window.clause.close), device_kind=self._known.device_kind(requests),
        )  # fmt: skip

    def _pass_over(self, window: KeyedWindow, blind: str) -> None:
        self._passed_over[window.rule.id, window.clause.evidence] = f"windows of it are not judged: {blind}"

    def _blind(self, window: KeyedWindow) -> str:
        """Say what of the window the trace cannot show, or nothing."""
        known, clause = self._known, window.clause
        if not clause.holds_in(known.namer.releases):
            return other_release(clause)
        if known.lossy:
            return known.lossy
        untraced = self._untraced.get(id(clause))
        if untraced is None:
            missing = [known.namer.names(n, clause.evidence) for n in lacking(clause.needs, known.seen)]
            untraced = f"not traced: {', '.join(' or '.join(names) for names in missing)}" if missing else ""
            self._untraced[id(clause)] = untraced
        if untraced:
            return untraced
        if clause.executor is not None and self._untold(window):
            return (
                _ONE_THREAD if clause.executor.role == "thread" else "the trace does not tell in which context it ran"
            )
        if window.rule.template is Template.NEVER_CLOSED and NO_TIME in (window.open.ts_ns, self._end_ns(window)):
            return NO_TIMES
        return ""

    def _end_ns(self, window: KeyedWindow) -> int:
        return window.close.ts_ns if window.close is not None else self._last_ns

    def _untold(self, window: KeyedWindow) -> int:
        """Return how many records had to be in a thread or context that the trace does not tell."""
        executor = window.clause.executor
        one_thread = executor is not None and executor.role == "thread" and executor.same and not self._tells_threads
        return window.ran if one_thread else window.untold

    def _verdict(self, window: KeyedWindow, blind: str, *, broken: bool) -> tuple[Verdict, str]:
        # What is forbidden and stands between two edges is seen, whatever else the trace lacks.
        if broken and not (blind and window.close is None):
            return Verdict.VIOLATED, ""
        if blind:
            return Verdict.INCONCLUSIVE, blind
        gap = self._gap(window)
        if gap is not None:
            return Verdict.INCONCLUSIVE, f"records are missing inside it ({gap.text})"
        if window.close is None and not window.clause.open_ended:
            return Verdict.INCONCLUSIVE, "still open at the end of the trace"
        if window.held:
            return Verdict.GUARDED, f"{window.held} held back"
        return Verdict.CLEAN, "" if window.close is not None else "up to the end of the trace"

    def _lasting(self, window: KeyedWindow) -> list[Happening]:
        """Return the opening of a window that stayed open too long, if it did, and starved what it may not."""
        opened, limit = window.open, window.clause.lasts_ns
        last_ns = self._end_ns(window)
        if NO_TIME in (opened.ts_ns, last_ns) or last_ns - opened.ts_ns < limit:
            return []
        if window.clause.starved and max(window.starved_ns, last_ns - window.progress_ns) < limit:
            return []
        # Among records that are missing may be its closing.
        return [] if self._gap(window) is not None else [Happening(opened, opened.event)]

    def _gap(self, window: KeyedWindow) -> Gap | None:
        """Return the first gap between the window's opening and its closing, or the end of the trace."""
        end = window.close.record if window.close is not None else _NEVER
        return self._known.gap_between(window.open.record, end)

    def _first_gap(self, window: KeyedWindow) -> int:
        """Return the first record that may stand behind a closing that is missing; one that none reaches for none."""
        gap = self._gap(window)
        return gap.first if gap is not None else _NEVER

    def _is_guest(self, request: Request) -> bool:
        return self._known.devices.is_guest(request.blk, self._known.names.blks.get(request.blk))

    def _named(self, request: Request, window: KeyedWindow) -> Request:
        device = self._known.names.device(request.blk)
        return replace(request, device=device, doubt=self._doubt(request.mark, window))

    def _timed(self, happening: Happening, window: KeyedWindow) -> Happening:
        return replace(happening, doubt=happening.doubt or self._doubt(happening.mark, window))

    def _doubt(self, mark: Mark, window: KeyedWindow) -> str:
        if window.clause.executor is not None and window.clause.executor.role == "thread" and not self._tells_threads:
            return _ONE_THREAD
        if window.close is None and not (window.clause.open_ended or window.rule.template is Template.NEVER_CLOSED):
            return UNBOUNDED
        if window.close is not None and self._known.disordered(window.open.record, window.close.record):
            return DISORDER
        return doubt_of_order(mark, (window.open, window.close), self._known.resolution_ns)
