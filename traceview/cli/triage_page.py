"""``traceview triage open``: the HTML page of one finding, made by reading its trace anew."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from traceview.cli.options import Inputs, RuleFolders, examples
from traceview.cli.triage_options import FindingId, StoreOption, opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from traceview.api import Trace
    from traceview.findings import Finding, ScanResult
    from traceview.rules import RuleSet
    from traceview.store import ScanNote, StoredFinding, StoredOccurrence

__all__ = ["OPEN_EXAMPLES", "open_page"]

OPEN_EXAMPLES = examples(
    "traceview triage open 1 -o finding.html --no-browser",
    "traceview triage open 1 --trace vm.log -o finding.html --no-browser",
)
EXIT_INPUT = 2
STDOUT = Path("-")


def open_page(
    finding: FindingId,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the page here; by default to a temporary file."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only write the page and print its path.")] = False,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="PATH", help="Where the trace is now, if it was moved, renamed or packed."),
    ] = None,
    rules: RuleFolders = None,
    store: StoreOption = None,
) -> None:
    """Make the HTML page of a finding's worst occurrence, by reading its trace anew, and open it in your browser."""
    from traceview.cli.output import note, write_lines  # noqa: PLC0415  (when the command runs)
    from traceview.report.html import require_report  # noqa: PLC0415

    require_report()
    known = opened(store)
    found = known.finding(finding)
    occurrences = known.occurrences(found.id)
    path = trace if trace is not None else _readable(found, occurrences)
    page = _page(
        found, [o for o in occurrences if trace is not None or o.scan.note.trace == str(path)], path, rules or []
    )
    target = output if output is not None else _temporary(found)
    write_lines([page], target, reads=[path])
    if target == STDOUT:
        return
    write_lines([str(target)])
    if not no_browser:
        import webbrowser  # noqa: PLC0415

        if not webbrowser.open(target.resolve().as_uri()):
            note("no browser could be opened: open the page yourself")


def _temporary(found: StoredFinding) -> Path:
    handle, name = tempfile.mkstemp(prefix=f"traceview-finding-{found.id}-", suffix=".html")
    os.close(handle)
    return Path(name)


def _readable(found: StoredFinding, occurrences: Sequence[StoredOccurrence]) -> Path:
    """Return the trace of the worst occurrence, or of the worst whose trace is here. Raises TraceNotFoundError."""
    from traceview.cli.output import note  # noqa: PLC0415
    from traceview.errors import TraceNotFoundError  # noqa: PLC0415

    traces = list(dict.fromkeys(o.scan.note.trace for o in occurrences))
    here = next((t for t in traces if Path(t).is_file()), None)
    if here is None:
        others = " and neither is any other that it was seen in" if len(traces) > 1 else ""
        hosts = ", ".join(found.hosts) or "a host that is not known"
        raise TraceNotFoundError(
            f"{traces[0]}: the trace of finding {found.id} is not here{others}; it was read on {hosts}: "
            "--trace PATH says where it is now"
        )
    if here != traces[0]:
        note(f"{traces[0]}: is not here; this is the worst of those that are: {here}")
    return Path(here)


def _page(found: StoredFinding, occurrences: Sequence[StoredOccurrence], path: Path, folders: list[Path]) -> str:
    """Return the page of the first of some occurrences that a trace has; what cannot be read is told on stderr."""
    from traceview.cli.report import occasion, read_again  # noqa: PLC0415
    from traceview.cli.scan import scan_paths  # noqa: PLC0415
    from traceview.report.html import html_report  # noqa: PLC0415
    from traceview.report.html_findings import losses_by_window, window_place  # noqa: PLC0415

    note = occurrences[0].scan.note
    inputs = Inputs(
        _text(note.options, "format"), _declarations(note, path), _number(note.options, "max_bytes"), None,
        _text(note.options, "qemu"), note.options.get("rotated") is True,
    )  # fmt: skip
    rules = _rule(found, [*folders, *_folders(note.options, folders)])
    traces: list[Trace] = []
    result, errors = scan_paths([path], inputs, rules, shown=traces)
    if errors:  # told already
        raise typer.Exit(EXIT_INPUT)
    made = occasion(traces)
    result.findings = [_again(result, found, occurrences, path)]
    losses, pictures = read_again(result, traces, rules, inputs.qemu, 1)
    lost = losses_by_window(losses)
    losses.extents = lost.get(window_place(result, result.windows[result.findings[0].window]), [])
    return html_report(result, losses, pictures, made, shown=1)


def _again(result: ScanResult, found: StoredFinding, occurrences: Sequence[StoredOccurrence], path: Path) -> Finding:
    """Return the finding that is the first of some occurrences in a result. Raises TriageError where none is there."""
    from traceview.errors import TriageError  # noqa: PLC0415

    seen = {f.fingerprint.instance: f for f in result.findings if f.fingerprint is not None}
    for occurrence in occurrences:
        if occurrence.instance in seen:
            return seen[occurrence.instance]
    others = f"{len(seen)} of its rule are" if seen else "none of its rule is"
    raise TriageError(
        f"{path}: finding {found.id} is not in it any more ({others}): either the file holds another trace now "
        f"(--trace says where this one is), or traceview {occurrences[0].scan.note.traceview} judged it by other rules"
    )


def _rule(found: StoredFinding, folders: list[Path]) -> RuleSet:
    """Return the rule that a finding is of. Raises UnknownNameError for one that is not known here."""
    from traceview.errors import UnknownNameError  # noqa: PLC0415
    from traceview.rules import load_rules  # noqa: PLC0415

    rules = load_rules(folders)
    if found.rule not in rules:
        raise UnknownNameError(
            f"rule {found.rule!r} of finding {found.id} is not known here: --rules DIR says where it is"
        )
    return rules.choose([found.rule])


def _declarations(note: ScanNote, path: Path) -> Path | None:
    """Return the declarations that the trace was read with: those that were named, or that lie beside it."""
    from traceview.fleet import declarations_beside  # noqa: PLC0415

    named = _text(note.options, "trace_events")
    if named is not None:
        return Path(named)
    return declarations_beside(path) if note.format == "simpletrace" else None


def _folders(options: Mapping[str, Any], named: list[Path]) -> list[Path]:
    """Return the folders of rules that the scan was given, as far as they are still there and not named anyway."""
    given = options.get("rules")
    known = {f.absolute() for f in named}
    return [Path(f) for f in given if Path(f).exists() and Path(f) not in known] if isinstance(given, list) else []


def _text(options: Mapping[str, Any], key: str) -> str | None:
    value = options.get(key)
    return value if isinstance(value, str) and value else None


def _number(options: Mapping[str, Any], key: str) -> int | None:
    value = options.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
