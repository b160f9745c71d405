"""Rules as text for a person: nothing that a rule says is left out, and nothing in it can steer a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.conftest import ROOT
from tests.detect.ruled import NAME, Tale, rule, scan, told
from tests.report import HOSTILE, RAW
from traceview.report.rules import clause_lines, coverage_lines, list_lines, rule_lines
from traceview.report.style import Style
from traceview.rules import Rule, RuleSet, builtin_rules, load_rules
from traceview.rules.complaints import clauses
from traceview.vocabulary import builtin

PLAIN = Style(colour=False)
EDGES = "open drained(node) close drained_end(node)"


def shown(own: Rule) -> str:
    return "\n".join(rule_lines(own, builtin(), PLAIN))


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("own", builtin_rules(), ids=lambda r: r.id)
def test_all_that_a_rule_says_is_shown(own: Rule) -> None:
    text = shown(own)
    assert own.sentence in unwrapped(text)
    assert all(s in text for s in (own.id, own.title, own.label, own.source, *own.references, *own.yields_to))
    assert all(str(affected) in text for affected in own.affected)
    for clause in own.windows:
        assert clause.about in text
        assert all(str(p) in text for p in clause.patterns)
        for need in clause.needs:
            known = [e for e in builtin().events.values() if e.meaning in need.meanings and e.can(need.op)]
            assert any(f"{e.name} (" in text for e in known)


@pytest.mark.parametrize(
    ("said", "as_"),
    [
        (f"{EDGES} forbid guest_io(node) tentative", "tentative  counts only when it closes"),
        (f"{EDGES} forbid guest_io(node) open-ended", "open-ended may last to the end of the trace"),
        (f"{EDGES} forbid guest_io(node) holds 2.6 until 4.2", "holds      for QEMU 2.6 until 4.2"),
        (f"{EDGES} forbid guest_io(node) cancel ctx_attached(node)", "cancel     ctx_attached(node)"),
        (f"{EDGES} forbid guest_io allow guest_io(thread = open.thread)", "allow      guest_io(thread = open.thread)"),
        ("open drained_begin(node) nests close drained_end(node) forbid guest_io(node)",
         "open       drained_begin(node), and each needs its own closing"),
        ("open drained_begin(node) after ctx_attached(node) close drained_end(node) forbid guest_io(node)",
         "open       drained_begin(node), after ctx_attached(node)"),
    ],
)  # fmt: skip
def test_what_only_some_windows_have_is_shown(said: str, as_: str) -> None:
    assert f"\n    {as_}" in shown(rule(said))


def test_each_template_has_its_own_words() -> None:
    never = rule("open drained_begin(node) restarts close drained_end(node) lasts 1500 ms", template="never-closed")
    assert "\n    lasts      1.5 s at the most" in shown(never)
    assert "open       drained_begin(node), anew with each" in shown(never)
    claim = rule("claim drained(node) until drained_end(node) disprove guest_done(node)", template="counter-says-idle")
    assert re.findall(r"\n    (claim|until|disprove) ", shown(claim)) == ["claim", "until", "disprove"]
    moved = rule(f"{EDGES} run guest_io(node) on another context", template="wrong-executor")
    assert "\n    run        guest_io(node) on another context" in shown(moved)


def test_an_event_is_shown_with_the_releases_that_have_it() -> None:
    text = shown(rule(f"{EDGES} forbid guest_io(node)"))
    assert "bdrv_drained_begin_done (a probe)" in text
    assert re.search(r"blk_co_pwritev \(\d\.\d+ to \d+\.\d+\)", text)


def test_the_list_has_each_rule_with_its_label_and_its_evidence() -> None:
    rules = load_rules(plugins=False)
    lines = list(list_lines(rules, PLAIN))
    assert lines[:2] == [
        "mirror-exit-guest-io · LP 1570134 · exact, proxy",
        "  guest I/O between the end of a mirror job and the switch to its target",
    ]
    assert lines[-1] == f"{len(rules)} rules; traceview rules show ID tells all of one"


def test_every_clause_of_the_grammar_is_told_of() -> None:
    grammar = (ROOT / "grammars" / "rules.lark").read_text(encoding="utf-8")
    keywords = set(re.findall(r'"([a-z][a-z-]*)"', re.sub(r"//.*", "", grammar)))
    told = "\n".join(clause_lines(PLAIN))
    assert {k for k in keywords if not re.search(rf"(?<![\w-]){k}(?![\w-])", told)} == set()
    assert set(clauses()) <= keywords


def test_every_clause_is_told_with_what_it_says_and_an_example() -> None:
    lines = list(clause_lines(PLAIN))
    for name, clause in clauses().items():
        at = lines.index(name)
        assert clause["says"].split()[0] in lines[at + 1]
        assert f"    e.g. {clause['example']}" in lines[at:]


def coverage(tale: Tale, rules: Iterable[Rule]) -> list[str]:
    return list(coverage_lines(scan(tale, *rules), PLAIN))


def test_it_is_told_what_each_rule_came_to() -> None:
    own = rule(f"{EDGES} forbid guest_io(node)")
    locked = rule("open graph_locked close graph_unlocked forbid drained_begin", subject="qemu", name="other-rule")
    tale = told()
    assert coverage(tale, [own]) == [f"{NAME}: no window: not traced: bdrv_drained_begin_done; bdrv_drained_end"]
    tale.drained()
    tale.end()
    assert coverage(tale, [own, locked])[0] == f"{NAME}: 1 window"
    assert coverage(tale, [own, locked])[1].startswith("other-rule: no window: not traced: bdrv_graph_wrlock")


def test_what_a_rule_says_cannot_steer_a_terminal() -> None:
    own = replace(rule(f"{EDGES} forbid guest_io(node)"), title=HOSTILE, label=HOSTILE, references=(HOSTILE,))
    for lines in (rule_lines(own, builtin(), PLAIN), list_lines(RuleSet([own]), PLAIN)):
        assert not any(raw in line for line in lines for raw in RAW)
