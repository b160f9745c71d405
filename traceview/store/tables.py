"""The tables of the findings store, in SQLite and PostgreSQL alike. `migrations` makes them; a test compares."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, ForeignKey, Index, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

__all__ = [
    "Base",
    "FindingRow",
    "HistoryRow",
    "IdentityRow",
    "LetterRow",
    "LinkRow",
    "NewsRow",
    "OccurrenceRow",
    "RuleRow",
    "RunRow",
    "ScanRow",
    "UtcTime",
]


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no zone, PostgreSQL gives times in the session's: here both give UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return what the database is given; a time without zone raises ValueError."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time of the store needs its zone: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return what the database gave, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables share: how their constraints are called, and what Python's types are in the database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy's own name for it, read once)
        str: Text(),
        datetime: UtcTime(),
    }


class RunRow(Base):
    """One run of a scanner over some traces; `ended_at` is None while it goes on, and for ever if it was killed."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ScanRow(Base):
    """One trace that was scanned. `key` is None for a scan that was begun and not recorded."""

    __tablename__ = "scans"
    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    key: Mapped[str | None] = mapped_column(unique=True)
    trace: Mapped[str]
    digest: Mapped[str] = mapped_column(index=True)
    format: Mapped[str]
    host: Mapped[str]
    vm: Mapped[str]
    qemu: Mapped[str]
    since: Mapped[str | None]
    until: Mapped[str | None]
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    traceview: Mapped[str]
    events: Mapped[int] = mapped_column(BigInteger)
    other_lines: Mapped[int] = mapped_column(BigInteger)
    gaps: Mapped[int] = mapped_column(BigInteger)
    inconclusive: Mapped[bool]
    command_line: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class RuleRow(Base):
    """What one rule came to in a scan; `position` is its place in the note."""

    __tablename__ = "scan_rules"
    scan_id: Mapped[str] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rule: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    windows: Mapped[int] = mapped_column(BigInteger)
    violated: Mapped[int] = mapped_column(BigInteger)
    guarded: Mapped[int] = mapped_column(BigInteger)
    clean: Mapped[int] = mapped_column(BigInteger)
    inconclusive: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]


class FindingRow(Base):
    """A finding. One that was merged keeps all that is its own; `merged_into` is one that is not merged itself."""

    __tablename__ = "findings"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    group_key: Mapped[str]
    rule: Mapped[str] = mapped_column(index=True)
    rule_version: Mapped[int]
    title: Mapped[str]
    label: Mapped[str]
    device_kind: Mapped[str]
    shape: Mapped[str]
    state: Mapped[str]
    fixed_in: Mapped[str]
    reason: Mapped[str]
    until: Mapped[date | None]
    decided_at: Mapped[datetime]
    """When the state was last set, by a person or by a scan."""
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("findings.id"), index=True)


class IdentityRow(Base):
    """A key under which a finding is known; findings have several where algorithms changed."""

    __tablename__ = "identities"
    identity: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"), index=True)


class OccurrenceRow(Base):
    """One happening of a finding in one trace."""

    __tablename__ = "occurrences"
    instance: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"))
    scan_id: Mapped[str] = mapped_column(ForeignKey("scans.id"), index=True)
    severity: Mapped[str]
    certain: Mapped[bool]
    seen_at: Mapped[datetime]
    lost_bytes: Mapped[int] = mapped_column(BigInteger)
    suppressed: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    interleaving: Mapped[str]
    __table_args__ = (Index(None, "finding_id", "severity"),)


class HistoryRow(Base):
    """Something that happened to a finding."""

    __tablename__ = "history"
    id: Mapped[int] = mapped_column(primary_key=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"), index=True)
    at: Mapped[datetime]
    who: Mapped[str]
    what: Mapped[str]
    text: Mapped[str]


class LinkRow(Base):
    """A page that tells more of a finding."""

    __tablename__ = "links"
    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"), primary_key=True)
    url: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class NewsRow(Base):
    """News that a run made and may not have told yet: it is gone when the run ends."""

    __tablename__ = "news"
    instance: Mapped[str] = mapped_column(ForeignKey("occurrences.instance"), primary_key=True)
    why: Mapped[str] = mapped_column(primary_key=True)
    scan_id: Mapped[str] = mapped_column(ForeignKey("scans.id"), index=True)
    """The scan that made it news, which may be a later one than the occurrence's."""
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)


class LetterRow(Base):
    """News on its way to a URL. While `claimed_until` has not come, somebody is trying to deliver it."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    payload: Mapped[str]
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    next_try_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]
    last_error: Mapped[str]
    delivered_at: Mapped[datetime | None] = mapped_column(index=True)
