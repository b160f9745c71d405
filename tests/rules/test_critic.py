"""Everything that is wrong with a file is gathered, each thing with its place."""

from __future__ import annotations

from traceview.rules.critic import Critic
from traceview.rules.syntax import Place, Value

TEXT = "template one\ntemplate other\n"


def value(text: str, line: int = 1, column: int = 10) -> Value:
    return Value(text, "NAME", Place(line, column, len(text)))


def test_a_name_that_is_known_is_what_it_stands_for_even_if_that_is_nothing_much() -> None:
    critic = Critic(TEXT, "my.rules")
    assert critic.one_of(value("one"), {"one": 1, "other": 2}, "template") == 1
    assert critic.one_of(value("other"), {"one": True, "other": False}, "template") is False
    assert critic.complaints == []


def test_a_name_that_is_not_known_is_told_with_those_that_are_and_an_example() -> None:
    critic = Critic(TEXT, "my.rules")
    assert critic.one_of(value("othr", line=2), {"one": 1, "other": 2}, "template") is None
    (complaint,) = critic.complaints
    assert complaint.lines() == [
        "my.rules:2:10: unknown template 'othr'",
        "    2 | template other",
        "      |          ^^^^",
        "  expected: one, other",
        "  did you mean other?",
        "  example: template forbidden-in-window",
    ]


def test_the_example_is_that_of_the_clause_which_is_named_first() -> None:
    critic = Critic(TEXT, "my.rules")
    critic.one_of(value("x"), {"inconclusive": 1}, "unjudged outcome")
    assert critic.complaints[0].example == "unjudged inconclusive"
    critic.one_of(value("x"), {}, "thing")
    assert critic.complaints[1].example == ""


def test_the_nearest_name_is_looked_for_among_the_known_or_else_among_the_expected() -> None:
    critic = Critic(TEXT, "my.rules")
    place = Place(1, 10, 3)
    critic.complain(place, "no", expected=["something like it"], known=["drained"], wrong="draned")
    critic.complain(place, "no", expected=["drained"], wrong="draned")
    critic.complain(place, "no", expected=["drained"])
    assert [c.nearest for c in critic.complaints] == ["drained", "drained", ""]


def test_complaints_come_in_the_order_in_which_they_were_made() -> None:
    critic = Critic(TEXT, "my.rules")
    for line in (2, 1, 2):
        critic.complain(Place(line, 1, 8), f"wrong in line {line}")
    assert [(c.line, c.source) for c in critic.complaints] == [(2, "my.rules"), (1, "my.rules"), (2, "my.rules")]
