"""``traceview rules``: what is judged by, and tools for those who write rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli.options import (
    InputFormatOption,
    Inputs,
    Jobs,
    MaxBytes,
    MaxLives,
    QemuOption,
    Rotated,
    RuleFolders,
    TraceEvents,
    choose_formats,
    complete_rule,
    examples,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traceview.rules import Rule

__all__ = ["app"]

RULES_EXAMPLES = examples(
    "traceview rules",
    "traceview rules show mirror-exit-guest-io",
    "traceview rules check my.rules",
    "traceview rules test my.rules vm.log",
)
CLAUSES_EXAMPLES = examples("traceview rules clauses")
CHECK_EXAMPLES = examples("traceview rules check my.rules")
SHOW_EXAMPLES = examples("traceview rules show mirror-exit-guest-io")
TEST_EXAMPLES = examples("traceview rules test my.rules vm.log", "traceview rules test my.rules logs/ --qemu 2.6")

EXIT_INPUT = 2

app = typer.Typer(
    help="List the rules, or check, show and test some.", invoke_without_command=True, rich_markup_mode=None,
    epilog=RULES_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip


@app.callback()
def rules(context: typer.Context, folders: RuleFolders = None) -> None:
    """List the rules; with a command, check, show or test some."""
    if context.invoked_subcommand is not None:
        return
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (imported when the command runs)
    from traceview.report.rules import list_lines  # noqa: PLC0415
    from traceview.rules import load_rules  # noqa: PLC0415

    write_lines(list_lines(load_rules(folders or ()), out_style()))


@app.command("show", epilog=SHOW_EXAMPLES)
def show(
    rule: Annotated[str, typer.Argument(metavar="ID", help="The id of a rule.", autocompletion=complete_rule)],
    folders: RuleFolders = None,
) -> None:
    """Show one rule: its promise, its windows, the releases it concerns, what to trace, where to read on."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.rules import rule_lines  # noqa: PLC0415
    from traceview.rules import load_rules  # noqa: PLC0415
    from traceview.vocabulary import builtin  # noqa: PLC0415

    write_lines(rule_lines(load_rules(folders or ())[rule], builtin(), out_style()))


@app.command("clauses", epilog=CLAUSES_EXAMPLES)
def language() -> None:
    """Show what a rule can say: every clause of the language, with an example."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.rules import clause_lines  # noqa: PLC0415

    write_lines(clause_lines(out_style()))


@app.command("check", epilog=CHECK_EXAMPLES)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Rule files, or folders of them.")],
) -> None:
    """Say whether rule files make sense, and where they do not."""
    from traceview.cli.output import write_lines  # noqa: PLC0415

    rules = _read(files)
    sources = {r.source: sum(o.source == r.source for o in rules) for r in rules}
    write_lines(f"{source}: {count} rule{'s' if count != 1 else ''}, no error" for source, count in sources.items())


@app.command("test", epilog=TEST_EXAMPLES)
def try_out(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A rule file, or a folder of them.")],
    paths: Annotated[list[Path], typer.Argument(metavar="TRACE", help="Trace files, directories, or - for stdin.")],
    formats: InputFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    qemu: QemuOption = None,
) -> None:
    """Judge traces by the rules of a file alone, and say of each rule what it came to."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.cli.scan import exit_code, scan_paths  # noqa: PLC0415
    from traceview.report.rules import coverage_lines  # noqa: PLC0415
    from traceview.report.text import scan_lines  # noqa: PLC0415
    from traceview.rules import RuleSet  # noqa: PLC0415

    chosen = choose_formats(formats, ("text",))
    rules = RuleSet(_read([file]))
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)
    result, errors = scan_paths(paths, inputs, rules.choose(rules.ids))
    if result.traces:
        style = out_style()
        write_lines([*scan_lines(result, style), "", *coverage_lines(result, style)])
    raise typer.Exit(EXIT_INPUT if errors else exit_code(result, "broken-promise", allow_inconclusive=False))


def _read(files: Sequence[Path]) -> list[Rule]:
    """Return the rules of files and folders. What is wrong with them is told on stderr, as a compiler does."""
    from traceview.cli.output import tell  # noqa: PLC0415
    from traceview.errors import RuleFileError  # noqa: PLC0415
    from traceview.rules import read_rule_files, rule_files  # noqa: PLC0415

    try:
        return read_rule_files([f for named in files for f in rule_files(named)])
    except RuleFileError as e:
        for complaint in e.complaints:
            tell(complaint)
        count = len(e.complaints)
        tell(f"{count} error{'s' if count != 1 else ''}")
        raise typer.Exit(EXIT_INPUT) from e
