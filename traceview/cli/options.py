"""The options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from traceview.report.known import DOCUMENT_FORMATS, EXTENT_FORMATS, SCAN_FORMATS, TABLE_FORMATS

if TYPE_CHECKING:
    from traceview.rules import RuleSet

__all__ = [
    "FAIL_ON",
    "INPUT_FORMATS",
    "DocumentFormatOption",
    "ExtentFormatOption",
    "FailOnOption",
    "Formats",
    "InputFormatOption",
    "Inputs",
    "Jobs",
    "MaxBytes",
    "MaxLives",
    "OutFile",
    "Paths",
    "PlainFormatOption",
    "QemuOption",
    "Rotated",
    "RuleFolders",
    "RuleOption",
    "ScanFormatOption",
    "TableFormatOption",
    "TraceEvents",
    "TracePath",
    "choose_fail_on",
    "choose_formats",
    "choose_rules",
    "complete_rule",
    "examples",
    "parse_qemu",
    "parse_size",
    "parsed",
]

T = TypeVar("T")

# These are written down here so that completion and --help need not import the library.
INPUT_FORMATS = (
    "bpftrace", "ctf", "ftrace", "journald", "libvirt", "log",
    "lttng", "perf", "simpletrace", "simpletrace-text", "stap", "syslog",
)  # fmt: skip
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


def parse_qemu(text: str) -> str:
    """Return a release of QEMU as the library takes it. Raises typer.BadParameter."""
    from traceview.releases import parse_release  # noqa: PLC0415

    try:
        return parse_release(text)
    except ValueError as e:
        raise typer.BadParameter(str(e)) from e


def parsed(parse: Callable[[str], T], text: str | None, option: str) -> T | None:
    """Return what an option's text stands for, None where it was not given.

    `parse` raises ValueError for text that is wrong, this function typer.BadParameter.
    """
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as e:
        raise typer.BadParameter(str(e), param_hint=option) from e


def _complete(*known: str) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [k for k in known if k.startswith(incomplete)]

    return complete


def complete_rule(incomplete: str) -> list[str]:
    """Return the ids of rules that begin so."""
    from traceview.rules import load_rules  # noqa: PLC0415

    return _complete(*load_rules().ids)(incomplete)


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
        help=f"How to print ({', '.join(SCAN_FORMATS)}), or what the input is (traceview formats) where its content "
        "must not decide; repeatable for both.",
    ),
]  # fmt: skip
DocumentFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete(*DOCUMENT_FORMATS, *INPUT_FORMATS),
        help="How to print (text, json), or what the input is (traceview formats) where its content must not decide.",
    ),
]  # fmt: skip
ExtentFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete(*EXTENT_FORMATS, *INPUT_FORMATS),
        help="How to print (text, json, csv), or what the input is (traceview formats) where its content must not "
        "decide; repeatable for both.",
    ),
]  # fmt: skip
PlainFormatOption = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="FORMAT", autocompletion=_complete(*DOCUMENT_FORMATS), help="text or json."),
]
TableFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete(*TABLE_FORMATS, *INPUT_FORMATS),
        help="How to print (text, csv, jsonl, parquet), or what the input is (traceview formats) where its content "
        "must not decide; repeatable for both.",
    ),
]  # fmt: skip
InputFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", autocompletion=_complete("text", *INPUT_FORMATS),
        help="What the input is (traceview formats) where its content must not decide.",
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
Rotated = Annotated[
    bool,
    typer.Option(
        "--rotated", help="Read each PATH as one trace with the rotated files of the same log beside it (vm.log.1 …).",
    ),
]  # fmt: skip
MaxLives = Annotated[
    int | None,
    typer.Option(
        "--max-lives", metavar="N", min=1,
        help="Tell so many lives of QEMU apart in one trace; 1000 by default. What later ones did is not judged.",
    ),
]  # fmt: skip
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule", metavar="ID", autocompletion=complete_rule,
        help="Judge by this rule only; repeatable (see: traceview rules).",
    ),
]  # fmt: skip
RuleFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules", metavar="DIR", help="Judge by the rules of this folder (or file), too; repeatable.",
    ),
]  # fmt: skip
QemuOption = Annotated[
    str | None,
    typer.Option(
        "--qemu", metavar="RELEASE", parser=parse_qemu,
        help="The QEMU that wrote the trace, such as 7.2 or 2.6.0-rc3; deduced from its events by default.",
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
    """How traces are to be read, as `traceview.open` takes it, and the release of QEMU that wrote them.

    With `rotated`, what lies beside a trace and is of the same log is read with it.
    """

    format: str | None
    trace_events: Path | None
    max_bytes: int | None
    jobs: int | None
    qemu: str | None = None
    rotated: bool = False
    max_lives: int | None = None


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


def choose_fail_on(value: str, known: Sequence[str] = FAIL_ON) -> str:
    """Return the value of ``--fail-on`` in lower case. Raises typer.BadParameter."""
    if value.lower() not in known:
        raise _unknown("--fail-on", value, known, ", ".join(known))
    return value.lower()


def choose_rules(ids: list[str] | None, folders: list[Path] | None) -> RuleSet:
    """Return the rules to judge by: those of ``--rule`` among all that are known, all for no choice.

    Raises typer.BadParameter for an id that is not known, and what `load_rules` raises.
    """
    from traceview.rules import load_rules  # noqa: PLC0415

    rules = load_rules(folders or ())
    for value in ids or ():
        if value not in rules:
            raise _unknown("--rule", value, rules.ids, ", ".join(rules.ids))
    return rules.choose(ids or None)


def _unknown(option: str, value: str, known: Sequence[str], words: str) -> typer.BadParameter:
    from traceview.errors import nearest  # noqa: PLC0415

    return typer.BadParameter(f"{value!r} is none of {words}{nearest(value, known)}", param_hint=option)
