"""Findings and what could not be judged as results of SARIF 2.1.0.

A finding is ``fail``. Inconclusive windows are ``open``, rules that a trace cannot be judged by ``review``, one result
for each rule, trace and reason: nothing is ever ``pass``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from traceview.findings import Finding, Fingerprint, ScanResult, TraceSummary, Window
from traceview.report.escape import printable
from traceview.report.facts import breaking_mark, finding_facts, headline
from traceview.report.judged import NotJudged, Open, enable_words, not_judged, open_windows
from traceview.report.sarif_places import Functions, Places, context_place
from traceview.report.sarif_rules import LEVELS
from traceview.report.sarif_words import message
from traceview.report.steps import served_by
from traceview.report.style import plural
from traceview.report.text import closing_words, opening_words

__all__ = ["GITHUB_KEY", "finding_result", "open_results", "review_results"]

GITHUB_KEY = "primaryLocationLineHash"
"""The only partial fingerprint by which GitHub tells alerts of one file and rule apart (its documentation of SARIF)."""


def finding_result(
    result: ScanResult, index: int, rules: Mapping[str, int], places: Places, occurrence: int, *, at_source: bool
) -> dict[str, Any]:
    """Return finding `index` (from 0) of a scan, without its code flow.

    `rules` are the places of the rules among their descriptors, `occurrence` is which finding of its identity in its
    file it is, from 1. It stands at the record that broke the promise, or with `at_source` at the file of QEMU that its
    rule names first.
    """
    finding = result.findings[index]
    window = result.windows[finding.window]
    functions = Functions(finding.references)
    place = places.of(window.trace, breaking_mark(finding, window), logical=_logical(finding, window, functions))
    beside = list(_edges(window, places))
    source = functions.source() if at_source else None
    if source is not None:
        beside.append({**place, "id": len(beside) + 1, "message": message("(b) what broke the promise")})
        place = {"physicalLocation": source, "logicalLocations": functions.first()}
    made = {
        **_head(finding.rule, rules, "fail", LEVELS[finding.severity]),
        "message": message("\n\n".join((headline(finding), ". ".join(finding_facts(finding, window))))),
        "locations": [place],
        "relatedLocations": beside,
        "partialFingerprints": _fingerprints(finding.fingerprint, finding.rule, occurrence),
        "properties": _properties(index, finding, window, result.traces[window.trace]),
    }
    if finding.suppression is not None:
        made["suppressions"] = [_suppression(finding, places)]
    return made


def _head(rule: str, rules: Mapping[str, int], kind: str, level: str) -> dict[str, Any]:
    head: dict[str, Any] = {"ruleId": rule, "kind": kind, "level": level}
    if rule in rules:
        head["ruleIndex"] = rules[rule]
    return head


def _logical(finding: Finding, window: Window, functions: Functions) -> list[dict[str, str]]:
    served = next((window.requests[i].context for i in finding.requests if window.requests[i].context), "")
    return [*([context_place(served_by(served))] if served else []), *functions.first()]


def _edges(window: Window, places: Places) -> Iterator[dict[str, Any]]:
    edges = [(window.open, f"(a) {opening_words(window)}")] if window.open is not None else []
    edges += [(window.close, f"(c) {closing_words(window)}")] if window.close is not None else []
    for number, (mark, words) in enumerate(edges, 1):
        yield places.of(window.trace, mark, words=words, number=number)


def _fingerprints(fingerprint: Fingerprint | None, rule: str, occurrence: int) -> dict[str, str]:
    if fingerprint is None:
        return {GITHUB_KEY: f"{rule}:{occurrence}"}
    keys = [("Identity", fingerprint.identity), ("Group", fingerprint.group), ("Instance", fingerprint.instance)]
    keys += [("Identity", key) for key in fingerprint.older]
    named = {f"traceview{what}/{key.partition('-')[0]}": key for what, key in keys}
    return {**named, GITHUB_KEY: f"{fingerprint.identity}:{occurrence}"}


def _suppression(finding: Finding, places: Places) -> dict[str, Any]:
    covered = finding.suppression
    assert covered is not None
    place = {"artifactLocation": places.uri(covered.source), "region": {"startLine": covered.line}}
    return {
        "kind": "external",
        "status": "accepted",
        "justification": printable(covered.reason),
        "location": {"physicalLocation": place},
        **({"properties": {"until": covered.until}} if covered.until else {}),
    }


def _properties(index: int, finding: Finding, window: Window, trace: TraceSummary) -> dict[str, Any]:
    filed = finding.filed
    return {
        "finding": index + 1,
        "verdict": window.verdict.value,
        "severity": finding.severity.value,
        "certain": finding.certain,
        "evidence": window.evidence.value,
        "shape": window.shape.value if window.shape is not None else None,
        "device_kind": window.device_kind or None,
        "lost_bytes": sum(e.length for e in window.lost),
        "rewritten_bytes": window.rewritten_bytes,
        "rule_version": finding.rule_version,
        "known": finding.standing.state.value if finding.standing is not None else None,
        **({"host": printable(trace.host)} if trace.host else {}),
        **({"vm": printable(trace.vm)} if trace.vm else {}),
        **({"stored": filed.number, "state": filed.state, "news": filed.news} if filed is not None else {}),
    }


def open_results(result: ScanResult, rules: Mapping[str, int], places: Places) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Yield the inconclusive windows, each result with whether the scan is inconclusive because of it."""
    for trace in range(len(result.traces)):
        for number, group in enumerate(open_windows(result, trace), 1):
            yield result.must_judge(group.windows[0]), _open_result(group, trace, number, rules, places)


def _open_result(group: Open, trace: int, number: int, rules: Mapping[str, int], places: Places) -> dict[str, Any]:
    first = group.windows[0]
    count = len(group.windows)
    return {
        **_head(group.rule, rules, "open", "none"),
        "message": message(f"{plural(count, 'window')} of {group.rule} could not be judged: {group.reason}"),
        "locations": [places.of(trace, first.open or first.close)],
        "occurrenceCount": count,
        "partialFingerprints": {GITHUB_KEY: f"open:{group.rule}:{number}"},
        "properties": {"verdict": first.verdict.value, "windows": count},
    }


def review_results(
    traces: Sequence[TraceSummary], rules: Mapping[str, int], places: Places
) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Yield the rules that traces could not be judged by, each with whether the scan is inconclusive without it."""
    for index, trace in enumerate(traces):
        for blind in not_judged(trace):
            yield blind.must_judge, _review_result(blind, index, rules, places)


def _review_result(blind: NotJudged, trace: int, rules: Mapping[str, int], places: Places) -> dict[str, Any]:
    enable = enable_words(blind.events)
    words = f"{blind.rule} was not judged: {blind.reason}"
    return {
        **_head(blind.rule, rules, "review", "none"),
        "message": message(f"{words}; {enable}" if enable else words),
        "locations": [places.of(trace, None)],
        "partialFingerprints": {GITHUB_KEY: f"review:{blind.rule}"},
        "properties": {"must_judge": blind.must_judge, "events": [list(names) for names in blind.events]},
    }
