"""A scan as text for a person: what was found, where to look, what could not be judged."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from traceview.findings import (
    Evidence,
    Filed,
    Finding,
    Request,
    ScanResult,
    Severity,
    Suppression,
    TraceSummary,
    Unjudged,
    Verdict,
    Window,
)
from traceview.report.escape import printable
from traceview.report.style import (
    SEVERITY_COLOUR,
    SEVERITY_WORDS,
    Style,
    duration,
    offset_from,
    place,
    place_of,
    plural,
    shape_words,
)
from traceview.rules import EXIT_RULE
from traceview.timeline.lives import Life
from traceview.timeline.marks import Mark
from traceview.timeline.names import pointer

__all__ = [
    "closing_words",
    "filed_words",
    "finding_lines",
    "life_words",
    "opening_words",
    "request_words",
    "scan_lines",
    "subject_words",
    "suppression_words",
]

_OPENINGS = {
    "job_look": ", the last look: no dirty chunk",
    "job_drained": ": the job is back from its final drain",
    "job_left": ": the job's coroutine ends, its exit is deferred",
}
"""What the opening of a window is, behind the event that shows it, by the word of the rule."""
_SWITCHES = ("job_exit", "job_switched", "job_moved_on", "job_ended")
"""The closings at which the guest is moved, or has been."""
MOST_NAMED = 5
"""So many files, or lives, of a trace are named."""
_SUMMARY_ORDER = (Verdict.CLEAN, Verdict.GUARDED, Verdict.VIOLATED, Verdict.INCONCLUSIVE)


_NEWS = {
    "new": "seen for the first time", "regressed": "it has come back", "reopened": "it was ignored until now",
    "worse": "worse than it was ever seen",
}  # fmt: skip
"""Why a finding is news (`traceview.store.Why`), in words."""


def scan_lines(
    result: ScanResult, style: Style, *, named: bool = False, only_news: bool = False
) -> Iterator[str]:  # fmt: skip
    """Yield the lines of a scan's report. Text of the trace is made harmless.

    Each trace has its path above it where there are several, or where `named` asks for it. With `only_news` findings
    that are no news (`Finding.is_news`) are only counted, and traces without any that are news left out.
    """
    several = len(result.traces) > 1
    silent = [f for f in result.findings if only_news and not f.is_news]
    telling = {result.windows[f.window].trace for f in result.findings if f.is_news}
    for index, trace in enumerate(result.traces):
        if only_news and index not in telling:
            continue
        if several or named:
            yield style.paint(printable(trace.path), "bold")
        yield from _made_of(trace, style)
        for number, finding in enumerate(result.findings, 1):
            window = result.windows[finding.window]
            if window.trace == index and not (only_news and not finding.is_news):
                yield from finding_lines(number, finding, window, style, trace.lives)
        own = [w for w in result.windows if w.trace == index]
        yield from _inconclusive_lines([w for w in own if result.must_judge(w)], style)
        for unjudged in trace.unjudged:
            yield from _unjudged_lines(unjudged, style)
        yield from _gap_lines(trace, style)
        yield from (f"{style.paint('note', 'yellow')}: {printable(note)}" for note in trace.notes)
        yield from _refused_lines(trace, style)
        if several:
            yield "  " + "\n  ".join(_summary(own, style))
            yield ""
    if several:
        yield style.paint(f"{plural(len(result.traces), 'trace')}", "bold")
    yield from _summary(result.windows, style)
    if only_news:
        new = len(result.findings) - len(silent)
        yield f"{style.paint('findings', 'bold')}: {new} new, {len(silent)} known (traceview triage list)"
        yield from _untold(result, telling, style)
    yield from _coverage_lines(result.traces, style)


def _untold(result: ScanResult, telling: Collection[int], style: Style) -> Iterator[str]:
    """Yield which traces that are left out could not be judged in full: silence is no all-clear."""
    windows = {w.trace for w in result.windows if w.verdict is Verdict.INCONCLUSIVE and result.must_judge(w)}
    blind = [t for i, t in enumerate(result.traces) if i not in telling and (t.unjudged or i in windows)]
    if blind:
        names = ", ".join(printable(t.path) for t in blind[:3]) + (" …" if len(blind) > 3 else "")
        of = f"{len(blind)} of {plural(len(result.traces), 'trace')}"
        yield f"{style.paint('inconclusive', 'yellow')}: {of}, which traceview scan PATH tells of: {names}"


def _made_of(trace: TraceSummary, style: Style) -> Iterator[str]:
    """Yield which files a trace lies in, and which QEMUs wrote it, where these are several."""
    read = [m for m in trace.members if not m.left_out]
    if trace.members:
        names = ", ".join(printable(m.path.rpartition("/")[2]) for m in read[:MOST_NAMED])
        more = " …" if len(read) > MOST_NAMED else ""
        yield f"{style.paint('files', 'bold')}: {len(read)} read as one trace: {names}{more}"
    for member in trace.members:
        if member.left_out:
            yield f"{style.paint('note', 'yellow')}: {printable(member.path)} is left out: {printable(member.left_out)}"
    if len(trace.lives) > 1:
        named = [f"process {life.process}" for life in trace.lives[:MOST_NAMED] if life.process is not None]
        more = " …" if len(trace.lives) > MOST_NAMED else ""
        words = f": {', '.join(named)}{more}" if named else ""
        yield f"{style.paint('lives of QEMU', 'bold')}: {len(trace.lives)}{words}"


def life_words(window: Window, lives: Sequence[Life]) -> str:
    """Return of which of several QEMUs a window is; ``""`` where one wrote all of the trace."""
    if len(lives) < 2:
        return ""
    process = lives[window.life].process
    named = f", process {process}" if process is not None else ""
    return f"life {window.life + 1} of {len(lives)} in this trace{named}"


def finding_lines(
    number: int, finding: Finding, window: Window, style: Style, lives: Sequence[Life] = ()
) -> Iterator[str]:  # fmt: skip
    """Yield one finding: what it is, and the points (a), (b), (c) of its window; `lives` are those of its trace."""
    possible = "" if finding.certain else "POSSIBLE "
    mark = style.paint(f"✗ {possible}{SEVERITY_WORDS[finding.severity]}", SEVERITY_COLOUR[finding.severity], "bold")
    label = f" · {printable(finding.label)}" if finding.label else ""
    yield f"{mark}  {subject_words(window)}   [{number}] {finding.rule}{label} · {window.evidence.value}"
    if window.about:
        yield f"  by stand-ins of {printable(window.about)}"
    if len(lives) > 1:
        yield f"  {life_words(window, lives)}"
    yield f"  window {duration(window.duration_ns)}{_loop(window)}{_shape(window)}"
    opened = window.open
    if opened is not None:
        yield _point("(a)", opened, "0 µs", opening_words(window))
        yield from _request_lines(window, finding, opened)
        if window.close is not None:
            yield _point("(c)", window.close, offset_from(window.close, opened), closing_words(window))
        if window.close is None:
            yield "  not closed when the trace ends"
    if window.more:
        yield f"  {window.more} more of what it forbids were counted and are not listed"
    if window.reason:
        yield f"  {style.paint('note', 'yellow')}: {printable(window.reason)}"
    if finding.severity is Severity.DATA_LOSS:
        yield f"  {_loss(window)}"
    if finding.standing is not None:
        yield f"  {printable(finding.standing.words)}"
    if finding.suppression is not None:
        yield f"  {suppression_words(finding.suppression)}"
    if finding.filed is not None:
        yield f"  {filed_words(finding.filed)}"


def filed_words(filed: Filed) -> str:
    """Return under which number a store has a finding, in which state, and why it is news."""
    why = f": {_NEWS.get(filed.news, filed.news)}" if filed.news else ""
    return f"filed as #{filed.number}, {filed.state}{why}"


def suppression_words(suppression: Suppression) -> str:
    """Return which line of which file covers a finding, and why."""
    return f"suppressed by {printable(suppression.source)} line {suppression.line}: {printable(suppression.reason)}"


def _loop(window: Window) -> str:
    if window.open is None or window.close is None or not window.open.iteration:
        return ""
    return f", main_loop_wait {window.open.iteration} → {window.close.iteration}"


def _shape(window: Window) -> str:
    words = shape_words(window)
    return f", {printable(words)}" if words and window.evidence is Evidence.EXACT else ""


def _point(letter: str, mark: Mark, when: str, what: str) -> str:
    return f"  {letter} {place(mark):<14} {when:>10}  {what}"


def subject_words(window: Window) -> str:
    """Return what a window is about, in words."""
    counted = [window.requests[i] for i in window.violating]
    if window.subject == "job" and window.job_kind:
        on = f" on {printable(counted[0].device)}" if counted else ""
        return f"{window.job_kind} job {pointer(window.job)}{on}"
    return window.subject if not window.key else f"{window.subject} {pointer(window.key)}"


def opening_words(window: Window) -> str:
    """Return what opened a window, in words; it must have an opening."""
    assert window.open is not None
    words = _OPENINGS.get(window.opening, "")
    return f"{window.open.event}{words}"


def closing_words(window: Window) -> str:
    """Return what closed a window, in words; it must have a closing."""
    assert window.close is not None
    if window.closing not in _SWITCHES:
        moved = f"; later the guest is moved to bs {pointer(window.target)}" if window.pivoted else ""
        return window.close.event + moved
    if window.ends_in_switch:
        return f"{window.close.event}: the switch to bs {pointer(window.target)} begins"
    if window.pivoted:
        image = f" ({printable(window.target_image)})" if window.target_image else ""
        target = f"bs {pointer(window.target)}" if window.target else "the job's target"
        return f"{window.close.event}: guest moved to {target}{image}"
    return f"{window.close.event}: the guest stays on its node"


def _request_lines(window: Window, finding: Finding, opened: Mark) -> Iterator[str]:
    counted = [window.requests[i] for i in finding.requests]
    yield from _happening_lines(window, opened)
    if not counted:
        return
    # The first write says more than a read before it: it is what is lost.
    shown = next((r for r in counted if r.op.changes_data), counted[0])
    yield _point("(b)", shown.mark, offset_from(shown.mark, opened), request_words(shown))
    rest = Counter(r.op.label.replace("_", " ") for r in counted if r is not shown)
    if rest:
        same = shown.op.label.replace("_", " ")
        counts = [plural(n, f"more {op}" if op == same else op) for op, n in sorted(rest.items(), key=_writes_first)]
        yield f"      … {', '.join(counts)}"
    held = len(window.requests) - len(counted)
    if held:
        yield f"      {plural(held, 'more request')} held back until after the window"


def _happening_lines(window: Window, opened: Mark) -> Iterator[str]:
    inside = [h for h in window.happenings if h.mark.record != opened.record]
    for happening in inside[:1]:
        words = printable(happening.text, limit=160)
        doubt = f" (possible: {happening.doubt})" if happening.doubt else ""
        yield _point("(b)", happening.mark, offset_from(happening.mark, opened), words + doubt)
    if len(inside) > 1:
        yield f"      … {len(inside) - 1} more"


def _writes_first(item: tuple[str, int]) -> tuple[bool, str]:
    return (item[0] in ("read", "flush"), item[0])


def request_words(request: Request) -> str:
    """Return what a request does, in words."""
    words = f"guest {request.op.label.replace('_', ' ')}"
    if request.length:
        words += f" {request.length} B at {request.offset}"
    if request.kick is not None:
        words += f", kick at {place(request.kick)}"
    return f"{words} (possible: {request.doubt})" if request.doubt else words


def _loss(window: Window) -> str:
    left = sum(e.length for e in window.lost)
    if not left:
        return f"all {window.rewritten_bytes} B lost were rewritten since: the target lacks nothing any more"
    words = f"target lacks {left} B in {plural(len(window.lost), 'extent')}"
    if window.rewritten_bytes:
        words += f" ({window.rewritten_bytes} B rewritten since)"
    return f"{words}: traceview repair brings them back"


def _inconclusive_lines(windows: list[Window], style: Style) -> Iterator[str]:
    reasons = Counter((w.rule, w.reason) for w in windows if w.verdict is Verdict.INCONCLUSIVE)
    for (rule, reason), count in reasons.items():
        yield f"{style.paint('? INCONCLUSIVE', 'yellow')}  {plural(count, 'window')} of {rule}: {printable(reason)}"


def _unjudged_lines(unjudged: Unjudged, style: Style) -> Iterator[str]:
    yield f"{style.paint('? NOT JUDGED', 'yellow')}  {unjudged.rule}: {printable(unjudged.reason)}"
    if unjudged.events:
        yield f"  enable: {', '.join(' or '.join(names) for names in unjudged.events)}"


def _gap_lines(trace: TraceSummary, style: Style) -> Iterator[str]:
    for gap in trace.gaps[:3]:
        where = place_of(trace.members, gap.line, gap.byte_offset)
        told = gap.size_bytes is None or str(gap.size_bytes) in gap.text
        size = "" if told else f" ({gap.size_bytes} B)"
        yield f"{style.paint('gap', 'yellow')} at {where}: {printable(gap.text)}{size}"
    if len(trace.gaps) > 3:
        yield f"{style.paint('gap', 'yellow')}: {len(trace.gaps) - 3} more (see --format json)"


def _refused_lines(trace: TraceSummary, style: Style) -> Iterator[str]:
    for refused in trace.refused:
        first, *rest = refused.explanation.split("\n")
        where = place_of(trace.members, refused.line, refused.byte_offset)
        yield f"{style.paint('refused', 'yellow')} at {where}: {printable(first)}"
        yield from (f"  {printable(line)}" for line in rest)


def _coverage_lines(traces: list[TraceSummary], style: Style) -> Iterator[str]:
    """Yield one line on the rules that had nothing to judge, where there are any: silence is no all-clear."""
    rules = {c.rule for t in traces for c in t.coverage}
    judged = {c.rule for t in traces for c in t.coverage if c.windows}
    if rules - judged:
        blind = {c.rule for t in traces for c in t.coverage if not c.windows and c.events} - judged
        words = f"{len(judged)} of {len(rules)} had windows to judge"
        if blind:
            words += f"; {len(blind)} could not: their events are not traced (traceview vocabulary TRACE tells which)"
        yield f"{style.paint('rules', 'bold')}: {words}"


def _summary(windows: list[Window], style: Style) -> Iterator[str]:
    counts = Counter(w.verdict for w in windows)
    shown = [v for v in _SUMMARY_ORDER if counts[v] or v is not Verdict.GUARDED]
    parts = [f"{len(windows)} checked", *(f"{counts[v]} {v.value}" for v in shown)]
    durations = [d for w in windows if w.rule == EXIT_RULE and (d := w.duration_ns) is not None]
    exposure = f"     (exposure: median {duration(int(statistics.median(durations)))})" if durations else ""
    yield f"{style.paint('windows', 'bold')}: {', '.join(parts)}{exposure}"
