"""``traceview vocabulary`` and ``traceview suggest``: what traces can tell, and what to trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from traceview.cli.options import (
    DocumentFormatOption,
    Inputs,
    Jobs,
    MaxBytes,
    OutFile,
    PlainFormatOption,
    QemuOption,
    RuleFolders,
    RuleOption,
    TraceEvents,
    choose_formats,
    choose_rules,
    complete_rule,
    examples,
    parse_qemu,
)
from traceview.report.known import DOCUMENT_FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traceview.detect.tellable import Tellable
    from traceview.rules import RuleSet

__all__ = ["SUGGEST_EXAMPLES", "VOCABULARY_EXAMPLES", "suggest", "vocabulary"]

VOCABULARY_EXAMPLES = examples(
    "traceview vocabulary",
    "traceview vocabulary --qemu 2.6",
    "traceview vocabulary vm.log",
    "traceview vocabulary vm.log --rule mirror-exit-guest-io --format json",
)
SUGGEST_EXAMPLES = examples(
    "traceview suggest --rules mirror-exit-guest-io --qemu 7.2 > vm.events",
    "traceview suggest external-off-kick --qemu 2.6 -o vm.events",
    "traceview suggest --qemu 9.0",
)
EXIT_INCONCLUSIVE = 3


def vocabulary(
    path: Annotated[
        Path | None, typer.Argument(metavar="TRACE", help="A trace file, or - for stdin.", show_default=False)
    ] = None,
    formats: DocumentFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Show the meanings that rules speak of, and by which events; of a trace, what it can tell and what it cannot."""
    chosen = choose_formats(formats, DOCUMENT_FORMATS)
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (when the command runs)
    from traceview.releases import ReleaseRange  # noqa: PLC0415
    from traceview.report.words import (  # noqa: PLC0415
        tellable_document,
        tellable_lines,
        word_lines,
        words_document,
    )
    from traceview.rules import words  # noqa: PLC0415
    from traceview.vocabulary import builtin  # noqa: PLC0415

    if path is None:
        span = ReleaseRange(qemu, qemu) if qemu is not None else None
        if chosen.output == "json":
            write_lines([_json(words_document(words().values(), builtin(), span))], output)
        else:
            write_lines(word_lines(words().values(), builtin(), out_style(output), span), output)
        return
    told = _told(path, inputs, choose_rules(rule, rules))
    if chosen.output == "json":
        write_lines([_json(tellable_document(told))], output, reads=[path])
    else:
        write_lines(tellable_lines(told, words(), builtin(), out_style(output)), output, reads=[path])


def _json(document: dict[str, Any]) -> str:
    import json  # noqa: PLC0415  (text is asked for most of the time)

    return json.dumps(document, indent=1)


def _told(path: Path, inputs: Inputs, rules: RuleSet) -> Tellable:
    from traceview.api import open  # noqa: PLC0415
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415

    with ProgressBar() as progress:
        trace = open(
            path, format=inputs.format, trace_events=inputs.trace_events, max_bytes=inputs.max_bytes, jobs=inputs.jobs
        )
        progress.watch(trace)
        return trace.tells(rules, qemu=inputs.qemu)


def suggest(
    qemu: Annotated[
        str, typer.Option("--qemu", metavar="RELEASE", parser=parse_qemu, help="The QEMU that is to be traced.")
    ],
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Rules, by id.", autocompletion=complete_rule, show_default=False),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rules",
            "--rule",
            metavar="ID",
            autocompletion=complete_rule,
            help="Rules, by id, with commas or repeated; a folder or file adds the rules in it. By default all that "
            "the release can show without a patch.",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Ask for exact evidence, even where stock events can stand in for it.")
    ] = False,
    formats: PlainFormatOption = None,
    output: OutFile = None,
) -> None:
    """Say what to trace so that rules can judge: the events, the command line, and what QEMU lacks."""
    chosen = choose_formats(formats, DOCUMENT_FORMATS)

    from traceview.cli.output import note, write_lines  # noqa: PLC0415
    from traceview.detect.advice import OLDEST, advise, newest  # noqa: PLC0415
    from traceview.releases import ReleaseRange, first_of, last_of  # noqa: PLC0415
    from traceview.report.advice import advice_document, advice_lines  # noqa: PLC0415
    from traceview.vocabulary import builtin  # noqa: PLC0415

    named, folders = _sorted_out([*(ids or ()), *(v for value in rules or () for v in value.split(","))])
    if first_of(qemu) < first_of(OLDEST):
        raise typer.BadParameter(f"QEMU {qemu} reads no such file: {OLDEST} is the first", param_hint="--qemu")
    known = newest(builtin())
    if first_of(qemu) > last_of(known):
        note(f"QEMU {qemu} is newer than what is known: the events are those of {known}")
        qemu = known
    span = ReleaseRange(qemu, qemu)
    asked = choose_rules(named or None, folders)
    advice = advise(asked, span, builtin(), exact=exact)
    if not named:
        stock = [a.rule.id for a in advice.rules if not (a.probes or a.impossible)]
        advice = advise(asked.choose(stock), span, builtin(), exact=exact)
    if chosen.output == "json":
        write_lines([_json(advice_document(advice))], output)
    else:
        write_lines(advice_lines(advice, str(output) if output is not None else "EVENTS"), output)
    blind = not advice.rules or any(a.impossible for a in advice.rules)
    raise typer.Exit(EXIT_INCONCLUSIVE if blind else 0)


def _sorted_out(values: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Return the ids of rules, and the folders or files with rules, among what was named."""
    given = [v.strip() for v in values if v.strip()]
    folders = [v for v in given if "/" in v or v.endswith(".rules") or Path(v).is_dir()]
    return [v for v in given if v not in folders], [Path(v) for v in folders]
