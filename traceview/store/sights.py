"""What one scan saw, put into the store finding by finding, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from traceview.rules import Severity
from traceview.store.changes import BY_SCAN, Hand, move, remember, status_of
from traceview.store.family import finding_row, in_batches, known_as, members, root_of
from traceview.store.model import ScanNote, SeenFinding, Why
from traceview.store.states import Sight, Status, after_sight, rank
from traceview.store.tables import FindingRow, IdentityRow, OccurrenceRow

__all__ = ["Event", "add_identities", "new_finding_id", "put_sights", "tell_anew", "tells_more"]

_WORST_FIRST = sorted(Severity, key=lambda s: -s.rank)


@dataclass(frozen=True, slots=True)
class Event:
    """That an occurrence makes its finding news."""

    instance: str
    why: Why


@dataclass(frozen=True, slots=True)
class _Change:
    """An occurrence that is new, or of which more is known. It is `fresh` if nobody was told of it before."""

    row: OccurrenceRow
    seen: SeenFinding
    fresh: bool


@dataclass(slots=True)
class _Touched:
    """A finding that changes: the worst that was told of it, the worst that was recorded, and what is added."""

    row: FindingRow
    heard: str
    worst: str
    changes: list[_Change] = field(default_factory=list)


def put_sights(session: Session, scan: str, note: ScanNote, seen: Sequence[SeenFinding], now: datetime) -> list[Event]:
    """Put the findings of a scan into the store; return those that are news, the worst first.

    Occurrences that are known are not added again. One of which the scan tells more (`tells_more`) is told anew by it,
    and still counts once.
    """
    known = _known_occurrences(session, [s.instance for s in seen])
    touched: dict[int, _Touched] = {}
    for one in sorted(seen, key=lambda s: (-rank(s.severity), not s.certain, -s.lost_bytes)):
        row = known.get(one.instance)
        owner = finding_row(session, row.finding_id) if row is not None else _owner(session, one, now)
        add_identities(session, owner, one.identities)
        root = root_of(session, owner)
        if root.id not in touched:
            mine = OccurrenceRow.finding_id.in_(members(session, root.id))
            touched[root.id] = _Touched(
                root, _worst(session, mine, OccurrenceRow.suppressed == ""), _worst(session, mine)
            )
        if row is None:
            row = _occurrence(owner.id, scan, one, now)
            session.add(row)
            touched[root.id].changes.append(_Change(row, one, fresh=True))
            known[one.instance] = row
        elif tells_more(row, one):
            fresh, rose = bool(row.suppressed), rank(one.severity) > rank(row.severity)
            tell_anew(row, scan, one)
            if fresh or rose:
                touched[root.id].changes.append(_Change(row, one, fresh=fresh))
    session.flush()
    events = [_consequence(session, t, note, now) for t in touched.values() if t.changes]
    return [e for e in events if e is not None]


def _known_occurrences(session: Session, instances: Sequence[str]) -> dict[str, OccurrenceRow]:
    known: dict[str, OccurrenceRow] = {}
    for batch in in_batches(instances):
        rows = session.scalars(select(OccurrenceRow).where(OccurrenceRow.instance.in_(batch)))
        known |= {r.instance: r for r in rows}
    return known


def _owner(session: Session, seen: SeenFinding, now: datetime) -> FindingRow:
    """Return the finding that is known under one of the identities, or a new one."""
    known = known_as(session, seen.identities)
    if known is not None:
        return finding_row(session, known)
    status = Status()
    row = FindingRow(
        id=new_finding_id(session),
        group_key=seen.group,
        rule=seen.rule,
        rule_version=seen.rule_version,
        title=seen.title,
        label=seen.label,
        device_kind=seen.device_kind,
        shape=seen.shape,
        state=status.state.value,
        fixed_in=status.fixed_in,
        reason=status.reason,
        until=status.until,
        decided_at=now,
        merged_into=None,
    )
    session.add(row)
    session.flush()
    return row


def new_finding_id(session: Session) -> int:
    """Return the number of the next finding: they have no gaps, as who writes is alone."""
    return (session.scalar(select(func.max(FindingRow.id))) or 0) + 1


def add_identities(session: Session, row: FindingRow, identities: Iterable[str]) -> int:
    """Note that a finding is known under these as well; return how many were known for none."""
    added = 0
    for identity in identities:
        if session.get(IdentityRow, identity) is None:
            session.add(IdentityRow(identity=identity, finding_id=row.id))
            session.flush()
            added += 1
    return added


def _worst(session: Session, *conditions: ColumnElement[bool]) -> str:
    """Return the worst severity of occurrences, ``""`` if there are none; it asks no more than the index knows."""
    for severity in _WORST_FIRST:
        if session.scalar(select(exists().where(OccurrenceRow.severity == severity.value, *conditions))):
            return severity.value
    return ""


def _occurrence(finding: int, scan: str, seen: SeenFinding, now: datetime) -> OccurrenceRow:
    return OccurrenceRow(
        instance=seen.instance,
        finding_id=finding,
        scan_id=scan,
        severity=seen.severity,
        certain=seen.certain,
        seen_at=now,
        lost_bytes=seen.lost_bytes,
        suppressed=seen.suppressed,
        document=seen.document,
        interleaving="",
    )


def tells_more(row: OccurrenceRow, seen: SeenFinding | OccurrenceRow) -> bool:
    """Say whether a scan tells more of an occurrence than is recorded: it is worse, certain, or no baseline covers it.

    The trace may have grown, and a job that had not moved the guest may have done so.
    """
    return _is_worse(row, seen) or (bool(row.suppressed) and not seen.suppressed)


def _is_worse(row: OccurrenceRow, seen: SeenFinding | OccurrenceRow) -> bool:
    return (rank(seen.severity), seen.certain) > (rank(row.severity), row.certain)


def tell_anew(row: OccurrenceRow, scan: str, seen: SeenFinding | OccurrenceRow) -> None:
    """Let a scan tell an occurrence that is recorded; it counts once, and was seen first when it was."""
    if _is_worse(row, seen):
        row.scan_id, row.document = scan, seen.document
        row.severity, row.certain, row.lost_bytes = seen.severity, seen.certain, seen.lost_bytes
        if row.interleaving:
            row.interleaving = seen.interleaving
    row.suppressed = seen.suppressed


def _consequence(session: Session, touched: _Touched, note: ScanNote, now: datetime) -> Event | None:
    """Move a finding to the state that follows, keep the interleavings that tell more, write the history."""
    hand = Hand(BY_SCAN, now)
    worst = max(touched.changes, key=_badness)
    if rank(worst.row.severity) > rank(touched.worst):
        _keep_interleaving(worst)
        what = f"worse than before: {worst.row.severity}" if touched.worst else f"first seen: {worst.row.severity}"
        remember(session, touched.row, "seen", f"{what}, in {_place(note)}", hand)
    told = [c for c in touched.changes if not c.row.suppressed]
    if not told:
        return None
    loud = max(told, key=_badness)
    before = status_of(touched.row)
    outcome = after_sight(
        before,
        Sight(
            severity=loud.row.severity,
            heard=touched.heard,
            worst=touched.worst,
            fresh=any(c.fresh for c in told),
            since=note.since,
            until=note.until,
            day=now.date(),
        ),
    )
    if outcome.status != before:
        move(session, touched.row, outcome.status, f"{outcome.text}; {_place(note)}", hand)
    if outcome.why is None:
        return None
    _keep_interleaving(loud)
    return Event(loud.row.instance, outcome.why)


def _badness(change: _Change) -> tuple[int, bool]:
    return rank(change.row.severity), change.row.certain


def _keep_interleaving(change: _Change) -> None:
    change.row.interleaving = change.row.interleaving or change.seen.interleaving


def _place(note: ScanNote) -> str:
    return note.trace + (f" of VM {note.vm}" if note.vm else "") + (f" on {note.host}" if note.host else "")
