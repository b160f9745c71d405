"""``traceview triage report``: the text of an issue about a finding."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from traceview.cli.options import OutFile, RuleFolders, examples
from traceview.cli.triage_options import FindingId, StoreOption, opened

__all__ = ["REPORT_EXAMPLES", "report"]

REPORT_EXAMPLES = examples(
    "traceview triage report 1 --template qemu-gitlab -o issue.md",
    "traceview triage report 1 --template markdown",
)
# Written down here so that completion and --help need not import the library.
TEMPLATES = ("qemu-gitlab", "markdown")
STDIO = Path("-")
MOST_BYTES = 1 << 20


def _complete_template(incomplete: str) -> list[str]:
    return [t for t in TEMPLATES if t.startswith(incomplete)]


def _parse_template(text: str) -> str:
    if text not in TEMPLATES:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(TEMPLATES)}")
    return text


def report(
    finding: FindingId,
    template: Annotated[
        str,
        typer.Option(
            "--template", metavar="NAME", parser=_parse_template, autocompletion=_complete_template,
            help="qemu-gitlab: by QEMU's own template, without names of yours; markdown: for your tracker.",
        ),
    ] = "qemu-gitlab",
    command_line: Annotated[
        Path | None,
        typer.Option(
            "--command-line", metavar="FILE",
            help="A file with the command line of the QEMU, or - for stdin; by default what the scan was told.",
        ),
    ] = None,
    rules: RuleFolders = None,
    store: StoreOption = None,
    output: OutFile = None,
) -> None:  # fmt: skip
    """Write the text of an issue about a finding; what the store does not know is left as a marked blank."""
    from traceview.cli.output import write_lines  # noqa: PLC0415  (when the command runs)
    from traceview.report.escape import printable  # noqa: PLC0415
    from traceview.report.issue import BLANK, Issue, count_blanks, issue_lines  # noqa: PLC0415
    from traceview.report.style import plural  # noqa: PLC0415
    from traceview.rules import load_rules  # noqa: PLC0415

    command = _read(command_line) if command_line is not None else None
    known_rules = {r.id: r for r in load_rules(rules or ())}
    known = opened(store)
    found = known.finding(finding)
    (worst,) = known.occurrences(found.id, limit=1)
    issue = Issue(
        found, worst, known_rules.get(found.rule), command if command is not None else worst.scan.note.command_line
    )
    lines = list(issue_lines(issue, template))
    write_lines(lines, output, reads=[command_line] if command_line is not None else [])
    if output not in (None, STDIO):
        blanks = plural(count_blanks(lines), "blank")
        write_lines([f"{printable(str(output))}: {blanks} to fill in (look for {BLANK})"])


def _read(file: Path) -> str:
    """Return the text of a file with a command line. Raises TriageError."""
    from traceview.errors import TriageError  # noqa: PLC0415

    name = "<stdin>" if file == STDIO else str(file)
    try:
        if file == STDIO:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with file.open("rb") as source:
                content = source.read(MOST_BYTES + 1)
    except OSError as e:
        raise TriageError(f"{name}: the command line cannot be read: {e.strerror or e}") from e
    if len(content) > MOST_BYTES:
        raise TriageError(f"{name}: is longer than any command line; expected a file with nothing else in it")
    return content.decode("utf-8", "surrogateescape")
