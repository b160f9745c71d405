"""A scan as one HTML file that needs no network: findings with timelines, losses, exposure, what was not judged."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from traceview.errors import MissingPackageError, TraceviewError
from traceview.events import NO_TIME
from traceview.findings import RuleCoverage, ScanResult, Severity, TraceSummary, Verdict
from traceview.losses import Losses, LossState
from traceview.report.escape import printable
from traceview.report.extents import size
from traceview.report.html_exposure import STEPS, exposures
from traceview.report.html_findings import (
    FindingView,
    Picture,
    Room,
    extent_view,
    finding_view,
    losses_by_window,
    window_place,
)
from traceview.report.html_timeline import script_json
from traceview.report.style import SEVERITY_WORDS, duration
from traceview.resources import data_text

__all__ = ["Occasion", "html_report", "require_report"]

LARGEST_BYTES = 8_000_000
"""No page is larger, unless its findings and traces are so many that their headings alone are."""
MOST_EXTENTS = 1000
MOST_GAPS = 50
_ALL = Room(points=4000, extents=2000, tree_chars=600_000, timeline_bytes=1_600_000)
_ONE = Room(points=60, extents=30, tree_chars=60_000, timeline_bytes=200_000)
"""What there is room for in all findings together, and in one."""
_THRIFT = (1, 2, 4, 8, 16, 32)
"""By what these rooms are divided, one after the other, until the page is small enough: escaped text may be long."""
_EPOCH_NS = 1_000_000_000 * 1_000_000_000
"""A clock that is at least here counts from 1970 (this is 2001); smaller ones count from the start of the machine."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is told of the making: the command line, the version of traceview, and when (as it is to be shown).

    `spans_ns` are the first and the last time of each trace by its path, `NO_TIME` where it has none.
    """

    command: str
    version: str
    made: str
    spans_ns: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def html_report(
    result: ScanResult, losses: Losses, pictures: Mapping[int, Picture], occasion: Occasion, *, shown: int,
    errors: Sequence[TraceviewError] = (),
) -> str:  # fmt: skip
    """Return the page.

    `pictures` are what surrounds findings, by their number (from 1); the first `shown` findings are told one by one.
    `losses` is of the same traces. `errors` are those of traces that could not be read. Everything of a trace is text:
    it is printable (`printable`) and escaped. Raises MissingPackageError where the extra ``report`` is not installed.
    """
    require_report()
    import plotly  # noqa: PLC0415  (an extra)
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415
    from plotly.offline import get_plotlyjs, get_plotlyjs_version  # noqa: PLC0415

    library, script = _lone_script(get_plotlyjs()), _lone_script(data_text("report/page/page.js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(data_text("report/page/page.html"))
    text = ""
    for thrift in _THRIFT:
        findings = _findings(result, losses, pictures, shown, thrift)
        text = page.render(
            csp=_policy(library, script),
            library=library,
            script=script,
            style=data_text("report/page/page.css"),
            occasion=occasion,
            command=printable(occasion.command, limit=4000),
            plotly=f"plotly.py {plotly.__version__}, plotly.js {get_plotlyjs_version()}",
            traces=[_trace(t, occasion) for t in result.traces],
            errors=[printable(str(e), limit=2000) for e in errors],
            verdicts=[(v.value, result.count(v)) for v in Verdict],
            windows=len(result.windows),
            severities=_severities(result),
            total=len(result.findings),
            findings=findings,
            data={f.number: script_json(f.timeline) for f in findings if f.timeline is not None},
            lost=[extent_view(e, losses) for e in losses.extents[: MOST_EXTENTS // thrift]],
            lost_total=len(losses.extents),
            lost_sums=_lost_sums(losses),
            exposures=exposures(result),
            steps=[words for words, _ in STEPS],
            inconclusive=_inconclusive(result),
        )
        if len(text.encode("utf-8", "backslashreplace")) <= LARGEST_BYTES:
            break
    return text


def require_report() -> None:
    """Raise MissingPackageError where what the page is made with is not installed: ask before traces are read."""
    for package in ("jinja2", "plotly"):
        if find_spec(package) is None:
            raise MissingPackageError(f"{package} is not installed: pip install 'traceview[report]' brings it")


def _lone_script(text: str) -> str:
    """Return a script as it stands in a page; the hash that lets it run is of just these characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    assert "</script" not in text.lower() and "<!--" not in text, "it would end the element that it stands in"  # noqa: PT018
    return text


