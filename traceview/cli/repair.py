"""``traceview repair`` and ``traceview verify``: lost bytes back into the image that lacks them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli.extents import find_losses
from traceview.cli.options import (
    DocumentFormatOption,
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
)
from traceview.report.known import DOCUMENT_FORMATS

if TYPE_CHECKING:
    from traceview.errors import TraceviewError
    from traceview.losses import Losses
    from traceview.repair.pair import Pair
    from traceview.repair.plan import Plan

__all__ = ["REPAIR_EXAMPLES", "VERIFY_EXAMPLES", "parse_offset", "repair", "verify"]

REPAIR_EXAMPLES = examples(
    "traceview repair vm.log --source old.img --target new.img",
    "traceview repair vm.log --source old.img --target new.img --execute",
    "traceview repair --undo new.img.undo-20240516T101112Z",
)
VERIFY_EXAMPLES = examples("traceview verify vm.log --source old.img --target new.img")
EXIT_OPEN, EXIT_INPUT, EXIT_NOT_SHOWN = 1, 2, 3


def parse_offset(text: str) -> int:
    """Return an offset in bytes, decimal or hexadecimal with ``0x``. Raises typer.BadParameter."""
    try:
        offset = int(text, 0)
    except ValueError:
        offset = -1
    if offset < 0:
        raise typer.BadParameter(f"{text!r} is no offset: expected a number of bytes, as the plan prints it")
    return offset


Device = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="The disk that the images are of, where the trace has several."),
]
SourceFormat = Annotated[
    str | None,
    typer.Option("--source-format", metavar="FORMAT", help="raw, qcow2, …: what the source is, if not as it looks."),
]
TargetFormat = Annotated[
    str | None,
    typer.Option("--target-format", metavar="FORMAT", help="raw, qcow2, …: what the target is, if not as it looks."),
]


def repair(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Trace files, directories, or - for stdin.", show_default=False),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", metavar="OLD", help="The image that the guest was on: it has the bytes.")
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--target", metavar="NEW", help="The image that the guest was moved to: it lacks them."),
    ] = None,
    source_format: SourceFormat = None,
    target_format: TargetFormat = None,
    device: Device = None,
    execute: Annotated[bool, typer.Option("--execute", help="Copy what the plan says.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan (the default).")] = False,
    undo: Annotated[
        Path | None,
        typer.Option(
            "--undo",
            metavar="FILE",
            help="Without PATH: put back what FILE holds. With --execute: save there what is overwritten; by default "
            "beside the target.",
        ),
    ] = None,
    force: Annotated[
        list[int] | None,
        typer.Option(
            "--force",
            metavar="OFFSET",
            parser=parse_offset,
            help="Copy (or put back) what begins at this byte of the disk, even if it is not shown to be safe; "
            "repeatable.",
        ),
    ] = None,
    formats: DocumentFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Copy lost bytes from the source image into the target, as the trace says; by default only say what would be done.

    With --undo and no PATH, put back what a repair has overwritten.

    Exit codes: 0 nothing is to be done, or all is done; 1 a plan has something to copy; 2 usage, input or images that
    fail, or are in use; 3 something was left that could not be shown to be safe, or the trace could not be judged.
    """
    chosen = choose_formats(formats, DOCUMENT_FORMATS)
    if execute and dry_run:
        raise typer.BadParameter("--execute and --dry-run exclude each other")
    as_json = chosen.output == "json"
    if not paths:
        if undo is None:
            raise typer.BadParameter(
                "say by which trace to repair, or with --undo FILE what to put back", param_hint="PATH"
            )
        given = {"--source": source, "--source-format": source_format, "--target-format": target_format,
                 "--device": device}  # fmt: skip
        for option, value in given.items():
            if value is not None:
                raise typer.BadParameter(
                    "belongs to a repair: to put back, give no more than --target", param_hint=option
                )
        raise typer.Exit(_put_back(undo, target, force or [], write=not dry_run, as_json=as_json))
    if source is None or target is None:
        raise typer.BadParameter(
            "a repair needs both images: --source OLD --target NEW",
            param_hint="--source" if source is None else "--target",
        )
    if undo is not None and undo.exists():
        raise typer.BadParameter(
            f"{undo} is there already, and is not overwritten; to put back what it holds, give no PATH",
            param_hint="--undo",
        )
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)

    from traceview.repair.pair import open_pair  # noqa: PLC0415  (a usage error need not wait for it)
    from traceview.repair.plan import make_plan  # noqa: PLC0415

    losses, errors = find_losses(paths, inputs, choose_rules(rule, rules))
    if not losses.scan.traces:
        raise typer.Exit(EXIT_INPUT)
    with open_pair(source, target, source_format, target_format, write=execute) as pair:
        plan = make_plan(losses, pair, device=device, force=force or [])
        if errors:
            plan.obstacles.append("not all traces could be read: what they tell of these bytes is missing")
        _carry_out(plan, pair, losses, errors, undo, execute=execute, as_json=as_json)
    if errors:
        raise typer.Exit(EXIT_INPUT)
    if plan.to_copy and not execute:
        raise typer.Exit(EXIT_OPEN)
    raise typer.Exit(EXIT_NOT_SHOWN if plan.left or losses.scan.inconclusive else 0)


