"""From scans to a store of findings: each trace is recorded when it has been read, and it is told what is news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from traceview.api import Trace
from traceview.errors import UnknownNameError
from traceview.findings import Filed, Finding, ScanResult, Verdict, Window
from traceview.origin import command_line_beside
from traceview.report.machine import scan_document
from traceview.report.style import Style
from traceview.report.tree import tree_rows
from traceview.rules import RuleSet
from traceview.source.rotated import RotatedSource
from traceview.store import JudgedRule, News, ScanNote, SeenFinding, Store
from traceview.store.front import Run

__all__ = ["Recorder", "scan_note", "seen_findings"]


@dataclass(slots=True)
class Recorder:
    """Records the traces of one run as they come: give `begin` and `take` to `traceview.fleet.scan_all`.

    `options` are how the traces are read, `version` is that of traceview. `news` gathers what a team wants to hear of.
    """

    store: Store
    run: Run
    rules: RuleSet
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    def begin(self, trace: Trace) -> None:
        """Note in the store that a trace is being scanned; until `take` the scan is one that was not finished."""
        if not trace.source.once:
            self.run.begin(trace.source.absolute, trace.digest(), dict(self.options))

    def take(self, trace: Trace, result: ScanResult) -> None:
        """Record the result of one trace, and tell each of its findings where the store has it."""
        note = scan_note(trace, result, self.rules, self.options, self.version)
        found = self.run.record(note, list(seen_findings(result, self.rules, self._interleavings(trace, result))))
        self.news += found
        why = {n.finding.id: n.why.value for n in found}
        filed: dict[str, Filed] = {}
        for finding in result.findings:
            identity = _identity(finding)
            if identity not in filed:
                stored = self.store.finding(identity)
                filed[identity] = Filed(stored.id, stored.state.value, why.get(stored.id, ""))
        result.findings = [replace(f, filed=filed[_identity(f)]) for f in result.findings]

    def _interleavings(self, trace: Trace, result: ScanResult) -> dict[int, str]:
        """Return call trees as text, by a finding's place: of each bug's worst, where the store has none as bad."""
        chosen: dict[str, int] = {}
        for index, finding in enumerate(result.findings):
            identity = _identity(finding)
            best = chosen.get(identity)
            if best is None or finding.severity.rank > result.findings[best].severity.rank:
                chosen[identity] = index
        return {
            index: text
            for identity, index in chosen.items()
            if self._tells_more(identity, result.findings[index])
            and (text := _interleaving(trace, result, result.windows[result.findings[index].window]))
        }

    def _tells_more(self, identity: str, finding: Finding) -> bool:
        try:
            known = self.store.finding(identity)
        except UnknownNameError:
            return True
        return finding.severity.value != known.severity or not any(
            o.interleaving for o in self.store.occurrences(known.id, limit=1)
        )


def _identity(finding: Finding) -> str:
    assert finding.fingerprint is not None, "a scan gives each of its findings a fingerprint"
    return finding.fingerprint.identity


def _interleaving(trace: Trace, result: ScanResult, window: Window) -> str:
    """Return the call tree around a window as text; ``""`` where the trace can be read but once and kept nothing."""
    table = window.witness
    if table is None and not trace.source.once:
        table = trace.surroundings(window)
    if table is None:
        return ""
    contexts = result.traces[window.trace].contexts
    return "\n".join(text for _, text in tree_rows(window, table, contexts, Style(colour=False), whole=False))


def scan_note(
    trace: Trace, result: ScanResult, rules: RuleSet, options: Mapping[str, Any], version: str
) -> ScanNote:  # fmt: skip
    """Return what a store keeps of the scan of one trace.

    Raises TraceReadError for a command line beside it that cannot be read.
    """
    (summary,) = result.traces
    span = summary.dating.span
    # The files of a rotated log are found again beside the one that the trace goes by.
    asked = dict(options) | ({"rotated": True} if isinstance(trace.source, RotatedSource) else {})
    return ScanNote(
        trace=trace.source.absolute, digest=summary.digest, format=summary.format, host=summary.host, vm=summary.vm,
        qemu=summary.dating.text or "", since=span.since if span is not None else None,
        until=span.until if span is not None else None, options=asked, traceview=version,
        events=summary.events, other_lines=summary.other_lines, gaps=len(summary.gaps),
        inconclusive=result.inconclusive, command_line=command_line_beside(trace.source.path),
        rules=tuple(_judged(result, rules)),
    )  # fmt: skip


def _judged(result: ScanResult, rules: RuleSet) -> Iterator[JudgedRule]:
    verdicts = Counter((w.rule, w.verdict) for w in result.windows)
    for covered in result.traces[0].coverage:
        counts = {v: verdicts[covered.rule, v] for v in Verdict}
        yield JudgedRule(
            rule=covered.rule, version=rules[covered.rule].version, windows=covered.windows,
            violated=counts[Verdict.VIOLATED], guarded=counts[Verdict.GUARDED],
            clean=counts[Verdict.CLEAN] + covered.unlisted, inconclusive=counts[Verdict.INCONCLUSIVE],
            reason=covered.reason,
        )  # fmt: skip


def seen_findings(result: ScanResult, rules: RuleSet, interleavings: Mapping[int, str]) -> Iterator[SeenFinding]:
    """Yield the findings of one trace as a store takes them; `interleavings` are call trees by a finding's place."""
    document = scan_document(result)
    for index, finding in enumerate(result.findings):
        window, keys = result.windows[finding.window], finding.fingerprint
        assert keys is not None, "a scan gives each of its findings a fingerprint"
        yield SeenFinding(
            identities=keys.identities, group=keys.group, instance=keys.instance, rule=finding.rule,
            rule_version=finding.rule_version, title=rules[finding.rule].title, label=finding.label,
            severity=finding.severity.value, certain=finding.certain, device_kind=window.device_kind,
            shape=window.shape.value if window.shape is not None else "", lost_bytes=sum(e.length for e in window.lost),
            document={"finding": document["findings"][index], "window": document["windows"][finding.window]},
            interleaving=interleavings.get(index, ""),
            suppressed=finding.suppression.reason if finding.suppression is not None else "",
        )  # fmt: skip
