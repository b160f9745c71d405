"""What people change of a finding: its state, notes, links, what it is one with. All of it is in its history."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from traceview.errors import TriageError
from traceview.store.absence import absence_of, figures
from traceview.store.family import finding_row, members, root_of
from traceview.store.model import TriageState
from traceview.store.states import Status, asked
from traceview.store.tables import FindingRow, HistoryRow, LinkRow
from traceview.store.texts import storable

__all__ = ["BY_SCAN", "Hand", "link", "merge", "move", "note", "remember", "set_state", "status_of"]

BY_SCAN = "scan"
"""Who did what no person did."""
_LONGEST_URL = 2000
"""What PostgreSQL can still have in an index, with some to spare."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Who changes something, and when."""

    who: str
    now: datetime


def status_of(row: FindingRow) -> Status:
    """Return the state of a finding, with what belongs to it."""
    return Status(TriageState(row.state), row.fixed_in, row.reason, row.until)


def remember(session: Session, row: FindingRow, what: str, text: str, hand: Hand) -> None:
    """Write into the history of a finding."""
    session.add(HistoryRow(finding_id=row.id, at=hand.now, who=storable(hand.who), what=what, text=storable(text)))


def move(session: Session, row: FindingRow, status: Status, text: str, hand: Hand) -> None:
    """Give a finding another state; `text` says why."""
    before = row.state
    row.state, row.fixed_in, row.until = status.state.value, status.fixed_in, status.until
    row.reason = storable(status.reason)
    row.decided_at = hand.now
    remember(session, row, "state", f"{before} → {_words(status)}" + (f": {text}" if text else ""), hand)


def _words(status: Status) -> str:
    if status.state is TriageState.KNOWN and status.fixed_in:
        return f"known, fixed in {status.fixed_in}"
    if status.state is TriageState.FIXED:
        return f"fixed in {status.fixed_in}"
    return status.state.value + (f" until {status.until}" if status.until is not None else "")


def set_state(
    session: Session, finding: int, state: TriageState, hand: Hand, *, fixed_in: str, reason: str, until: date | None
) -> int:
    """Give a finding the state that a person asks for, and return the id of the finding that has it.

    What was merged stands for the finding that it was merged into. Setting what is set already changes nothing.
    Raises TriageError where the state cannot be set, for ``fixed`` with the figures of what is missing.
    """
    row = root_of(session, finding_row(session, finding))
    before = status_of(row)
    after = asked(before, state, fixed_in=fixed_in, reason=reason, until=until, day=hand.now.date())
    if after == before:
        return row.id
    text = after.reason
    if state is TriageState.FIXED:
        absence = absence_of(session, row.id, after.fixed_in)
        if not absence.enough:
            advice = (
                "name a later release"
                if absence.seen_again
                else f"set it to known, fixed in {after.fixed_in}: it becomes fixed when scans have shown enough"
            )
            raise TriageError(
                f"finding #{row.id} is not known to be fixed in {after.fixed_in}: {figures(absence)}; {advice}"
            )
        text = "; ".join(t for t in (text, figures(absence)) if t)
    move(session, row, after, text, hand)
    return row.id


def note(session: Session, finding: int, text: str, hand: Hand) -> None:
    """Write a note into the history of a finding; raises TriageError for an empty one."""
    if not text.strip():
        raise TriageError("a note needs a text")
    remember(session, root_of(session, finding_row(session, finding)), "note", text.strip(), hand)


def link(session: Session, finding: int, url: str, hand: Hand) -> None:
    """Add a page that tells more; one that is there already is not added again. Raises TriageError for no web page."""
    url = storable(url.strip())
    if not re.fullmatch(r"https?://[^\s/]\S*", url) or len(url) > _LONGEST_URL:
        raise TriageError(
            f"{url[:80]!r} is no link: expected http:// or https://, and {_LONGEST_URL} characters at most"
        )
    row = root_of(session, finding_row(session, finding))
    known = select(LinkRow.url).where(LinkRow.finding_id.in_(members(session, row.id)), LinkRow.url == url)
    if session.scalar(known) is None:
        session.add(LinkRow(finding_id=row.id, url=url, at=hand.now))
        remember(session, row, "link", url, hand)


def merge(session: Session, finding: int, into: int, hand: Hand) -> int:
    """Make a finding one with another, and return the id of that, which has all that is known of both.

    What was merged into the finding before goes with it. The state stays that of `into`. Raises TriageError where the
    two are one already, or are of different rules.
    """
    row, target = finding_row(session, finding), root_of(session, finding_row(session, into))
    if row.merged_into is not None:
        raise TriageError(f"finding #{row.id} was merged into #{row.merged_into} already")
    if row.id == target.id:
        raise TriageError(f"finding #{into} is a part of #{row.id}, or is it: name another one to merge into")
    if row.rule != target.rule:
        raise TriageError(
            f"finding #{row.id} is of the rule {row.rule}, #{target.id} of {target.rule}: only findings of one rule "
            "can be the same; write a note where one has to do with the other"
        )
    for member in members(session, row.id):
        finding_row(session, member).merged_into = target.id
    remember(session, row, "merge", f"#{row.id} is a part of #{target.id} from now on", hand)
    return target.id
