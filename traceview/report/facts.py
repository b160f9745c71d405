"""A finding in a sentence, for formats that have room for no more: what it is, where, what it costs."""

from __future__ import annotations

from traceview.findings import Finding, Window
from traceview.report.escape import printable
from traceview.report.style import SEVERITY_WORDS, Style
from traceview.report.text import finding_lines
from traceview.timeline.marks import Mark

__all__ = ["breaking_mark", "finding_facts", "headline"]

_PLAIN = Style(colour=False)
_POINTS = ("  (a)", "  (b)", "  (c)", "      ")


def headline(finding: Finding) -> str:
    """Return how bad a finding is and its title, made printable."""
    possible = "" if finding.certain else "POSSIBLE "
    return f"{possible}{SEVERITY_WORDS[finding.severity]}: {printable(finding.title)}"


def finding_facts(finding: Finding, window: Window) -> list[str]:
    """Return what the text report says of a finding, less its headline and its points; all of it printable."""
    lines = list(finding_lines(1, finding, window, _PLAIN))[1:]
    return [line.strip() for line in lines if not line.startswith(_POINTS)]


def breaking_mark(finding: Finding, window: Window) -> Mark | None:
    """Return the point that a finding is filed under: the first write that broke the promise, or what else did.

    None where the window has no point at all.
    """
    counted = [window.requests[i] for i in finding.requests]
    happened = [window.happenings[i].mark for i in finding.happenings]
    changing = [r.mark for r in counted if r.op.changes_data]
    return next(iter((*changing, *(r.mark for r in counted), *happened)), window.open or window.close)