def _carry_out(
    plan: Plan,
    pair: Pair,
    losses: Losses,
    errors: list[TraceviewError],
    undo: Path | None,
    *,
    execute: bool,
    as_json: bool,
) -> None:
    """Print a plan and, where it is to be executed, do it; what fails is told on stderr and added to `errors`."""
    from traceview.cli.output import complain, out_style, write_lines  # noqa: PLC0415
    from traceview.errors import TraceviewError  # noqa: PLC0415
    from traceview.repair import execute as executing  # noqa: PLC0415
    from traceview.repair.plan import Choice, Step  # noqa: PLC0415
    from traceview.report.repair import done_lines, plan_lines, saving_line  # noqa: PLC0415
    from traceview.report.repair_json import repair_json  # noqa: PLC0415

    copied: list[Step] = []
    failed = False
    if not as_json:
        write_lines(plan_lines(plan, pair, losses, out_style(), executed=execute))
    if execute and any(plan.of(Choice.COPY)):
        now = datetime.now(UTC)
        try:
            undo = undo if undo is not None else executing.default_undo(pair.target.path, now)
            if plan.to_copy and not as_json:
                write_lines([saving_line(undo)])  # before anything is, for those whose repair does not end well
            executing.execute(plan, pair, undo, now, on_step=copied.append)
        except TraceviewError as e:
            failed = True
            errors.append(e)
            complain(str(e))
    if as_json:
        saved = undo if undo is not None and undo.exists() else None
        write_lines([repair_json(plan, pair, undo=saved, copied=copied if execute else None, errors=errors)])
    elif execute and not failed:
        write_lines(done_lines(copied, undo if copied else None, out_style()))


def _put_back(undo: Path, target: Path | None, force: list[int], *, write: bool, as_json: bool) -> int:
    """Put back what an undo file holds, or only say what would be; return the exit code."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.repair.putback import Restoring, opened_undo, put_back  # noqa: PLC0415
    from traceview.report.repair import undo_lines  # noqa: PLC0415
    from traceview.report.repair_json import undo_json  # noqa: PLC0415

    with opened_undo(undo, target, write=write) as (saved, image):
        restored = put_back(saved, image, write=write, force=force)
        if as_json:
            lines = iter([undo_json(restored, image.path, written=write, finished=saved.finished)])
        else:
            lines = undo_lines(restored, image.path, out_style(), written=write, finished=saved.finished)
        write_lines(lines)
    outcomes = {r.outcome for r in restored}
    if Restoring.PUT_BACK in outcomes and not write:
        return EXIT_OPEN
    return EXIT_NOT_SHOWN if Restoring.CHANGED in outcomes else 0


def verify(
    paths: Paths,
    source: Annotated[
        Path, typer.Option("--source", metavar="OLD", help="The image that the guest was on.", show_default=False)
    ],
    target: Annotated[
        Path, typer.Option("--target", metavar="NEW", help="The image that it was moved to.", show_default=False)
    ],
    source_format: SourceFormat = None,
    target_format: TargetFormat = None,
    device: Device = None,
    formats: DocumentFormatOption = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """Compare just the lost extents of both images, and say which really differ.

    Exit codes: 0 none differs; 1 some do; 2 usage, input or images that fail; 3 some could not be compared, or the
    trace could not be judged.
    """
    chosen = choose_formats(formats, DOCUMENT_FORMATS)
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.repair.pair import open_pair  # noqa: PLC0415
    from traceview.repair.verify import verify as checked_extents  # noqa: PLC0415
    from traceview.report.repair import verify_lines  # noqa: PLC0415
    from traceview.report.repair_json import verify_json  # noqa: PLC0415

    losses, errors = find_losses(paths, inputs, choose_rules(rule, rules))
    if not losses.scan.traces:
        raise typer.Exit(EXIT_INPUT)
    with open_pair(source, target, source_format, target_format, write=False) as pair:
        checked = checked_extents(losses, pair, device=device)
        if chosen.output == "json":
            write_lines([verify_json(checked, pair, errors)])
        else:
            write_lines(verify_lines(checked, pair, losses, out_style()))
    if errors:
        raise typer.Exit(EXIT_INPUT)
    if any(c.difference is not None and c.difference.count for c in checked):
        raise typer.Exit(EXIT_OPEN)
    raise typer.Exit(EXIT_NOT_SHOWN if any(c.open for c in checked) or losses.scan.inconclusive else 0)
