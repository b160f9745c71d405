"""What of a trace was not judged, and why: what no format may pass off as clean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traceview.findings import ScanResult, TraceSummary, Verdict, Window

__all__ = ["NotJudged", "Open", "enable_words", "not_judged", "open_windows"]


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A rule that a trace could not be judged by, or not for all jobs; `events` as in `Unjudged`.

    `must_judge` says whether the scan is inconclusive for that.
    """

    rule: str
    reason: str
    events: tuple[tuple[str, ...], ...]
    must_judge: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Inconclusive windows of one rule, trace and reason, in the order of the trace."""

    rule: str
    reason: str
    windows: tuple[Window, ...]


def not_judged(trace: TraceSummary) -> Iterator[NotJudged]:
    """Yield the rules that a trace could not be judged by: those that must be judged first."""
    must = {u.rule for u in trace.unjudged}
    for unjudged in trace.unjudged:
        yield NotJudged(unjudged.rule, unjudged.reason, unjudged.events, must_judge=True)
    for covered in trace.coverage:
        if covered.fell_short and covered.rule not in must:
            yield NotJudged(covered.rule, covered.reason, covered.events, must_judge=False)


def open_windows(result: ScanResult, trace: int) -> list[Open]:
    """Return the inconclusive windows of a trace (by its index), those of one rule and reason together."""
    found: dict[tuple[str, str], list[Window]] = {}
    for window in result.windows:
        if window.trace == trace and window.verdict is Verdict.INCONCLUSIVE:
            found.setdefault((window.rule, window.reason), []).append(window)
    return [Open(rule, reason, tuple(windows)) for (rule, reason), windows in found.items()]


def enable_words(events: tuple[tuple[str, ...], ...]) -> str:
    """Return which events to enable, in words; ``""`` for none."""
    return f"enable: {', '.join(' or '.join(names) for names in events)}" if events else ""
