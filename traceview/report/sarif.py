"""A scan as SARIF 2.1.0, for code scanning of GitHub, for DefectDojo, and for the viewers of editors.

One run, its rules, its results, and the troubles of the tool, within the limits of GitHub (its documentation of SARIF:
25,000 results of a run, 25,000 rules, 10,000 locations of a result's flows, 10 MB packed). Nothing of the machine, the
time or the user is in it: the same input gives the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traceview.errors import TraceviewError
from traceview.findings import Finding, ScanResult
from traceview.report.sarif_flows import code_flow
from traceview.report.sarif_notes import LeftOut, notification_descriptors, notifications
from traceview.report.sarif_places import ROOTS, Functions, Places
from traceview.report.sarif_results import finding_result, open_results, review_results
from traceview.report.sarif_rules import rule_descriptor
from traceview.report.sarif_words import message
from traceview.report.steps import MOST_STEPS, interleaving
from traceview.report.style import plural
from traceview.rules import RuleSet

__all__ = ["MOST_FLOWS", "MOST_RESULTS", "findings_with_flows", "sarif_document", "sarif_json"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ABOUT = "https://bugs.launchpad.net/qemu/+bug/1570134"
MOST_RESULTS = 25_000
MOST_RULES = 25_000
MOST_FLOWS = 1000
"""Findings that have a code flow: with more of them the file could grow beyond 10 MB packed."""


def findings_with_flows(result: ScanResult) -> list[int]:
    """Return which findings (from 0) get a code flow: of each identity the first before the second of any, and so on.

    Whoever keeps no witness for them (`Window.witness`) gets flows of the windows' own points.
    """
    seen: Counter[str] = Counter()
    turns = []
    for index, finding in enumerate(result.findings):
        key = _key(finding)
        turns.append((finding.suppression is not None, seen[key], -finding.severity.rank, index))
        seen[key] += 1
    return sorted(index for *_, index in sorted(turns)[:MOST_FLOWS])


def _key(finding: Finding) -> str:
    return finding.fingerprint.identity if finding.fingerprint is not None else finding.rule


def sarif_json(
    result: ScanResult, errors: Sequence[TraceviewError], rules: RuleSet, *, version: str, root: Path | None = None,
    at_source: bool = False,
) -> str:  # fmt: skip
    """Return a scan as a SARIF document on one line, in ASCII; what it takes is told at `sarif_document`."""
    document = sarif_document(result, errors, rules, version=version, root=root, at_source=at_source)
    return json.dumps(document, separators=(",", ":"))


def sarif_document(
    result: ScanResult, errors: Sequence[TraceviewError], rules: RuleSet, *, version: str, root: Path | None = None,
    at_source: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return a scan as the data of a SARIF document.

    `rules` are those that were judged by, `errors` those of traces that could not be read, `version` is traceview's.
    Paths below `root` (absolute, or None) are told relative to it. Findings stand at records of their traces, or with
    `at_source` at the files of QEMU that their rules name: these stay when traces get other names.
    """
    places = Places(result.traces, root)
    left_out = LeftOut()
    described = list(rules)[:MOST_RULES]
    left_out.note(
        len(rules) - len(described), f"{MOST_RULES} of {len(rules)} rules are described: GitHub takes no more"
    )
    index = {rule.id: place for place, rule in enumerate(described)}
    kept = _kept(result, index, places, left_out)
    results = [*_findings(result, kept, index, places, left_out, at_source=at_source), *kept.others]
    if any("suppressions" in made for made in results):
        for made in results:  # one that is told of a result is told of all (section 3.27.23)
            made.setdefault("suppressions", [])
    driver = {
        "name": "traceview",
        "semanticVersion": version,
        "informationUri": ABOUT,
        "rules": [rule_descriptor(rule) for rule in described],
        "notifications": notification_descriptors(),
    }
    invocation = {
        "executionSuccessful": not errors,
        "toolExecutionNotifications": notifications(result, errors, left_out, places),
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "originalUriBaseIds": {base: {"description": message(words)} for base, words in ROOTS.items()},
        "artifacts": places.artifacts(),
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is told of a scan: findings, by their place, and results that are none."""

    findings: list[int]
    others: list[dict[str, Any]]


def _kept(result: ScanResult, index: Mapping[str, int], places: Places, left_out: LeftOut) -> _Kept:
    """Return the results to tell; of too many those that weigh most, in the order of the scan."""
    others = [*open_results(result, index, places), *review_results(result.traces, index, places)]
    weights = [4 if f.suppression is not None else 2 - f.severity.rank for f in result.findings]
    weights += [2 if must else 5 for must, _ in others]
    order = sorted(range(len(weights)), key=lambda i: weights[i])
    kept = sorted(order[:MOST_RESULTS])
    more = len(order) - len(kept)
    left_out.note(more, f"the {plural(more, 'result')} that weigh least are left out: GitHub takes {MOST_RESULTS}")
    first = len(result.findings)
    return _Kept([i for i in kept if i < first], [others[i - first][1] for i in kept if i >= first])


def _findings(
    result: ScanResult, kept: _Kept, index: Mapping[str, int], places: Places, left_out: LeftOut, *, at_source: bool
) -> Iterator[dict[str, Any]]:
    with_flow = set(findings_with_flows(result))
    occurrences: Counter[tuple[str, ...]] = Counter()
    cut = 0
    for number in kept.findings:
        finding = result.findings[number]
        window = result.windows[finding.window]
        trace = result.traces[window.trace]
        functions = Functions(finding.references)
        moved = at_source and functions.source() is not None
        file = (_key(finding),) if moved else (trace.path, _key(finding))
        occurrences[file] += 1
        made = finding_result(result, number, index, places, occurrences[file], at_source=at_source)
        if number in with_flow:
            shown = interleaving(finding, window, trace.contexts)
            made["codeFlows"] = [code_flow(shown, window.trace, trace.format, places, functions)]
            cut += bool(shown.left_out)
        yield made
    bare = len(kept.findings) - len(with_flow.intersection(kept.findings))
    left_out.note(bare, f"{plural(bare, 'finding')} of {len(kept.findings)} have no code flow: {MOST_FLOWS} have one")
    left_out.note(cut, f"{plural(cut, 'code flow')} of {len(with_flow)} tell {MOST_STEPS} records at most, not all")
