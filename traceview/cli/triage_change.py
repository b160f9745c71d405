"""``traceview triage set``, ``note``, ``link`` and ``merge``: what people say of findings."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from traceview.cli.options import examples, parse_qemu
from traceview.cli.triage_options import (
    ByOption,
    FindingId,
    FindingIds,
    StoreOption,
    complete_finding,
    complete_state,
    login_name,
    opened,
    parse_ahead,
    parse_state,
)

__all__ = ["LINK_EXAMPLES", "MERGE_EXAMPLES", "NOTE_EXAMPLES", "SET_EXAMPLES", "link", "merge", "note", "set_state"]

SET_EXAMPLES = examples(
    "traceview triage set 1 confirmed",
    "traceview triage set 1 known --fixed-in 4.2.0 --reason 'upstream cf3129323f'",
    "traceview triage set 2 ignored --reason 'test machines only' --until 30d",
)
NOTE_EXAMPLES = examples("traceview triage note 1 'the customer was told'")
LINK_EXAMPLES = examples("traceview triage link 1 https://bugs.launchpad.net/qemu/+bug/1570134")
MERGE_EXAMPLES = examples("traceview triage merge 2 1")

EXIT_REFUSED = 2


def set_state(
    findings: FindingIds,
    state: Annotated[
        str,
        typer.Argument(
            metavar="STATE", parser=parse_state, autocompletion=complete_state, show_default=False,
            help="new, confirmed, known, ignored or fixed.",
        ),
    ],
    store: StoreOption = None,
    fixed_in: Annotated[
        str | None,
        typer.Option(
            "--fixed-in", metavar="RELEASE", parser=parse_qemu, show_default=False,
            help="The first release of QEMU that has the fix.",
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", show_default=False, help="Why; what is ignored needs one.")
    ] = "",
    until: Annotated[
        date | None,
        typer.Option(
            "--until", metavar="DATE", parser=parse_ahead,
            help="Ignore it until this day (2027-01-31), or for so long (30d, 8w); for good by default.",
        ),
    ] = None,
    by: ByOption = None,
) -> None:  # fmt: skip
    """Say what is to become of findings: confirmed, known, ignored, fixed, or new again."""
    from traceview.cli.output import complain, out_style, write_lines  # noqa: PLC0415
    from traceview.errors import TriageError  # noqa: PLC0415
    from traceview.report.triage import changed_lines  # noqa: PLC0415
    from traceview.store import TriageState  # noqa: PLC0415

    known = opened(store)
    refused = False
    changed = []
    for number in dict.fromkeys(known.finding(f).id for f in findings):
        try:
            changed.append(
                known.set_state(
                    number, TriageState(state), fixed_in=fixed_in or "", reason=reason, until=until, who=_who(by)
                )
            )
        except TriageError as e:
            refused = True
            complain(str(e))
    write_lines(changed_lines(changed, out_style()))
    if refused:
        raise typer.Exit(EXIT_REFUSED)


def note(
    finding: FindingId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be remembered.", show_default=False)],
    store: StoreOption = None,
    by: ByOption = None,
) -> None:
    """Keep a note with a finding."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.triage import changed_lines  # noqa: PLC0415

    known = opened(store)
    found = known.finding(finding)
    known.note(found.id, text, who=_who(by))
    write_lines(changed_lines([found], out_style()))


def link(
    finding: FindingId,
    url: Annotated[str, typer.Argument(metavar="URL", help="A ticket, a patch, a thread.", show_default=False)],
    store: StoreOption = None,
    by: ByOption = None,
) -> None:
    """Tie a finding to a ticket, a patch or a thread."""
    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415
    from traceview.report.triage import changed_lines  # noqa: PLC0415

    known = opened(store)
    found = known.finding(finding)
    known.link(found.id, url, who=_who(by))
    write_lines(changed_lines([found], out_style()))


def merge(
    finding: FindingId,
    into: Annotated[
        str,
        typer.Argument(
            metavar="INTO", autocompletion=complete_finding, help="The finding that it belongs to.", show_default=False
        ),
    ],
    store: StoreOption = None,
    by: ByOption = None,
) -> None:
    """Merge a finding into another one that is the same bug: from now on its occurrences count there."""
    from traceview.cli.output import write_lines  # noqa: PLC0415
    from traceview.report.triage import merged_line  # noqa: PLC0415

    known = opened(store)
    number = known.finding(finding).id
    write_lines([merged_line(number, known.merge(number, known.finding(into).id, who=_who(by)))])


def _who(by: str | None) -> str:
    return by if by is not None else login_name()
