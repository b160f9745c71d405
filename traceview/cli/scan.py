"""``traceview scan`` and ``traceview show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli.options import (
    SCAN_FORMATS,
    FailOn,
    Paths,
    RuleOption,
    ScanFormatOption,
    TraceEvents,
    TracePath,
    choose_formats,
)

if TYPE_CHECKING:
    from traceview.errors import TraceviewError
    from traceview.findings import ScanResult

__all__ = ["scan", "show"]

SCAN_EXAMPLES = (
    "Examples:   traceview scan vm.log   |   traceview scan /var/log/qemu/ --format json > scan.json   |   "
    "zcat vm.log.gz | traceview scan -   |   traceview scan trace.bin --trace-events trace-events-all"
)
SHOW_EXAMPLES = "Examples:   traceview show vm.log --finding 1   |   traceview show vm.log --finding 3 --all | less"

EXIT_FINDINGS, EXIT_INPUT, EXIT_INCONCLUSIVE = 1, 2, 3


def scan(
    paths: Paths,
    formats: ScanFormatOption = None,
    trace_events: TraceEvents = None,
    rule: RuleOption = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 from this severity on.", case_sensitive=False)
    ] = FailOn.broken_promise,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Exit with 0, not 3, where something could not be judged.")
    ] = False,
) -> None:
    """Find guest requests in windows that had to be quiet, and say what they cost."""
    from traceview.api import scan_all  # noqa: PLC0415  (the library is imported when a command runs)
    from traceview.cli.output import ProgressBar, complain, out_style, write_lines  # noqa: PLC0415

    chosen = choose_formats(formats, SCAN_FORMATS)
    errors: list[TraceviewError] = []

    def tell(error: TraceviewError) -> None:
        errors.append(error)
        complain(str(error))

    with ProgressBar() as progress:
        result = scan_all(
            paths, format=chosen.input, trace_events=trace_events, rules=rule or None, on_trace=progress.watch,
            on_error=tell,
        )  # fmt: skip
    if result.traces or not errors:
        if chosen.output == "text":
            from traceview.report.text import scan_lines  # noqa: PLC0415

            write_lines(scan_lines(result, out_style()))
        else:
            from traceview.report.machine import scan_json, scan_jsonl  # noqa: PLC0415

            write_lines([scan_json(result)] if chosen.output == "json" else scan_jsonl(result))
    raise typer.Exit(EXIT_INPUT if errors else exit_code(result, fail_on, allow_inconclusive=allow_inconclusive))


def exit_code(result: ScanResult, fail_on: FailOn, *, allow_inconclusive: bool) -> int:
    """Return the exit code that a result calls for: 1 findings, 3 inconclusive, 0 neither."""
    from traceview.findings import Severity  # noqa: PLC0415

    if fail_on is not FailOn.never:
        least = Severity(fail_on.value).rank
        if any(f.severity.rank >= least for f in result.findings):
            return EXIT_FINDINGS
    return EXIT_INCONCLUSIVE if result.inconclusive and not allow_inconclusive else 0


def show(
    path: TracePath,
    finding: Annotated[int, typer.Option(metavar="N", help="The number that scan gives the finding.")] = 1,
    everything: Annotated[bool, typer.Option("--all", help="Show every record, however long the window.")] = False,
    formats: ScanFormatOption = None,
    trace_events: TraceEvents = None,
    rule: RuleOption = None,
) -> None:
    """Show the interleaving of one finding as an indented call tree, with (a), (b) and (c)."""
    from traceview.api import scan_all  # noqa: PLC0415
    from traceview.cli.output import ProgressBar, out_style, write_lines  # noqa: PLC0415
    from traceview.report.tree import tree_lines  # noqa: PLC0415

    chosen = choose_formats(formats, ("text",))
    with ProgressBar() as progress:
        result = scan_all(
            [Path(path)], format=chosen.input, trace_events=trace_events, rules=rule or None, keep_witness=True,
            on_trace=progress.watch,
        )  # fmt: skip
    write_lines(tree_lines(result, finding, out_style(), whole=everything))
