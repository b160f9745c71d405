"""``traceview scan`` and ``traceview show``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from traceview.cli.options import (
    FAIL_ON,
    FailOnOption,
    InputFormatOption,
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
    ScanFormatOption,
    TraceEvents,
    choose_fail_on,
    choose_formats,
    choose_rules,
    examples,
)
from traceview.cli.outputs import (
    CsvOutput,
    GitlabOutput,
    JsonlOutput,
    JsonOutput,
    JunitOutput,
    MarkdownOutput,
    ParquetOutput,
    SarifAt,
    SarifOutput,
    Scanned,
    TextOutput,
    choose_outputs,
    refuse_files_read,
    shows_interleavings,
    write_outputs,
)
from traceview.cli.stored import (
    BASELINE_REASON,
    NEW,
    BaselineOption,
    BaselineReason,
    Filing,
    HostOption,
    SecretFile,
    StoreOption,
    VmOption,
    WebhookOption,
    WriteBaseline,
    chosen_store,
    filing,
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
    "traceview scan logs/ --sarif-output scan.sarif --junit-output scan.xml",
    "traceview scan vm.log.gz",
    "traceview scan - < vm.log",
    "traceview scan trace.bin --trace-events trace-events-all",
    "traceview scan logs/ --store findings.sqlite --fail-on new",
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
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
    fail_on: FailOnOption = "broken-promise",
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Exit with 0, not 3, where something could not be judged.")
    ] = False,
    text_output: TextOutput = None,
    json_output: JsonOutput = None,
    jsonl_output: JsonlOutput = None,
    sarif_output: SarifOutput = None,
    junit_output: JunitOutput = None,
    gitlab_output: GitlabOutput = None,
    markdown_output: MarkdownOutput = None,
    csv_output: CsvOutput = None,
    parquet_output: ParquetOutput = None,
    sarif_at: SarifAt = "trace",
    baseline: BaselineOption = None,
    write_baseline: WriteBaseline = None,
    baseline_reason: BaselineReason = BASELINE_REASON,
    store: StoreOption = None,
    host: HostOption = None,
    vm: VmOption = None,
    webhook: WebhookOption = None,
    secret_file: SecretFile = None,
) -> None:
    """Find guest requests in windows that had to be quiet, and say what they cost."""
    chosen, least = choose_formats(formats, SCAN_FORMATS), choose_fail_on(fail_on, (*FAIL_ON, NEW))
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)
    beside = {
        "text": text_output, "json": json_output, "jsonl": jsonl_output, "sarif": sarif_output, "junit": junit_output,
        "gitlab": gitlab_output, "markdown": markdown_output, "csv": csv_output, "parquet": parquet_output,
    }  # fmt: skip
    wanted = choose_outputs(chosen.output, output, beside, sarif_at)
    known = choose_rules(rule, rules)
    refuse_files_read(wanted, paths, [f for f in (trace_events, baseline, secret_file) if f])
    asked = Filing(
        chosen_store(store, needed=least == NEW or bool(webhook)), host, vm, baseline, write_baseline, baseline_reason,
        tuple(webhook or ()), secret_file, tuple(rules or ()),
    )  # fmt: skip

    traces: list[Trace] | None = [] if shows_interleavings(wanted) or asked.keeps_interleavings(paths) else None
    with filing(asked, known, inputs):
        result, errors = scan_paths(paths, inputs, known, shown=traces, filed=asked)
        asked.tell(result)
        named = len(paths) > 1 or paths[0].is_dir()
        only_news = least == NEW
        scanned = Scanned(result, errors, known, named, traces or (), sarif_at, only_news)
        written = write_outputs(wanted, scanned, files_read(result, paths, trace_events))
    code = exit_code(result, least, allow_inconclusive=allow_inconclusive)
    raise typer.Exit(EXIT_INPUT if errors or asked.failed or not written else code)


def scan_paths(
    paths: list[Path], inputs: Inputs, rules: RuleSet, *, shown: list[Trace] | None = None, filed: Filing | None = None
) -> tuple[ScanResult, list[TraceviewError]]:
    """Scan files and directories with a progress bar; what cannot be read is told on stderr, the others go on.

    Where windows are to be `shown`, the traces are put there, and windows of jobs keep the records around them. The
    findings of each trace are `filed` as it has been read.
    """
    from traceview.fleet import scan_all  # noqa: PLC0415

    def note(trace: Trace) -> None:
        if shown is not None:
            shown.append(trace)
        if filed is not None:
            filed.begin(trace)

    ask = partial(scan_all, keep_witness=shown is not None)
    if filed is not None:
        ask = partial(ask, host=filed.host or "", vm=filed.vm, on_result=filed.take)
    return ask_traces(ask, paths, inputs, rules, note)


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

    asked = {"rotated": inputs.rotated, "max_lives": inputs.max_lives}
    given = {name: value for name, value in asked.items() if value}
    with ProgressBar() as progress:
        answer = ask(
            paths, format=inputs.format, trace_events=inputs.trace_events, rules=rules, max_bytes=inputs.max_bytes,
            jobs=inputs.jobs, qemu=inputs.qemu, on_trace=watch, on_error=tell, **given,
        )  # fmt: skip
    return answer, errors


def files_read(result: ScanResult, paths: list[Path], trace_events: Path | None) -> list[Path]:
    """Return the files that output must not overwrite."""
    read = [path for t in result.traces for path in (t.path, *(m.path for m in t.members))]
    return [*paths, *map(Path, read), *([trace_events] if trace_events else [])]


def exit_code(result: ScanResult, fail_on: str, *, allow_inconclusive: bool) -> int:
    """Return the exit code that a result calls for: 1 findings, 3 inconclusive, 0 neither.

    What a baseline covers does not count; with ``new`` only what a store says is news does.
    """
    from traceview.findings import Severity  # noqa: PLC0415

    if fail_on == NEW:
        fails = any(f.is_news for f in result.findings)
    else:
        least = Severity(fail_on).rank if fail_on != "never" else sys.maxsize
        fails = any(f.severity.rank >= least for f in result.findings if f.suppression is None)
    if fails:
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
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Show the interleaving of one finding as an indented call tree, with (a), (b) and (c)."""
    chosen = choose_formats(formats, ("text",))
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)

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
