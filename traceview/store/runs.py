"""The runs of scanners: what one has begun, and the news that it made and may not have told yet.

A run that is killed never ends. What it had begun stays unfinished until that trace is scanned again, and what it had
found out is told by the run that records that trace next.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from traceview.store.family import in_batches
from traceview.store.tables import NewsRow, RunRow, ScanRow
from traceview.store.texts import storable

__all__ = ["Begun", "Runner", "begin", "drop_if_idle", "end", "forget_begun", "take_over", "there"]


@dataclass(frozen=True, slots=True)
class Runner:
    """The run that records: its id, its host, when it started, and the URLs that its news go to."""

    id: str
    host: str
    started_at: datetime
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A scan that a run has begun."""

    scan: str
    started_at: datetime


def there(session: Session, runner: Runner) -> None:
    """Write the run into the store, unless it is there: a run that records nothing leaves nothing."""
    if session.get(RunRow, runner.id) is None:
        row = RunRow(id=runner.id, host=storable(runner.host), started_at=runner.started_at, ended_at=None)
        session.add(row)
        session.flush()


def drop_if_idle(session: Session, run: str) -> None:
    """Take a run out of the store that has neither a scan nor news there."""
    session.flush()
    row = session.get(RunRow, run)
    owns = or_(exists().where(ScanRow.run_id == run), exists().where(NewsRow.run_id == run))
    if row is not None and not session.scalar(select(owns)):
        session.delete(row)
        session.flush()


def begin(session: Session, runner: Runner, trace: str, digest: str, options: dict[str, Any], now: datetime) -> Begun:
    """Write that a trace is being scanned, in place of what others have begun of it."""
    forget_begun(session, digest, now)
    there(session, runner)
    begun = Begun(str(uuid.uuid4()), now)
    session.add(
        ScanRow(
            id=begun.scan,
            run_id=runner.id,
            key=None,
            trace=storable(trace),
            digest=storable(digest),
            format="",
            host=storable(runner.host),
            vm="",
            qemu="",
            since=None,
            until=None,
            options=storable(options),
            traceview="",
            events=0,
            other_lines=0,
            gaps=0,
            inconclusive=False,
            command_line="",
            started_at=now,
            finished_at=None,
        )
    )
    return begun


def forget_begun(session: Session, digest: str, until: datetime) -> None:
    """Take scans of a trace out of the store that were begun until then and are not finished."""
    rows = session.scalars(
        select(ScanRow).where(
            ScanRow.digest == storable(digest), ScanRow.finished_at.is_(None), ScanRow.started_at <= until
        )
    ).all()
    for row in rows:
        session.delete(row)
    for run in {row.run_id for row in rows}:
        drop_if_idle(session, run)


def end(session: Session, runner: Runner, now: datetime) -> None:
    """Write that a run has ended: it has told all its news."""
    session.execute(delete(NewsRow).where(NewsRow.run_id == runner.id))
    drop_if_idle(session, runner.id)
    row = session.get(RunRow, runner.id)
    if row is not None:
        row.ended_at = now


def take_over(session: Session, runner: Runner, scan: str, instances: Sequence[str]) -> list[NewsRow]:
    """Return the news of a trace that other runs made and did not live to tell; they are this run's from now on.

    It is the trace of a scan that is recorded already, or the one that has the instances: it may have grown.
    """
    found: dict[tuple[str, str], NewsRow] = {}
    for batch in in_batches(instances) if instances else [[]]:
        rows = session.scalars(
            select(NewsRow)
            .where(
                NewsRow.run_id != runner.id,
                or_(NewsRow.scan_id == scan, NewsRow.instance.in_(batch)),
            )
            .order_by(NewsRow.instance, NewsRow.why)
        )
        found |= {(r.instance, r.why): r for r in rows}
    if found:
        there(session, runner)
    for row in found.values():
        row.run_id = runner.id
    return list(found.values())
