"""Which findings belong together: one that took others in, and those. Counts and histories are those of the family."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from traceview.errors import UnknownNameError
from traceview.store.tables import FindingRow, IdentityRow

__all__ = ["ROOT", "algorithm", "finding_row", "in_batches", "known_as", "members", "root_of"]

T = TypeVar("T")

ROOT = func.coalesce(FindingRow.merged_into, FindingRow.id)
"""The finding that a row's counts go to: the one that took it in, or itself."""
_MOST_VALUES = 500
"""How many values a question may have; SQLite takes some thousands, and a plan for each number of them is kept."""


def in_batches(values: Collection[T]) -> Iterator[list[T]]:
    """Yield the values in lists that are short enough for one question each."""
    left = iter(values)
    while batch := list(islice(left, _MOST_VALUES)):
        yield batch


def finding_row(session: Session, finding: int) -> FindingRow:
    """Return the row of a finding, merged or not; raises UnknownNameError."""
    row = session.get(FindingRow, finding)
    if row is None:
        raise UnknownNameError(f"finding #{finding} is not in the store (traceview triage list tells which are)")
    return row


def root_of(session: Session, row: FindingRow) -> FindingRow:
    """Return the finding that has taken another in, or that one itself."""
    return row if row.merged_into is None else finding_row(session, row.merged_into)


def members(session: Session, finding: int) -> list[int]:
    """Return the ids of a finding that is not merged and of those that were merged into it."""
    mine = or_(FindingRow.id == finding, FindingRow.merged_into == finding)
    return list(session.scalars(select(FindingRow.id).where(mine).order_by(FindingRow.id)))


def algorithm(identity: str) -> int:
    """Return the version of the algorithm that made a key, 0 if it does not say."""
    version, dash, _ = identity.removeprefix("v").partition("-")
    return int(version) if dash and version.isascii() and version.isdecimal() else 0


def known_as(session: Session, identities: Iterable[str]) -> int | None:
    """Return the id of the finding that is known under one of the identities, the first of them that is known."""
    for identity in identities:
        known = session.get(IdentityRow, identity)
        if known is not None:
            return known.finding_id
    return None
