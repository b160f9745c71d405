"""From judged windows to findings: what is told, under which title, and what is not told twice."""

from __future__ import annotations

from collections.abc import Sequence

from traceview.findings import Finding, Request, Verdict, Window
from traceview.rules import Rule, RuleSet
from traceview.rules.standing import standing
from traceview.timeline.names import pointer
from traceview.vocabulary import Dating

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
    violated: dict[str, list[Window]] = {}
    for w in windows:
        if w.verdict is Verdict.VIOLATED:
            violated.setdefault(w.rule, []).append(w)
    kept = []
    for w in windows:
        others = [o for other in rules[w.rule].yields_to for o in violated.get(other, ())]
        if w.verdict is Verdict.VIOLATED and others:
            w.requests = [r for r in w.requests if r.held_back or not any(_tells(o, r) for o in others)]
            told = {h.mark.record for o in others for h in o.happenings}
            w.happenings = [h for h in w.happenings if h.mark.record not in told]
            if not (w.violating or w.happenings):
                continue
        kept.append(w)
    order = {rule.id: i for i, rule in enumerate(rules)}

    def place(window: Window) -> tuple[int, ...]:
        marks = [m.record for m in (window.open, window.close) if m is not None]
        return (*marks[:1], order[window.rule], window.key, *marks[1:])

    return sorted(kept, key=place)


def _tells(window: Window, request: Request) -> bool:
    """Say whether a window has a request, by any of its steps: as it is submitted, as it reaches its node."""
    first = window.open.record if window.open is not None else 0
    last = window.close.record if window.close is not None else None
    if request.mark.record < first or (last is not None and request.mark.record > last):
        return False
    return any(_is_same(r, request) for r in window.requests if not r.held_back)


def _is_same(one: Request, other: Request) -> bool:
    """Say whether two records can be of one request: of two disks, both may be written at the same place."""
    if (one.op, one.offset, one.length) != (other.op, other.offset, other.length):
        return False
    return all(a == b for a, b in ((one.blk, other.blk), (one.node, other.node)) if a and b)
