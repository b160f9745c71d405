"""``traceview formats``: what can be read."""

from __future__ import annotations

from traceview.cli.options import examples

__all__ = ["formats"]

FORMATS_EXAMPLES = examples("traceview formats")


def formats() -> None:
    """List the trace formats: who writes them, and what each can and cannot tell."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (imported when the command runs)
    from traceview.formats import FORMATS  # noqa: PLC0415

    style = out_style()
    lines: list[str] = []
    for info in FORMATS:
        lines += [
            f"{style.paint(info.id, 'bold')}  {info.title}",
            f"  QEMU    {info.releases}",
            f"  clock   {info.clock}",
            f"  thread  {info.thread}",
            f"  loss    {info.loss}",
            f"  see     {info.reference}",
            "",
        ]
    write_lines(lines[:-1])
