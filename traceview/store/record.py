"""Recording one trace: its scan, what it saw, and what of that is news; all of it in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from traceview.releases import first_of, last_of
from traceview.store import outbox
from traceview.store.absence import absence_of, figures
from traceview.store.changes import BY_SCAN, Hand, move, status_of
from traceview.store.family import finding_row, in_batches, root_of
from traceview.store.model import News, ScanNote, SeenFinding, TriageState, Why
from traceview.store.queries import findings_by_id, stored_occurrences
from traceview.store.runs import Begun, Runner, drop_if_idle, forget_begun, take_over, there
from traceview.store.sights import Event, put_sights
from traceview.store.states import after_evidence, carries, rank
from traceview.store.tables import FindingRow, NewsRow, OccurrenceRow, RuleRow, ScanRow
from traceview.store.texts import storable

__all__ = ["check", "record"]


def check(note: ScanNote, seen: Iterable[SeenFinding]) -> None:
    """Raise ValueError for what makes no sense: a word that is no severity, a release that is none, no identity."""
    if note.since is not None:
        first_of(note.since)
    if note.until is not None:
        last_of(note.until)
    for one in seen:
        if not rank(one.severity) or not one.identities:
            raise ValueError(f"a finding needs a severity and an identity: {one.title}")


def record(
    session: Session, runner: Runner, note: ScanNote, seen: Sequence[SeenFinding], begun: Begun | None, now: datetime
) -> list[News]:
    """Record one trace and return what is news, for the run to tell.

    A scan that is recorded already (`ScanNote.key`) changes nothing. What killed runs found out about the trace and did
    not tell is news as well.
    """
    key = note.key
    note, seen = storable(note), storable(list(seen))
    begun = begun or Begun(str(uuid.uuid4()), now)
    forget_begun(session, note.digest, begun.started_at)
    scan = session.scalar(select(ScanRow.id).where(ScanRow.key == key))
    events: list[Event] = []
    if scan is None:
        scan = begun.scan
        there(session, runner)
        _put_scan(session, runner, begun, key, note, now)
        events = put_sights(session, scan, note, seen, now)
        for event in events:
            # What a run was killed with may be found again: it is one piece of news, of this run then.
            session.merge(NewsRow(instance=event.instance, why=event.why.value, scan_id=scan, run_id=runner.id))
        _weigh_evidence(session, note, now)
    untold = take_over(session, runner, scan, [s.instance for s in seen])
    drop_if_idle(session, runner.id)
    news = _news(session, [*(Event(r.instance, Why(r.why)) for r in untold), *events])
    outbox.put(session, news, runner.urls, now)
    return news


def _put_scan(session: Session, runner: Runner, begun: Begun, key: str, note: ScanNote, now: datetime) -> None:
    session.add(
        ScanRow(
            id=begun.scan,
            run_id=runner.id,
            key=key,
            trace=note.trace,
            digest=note.digest,
            format=note.format,
            host=note.host,
            vm=note.vm,
            qemu=note.qemu,
            since=note.since,
            until=note.until,
            options=note.options,
            traceview=note.traceview,
            events=note.events,
            other_lines=note.other_lines,
            gaps=note.gaps,
            inconclusive=note.inconclusive,
            command_line=note.command_line,
            started_at=begun.started_at,
            finished_at=now,
        )
    )
    session.flush()
    session.add_all(RuleRow(scan_id=begun.scan, position=i, **asdict(rule)) for i, rule in enumerate(note.rules))
    session.flush()


def _weigh_evidence(session: Session, note: ScanNote, now: datetime) -> None:
    """Make those known findings fixed that the scan shows to stay away in the releases with their fix."""
    judged = {r.rule for r in note.rules if r.judged > 0}
    waiting = select(FindingRow).where(
        FindingRow.state == TriageState.KNOWN.value, FindingRow.fixed_in != "", FindingRow.merged_into.is_(None)
    )
    for row in session.scalars(waiting.order_by(FindingRow.id)).all():
        if row.rule in judged and carries(row.fixed_in, note.since):
            absence = absence_of(session, row.id, row.fixed_in)
            if absence.enough:
                outcome = after_evidence(status_of(row), figures(absence))
                move(session, row, outcome.status, outcome.text, Hand(BY_SCAN, now))


def _news(session: Session, events: Sequence[Event]) -> list[News]:
    """Return what is to be told, in the order of the events."""
    found: dict[str, OccurrenceRow] = {}
    for batch in in_batches([e.instance for e in events]):
        rows = session.scalars(select(OccurrenceRow).where(OccurrenceRow.instance.in_(batch)))
        found |= {r.instance: r for r in rows}
    roots = {r.instance: root_of(session, finding_row(session, r.finding_id)).id for r in found.values()}
    findings = {f.id: f for f in findings_by_id(session, set(roots.values()))}
    occurrences = {o.instance: o for o in stored_occurrences(session, found.values())}
    return [News(e.why, findings[roots[e.instance]], occurrences[e.instance]) for e in events]
