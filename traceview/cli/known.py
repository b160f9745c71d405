"""``traceview formats`` and ``traceview rules``: what is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from traceview.cli.options import examples

if TYPE_CHECKING:
    from traceview.rules import Rule

__all__ = ["formats", "rules"]

FORMATS_EXAMPLES = examples("traceview formats")
RULES_EXAMPLES = examples("traceview rules")


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


def rules() -> None:
    """List the rules: the windows, the releases they concern, what has to be traced, references."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.rules import builtin_rules  # noqa: PLC0415

    style = out_style()
    lines: list[str] = []
    for rule in builtin_rules():
        lines += [f"{style.paint(rule.id, 'bold')}  {rule.title} ({rule.label})", *_wrapped(rule.sentence)]
        lines += [f"  affected  QEMU {rule.affected}", f"  fixed by  {rule.fixed}"]
        lines += _needs(rule)
        lines += [f"  see       {r}" for r in rule.references] + [""]
    write_lines(lines[:-1])


def _wrapped(text: str) -> Iterator[str]:
    import textwrap  # noqa: PLC0415

    return iter(textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="  "))


def _needs(rule: Rule) -> Iterator[str]:
    from traceview.vocabulary import builtin  # noqa: PLC0415

    vocabulary = builtin()
    for evidence, needs in rule.needs.items():
        yield f"  trace for {evidence} evidence:"
        for need in needs:
            names = [
                e.name
                for e in vocabulary.events.values()
                if e.meaning is need.meaning and (not need.op or e.op is need.op)
            ]
            yield f"    {str(need).replace(':', ' of a '):<24} {', '.join(names)}"
