"""The health of traces as text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from traceview.detect.health import GapKind, Health, Steps
from traceview.events import NO_TIME
from traceview.findings import Verdict
from traceview.report.escape import printable
from traceview.report.style import Style, duration, plural

__all__ = ["check_lines", "moment"]

_NS = 1_000_000_000
_LAST_YEAR = 253_402_300_799
"""The last second that a calendar with four digits of a year can tell."""
_VERDICTS = (Verdict.CLEAN, Verdict.GUARDED, Verdict.VIOLATED, Verdict.INCONCLUSIVE)


def moment(ns: int, clock: str) -> str:
    """Return a time of a trace in words: as date and time for a wall clock, else in seconds; ``?`` for none."""
    if ns == NO_TIME:
        return "?"
    second, rest = divmod(ns, _NS)
    if "wall clock" in clock and 0 <= second <= _LAST_YEAR:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
    return f"{ns / _NS:.6f} s"


def check_lines(checked: Sequence[Health], style: Style, *, top: int = 10) -> Iterator[str]:
    """Yield the health of traces; of events, threads and gaps `top` are listed. Text of the trace is made harmless."""
    for health in checked:
        yield from _trace(health, style, top)
        yield ""
    if len(checked) > 1:
        healthy = sum(not h.problems for h in checked)
        records = sum(h.stats.records for h in checked)
        yield (
            f"{style.paint(plural(len(checked), 'trace'), 'bold')}: {healthy} healthy, {len(checked) - healthy} not, "
            f"{plural(records, 'record')}"
        )
        yield from (
            f"  {_mark(h, style)} {printable(h.read.path)}: {'; '.join(h.problems) or 'healthy'}" for h in checked
        )


def _mark(health: Health, style: Style) -> str:
    return style.paint("!", "yellow") if health.problems else style.paint("✓", "green")


def _trace(health: Health, style: Style, top: int) -> Iterator[str]:
    yield style.paint(printable(health.read.path), "bold")
    for name, text in _facts(health, top):
        yield f"  {style.paint(f'{name:<10}', 'dim')} {text}"
    yield from _gaps(health, style, top)
    yield from _refused(health, style)
    yield from _rules(health, style)
    for note in (*health.notes, *health.summary.notes):
        yield f"  {style.paint('note', 'yellow')}: {printable(note)}"
    if health.problems:
        yield f"  {style.paint('! not healthy', 'yellow')}: {'; '.join(health.problems)}"
    else:
        yield f"  {style.paint('✓ healthy', 'green')}"


def _facts(health: Health, top: int) -> Iterator[tuple[str, str]]:
    read, stats = health.read, health.stats
    yield "format", f"{read.format}, {read.title}; {_why(health)}"
    size = f"{read.size} bytes" if read.size is not None else "of unknown size"
    unpacked = f", {read.compression}, {stats.bytes_read} bytes unpacked" if read.compression else ""
    yield "file", size + unpacked
    release = f"QEMU {health.dating.text}" if health.dating.text else "a release that the trace does not tell"
    yield "written by", release + (f": {printable(health.dating.reason)}" if health.dating.reason else "")
    lines = f" on {plural(stats.lines, 'line')}" if stats.lines else ""
    yield "records", f"{stats.records}{lines}; {plural(stats.other_lines, 'other line')}, {stats.refused_count} refused"
    yield "clock", read.clock
    if health.duration_ns is not None:
        span = duration(health.duration_ns)
        yield "time", f"{moment(health.first_ns, read.clock)} to {moment(health.last_ns, read.clock)}, {span}"
    if health.rate is not None:
        yield "rate", f"{health.rate:.0f} records a second{_busiest(health)}"
    yield "order", _order(health)
    yield "threads", _threads(health, top)
    yield "events", _events(health, top)


def _why(health: Health) -> str:
    if health.read.named:
        return "as --format says"
    scores = sorted(health.read.scores.items(), key=lambda s: -s[1])
    return "by its beginning: " + ", ".join(f"{name} {score:.2f}" for name, score in scores if score > 0)


def _busiest(health: Health) -> str:
    if health.busiest is None:
        return ""
    second, count = health.busiest
    return f"; at most {count}, in the second from {moment(second * _NS, health.read.clock)} on"


def _order(health: Health) -> str:
    if health.first_ns == NO_TIME:
        return "not told: records have no time"
    ids = "thread" if health.tells_threads else "process or thread"
    parts = [f"within a {ids} {_steps(health.within)}", f"between them {_steps(health.between)}"]
    return f"time steps back {', '.join(parts)} (looked at {health.looked_at} of {health.stats.records} records)"


def _steps(steps: Steps) -> str:
    if not steps.count:
        return "never"
    where = f"line {steps.line}" if steps.line else f"byte {steps.byte_offset}"
    return f"{plural(steps.count, 'time')} (worst {duration(steps.worst_ns)} at {where})"


def _threads(health: Health, top: int) -> str:
    if not health.threads:
        return "not told"
    ordered = sorted(health.threads.items(), key=lambda t: (-t[1], t[0]))
    shown = ", ".join(f"{tid} ({count})" for tid, count in ordered[:top])
    rest = len(ordered) - top
    more = f", {rest} more" if rest > 0 else ""
    others = f", {plural(health.other_threads, 'record')} of still others" if health.other_threads else ""
    return f"{len(ordered)}: {shown}{more}{others}"


def _events(health: Health, top: int) -> str:
    names = health.stats.names
    if not names:
        return "none"
    ordered = sorted(names.items(), key=lambda e: (-e[1], e[0]))
    shown = ", ".join(
        f"{printable(name, limit=80)} ({count}{'' if name in health.known else ', nothing to rules'})"
        for name, count in ordered[:top]
    )
    rest = f", {len(ordered) - top} more" if len(ordered) > top else ""
    return f"{len(ordered)}, of which rules know {len(health.known)}: {shown}{rest}"


def _gaps(health: Health, style: Style, top: int) -> Iterator[str]:
    for kind in health.gaps:
        yield f"  {style.paint('gap', 'yellow')} {kind.cause}: {_gap_words(kind)}"
    for gap in health.stats.gaps[:top]:
        where = f"line {gap.line}" if gap.line else f"byte {gap.byte_offset}"
        yield f"    {where}: {printable(gap.text)}"
    rest = len(health.stats.gaps) - top
    if rest > 0:
        yield f"    {rest} more (see --format json, --top)"


def _gap_words(kind: GapKind) -> str:
    lost = [plural(kind.records, "record")] if kind.records else []
    if kind.unknown:
        lost.append(f"an unknown number in {kind.unknown} of them" if kind.count > 1 else "an unknown number")
    if kind.size_bytes:
        lost.append(plural(kind.size_bytes, "byte"))
    where = f"line {kind.largest.line}" if kind.largest.line else f"byte {kind.largest.byte_offset}"
    largest = f", the largest at {where}" if kind.count > 1 else ""
    return f"{kind.count}, lacking {' and '.join(lost) or 'nothing that is known'}{largest}"


def _refused(health: Health, style: Style) -> Iterator[str]:
    for refused in health.refused:
        first, *rest = refused.explanation.split("\n")
        yield f"  {style.paint('refused', 'yellow')} at line {refused.line}: {printable(first)}"
        yield from (f"    {printable(line)}" for line in rest)
    more = health.stats.refused_count - len(health.refused)
    if more > 0 and health.stats.refused_count:
        yield f"  {style.paint('refused', 'yellow')}: {more} more"


def _rules(health: Health, style: Style) -> Iterator[str]:
    coverage = health.summary.coverage
    windows = health.windows
    words = ", ".join(f"{windows[v]} {v.value}" for v in _VERDICTS if windows[v]) or "none"
    yield f"  {style.paint('windows   ', 'dim')} {words}"
    judged = health.judged
    untraced = [c for c in coverage if not c.windows and c.events]
    short = [c for c in coverage if c.windows and c.fell_short]
    yield (
        f"  {style.paint('rules     ', 'dim')} {len(judged)} of {len(coverage)} had windows to judge; "
        f"{len(untraced)} lack events (traceview vocabulary TRACE tells which)"
    )
    for covered in short:
        yield f"    {covered.rule}: not for all of them: {printable(covered.reason)}"
    for unjudged in health.summary.unjudged:
        yield f"    {unjudged.rule}: not judged: {printable(unjudged.reason)}"
    silence = health.silence
    worth = f"nothing: {printable(silence)}" if silence else f"something for {', '.join(judged)}"
    yield f"  {style.paint('silence   ', 'dim')} means {worth}"
