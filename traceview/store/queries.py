"""What is asked of a store: findings with what their occurrences come to, occurrences, histories."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from traceview.errors import UnknownNameError
from traceview.rules import Severity
from traceview.store.family import ROOT, algorithm, finding_row, in_batches, members, root_of
from traceview.store.model import (
    HistoryEntry,
    StoredFinding,
    StoredOccurrence,
    TriageState,
)
from traceview.store.scans import release_name, release_order, scans_by_id
from traceview.store.states import rank
from traceview.store.tables import (
    FindingRow,
    HistoryRow,
    IdentityRow,
    LinkRow,
    OccurrenceRow,
    ScanRow,
)

__all__ = [
    "RANK",
    "by_reference",
    "chosen",
    "findings_by_id",
    "history_of",
    "occurrences_of",
    "stored_occurrences",
]

RANK = case({s.value: s.rank for s in Severity}, value=OccurrenceRow.severity, else_=0)
"""The rank of an occurrence's severity, in the database."""
_SEVERITY_OF = {s.rank: s.value for s in Severity}
_SHORTEST_PREFIX = 6
_GROUPS = (
    (TriageState.NEW, TriageState.REGRESSED),
    (TriageState.CONFIRMED,),
    (TriageState.KNOWN,),
    (TriageState.IGNORED,),
    (TriageState.FIXED,),
)
"""The order in which findings are listed."""
_PLACE = {state: place for place, states in enumerate(_GROUPS) for state in states}


@dataclass(slots=True)
class _Total:
    """What the occurrences of a finding come to."""

    severity: str
    certain: bool
    first_seen: datetime
    last_seen: datetime
    occurrences: int
    traces: int
    lost_bytes: int
    vms: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    releases: set[str] = field(default_factory=set)


def findings_by_id(session: Session, ids: Collection[int] | None = None, *, own: bool = False) -> list[StoredFinding]:
    """Return findings by their ids (None: all of them), in the order of the ids.

    Those that were merged are left out, and count for the one that has them; with `own` they are there, and each has
    what is its own.
    """
    key: ColumnElement[Any] = FindingRow.__table__.c.id if own else ROOT
    stored: list[StoredFinding] = []
    for batch in [None] if ids is None else in_batches(sorted(ids)):
        rows = select(FindingRow).order_by(FindingRow.id)
        if not own:
            rows = rows.where(FindingRow.merged_into.is_(None))
        if batch is not None:
            rows = rows.where(FindingRow.id.in_(batch))
        where = [key.in_(batch)] if batch is not None else []
        totals = _totals(session, key, where)
        identities, links = _identities(session, key, where), _links(session, key, where)
        stored += [_stored(r, totals[r.id], identities[r.id], links[r.id]) for r in session.scalars(rows)]
    return stored


def _stored(row: FindingRow, total: _Total, identities: list[str], links: list[str]) -> StoredFinding:
    return StoredFinding(
        id=row.id,
        identity=identities[0],
        identities=tuple(identities),
        group=row.group_key,
        rule=row.rule,
        rule_version=row.rule_version,
        title=row.title,
        label=row.label,
        severity=total.severity,
        certain=total.certain,
        device_kind=row.device_kind,
        shape=row.shape,
        state=TriageState(row.state),
        fixed_in=row.fixed_in,
        reason=row.reason,
        until=row.until,
        first_seen=total.first_seen,
        last_seen=total.last_seen,
        occurrences=total.occurrences,
        traces=total.traces,
        vms=tuple(sorted(total.vms)),
        hosts=tuple(sorted(total.hosts)),
        releases=tuple(sorted(total.releases, key=release_order)),
        links=tuple(links),
        merged_into=row.merged_into,
        lost_bytes=total.lost_bytes,
    )


def _totals(session: Session, key: ColumnElement[Any], where: Sequence[ColumnElement[bool]]) -> dict[int, _Total]:
    counted = session.execute(
        select(
            key,
            func.max(RANK),
            func.max(case((OccurrenceRow.certain, 1), else_=0)),
            func.min(OccurrenceRow.seen_at),
            func.max(OccurrenceRow.seen_at),
            func.count(),
            func.count(ScanRow.digest.distinct()),
            func.max(OccurrenceRow.lost_bytes),
        )
        .select_from(OccurrenceRow)
        .join(FindingRow, OccurrenceRow.finding_id == FindingRow.id)
        .join(ScanRow, OccurrenceRow.scan_id == ScanRow.id)
        .where(*where)
        .group_by(key)
    )
    totals = {
        finding: _Total(_SEVERITY_OF[worst], bool(certain), first, last, number, traces, lost)
        for finding, worst, certain, first, last, number, traces, lost in counted
    }
    named = session.execute(
        select(key, ScanRow.vm, ScanRow.host, ScanRow.qemu, ScanRow.since, ScanRow.until)
        .select_from(OccurrenceRow)
        .join(FindingRow, OccurrenceRow.finding_id == FindingRow.id)
        .join(ScanRow, OccurrenceRow.scan_id == ScanRow.id)
        .where(*where)
        .distinct()
    )
    for finding, vm, host, qemu, since, until in named:
        total, release = totals[finding], release_name(qemu, since, until)
        total.vms |= {vm} - {""}
        total.hosts |= {host} - {""}
        total.releases |= {release} - {""}
    return totals


