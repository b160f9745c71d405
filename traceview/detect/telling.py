"""From judged windows to findings: what is told, under which title, and what is not told twice."""

from __future__ import annotations

from collections.abc import Sequence

from traceview.findings import Finding, Verdict, Window
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
    )  # fmt: skip


def _subject(window: Window, devices: list[str]) -> str:
    kind = f"{window.job_kind} job" if window.job_kind else window.subject
    name = f"{kind} {pointer(window.key)}" if window.key else kind
    return f"{name} on {', '.join(devices)}" if devices else name


def told_once(windows: list[Window], rules: RuleSet) -> list[Window]:
    """Return the windows, in the order of the trace, without what a rule tells more closely to which theirs yields.

    A window of which nothing is left but what the other rule tells is left out.
    """
    told: dict[str, set[int]] = {}
    for w in windows:
        if w.verdict is Verdict.VIOLATED:
            records = [w.requests[i].mark.record for i in w.violating] + [h.mark.record for h in w.happenings]
            told.setdefault(w.rule, set()).update(records)
    kept = []
    for w in windows:
        elsewhere = set().union(*(told.get(other, ()) for other in rules[w.rule].yields_to))
        if w.verdict is Verdict.VIOLATED and elsewhere:
            w.requests = [r for r in w.requests if r.held_back or r.mark.record not in elsewhere]
            w.happenings = [h for h in w.happenings if h.mark.record not in elsewhere]
            if not (w.violating or w.happenings):
                continue
        kept.append(w)
    return sorted(kept, key=_place)


def _place(window: Window) -> int:
    first = window.open or window.close
    return first.record if first is not None else 0
