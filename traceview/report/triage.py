"""The findings of a store as text for a person: the list, all of one, the figures of the whole store."""

from __future__ import annotations

import itertools
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from traceview.findings import Severity
from traceview.report.escape import printable
from traceview.report.extents import size
from traceview.report.style import SEVERITY_COLOUR, SEVERITY_WORDS, Style, plural
from traceview.report.triage_occurrence import Happened, happened
from traceview.store.model import (
    Absence,
    HistoryEntry,
    StoredFinding,
    StoredOccurrence,
    StoredScan,
    StoreStats,
    TriageState,
)

__all__ = [
    "Shown",
    "absence_words",
    "added_line",
    "begin_lines",
    "changed_lines",
    "list_lines",
    "merged_line",
    "moment",
    "names",
    "show_lines",
    "state_words",
    "stats_lines",
]

STATE_COLOUR = {
    TriageState.NEW: ("yellow", "bold"),
    TriageState.REGRESSED: ("red", "bold"),
    TriageState.CONFIRMED: ("yellow",),
    TriageState.KNOWN: ("cyan",),
    TriageState.IGNORED: ("dim",),
    TriageState.FIXED: ("green",),
}
MOST_EXTENTS = 20
MOST_HISTORY = 50
MOST_ROWS = 12
"""How many extents, entries of history and rows of one table are told to a person; the JSON has all."""
LEAST_ROOM = 24
"""Characters that are left of what a finding is, however narrow the screen."""
_ADDED = {"retold": "occurrences told anew", "history": "entries of history"}
_HEADING = ("#", "state", "severity", "seen", "VMs", "first", "last", "what")


@dataclass(frozen=True, slots=True)
class Shown:
    """All of one finding; `absence` is None for one without a fix."""

    finding: StoredFinding
    worst: StoredOccurrence
    history: Sequence[HistoryEntry]
    absence: Absence | None


def list_lines(
    findings: Sequence[StoredFinding],
    style: Style,
    *,
    hidden: Mapping[str, int],
    most: int | None = None,
    width: int | None = None,
) -> Iterator[str]:
    """Yield the findings, one a line under a heading, then how many there are by state.

    `hidden` counts the findings that are left out on purpose, by why; no more than the first `most` are listed. Lines
    are cut where they are longer than `width`, in what they say last.
    """
    shown = findings[:most]
    if shown:
        rows = [_row(f) for f in shown]
        widths = [max(map(len, column)) for column in zip(_HEADING, *rows, strict=True)]
        if width is not None:
            room = max(width - sum(widths[:-1]) - 2 * (len(widths) - 1), LEAST_ROOM)
            rows = [(*row[:-1], printable(row[-1], limit=room)) for row in rows]
            widths[-1] = min(widths[-1], room)
        yield style.paint("  ".join(_padded(_HEADING, widths)).rstrip(), "bold")
        for finding, row in zip(shown, rows, strict=True):
            yield _painted(finding, _padded(row, widths), style)
        if len(shown) < len(findings):
            yield f"  … {len(findings) - len(shown)} more: traceview triage list has all"
        yield ""
    counts = Counter(f.state for f in findings)
    states = ", ".join(f"{counts[s]} {s.value}" for s in TriageState if counts[s])
    yield f"{plural(len(findings), 'finding')}: {states}" if findings else "no finding"
    left_out = ", ".join(f"{count} {why}" for why, count in hidden.items() if count)
    if left_out:
        yield f"not shown: {left_out} (--all shows them)"


def begin_lines(where: str, style: Style) -> Iterator[str]:
    """Yield how to begin with a store in which no scan was recorded; `where` is what it is called."""
    place = printable(where, limit=1000)
    quoted = shlex.quote(place)
    yield f"No scan was recorded yet in {place}."
    yield ""
    yield f"  {style.paint(f'traceview scan logs/ --store {quoted}', 'bold')}"
    yield ""
    yield "records what it finds there, and again each time it runs; traceview triage then lists it, what is new first."
    yield "traceview triage import FILE takes in what traceview triage export wrote elsewhere."


def changed_lines(changed: Iterable[StoredFinding], style: Style) -> Iterator[str]:
    """Yield findings of which something was said, a line each: so that it is seen which ones they are."""
    for finding in changed:
        state = style.paint(state_words(finding), *STATE_COLOUR[finding.state])
        yield f"#{finding.id}  {state}  {_what(finding)}"


def merged_line(merged: int, into: StoredFinding) -> str:
    """Return that a finding was merged into another one, and how often that one was seen now."""
    seen = f"seen {plural(into.occurrences, 'time')} in {plural(into.traces, 'trace')} now"
    return f"#{merged} is merged into #{into.id}  {_what(into)}: {seen}"


def added_line(added: Mapping[str, int]) -> str:
    """Return what an import has added, by kind, in words."""
    parts = [f"{count} {_ADDED.get(kind, kind)}" for kind, count in added.items() if count]
    return f"added: {', '.join(parts)}" if parts else "nothing was added: all of it was there"


