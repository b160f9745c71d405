"""``traceview check``: the health of traces."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from traceview.cli.options import (
    DocumentFormatOption,
    Inputs,
    Jobs,
    MaxBytes,
    MaxLives,
    OutFile,
    Paths,
    QemuOption,
    Rotated,
    RuleFolders,
    RuleOption,
    TraceEvents,
    choose_formats,
    choose_rules,
    examples,
)
from traceview.cli.scan import ask_traces
from traceview.report.known import DOCUMENT_FORMATS

__all__ = ["CHECK_EXAMPLES", "check"]

CHECK_EXAMPLES = examples(
    "traceview check vm.log",
    "traceview check logs/ --format json > health.json",
    "traceview check trace.bin --trace-events trace-events-all --top 50",
)
EXIT_NOT_HEALTHY, EXIT_INPUT = 1, 2


def check(
    paths: Paths,
    formats: DocumentFormatOption = None,
    output: OutFile = None,
    top: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=1000, help="List so many events, threads, gaps and refused lines."),
    ] = 10,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Say how healthy traces are: what was read and how, what is missing, and what silence about them is worth.

    Exit codes: 0 healthy, 1 not (gaps, refused lines, time that steps back by more than is normal), 2 unreadable.
    """
    chosen = choose_formats(formats, DOCUMENT_FORMATS)
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)
    known = choose_rules(rule, rules)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (when the command runs)
    from traceview.health import check_all  # noqa: PLC0415

    checked, errors = ask_traces(partial(check_all, explained=top), paths, inputs, known)
    if chosen.output == "json":
        import json  # noqa: PLC0415  (text is asked for most of the time)

        from traceview.report.check_json import check_document  # noqa: PLC0415

        document = check_document(checked, [str(e) for e in errors], top=top)
        write_lines([json.dumps(document, indent=1)], output, reads=paths)
    else:
        from traceview.report.check import check_lines  # noqa: PLC0415

        write_lines(check_lines(checked, out_style(output), top=top), output, reads=paths)
    sick = any(h.problems for h in checked)
    raise typer.Exit(EXIT_INPUT if errors else EXIT_NOT_HEALTHY if sick else 0)
