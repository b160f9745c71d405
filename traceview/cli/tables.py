"""``traceview windows``, ``traceview requests`` and ``traceview events``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from traceview.cli.options import (
    Inputs,
    Jobs,
    MaxBytes,
    MaxLives,
    OutFile,
    Paths,
    Rotated,
    RuleFolders,
    RuleOption,
    TableFormatOption,
    TraceEvents,
    TracePath,
    choose_formats,
    choose_rules,
    examples,
    parsed,
)
from traceview.cli.scan import EXIT_INPUT, files_read, scan_paths
from traceview.report.known import TABLE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from traceview.api import Trace
    from traceview.cli.options import Formats
    from traceview.selection import Selection

__all__ = ["events", "requests", "windows"]

T = TypeVar("T")

WINDOWS_EXAMPLES = examples(
    "traceview windows vm.log",
    "traceview windows logs/ --format csv > windows.csv",
)
REQUESTS_EXAMPLES = examples(
    "traceview requests vm.log",
    "traceview requests vm.log --format parquet -o requests.parquet",
)
EVENTS_EXAMPLES = examples(
    "traceview events vm.log -e 'mirror_*' -e 'block_job_*'",
    "traceview events vm.log --from +2.5 --to +2.6 --pointer 0x5597d6923260",
    "traceview events vm.log --format jsonl | grep pwritev",
)


def windows(
    paths: Paths,
    formats: TableFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
) -> None:
    """List every window: its verdict, how long it stood open, how many loop iterations it touched."""
    chosen = _chosen(formats, output)

    from traceview.cli.output import note, open_output  # noqa: PLC0415  (a usage error need not wait for it)
    from traceview.report.tables import windows_frame, write_frames  # noqa: PLC0415

    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, rotated=rotated, max_lives=max_lives)
    result, errors = scan_paths(paths, inputs, choose_rules(rule, rules))
    for index, trace in enumerate(result.traces):
        if not any(w.trace == index for w in result.windows):
            reasons = "; ".join(f"{u.rule}: {u.reason}" for u in trace.unjudged)
            note(f"{trace.path}: no window{f' ({reasons})' if reasons else ''}")
    if result.traces or not errors:
        frame = windows_frame(result)
        named = len(paths) > 1 or paths[0].is_dir()
        with open_output(output, files_read(result, paths, trace_events)) as out:
            write_frames([frame if named else frame.drop(columns="trace")], chosen.output, out)
    raise typer.Exit(EXIT_INPUT if errors else 0)


def requests(
    path: TracePath,
    formats: TableFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
) -> None:
    """List every guest request: its device, node, place on the disk, and when it took each step."""
    chosen = _chosen(formats, output)

    from traceview.cli.output import note, open_output  # noqa: PLC0415
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415
    from traceview.report.tables import write_frames  # noqa: PLC0415
    from traceview.vocabulary import Meaning  # noqa: PLC0415

    trace = _trace(path, Inputs(chosen.input, trace_events, max_bytes, jobs, rotated=rotated))
    rows = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal rows
        for frame in trace.request_frames():
            rows += len(frame)
            yield frame

    with ProgressBar(hidden=_on_terminal(output)) as progress, open_output(output, _reads(trace, trace_events)) as out:
        progress.watch(trace)
        write_frames(counted(), chosen.output, out)
    if not rows and not out.reader_gone:
        names = ", ".join(trace.vocabulary.names_of(Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.REACH))
        note(f"{trace.path}: no guest request: none was made, or none of these events was traced: {names}")


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
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
) -> None:
    """List records, chosen by event, time, process and pointer."""
    chosen = _chosen(formats, output)

    from traceview.cli.output import note, open_output  # noqa: PLC0415
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415
    from traceview.report.tables import write_frames  # noqa: PLC0415
    from traceview.selection import Selection, parse_moment  # noqa: PLC0415

    selection = Selection(
        events=tuple(event or ()),
        since=parsed(parse_moment, since, "--from"),
        until=parsed(parse_moment, until, "--to"),
        tid=pid,
        pointer=parsed(_pointer, pointer, "--pointer"),
    )
    trace = _trace(path, Inputs(chosen.input, trace_events, max_bytes, jobs, rotated=rotated))
    with ProgressBar(hidden=_on_terminal(output)) as progress, open_output(output, _reads(trace, trace_events)) as out:
        progress.watch(trace)
        write_frames(_event_frames(trace, selection), chosen.output, out)
        out.flush()
        names = selection.unmatched(trace.stats.names)
        if all(_is_pattern(n) for n in names):
            for name in names:
                note(f"{trace.path}: no event matches {name!r}")
        else:
            trace.require_matched(selection)


def _event_frames(trace: Trace, selection: Selection) -> Iterator[pd.DataFrame]:
    from traceview.report.tables import batch_frame, events_frame  # noqa: PLC0415

    yield events_frame(())  # the columns, also where nothing is chosen
    for batch in trace.select(selection):
        yield batch_frame(batch)


def _is_pattern(name: str) -> bool:
    return any(c in name for c in "*?[")


def _pointer(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError as e:
        raise ValueError(f"{text!r} is no pointer: expected hexadecimal such as 0x5597d6923260") from e
    if not 0 <= value < 1 << 64:
        raise ValueError(f"{text!r} is no pointer: it does not fit 64 bits")
    return value


def _trace(path: Path, inputs: Inputs) -> Trace:
    """Open the trace `path`, or the only one in the directory `path`."""
    from traceview.fleet import declarations_beside, sets_in  # noqa: PLC0415
    from traceview.sets import open_set  # noqa: PLC0415

    found = sets_in(path, format=inputs.format, rotated=inputs.rotated)
    if len(found) > 1:
        from traceview.report.escape import printable  # noqa: PLC0415

        names = ", ".join(printable(str(s.path)) for s in found[:5]) + (", …" if len(found) > 5 else "")
        raise typer.BadParameter(f"there are {len(found)} traces in it, give one of them: {names}", param_hint="PATH")
    beside = declarations_beside(found[0].path) if inputs.trace_events is None and path.is_dir() else None
    return open_set(
        found[0], format=inputs.format, trace_events=inputs.trace_events or beside, max_bytes=inputs.max_bytes,
        jobs=inputs.jobs,
    )  # fmt: skip


def _chosen(formats: list[str] | None, output: Path | None) -> Formats:
    chosen = choose_formats(formats, TABLE_FORMATS)
    if chosen.output == "parquet" and _on_terminal(output):
        raise typer.BadParameter("parquet is binary: give --output FILE, or send stdout to a file or a pipe")
    return chosen


def _on_terminal(output: Path | None) -> bool:
    return output in (None, Path("-")) and sys.stdout.isatty()


def _reads(trace: Trace, trace_events: Path | None) -> list[Path]:
    return [Path(trace.path), *([trace_events] if trace_events else [])]
