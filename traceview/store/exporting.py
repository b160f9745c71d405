"""A store as plain data, for another store, a backup or a program: ordered, so that two exports can be compared.

::

    {"schema_version": 1,
     "runs": [{"id", "host", "started_at", "ended_at"}],
     "scans": [{"id", "run", "started_at", "finished_at", "key", …, "rules": [{"rule", "version", "windows", …}]}],
     "findings": [{"id", "identities", "group", …, "state", "fixed_in", "reason", "until", "decided_at", "merged_into",
                   "links": [{"url", "at"}], "history": [{"at", "who", "what", "text"}],
                   "occurrences": [{"instance", "scan", "severity", …, "document", "interleaving"}]}]}

The outbox is left out: its URLs may have passwords, and only one store may send a letter.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import exists, inspect, select
from sqlalchemy.orm import Session

from traceview.store.family import algorithm
from traceview.store.tables import (
    Base,
    FindingRow,
    HistoryRow,
    IdentityRow,
    LinkRow,
    OccurrenceRow,
    RuleRow,
    RunRow,
    ScanRow,
)
from traceview.store.texts import plain

__all__ = ["EXPORT_VERSION", "export"]

EXPORT_VERSION = 1

_Parts = defaultdict[Any, list[dict[str, Any]]]


def export(session: Session) -> dict[str, Any]:
    """Return the whole store."""
    return {
        "schema_version": EXPORT_VERSION,
        "runs": [
            _columns(row)
            for row in session.scalars(
                select(RunRow)
                .where(exists().where(ScanRow.run_id == RunRow.id))  # others have nothing but news to tell
                .order_by(RunRow.started_at, RunRow.id)
            )
        ],
        "scans": _scans(session),
        "findings": _findings(session),
    }


def _columns(row: Base, *without: str) -> dict[str, Any]:
    """Return what a row has, in the order of the table."""
    names = [c.key for c in inspect(type(row)).column_attrs]
    return {name: plain(getattr(row, name)) for name in names if name not in without}


def _scans(session: Session) -> list[dict[str, Any]]:
    rules = _Parts(list)
    for rule in session.scalars(select(RuleRow).order_by(RuleRow.scan_id, RuleRow.position)):
        rules[rule.scan_id].append(_columns(rule, "scan_id", "position"))
    return [
        {"id": row.id, "run": row.run_id, **_columns(row, "id", "run_id"), "rules": rules[row.id]}
        for row in session.scalars(select(ScanRow).order_by(ScanRow.started_at, ScanRow.id))
    ]


def _findings(session: Session) -> list[dict[str, Any]]:
    identities: dict[int, list[str]] = defaultdict(list)
    for known in session.scalars(select(IdentityRow)):
        identities[known.finding_id].append(known.identity)
    links, history, occurrences = _Parts(list), _Parts(list), _Parts(list)
    for link in session.scalars(select(LinkRow).order_by(LinkRow.at, LinkRow.url)):
        links[link.finding_id].append(_columns(link, "finding_id"))
    for entry in session.scalars(select(HistoryRow).order_by(HistoryRow.at, HistoryRow.id)):
        history[entry.finding_id].append(_columns(entry, "id", "finding_id"))
    for seen in session.scalars(select(OccurrenceRow).order_by(OccurrenceRow.seen_at, OccurrenceRow.instance)):
        occurrences[seen.finding_id].append(
            {"instance": seen.instance, "scan": seen.scan_id, **_columns(seen, "instance", "finding_id", "scan_id")}
        )
    return [
        {
            "id": row.id,
            "identities": sorted(identities[row.id], key=lambda identity: (-algorithm(identity), identity)),
            "group": row.group_key,
            **_columns(row, "id", "group_key"),
            "links": links[row.id],
            "history": history[row.id],
            "occurrences": occurrences[row.id],
        }
        for row in session.scalars(select(FindingRow).order_by(FindingRow.id))
    ]
