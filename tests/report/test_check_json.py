"""The health of traces as data: by its schema, and the same for the same input."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from tests.conftest import ROOT
from tests.timeline.story import instrumented, trace_of
from traceview.api import open
from traceview.health import check, check_all
from traceview.report.check_json import check_document

SCHEMA = json.loads((ROOT / "docs/check.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def damaged() -> bytes:
    story = instrumented()
    story.start()
    story.say("mirror_start bs 0xb1 s garbage opaque (nil)")
    story.say("mirror_exit_done bs 0xb1 job 0xa1", us=5)
    return story.log() + b"1000@1600000001.000001:mirror_start bs"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_what_is_printed_of_samples_and_of_damage_is_by_the_schema() -> None:
    samples = check_all([ROOT / "sample-traces"])
    document = check_document([*samples, check(trace_of(damaged()))], ["none.log: no such file"])
    VALIDATOR.validate(json.loads(json.dumps(document)))
    assert document["healthy"] + document["not_healthy"] == len(samples) + 1
    assert document["unreadable"] == ["none.log: no such file"]


def test_the_schema_knows_every_key() -> None:
    document = check_document([check(trace_of(damaged()))], [])
    (trace,) = document["traces"]
    known = SCHEMA["$defs"]["trace"]
    assert set(document) == set(SCHEMA["properties"]) == set(SCHEMA["required"])
    assert set(trace) == set(known["properties"]) == set(known["required"])
    for key in ("format", "qemu", "order", "threads", "events", "gaps", "refused", "windows", "silence"):
        assert set(trace[key]) == set(known["properties"][key]["properties"])
    assert set(trace["gaps"]["listed"][0]) == set(SCHEMA["$defs"]["gap"]["properties"])


def test_damage_is_told_with_its_place() -> None:
    (trace,) = check_document([check(trace_of(damaged()))], [])["traces"]
    assert [(g["cause"], g["line"]) for g in trace["gaps"]["listed"] if g["cause"] != "clock-jump"] == [
        ("unreadable", 9),
        ("cut", 11),
    ]
    assert trace["refused"]["count"] == 1
    assert "^" in trace["refused"]["explained"][0]["explanation"]
    assert trace["order"]["within_threads"]["line"] == 10
    assert {"1 gap (unreadable)", "1 gap (cut)", "1 refused line"} <= set(trace["problems"])


def test_only_so_many_are_listed_and_all_are_counted() -> None:
    path = ROOT / "sample-traces/stock-7.2-mixed/trace.log"
    (trace,) = check_document([check(open(path))], [], top=2)["traces"]
    assert (len(trace["events"]["listed"]), len(trace["threads"]["listed"])) == (2, 2)
    assert trace["events"]["count"] == 50
    counts = [e["records"] for e in trace["events"]["listed"]]
    assert counts == sorted(counts, reverse=True)


def test_the_same_trace_gives_the_same_document() -> None:
    first, second = (json.dumps(check_document([check(trace_of(damaged()))], [])) for _ in range(2))
    assert first == second
