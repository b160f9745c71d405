"""What rules say, once they are read; and what is wrong with those that make no sense."""

from __future__ import annotations

import pytest

from tests.rules.texts import PLAIN, built, changed
from traceview.errors import RuleFileError, TraceviewError
from traceview.rules import Again, Condition, Evidence, Executor, Need, Outcome, Severity, Template, words
from traceview.rules.build import build_rules
from traceview.vocabulary import Meaning, Op


def test_a_rule_of_ten_lines_has_all_that_a_rule_needs() -> None:
    rule = built()
    assert (rule.id, rule.title, rule.sentence) == (
        "drained-node-io",
        "guest I/O to a drained node",
        "Nothing may come.",
    )
    assert (rule.template, rule.subject, rule.source, rule.line) == (Template.FORBIDDEN, "node", "my.rules", 1)
    (clause,) = rule.windows
    assert clause.evidence is Evidence.EXACT
    assert [str(p) for p in (*clause.open, *clause.close, *clause.forbid)] == [
        "drained(node)", "drained_end(node)", "guest_io(node)",
    ]  # fmt: skip
    assert (rule.affected, rule.severities, rule.label, rule.must_judge) == ((), (), "", False)


def test_what_must_be_traced_is_read_off_the_patterns() -> None:
    (clause,) = built().windows
    either = (Meaning.SUBMIT, Meaning.REACH)
    assert clause.needs == (
        Need((Meaning.DRAINED,)), Need((Meaning.DRAINED_END,)), Need(either, Op.WRITE), Need(either, Op.READ),
    )  # fmt: skip


def test_needs_that_are_named_come_first_and_are_not_told_twice() -> None:
    (clause,) = built(("    open ", "    needs job_start, drained_end\n    open ")).windows
    assert [str(n) for n in clause.needs][:3] == ["job_start", "drained_end", "drained"]


def test_a_point_needs_all_that_it_is_told_from_or_any_of_it() -> None:
    rule = built(
        ("subject  node", "subject  job"),
        ("drained(node)", "job_drained(job)"),
        ("drained_end(node)", "job_working(job)"),
    )
    assert [str(n) for n in rule.windows[0].needs][:3] == [
        "job_before_drain", "coroutine_enter", "job_look|job_activity|job_flush",
    ]  # fmt: skip


def test_openings_can_restart_nest_and_ask_for_what_came_before() -> None:
    assert built().windows[0].again is Again.NOTHING
    assert built(("drained(node)", "drained_begin(node) nests")).windows[0].again is Again.NESTS
    clause = built(("drained(node)", "drained(node) restarts after drained_begin(node)")).windows[0]
    assert clause.again is Again.RESTARTS
    assert [str(p) for p in clause.after] == ["drained_begin(node)"]


def test_conditions_compare_with_numbers_text_and_the_opening() -> None:
    (clause,) = built(
        ("guest_io(node)", 'guest_write(node, length > 512) or job_state(node, state = "running", job != open.node)')
    ).windows
    length, state, job = (c for p in clause.forbid for c in p.conditions)
    assert length == Condition("length", ">", 512)
    assert state == Condition("state", "=", "running")
    assert job == Condition("job", "!=", "node", of_opening=True)
    assert [str(c) for c in (length, state, job)] == ["length > 512", 'state = "running"', "job != open.node"]


def test_severities_hang_on_outcomes_and_the_first_that_fits_counts() -> None:
    text = "  severity data-loss when changed and pivoted\n  severity broken-promise\n}\n"
    rule = built(text=PLAIN.removesuffix("}\n") + text)
    assert [(s.severity, s.when) for s in rule.severities] == [
        (Severity.DATA_LOSS, frozenset({Outcome.CHANGED, Outcome.PIVOTED})), (Severity.BROKEN_PROMISE, frozenset()),
    ]  # fmt: skip


