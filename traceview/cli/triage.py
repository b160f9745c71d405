"""``traceview triage``: what scans found over months and machines, and what becomes of it."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from traceview.cli import triage_change, triage_issue, triage_page, triage_whole
from traceview.cli.options import (
    OutFile,
    PlainFormatOption,
    choose_formats,
    complete_rule,
    examples,
)
from traceview.cli.triage_options import (
    STATES,
    FindingId,
    StoreOption,
    complete_state,
    is_missing,
    json_text,
    opened,
    parse_since,
    parse_state,
    store_name,
    where_is,
)
from traceview.report.known import DOCUMENT_FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from traceview.store import StoredFinding

__all__ = ["app"]

TRIAGE_EXAMPLES = examples(
    "traceview triage",
    "traceview triage list --state new --since 7d",
    "traceview triage show 1",
    "traceview triage set 1 known --fixed-in 4.2.0",
)
LIST_EXAMPLES = examples(
    "traceview triage list",
    "traceview triage list --state new --state regressed --since 7d",
    "traceview triage list --rule 'mirror-*' --vm vm7 --format json",
)
SHOW_EXAMPLES = examples("traceview triage show 1", "traceview triage show 1 --format json")

HIDDEN = ("ignored", "fixed")
SEVERITIES = ("data-loss", "broken-promise")
FEWEST_ROWS = 5

app = typer.Typer(
    help="List, judge and pass on what scans have found.", invoke_without_command=True, rich_markup_mode=None,
    epilog=TRIAGE_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip


@app.callback()
def triage(context: typer.Context, store: StoreOption = None) -> None:
    """Show what scans have found, as much as fits on the screen; with a command, list, judge and pass it on."""
    if context.invoked_subcommand is not None:
        return
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (when the command runs)
    from traceview.report.triage import begin_lines, list_lines  # noqa: PLC0415

    where, style = where_is(store), out_style()
    known = None if is_missing(where) else opened(store)
    if known is None or not known.stats().scans:
        write_lines(begin_lines(store_name(where), style))
        return
    shown, hidden = _sorted_out(known.findings(merged=True))
    rows = max(shutil.get_terminal_size().lines - 6, FEWEST_ROWS)
    write_lines([
        *list_lines(shown, style, hidden=hidden, most=rows, width=_screen_width()),
        "",
        "traceview triage show ID tells all of one, traceview triage --help what can be done with it",
    ])  # fmt: skip


def _screen_width() -> int | None:
    """Return how wide the terminal is; None where stdout is none, and nothing needs to be cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _sorted_out(
    findings: list[StoredFinding], *, asked: bool = False, everything: bool = False
) -> tuple[list[StoredFinding], dict[str, int]]:
    """Return the findings to show, and how many are hidden, by why; states that were `asked` for are shown."""
    shown = []
    hidden = dict.fromkeys((*HIDDEN, "merged"), 0)
    for finding in findings:
        why = "merged" if finding.merged_into is not None else "" if asked else finding.state.value
        if why in hidden and not everything:
            hidden[why] += 1
        else:
            shown.append(finding)
    return shown, hidden


def _parse_severity(text: str) -> str:
    if text.lower() not in SEVERITIES:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(SEVERITIES)}")
    return text.lower()


@app.command("list", short_help="List the findings, what is new first.", epilog=LIST_EXAMPLES)
def list_(
    store: StoreOption = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", metavar="STATE", parser=parse_state, autocompletion=complete_state,
            help=f"Only those in this state ({', '.join(STATES)}); repeatable.",
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option("--rule", metavar="ID", autocompletion=complete_rule, help="Only those of this rule; * for any."),
    ] = None,
    vm: Annotated[str | None, typer.Option("--vm", metavar="NAME", help="Only those seen in this VM.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="NAME", help="Only those seen on this host.")] = None,
    severity: Annotated[
        str | None,
        typer.Option("--severity", metavar="SEVERITY", parser=_parse_severity, help="data-loss or broken-promise."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since", metavar="DATE", parser=parse_since,
            help="Only those seen since then: a day (2026-11-20), or an age (36h, 7d, 2w).",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show what is ignored, fixed or merged into another one, too.")
    ] = False,
    formats: PlainFormatOption = None,
    output: OutFile = None,
) -> None:  # fmt: skip
    """List the findings, what is new first; what is ignored, fixed or merged is only counted."""
    chosen = choose_formats(formats, DOCUMENT_FORMATS)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.triage import list_lines  # noqa: PLC0415
    from traceview.report.triage_json import list_document  # noqa: PLC0415
    from traceview.store import TriageState  # noqa: PLC0415

    found = opened(store).findings(
        states=[TriageState(s) for s in state] if state else None, rule=rule, vm=vm, host=host, severity=severity,
        since=since, merged=True,
    )  # fmt: skip
    shown, hidden = _sorted_out(found, asked=bool(state), everything=everything)
    if chosen.output == "json":
        write_lines([json_text(list_document(shown, hidden))], output)
    else:
        width = _screen_width() if output is None else None
        write_lines(list_lines(shown, out_style(output), hidden=hidden, width=width), output)


@app.command("show", short_help="Show all of one finding.", epilog=SHOW_EXAMPLES)
def show(
    finding: FindingId,
    store: StoreOption = None,
    formats: PlainFormatOption = None,
    output: OutFile = None,
) -> None:
    """Show all of one finding: its state, where it was seen, the worst occurrence, what was lost, its history."""
    chosen = choose_formats(formats, DOCUMENT_FORMATS)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.triage import Shown, show_lines  # noqa: PLC0415
    from traceview.report.triage_json import show_document  # noqa: PLC0415

    known = opened(store)
    found = known.finding(finding)
    occurrences = known.occurrences(found.id, limit=None if chosen.output == "json" else 1)
    shown = Shown(
        found, occurrences[0], known.history(found.id),
        known.absence(found.id) if found.fixed_in else None,
    )  # fmt: skip
    if chosen.output == "json":
        write_lines([json_text(show_document(shown, occurrences))], output)
    else:
        write_lines(show_lines(shown, out_style(output)), output)


def _add(name: str, command: Callable[..., None], short_help: str, epilog: str) -> None:
    app.command(name, short_help=short_help, epilog=epilog)(command)


_add("set", triage_change.set_state, "Say what is to become of findings.", triage_change.SET_EXAMPLES)
_add("note", triage_change.note, "Keep a note with a finding.", triage_change.NOTE_EXAMPLES)
_add("link", triage_change.link, "Tie a finding to a ticket or a patch.", triage_change.LINK_EXAMPLES)
_add("merge", triage_change.merge, "Merge a finding into another one.", triage_change.MERGE_EXAMPLES)
_add("report", triage_issue.report, "Write the text of an issue about a finding.", triage_issue.REPORT_EXAMPLES)
_add("open", triage_page.open_page, "Make the HTML page of a finding.", triage_page.OPEN_EXAMPLES)
_add("stats", triage_whole.stats, "Show the figures of the store.", triage_whole.STATS_EXAMPLES)
_add("export", triage_whole.export, "Write the whole store as JSON.", triage_whole.EXPORT_EXAMPLES)
_add("import", triage_whole.import_, "Add what export wrote to a store.", triage_whole.IMPORT_EXAMPLES)
_add("deliver", triage_whole.deliver, "Send what waits for the webhooks.", triage_whole.DELIVER_EXAMPLES)
