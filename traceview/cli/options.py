"""The options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from traceview.report.known import SCAN_FORMATS, TABLE_FORMATS

__all__ = [
    "FAIL_ON",
    "INPUT_FORMATS",
    "FailOnOption",
    "Formats",
    "InputFormatOption",
    "Inputs",
    "Jobs",
    "MaxBytes",
    "OutFile",
    "Paths",
    "RuleOption",
    "ScanFormatOption",
    "TableFormatOption",
    "TraceEvents",
    "TracePath",
    "check_rules",
    "choose_fail_on",
    "choose_formats",
    "examples",
    "parse_size",
]

# These are written down here so that completion and --help need not import the library.
INPUT_FORMATS = ("log", "simpletrace")
FAIL_ON = ("data-loss", "broken-promise", "never")


def examples(*lines: str) -> str:
    """Return the text under a command's options, one example a line."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def parse_size(text: str) -> int:
    """Return a number of bytes, written as one or with K, M, G or T behind it. Raises typer.BadParameter."""
    match = re.fullmatch(r"([1-9][0-9]{0,17})([KMGT]?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is no size: expected a number of bytes from 1 on, such as 1000000, or with K, M, G or T behind "
            "it (powers of 1024), such as 500M"
        )
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or " ")


def _complete(*known: str) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [k for k in known if k.startswith(incomplete)]

    return complete


def _complete_rule(incomplete: str) -> list[str]:
    from traceview.rules import builtin_rules  # noqa: PLC0415

    return _complete(*(r.id for r in builtin_rules()))(incomplete)


Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Trace files, directories, or - for stdin.", show_default=False),
]
TracePath = Annotated[
    Path,
    typer.Argument(
        metavar="PATH", help="A trace file, a directory with one in it, or - for stdin.", show_default=False
    ),
]
ScanFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete(*SCAN_FORMATS, *INPUT_FORMATS),
        help="How to print (text, json, jsonl), or what the input is (log, simpletrace) where its content must not "
        "decide; repeatable for both.",
    ),
]  # fmt: skip
TableFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete(*TABLE_FORMATS, *INPUT_FORMATS),
        help="How to print (text, csv, jsonl, parquet), or what the input is (log, simpletrace) where its content "
        "must not decide; repeatable for both.",
    ),
]  # fmt: skip
InputFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete("text", *INPUT_FORMATS),
        help="What the input is (log, simpletrace) where its content must not decide.",
    ),
]  # fmt: skip
TraceEvents = Annotated[
    Path | None,
    typer.Option(
        "--trace-events", metavar="FILE",
        help="The declarations of the QEMU build that wrote the trace; simpletrace versions 2 and 3 need them.",
    ),
]  # fmt: skip
MaxBytes = Annotated[
    int | None,
    typer.Option(
        "--max-bytes", metavar="SIZE", parser=parse_size,
        help="Read no more of each trace, unpacked: bytes, or with K, M, G, T behind the number (powers of 1024).",
    ),
]  # fmt: skip
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", metavar="N", min=1, help="Read with so many threads; as many as there are cores by default.",
    ),
]  # fmt: skip
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule", metavar="ID", autocompletion=_complete_rule,
        help="Judge by this rule only; repeatable (see: traceview rules).",
    ),
]  # fmt: skip
FailOnOption = Annotated[
    str,
    typer.Option(
        "--fail-on", metavar="SEVERITY", autocompletion=_complete(*FAIL_ON),
        help="Exit with 1 from this severity on: data-loss, broken-promise, or never.",
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


@dataclass(frozen=True, slots=True)
class Inputs:
    """How traces are to be read, as `traceview.open` takes it."""

    format: str | None
    trace_events: Path | None
    max_bytes: int | None
    jobs: int | None


def choose_formats(values: list[str] | None, outputs: Sequence[str]) -> Formats:
    """Sort the values of ``--format`` into how to print and what the input is. Raises typer.BadParameter."""
    output, given = outputs[0], None
    for value in values or ():
        if value in outputs:
            output = value
        elif value in INPUT_FORMATS:
            given = value
        else:
            known = f"{', '.join(outputs)} (to print), {', '.join(INPUT_FORMATS)} (to read)"
            raise _unknown("--format", value, (*outputs, *INPUT_FORMATS), known)
    return Formats(output, given)


def choose_fail_on(value: str) -> str:
    """Return the value of ``--fail-on`` in lower case. Raises typer.BadParameter."""
    if value.lower() not in FAIL_ON:
        raise _unknown("--fail-on", value, FAIL_ON, ", ".join(FAIL_ON))
    return value.lower()


def check_rules(ids: list[str] | None) -> list[str] | None:
    """Return the values of ``--rule``, None for no choice. Raises typer.BadParameter for one that is not known."""
    from traceview.rules import builtin_rules  # noqa: PLC0415

    known = [r.id for r in builtin_rules()]
    for value in ids or ():
        if value not in known:
            raise _unknown("--rule", value, known, ", ".join(known))
    return ids or None


def _unknown(option: str, value: str, known: Sequence[str], words: str) -> typer.BadParameter:
    from traceview.errors import nearest  # noqa: PLC0415

    return typer.BadParameter(f"{value!r} is none of {words}{nearest(value, known)}", param_hint=option)