def _policy(*scripts: str) -> str:
    """Return what the page may do: run these scripts, style itself, and nothing else; no address is ever asked."""
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{h}'" for h in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _findings(
    result: ScanResult, losses: Losses, pictures: Mapping[int, Picture], shown: int, thrift: int
) -> list[FindingView]:
    lost = losses_by_window(losses)
    numbers = range(1, min(shown, len(result.findings)) + 1)
    share = max(len(numbers), 1)
    room = Room(
        *(
            max(min(of_one, of_all // share) // thrift, 2)
            for of_one, of_all in zip(astuple(_ONE), astuple(_ALL), strict=True)
        )
    )
    views = []
    for number in numbers:
        own = lost.get(window_place(result, result.windows[result.findings[number - 1].window]), [])
        views.append(finding_view(result, number, own, losses, pictures.get(number), room))
    return views


def _severities(result: ScanResult) -> list[tuple[str, str, int]]:
    counts = Counter(f.severity for f in result.findings)
    return [(s.value, SEVERITY_WORDS[s], counts[s]) for s in sorted(Severity, key=lambda s: -s.rank)]


def _lost_sums(losses: Losses) -> list[tuple[str, int, str]]:
    sums = []
    for state in LossState:
        lengths = [e.extent.length for e in losses.of(state)]
        if lengths:
            sums.append((state.value, len(lengths), size(sum(lengths))))
    return sums


def _trace(trace: TraceSummary, occasion: Occasion) -> dict[str, Any]:
    first, last = occasion.spans_ns.get(trace.path, (NO_TIME, NO_TIME))
    return {
        "path": printable(trace.path),
        "format": trace.format,
        "release": trace.dating.text,
        "reason": printable(trace.dating.reason),
        "events": trace.events,
        "other_lines": trace.other_lines,
        "refused_lines": trace.refused_lines,
        "begin": _time(first),
        "end": _time(last),
        "lasts": duration(last - first) if NO_TIME not in (first, last) else "",
        "gaps": [_gap(gap.line, gap.byte_offset, gap.text) for gap in trace.gaps[:MOST_GAPS]],
        "more_gaps": max(len(trace.gaps) - MOST_GAPS, 0),
        "refused": [(r.line, "\n".join(printable(line) for line in r.explanation.split("\n"))) for r in trace.refused],
        "unjudged": [(u.rule, printable(u.reason), _enable(u.events)) for u in trace.unjudged],
        "judged": [(c.rule, c.windows) for c in trace.coverage if c.windows],
        "blind": [_blind(c) for c in trace.coverage if not c.windows],
    }


def _blind(coverage: RuleCoverage) -> tuple[str, str, list[str]]:
    return coverage.rule, printable(coverage.reason), _enable(coverage.events)


def _enable(events: Sequence[Sequence[str]]) -> list[str]:
    return [" or ".join(names) for names in events]


def _gap(line: int, byte_offset: int, text: str) -> tuple[str, str]:
    return f"line {line}" if line else f"byte {byte_offset}", printable(text)


def _time(ns: int) -> str:
    """Return a time by a trace's clock: a date where the clock counts from 1970, else seconds; ``""`` for none."""
    if ns == NO_TIME:
        return ""
    if ns < _EPOCH_NS:
        return f"{ns / 1e9:.6f} s"
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # a damaged time
        return f"{seconds} s"
    return f"{day:%Y-%m-%d %H:%M:%S}.{rest // 1000:06d} UTC"


def _inconclusive(result: ScanResult) -> list[tuple[str, str, str, int, bool]]:
    """Return trace, rule, reason and number of the windows that could not be judged, and whether they had to be."""
    counts: Counter[tuple[str, str, str, bool]] = Counter()
    for window in result.windows:
        if window.verdict is Verdict.INCONCLUSIVE:
            path = printable(result.traces[window.trace].path)
            counts[path, window.rule, printable(window.reason), result.must_judge(window)] += 1
    return [(path, rule, reason, count, must) for (path, rule, reason, must), count in counts.items()]
