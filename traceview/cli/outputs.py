"""What ``traceview scan`` writes: one format to stdout or ``-o``, any others beside it, each to a file of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from traceview.api import Trace
    from traceview.cli.output import Sink
    from traceview.errors import TraceviewError
    from traceview.findings import ScanResult
    from traceview.rules import RuleSet

__all__ = [
    "CsvOutput",
    "GitlabOutput",
    "JsonOutput",
    "JsonlOutput",
    "JunitOutput",
    "MarkdownOutput",
    "ParquetOutput",
    "SarifAt",
    "SarifOutput",
    "Scanned",
    "TextOutput",
    "Wanted",
    "choose_outputs",
    "refuse_files_read",
    "shows_interleavings",
    "write_outputs",
]

STDOUT = Path("-")
SARIF_AT = ("trace", "source")


def _option(form: str, what: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(f"--{form}-output", metavar="FILE", help=f"Write {what} here, too.")
    return made


def _complete_place(incomplete: str) -> list[str]:
    return [place for place in SARIF_AT if place.startswith(incomplete)]


TextOutput = Annotated[Path | None, _option("text", "the text for people")]
JsonOutput = Annotated[Path | None, _option("json", "JSON")]
JsonlOutput = Annotated[Path | None, _option("jsonl", "JSON Lines")]
SarifOutput = Annotated[Path | None, _option("sarif", "SARIF 2.1.0")]
JunitOutput = Annotated[Path | None, _option("junit", "JUnit XML")]
GitlabOutput = Annotated[Path | None, _option("gitlab", "GitLab's code quality report")]
MarkdownOutput = Annotated[Path | None, _option("markdown", "Markdown")]
CsvOutput = Annotated[Path | None, _option("csv", "a table of the findings")]
ParquetOutput = Annotated[Path | None, _option("parquet", "a table of the findings")]
SarifAt = Annotated[
    str,
    typer.Option(
        "--sarif-at", metavar="PLACE", autocompletion=_complete_place,
        help="Where SARIF has its findings: trace (the record), or source (the file of QEMU that the rule names, "
        "which stays when traces get other names).",
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A format and where it goes; None is stdout. `main` is the one of ``--format``."""

    format: str
    path: Path | None
    main: bool = False


@dataclass(frozen=True, slots=True)
class Scanned:
    """What is written: a scan, what could not be read, what it was judged by.

    With `named` the text names even a single trace. `traces` are what was scanned, where interleavings are shown.
    """

    result: ScanResult
    errors: Sequence[TraceviewError]
    rules: RuleSet
    named: bool = False
    traces: Sequence[Trace] = field(default=())
    sarif_at: str = "trace"
    only_news: bool = False
    """Whether people want to read of those findings only that a store says are news."""


def choose_outputs(main: str, output: Path | None, beside: Mapping[str, Path | None], sarif_at: str) -> list[Wanted]:
    """Return what to write: the format of ``--format`` to `output`, those of `beside` to their files.

    Raises typer.BadParameter where two of them would go to the same place, and for a table in bytes on a terminal.
    """
    if sarif_at not in SARIF_AT:
        raise typer.BadParameter(f"{sarif_at!r} is none of {', '.join(SARIF_AT)}", param_hint="--sarif-at")
    wanted = [Wanted(main, None if output == STDOUT else output, main=True)]
    wanted += [Wanted(form, None if path == STDOUT else path) for form, path in beside.items() if path is not None]
    taken: dict[str, Wanted] = {}
    for each in wanted:
        place = "" if each.path is None else os.path.realpath(each.path)
        if place in taken:
            raise _both(taken[place], each)
        taken[place] = each
        if each.format == "parquet" and each.path is None and sys.stdout.isatty():
            raise typer.BadParameter("parquet is binary: give it a file, or send stdout to a file or a pipe")
    return wanted


def _both(first: Wanted, second: Wanted) -> typer.BadParameter:
    place = "stdout" if first.path is None else str(first.path)
    what = [f"--format {w.format}" if w.main else f"--{w.format}-output" for w in (first, second)]
    advice = "give --format a file with -o" if first.path is None and first.main else "choose another file for one"
    return typer.BadParameter(f"{place} cannot take both {what[0]} and {what[1]}: {advice}", param_hint=what[1])


def refuse_files_read(wanted: Sequence[Wanted], paths: Iterable[Path], others: Iterable[Path]) -> None:
    """Raise CannotWriteError where something would be written over a file that is read.

    `paths` are the traces and folders of traces to scan, `others` what is read beside them.
    """
    from traceview.cli.output import CannotWriteError  # noqa: PLC0415  (the command's words come first)

    for path in (w.path for w in wanted):
        if path is None or not path.exists():
            continue
        if any(_is(path, read) for read in others) or any(_reads(given, path) for given in paths):
            raise CannotWriteError(f"{path}: is being read: choose another file to write to")


def _reads(given: Path, path: Path) -> bool:
    """Say whether a file that is there is the trace that is given, or one of a folder of traces."""
    if not given.is_dir():
        return _is(path, given)
    if not path.resolve().is_relative_to(given.resolve()):
        return False
    from traceview.errors import TraceviewError  # noqa: PLC0415
    from traceview.fleet import find_traces  # noqa: PLC0415

    try:
        return any(_is(path, trace) for trace in find_traces(given))
    except TraceviewError:
        return False  # whoever scans the folder says why it cannot be read


