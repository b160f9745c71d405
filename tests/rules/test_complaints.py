"""Errors in rule files read like a good compiler's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.texts import PLAIN, changed
from traceview.errors import RuleFileError
from traceview.rules import words
from traceview.rules.build import build_rules
from traceview.rules.complaints import clause_example, clauses


def complaint(text: str) -> list[str]:
    """Return the lines of the first complaint about a text."""
    with pytest.raises(RuleFileError) as told:
        build_rules(text, "my.rules", words())
    return told.value.complaints[0].split("\n")


def test_a_complaint_shows_place_line_caret_expectation_nearest_name_and_example() -> None:
    assert complaint(changed(("drained_end", "drain_end"))) == [
        "my.rules:8:12: unknown meaning 'drain_end'",
        "    8 |     close  drain_end(node)",
        "      |            ^^^^^^^^^",
        "  expected: a meaning that has the role node, such as drained_end, drained, drain, drained_begin, node_open, "
        "job_ended, job_before_drain, node_aio (all: traceview vocabulary)",
        "  did you mean drained_end?",
        "  example: open drained_begin(node)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("rulee x {}", (1, 1), "unexpected 'rulee'"),
        ("rule {", (1, 6), "unexpected '{'"),
        ("rule x-y", (1, 9), "the file ends too early"),
        ('rule x-y {\n  title "a', (2, 9), "this text has no end on its line"),
        ("rule x-y {\n  title title", (2, 9), "unexpected 'title'"),
        ("rule x-y { ; }", (1, 12), "unexpected character ';'"),
        ("rule x-y {\n exact { open drained(node) or }\n}", (2, 32), "unexpected '}'"),
        ("rule x-y {\n exact { lasts 1.5 s }\n}", (2, 16), "unexpected '1.5'"),
    ],
)
def test_what_the_grammar_refuses_is_told_with_its_place(text: str, where: tuple[int, int], said: str) -> None:
    lines = complaint(text)
    assert lines[0] == f"my.rules:{where[0]}:{where[1]}: {said}"
    assert any(line.startswith("  expected: ") for line in lines)
    assert any(line.startswith("  example: ") for line in lines)


def test_a_keyword_that_is_nearly_right_is_offered() -> None:
    assert "  did you mean template?" in complaint(changed(("template", "templat")))
    assert "  did you mean forbid?" in complaint(changed(("forbid guest_io", "forbids guest_io")))


def test_a_caret_stands_below_its_word_behind_tabs_too() -> None:
    lines = complaint(changed(("    close  drained_end", "\t\tclose\tdrain_end")))
    assert lines[1] == "    8 | \t\tclose\tdrain_end(node)"
    assert lines[2] == "      | \t\t     \t^^^^^^^^^"


def test_each_clause_has_an_explanation_and_an_example() -> None:
    for name, clause in clauses().items():
        assert clause["says"].endswith(".")
        assert clause["example"].split()[0] == name
        assert clause_example(name) == clause["example"]
    assert clause_example("nonsense") == ""


@given(st.data())
def test_whatever_is_done_to_a_rule_file_it_is_read_or_refused(data: st.DataObject) -> None:
    text = PLAIN
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        put = data.draw(
            st.sampled_from(["", "{", "}", "(", '"', "#", "node", "open", "rule x-y", " or ", "\\", "\t", "é", "0"])
        )
        text = text[:at] + put + text[at + cut :]
    refused: tuple[str, ...] | None = None
    try:
        build_rules(text, "my.rules", words())
    except RuleFileError as e:
        refused = e.complaints
    assert refused is None or refused
    for told in refused or ():
        head, *rest = told.split("\n")
        assert head.startswith("my.rules:")
        assert any("^" in line for line in rest)