def _row(finding: StoredFinding) -> tuple[str, ...]:
    return (
        f"{finding.id}",
        finding.state.value if finding.merged_into is None else f"merged into {finding.merged_into}",
        _severity(finding),
        f"{finding.occurrences}×",
        names(finding.vms, most=2, limit=20) or "-",
        f"{finding.first_seen:%Y-%m-%d}",
        f"{finding.last_seen:%Y-%m-%d}",
        _what(finding),
    )


def _severity(finding: StoredFinding) -> str:
    return printable(finding.severity, limit=20) + ("" if finding.certain else " (possible)")


def _what(finding: StoredFinding) -> str:
    # What tells findings of one rule apart stands first: the end is cut where the line is narrow.
    parts = (finding.device_kind, finding.shape, finding.title or finding.rule, finding.label)
    return " · ".join(printable(p, limit=120) for p in parts if p)


def _padded(cells: Iterable[str], widths: Sequence[int]) -> list[str]:
    # Numbers and counts stand to the right, words to the left.
    return [c.rjust(w) if i in (0, 3) else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]


def _painted(finding: StoredFinding, cells: list[str], style: Style) -> str:
    number, state, severity, *rest = cells
    state = style.paint(state, *STATE_COLOUR[finding.state])
    return "  ".join((number, state, _coloured(finding.severity, severity, style), *rest)).rstrip()


def _coloured(severity: str, text: str, style: Style) -> str:
    known = {s.value: s for s in Severity}
    return style.paint(text, SEVERITY_COLOUR[known[severity]]) if severity in known else text


def names(values: Sequence[str], *, most: int, limit: int = 60) -> str:
    """Return the first names, made harmless, and how many more there are; ``""`` for none."""
    shown = ", ".join(printable(v, limit=limit) for v in values[:most])
    return f"{shown} +{len(values) - most}" if len(values) > most else shown


def moment(at: datetime | None) -> str:
    """Return a time as people read it, in UTC; ``-`` for none."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "-"


def state_words(finding: StoredFinding) -> str:
    """Return a finding's state with what belongs to it: the release that has the fix, the reason, until when."""
    words = finding.state.value
    if finding.fixed_in:
        words += f", fixed in {printable(finding.fixed_in)}"
    if finding.reason:
        words += f": {printable(finding.reason)}"
    return words + (f" (until {finding.until:%Y-%m-%d})" if finding.until is not None else "")


def absence_words(absence: Absence) -> str:
    """Return how far it is shown that a fix works, in words."""
    fixed_in = printable(absence.fixed_in)
    if absence.seen_again:
        return f"seen {plural(absence.seen_again, 'time')} in releases that carry the fix ({fixed_in} and newer)"
    words = (
        f"not seen in {plural(absence.windows, 'window')} of {plural(absence.scans, 'trace')} of {fixed_in} and newer; "
        f"{absence.needed} needed to be 95% sure"
    )
    return f"{words}: enough" if absence.enough else f"{words}: not enough yet"


def show_lines(shown: Shown, style: Style) -> Iterator[str]:
    """Yield all that the store knows of one finding."""
    finding = shown.finding
    known = {s.value: SEVERITY_WORDS[s] for s in Severity}
    words = known.get(finding.severity, printable(finding.severity))
    possible = "" if finding.certain else "POSSIBLE "
    mark = _coloured(finding.severity, f"✗ {possible}{words}", style)
    label = f" · {printable(finding.label)}" if finding.label else ""
    yield f"{mark}  {style.paint(f'#{finding.id}', 'bold')}  {printable(finding.title)}{label}"
    yield ""
    yield from _fact("state", style.paint(state_words(finding), *STATE_COLOUR[finding.state][:1]))
    if shown.absence is not None:
        yield from _fact("fix", absence_words(shown.absence))
    yield from _fact("rule", f"{printable(finding.rule)} (version {finding.rule_version})")
    shape = [f"{kind} {printable(v)}" for kind, v in (("device", finding.device_kind), ("shape", finding.shape)) if v]
    yield from _fact("kind", ", ".join(shape))
    traces = plural(finding.traces, "trace")
    yield from _fact("seen", f"{plural(finding.occurrences, 'time')} in {traces}")
    yield from _fact("first", moment(finding.first_seen))
    yield from _fact("last", moment(finding.last_seen))
    yield from _fact("VMs", names(finding.vms, most=MOST_ROWS))
    yield from _fact("hosts", names(finding.hosts, most=MOST_ROWS))
    yield from _fact("releases", names(finding.releases, most=MOST_ROWS))
    if finding.lost_bytes:
        yield from _fact("most lost", f"{size(finding.lost_bytes)} in one occurrence")
    for number, identity in enumerate(finding.identities or (finding.identity,)):
        yield from _fact("identity" if number == 0 else "  also", printable(identity))
    yield from _fact("group", printable(finding.group))
    for number, url in enumerate(finding.links):
        yield from _fact("links" if number == 0 else "", printable(url))
    yield ""
    yield from _occurrence_lines(shown.worst, style)
    if shown.history:
        yield ""
        yield from _history_lines(shown.history, style)


