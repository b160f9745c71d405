"""The rules that come with the package: text that must hold together with the vocabulary and the detection."""

from __future__ import annotations

import re

import pytest

from traceview.detect.needs import Namer, lacking
from traceview.errors import UnknownNameError
from traceview.releases import first_of, last_of
from traceview.resources import data_files
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, Evidence, Need, Rule, WindowClause, builtin_rules, load_rules
from traceview.rules.load import read_rule_files
from traceview.vocabulary import EventMeaning, Meaning, Op, Vocabulary, builtin

RULES = builtin_rules()
CLAUSES = [(rule, clause) for rule in RULES for clause in rule.windows]
NEEDS = [(rule, clause, need) for rule, clause in CLAUSES for need in clause.needs]
GUEST_IO = (Meaning.SUBMIT, Meaning.REACH, Meaning.DEVICE_REQUEST)


def named(value: object) -> str | None:
    if isinstance(value, WindowClause):
        return value.evidence.value
    return value.id if isinstance(value, Rule) else str(value) if isinstance(value, Need) else None


def test_the_founding_rules_come_first_and_must_be_judged() -> None:
    assert [r.id for r in RULES if r.must_judge] == [EXIT_RULE, FINAL_DRAIN_RULE]
    assert [r.id for r in RULES][:2] == [EXIT_RULE, FINAL_DRAIN_RULE]


def test_every_file_of_the_pack_is_taken_in() -> None:
    files = data_files("rules/pack", ".rules")
    assert {r.source for r in RULES} == {str(f) for f in files}
    assert {r.id for r in RULES} == {r.id for r in read_rule_files(files)}


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_says_what_it_is_about_in_whole_sentences(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.id)
    assert rule.title
    assert not rule.title.endswith(".")
    assert rule.sentence.endswith(".")
    assert "\n" not in rule.sentence


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_says_where_to_read_on(rule: Rule) -> None:
    assert rule.references
    assert len(set(rule.references)) == len(rule.references)


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_names_releases_in_their_order_and_commits_by_their_ids(rule: Rule) -> None:
    for affected in rule.affected:
        if affected.until is not None:
            assert first_of(affected.since) < last_of(affected.until)
            assert re.fullmatch(r"[0-9a-f]{10}(?: and [0-9a-f]{10})*", affected.fix)


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_yields_to_rules_that_are_there(rule: Rule) -> None:
    assert all(other in load_rules() and other != rule.id for other in rule.yields_to)


@pytest.mark.parametrize(("rule", "clause"), CLAUSES, ids=named)
def test_no_window_is_clean_unless_reads_and_writes_would_have_been_seen(rule: Rule, clause: WindowClause) -> None:
    if any(p.word.is_guest and set(p.word.ops) >= {Op.READ, Op.WRITE} for p in clause.forbid):
        assert {n.op for n in clause.needs if set(n.meanings) & set(GUEST_IO)} >= {Op.READ, Op.WRITE}


@pytest.mark.parametrize(("rule", "clause", "need"), NEEDS, ids=named)
def test_some_event_meets_each_need_and_a_scan_decodes_it(rule: Rule, clause: WindowClause, need: Need) -> None:
    names = Namer(builtin()).names(need, clause.evidence)
    assert names
    for name in names:
        event = builtin().events[name]
        assert event.meaning in need.meanings
        assert event.can(need.op)
        assert event.meaning in rule.meanings


@pytest.mark.parametrize(("rule", "clause", "need"), [n for n in NEEDS if n[1].evidence is Evidence.PROXY], ids=named)
def test_stand_ins_are_stock_events(rule: Rule, clause: WindowClause, need: Need) -> None:
    assert all(builtin().events[name].releases is not None for name in Namer(builtin()).names(need, clause.evidence))


# needs


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("job_start", Need((Meaning.JOB_START,))),
        ("submit:write", Need((Meaning.SUBMIT,), Op.WRITE)),
        ("submit|reach:write_zeroes", Need((Meaning.SUBMIT, Meaning.REACH), Op.WRITE_ZEROES)),
    ],
)
def test_a_need_is_a_meaning_or_several_with_or_without_an_operation(text: str, need: Need) -> None:
    assert Need.parse(text) == need
    assert str(need) == text


@pytest.mark.parametrize("text", ["job_begin", "submit:append", ""])
def test_a_need_of_an_unknown_name_is_refused(text: str) -> None:
    with pytest.raises(KeyError):
        Need.parse(text)


def test_a_need_is_met_by_one_of_its_meanings_with_its_operation() -> None:
    needs = [Need.parse(t) for t in ("job_start", "submit:write", "submit:read", "submit|reach:read")]
    seen = {(Meaning.JOB_START, Op.NONE), (Meaning.SUBMIT, Op.READ), (Meaning.REACH, Op.WRITE)}
    assert lacking(needs, seen) == [Need((Meaning.SUBMIT,), Op.WRITE)]
    assert lacking(needs, {*seen, (Meaning.SUBMIT, Op.WRITE)}) == []


def test_stand_ins_are_named_by_stock_events_and_exact_evidence_by_all() -> None:
    line = {"means": "job_exit", "roles": {"job": "job"}}
    stock = EventMeaning("in_releases", {**line, "forms": [["2.0", "9.0", "job {job:p}"]]})
    probe = EventMeaning("in_no_release", {**line, "forms": [["", "", "job {job:p}"]]})
    need = Need.parse("job_exit")
    assert Namer(Vocabulary([stock, probe])).names(need, Evidence.PROXY) == ("in_releases",)
    assert Namer(Vocabulary([stock, probe])).names(need, Evidence.EXACT) == ("in_releases", "in_no_release")
    assert Namer(Vocabulary([probe])).names(need, Evidence.PROXY) == ("in_no_release",)


# by name


def test_a_rule_is_found_by_its_id() -> None:
    for rule in RULES:
        assert load_rules()[rule.id] is rule


def test_a_name_that_is_not_known_is_answered_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(UnknownNameError) as told:
        load_rules()["mirror-exit-guest-i0"]
    assert "did you mean 'mirror-exit-guest-io'?" in str(told.value)
    assert all(rule.id in str(told.value) for rule in RULES)
    assert isinstance(told.value, LookupError)
