"""``traceview export``: a trace, or a part of it, for the Perfetto UI."""

from __future__ import annotations

import sys
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
    RuleOption,
    TraceEvents,
    TracePath,
    choose_formats,
    choose_rules,
    examples,
    parsed,
)
from traceview.cli.scan import EXIT_INPUT, files_read, scan_paths

if TYPE_CHECKING:
    from traceview.api import Trace
    from traceview.findings import Finding, ScanResult
    from traceview.perfetto import Part, Told

__all__ = ["EXPORT_EXAMPLES", "export"]

EXPORT_EXAMPLES = examples(
    "traceview export vm.log -o vm.perfetto-trace",
    "traceview export vm.log --finding 1 -o finding.perfetto-trace",
    "traceview export vm.log --from +11.4 --to +11.5 -o part.perfetto-trace",
)
STDIO = Path("-")


def export(
    path: TracePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write here; - for stdout.", show_default=False)
    ],
    finding: Annotated[
        int | None, typer.Option("--finding", metavar="N", min=1, help="Only what is around this finding of scan.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", metavar="K", min=0, help="Only what is around this window of traceview windows."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="From this time on: seconds as in the trace, or +SECONDS from its start."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Up to this time.")] = None,
    formats: InputFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Write what happened as a trace for the Perfetto UI: ui.perfetto.dev, which keeps it in the browser.

    Exit codes: 0 written, whatever was found, 2 usage, input or output that fails.
    """
    if [finding is not None, window is not None, since is not None or until is not None].count(True) > 1:
        raise typer.BadParameter("give one of --finding, --window, and --from with --to")
    if path == STDIO:
        raise typer.BadParameter(
            "stdin can be read but once, and an export reads twice: give a file", param_hint="PATH"
        )
    if output == STDIO and sys.stdout.isatty():
        raise typer.BadParameter("a trace is binary: give a file, or send stdout to a file or a pipe", param_hint="-o")
    inputs = Inputs(
        choose_formats(formats, ("perfetto",)).input, trace_events, max_bytes, jobs, qemu, rotated, max_lives
    )

    from traceview.cli.output import open_output  # noqa: PLC0415  (a usage error need not wait for it)
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415
    from traceview.perfetto import load_schema, write_perfetto  # noqa: PLC0415
    from traceview.selection import parse_moment  # noqa: PLC0415

    moments = parsed(parse_moment, since, "--from"), parsed(parse_moment, until, "--to")
    load_schema()  # complain now, not after a long scan
    traces: list[Trace] = []
    result, errors = scan_paths([path], inputs, choose_rules(rule, rules), shown=traces)
    if errors:
        raise typer.Exit(EXIT_INPUT)
    if len(traces) > 1:
        raise typer.BadParameter(f"there are {len(traces)} traces in it, give one of them", param_hint="PATH")
    told = _told(result, finding, window)
    with ProgressBar() as progress:
        progress.watch(traces[0])
        part = _around(traces[0], told) if told is not None else _between(traces[0], result, *moments)
    with open_output(output, files_read(result, [path], trace_events)) as out:
        write_perfetto(out, [part])


def _told(result: ScanResult, finding: int | None, window: int | None) -> Told | None:
    """Return the window that is asked for by its finding's number or by its own; None if neither is."""
    from traceview.errors import UnknownNameError  # noqa: PLC0415
    from traceview.perfetto import Told  # noqa: PLC0415

    path = result.traces[0].path
    if finding is not None:
        if finding > len(result.findings):
            raise UnknownNameError(f"{path}: there is no finding {finding}; the scan has {len(result.findings)}")
        found = result.findings[finding - 1]
        return Told(f"[{finding}]", result.windows[found.window], found)
    if window is None:
        return None
    if window >= len(result.windows):
        raise UnknownNameError(
            f"{path}: there is no window {window}; traceview windows lists {len(result.windows)}, from 0 on"
        )
    return Told(f"window {window}", result.windows[window], _finding_of(result, window))


def _finding_of(result: ScanResult, window: int) -> Finding | None:
    return next((f for f in result.findings if f.window == window), None)


def _around(trace: Trace, told: Told) -> Part:
    """Return what stands around one window."""
    from traceview.perfetto import Part, extent_of  # noqa: PLC0415
    from traceview.scene import records_around  # noqa: PLC0415

    first, last = records_around(told.window)
    known = trace.batches(trace.vocabulary.events.__contains__)
    extent_of((b.take((b.record >= first) & (b.record <= last)) for b in known), trace.path)
    title = told.finding.title if told.finding is not None else f"{told.label} {told.window.rule}"
    return Part(Path(trace.path).name, trace.scene(told.window, title=title), [told], _tells_wall_clock(trace))


def _between(trace: Trace, result: ScanResult, since: tuple[bool, int] | None, until: tuple[bool, int] | None) -> Part:
    """Return what stands between two times, with all findings there; requests may end behind it."""
    from traceview.perfetto import Part, Told, extent_of  # noqa: PLC0415
    from traceview.scene.build import AROUND  # noqa: PLC0415
    from traceview.selection import Selection  # noqa: PLC0415

    selection = Selection(tuple(trace.vocabulary.events), since, until)
    extent = extent_of(trace.select(selection), trace.path)
    whole = since is None and until is None
    span = None
    if not whole and extent.begin_ns is not None and extent.end_ns is not None:
        span = extent.begin_ns, extent.end_ns
    records = (0, extent.last) if whole else (max(extent.first - AROUND, 0), extent.last + AROUND)
    scene = trace.scene(span_ns=span, records=records)
    told = [Told(f"[{n}]", result.windows[f.window], f) for n, f in enumerate(result.findings, start=1)]
    return Part(Path(trace.path).name, scene, told, _tells_wall_clock(trace))


def _tells_wall_clock(trace: Trace) -> bool:
    """Say whether the trace's times are those of the day: logs have these, simpletrace the monotonic clock's."""
    return trace.format.id == "log"
