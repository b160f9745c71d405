"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_table(
        "scans",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("vm", sa.Text(), nullable=False),
        sa.Column("qemu", sa.Text(), nullable=False),
        sa.Column("since", sa.Text()),
        sa.Column("until", sa.Text()),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("traceview", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("other_lines", sa.BigInteger(), nullable=False),
        sa.Column("gaps", sa.BigInteger(), nullable=False),
        sa.Column("inconclusive", sa.Boolean(), nullable=False),
        sa.Column("command_line", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_scans"),
        sa.UniqueConstraint("key", name="uq_scans_key"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_scans_run_id"),
    )
    op.create_index("ix_scans_run_id", "scans", ["run_id"])
    op.create_index("ix_scans_digest", "scans", ["digest"])
    op.create_table(
        "scan_rules",
        sa.Column("scan_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("violated", sa.BigInteger(), nullable=False),
        sa.Column("guarded", sa.BigInteger(), nullable=False),
        sa.Column("clean", sa.BigInteger(), nullable=False),
        sa.Column("inconclusive", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scan_id", "position", name="pk_scan_rules"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_scan_rules_scan_id"),
    )
    op.create_index("ix_scan_rules_rule", "scan_rules", ["rule"])
    op.create_table(
        "findings",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("device_kind", sa.Text(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fixed_in", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.Column("merged_into", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
        sa.ForeignKeyConstraint(["merged_into"], ["findings.id"], name="fk_findings_merged_into"),
    )
    op.create_index("ix_findings_rule", "findings", ["rule"])
    op.create_index("ix_findings_merged_into", "findings", ["merged_into"])
    op.create_table(
        "identities",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_identities"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_identities_finding_id"),
    )
    op.create_index("ix_identities_finding_id", "identities", ["finding_id"])
    op.create_table(
        "occurrences",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Integer(), nullable=False),
        sa.Column("scan_id", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("certain", sa.Boolean(), nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("lost_bytes", sa.BigInteger(), nullable=False),
        sa.Column("suppressed", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("interleaving", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("instance", name="pk_occurrences"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_occurrences_finding_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_occurrences_scan_id"),
    )
    op.create_index("ix_occurrences_scan_id", "occurrences", ["scan_id"])
    op.create_index("ix_occurrences_finding_id_severity", "occurrences", ["finding_id", "severity"])
    op.create_table(
        "history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("finding_id", sa.Integer(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_history"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_history_finding_id"),
    )
    op.create_index("ix_history_finding_id", "history", ["finding_id"])
    op.create_table(
        "links",
        sa.Column("finding_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("finding_id", "url", name="pk_links"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_links_finding_id"),
    )
    op.create_table(
        "news",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("scan_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "why", name="pk_news"),
        sa.ForeignKeyConstraint(["instance"], ["occurrences.instance"], name="fk_news_instance"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_news_scan_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_news_run_id"),
    )
    op.create_index("ix_news_scan_id", "news", ["scan_id"])
    op.create_index("ix_news_run_id", "news", ["run_id"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", _TIME, nullable=False),
        sa.Column("claimed_until", _TIME),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("delivered_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_delivered_at", "outbox", ["delivered_at"])
