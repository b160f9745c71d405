"""GitLab's report of code quality: an array with what GitLab asks for, and fingerprints that it can compare by."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.conftest import ROOT
from tests.report import HOSTILE, RAW, SAMPLES, mark, request, result, sample, summary, window
from tests.report.told import COVERS, everything, keys, known
from traceview.findings import Happening, ScanResult
from traceview.fleet import scan_all
from traceview.report.gitlab import gitlab_json
from traceview.rules import EXIT_RULE

ASKED = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^(?!\\./)."},
                    "lines": {"type": "object", "properties": {"begin": {"type": "integer", "minimum": 1}}},
                },
            },
        },
    },
}
"""What GitLab's documentation asks of an issue."""


def issues_of(scan: ScanResult, root: Path | None = None) -> Any:
    text = gitlab_json(scan, root=root)
    assert text.isascii()
    issues = json.loads(text)
    Draft202012Validator(ASKED).validate(issues)
    return issues


def test_an_issue_says_what_where_and_how_bad() -> None:
    (issue,) = issues_of(everything())
    assert issue == {
        "description": "DATA LOSS: guest I/O between the end of a mirror job and the switch to its target",
        "check_name": EXIT_RULE,
        "fingerprint": f"{1:032x}",
        "severity": "critical",
        "location": {"path": "logs/vm.log", "lines": {"begin": 12}},
    }


def test_a_broken_promise_is_major_and_a_doubt_is_told() -> None:
    scan = known(result(window(request(), pivoted=False)), certain=False)
    (issue,) = issues_of(scan)
    assert issue["severity"] == "major"
    assert issue["description"].startswith("POSSIBLE BROKEN PROMISE: ")


def test_the_first_finding_of_a_bug_has_its_identity_and_further_ones_stay_apart() -> None:
    scan = known(result(*(window(request()) for _ in range(5))), 1, 1, 2, 1, 1)
    scan.findings[4] = replace(
        scan.findings[4], fingerprint=scan.findings[3].fingerprint
    )  # a trace that was read twice
    prints = [i["fingerprint"] for i in issues_of(scan)]
    assert (prints[0], prints[2]) == (f"{1:032x}", f"{2:032x}")
    assert len(set(prints)) == 5


def test_a_further_finding_keeps_its_fingerprint_whatever_stands_between() -> None:
    scan = known(result(*(window(request()) for _ in range(3))), 1, 2, 1)
    alone = ScanResult(scan.traces, scan.windows, [scan.findings[0], scan.findings[2]])
    assert issues_of(scan)[2]["fingerprint"] == issues_of(alone)[1]["fingerprint"]


def test_findings_without_keys_are_told_apart() -> None:
    prints = [i["fingerprint"] for i in issues_of(result(window(request()), window(request())))]
    assert len(set(prints)) == 2


def test_suppressed_findings_are_left_out() -> None:
    scan = known(result(window(request()), window(request())), 1, 2)
    scan.findings[0] = replace(scan.findings[0], suppression=COVERS)
    assert [i["fingerprint"] for i in issues_of(scan)] == [keys(2).identity.removeprefix("v1-")]


def test_no_finding_is_an_empty_array() -> None:
    assert gitlab_json(ScanResult()) == "[]"


def test_the_place_of_a_binary_record_is_the_first_line() -> None:
    scan = scan_all([sample("simpletrace-2.6", "trace.bin")], trace_events=sample("simpletrace-2.6", "trace-events"))
    issues = issues_of(scan, ROOT)
    assert {i["location"]["lines"]["begin"] for i in issues} == {1}
    assert {i["location"]["path"] for i in issues} == {"sample-traces/simpletrace-2.6/trace.bin"}


def test_the_place_is_that_of_the_first_write_else_of_what_else_broke_it() -> None:
    happening = Happening(mark(17), "aio_notify ctx 0x1")
    scan = known(result(window(request(at=mark(14)), happenings=[happening])))
    assert issues_of(scan)[0]["location"]["lines"]["begin"] == 14
    scan.findings = [replace(f, requests=(), happenings=(0,)) for f in scan.findings]
    assert issues_of(scan)[0]["location"]["lines"]["begin"] == 17


def test_hostile_text_is_harmless() -> None:
    scan = known(result(window(request()), trace=summary(HOSTILE)), title=HOSTILE)
    (issue,) = issues_of(scan)
    assert not [raw for raw in RAW if raw in issue["description"] + issue["location"]["path"]]


def test_the_same_scan_gives_the_same_bytes() -> None:
    first, second = (gitlab_json(scan_all([SAMPLES]), root=ROOT) for _ in range(2))
    assert first == second
    assert str(ROOT) not in first
    assert not re.search(r'"path": "/', first)
