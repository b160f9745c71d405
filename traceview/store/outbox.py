"""News on its way to those who asked for it by URL: written with what it tells of, kept until it is delivered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from traceview.store.model import Letter, News
from traceview.store.tables import LetterRow
from traceview.store.texts import plain, storable

__all__ = ["CLAIM", "delivered", "due", "failed", "hurry", "pending", "put"]

SCHEMA_VERSION = 1
CLAIM = timedelta(minutes=5)
"""For how long nobody else is given a letter that somebody is trying to deliver."""
_NAMESPACE = uuid.UUID("5b3c8e0a-3f5c-5d0e-9a0b-6f1d2c7a9e41")


def put(session: Session, news: Sequence[News], urls: Sequence[str], now: datetime) -> None:
    """Write a letter for each news and URL, unless it was written before: by a run that was killed before it told."""
    for one in news:
        for url in dict.fromkeys(urls):
            name = f"{one.occurrence.instance}\n{one.why}\n{url}"
            letter = str(uuid.uuid5(_NAMESPACE, name))
            if session.get(LetterRow, letter) is None:
                session.add(
                    LetterRow(
                        id=letter,
                        url=url,
                        payload=json.dumps(_payload(letter, one, now), ensure_ascii=False),
                        created_at=now,
                        attempts=0,
                        next_try_at=now,
                        claimed_until=None,
                        last_error="",
                        delivered_at=None,
                    )
                )


def _payload(letter: str, news: News, now: datetime) -> dict[str, Any]:
    occurrence, note = news.occurrence, news.occurrence.scan.note
    return {
        "schema_version": SCHEMA_VERSION,
        "type": f"finding.{news.why}",
        "id": letter,
        "timestamp": plain(now),
        "finding": plain(asdict(news.finding)),
        "occurrence": {
            "instance": occurrence.instance,
            "severity": occurrence.severity,
            "certain": occurrence.certain,
            "lost_bytes": occurrence.lost_bytes,
            "document": occurrence.document,
            "interleaving": occurrence.interleaving,
        },
        "scan": {"trace": note.trace, "host": note.host, "vm": note.vm, "qemu": note.qemu, "format": note.format},
    }


def due(session: Session, limit: int, now: datetime) -> list[Letter]:
    """Claim letters whose time has come, those that wait longest first, and return them."""
    free = or_(LetterRow.claimed_until.is_(None), LetterRow.claimed_until <= now)
    rows = session.scalars(
        select(LetterRow)
        .where(LetterRow.delivered_at.is_(None), LetterRow.next_try_at <= now, free)
        .order_by(LetterRow.next_try_at, LetterRow.created_at, LetterRow.id)
        .limit(limit)
    ).all()
    for row in rows:
        row.claimed_until = now + CLAIM
    return [_letter(r) for r in rows]


def hurry(session: Session, now: datetime) -> None:
    """Let the time of all letters come that have not arrived."""
    waiting = LetterRow.delivered_at.is_(None), LetterRow.next_try_at > now
    session.execute(update(LetterRow).where(*waiting).values(next_try_at=now))


def delivered(session: Session, letter: str, now: datetime) -> None:
    """Note that a letter has arrived."""
    session.execute(
        update(LetterRow)
        .where(LetterRow.id == letter, LetterRow.delivered_at.is_(None))
        .values(delivered_at=now, claimed_until=None, attempts=LetterRow.attempts + 1, last_error="")
    )


def failed(session: Session, letter: str, error: str, next_try: datetime) -> None:
    """Note that a letter was not accepted, why, and when it is to be tried again."""
    session.execute(
        update(LetterRow)
        .where(LetterRow.id == letter, LetterRow.delivered_at.is_(None))
        .values(next_try_at=next_try, claimed_until=None, attempts=LetterRow.attempts + 1, last_error=storable(error))
    )


def pending(session: Session) -> list[Letter]:
    """Return all letters that are not delivered, the oldest first."""
    rows = session.scalars(
        select(LetterRow).where(LetterRow.delivered_at.is_(None)).order_by(LetterRow.created_at, LetterRow.id)
    )
    return [_letter(r) for r in rows]


def _letter(row: LetterRow) -> Letter:
    return Letter(
        id=row.id,
        url=row.url,
        payload=row.payload,
        created_at=row.created_at,
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        last_error=row.last_error,
        delivered_at=row.delivered_at,
    )
