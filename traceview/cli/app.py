"""The command line's commands: parse the options, call one function of the library, print, choose the exit code."""

from __future__ import annotations

from typing import Annotated

import typer

from traceview.cli import advice, check, export, extents, known, plot, repair, report, rules, scan, tables, triage
from traceview.cli.options import examples

__all__ = ["app"]

EPILOG = "\n\n".join((
    "Exit codes: 0 nothing found, 1 findings, 2 usage, input or output that fails, 3 inconclusive, 70 a bug.",
    examples("traceview scan vm.log", "traceview scan --help"),
))  # fmt: skip

app = typer.Typer(
    name="traceview",
    help="Find guest I/O that slipped into a window in which QEMU's block layer promised silence.",
    epilog=EPILOG,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes take twice the time of all the rest of --help
)


def _version(value: bool) -> None:
    if value:
        from traceview import __version__  # noqa: PLC0415

        typer.echo(f"traceview {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Find guest I/O that slipped into a window in which QEMU's block layer promised silence."""


app.command("scan", short_help="Find guest I/O in quiet windows, and what it cost.", epilog=scan.SCAN_EXAMPLES)(
    scan.scan
)
app.command("show", short_help="Draw the interleaving of one finding.", epilog=scan.SHOW_EXAMPLES)(scan.show)
app.command("plot", short_help="Draw a finding, a window or a whole trace as a picture.", epilog=plot.PLOT_EXAMPLES)(
    plot.plot
)
app.command(
    "extents", short_help="List the bytes that were lost, and where they are.", epilog=extents.EXTENTS_EXAMPLES
)(extents.extents)
app.command("report", short_help="Write a scan as one HTML page.", epilog=report.REPORT_EXAMPLES)(report.report)
app.command("repair", short_help="Copy lost bytes into the image that lacks them.", epilog=repair.REPAIR_EXAMPLES)(
    repair.repair
)
app.command("verify", short_help="Compare the lost extents of two images.", epilog=repair.VERIFY_EXAMPLES)(
    repair.verify
)
app.command("windows", short_help="List every window with its verdict.", epilog=tables.WINDOWS_EXAMPLES)(tables.windows)
app.command("requests", short_help="List every guest request, step by step.", epilog=tables.REQUESTS_EXAMPLES)(
    tables.requests
)
app.command("events", short_help="List records by event, time, process, pointer.", epilog=tables.EVENTS_EXAMPLES)(
    tables.events
)
app.command("export", short_help="Write a trace for the Perfetto UI.", epilog=export.EXPORT_EXAMPLES)(export.export)
app.command(
    "check", short_help="Say how healthy a trace is, and what its silence is worth.", epilog=check.CHECK_EXAMPLES
)(check.check)
app.command("formats", short_help="List the trace formats.", epilog=known.FORMATS_EXAMPLES)(known.formats)
app.command(
    "vocabulary", short_help="Show what traces can tell, or what one tells.", epilog=advice.VOCABULARY_EXAMPLES
)(advice.vocabulary)
app.command("suggest", short_help="Say what to trace for some rules.", epilog=advice.SUGGEST_EXAMPLES)(advice.suggest)
app.add_typer(rules.app, name="rules", short_help="List the rules; check, show and test some.")
app.add_typer(triage.app, name="triage", short_help="List, judge and pass on what scans have found.")
