"""``traceview plot``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from traceview.cli.options import (
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
    choose_formats,
    choose_rules,
    examples,
    parsed,
)
from traceview.cli.scan import EXIT_INPUT, files_read, scan_paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from traceview.api import Trace
    from traceview.findings import ScanResult, Window

__all__ = ["PLOT_EXAMPLES", "plot"]

PLOT_EXAMPLES = examples(
    "traceview plot vm.log -o finding.svg",
    "traceview plot vm.log --finding 2 --theme dark --width slide -o finding.png",
    "traceview plot vm.log --window 17 --around 200us -o window.pdf",
    "traceview plot vm.log --from +2.5 --to +2.501 --context iohandler_ctx -o cut.svg",
    "traceview plot vm.log --overview -o overview.svg",
)
TYPES, THEMES, WIDTHS = ("png", "svg", "pdf"), ("light", "dark"), ("column", "slide")
STDIN = STDOUT = Path("-")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Cut:
    """What of a trace is drawn; times as `parse_moment` gives them, `around` in ns."""

    finding: int | None
    window: int | None
    since: tuple[bool, int] | None
    until: tuple[bool, int] | None
    context: str | None
    around: int | None

    @property
    def timed(self) -> bool:
        return self.since is not None or self.until is not None


def plot(
    paths: Paths,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", show_default=False,
            help="Write here; .png, .svg or .pdf says what. - is stdout, and needs --type.",
        ),
    ],
    finding: Annotated[
        int | None,
        typer.Option(metavar="N", help="The number that scan gives it for the same PATHs; 1 unless a cut is chosen."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(metavar="K", help="A window, by its number in traceview windows, from 0.")
    ] = None,
    overview: Annotated[
        bool, typer.Option("--overview", help="The whole trace: windows by verdict, how long they were, guest I/O.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="From this time on: seconds as in the trace, or +SECONDS."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Up to this time.")] = None,
    around: Annotated[
        str | None, typer.Option(metavar="SPAN", help="So much before and behind the window, such as 200us.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this AioContext did (or its pointer).")
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="png, svg or pdf, whatever FILE.")] = None,
    theme: Annotated[str, typer.Option(metavar="NAME", help="light or dark.")] = "light",
    width: Annotated[str, typer.Option(metavar="NAME", help="column (of a paper, 3.4 in) or slide (10 in)")] = "column",
    formats: InputFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:  # fmt: skip
    """Draw the interleaving of a finding, a window or a cut of the trace; or an overview of all of it.

    Exit codes: 0 drawn, 2 usage or input that fails.
    """
    chosen = choose_formats(formats, ("text",))
    picture_type = _picture_type(output, kind)
    _known(theme, THEMES, "--theme")
    _known(width, WIDTHS, "--width")
    cut = _cut(finding, window, since, until, context, around)
    if overview and (cut.timed or any(x is not None for x in (cut.finding, cut.window, cut.context, cut.around))):
        raise typer.BadParameter("an overview is of the whole trace: leave out what chooses a part of it")
    if STDIN in paths:
        raise typer.BadParameter(
            "a picture takes two readings, and stdin can be read but once: save it to a file first", param_hint="PATH"
        )

    from traceview.cli.output import note, open_output  # noqa: PLC0415  (a usage error need not wait for it)
    from traceview.plot.save import picture_bytes  # noqa: PLC0415

    traces: list[Trace] = []
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)
    result, errors = scan_paths(paths, inputs, choose_rules(rule, rules), shown=traces)
    if not result.traces:
        raise typer.Exit(EXIT_INPUT)
    figure, what = _overview(result, traces, theme, width) if overview else _scene(result, traces, cut, theme, width)
    data = picture_bytes(figure, picture_type)
    with open_output(output, files_read(result, paths, trace_events)) as out:
        out.write(data)
    if output != STDOUT:
        note(f"{what}: written to {output}")
    raise typer.Exit(EXIT_INPUT if errors else 0)


def _picture_type(output: Path, kind: str | None) -> str:
    """Return what to write: what ``--type`` says, else what the file's name ends with."""
    if kind is None and output == STDOUT:
        raise typer.BadParameter("- has no suffix that says what to write: give --type svg, png or pdf")
    chosen = (kind if kind is not None else output.suffix.removeprefix(".")).lower()
    hint = "--type" if kind is not None else "--output"
    if chosen not in TYPES:
        said = repr(kind) if kind is not None else f"{output.name!r}"
        raise typer.BadParameter(f"{said} is no picture that can be written: .png, .svg or .pdf", param_hint=hint)
    if output == STDOUT and chosen != "svg" and sys.stdout.isatty():
        raise typer.BadParameter(f"{chosen} is binary: give --output FILE, or send stdout to a file or a pipe")
    return chosen


def _known(value: str, known: tuple[str, ...], option: str) -> None:
    if value not in known:
        from traceview.errors import nearest  # noqa: PLC0415

        words = f"{value!r} is none of {', '.join(known)}{nearest(value, known)}"
        raise typer.BadParameter(words, param_hint=option)


