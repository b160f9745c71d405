"""From a window of a node, a context, a device ... to a verdict."""

from __future__ import annotations

from dataclasses import replace

from traceview.detect.judge import Known, doubt_of_order, words_of
from traceview.detect.keyed import KeyedWindow
from traceview.detect.needs import lacking
from traceview.events import NO_TIME
from traceview.findings import Happening, Request, Verdict, Window
from traceview.rules import Template
from traceview.timeline.marks import Mark

__all__ = ["KeyedJudge"]


class KeyedJudge:
    """Judges the windows of one trace whose subject is a pointer. `last` is the time of its last record."""

    def __init__(self, known: Known, last_ns: int) -> None:
        self._known = known
        self._last_ns = last_ns

    def judge(self, window: KeyedWindow) -> Window | None:
        """Return the window with its verdict, or None for one that there is nothing to say of.

        That is one that the trace could not judge, of a rule that need not: the rule's coverage says why.
        """
        requests = [self._named(r, window) for r in window.requests if self._is_guest(r)]
        happened = [self._timed(h, window) for h in window.happened]
        if window.rule.template is Template.NEVER_CLOSED:
            happened = self._lasting(window)
        verdict, reason = self._verdict(window, broken=bool(requests or happened))
        if verdict is Verdict.INCONCLUSIVE and not window.rule.must_judge and self._lacks(window):
            return None
        if window.rule.template is Template.NEVER_CLOSED and (verdict is not Verdict.VIOLATED or self._lacks(window)):
            return None  # closed in time, as millions are
        on_node = window.key if window.rule.subject == "node" else 0
        return Window(
            rule=window.rule.id, evidence=window.clause.evidence, verdict=verdict, reason=reason,
            job=window.key if window.rule.subject == "job" else 0, job_kind="", node=on_node, target=0, pivoted=False,
            open=window.open, close=window.close, shape=None, shape_reason="", requests=requests,
            subject=window.rule.subject, key=window.key, happenings=happened, more=window.more,
            severities=window.rule.severities, about=window.clause.about, opening=words_of(window.clause.open),
            closing=words_of(window.clause.close),
        )  # fmt: skip

    def _lacks(self, window: KeyedWindow) -> list[tuple[str, ...]]:
        known, clause = self._known, window.clause
        return [known.namer.names(n, clause.evidence) for n in lacking(clause.needs, known.seen)]

    def _verdict(self, window: KeyedWindow, *, broken: bool) -> tuple[Verdict, str]:
        if broken:
            return Verdict.VIOLATED, ""
        missing = self._lacks(window)
        if missing:
            return Verdict.INCONCLUSIVE, f"not traced: {', '.join(' or '.join(names) for names in missing)}"
        end = window.close.record if window.close is not None else self._known.last_record
        gap = self._known.gap_between(window.open.record, max(end, window.open.record))
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
        last_ns = window.close.ts_ns if window.close is not None else self._last_ns
        if NO_TIME in (opened.ts_ns, last_ns) or last_ns - opened.ts_ns < limit:
            return []
        if window.clause.starved and max(window.starved_ns, last_ns - window.progress_ns) < limit:
            return []
        return [Happening(opened, opened.event)]

    def _is_guest(self, request: Request) -> bool:
        return self._known.devices.is_guest(request.blk, self._known.names.blks.get(request.blk))

    def _named(self, request: Request, window: KeyedWindow) -> Request:
        return replace(
            request, device=self._known.names.device(request.blk), doubt=self._doubt(request.mark, window)
        )

    def _timed(self, happening: Happening, window: KeyedWindow) -> Happening:
        return replace(happening, doubt=self._doubt(happening.mark, window))

    def _doubt(self, mark: Mark, window: KeyedWindow) -> str:
        return doubt_of_order(mark, (window.open, window.close), self._known.resolution_ns)
