"""From judged windows to findings: what is told, under which title, and what is not told twice."""

from __future__ import annotations

import bisect
import itertools
import sys
from collections.abc import Iterable, Sequence

from traceview.findings import Finding, Request, Verdict, Window
from traceview.rules import Rule, RuleSet
from traceview.rules.standing import standing
from traceview.timeline.names import pointer
from traceview.vocabulary import Dating, Op

__all__ = ["findings_of", "told_once"]


def findings_of(windows: Sequence[Window], rules: RuleSet, dating: Dating) -> list[Finding]:
    """Return the violated windows as findings. `dating` tells of which releases the trace can be."""
    return [_finding(i, w, rules[w.rule], dating) for i, w in enumerate(windows) if w.verdict is Verdict.VIOLATED]


def _finding(index: int, window: Window, rule: Rule, dating: Dating) -> Finding:
    severity = window.severity
    assert severity is not None
    counted = [window.requests[i] for i in window.violating]
    devices = sorted({r.device for r in counted})
    return Finding(
        window.rule, severity, index, f"{_subject(window, devices)}: {rule.title}", tuple(window.violating),
        rule.references, label=rule.label,
        certain=any(r.certain for r in counted) or any(h.certain for h in window.happenings),
        standing=standing(rule.affected, dating.span), happenings=tuple(range(len(window.happenings))),
        rule_version=rule.version,
    )  # fmt: skip


def _subject(window: Window, devices: list[str]) -> str:
    kind = f"{window.job_kind} job" if window.job_kind else window.subject
    name = f"{kind} {pointer(window.key)}" if window.key else kind
    return f"{name} on {', '.join(devices)}" if devices else name


def told_once(windows: list[Window], rules: RuleSet) -> list[Window]:
    """Return the windows, in the order of the trace, without what a rule tells more closely to which theirs yields.

    A window of which nothing is left but what the other rule tells is left out.
    """
    closer = {other for rule in rules for other in rule.yields_to}
    told = {rule: _Told([w for w in windows if w.rule == rule and w.verdict is Verdict.VIOLATED]) for rule in closer}
    kept = []
    for w in windows:
        others = [told[other] for other in rules[w.rule].yields_to if told[other]]
        if w.verdict is Verdict.VIOLATED and others:
            w.requests = [r for r in w.requests if r.held_back or not any(o.tells(r) for o in others)]
            w.happenings = [h for h in w.happenings if not any(h.mark.record in o.happened for o in others)]
            if not (w.violating or w.happenings):
                continue
        kept.append(w)
    order = {rule.id: i for i, rule in enumerate(rules)}

    def place(window: Window) -> tuple[int, ...]:
        marks = [m.record for m in (window.open, window.close) if m is not None]
        return (*marks[:1], order[window.rule], window.key, *marks[1:])

    return sorted(kept, key=place)


_Place = tuple[Op, int, int]


class _Told:
    """What the violated windows of one rule have, so that each request is looked up and not sought."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.happened = {h.mark.record for w in windows for h in w.happenings}
        spans: dict[_Place, list[tuple[int, int, Request]]] = {}
        for w in windows:
            first = w.open.record if w.open is not None else 0
            last = w.close.record if w.close is not None else sys.maxsize
            for i in w.violating:
                r = w.requests[i]
                spans.setdefault((r.op, r.offset, r.length), []).append((first, last, r))
        self._spans = {place: sorted(found, key=lambda s: s[0]) for place, found in spans.items()}
        self._firsts = {place: [s[0] for s in found] for place, found in self._spans.items()}
        self._reach = {
            place: list(itertools.accumulate((s[1] for s in found), max)) for place, found in self._spans.items()
        }
        """How far the windows reach that open so far on."""

    def __bool__(self) -> bool:
        return bool(self.happened or self._spans)

    def tells(self, request: Request) -> bool:
        """Say whether one of the windows has a request, by any of its steps: as it is submitted, as it arrives."""
        place, record = (request.op, request.offset, request.length), request.mark.record
        if place not in self._spans:
            return False
        begin = bisect.bisect_left(self._reach[place], record)
        end = bisect.bisect_right(self._firsts[place], record)
        return any(record <= last and _is_same(r, request) for _, last, r in self._spans[place][begin:end])


def _is_same(one: Request, other: Request) -> bool:
    """Say whether records of one operation and place can be of one request: that may be one place on two disks."""
    return all(a == b for a, b in ((one.blk, other.blk), (one.node, other.node)) if a and b)