def _cut(
    finding: int | None, window: int | None, since: str | None, until: str | None, context: str | None,
    around: str | None,
) -> _Cut:  # fmt: skip
    if finding is not None and window is not None:
        raise typer.BadParameter("--finding and --window both say which window: give one of them")
    if around is not None and (since is not None or until is not None):
        raise typer.BadParameter("--around and --from or --to both say how much: give one of them")
    if (since, until, around) == (None, None, None):
        return _Cut(finding, window, None, None, context, None)

    from traceview.plot.cuts import parse_duration  # noqa: PLC0415
    from traceview.selection import parse_moment  # noqa: PLC0415

    return _Cut(
        finding, window, parsed(parse_moment, since, "--from"), parsed(parse_moment, until, "--to"), context,
        parsed(parse_duration, around, "--around"),
    )  # fmt: skip


def _overview(result: ScanResult, traces: list[Trace], theme: str, width: str) -> tuple[Figure, str]:
    """Return the overview of the only trace, and what it is."""
    from traceview.plot.layout import WIDTHS as SIZES  # noqa: PLC0415
    from traceview.plot.overview import overview_figure, request_times  # noqa: PLC0415
    from traceview.plot.theme import theme_by_name  # noqa: PLC0415

    trace = _only(result, traces)
    times = request_times(trace.request_frames())
    figure = overview_figure(result, times, title=trace.path, size=SIZES[width], theme=theme_by_name(theme))
    return figure, f"overview of {trace.path}"


def _scene(result: ScanResult, traces: list[Trace], cut: _Cut, theme: str, width: str) -> tuple[Figure, str]:
    """Return the picture of a window or a cut, and what it is."""
    from traceview.errors import MissingEventsError  # noqa: PLC0415
    from traceview.plot.cuts import of_context, records_between  # noqa: PLC0415
    from traceview.plot.figure import scene_figure  # noqa: PLC0415
    from traceview.plot.layout import WIDTHS as SIZES  # noqa: PLC0415
    from traceview.plot.theme import theme_by_name  # noqa: PLC0415

    what, window, title, subtitle = _chosen(result, cut)
    trace = _only(result, traces) if window is None else _trace_of(result, traces, window)
    span = _span(trace, window, cut)
    records = None
    if span is not None:
        records = records_between(trace.batches(trace.vocabulary.events.__contains__), *span)
    scene = trace.scene(window, title=title or trace.path, subtitle=subtitle, span_ns=span, records=records)
    if cut.context is not None:
        scene = of_context(scene, cut.context)
    if not scene.lanes:
        raise MissingEventsError(f"{trace.path}: {what}: no event that could be drawn stands there")
    return scene_figure(scene, size=SIZES[width], theme=theme_by_name(theme)), f"{what} of {trace.path}"


def _chosen(result: ScanResult, cut: _Cut) -> tuple[str, Window | None, str, str]:
    """Return what is drawn in words, its window, and the title and subtitle of the picture.

    Raises UnknownNameError for a finding or a window that is not there.
    """
    from traceview.errors import UnknownNameError  # noqa: PLC0415
    from traceview.plot.finding import finding_words, window_words  # noqa: PLC0415

    windows = len(result.windows)
    numbers = f"0 to {windows - 1} (see traceview windows)" if windows else "none: the trace has no window"
    if cut.window is not None:
        if not 0 <= cut.window < windows:
            raise UnknownNameError(f"there is no window {cut.window}: the windows are {numbers}")
        window = result.windows[cut.window]
        return (f"window {cut.window}", window, *window_words(window, cut.window))
    if cut.finding is None and cut.timed:
        return "cut", None, "", ""
    number = cut.finding if cut.finding is not None else 1
    if not 1 <= number <= len(result.findings):
        known = f"the findings are 1 to {len(result.findings)}"
        if not result.findings:
            known = f"the scan found nothing; --window K draws a window, {numbers}"
        raise UnknownNameError(f"there is no finding {number}: {known}")
    finding = result.findings[number - 1]
    window = result.windows[finding.window]
    return (f"finding {number}", window, *finding_words(finding, window))


def _span(trace: Trace, window: Window | None, cut: _Cut) -> tuple[int, int] | None:
    """Return what to draw, by the trace's clock; None for the window with the usual margin.

    Raises MissingEventsError where that takes times and there are none, typer.BadParameter for a cut of nothing.
    """
    from traceview.errors import MissingEventsError  # noqa: PLC0415
    from traceview.events import NO_TIME  # noqa: PLC0415

    if not cut.timed and cut.around is None:
        return None
    first, last = trace.stats.first_ts_ns, trace.stats.last_ts_ns
    if NO_TIME in (first, last):
        raise MissingEventsError(f"{trace.path}: its records have no times by which it could be cut")
    if cut.around is not None:
        assert window is not None, "--around goes with a window"
        begin = window.open.ts_ns if window.open is not None else first
        end = window.close.ts_ns if window.close is not None else last
        return min(begin, end) - cut.around, max(begin, end) + cut.around
    begin, end = (
        default if moment is None else moment[1] + first * moment[0]
        for moment, default in ((cut.since, first), (cut.until, last))
    )
    if begin >= end:
        raise typer.BadParameter("it must be later than --from", param_hint="--to")
    return begin, end


def _trace_of(result: ScanResult, traces: list[Trace], window: Window) -> Trace:
    return next(t for t in traces if t.path == result.traces[window.trace].path)


def _only(result: ScanResult, traces: list[Trace]) -> Trace:
    """Return the trace; there must be no other, for there is nothing that says which is meant."""
    if len(result.traces) > 1:
        raise typer.BadParameter(f"there are {len(result.traces)} traces, and one picture: give one of them")
    return next(t for t in traces if t.path == result.traces[0].path)
