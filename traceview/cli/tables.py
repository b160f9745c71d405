"""``traceview windows``, ``traceview requests`` and ``traceview events``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli.options import (
    TABLE_FORMATS,
    OutFile,
    Paths,
    RuleOption,
    TableFormatOption,
    TraceEvents,
    TracePath,
    choose_formats,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from traceview.api import Trace
    from traceview.cli.options import Formats

__all__ = ["events", "requests", "windows"]

WINDOWS_EXAMPLES = "Examples:   traceview windows vm.log   |   traceview windows vm.log --format csv > windows.csv"
REQUESTS_EXAMPLES = (
    "Examples:   traceview requests vm.log   |   traceview requests vm.log --format parquet -o r.parquet"
)
EVENTS_EXAMPLES = (
    "Examples:   traceview events vm.log -e 'mirror_*' -e 'block_job_*'   |   traceview events vm.log "
    "--pointer 0x5597d6923260 --from +2.5 --to +2.6   |   traceview events vm.log --format jsonl | jq .event"
)


def windows(
    paths: Paths,
    formats: TableFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
    rule: RuleOption = None,
) -> None:
    """List every window: its verdict, how long it stood open, how many loop iterations it touched."""
    from traceview.api import scan_all  # noqa: PLC0415  (the library is imported when a command runs)
    from traceview.cli.output import ProgressBar  # noqa: PLC0415
    from traceview.report.tables import windows_frame  # noqa: PLC0415

    chosen = choose_formats(formats, TABLE_FORMATS)
    with ProgressBar() as progress:
        result = scan_all(
            paths, format=chosen.input, trace_events=trace_events, rules=rule or None, on_trace=progress.watch
        )
    frame = windows_frame(result)
    _write([frame if len(result.traces) > 1 else frame.drop(columns="trace")], chosen, output)


def requests(
    path: TracePath,
    formats: TableFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
) -> None:
    """List every guest request: its device, node, place on the disk, and when it took each step."""
    from traceview.cli.output import ProgressBar  # noqa: PLC0415

    chosen = choose_formats(formats, TABLE_FORMATS)
    with ProgressBar() as progress:
        trace = _open(path, chosen, trace_events)
        progress.watch(trace)
        _write(trace.request_frames(), chosen, output)


def events(
    path: TracePath,
    event: Annotated[
        list[str] | None,
        typer.Option("--event", "-e", metavar="NAME", help="Only this event; * and ? match; repeatable."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="From this time on: seconds as in the trace, or +SECONDS from its start."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Up to this time.")] = None,
    pid: Annotated[
        int | None, typer.Option("--pid", help="Only this process id (thread id in logs of QEMU 4.0 and newer).")
    ] = None,
    pointer: Annotated[
        str | None, typer.Option(metavar="0x…", help="Only records with this pointer among their arguments.")
    ] = None,
    formats: TableFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
) -> None:
    """List records, chosen by event, time, process and pointer."""
    from traceview.cli.output import ProgressBar  # noqa: PLC0415
    from traceview.report.tables import batch_frame  # noqa: PLC0415
    from traceview.selection import Selection, parse_moment  # noqa: PLC0415

    chosen = choose_formats(formats, TABLE_FORMATS)
    try:
        selection = Selection(
            events=tuple(event or ()),
            since=parse_moment(since) if since is not None else None,
            until=parse_moment(until) if until is not None else None,
            tid=pid,
            pointer=_pointer(pointer) if pointer is not None else None,
        )
    except ValueError as e:
        raise typer.BadParameter(str(e)) from e

    def frames(trace: Trace) -> Iterator[pd.DataFrame]:
        for batch in trace.select(selection):
            yield batch_frame(batch)

    with ProgressBar() as progress:
        trace = _open(path, chosen, trace_events)
        progress.watch(trace)
        _write(frames(trace), chosen, output)
    trace.require_matched(selection)


def _pointer(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError as e:
        raise ValueError(f"{text!r} is no pointer: expected hexadecimal such as 0x5597d6923260") from e
    if not 0 <= value < 1 << 64:
        raise ValueError(f"{text!r} is no pointer: it does not fit 64 bits")
    return value


def _open(path: Path, chosen: Formats, trace_events: Path | None) -> Trace:
    from traceview.api import open as open_trace  # noqa: PLC0415

    return open_trace(path, format=chosen.input, trace_events=trace_events)


def _write(frames: Iterable[pd.DataFrame], chosen: Formats, output: Path | None) -> None:
    import sys  # noqa: PLC0415

    from traceview.cli.output import output_file  # noqa: PLC0415
    from traceview.report.tables import write_frames  # noqa: PLC0415

    if chosen.output == "parquet" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("parquet is binary: give --output FILE, or send stdout to a file")
    with output_file(output) as out:
        write_frames(frames, chosen.output, out)
