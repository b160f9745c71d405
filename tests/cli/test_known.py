"""``traceview formats``: what is known; and that options and completion know as much."""

from __future__ import annotations

import pytest

from tests.cli import run, run_alone
from traceview.cli import options
from traceview.findings import Severity
from traceview.formats import FORMATS
from traceview.rules import builtin_rules


def test_every_format_is_listed_with_what_it_can_tell() -> None:
    done = run("formats")
    assert (done.code, done.err) == (0, "")
    for info in FORMATS:
        assert f"{info.id}  {info.title}" in done.lines
        for part in (info.releases, info.clock, info.thread, info.loss, info.reference):
            assert part in done.out


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
        ("traceview windows --format ", ["text", "csv", "jsonl", "parquet", *options.INPUT_FORMATS]),
        ("traceview scan --fail-on d", ["data-loss"]),
        ("traceview scan --rule mirror-", [r.id for r in builtin_rules() if r.id.startswith("mirror-")]),
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
