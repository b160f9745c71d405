"""A scan as Markdown, to be pasted into an issue or a chat: what was found, each finding's points, what is not known.

Text of the trace stands in code, where no tracker looks for mentions, references and commands
(`traceview.report.issue_markdown`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from traceview.errors import TraceviewError
from traceview.findings import Finding, ScanResult, Severity, TraceSummary, Verdict
from traceview.report.facts import breaking_mark
from traceview.report.issue_markdown import code, fenced, link, prose
from traceview.report.judged import enable_words, not_judged, open_windows
from traceview.report.paths import relative_path
from traceview.report.style import SEVERITY_WORDS, Style, place, plural
from traceview.report.text import finding_lines, subject_words
from traceview.timeline.marks import Mark

__all__ = ["MOST_TOLD", "markdown_lines"]

MOST_TOLD = 50
"""Findings that are told; a comment of GitHub holds 65,536 characters."""
MOST_NOTES = 20
_PLAIN = Style(colour=False)
_VERDICTS = (Verdict.CLEAN, Verdict.GUARDED, Verdict.VIOLATED, Verdict.INCONCLUSIVE)
_COLUMNS = ("#", "severity", "rule", "what", "trace", "place", "identity")


def markdown_lines(
    result: ScanResult, errors: Sequence[TraceviewError] = (), *, root: Path | None = None
) -> Iterator[str]:
    """Yield the lines of a scan's report; `errors` are those of traces that could not be read.

    Paths below `root` (absolute, or None) are told relative to it.
    """
    paths = [relative_path(t.path, root) for t in result.traces]
    yield "# traceview scan"
    yield ""
    yield from _summary(result, errors)
    if result.findings:
        yield from _table(result, paths)
        for number, finding in list(enumerate(result.findings, 1))[:MOST_TOLD]:
            yield from _finding(result, number, finding, paths)
    yield from _not_known(result, paths)
    yield from _troubles(result.traces, errors, paths)


def _summary(result: ScanResult, errors: Sequence[TraceviewError]) -> Iterator[str]:
    covered = sum(f.suppression is not None for f in result.findings)
    counts = Counter(f.severity for f in result.findings if f.suppression is None)
    parts = [f"{counts[s]} {SEVERITY_WORDS[s].lower()}" for s in Severity if counts[s]]
    parts += [f"{covered} suppressed"] if covered else []
    found = plural(len(result.findings), "finding") + (f" ({', '.join(parts)})" if parts else "")
    yield f"**{found}** in {plural(len(result.traces), 'trace')}."
    verdicts = ", ".join(f"{result.count(v)} {v.value}" for v in _VERDICTS if result.count(v))
    yield f"{plural(len(result.windows), 'window')} checked{f': {verdicts}' if verdicts else ''}."
    if result.inconclusive:
        yield "Something that must be judged could not be: see below."
    if errors:
        yield f"{plural(len(errors), 'trace')} could not be read: see below."
    yield ""


def _table(result: ScanResult, paths: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"|{' --- |' * len(_COLUMNS)}"
    for number, finding in list(enumerate(result.findings, 1))[:MOST_TOLD]:
        window = result.windows[finding.window]
        mark = breaking_mark(finding, window)
        severity = ("" if finding.certain else "possible ") + SEVERITY_WORDS[finding.severity].lower()
        identity = finding.fingerprint.identity if finding.fingerprint is not None else ""
        cells = (
            str(number), severity + (", suppressed" if finding.suppression is not None else ""), code(finding.rule),
            code(subject_words(window)), code(paths[window.trace]), _placed(mark),
            code(identity),
        )  # fmt: skip
        yield f"| {' | '.join(_cell(c) for c in cells)} |"
    if len(result.findings) > MOST_TOLD:
        yield ""
        yield f"{len(result.findings) - MOST_TOLD} more are not told here."
    yield ""


def _placed(mark: Mark | None) -> str:
    """Return where a record stands; where a file is named, as code: its name may be anything."""
    if mark is None:
        return ""
    return code(place(mark)) if mark.place else place(mark)


def _cell(text: str) -> str:
    """Return the text of a cell: there a stroke ends the cell, in code, too."""
    return text.replace("|", "\\|")


def _finding(result: ScanResult, number: int, finding: Finding, paths: Sequence[str]) -> Iterator[str]:
    window = result.windows[finding.window]
    trace = result.traces[window.trace]
    yield f"## {number}. {SEVERITY_WORDS[finding.severity].capitalize()}: {code(finding.rule)}"
    yield ""
    origin = [code(paths[window.trace])]
    origin += [f"VM {code(trace.vm)}"] if trace.vm else []
    origin += [f"host {code(trace.host)}"] if trace.host else []
    origin += [f"QEMU {prose(trace.dating.text)}"] if trace.dating.text else []
    yield f"In {', '.join(origin)}:"
    yield ""
    yield from fenced(finding_lines(number, finding, window, _PLAIN))
    yield ""
    if finding.references:
        yield f"See {', '.join(link(r) for r in finding.references)}."
        yield ""


def _not_known(result: ScanResult, paths: Sequence[str]) -> Iterator[str]:
    """Yield what could not be judged: rules that must be one by one, of the others only that there are some."""
    lines = []
    beside = 0
    for index, trace in enumerate(result.traces):
        for group in open_windows(result, index):
            words = f"{plural(len(group.windows), 'window')} of {code(group.rule)} inconclusive"
            lines.append(f"- {code(paths[index])}: {words}: {prose(group.reason)}")
        blind = list(not_judged(trace))
        for rule in (b for b in blind if b.must_judge):
            enable = enable_words(rule.events)
            more = f"; {code(enable)}" if enable else ""
            lines.append(f"- {code(paths[index])}: {code(rule.rule)} not judged: {prose(rule.reason)}{more}")
        beside += any(not b.must_judge for b in blind)
    if beside:
        every = f"{beside} of {plural(len(result.traces), 'trace')}"
        lines.insert(0, f"- other rules, by {every}: `traceview vocabulary TRACE` tells which, and what they need")
    yield from _section("Not judged", lines)


def _troubles(traces: Sequence[TraceSummary], errors: Sequence[TraceviewError], paths: Sequence[str]) -> Iterator[str]:
    lines = [f"- not read: {code(str(e), limit=2000)}" for e in errors]
    for index, trace in enumerate(traces):
        for gap in trace.gaps:
            where = f"line {gap.line}" if gap.line else f"byte {gap.byte_offset}"
            lines.append(f"- {code(paths[index])}: gap at {where}: {prose(gap.text)}")
        if trace.refused_lines:
            words = f"{plural(trace.refused_lines, 'line')} of a known event fit none of its forms"
            lines.append(f"- {code(paths[index])}: {words}")
    yield from _section("Troubles", lines)


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    yield f"## {title}"
    yield ""
    yield from lines[:MOST_NOTES]
    if len(lines) > MOST_NOTES:
        yield f"- {len(lines) - MOST_NOTES} more"
    yield ""
