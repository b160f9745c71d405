"""The store for machines: everything, in plain JSON, in an order that stays."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date
from typing import Any

from tests.report.stored import entry, finding, occurrence, scan, stats
from traceview.report.triage import Shown
from traceview.report.triage_json import list_document, show_document, stats_document
from traceview.store.model import Absence, StoredFinding, StoreStats, TriageState


def through_json(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as a reader gets it: of pure ASCII, and the same."""
    text = json.dumps(document)
    assert text.isascii()
    read: dict[str, Any] = json.loads(text)
    assert read == document
    return read


def test_a_list_has_every_field_of_each_finding_and_what_is_hidden() -> None:
    document = through_json(list_document([finding(until=date(2027, 1, 31))], {"ignored": 2}))
    assert (document["schema_version"], document["hidden"]) == (1, {"ignored": 2})
    (found,) = document["findings"]
    assert set(found) == {f.name for f in fields(StoredFinding)}
    assert (found["state"], found["first_seen"], found["until"]) == ("new", "2026-11-20T03:12:00Z", "2027-01-31")
    assert found["vms"] == ["vm1", "vm2"]


def test_all_of_a_finding_has_its_occurrences_its_history_and_the_evidence_for_a_fix() -> None:
    absence = Absence("4.2.0", 3, 12, 45, 0, enough=False)
    shown = Shown(finding(state=TriageState.KNOWN), occurrence(), [entry()], absence)
    document = through_json(show_document(shown, [occurrence(), occurrence(interleaving="")]))
    assert document["finding"]["state"] == "known"
    assert document["absence"]["needed"] == 45
    assert document["history"][0]["text"] == "the customer was told"
    first, second = document["occurrences"]
    assert first["document"] == occurrence().document
    assert (first["scan"]["note"]["vm"], first["scan"]["finished_at"]) == ("vm1", "2026-11-28T03:10:30Z")
    assert "rules" not in first["scan"]["note"]
    assert second["interleaving"] == ""


def test_without_a_fix_there_is_no_evidence_for_one() -> None:
    assert show_document(Shown(finding(), occurrence(), [], None), [])["absence"] is None


def test_the_figures_are_all_there() -> None:
    document = through_json(stats_document(stats(unfinished=(scan(finished_at=None),))))
    assert set(document) == {f.name for f in fields(StoreStats)} | {"schema_version", "findings"}
    assert document["findings"] == 3
    assert document["by_release"]["2.6"] == {"windows": 1200, "violated": 3}
    assert document["unfinished"][0]["finished_at"] is None
