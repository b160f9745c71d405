"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "SCAN_FORMATS",
    "TABLE_FORMATS",
    "FailOn",
    "Formats",
    "OutFile",
    "Paths",
    "RuleOption",
    "ScanFormatOption",
    "TableFormatOption",
    "TraceEvents",
    "TracePath",
    "choose_formats",
]

SCAN_FORMATS = ("text", "json", "jsonl")
TABLE_FORMATS = ("text", "csv", "jsonl", "parquet")
INPUT_FORMATS = ("log", "simpletrace")


class FailOn(StrEnum):
    """From which severity on a scan fails."""

    data_loss = "data-loss"
    broken_promise = "broken-promise"
    never = "never"


def _complete(known: Sequence[str], incomplete: str) -> list[str]:
    return [k for k in known if k.startswith(incomplete)]


def _complete_scan(incomplete: str) -> list[str]:
    return _complete((*SCAN_FORMATS, *INPUT_FORMATS), incomplete)


def _complete_table(incomplete: str) -> list[str]:
    return _complete((*TABLE_FORMATS, *INPUT_FORMATS), incomplete)


def _complete_rule(incomplete: str) -> list[str]:
    from traceview.rules import builtin_rules  # noqa: PLC0415

    return _complete([r.id for r in builtin_rules()], incomplete)


Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Trace files, directories, or - for stdin.", show_default=False),
]
TracePath = Annotated[Path, typer.Argument(metavar="PATH", help="A trace file, or - for stdin.", show_default=False)]
ScanFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete_scan,
        help="How to print (text, json, jsonl), or what the input is (log, simpletrace) where its content must not "
        "decide; repeatable for both.",
    ),
]  # fmt: skip
TableFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete_table,
        help="How to print (text, csv, jsonl, parquet), or what the input is (log, simpletrace) where its content "
        "must not decide; repeatable for both.",
    ),
]  # fmt: skip
TraceEvents = Annotated[
    Path | None,
    typer.Option(
        "--trace-events", metavar="FILE",
        help="The declarations of the QEMU build that wrote the trace; simpletrace versions 2 and 3 need them.",
    ),
]  # fmt: skip
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule", metavar="ID", autocompletion=_complete_rule,
        help="Judge by this rule only; repeatable (see: traceview rules).",
    ),
]  # fmt: skip
OutFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to stdout."),
]


@dataclass(frozen=True, slots=True)
class Formats:
    """What ``--format`` asks for."""

    output: str
    input: str | None


def choose_formats(values: list[str] | None, outputs: Sequence[str]) -> Formats:
    """Sort the values of ``--format`` into how to print and what the input is. Raises typer.BadParameter."""
    output, given = outputs[0], None
    for value in values or ():
        if value in outputs:
            output = value
        elif value in INPUT_FORMATS:
            given = value
        else:
            from traceview.errors import nearest  # noqa: PLC0415

            hint = nearest(value, (*outputs, *INPUT_FORMATS))
            raise typer.BadParameter(
                f"{value!r} is none of {', '.join(outputs)} (to print), {', '.join(INPUT_FORMATS)} (to read){hint}",
                param_hint="--format",
            )
    return Formats(output, given)
