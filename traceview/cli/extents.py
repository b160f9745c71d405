"""``traceview extents``: the bytes that were lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli.options import (
    ExtentFormatOption,
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
    TraceEvents,
    choose_formats,
    choose_rules,
    examples,
)
from traceview.cli.scan import ask_traces
from traceview.report.known import EXTENT_FORMATS

if TYPE_CHECKING:
    from traceview.errors import TraceviewError
    from traceview.losses import Losses
    from traceview.rules import RuleSet

__all__ = ["EXTENTS_EXAMPLES", "extents", "find_losses"]

EXTENTS_EXAMPLES = examples(
    "traceview extents vm.log",
    "traceview extents vm.log --format csv -o lost.csv",
    "qemu-img map --output=json old.img > old.map; traceview extents vm.log --qemu-img-map old.map",
)
EXIT_LOST, EXIT_INPUT, EXIT_INCONCLUSIVE = 1, 2, 3


def extents(
    paths: Paths,
    formats: ExtentFormatOption = None,
    output: OutFile = None,
    qemu_img_map: Annotated[
        Path | None,
        typer.Option(
            "--qemu-img-map",
            metavar="FILE",
            help="What qemu-img map --output=json prints of the old image: which of the extents it has allocated.",
        ),
    ] = None,
    trace_events: TraceEvents = None,
    max_bytes: MaxBytes = None,
    jobs: Jobs = None,
    rotated: Rotated = False,
    max_lives: MaxLives = None,
    rule: RuleOption = None,
    rules: RuleFolders = None,
    qemu: QemuOption = None,
) -> None:
    """List the bytes that were lost: of which disk, in which image they still are, and what was rewritten since.

    Exit codes: 0 nothing is lost, 1 something is, or may be, 2 usage or input that fails, 3 a window could not be
    judged in which more may have been lost.
    """
    chosen = choose_formats(formats, EXTENT_FORMATS)
    inputs = Inputs(chosen.input, trace_events, max_bytes, jobs, qemu, rotated, max_lives)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (a usage error need not wait for it)
    from traceview.image_map import ImageMap  # noqa: PLC0415
    from traceview.losses import LossState  # noqa: PLC0415
    from traceview.report.extents import extent_csv, extent_lines, extents_json  # noqa: PLC0415

    image_map = ImageMap.read(qemu_img_map) if qemu_img_map is not None else None
    losses, errors = find_losses(paths, inputs, choose_rules(rule, rules))
    if chosen.output == "json":
        lines = iter([extents_json(losses, errors, image_map)])
    elif chosen.output == "csv":
        lines = extent_csv(losses, image_map)
    else:
        lines = extent_lines(losses, out_style(output), image_map) if losses.scan.traces else iter(())
    reads = [*paths, *(Path(t.path) for t in losses.scan.traces), *(p for p in (trace_events, qemu_img_map) if p)]
    write_lines(lines, output, reads=reads)
    lost = any(True for _ in losses.of(LossState.LOST, LossState.UNCERTAIN))
    inconclusive = EXIT_INCONCLUSIVE if losses.scan.inconclusive else 0
    raise typer.Exit(EXIT_INPUT if errors else EXIT_LOST if lost else inconclusive)


def find_losses(paths: list[Path], inputs: Inputs, rules: RuleSet) -> tuple[Losses, list[TraceviewError]]:
    """Return what traces lost, with a progress bar; what cannot be read is told on stderr, the others go on."""
    from traceview.fleet import losses_all  # noqa: PLC0415

    return ask_traces(losses_all, paths, inputs, rules)