def test_each_fix_has_its_releases() -> None:
    text = '  affects 2.6 until 2.6.0-rc4 fixed by "0123456789" for "one way"\n  affects 8.2 onwards\n}\n'
    one, other = built(text=PLAIN.removesuffix("}\n") + text).affected
    assert (one.since, one.until, one.fix, one.about) == ("2.6", "2.6.0-rc4", "0123456789", "one way")
    assert (other.since, other.until, other.fix) == ("8.2", None, "")
    assert str(one) == "2.6 until 2.6.0-rc4, fixed by 0123456789 (one way)"
    assert str(other) == "8.2 and newer"


def test_a_claim_is_belied_by_what_ends_after_it() -> None:
    (clause,) = built(
        ("forbidden-in-window", "counter-says-idle"), ("open ", "claim "), ("close ", "until "),
        ("forbid guest_io(node)", "disprove guest_done(node)"),
    ).windows  # fmt: skip
    assert [str(p) for p in (*clause.open, *clause.close, *clause.forbid)] == [
        "drained(node)", "drained_end(node)", "guest_done(node)",
    ]  # fmt: skip


def test_what_runs_where_is_said_by_thread_or_context() -> None:
    changes = ("forbidden-in-window", "wrong-executor"), ("forbid guest_io(node)", "run guest_io(node) on same thread")
    assert built(*changes).windows[0].executor == Executor("thread", same=True)
    other = built(*changes, ("same thread", "another context"))
    assert other.windows[0].executor == Executor("ctx", same=False)


@pytest.mark.parametrize(("text", "ns"), [("30 s", 30_000_000_000), ("5 ms", 5_000_000), ("7 us", 7_000), ("1 ns", 1)])
def test_how_long_a_window_may_last_is_said_in_any_unit(text: str, ns: int) -> None:
    rule = built(("forbidden-in-window", "never-closed"), ("forbid guest_io(node)", f"lasts {text}"))
    assert rule.windows[0].lasts_ns == ns


def test_comments_and_line_ends_mean_nothing() -> None:
    text = "# a rule\n" + PLAIN.replace("\n", " # so\n")
    assert [p.word.name for p in built(text=text).windows[0].open] == ["drained"]
    assert built(text=PLAIN.replace("\n", " ")).windows == built().windows


def test_text_may_hold_quotes_and_backslashes() -> None:
    assert built(('"Nothing may come."', r'"Say \"nothing\", not C:\\."')).sentence == 'Say "nothing", not C:\\.'


# what makes no sense: (change, where, what is said)


