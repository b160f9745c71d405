"""A scan as JUnit XML, which the test reports of Jenkins and GitLab read: one test case for each rule and trace.

=========  ==================================================================================================
failure    findings that no baseline covers
error      a trace that could not be read: it has a test case of its own, as none of its rules was judged
skipped    nothing to judge (the events are not traced, no window was opened), something that could not be judged,
           or nothing but findings that a baseline covers; the message says which
(none)     passed: there were windows, all of them were judged, and none was violated
=========  ==================================================================================================

No times are told: those of a scan are not those of its rules, and identical input has to give identical bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from traceview.errors import TraceviewError
from traceview.findings import Finding, RuleCoverage, ScanResult, TraceSummary
from traceview.report.escape import printable
from traceview.report.facts import headline
from traceview.report.judged import NotJudged, Open, enable_words, not_judged, open_windows
from traceview.report.paths import relative_path
from traceview.report.style import Style, plural
from traceview.report.text import finding_lines, suppression_words

__all__ = ["MOST_TOLD", "junit_xml"]

MOST_TOLD = 100
"""Findings of one test case whose text is told."""
_COUNTED = ("failure", "error", "skipped")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PLAIN = Style(colour=False)
_UNREAD = "traces that could not be read"


def junit_xml(result: ScanResult, errors: Sequence[TraceviewError] = (), *, root: Path | None = None) -> str:
    """Return a scan as a JUnit document; what XML takes no character of is written as an escape.

    `errors` are those of traces that could not be read. Paths below `root` (absolute, or None) are told relative to it.
    """
    told = _by_case(result)
    top = ElementTree.Element("testsuites", {"name": "traceview"})
    for index, trace in enumerate(result.traces):
        top.append(_suite(result, index, printable(relative_path(trace.path, root)), told))
    if errors:
        top.append(_unread(errors))
    for suite in top:
        _count(suite, suite.iter("testcase"))
    _count(top, top.iter("testcase"))
    ElementTree.indent(top, " ")
    # The declaration that ElementTree writes before text names the encoding of the locale.
    return _DECLARATION + ElementTree.tostring(top, encoding="unicode")


def _by_case(result: ScanResult) -> dict[tuple[int, str], list[int]]:
    """Return the findings (from 0) of each trace and rule."""
    found: dict[tuple[int, str], list[int]] = {}
    for number, finding in enumerate(result.findings):
        found.setdefault((result.windows[finding.window].trace, finding.rule), []).append(number)
    return found


def _suite(result: ScanResult, index: int, path: str, told: dict[tuple[int, str], list[int]]) -> ElementTree.Element:
    trace = result.traces[index]
    suite = ElementTree.Element("testsuite", {"name": path})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(trace):
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    blind = {b.rule: b for b in not_judged(trace)}
    unclear: dict[str, list[Open]] = {}
    for group in open_windows(result, index):
        unclear.setdefault(group.rule, []).append(group)
    covered = {c.rule: c for c in trace.coverage}
    others = [rule for at, rule in told if at == index] + [*blind, *unclear]
    for rule in dict.fromkeys([*covered, *others]):
        case = ElementTree.SubElement(suite, "testcase", {"classname": path, "name": rule, "file": path})
        numbers = told.get((index, rule), [])
        reasons = _why_not(covered.get(rule), blind.get(rule), unclear.get(rule, []))
        _judge(case, result, numbers, reasons)
    return suite


def _properties(trace: TraceSummary) -> Iterable[tuple[str, str]]:
    known = (
        ("host", trace.host), ("vm", trace.vm), ("qemu", trace.dating.text or ""), ("format", trace.format),
        ("digest", trace.digest), ("events", str(trace.events)),
    )  # fmt: skip
    return ((name, printable(value)) for name, value in known if value)


def _why_not(covered: RuleCoverage | None, blind: NotJudged | None, unclear: Sequence[Open]) -> list[str]:
    """Return why a rule is not known to hold in a trace, line by line; nothing where all of it was judged."""
    reasons = [f"inconclusive: {plural(len(g.windows), 'window')}: {printable(g.reason)}" for g in unclear]
    if blind is not None:
        enable = enable_words(blind.events)
        reasons.append(f"not judged: {printable(blind.reason)}" + (f"; {printable(enable)}" if enable else ""))
    elif covered is not None and not covered.windows:
        reasons.append(f"nothing to judge: {printable(covered.reason)}")
    return reasons


def _judge(case: ElementTree.Element, result: ScanResult, numbers: Sequence[int], reasons: Sequence[str]) -> None:
    """Write the verdict of a test case into it: `numbers` are its findings, `reasons` why more is not known."""
    failing = [n for n in numbers if result.findings[n].suppression is None]
    covers = [suppression_words(s) for n in numbers if (s := result.findings[n].suppression) is not None]
    beside = [*reasons, *dict.fromkeys(covers)]
    if failing:
        _fail(case, result, failing, beside)
    elif beside:
        skipped = ElementTree.SubElement(case, "skipped", {"message": beside[0]})
        skipped.text = "\n".join(beside) if len(beside) > 1 else None


def _fail(case: ElementTree.Element, result: ScanResult, failing: Sequence[int], beside: Sequence[str]) -> None:
    def rank(finding: Finding) -> tuple[int, bool]:
        return finding.severity.rank, finding.certain

    worst = max((result.findings[n] for n in failing), key=rank)
    more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    failure = ElementTree.SubElement(case, "failure", {"message": headline(worst) + more, "type": worst.severity.value})
    lines: list[str] = []
    for number in failing[:MOST_TOLD]:
        finding = result.findings[number]
        lines += finding_lines(number + 1, finding, result.windows[finding.window], _PLAIN)
    if len(failing) > MOST_TOLD:
        lines.append(f"{len(failing) - MOST_TOLD} more findings are not told here")
    failure.text = "\n".join(printable(line, limit=2000) for line in (*lines, *beside))


def _unread(errors: Sequence[TraceviewError]) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", {"name": _UNREAD})
    for error in errors:
        lines = [printable(line, limit=2000) for line in str(error).split("\n")]
        case = ElementTree.SubElement(suite, "testcase", {"classname": _UNREAD, "name": lines[0]})
        told = ElementTree.SubElement(case, "error", {"message": lines[0], "type": type(error).__name__})
        told.text = "\n".join(lines)
    return suite


def _count(element: ElementTree.Element, cases: Iterable[ElementTree.Element]) -> None:
    every = list(cases)
    counts = {"tests": len(every)}
    for name, plural_name in zip(_COUNTED, ("failures", "errors", "skipped"), strict=True):
        counts[plural_name] = sum(case.find(name) is not None for case in every)
    for name, count in counts.items():
        element.set(name, str(count))
