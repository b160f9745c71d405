"""The findings of a store as plain data for machines: the list, all of one, the figures of the whole store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from traceview.report.triage import Shown
from traceview.store.model import StoredFinding, StoredOccurrence, StoredScan, StoreStats
from traceview.store.texts import plain

__all__ = ["SCHEMA_VERSION", "list_document", "show_document", "stats_document"]

SCHEMA_VERSION = 1


def list_document(findings: Sequence[StoredFinding], hidden: Mapping[str, int]) -> dict[str, Any]:
    """Return the listed findings, and the numbers of those that are left out on purpose, by why."""
    return {
        "schema_version": SCHEMA_VERSION,
        "findings": [plain(asdict(f)) for f in findings],
        "hidden": dict(hidden),
    }


def show_document(shown: Shown, occurrences: Sequence[StoredOccurrence]) -> dict[str, Any]:
    """Return all of one finding, with the given of its occurrences, the worst one first."""
    return {
        "schema_version": SCHEMA_VERSION,
        "finding": plain(asdict(shown.finding)),
        "absence": plain(asdict(shown.absence)) if shown.absence is not None else None,
        "occurrences": [_occurrence(o) for o in occurrences],
        "history": [plain(asdict(h)) for h in shown.history],
    }


def stats_document(stats: StoreStats) -> dict[str, Any]:
    """Return the figures of a whole store."""
    return {
        "schema_version": SCHEMA_VERSION,
        "findings": sum(stats.by_state.values()),
        "occurrences": stats.occurrences,
        "scans": stats.scans,
        "by_state": stats.by_state,
        "by_rule": stats.by_rule,
        "by_vm": stats.by_vm,
        "by_host": stats.by_host,
        "by_release": {
            release: {"windows": windows, "violated": violated}
            for release, (windows, violated) in stats.by_release.items()
        },
        "unfinished": [_scan(s) for s in stats.unfinished],
        "outbox_pending": stats.outbox_pending,
    }


def _occurrence(occurrence: StoredOccurrence) -> dict[str, Any]:
    document: dict[str, Any] = plain(asdict(occurrence))
    document["scan"] = _scan(occurrence.scan)
    return document


def _scan(scan: StoredScan) -> dict[str, Any]:
    document: dict[str, Any] = plain(asdict(scan))
    del document["note"]["rules"]  # what a scan judged is told by the figures of the store, not with each occurrence
    return document
