"""What to trace: with the events that are suggested, and no other, the rules come to the same verdicts."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.cli import SAMPLES
from tests.timeline.story import trace_of
from traceview.api import open
from traceview.detect.advice import OLDEST, Advice, advise, command_line, newest
from traceview.findings import ScanResult
from traceview.releases import ReleaseRange, first_of
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, Evidence, RuleSet, load_rules
from traceview.vocabulary import builtin

STOCK = {"stock-4.1-ide-lost-write": "4.1", "stock-7.2-mixed": "7.2", "stock-9.0-parked": "9.0"}
RELEASES = (
    "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "3.0", "3.1", "4.0", "4.1", "4.2",
    "5.0", "5.1", "5.2", "6.0", "6.1", "6.2", "7.0", "7.1", "7.2", "8.0", "8.1", "8.2", "9.0",
)  # fmt: skip
EXACT_26 = ("job-exit-in-anothers-exit", "drained-node-guest-io", "external-off-kick", EXIT_RULE, FINAL_DRAIN_RULE)
README = Path(__file__).resolve().parents[2] / "traceview" / "rules" / "pack" / "README.md"


def advice_for(*rules: str, qemu: str, exact: bool = False) -> Advice:
    chosen = load_rules().choose(rules) if rules else load_rules()
    return advise(chosen, ReleaseRange(qemu, qemu), builtin(), exact=exact)


def cut_to(sample: str, names: Collection[str]) -> bytes:
    lines = (SAMPLES / sample / "trace.log").read_bytes().splitlines(keepends=True)
    name = re.compile(rb"(?:\d+@\d+\.\d+:)?(\w+) ")
    return b"".join(x for x in lines if (m := name.match(x)) and m[1].decode() in names)


def outcome(result: ScanResult) -> list[object]:
    """Return what a scan came to, but for where in the file it stands."""
    return [
        (
            w.rule, w.verdict, w.evidence, w.pivoted, w.severity, w.key, w.node, w.target,
            [(r.op, r.offset, r.length, r.held_back, r.device) for r in w.requests],
            [h.text for h in w.happenings], [(e.offset, e.length) for e in w.lost],
        )
        for w in result.windows
    ]  # fmt: skip


@pytest.mark.parametrize("sample", STOCK)
def test_the_events_that_are_suggested_make_a_stock_trace_as_conclusive_as_all_events_do(sample: str) -> None:
    advice = advice_for(qemu=STOCK[sample])
    rules = [a.rule.id for a in advice.rules if not (a.probes or a.impossible)]
    chosen = advice_for(*rules, qemu=STOCK[sample])
    assert not chosen.probes
    whole = open(SAMPLES / sample / "trace.log").scan(rules)
    cut = trace_of(cut_to(sample, {*chosen.events, *chosen.more})).scan(rules, qemu=STOCK[sample])
    assert outcome(whole)
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("rule", ["mirror-exit-guest-io", "blk-detached-under-io", "job-exit-in-anothers-exit"])
def test_what_one_rule_needs_is_enough_for_it(rule: str) -> None:
    advice = advice_for(rule, qemu="4.1")
    whole = open(SAMPLES / "stock-4.1-ide-lost-write" / "trace.log").scan([rule])
    cut = trace_of(cut_to("stock-4.1-ide-lost-write", {*advice.events, *advice.more})).scan([rule], qemu="4.1")
    assert outcome(whole)
    assert outcome(cut) == outcome(whole)
    assert not cut.inconclusive


@pytest.mark.parametrize("sample", ["lp1570134-case-1", "lp1570134-case-2", "second-door", "other-disk-busy"])
def test_with_the_probes_that_are_suggested_an_instrumented_trace_is_as_conclusive(sample: str) -> None:
    advice = advice_for(EXIT_RULE, FINAL_DRAIN_RULE, qemu="2.6", exact=True)
    assert [a.clause.evidence for a in advice.rules] == [Evidence.EXACT, Evidence.EXACT]
    names = {*advice.events, *advice.more, *(p.event for p in (*advice.probes, *advice.more_probes))}
    whole = open(SAMPLES / sample / "trace.log").scan([EXIT_RULE, FINAL_DRAIN_RULE])
    cut = trace_of(cut_to(sample, names)).scan([EXIT_RULE, FINAL_DRAIN_RULE])
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("qemu", RELEASES)
def test_all_that_is_suggested_for_a_release_is_of_that_release(qemu: str) -> None:
    span = ReleaseRange(qemu, qemu)
    for exact in (False, True):
        advice = advice_for(qemu=qemu, exact=exact)
        for name in (*advice.events, *advice.more):
            releases = builtin().events[name].releases
            assert releases is not None
            assert span.overlaps(*releases)
        for probe in (*advice.probes, *advice.more_probes):
            places = [p for since, until, p in builtin().events[probe.event].places if span.overlaps(since, until)]
            assert probe.place in places
        assert not set(advice.events) & set(advice.more)


@pytest.mark.parametrize("qemu", RELEASES)
def test_a_rule_that_stock_events_serve_needs_no_probe(qemu: str) -> None:
    (founding,) = advice_for(EXIT_RULE, qemu=qemu).rules
    assert (founding.probes, founding.impossible) == ((), ())
    assert founding.clause.evidence is Evidence.PROXY
    (exact,) = advice_for(EXIT_RULE, qemu=qemu, exact=True).rules
    assert exact.probes
    assert exact.clause.evidence is Evidence.EXACT


def test_what_no_release_function_can_tell_is_impossible() -> None:
    (advised,) = advice_for("external-off-kick", qemu="9.0").rules
    assert [str(n) for n in advised.impossible] == ["external_off", "external_on"]
    (advised,) = advice_for("external-off-kick", qemu="8.0").rules
    assert not advised.impossible


def test_a_clause_that_holds_for_other_releases_is_not_suggested() -> None:
    assert advice_for("job-exit-in-anothers-exit", qemu="3.1").rules[0].clause.evidence is Evidence.PROXY
    (older,) = advice_for("job-exit-in-anothers-exit", qemu="3.0").rules
    assert older.clause.evidence is Evidence.EXACT
    assert [p.event for alternatives in older.probes for p in alternatives] == ["mirror_exit", "mirror_exit_done"]


def test_the_readme_of_the_pack_says_from_which_release_on_stock_events_will_do() -> None:
    told = dict(re.findall(r"`([a-z-]+)` \(stock, ([0-9.]+)", README.read_text(encoding="utf-8")))
    first = {}
    for rule in load_rules(plugins=False):
        able = [q for q in RELEASES if not _lacking(rule.id, q)]
        if able:
            first[rule.id] = able[0]
    assert told == first


def _lacking(rule: str, qemu: str) -> bool:
    (advised,) = advice_for(rule, qemu=qemu).rules
    return bool(advised.probes or advised.impossible)


def test_the_readme_of_the_pack_names_every_rule_and_every_hazard() -> None:
    text = README.read_text(encoding="utf-8")
    assert set(re.findall(r"\| (Q\d+) \|", text)) == {f"Q{n}" for n in range(1, 24)}
    rows = [line for line in text.split("\n") if re.match(r"\| Q\d+ ", line)]
    named = {name for row in rows for name in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", row)}
    assert named == {r.id for r in load_rules(plugins=False)}


@pytest.mark.parametrize("qemu", ["1.2", *RELEASES])
def test_every_release_is_told_how_to_write_a_trace(qemu: str) -> None:
    options, _ = command_line(ReleaseRange(qemu, qemu))
    assert "-trace events=EVENTS" in options
    assert "TRACE" in options
    assert ("-msg timestamp=on" in options) == (first_of(qemu) >= first_of("6.0"))


def test_a_release_without_such_files_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{OLDEST} is the first"):
        command_line(ReleaseRange("1.1", "1.1"))


def test_the_newest_release_is_that_of_the_vocabulary() -> None:
    assert newest(builtin()) == "9.0"


def test_no_rules_need_nothing() -> None:
    advice = advise(RuleSet([]), ReleaseRange("7.2", "7.2"), builtin())
    assert (advice.rules, advice.events, advice.more, advice.probes, advice.more_probes) == ((), (), (), (), ())
