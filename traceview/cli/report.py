"""``traceview report``: a scan as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli.options import (
    FailOnOption,
    InputFormatOption,
    Inputs,
    Jobs,
    MaxBytes,
    MaxLives,
    Paths,
    QemuOption,
    Rotated,
    RuleFolders,
    RuleOption,
    TraceEvents,
    choose_fail_on,
    choose_formats,
    choose_rules,
    examples,
)

if TYPE_CHECKING:
    from traceview.api import Trace
    from traceview.findings import ScanResult
    from traceview.losses import Losses
    from traceview.report.html import Occasion
    from traceview.report.html_findings import Picture
    from traceview.rules import RuleSet

__all__ = ["REPORT_EXAMPLES", "occasion", "read_again", "report"]

REPORT_EXAMPLES = examples(
    "traceview report vm.log -o report.html",
    "traceview report logs/ -o report.html --open",
    "traceview report vm.log -o report.html --findings 10 --qemu 7.2",
)
EXIT_INPUT = 2
STDIO = Path("-")


def report(
    paths: Paths,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Write the page here.")],
    show: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False,
    findings: Annotated[
        int, typer.Option("--findings", metavar="N", min=0, max=1000, help="Tell so many findings one by one.")
    ] = 100,
    formats: InputFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
    fail_on: FailOnOption = "broken-promise",
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Exit with 0, not 3, where something could not be judged.")
    ] = False,
) -> None:
    """Write a scan as one HTML page that needs no network: each finding with its timeline, what was lost, and all else.

    The traces are read three times, so they must be files.
    """
    chosen, least = choose_formats(formats, ("text",)), choose_fail_on(fail_on)
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)
    if STDIO in paths:
        raise typer.BadParameter("stdin can be read but once, and a report reads its traces three times: name a file")
    if show and output == STDIO:
        raise typer.BadParameter("--open needs a file: name one with -o", param_hint="--open")

    from traceview.cli.output import write_lines  # noqa: PLC0415  (a usage error need not wait for it)
    from traceview.cli.scan import exit_code, files_read, scan_paths  # noqa: PLC0415
    from traceview.report.html import html_report, require_report  # noqa: PLC0415

    require_report()
    known = choose_rules(rule, rules)
    traces: list[Trace] = []
    result, errors = scan_paths(paths, inputs, known, shown=traces)
    made = occasion(traces)
    read = {t.path: t for t in traces}
    in_order = [read[t.path] for t in result.traces]
    losses, pictures = read_again(result, in_order, known, qemu, findings)
    page = html_report(result, losses, pictures, made, shown=findings, errors=errors)
    write_lines([page], output, reads=files_read(result, paths, trace_events))
    if show:
        import webbrowser  # noqa: PLC0415

        webbrowser.open(output.resolve().as_uri())
    raise typer.Exit(EXIT_INPUT if errors else exit_code(result, least, allow_inconclusive=allow_inconclusive))


def read_again(
    result: ScanResult, traces: list[Trace], rules: RuleSet, qemu: str | None, most: int
) -> tuple[Losses, dict[int, Picture]]:
    """Return what the traces lost, and what surrounds the first `most` findings, by their number."""
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415
    from traceview.losses import Losses  # noqa: PLC0415
    from traceview.report.html_findings import picture_of  # noqa: PLC0415

    losses = Losses()
    pictures = {}
    with ProgressBar() as progress:
        for index, trace in enumerate(traces):
            progress.watch(trace)
            losses.merge(trace.losses(rules, qemu=qemu))
            numbered = [(n, result.windows[f.window]) for n, f in enumerate(result.findings[:most], 1)]
            own = [(number, window) for number, window in numbered if window.trace == index]
            if own:
                progress.watch(trace)
                for at, timeline in trace.timelines_around([window for _, window in own]):
                    number, window = own[at]
                    pictures[number] = picture_of(window, timeline, result.traces[window.trace].gaps)
    return losses, pictures


def occasion(traces: list[Trace]) -> Occasion:
    """Return what a page tells of its making; `traces` are those that were read for it."""
    import shlex  # noqa: PLC0415
    import sys  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from traceview import __version__  # noqa: PLC0415
    from traceview.report.html import Occasion as Made  # noqa: PLC0415

    command = shlex.join(["traceview", *sys.argv[1:]])
    spans = {t.path: (t.stats.first_ts_ns, t.stats.last_ts_ns) for t in traces}
    return Made(command, __version__, f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}", spans)