def _fact(name: str, text: str) -> Iterator[str]:
    if text:
        yield f"  {name:<10} {text}".rstrip()


def _occurrence_lines(worst: StoredOccurrence, style: Style) -> Iterator[str]:
    note = worst.scan.note
    told = happened(worst.document)
    yield style.paint("The worst occurrence", "bold")
    yield from _fact("trace", f"{printable(note.trace)} ({printable(note.format)})")
    yield from _fact("host", printable(note.host))
    yield from _fact("VM", printable(note.vm))
    yield from _fact("QEMU", printable(note.qemu) or "the trace does not tell its release")
    yield from _fact("seen", moment(worst.seen_at))
    yield from _fact("instance", printable(worst.instance))
    yield from _fact("window", ", ".join((*told.figures(), *_evidence(told))))
    yield from _fact("inside", told.inside)
    yield from _fact("note", printable(told.reason))
    yield from _fact("known", printable(told.known))
    if worst.suppressed:
        yield from _fact("baseline", f"covered: {printable(worst.suppressed)}")
    if told.lost or told.rewritten_bytes:
        yield ""
        yield from _loss_lines(told, style)
    if worst.interleaving:
        yield ""
        for line in worst.interleaving.splitlines():
            yield printable(line, limit=1000)


def _evidence(told: Happened) -> Iterator[str]:
    if told.evidence == "proxy":
        yield "by stand-ins" + (f" of {printable(told.about)}" if told.about else "")
    elif told.evidence:
        yield printable(told.evidence)


def _loss_lines(told: Happened, style: Style) -> Iterator[str]:
    words = f"{size(told.lost_bytes)} in {plural(len(told.lost), 'extent')}"
    rewritten = f", {size(told.rewritten_bytes)} rewritten since" if told.rewritten_bytes else ""
    yield f"{style.paint('What was lost', 'bold')}: {words}{rewritten}"
    for offset, length in told.lost[:MOST_EXTENTS]:
        yield f"  {offset:>15} +{length}"
    if len(told.lost) > MOST_EXTENTS:
        rest = told.lost[MOST_EXTENTS:]
        yield f"  … {plural(len(rest), 'more extent')}, {size(sum(length for _, length in rest))}"


def _history_lines(history: Sequence[HistoryEntry], style: Style) -> Iterator[str]:
    yield style.paint("History", "bold")
    left_out = len(history) - MOST_HISTORY
    if left_out > 0:
        yield f"  … {left_out} before (--format json has all)"
    for entry in history[-MOST_HISTORY:]:
        who = f"{printable(entry.who, limit=40)}: " if entry.who else ""
        first, *rest = entry.text.splitlines() or [""]
        yield f"  {moment(entry.at)}  {printable(entry.what, limit=20):<6} {who}{printable(first, limit=1000)}".rstrip()
        yield from (f"      {printable(line, limit=1000)}" for line in rest)


def stats_lines(stats: StoreStats, style: Style) -> Iterator[str]:
    """Yield the figures of a whole store."""
    total = sum(stats.by_state.values())
    yield f"{plural(total, 'finding')}, seen {plural(stats.occurrences, 'time')} in {plural(stats.scans, 'scan')}"
    by_state = {s.value: stats.by_state.get(s.value, 0) for s in TriageState}
    for heading, counts in (
        ("by state", {s: n for s, n in by_state.items() if n}),
        ("by rule", stats.by_rule),
        ("by VM", stats.by_vm),
        ("by host", stats.by_host),
    ):
        yield from _count_lines(heading, counts, style)
    if stats.by_release:
        yield ""
        yield style.paint("windows judged, by release", "bold")
        for release, (windows, violated) in stats.by_release.items():
            yield f"  {windows:>9}  {violated:>7} violated  {printable(release) or 'not known'}"
    yield ""
    yield from _scan_lines(stats.unfinished, style)
    waiting = stats.outbox_pending
    sends = ": traceview triage deliver sends them now" if waiting else ""
    yield f"{plural(waiting, 'letter')} waiting in the outbox{sends}"


def _count_lines(heading: str, counts: Mapping[str, int], style: Style) -> Iterator[str]:
    if not counts:
        return
    yield ""
    yield style.paint(heading, "bold")
    for name, count in itertools.islice(counts.items(), MOST_ROWS):
        yield f"  {count:>9}  {printable(name) or 'not known'}"
    if len(counts) > MOST_ROWS:
        yield f"  … {len(counts) - MOST_ROWS} more (--format json has all)"


def _scan_lines(unfinished: Sequence[StoredScan], style: Style) -> Iterator[str]:
    if not unfinished:
        yield "no scan is unfinished"
        return
    yield style.paint(f"{plural(len(unfinished), 'unfinished scan')}", "yellow")
    for scan in unfinished[:MOST_ROWS]:
        where = f" on {printable(scan.note.host)}" if scan.note.host else ""
        yield f"  {printable(scan.note.trace)}{where}, begun {moment(scan.started_at)}"
    if len(unfinished) > MOST_ROWS:
        yield f"  … {len(unfinished) - MOST_ROWS} more (--format json has all)"
    yield "  Another scan of the same trace completes one."