@pytest.mark.parametrize(
    ("old", "new", "where", "said"),
    [
        ("drained(node)", "draned(node)", (7, 12), "unknown meaning 'draned'"),
        ("drained(node)", "drained(bs)", (7, 20), "drained has no role 'bs'"),
        ("drained(node)", "drained", (7, 12), "drained must name the subject of the rule here: drained(node)"),
        ("guest_io(node)", "guest_io(node, size = 1)", (9, 27), "guest_io has no role 'size'"),
        ("guest_io(node)", "guest_io(node, ctx = open.ctx)", (9, 38), "the opening has no role 'ctx'"),
        ("guest_io(node)", "guest_io(node, blk)", (9, 27), "only one role can be that of the window"),
        ("guest_io(node)", 'guest_io(node, length = "x")', (9, 36), "length is compared with the wrong kind of value"),
        ("guest_io(node)", "job_state(node, state = 1)", (9, 36), "state is compared with the wrong kind of value"),
        ("guest_io(node)", 'job_state(node, state < "x")', (9, 34), "text can only be compared with = and !="),
        ("drained(node)", "drained(node, count = open.count)", (7, 26), "drained has no role 'count'"),
        ("drained(node)", "drained_begin(node, count = open.count)", (7, 45), "only what happens inside a window"),
        ("subject  node", "subject  disk", (5, 12), "unknown subject 'disk'"),
        ("forbidden-in-window", "forbidden", (4, 12), "unknown template 'forbidden'"),
        ("    close  drained_end(node)\n", "", (6, 3), "these windows have no close, which template"),
        ("    forbid", "    lasts 3 s\n    forbid", (9, 5), "a rule of template forbidden-in-window has no lasts"),
        ("    forbid", "    close drained_end(node)\n    forbid", (9, 5), "a second close: line 8 has one already"),
        ("  subject", '  title "x"\n  subject', (5, 3), "a second title: line 2 has one already"),
        ("  subject", "  severity fatal\n  subject", (5, 12), "unknown severity 'fatal'"),
        ("  subject", "  severity data-loss when lost\n  subject", (5, 27), "unknown outcome 'lost'"),
        ("  subject", '  affects 2.6 until 2.6.0-rc0 fixed by "x"\n  subject', (5, 21), "does not come after 2.6"),
        ("  subject", "  unjudged fatal\n  subject", (5, 12), "unknown unjudged 'fatal'"),
        ("    forbid", "    needs job_started\n    forbid", (9, 11), "unknown meaning 'job_started'"),
        ("    forbid", "    needs submit:erase\n    forbid", (9, 18), "unknown operation 'erase'"),
        ("    forbid", "    excuse all\n    forbid", (9, 12), "unknown excuse 'all'"),
        ("drained-node-io", "drained_node_io", (1, 6), "'drained_node_io' is no id of a rule"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(old: str, new: str, where: tuple[int, int], said: str) -> None:
    with pytest.raises(RuleFileError) as told:
        build_rules(changed((old, new)), "my.rules", words())
    first = told.value.complaints[0].split("\n")
    assert first[0].startswith(f"my.rules:{where[0]}:{where[1]}: ")
    assert said in first[0]
    assert first[1].endswith(changed((old, new)).split("\n")[where[0] - 1])
    assert first[2].index("^") - first[2].index("|") - 2 == where[1] - 1


def test_a_rule_says_all_that_it_lacks() -> None:
    with pytest.raises(RuleFileError) as told:
        build_rules("rule lonely { }", "my.rules", words())
    said = " ".join(told.value.complaints)
    for clause in ("title", "says", "template", "subject"):
        assert f"rule 'lonely' has no {clause}" in said
    assert "says nothing of its windows" in said


def test_everything_that_is_wrong_with_a_file_is_told_at_once() -> None:
    text = changed(("drained(node)", "draned(node)"), ("guest_io(node)", "guest_io(bs)")) + changed(
        ("drained-node-io", "other-rule"), ("subject  node", "subject  disk")
    )
    with pytest.raises(RuleFileError) as told:
        build_rules(text, "my.rules", words())
    assert len(told.value.complaints) == 3
    assert isinstance(told.value, TraceviewError)
    assert isinstance(told.value, ValueError)


def test_an_id_that_is_taken_is_refused_with_where_it_is() -> None:
    with pytest.raises(RuleFileError, match=r"there is a rule 'drained-node-io' already, in my\.rules, line 1"):
        build_rules(PLAIN + PLAIN, "my.rules", words())
    with pytest.raises(RuleFileError, match=r"already, in pack\.rules, line 3"):
        build_rules(PLAIN, "my.rules", words(), taken={"drained-node-io": "pack.rules, line 3"})


def test_a_rule_about_all_of_qemu_names_no_subject() -> None:
    changes = (
        ("subject  node", "subject  qemu"),
        ("drained(node)", "graph_locked"),
        ("drained_end(node)", "graph_unlocked"),
    )
    rule = built(*changes, ("guest_io(node)", "drained_begin(thread = open.thread)"))
    assert [str(p) for p in rule.windows[0].open] == ["graph_locked"]
    with pytest.raises(RuleFileError, match="a rule about all of QEMU has no role to compare here"):
        built(*changes, ("graph_locked", "graph_locked(thread)"))


def test_a_rule_is_of_its_first_version_unless_it_says_otherwise() -> None:
    assert built().version == 1
    assert built(("subject  node", "subject  node\n    version 3")).version == 3
