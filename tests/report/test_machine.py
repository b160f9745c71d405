"""The JSON of a scan: what its schema promises, no more and no less, for every sample."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.conftest import ROOT
from tests.report import HOSTILE, SAMPLES, mark, request, result, sample, summary, window
from tests.report.told import COVERS, keys, known
from traceview.errors import TraceNotFoundError
from traceview.events import Gap
from traceview.findings import Extent, ScanResult, Unjudged, Verdict
from traceview.fleet import scan_all
from traceview.report.machine import SCHEMA_VERSION, scan_document, scan_json, scan_jsonl
from traceview.rules import EXIT_RULE
from traceview.vocabulary import Op

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "scan.schema.json").read_text(encoding="utf-8"))
SAMPLE_NAMES = sorted(p.name for p in SAMPLES.iterdir() if p.is_dir())

# What the design promises to keep.
PROMISED = {
    "": ["schema_version", "traces", "windows", "findings", "summary"],
    "trace": ["path", "format", "qemu", "events", "other_lines", "gaps", "missing_events"],
    "window": [
        "id", "trace", "rule", "evidence", "verdict", "reason", "shape", "job", "node", "pivoted", "open", "close",
        "duration_ns", "iterations", "requests",
    ],
    "finding": ["id", "rule", "severity", "window", "title", "requests", "references"],
    "summary": ["windows", "violated", "guarded", "clean", "inconclusive"],
    "point": ["line", "record", "byte_offset", "ts_ns", "event"],
    "request": [
        "op", "offset_bytes", "length_bytes", "device", "node", "held_back", "line", "record", "byte_offset", "ts_ns",
        "event",
    ],
}  # fmt: skip


def closed(schema: Any) -> Any:
    """Return a schema that takes no key which it does not name: nothing undocumented is printed."""
    if isinstance(schema, dict):
        out = {k: closed(v) for k, v in schema.items()}
        return {**out, "additionalProperties": False} if "properties" in schema and "type" in schema else out
    return [closed(s) for s in schema] if isinstance(schema, list) else schema


def complaints(document: Any, schema: Any = SCHEMA) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in Draft202012Validator(schema).iter_errors(document)]


def printed(scan: ScanResult) -> Any:
    return json.loads(scan_json(scan))


def everything() -> ScanResult:
    """Return a scan that has something of everything."""
    gaps = [Gap("dropped", 3, 100, 0, 0, None, "lost"), Gap("cut", 9, 400, 7, 0, 1, "cut")]
    trace = summary(gaps=gaps, unjudged=[Unjudged(EXIT_RULE, "no job", (("mirror_exit",),))])
    violated = window(request(kick=mark(11)), request(Op.FLUSH, held_back=True, device=""), lost=[Extent(0, 512)])
    scan = result(violated, window(open=None, verdict=Verdict.INCONCLUSIVE), window(close=None), trace=trace)
    return known(scan, suppression=COVERS)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("part", PROMISED)
def test_the_schema_requires_every_key_that_is_promised(part: str) -> None:
    schema = SCHEMA["$defs"][part] if part else SCHEMA
    assert set(PROMISED[part]) <= set(schema["required"]) == set(schema["properties"])


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_the_scan_of_a_sample_is_what_the_schema_says_and_has_no_other_key(name: str) -> None:
    document = printed(scan_all([SAMPLES / name]))
    assert document["windows"]
    assert complaints(document, closed(SCHEMA)) == []


def test_a_scan_of_everything_is_what_the_schema_says() -> None:
    assert complaints(printed(everything()), closed(SCHEMA)) == []


def test_an_empty_scan_is_what_the_schema_says() -> None:
    assert complaints(printed(ScanResult()), closed(SCHEMA)) == []


def test_a_trace_without_times_is_what_the_schema_says(tmp_path: Path) -> None:
    bare = tmp_path / "bare.log"
    bare.write_bytes(re.sub(rb"(?m)^\d+@[\d.]+:", b"", sample("lp1570134-case-2").read_bytes()))
    document = printed(scan_all([bare]))
    assert complaints(document, closed(SCHEMA)) == []
    (violated,) = [w for w in document["windows"] if w["verdict"] == "violated"]
    assert (violated["open"]["ts_ns"], violated["duration_ns"]) == (None, None)
    assert violated["open"]["line"] == 313


def test_a_binary_trace_has_bytes_and_no_lines() -> None:
    binary = sample("simpletrace-2.6", "trace.bin")
    document = printed(scan_all([binary], trace_events=sample("simpletrace-2.6", "trace-events")))
    points = [w[edge] for w in document["windows"] for edge in ("open", "close")]
    assert {p["line"] for p in points} == {None}
    assert all(p["byte_offset"] > 0 for p in points)


def required_keys(document: Any) -> list[tuple[str | int, ...]]:
    """Return the path of each key of the first of everything in a document."""
    paths: list[tuple[str | int, ...]] = []

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                paths.append((*path, key))
                walk(inner, (*path, key))
        elif isinstance(value, list) and value:
            walk(value[0], (*path, 0))

    walk(document, ())
    return paths


def test_the_schema_misses_every_key_that_is_taken_away() -> None:
    whole = scan_document(everything(), [TraceNotFoundError("x: no such file")])
    paths = required_keys(whole)
    assert len(paths) > 80
    for *above, key in paths:
        document = copy.deepcopy(whole)
        inner: Any = document
        for step in above:
            inner = inner[step]
        del inner[key]
        assert complaints(document), f"{above}: {key}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 2), (("windows", 0, "verdict"), "fine"), (("windows", 0, "job"), 267),
        (("windows", 0, "open", "line"), 0), (("windows", 0, "requests", 0, "op"), "erase"),
        (("findings", 0, "requests"), []), (("findings", 0, "severity"), "bad"), (("summary", "clean"), -1),
        (("traces", 0, "gaps", 0, "cause"), "lost"), (("findings", 0, "fingerprint", "identity"), "111a"),
        (("findings", 0, "suppression", "line"), 0), (("findings", 0, "rule_version"), 0),
        (("windows", 0, "duration_ns"), 1.5),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_no_such_value(path: tuple[str | int, ...], value: Any) -> None:
    document: Any = scan_document(everything())
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert len(complaints(document)) >= 1


def test_indices_lead_where_they_should() -> None:
    document = printed(scan_all(sorted(SAMPLES.glob("*/trace.log"))))
    assert [w["id"] for w in document["windows"]] == list(range(len(document["windows"])))
    assert [f["id"] for f in document["findings"]] == list(range(1, len(document["findings"]) + 1))
    paths = [document["traces"][w["trace"]]["path"] for w in document["windows"]]
    assert paths == sorted(paths)
    assert len(set(paths)) == len(document["traces"])
    for finding in document["findings"]:
        found = document["windows"][finding["window"]]
        assert (found["rule"], found["verdict"]) == (finding["rule"], "violated")
        breaking = [i for i, r in enumerate(found["requests"]) if not r["held_back"]]
        assert finding["requests"] == breaking


def test_a_finding_has_its_keys_and_what_covers_it() -> None:
    scan = known(result(window(request())), 7, suppression=COVERS, rule_version=2)
    scan.findings = [replace(f, fingerprint=replace(keys(7), older=(keys(8).identity,))) for f in scan.findings]
    (finding,) = printed(scan)["findings"]
    assert finding["rule_version"] == 2
    assert finding["fingerprint"] == {
        "identity": f"v1-{7:032x}", "group": keys(7).group, "instance": keys(7).instance, "older": [f"v1-{8:032x}"],
    }  # fmt: skip
    assert finding["suppression"] == {
        "source": "known.baseline", "line": 3, "reason": COVERS.reason, "until": "2027-03-31",
    }  # fmt: skip


def test_a_finding_without_keys_and_without_cover_says_null() -> None:
    (finding,) = printed(result(window(request())))["findings"]
    assert (finding["fingerprint"], finding["suppression"], finding["rule_version"]) == (None, None, 1)
    endless = known(result(window(request())), suppression=replace(COVERS, until=""))
    assert printed(endless)["findings"][0]["suppression"]["until"] is None


def test_every_finding_of_a_scan_has_keys_and_each_trace_a_digest() -> None:
    document = printed(scan_all([SAMPLES]))
    assert all(f["fingerprint"]["identity"].startswith("v1-") for f in document["findings"])
    assert all(re.fullmatch("[0-9a-f]{32}", t["digest"]) for t in document["traces"])
    kinds = {w["device_kind"] for w in document["windows"]}
    assert {"virtio-blk", "ide", None} <= kinds


def test_the_summary_counts_the_windows() -> None:
    document = printed(scan_all(sorted(SAMPLES.glob("*/trace.log"))))
    verdicts = [w["verdict"] for w in document["windows"]]
    expected = {v.value: verdicts.count(v.value) for v in Verdict}
    assert document["summary"] == {"windows": len(verdicts), **expected}


def test_a_point_leads_to_its_record_by_line_and_by_byte() -> None:
    raw = sample("lp1570134-case-1").read_bytes()
    lines = raw.split(b"\n")
    document = printed(scan_all([sample("lp1570134-case-1")]))
    points = [p for w in document["windows"] for p in (w["open"], w["close"], *w["requests"])]
    points += [r["kick"] for w in document["windows"] for r in w["requests"]]
    assert len(points) > 20
    for point in points:
        line = lines[point["line"] - 1]
        assert raw[point["byte_offset"] :].startswith(line)
        head, text = line.split(b":", 1)
        assert text.startswith(point["event"].encode() + b" ")
        assert point["ts_ns"] == int(head.split(b"@")[1].replace(b".", b"")) * 1000


def test_what_could_not_be_read_is_told() -> None:
    document = scan_document(ScanResult(), [TraceNotFoundError("vm.log: no such file")])
    assert document["errors"] == [{"kind": "TraceNotFoundError", "message": "vm.log: no such file"}]
    assert complaints(document, closed(SCHEMA)) == []


def test_hostile_text_is_ascii_and_any_json_reader_takes_it() -> None:
    scan = result(window(request(device=HOSTILE), target_image=HOSTILE), trace=summary(HOSTILE))
    text = scan_json(scan, [TraceNotFoundError(HOSTILE)])
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    document = json.loads(text)
    shown = HOSTILE.replace("\udcff", "\\xff")  # a lone surrogate is refused by strict readers
    assert document["traces"][0]["path"] == shown
    assert document["windows"][0]["target_image"] == shown
    assert document["windows"][0]["requests"][0]["device"] == shown
    assert document["errors"][0]["message"] == shown
    assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("name", ["second-door", "stock-9.0-parked"])
def test_jsonl_has_the_items_of_the_document_one_a_line(name: str) -> None:
    scan = scan_all([SAMPLES / name])
    errors = [TraceNotFoundError("vm.log: no such file")]
    document = scan_document(scan, errors)
    items = [json.loads(line) for line in scan_jsonl(scan, errors)]
    assert {item.pop("schema_version") for item in items} == {SCHEMA_VERSION}
    by_kind: dict[str, list[Any]] = {"trace": [], "window": [], "finding": [], "error": [], "summary": []}
    for item in items:
        by_kind[item.pop("type")].append(item)
    assert {f"{kind}s": found for kind, found in by_kind.items() if kind != "summary"} == {
        k: document[k] for k in ("traces", "windows", "findings", "errors")
    }
    assert by_kind["summary"] == [document["summary"]]


def test_jsonl_lines_hold_no_line_end() -> None:
    assert not [
        line for line in scan_jsonl(result(window(request(device="a\nb\u2028")))) if len(line.splitlines()) != 1
    ]
