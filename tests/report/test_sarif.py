"""SARIF: valid by its official schema, read by other people's libraries, within the limits of GitHub."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from jsonschema import Draft4Validator, FormatChecker
from sarif import loader
from sarif_pydantic import Sarif

from tests.conftest import ROOT, CapturePath
from tests.report import HOSTILE, RAW, SAMPLES, mark, request, result, sample, summary, window
from tests.report.told import COVERS, everything, keys, known, unclear
from traceview.errors import TraceNotFoundError
from traceview.events import MAX_GAPS, NO_TIME, Gap
from traceview.findings import Filed, Happening, ScanResult
from traceview.fleet import scan_all
from traceview.report.sarif import MOST_FLOWS, MOST_RESULTS, findings_with_flows, sarif_document, sarif_json
from traceview.report.steps import MOST_STEPS
from traceview.rules import EXIT_RULE, load_rules

NAMES = sorted(p.name for p in SAMPLES.iterdir() if p.is_dir())
MOST_LOCATIONS = 10_000
MOST_PACKED = 10_000_000

checker = FormatChecker(formats=())


@checker.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and _plain(value))


@checker.checks("uri-reference")
def _is_reference(value: object) -> bool:
    return not isinstance(value, str) or _plain(value)


@checker.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or (value.endswith("Z") and datetime.fromisoformat(value) is not None)


def _plain(value: str) -> bool:
    return re.fullmatch(r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=\[\]-]|%[0-9A-F]{2})*", value) is not None


@pytest.fixture(scope="module")
def official() -> Draft4Validator:
    """Return what validates by the schema that OASIS published; without it the test is skipped."""
    named = os.environ.get("TRACEVIEW_SARIF_SCHEMA")
    path = Path(named) if named else ROOT / ".venv" / "sarif-schema.json"
    if not path.is_file():
        pytest.skip(
            f"no SARIF schema: {path} is not there (make test fetches it; TRACEVIEW_SARIF_SCHEMA names another)"
        )
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema, format_checker=checker)


def complaints(validator: Draft4Validator, document: Any) -> list[str]:
    return [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]


def document_of(scan: ScanResult, *errors: Exception, **options: Any) -> Any:
    made = sarif_json(scan, errors, load_rules(), version="1.2.3", **options)  # type: ignore[arg-type]
    assert made.isascii()
    return json.loads(made)


def run_of(scan: ScanResult, *errors: Exception, **options: Any) -> Any:
    (run,) = document_of(scan, *errors, **options)["runs"]
    return run


def only(scan: ScanResult, kind: str = "fail", **options: Any) -> Any:
    (found,) = [r for r in run_of(scan, **options)["results"] if r["kind"] == kind]
    return found


def one(**changes: Any) -> ScanResult:
    """Return a scan with one finding."""
    return known(result(window(request(context="iohandler_ctx"))), **changes)


def flows_of(found: Any) -> Any:
    (flow,) = found["codeFlows"]
    return flow["threadFlows"]


@pytest.fixture(scope="module")
def samples() -> ScanResult:
    return scan_all([SAMPLES], keep_witness=True)


def sample_finding(samples: ScanResult, name: str, **options: Any) -> Any:
    results = run_of(samples, root=ROOT, **options)["results"]
    return next(r for r in results if r["kind"] == "fail" and f"/{name}/" in json.dumps(r))


# valid


def test_all_samples_together_are_valid(official: Draft4Validator, samples: ScanResult) -> None:
    assert complaints(official, document_of(samples, root=ROOT)) == []


@pytest.mark.parametrize("at_source", [False, True])
def test_a_scan_of_everything_is_valid(official: Draft4Validator, at_source: bool) -> None:
    scan = known(everything(), suppression=COVERS)
    assert complaints(official, document_of(scan, TraceNotFoundError("x: no such file"), at_source=at_source)) == []


def test_an_empty_scan_is_valid_and_has_an_empty_list_of_results(official: Draft4Validator) -> None:
    document = document_of(ScanResult())
    assert complaints(official, document) == []
    assert document["runs"][0]["results"] == []


def test_hostile_text_is_valid_and_harmless(official: Draft4Validator) -> None:
    scan = hostile()
    document = document_of(scan, TraceNotFoundError(HOSTILE))
    assert complaints(official, document) == []
    assert not [raw for raw in RAW for text in _texts(document) if raw in text and raw != "\n"]


def hostile() -> ScanResult:
    trace = summary(HOSTILE, gaps=[Gap("cut", 1, 1, 1, 0, None, HOSTILE)])
    trace.host = trace.vm = HOSTILE
    broken = window(request(device=HOSTILE, doubt=HOSTILE, context=HOSTILE), target_image=HOSTILE, reason=HOSTILE)
    broken.happenings = [Happening(mark(15), HOSTILE, HOSTILE)]
    scan = known(result(broken, unclear(about=HOSTILE), trace=trace), suppression=replace(COVERS, reason=HOSTILE))
    scan.findings = [replace(f, title=HOSTILE, happenings=(0,)) for f in scan.findings]
    return scan


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for k, v in value.items() for t in (*_texts(k), *_texts(v))]
    if isinstance(value, list):
        return [t for v in value for t in _texts(v)]
    return [value] if isinstance(value, str) else []


@pytest.mark.captures
@pytest.mark.parametrize(
    ("name", "file"),
    [("qemu-4.1.0/mirror-vblk-noioeventfd", "trace.log"), ("qemu-2.5.0/mirror-abort", "trace.log"),
     ("qemu-9.0.0/quad-backends", "trace.bin"), ("qemu-7.2.22/mirror-notimestamp", "trace.log")],
)  # fmt: skip
def test_a_capture_is_valid(official: Draft4Validator, capture_path: CapturePath, name: str, file: str) -> None:
    path = capture_path(name, file)
    beside = ROOT.parent / "shared" / "captures" / name.partition("/")[0] / "trace-events"
    declared = beside if file == "trace.bin" and beside.is_file() else None
    scan = scan_all([path], keep_witness=True, trace_events=declared)
    document = document_of(scan, root=path.parent)
    assert complaints(official, document) == []
    assert len([r for r in document["runs"][0]["results"] if r["kind"] == "fail"]) == len(scan.findings)


# read back by others


def test_sarif_tools_reads_what_was_written(samples: ScanResult, tmp_path: Path) -> None:
    path = tmp_path / "scan.sarif"
    path.write_text(sarif_json(samples, (), load_rules(), version="1.2.3", root=ROOT), encoding="utf-8")
    read = loader.load_sarif_file(str(path))
    assert [run.get_tool_name() for run in read.runs] == ["traceview"]
    records = [r for r in read.get_records() if r["Severity"] in ("error", "warning")]
    assert len(records) == len(samples.findings)
    case_1 = next(r for r in records if "lp1570134-case-1" in r["Location"])
    assert (case_1["Location"], case_1["Line"]) == ("sample-traces/lp1570134-case-1/trace.log", 354)
    assert case_1["Code"] == EXIT_RULE
    assert read.get_report().get_issue_count_for_severity("error") == 11


def test_sarif_pydantic_reads_what_was_written(samples: ScanResult) -> None:
    read = Sarif.model_validate_json(sarif_json(samples, (), load_rules(), version="1.2.3", root=ROOT))
    (run,) = read.runs
    assert run.tool.driver.name == "traceview"
    assert len(run.tool.driver.rules or []) == len(load_rules())
    flows = [r.code_flows[0].thread_flows for r in run.results or [] if r.code_flows]
    assert len(flows) == len(samples.findings)
    assert all(len(f) >= 2 for f in flows)


# rules


def test_every_rule_that_was_judged_is_described() -> None:
    driver = run_of(one())["tool"]["driver"]
    rules = load_rules()
    assert (driver["name"], driver["semanticVersion"]) == ("traceview", "1.2.3")
    assert [r["id"] for r in driver["rules"]] == rules.ids
    told = driver["rules"][rules.ids.index(EXIT_RULE)]
    assert told["name"] == "MirrorExitGuestIo"
    assert told["shortDescription"]["text"] == rules[EXIT_RULE].title
    assert told["fullDescription"]["text"] == rules[EXIT_RULE].sentence
    assert told["helpUri"] == "https://bugs.launchpad.net/qemu/+bug/1570134"
    assert told["defaultConfiguration"] == {"level": "error"}
    assert all(len(r["properties"]["tags"]) <= 10 for r in driver["rules"])
    levels = {r["id"]: r["defaultConfiguration"]["level"] for r in driver["rules"]}
    assert levels["external-off-kick"] == "warning"


def test_results_point_to_their_rule() -> None:
    run = run_of(everything())
    ids = [r["id"] for r in run["tool"]["driver"]["rules"]]
    assert [ids[r["ruleIndex"]] for r in run["results"]] == [r["ruleId"] for r in run["results"]]


def test_a_rule_that_was_not_among_those_judged_by_has_no_place_among_them() -> None:
    document = sarif_document(one(), (), load_rules().choose(["external-off-kick"]), version="1")
    (found,) = [r for r in document["runs"][0]["results"] if r["kind"] == "fail"]
    assert "ruleIndex" not in found


# findings


def test_a_finding_is_a_failure_with_its_words_and_where_it_stands() -> None:
    found = only(everything())
    assert (found["ruleId"], found["kind"], found["level"]) == (EXIT_RULE, "fail", "error")
    assert found["message"]["text"].startswith("DATA LOSS: ")
    assert "case 1: iohandler_ctx dispatched after the job" in found["message"]["text"]
    (place,) = found["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "logs/vm.log", "uriBaseId": "%SRCROOT%", "index": 0},
        "region": {"startLine": 12},
    }
    names = [(n["fullyQualifiedName"], n["kind"]) for n in place["logicalLocations"]]
    assert names == [("main-loop/aio:iohandler_ctx", "context"), ("block/mirror.c:mirror_run", "function")]
    edges = [(p["message"]["text"], p["physicalLocation"]["region"]["startLine"]) for p in found["relatedLocations"]]
    assert edges == [("(a) block_job_defer_to_main_loop", 10), ("(c) mirror_exit: guest moved to bs 0xa1", 20)]
    assert found["properties"] == {
        "finding": 1, "verdict": "violated", "severity": "data-loss", "certain": True, "evidence": "exact",
        "shape": "case-1", "device_kind": None, "lost_bytes": 0, "rewritten_bytes": 0, "rule_version": 1,
        "known": None, "host": "rack7", "vm": "web-1",
    }  # fmt: skip


def test_a_broken_promise_is_a_warning() -> None:
    scan = known(result(window(request(), pivoted=False)))
    assert only(scan)["level"] == "warning"


def test_the_keys_are_there_by_the_version_of_their_algorithm_and_so_are_older_ones() -> None:
    newer = replace(keys(7, 3), identity="v2-" + "a" * 32, older=("v1-" + "b" * 32,))
    scan = one()
    scan.findings = [replace(scan.findings[0], fingerprint=newer)]
    assert only(scan)["partialFingerprints"] == {
        "traceviewIdentity/v2": "v2-" + "a" * 32,
        "traceviewGroup/v1": newer.group,
        "traceviewInstance/v1": newer.instance,
        "traceviewIdentity/v1": "v1-" + "b" * 32,
        "primaryLocationLineHash": "v2-" + "a" * 32 + ":1",
    }


def test_findings_of_one_bug_in_one_file_stay_apart_for_github() -> None:
    scan = known(result(*(window(request()) for _ in range(3))), 1, 2, 1)
    hashes = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run_of(scan)["results"] if "codeFlows" in r]
    assert hashes == [f"{keys(1).identity}:1", f"{keys(2).identity}:1", f"{keys(1).identity}:2"]


def test_a_finding_without_keys_is_told_all_the_same() -> None:
    assert only(result(window(request())))["partialFingerprints"] == {"primaryLocationLineHash": f"{EXIT_RULE}:1"}


def test_a_finding_may_stand_at_the_file_of_qemu_that_its_rule_names() -> None:
    found = only(everything(), at_source=True)
    (place,) = found["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "block/mirror.c", "uriBaseId": "QEMUROOT"}, "region": {"startLine": 1}
    }  # fmt: skip
    beside = [p["physicalLocation"]["region"]["startLine"] for p in found["relatedLocations"]]
    assert beside == [10, 20, 12]


def test_what_stands_at_a_file_of_qemu_does_not_hang_on_the_name_of_the_trace() -> None:
    hashes, places = set(), set()
    for path in ("monday.log", "tuesday.log"):
        scan = one()
        scan.traces[0].path = path
        found = only(scan, at_source=True)
        hashes.add(found["partialFingerprints"]["primaryLocationLineHash"])
        places.add(json.dumps(found["locations"]))
    assert len(hashes) == len(places) == 1


def test_a_rule_that_names_no_file_of_qemu_stays_at_its_trace() -> None:
    scan = one()
    scan.findings = [replace(scan.findings[0], references=("https://example.org/1",))]
    (place,) = only(scan, at_source=True)["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "vm.log"


def test_a_suppressed_finding_says_by_what() -> None:
    found = only(one(suppression=COVERS))
    assert found["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": COVERS.reason,
            "location": {
                "physicalLocation": {
                    "artifactLocation": {"uri": "known.baseline", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 3}
                }
            },
            "properties": {"until": "2027-03-31"},
        }
    ]  # fmt: skip
    assert "suppressions" not in only(one())


def test_where_one_finding_is_suppressed_all_results_say_whether_they_are() -> None:
    scan = known(result(window(request()), window(request()), unclear()))
    scan.findings[0] = replace(scan.findings[0], suppression=COVERS)
    assert [len(r["suppressions"]) for r in run_of(scan)["results"]] == [1, 0, 0]


def test_a_finding_that_a_store_has_names_its_number_and_its_state() -> None:
    told = only(one(filed=Filed(7, "confirmed")))["properties"]
    assert (told["stored"], told["state"], told["news"]) == (7, "confirmed", "")


# what could not be judged


def test_nothing_is_ever_said_to_pass() -> None:
    assert {r["kind"] for r in run_of(everything())["results"]} == {"fail", "open", "review"}


def test_inconclusive_windows_are_open_and_counted() -> None:
    found = only(everything(), "open")
    assert (found["ruleId"], found["level"], found["occurrenceCount"]) == (EXIT_RULE, "none", 2)
    assert found["message"]["text"] == f"2 windows of {EXIT_RULE} could not be judged: records were dropped in it"
    assert found["locations"][0]["physicalLocation"]["region"] == {"startLine": 10}


def test_rules_that_a_trace_cannot_be_judged_by_are_for_review() -> None:
    found = [r for r in run_of(everything())["results"] if r["kind"] == "review"]
    assert {r["level"] for r in found} == {"none"}
    assert [r["message"]["text"] for r in found] == [
        "mirror-final-drain-guest-io was not judged: no job looks; enable: a or b, c",
        "drained-node-job-io was not judged: not traced; enable: bdrv_drained_begin",
        "instant-drain-guest-io was not judged: windows of it are not judged: no times",
    ]


def test_a_trace_without_any_job_is_no_pass(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(b"".join(sample("fixed").read_bytes().splitlines(keepends=True)[:60]))
    results = run_of(scan_all([path]))["results"]
    assert [r["kind"] for r in results if r["ruleId"] == EXIT_RULE] == ["review"]


# troubles of the tool


def test_troubles_are_notifications_and_no_results() -> None:
    (invocation,) = run_of(everything())["invocations"]
    assert invocation["executionSuccessful"] is True
    told = [(n["descriptor"]["id"], n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]]
    assert told == [
        ("gap", "warning", "records were dropped"),
        ("gap", "warning", "the end is cut"),
        ("refused-line", "warning", "mirror_exit bs {{nil}}\n            ^ expected a pointer"),
        ("refused-line", "warning", "1 more line of this trace could not be read so"),
    ]
    places = [n["locations"][0]["physicalLocation"]["region"] for n in invocation["toolExecutionNotifications"]]
    assert [p["startLine"] for p in places] == [4, 7, 5, 1]


def test_a_trace_that_could_not_be_read_makes_the_run_fail() -> None:
    (invocation,) = run_of(one(), TraceNotFoundError("gone.log: no such file"))["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert (told["level"], told["message"]["text"]) == ("error", "gone.log: no such file")
    assert told["properties"] == {"kind": "TraceNotFoundError"}


def test_what_is_in_doubt_is_told_once_for_each_reason() -> None:
    doubted = [request(at=mark(13 + i, 50), doubt="threads are close") for i in range(3)]
    scan = result(window(request(), *doubted), window(request(doubt="another disk's, perhaps")))
    (invocation,) = run_of(scan)["invocations"]
    told = [(n["descriptor"]["id"], n["message"]["text"], n["locations"][0]["physicalLocation"]["region"]["startLine"])
            for n in invocation["toolExecutionNotifications"]]  # fmt: skip
    assert told == [
        ("doubt", "3 records of windows in doubt: threads are close", 13),
        ("doubt", "1 record of windows in doubt: another disk's, perhaps", 12),
    ]


def test_very_many_rules_are_not_all_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.report.sarif.MOST_RULES", 2)
    run = run_of(everything())
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == load_rules().ids[:2]
    assert all(r.get("ruleIndex", 0) < 2 for r in run["results"])
    told = run["invocations"][0]["toolExecutionNotifications"][-1]
    assert told["message"]["text"] == f"2 of {len(load_rules())} rules are described: GitHub takes no more"


def test_very_many_gaps_are_told_as_a_number() -> None:
    gaps = [Gap("dropped", i, i, i, 0, 1, "lost") for i in range(1, MAX_GAPS + 1)]
    (invocation,) = run_of(result(trace=summary(gaps=gaps)))["invocations"]
    told = [n["message"]["text"] for n in invocation["toolExecutionNotifications"]]
    assert len(told) < 50
    assert told[-1] == f"{MAX_GAPS - len(told) + 1} more gaps of this trace are not told one by one"


# places


@pytest.mark.parametrize(
    ("path", "uri", "base"),
    [
        ("vm.log", "vm.log", "%SRCROOT%"),
        ("./logs//vm.log", "logs/vm.log", "%SRCROOT%"),
        ("/srv/x/logs/vm.log", "logs/vm.log", "%SRCROOT%"),
        ("/elsewhere/vm.log", "file:///elsewhere/vm.log", None),
        ("a b%#?.log", "a%20b%25%23%3F.log", "%SRCROOT%"),
        ("c:d.log", "c%3Ad.log", "%SRCROOT%"),
        ("\udcff.log", "%FF.log", "%SRCROOT%"),
        ("<stdin>", "%3Cstdin%3E", "%SRCROOT%"),
    ],
)
def test_a_trace_is_named_relative_to_the_folder_of_the_run(path: str, uri: str, base: str | None) -> None:
    run = run_of(result(window(request()), trace=summary(path)), root=Path("/srv/x"))
    (artifact,) = run["artifacts"]
    assert (artifact["location"]["uri"], artifact["location"].get("uriBaseId")) == (uri, base)
    (found,) = [r for r in run["results"] if r["kind"] == "fail"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert set(run["originalUriBaseIds"]) == {"%SRCROOT%", "QEMUROOT"}
    assert not [b for b in run["originalUriBaseIds"].values() if "uri" in b]


def test_a_binary_trace_has_bytes_and_no_lines(samples: ScanResult) -> None:
    run = run_of(samples, root=ROOT)
    raw = sample("simpletrace-2.6", "trace.bin").read_bytes()
    (place,) = [r["locations"][0] for r in run["results"] if "trace.bin" in json.dumps(r["locations"])][:1]
    region = place["physicalLocation"]["region"]
    assert set(region) == {"byteOffset", "byteLength"}
    assert region["byteOffset"] + region["byteLength"] <= len(raw)
    artifact = next(a for a in run["artifacts"] if a["location"]["uri"].endswith("trace.bin"))
    assert (artifact["mimeType"], artifact["roles"]) == ("application/octet-stream", ["analysisTarget"])


def test_a_file_that_was_read_twice_is_one_artifact() -> None:
    scan = result(window(request()))
    scan.merge(result(window(request())))
    run = run_of(scan)
    assert len(run["artifacts"]) == 1
    assert {r["locations"][0]["physicalLocation"]["artifactLocation"]["index"] for r in run["results"]} == {0}


def test_a_line_leads_to_the_record_that_is_told(samples: ScanResult) -> None:
    lines = sample("lp1570134-case-1").read_text(encoding="utf-8").split("\n")
    for step in flows_of(sample_finding(samples, "lp1570134-case-1"))[0]["locations"]:
        place = step["location"]["physicalLocation"]
        assert unquote(place["artifactLocation"]["uri"]) == "sample-traces/lp1570134-case-1/trace.log"
        record = lines[place["region"]["startLine"] - 1].split(":", 1)[1]
        text = step["location"]["message"]["text"]
        if step["importance"] != "essential" and "(" not in text and "#" not in text:
            assert record.startswith(text)


# flows


def test_the_first_flow_is_the_interleaving_and_one_for_each_context_follows(samples: ScanResult) -> None:
    merged, *others = flows_of(sample_finding(samples, "lp1570134-case-1"))
    assert merged["id"] == "merged"
    assert [f["id"] for f in others] == ["main-loop", "main-loop/aio:qemu_aio_context", "main-loop/aio:iohandler_ctx"]
    orders = [s["executionOrder"] for s in merged["locations"]]
    assert orders == list(range(1, len(orders) + 1))
    apart = [s for f in others for s in f["locations"]]
    assert sorted(apart, key=lambda s: s["executionOrder"]) == merged["locations"]
    for flow in others:
        names = {s["location"]["logicalLocations"][0]["fullyQualifiedName"] for s in flow["locations"]}
        assert names == {flow["id"]}


def test_the_steps_nest_like_the_calls_and_weigh_by_what_they_are(samples: ScanResult) -> None:
    steps = flows_of(sample_finding(samples, "lp1570134-case-1"))[0]["locations"]
    told = [(s["nestingLevel"], s["importance"], s["location"]["message"]["text"]) for s in steps]
    assert told[0] == (0, "important", "main_loop_wait # 166")
    assert told[1] == (1, "important", "aio_ctx_dispatch (qemu_aio_context)")
    assert (2, "essential", "(a) block_job_defer_to_main_loop") in told
    assert (3, "essential", "(b) guest write 4096 B at 9486336, kick at line 350") in told
    assert told[-1] == (2, "essential", "(c) mirror_exit: guest moved to bs 0x56343239c5f0")
    assert told.count((3, "unimportant", "virtio_blk_handle_write req 0x5634320aefa0 sector 18528 nsectors 8")) == 1
    functions = [s["location"]["logicalLocations"][1]["fullyQualifiedName"] for s in steps
                 if len(s["location"]["logicalLocations"]) > 1]  # fmt: skip
    assert functions == ["block/mirror.c:mirror_exit"]


def test_counters_are_told_from_the_record_on_that_tells_them(samples: ScanResult) -> None:
    steps = flows_of(sample_finding(samples, "second-door"))[0]["locations"]
    first = next(s for s in steps if "state" in s)
    assert first["location"]["message"]["text"].startswith("(a)")
    assert first["state"] == {"dirty_chunks of job 0x5634323a2140": {"text": "0"}}
    (write,) = [s["state"] for s in steps if s["location"]["message"]["text"].startswith("(b)")]
    assert {name: value["text"] for name, value in write.items()} == {
        "dirty_chunks of job 0x5634323a2140": "0",
        "quiesce_counter of bs 0x56343239c5f0": "1",
        "external_disable_cnt of ctx 0x56343209bf40": "1",
    }


def test_times_are_told_of_the_wall_clock_only(samples: ScanResult) -> None:
    def times(found: Any) -> list[str]:
        return [s["executionTimeUtc"] for s in flows_of(found)[0]["locations"] if "executionTimeUtc" in s]

    log = times(sample_finding(samples, "lp1570134-case-1"))
    assert log == sorted(log)
    assert log[0] == "2026-11-23T00:35:31.894762Z"
    binary = next(r for r in run_of(samples)["results"] if "trace.bin" in json.dumps(r["locations"]))
    assert times(binary) == []


@pytest.mark.parametrize("ts_ns", [NO_TIME, -1, 1 << 62, (1 << 63) - 1])
def test_a_time_that_is_none_or_in_no_calendar_is_not_told(official: Draft4Validator, ts_ns: int) -> None:
    scan = known(result(window(request(at=replace(mark(12), ts_ns=ts_ns)))))
    document = document_of(scan)
    assert complaints(official, document) == []
    (found,) = [r for r in document["runs"][0]["results"] if r["kind"] == "fail"]
    (step,) = [s for s in flows_of(found)[0]["locations"] if s["location"]["message"]["text"].startswith("(b)")]
    assert "executionTimeUtc" not in step or step["executionTimeUtc"] > "2100"


def test_a_scan_without_witness_has_the_points_of_the_window() -> None:
    merged, *others = flows_of(only(one()))
    assert [s["location"]["message"]["text"][:3] for s in merged["locations"]] == ["(a)", "(b)", "(c)"]
    assert [f["id"] for f in others] == ["qemu", "main-loop/aio:iohandler_ctx"]


# limits


def many(count: int, scan: ScanResult) -> ScanResult:
    """Return a scan with the findings of another one again and again, each of a bug and with pointers of its own."""
    dice = random.Random(1570134)  # noqa: S311  (no secret)
    made = ScanResult(scan.traces)
    for index in range(count):
        first = scan.findings[index % len(scan.findings)]
        model = scan.windows[first.window]
        job, node, target = (0x5500_0000_0000 + dice.getrandbits(40) for _ in range(3))
        opened = replace(model.open, line=dice.randrange(1, 10**7), ts_ns=dice.getrandbits(60))  # type: ignore[type-var]
        made.windows.append(replace(model, open=opened, job=job, key=job, node=node, target=target))
        title = f"mirror job 0x{job:x} on drive{dice.randrange(100)}: {first.title}"
        own = keys(dice.getrandbits(128), dice.getrandbits(100))
        made.findings.append(replace(first, window=index, title=title, fingerprint=own))
    return made


def test_30000_findings_stay_within_the_limits_and_say_what_is_left_out(samples: ScanResult) -> None:
    scan = many(30_000, samples)
    text = sarif_json(scan, (), load_rules(), version="1")
    (run,) = json.loads(text)["runs"]
    assert len(run["results"]) == MOST_RESULTS == 25_000
    assert len(run["tool"]["driver"]["rules"]) <= 25_000
    assert len(gzip.compress(text.encode(), 6)) < MOST_PACKED
    with_flow = [r for r in run["results"] if "codeFlows" in r]
    assert len(with_flow) == MOST_FLOWS
    words = [n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert any(w.endswith("that weigh least are left out: GitHub takes 25000") for w in words)
    assert f"{MOST_RESULTS - MOST_FLOWS} findings of {MOST_RESULTS} have no code flow: {MOST_FLOWS} have one" in words


def test_of_too_many_results_those_that_weigh_most_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.report.sarif.MOST_RESULTS", 3)
    promise, loss = window(request(), pivoted=False), window(request())
    scan = known(result(promise, loss, unclear(), loss, promise), 1, 2, 3, 4)
    scan.findings[1] = replace(scan.findings[1], suppression=COVERS)
    run = run_of(scan)
    assert [(r["kind"], r["level"], r["properties"]["finding"]) for r in run["results"]] == [
        ("fail", "warning", 1), ("fail", "error", 3), ("fail", "warning", 4),
    ]  # fmt: skip
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"].startswith("the 2 results that weigh least")


def test_each_bug_gets_a_flow_before_any_gets_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.report.sarif.MOST_FLOWS", 3)
    scan = known(result(*(window(request()) for _ in range(6))), 1, 1, 1, 2, 3, 3)
    assert findings_with_flows(scan) == [0, 3, 4]
    scan.findings[3] = replace(scan.findings[3], suppression=COVERS)
    assert findings_with_flows(scan) == [0, 1, 4]


@pytest.fixture(scope="module")
def long_window(tmp_path_factory: pytest.TempPathFactory) -> ScanResult:
    """Return the scan of a trace with a window of 20,000 guest writes."""
    path = tmp_path_factory.mktemp("long") / "vm.log"
    lines = sample("lp1570134-case-1").read_bytes().splitlines(keepends=True)
    write = lines[353]
    assert b"blk_aio_writev" in write
    more = [write.replace(b"sector_num 18528", b"sector_num %d" % (8 * i)) for i in range(20_000)]
    path.write_bytes(b"".join([*lines[:354], *more, *lines[354:]]))
    return scan_all([path], keep_witness=True)


def test_a_window_of_20000_steps_is_told_by_those_that_matter(
    official: Draft4Validator, long_window: ScanResult
) -> None:
    document = document_of(long_window)
    assert complaints(official, document) == []
    (run,) = document["runs"]
    (found,) = [r for r in run["results"] if r["kind"] == "fail"]
    assert len(long_window.windows[long_window.findings[0].window].requests) > 20_000
    merged = flows_of(found)[0]
    assert len(merged["locations"]) <= MOST_STEPS
    assert sum(len(f["locations"]) for f in flows_of(found)) <= 2 * MOST_STEPS < MOST_LOCATIONS
    words = [s["location"]["message"]["text"] for s in merged["locations"]]
    assert [w[:3] for w in (words[0], words[-1])] != ["(a)", "(c)"]  # the calls around them are there, too
    assert {w[:3] for w in words} >= {"(a)", "(b)", "(c)"}
    left = re.fullmatch(r"(\d+) records of the trace, in its order; (\d+) more around.*", merged["message"]["text"])
    assert left is not None
    assert int(left[1]) == len(merged["locations"])
    assert int(left[2]) > 19_000
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == f"1 code flow of 1 tell {MOST_STEPS} records at most, not all"


# the same bytes


def test_the_same_scan_gives_the_same_bytes(samples: ScanResult) -> None:
    def made(scan: ScanResult) -> str:
        return sarif_json(scan, (), load_rules(), version="1", root=ROOT)

    assert made(samples) == made(scan_all([SAMPLES], keep_witness=True))


def test_no_path_of_the_machine_is_in_it(samples: ScanResult) -> None:
    text = sarif_json(samples, (), load_rules(), version="1", root=ROOT)
    assert str(ROOT) not in text


def test_braces_and_links_in_text_are_no_placeholders_and_no_links() -> None:
    scan = one()
    scan.findings = [replace(scan.findings[0], title="{0} and [click](https://example.org) {x}")]
    text = only(scan)["message"]["text"]
    assert text.startswith("DATA LOSS: {{0}} and [click] (https://example.org) {{x}}")
