"""The scans of a store, and how their releases are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from traceview.releases import ReleaseRange, first_of, parse_release
from traceview.store.family import in_batches
from traceview.store.model import JudgedRule, ScanNote, StoredScan
from traceview.store.tables import RuleRow, ScanRow

__all__ = ["release_name", "release_order", "scans_by_id", "scans_of"]


def release_name(qemu: str, since: str | None, until: str | None) -> str:
    """Return how a scan's release is called: what was told of it, or else the range; ``""`` if nothing is known."""
    return qemu or (str(ReleaseRange(since, until)) if since or until else "")


def release_order(name: str) -> tuple[bool, tuple[int, ...], str]:
    """Return a key that sorts releases by their numbers, and what is none behind them."""
    try:
        return False, first_of(parse_release(name)), name
    except ValueError:
        return True, (), name


def scans_of(session: Session, *, limit: int | None = None, unfinished: bool = False) -> list[StoredScan]:
    """Return the scans of the store, or the unfinished ones only; the newest first."""
    rows = select(ScanRow).order_by(ScanRow.started_at.desc(), ScanRow.id).limit(limit)
    if unfinished:
        rows = rows.where(ScanRow.finished_at.is_(None))
    return _stored_scans(session, session.scalars(rows).all())


def scans_by_id(session: Session, ids: Collection[str]) -> dict[str, StoredScan]:
    """Return some scans by their ids."""
    found: dict[str, StoredScan] = {}
    for batch in in_batches(ids):
        rows = session.scalars(select(ScanRow).where(ScanRow.id.in_(batch))).all()
        found |= {s.id: s for s in _stored_scans(session, rows)}
    return found


def _stored_scans(session: Session, rows: Collection[ScanRow]) -> list[StoredScan]:
    judged: dict[str, list[JudgedRule]] = defaultdict(list)
    for batch in in_batches([r.id for r in rows]):
        ruled = select(RuleRow).where(RuleRow.scan_id.in_(batch)).order_by(RuleRow.scan_id, RuleRow.position)
        for rule in session.scalars(ruled):
            judged[rule.scan_id].append(_judged_rule(rule))
    return [StoredScan(r.id, r.run_id, _note_of(r, judged[r.id]), r.started_at, r.finished_at) for r in rows]


def _judged_rule(row: RuleRow) -> JudgedRule:
    """Return what a row tells of a rule."""
    return JudgedRule(
        row.rule, row.version, row.windows, row.violated, row.guarded, row.clean, row.inconclusive, row.reason
    )


def _note_of(row: ScanRow, rules: Iterable[JudgedRule]) -> ScanNote:
    """Return what a row tells of a scan."""
    return ScanNote(
        trace=row.trace,
        digest=row.digest,
        format=row.format,
        host=row.host,
        vm=row.vm,
        qemu=row.qemu,
        since=row.since,
        until=row.until,
        options=row.options,
        traceview=row.traceview,
        events=row.events,
        other_lines=row.other_lines,
        gaps=row.gaps,
        inconclusive=row.inconclusive,
        command_line=row.command_line,
        rules=tuple(rules),
    )
