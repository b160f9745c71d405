"""``traceview scan`` and ``traceview show``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from traceview.cli.options import (
    FailOnOption,
    InputFormatOption,
    Inputs,
    Jobs,
    MaxBytes,
    OutFile,
    Paths,
    QemuOption,
    RuleFolders,
    RuleOption,
    ScanFormatOption,
    TraceEvents,
    choose_fail_on,
    choose_formats,
    choose_rules,
    examples,
)
from traceview.report.known import SCAN_FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from traceview.api import Trace
    from traceview.errors import TraceviewError
    from traceview.findings import ScanResult
    from traceview.rules import RuleSet

__all__ = ["ask_traces", "files_read", "scan", "scan_paths", "show"]

SCAN_EXAMPLES = examples(
    "traceview scan vm.log",
    "traceview scan logs/ --format json > scan.json",
    "traceview scan vm.log.gz",
    "traceview scan - < vm.log",
    "traceview scan trace.bin --trace-events trace-events-all",
)
SHOW_EXAMPLES = examples(
    "traceview show vm.log",
    "traceview show logs/ --finding 2 --all",
)

T = TypeVar("T")

EXIT_FINDINGS, EXIT_INPUT, EXIT_INCONCLUSIVE = 1, 2, 3


def scan(
    paths: Paths,
    formats: ScanFormatOption = None,
    output: OutFile = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
    fail_on: FailOnOption = "broken-promise",
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Exit with 0, not 3, where something could not be judged.")
    ] = False,
) -> None:
    """Find guest requests in windows that had to be quiet, and say what they cost."""
    chosen, least = choose_formats(formats, SCAN_FORMATS), choose_fail_on(fail_on)
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (a usage error need not wait for it)

    result, errors = scan_paths(paths, inputs, choose_rules(rule, rules))
    code = EXIT_INPUT if errors else exit_code(result, least, allow_inconclusive=allow_inconclusive)
    reads = files_read(result, paths, trace_events)
    if chosen.output != "text":
        from traceview.report.machine import scan_json, scan_jsonl  # noqa: PLC0415

        lines = [scan_json(result, errors)] if chosen.output == "json" else scan_jsonl(result, errors)
        write_lines(lines, output, reads=reads)
    elif result.traces:
        from traceview.report.text import scan_lines  # noqa: PLC0415

        named = len(paths) > 1 or paths[0].is_dir()
        write_lines(scan_lines(result, out_style(output), named=named), output, reads=reads)
    raise typer.Exit(code)


def scan_paths(
    paths: list[Path], inputs: Inputs, rules: RuleSet, *, shown: list[Trace] | None = None
) -> tuple[ScanResult, list[TraceviewError]]:
    """Scan files and directories with a progress bar; what cannot be read is told on stderr, the others go on.

    Where windows are to be `shown`, the traces are put there, and windows of jobs keep the records around them.
    """
    from traceview.fleet import scan_all  # noqa: PLC0415

    note: Callable[[Trace], None] = shown.append if shown is not None else lambda _trace: None
    return ask_traces(partial(scan_all, keep_witness=shown is not None), paths, inputs, rules, note)


def ask_traces(
    ask: Callable[..., T], paths: list[Path], inputs: Inputs, rules: RuleSet,
    note: Callable[[Trace], None] = lambda _trace: None,
) -> tuple[T, list[TraceviewError]]:  # fmt: skip
    """Ask files and directories by a function of `traceview.fleet`, with a progress bar; `note` is told of each trace.

    What cannot be read is told on stderr, the others go on.
    """
    from traceview.cli.output import complain  # noqa: PLC0415
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415

    errors: list[TraceviewError] = []

    def tell(error: TraceviewError) -> None:
        progress.pause()
        errors.append(error)
        complain(str(error))

    def watch(trace: Trace) -> None:
        progress.watch(trace)
        note(trace)

    with ProgressBar() as progress:
        answer = ask(
            paths, format=inputs.format, trace_events=inputs.trace_events, rules=rules, max_bytes=inputs.max_bytes,
            jobs=inputs.jobs, qemu=inputs.qemu, on_trace=watch, on_error=tell,
        )  # fmt: skip
    return answer, errors


def files_read(result: ScanResult, paths: list[Path], trace_events: Path | None) -> list[Path]:
    """Return the files that output must not overwrite."""
    return [*paths, *(Path(t.path) for t in result.traces), *([trace_events] if trace_events else [])]


def exit_code(result: ScanResult, fail_on: str, *, allow_inconclusive: bool) -> int:
    """Return the exit code that a result calls for: 1 findings, 3 inconclusive, 0 neither."""
    from traceview.findings import Severity  # noqa: PLC0415

    if fail_on != "never":
        least = Severity(fail_on).rank
        if any(f.severity.rank >= least for f in result.findings):
            return EXIT_FINDINGS
    return EXIT_INCONCLUSIVE if result.inconclusive and not allow_inconclusive else 0


def show(
    paths: Paths,
    finding: Annotated[int, typer.Option(metavar="N", help="The number that scan gives it for the same PATHs.")] = 1,
    everything: Annotated[bool, typer.Option("--all", help="Show every record, however long the window.")] = False,
    formats: InputFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Show the interleaving of one finding as an indented call tree, with (a), (b) and (c)."""
    chosen = choose_formats(formats, ("text",))
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.tree import tree_lines  # noqa: PLC0415

    traces: list[Trace] = []
    result, errors = scan_paths(paths, inputs, choose_rules(rule, rules), shown=traces)
    if 0 < finding <= len(result.findings):
        window = result.windows[result.findings[finding - 1].window]
        if window.witness is None:
            trace = next(t for t in traces if t.path == result.traces[window.trace].path)
            window.witness = trace.surroundings(window)
    if result.traces or not errors:
        write_lines(tree_lines(result, finding, out_style(), whole=everything))
    raise typer.Exit(EXIT_INPUT if errors else 0)
