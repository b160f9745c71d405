"""The rules that come with the package: data that must hold together with the vocabulary and the detection."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import traceview.rules
from traceview.detect.needs import lacking, names_of
from traceview.detect.scan import SCAN_MEANINGS
from traceview.errors import UnknownNameError
from traceview.findings import Evidence
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, Need, Rule, builtin_rules, rule_by_id
from traceview.vocabulary import EventMeaning, Meaning, Op, Vocabulary, builtin

RULES = builtin_rules()
NEEDS = [(rule, Evidence(evidence), need) for rule in RULES for evidence in rule.needs for need in rule.needs[evidence]]


def named(value: object) -> str | None:
    return value.id if isinstance(value, Rule) else str(value) if isinstance(value, Need | Evidence) else None


def test_the_rules_are_those_that_the_detection_knows() -> None:
    assert [r.id for r in RULES] == [EXIT_RULE, FINAL_DRAIN_RULE]


def test_every_rule_of_the_folder_is_taken_in() -> None:
    folder = Path(traceview.rules.__file__).parent
    written = {name for path in folder.glob("*.toml") for name in tomllib.loads(path.read_text(encoding="utf-8"))}
    assert {r.id for r in RULES} == written


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_says_what_it_is_about_in_whole_sentences(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.id)
    assert rule.title
    assert not rule.title.endswith(".")
    assert rule.sentence.endswith(".")
    assert "\n" not in rule.sentence
    assert rule.affected
    assert rule.fixed
    assert rule.label
    assert rule.subject == "job"


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_says_where_to_read_on(rule: Rule) -> None:
    assert any(r.startswith("https://bugs.launchpad.net/") for r in rule.references)
    assert len(set(rule.references)) == len(rule.references)


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_can_be_judged_by_exact_evidence(rule: Rule) -> None:
    assert "exact" in rule.needs
    assert set(rule.needs) <= {e.value for e in Evidence}


def test_only_the_exit_rule_has_stand_ins() -> None:
    # On stock builds the two doors are one window, which is the exit rule's.
    assert {r.id for r in RULES if "proxy" in r.needs} == {EXIT_RULE}


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_no_window_is_clean_unless_reads_and_writes_would_have_been_seen(rule: Rule) -> None:
    for needs in rule.needs.values():
        assert {n.op for n in needs if n.meaning in (Meaning.SUBMIT, Meaning.REACH)} == {Op.READ, Op.WRITE}


@pytest.mark.parametrize(("rule", "evidence", "need"), NEEDS, ids=named)
def test_some_event_meets_each_need_and_a_scan_decodes_it(rule: Rule, evidence: Evidence, need: Need) -> None:
    names = names_of(builtin(), need, evidence)
    assert names
    for name in names:
        event = builtin().events[name]
        assert event.meaning is need.meaning
        assert need.op in (Op.NONE, event.op)
    assert need.meaning in SCAN_MEANINGS


@pytest.mark.parametrize(("rule", "evidence", "need"), [n for n in NEEDS if n[1] is Evidence.PROXY], ids=named)
def test_stand_ins_are_stock_events(rule: Rule, evidence: Evidence, need: Need) -> None:
    assert all(builtin().events[name].releases is not None for name in names_of(builtin(), need, evidence))


# needs


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("job_start", Need(Meaning.JOB_START, Op.NONE)),
        ("submit:write", Need(Meaning.SUBMIT, Op.WRITE)),
        ("reach:write_zeroes", Need(Meaning.REACH, Op.WRITE_ZEROES)),
    ],
)
def test_a_need_is_a_meaning_with_or_without_an_operation(text: str, need: Need) -> None:
    assert Need.parse(text) == need
    assert str(need) == text


@pytest.mark.parametrize("text", ["job_begin", "submit:append", ""])
def test_a_need_of_an_unknown_name_is_refused(text: str) -> None:
    with pytest.raises(KeyError):
        Need.parse(text)


def test_a_need_is_met_by_its_meaning_and_operation() -> None:
    needs = [Need.parse(t) for t in ("job_start", "submit:write", "submit:read")]
    seen = {(Meaning.JOB_START, Op.NONE), (Meaning.SUBMIT, Op.READ), (Meaning.REACH, Op.WRITE)}
    assert lacking(needs, seen) == [Need(Meaning.SUBMIT, Op.WRITE)]
    assert lacking(needs, {*seen, (Meaning.SUBMIT, Op.WRITE)}) == []


def test_stand_ins_are_named_by_stock_events_and_exact_evidence_by_all() -> None:
    line = {"means": "job_exit", "roles": {"job": "job"}}
    stock = EventMeaning("in_releases", {**line, "forms": [["2.0", "9.0", "job {job:p}"]]})
    probe = EventMeaning("in_no_release", {**line, "forms": [["", "", "job {job:p}"]]})
    need = Need.parse("job_exit")
    assert names_of(Vocabulary([stock, probe]), need, Evidence.PROXY) == ("in_releases",)
    assert names_of(Vocabulary([stock, probe]), need, Evidence.EXACT) == ("in_releases", "in_no_release")
    assert names_of(Vocabulary([probe]), need, Evidence.PROXY) == ("in_no_release",)


# by name


def test_a_rule_is_found_by_its_id() -> None:
    for rule in RULES:
        assert rule_by_id(rule.id) is rule


def test_a_name_that_is_not_known_is_answered_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(UnknownNameError) as told:
        rule_by_id("mirror-exit-guest-i0")
    assert "did you mean 'mirror-exit-guest-io'?" in str(told.value)
    assert all(rule.id in str(told.value) for rule in RULES)
    assert isinstance(told.value, LookupError)