def _identities(
    session: Session, key: ColumnElement[Any], where: Sequence[ColumnElement[bool]]
) -> dict[int, list[str]]:
    """Return the keys of findings: their own before those of merged ones, of each the newest algorithm's first."""
    rows = session.execute(
        select(key, IdentityRow.finding_id, IdentityRow.identity)
        .select_from(IdentityRow)
        .join(FindingRow, IdentityRow.finding_id == FindingRow.id)
        .where(*where)
    )
    known: dict[int, list[tuple[bool, int, int, str]]] = defaultdict(list)
    for finding, owner, identity in rows:
        known[finding].append((owner != finding, owner, -algorithm(identity), identity))
    return {finding: [k[-1] for k in sorted(keys)] for finding, keys in known.items()}


def _links(session: Session, key: ColumnElement[Any], where: Sequence[ColumnElement[bool]]) -> dict[int, list[str]]:
    rows = session.execute(
        select(key, LinkRow.url)
        .select_from(LinkRow)
        .join(FindingRow, LinkRow.finding_id == FindingRow.id)
        .where(*where)
        .order_by(LinkRow.at, LinkRow.url)
    )
    links: dict[int, list[str]] = defaultdict(list)
    for finding, url in rows:
        if url not in links[finding]:
            links[finding].append(url)
    return links


def chosen(
    session: Session,
    *,
    states: Collection[TriageState] | None,
    rule: str | None,
    vm: str | None,
    host: str | None,
    severity: str | None,
    since: datetime | None,
    merged: bool,
) -> list[StoredFinding]:
    """Return the findings that fit all filters, in the order in which they are listed."""
    found = findings_by_id(session)
    if merged:
        found += [f for f in findings_by_id(session, own=True) if f.merged_into is not None]

    def fits(finding: StoredFinding) -> bool:
        return (
            (states is None or finding.state in states)
            and (rule is None or fnmatch.fnmatchcase(finding.rule, rule))
            and (vm is None or vm in finding.vms)
            and (host is None or host in finding.hosts)
            and (severity is None or finding.severity == severity)
            and (since is None or finding.last_seen >= since)
        )

    return sorted(
        filter(fits, found), key=lambda f: (_PLACE[f.state], -rank(f.severity), -f.last_seen.timestamp(), f.id)
    )


def by_reference(session: Session, ref: str) -> StoredFinding:
    """Return the finding that a person means: by its number, an identity or the beginning of one.

    One that was merged stands for the finding that has it. Raises UnknownNameError.
    """
    number = ref.removeprefix("#")
    if number.isascii() and number.isdecimal():
        row = session.get(FindingRow, int(number)) if len(number) < 10 else None
        if row is None:
            raise UnknownNameError(f"finding #{number} is not in the store (traceview triage list tells which are)")
        return _one(session, root_of(session, row).id)
    known = session.get(IdentityRow, ref)
    if known is not None:
        return _one(session, root_of(session, finding_row(session, known.finding_id)).id)
    if len(ref) < _SHORTEST_PREFIX:
        raise UnknownNameError(
            f"{ref!r} is no finding: expected its number, or {_SHORTEST_PREFIX} characters of its identity or more"
        )
    rows = session.execute(
        select(IdentityRow.identity, ROOT)
        .join(FindingRow, IdentityRow.finding_id == FindingRow.id)
        .where(IdentityRow.identity.startswith(ref, autoescape=True))
        .order_by(IdentityRow.identity)
    )
    found = {root: identity for identity, root in rows if identity.startswith(ref)}
    if not found:
        raise UnknownNameError(f"{ref!r} is the identity of no finding in the store, nor the beginning of one")
    if len(found) > 1:
        several = ", ".join(f"#{root} {identity}" for root, identity in sorted(found.items())[:5])
        raise UnknownNameError(f"{ref!r} may be any of {len(found)} findings: {several}; give more of the identity")
    return _one(session, next(iter(found)))


def _one(session: Session, finding: int) -> StoredFinding:
    return findings_by_id(session, [finding])[0]


def history_of(session: Session, finding: int) -> list[HistoryEntry]:
    """Return what happened to a finding and to those merged into it, the oldest first."""
    root = root_of(session, finding_row(session, finding)).id
    rows = session.scalars(
        select(HistoryRow)
        .where(HistoryRow.finding_id.in_(members(session, root)))
        .order_by(HistoryRow.at, HistoryRow.id)
    )
    return [HistoryEntry(r.at, r.who, r.what, r.text) for r in rows]


def occurrences_of(session: Session, finding: int, limit: int | None) -> list[StoredOccurrence]:
    """Return the occurrences of a finding and of those merged into it.

    The worst stand first, of one severity those with an interleaving, and then the newest.
    """
    root = root_of(session, finding_row(session, finding)).id
    return stored_occurrences(
        session,
        session.scalars(
            select(OccurrenceRow)
            .where(OccurrenceRow.finding_id.in_(members(session, root)))
            .order_by(
                RANK.desc(),
                case((OccurrenceRow.interleaving != "", 0), else_=1),
                OccurrenceRow.seen_at.desc(),
                OccurrenceRow.instance,
            )
            .limit(limit)
        ).all(),
    )


def stored_occurrences(session: Session, rows: Collection[OccurrenceRow]) -> list[StoredOccurrence]:
    """Return occurrences with their scans."""
    scans = scans_by_id(session, {r.scan_id for r in rows})
    return [
        StoredOccurrence(
            instance=r.instance,
            severity=r.severity,
            certain=r.certain,
            seen_at=r.seen_at,
            lost_bytes=r.lost_bytes,
            scan=scans[r.scan_id],
            document=r.document,
            interleaving=r.interleaving,
            suppressed=r.suppressed,
        )
        for r in rows
    ]