def _is(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def shows_interleavings(wanted: Iterable[Wanted]) -> bool:
    """Say whether something of what is wanted tells what surrounds a window, so that a scan must keep it."""
    return any(w.format == "sarif" for w in wanted)


def write_outputs(wanted: Sequence[Wanted], scanned: Scanned, reads: Sequence[Path]) -> bool:
    """Write everything that is wanted, files first; return False where something could not be written.

    What cannot be written is told on stderr, the others are written all the same. `reads` are the files that were
    read, which nothing may be written over.
    """
    from traceview.cli.output import CannotWriteError, complain, open_output  # noqa: PLC0415

    if shows_interleavings(wanted):
        _gather_witnesses(scanned)
    complete = True
    for each in sorted(wanted, key=lambda w: w.path is None):
        write = _writer(each, scanned)
        if write is None:
            continue
        try:
            with open_output(each.path, reads) as out:
                write(out)
        except CannotWriteError as e:
            complain(str(e))
            complete = False
    return complete


def _gather_witnesses(scanned: Scanned) -> None:
    """Read once more, of each trace, the records around those findings for which the scan could not keep them."""
    from traceview.cli.output import note  # noqa: PLC0415
    from traceview.cli.progress import ProgressBar  # noqa: PLC0415
    from traceview.detect.witness import surroundings  # noqa: PLC0415
    from traceview.errors import TraceviewError  # noqa: PLC0415
    from traceview.report.sarif import findings_with_flows  # noqa: PLC0415
    from traceview.report.style import plural  # noqa: PLC0415

    result = scanned.result
    lacking = [result.windows[result.findings[i].window] for i in findings_with_flows(result)]
    lacking = [w for w in lacking if w.witness is None]
    read = {trace.path: trace for trace in scanned.traces}
    with ProgressBar() as progress:
        for index, summary in enumerate(result.traces):
            own = [w for w in lacking if w.trace == index]
            trace = read.get(summary.path)
            if not own or trace is None or trace.source.is_stdin:
                continue
            progress.watch(trace)
            try:
                for at, timeline in trace.timelines_around(own):
                    own[at].witness = surroundings(own[at], [timeline.table])
            except TraceviewError as e:
                progress.pause()
                note(f"{e}; SARIF tells only the points of {plural(len(own), 'finding')}, not what is around them")


def _writer(wanted: Wanted, scanned: Scanned) -> Callable[[Sink], None] | None:
    """Return what writes a format; None where it has nothing to say."""
    if wanted.format in ("csv", "parquet"):
        return lambda out: _write_table(wanted.format, scanned, out)
    if wanted.format == "text" and not scanned.result.traces:
        return None  # what could not be read has been told

    def write(out: Sink) -> None:
        for line in _lines(wanted, scanned):
            out.write(line.encode("utf-8", "backslashreplace") + b"\n")

    return write


def _write_table(form: str, scanned: Scanned, out: Sink) -> None:
    from traceview.report.findings_table import findings_frame  # noqa: PLC0415  (pandas is slow to import)
    from traceview.report.tables import write_frames  # noqa: PLC0415

    write_frames([findings_frame(scanned.result, root=Path.cwd())], form, out)


def _lines(wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    return _LINES[wanted.format](wanted, scanned)


def _text(wanted: Wanted, scanned: Scanned) -> Iterator[str]:
    from traceview.cli.output import out_style  # noqa: PLC0415
    from traceview.report.text import scan_lines  # noqa: PLC0415

    return scan_lines(scanned.result, out_style(wanted.path), named=scanned.named, only_news=scanned.only_news)


def _json(_wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    from traceview.report.machine import scan_json  # noqa: PLC0415

    return (scan_json(scanned.result, scanned.errors),)


def _jsonl(_wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    from traceview.report.machine import scan_jsonl  # noqa: PLC0415

    return scan_jsonl(scanned.result, scanned.errors)


def _sarif(_wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    from traceview import __version__  # noqa: PLC0415
    from traceview.report.sarif import sarif_json  # noqa: PLC0415

    at_source = scanned.sarif_at == "source"
    made = sarif_json(
        scanned.result, scanned.errors, scanned.rules, version=__version__, root=Path.cwd(), at_source=at_source
    )
    return (made,)


def _junit(_wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    from traceview.report.junit import junit_xml  # noqa: PLC0415

    return (junit_xml(scanned.result, scanned.errors, root=Path.cwd()),)


def _gitlab(_wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    from traceview.report.gitlab import gitlab_json  # noqa: PLC0415

    return (gitlab_json(scanned.result, root=Path.cwd()),)


def _markdown(_wanted: Wanted, scanned: Scanned) -> Iterable[str]:
    from traceview.report.markdown import markdown_lines  # noqa: PLC0415

    return markdown_lines(scanned.result, scanned.errors, root=Path.cwd())


_LINES: dict[str, Callable[[Wanted, Scanned], Iterable[str]]] = {
    "text": _text, "json": _json, "jsonl": _jsonl, "sarif": _sarif, "junit": _junit, "gitlab": _gitlab,
    "markdown": _markdown,
}  # fmt: skip
