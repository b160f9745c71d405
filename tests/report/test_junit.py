"""JUnit XML: one test case for each rule and trace, and never a pass where something is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import ROOT
from tests.report import HOSTILE, RAW, SAMPLES, request, result, sample, summary, window
from tests.report.told import COVERS, everything, known, unclear, xml
from traceview.errors import TraceNotFoundError, TraceviewError
from traceview.findings import RuleCoverage, ScanResult, Severity, Unjudged, Verdict
from traceview.fleet import scan_all
from traceview.report.junit import MOST_TOLD, junit_xml
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, load_rules

VERDICTS = ("failure", "error", "skipped")


def suites_of(scan: ScanResult, *errors: TraceviewError) -> list[Element]:
    return list(xml(junit_xml(scan, errors)))


def cases_of(scan: ScanResult) -> dict[str, Element]:
    (suite,) = suites_of(scan)
    return {case.attrib["name"]: case for case in suite.iter("testcase")}


def verdict_of(case: Element) -> str:
    told = [v for v in VERDICTS if case.find(v) is not None]
    assert len(told) <= 1
    return told[0] if told else "passed"


def message_of(case: Element) -> str:
    told = case.find(verdict_of(case))
    assert told is not None
    return told.attrib["message"]


def test_each_rule_of_each_trace_is_one_case() -> None:
    scan = scan_all([SAMPLES])
    suites = suites_of(scan)
    assert [s.attrib["name"] for s in suites] == [t.path for t in scan.traces]
    for suite in suites:
        assert [c.attrib["name"] for c in suite.iter("testcase")] == load_rules().ids
        assert {c.attrib["classname"] for c in suite.iter("testcase")} == {suite.attrib["name"]}


def test_the_cases_of_a_scan_of_everything() -> None:
    verdicts = {name: verdict_of(case) for name, case in cases_of(everything()).items()}
    assert verdicts == {
        EXIT_RULE: "failure",
        "external-off-kick": "passed",
        "drained-node-job-io": "skipped",
        "blk-detached-under-io": "skipped",
        "instant-drain-guest-io": "skipped",
        "drained-node-guest-io": "skipped",
        FINAL_DRAIN_RULE: "skipped",
    }


def test_a_finding_fails_with_its_words_and_its_points() -> None:
    case = cases_of(everything())[EXIT_RULE]
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "data-loss"
    assert failure.attrib["message"].startswith("DATA LOSS: guest I/O between the end of a mirror job")
    lines = (failure.text or "").split("\n")
    assert lines[0].startswith("✗ DATA LOSS")
    assert [line.strip()[:3] for line in lines if line.startswith("  (")] == ["(a)", "(b)", "(c)"]
    assert lines[-1] == "inconclusive: 2 windows: records were dropped in it"


def test_the_worst_of_several_findings_heads_them() -> None:
    promise, loss = window(request(), pivoted=False), window(request())
    failure = cases_of(known(result(promise, loss, promise)))[EXIT_RULE].find("failure")
    assert failure is not None
    assert failure.attrib["type"] == Severity.DATA_LOSS.value
    assert failure.attrib["message"].endswith(" (and 2 more)")
    assert (failure.text or "").count("✗") == 3


def test_very_many_findings_are_counted() -> None:
    failure = cases_of(known(result(*(window(request()) for _ in range(MOST_TOLD + 7)))))[EXIT_RULE].find("failure")
    assert failure is not None
    assert (failure.text or "").count("✗") == MOST_TOLD
    assert (failure.text or "").endswith("\n7 more findings are not told here")


def test_inconclusive_windows_are_no_pass_even_if_all_others_are_clean() -> None:
    case = cases_of(result(window(), unclear(), window()))[EXIT_RULE]
    assert (verdict_of(case), message_of(case)) == ("skipped", "inconclusive: 1 window: records were dropped in it")


def test_jobs_that_were_not_judged_are_no_pass_even_if_others_were() -> None:
    trace = summary(unjudged=[Unjudged(EXIT_RULE, "1 mirror job ended, untraced", (("a",), ("b", "c")))])
    case = cases_of(result(window(), trace=trace))[EXIT_RULE]
    assert verdict_of(case) == "skipped"
    assert message_of(case) == "not judged: 1 mirror job ended, untraced; enable: a, b or c"


@pytest.mark.parametrize("reason", ["not traced", "no window of it was opened"])
def test_a_rule_without_a_window_is_skipped_and_says_why(reason: str) -> None:
    trace = summary()
    trace.coverage = [RuleCoverage("external-off-kick", 0, 0, reason, ())]
    case = cases_of(result(trace=trace))["external-off-kick"]
    assert verdict_of(case) == "skipped"
    assert message_of(case).endswith(f": {reason}")


def test_a_rule_of_which_some_windows_were_left_out_does_not_pass() -> None:
    trace = summary()
    trace.coverage = [RuleCoverage(EXIT_RULE, 2, 0, "windows of it are not judged: no times", (), fell_short=True)]
    case = cases_of(result(window(), window(), trace=trace))[EXIT_RULE]
    assert verdict_of(case) == "skipped"
    assert message_of(case) == "not judged: windows of it are not judged: no times"


def test_clean_windows_pass() -> None:
    assert verdict_of(cases_of(result(window(), window()))[EXIT_RULE]) == "passed"
    assert verdict_of(cases_of(result(window(verdict=Verdict.GUARDED)))[EXIT_RULE]) == "passed"


def test_what_is_suppressed_is_skipped_and_says_by_what() -> None:
    case = cases_of(known(result(window(request())), suppression=COVERS))[EXIT_RULE]
    assert verdict_of(case) == "skipped"
    assert message_of(case) == "suppressed by known.baseline line 3: the hosts of rack 7 get the fix in March"


def test_a_finding_beside_a_suppressed_one_fails() -> None:
    scan = known(result(window(request()), window(request())))
    scan.findings[0] = replace(scan.findings[0], suppression=COVERS)
    failure = cases_of(scan)[EXIT_RULE].find("failure")
    assert failure is not None
    assert (failure.text or "").count("✗") == 1
    assert "suppressed by known.baseline line 3" in (failure.text or "")


def test_a_trace_that_could_not_be_read_is_an_error_of_its_own() -> None:
    (suite,) = suites_of(ScanResult(), TraceNotFoundError("gone.log: no such file\n  look elsewhere"))
    (case,) = suite.iter("testcase")
    assert (case.attrib["name"], verdict_of(case)) == ("gone.log: no such file", "error")
    error = case.find("error")
    assert error is not None
    assert (error.attrib["type"], error.text) == ("TraceNotFoundError", "gone.log: no such file\n  look elsewhere")


def test_counts_add_up() -> None:
    text = junit_xml(scan_all([SAMPLES]), [TraceNotFoundError("gone")])
    top = xml(text)
    for element in (top, *top):
        cases = list(element.iter("testcase"))
        told = [verdict_of(c) for c in cases]
        counts = [len(cases), told.count("failure"), told.count("error"), told.count("skipped")]
        assert [int(element.attrib[k]) for k in ("tests", "failures", "errors", "skipped")] == counts
    assert int(top.attrib["failures"]) > 5
    assert top.attrib["errors"] == "1"


def test_the_origin_of_a_trace_is_told_where_it_is_known() -> None:
    (suite,) = suites_of(everything())
    told = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
    assert told == {"host": "rack7", "vm": "web-1", "format": "log", "digest": "d" * 32, "events": "100"}
    bare = suites_of(result())[0]
    assert {p.attrib["name"] for p in bare.iter("property")} == {"format", "events"}
    (real,) = suites_of(scan_all([sample("lp1570134-case-1")]))
    assert {p.attrib["name"]: p.attrib["value"] for p in real.iter("property")}["qemu"] == "2.7 or older"


def test_hostile_text_is_well_formed_and_harmless() -> None:
    trace = summary(HOSTILE)
    trace.vm = trace.host = HOSTILE
    broken = window(request(device=HOSTILE, doubt=HOSTILE), reason=HOSTILE, target_image=HOSTILE)
    scan = known(result(broken, unclear(), trace=trace))
    scan.findings = [replace(f, title=HOSTILE + "\x00\ufffe") for f in scan.findings]
    text = junit_xml(scan, [TraceNotFoundError(HOSTILE)])
    xml(text)
    assert text.encode("utf-8").decode("utf-8") == text
    assert not [raw for raw in (*RAW, "\x00", "\ufffe") if raw in text and raw != "\n"]


def test_paths_are_told_relative_to_the_folder_of_the_run() -> None:
    scan = result(trace=summary(str(ROOT / "logs" / "vm.log")))
    (suite,) = xml(junit_xml(scan, root=ROOT))
    assert suite.attrib["name"] == str(Path("logs/vm.log"))


def test_the_same_scan_gives_the_same_bytes_and_no_time() -> None:
    first, second = (junit_xml(scan_all([SAMPLES])) for _ in range(2))
    assert first == second
    assert first.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="traceview"')
    assert not {"time", "timestamp"} & {a for e in xml(first).iter() for a in e.attrib}
