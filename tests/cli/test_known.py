"""``traceview formats`` and ``traceview rules``: what is known; and that options and completion know as much."""

from __future__ import annotations

import pytest

from tests.cli import run, run_alone
from traceview.cli import options
from traceview.findings import Severity
from traceview.formats import FORMATS
from traceview.rules import builtin_rules
from traceview.vocabulary import builtin


def test_every_format_is_listed_with_what_it_can_tell() -> None:
    done = run("formats")
    assert (done.code, done.err) == (0, "")
    for info in FORMATS:
        assert f"{info.id}  {info.title}" in done.lines
        for part in (info.releases, info.clock, info.thread, info.loss, info.reference):
            assert part in done.out


def test_every_rule_is_listed_with_what_it_needs() -> None:
    done = run("rules")
    assert (done.code, done.err) == (0, "")
    for rule in builtin_rules():
        assert f"{rule.id}  {rule.title} ({rule.label})" in done.lines
        for part in (rule.affected, rule.fixed, *rule.references):
            assert part in done.out
        assert " ".join(rule.sentence.split()) in " ".join(done.out.split())


def test_the_events_that_a_rule_needs_are_named() -> None:
    vocabulary = builtin()
    for rule in builtin_rules():
        for needs in rule.needs.values():
            for need in needs:
                assert any(name in run("rules").out for name in vocabulary.names_of(need.meaning))


def test_lists_have_no_blank_line_at_their_ends() -> None:
    for command in ("formats", "rules"):
        lines = run(command).lines
        assert lines[0]
        assert lines[-1]


def test_the_options_know_what_the_library_knows() -> None:
    assert tuple(sorted(f.id for f in FORMATS)) == options.INPUT_FORMATS
    assert {*options.FAIL_ON} == {s.value for s in Severity} | {"never"}


def completed(words: str) -> list[str]:
    """Return what bash is offered for the last of the words."""
    done = run_alone(
        env={
            "_TRACEVIEW_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
    )
    assert done.code == 0
    return done.lines


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("traceview sc", ["scan"]),
        ("traceview scan --format js", ["json", "jsonl"]),
        ("traceview windows --format ", ["text", "csv", "jsonl", "parquet", "log", "simpletrace"]),
        ("traceview scan --fail-on d", ["data-loss"]),
        ("traceview scan --rule mirror-", [r.id for r in builtin_rules()]),
        ("traceview scan --allow", ["--allow-inconclusive"]),
    ],
)
def test_bash_completes_commands_options_and_values(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_each_shell_can_be_shown(shell: str) -> None:
    done = run_alone("--show-completion", shell)
    assert done.code == 0
    assert "_TRACEVIEW_COMPLETE" in done.out
