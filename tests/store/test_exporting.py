"""A store as plain data."""

from __future__ import annotations

import json
from datetime import date

from tests.store.conftest import NewPlace
from tests.store.notes import BROKEN, Clock, judged, note, scan, seen
from traceview.store import Store, TriageState, open_store


def fill(store: Store, clock: Clock) -> None:
    """Put something of everything into a store."""
    scan(store, seen("a"), seen("a", 2, severity=BROKEN, certain=False), trace="a", release="2.4")
    clock.pass_by(hours=1, microseconds=7)
    odd = seen(
        "b", identities=("v2-b", "v1-b"), suppressed="a lab machine", document={"text": ["é\udcff\0", 1.5, None]}
    )
    scan(store, odd, trace="b\0", vm="", since=None, until=None, rules=(judged(), judged("z", windows=0)), gaps=2)
    clock.pass_by(hours=1)
    scan(store, seen("c"), trace="c", events=1 << 40)
    clock.pass_by(hours=1)
    store.note(1, "asked\nthe list", who="ann")
    store.note(1, "asked\nthe list", who="ann")
    store.link(1, "https://bugs.example/1")
    clock.pass_by(hours=1)
    store.link(1, "https://bugs.example/0")
    store.set_state(1, TriageState.KNOWN, fixed_in="2.6", reason="reported", who="bob")
    store.set_state(2, TriageState.IGNORED, reason="a lab machine", until=date(2026, 3, 31))
    clock.pass_by(hours=1)
    store.merge(3, 1)
    run = store.run(host="hv9", webhooks=["https://user:secret@chat.example/"])
    run.begin("/logs/begun", "begun", {"rules": ["all"]})
    run.record(note("untold"), [seen("d")])


def test_an_empty_store(store: Store) -> None:
    assert store.export() == {"schema_version": 1, "runs": [], "scans": [], "findings": []}


def test_it_has_all_that_is_known(store: Store, clock: Clock) -> None:
    fill(store, clock)
    document = store.export()
    a, b, c, d = document["findings"]
    assert (a["id"], a["state"], a["fixed_in"], a["reason"]) == (1, "known", "2.6", "reported")
    assert [link["url"] for link in a["links"]] == ["https://bugs.example/1", "https://bugs.example/0"]
    assert [h["what"] for h in a["history"]] == ["seen", "note", "note", "link", "link", "state"]
    assert sorted(o["severity"] for o in a["occurrences"]) == ["broken-promise", "data-loss"]
    assert (b["identities"], b["until"]) == (["v2-b", "v1-b"], "2026-03-31")
    assert b["occurrences"][0]["document"] == {"text": ["é\\xff\\x00", 1.5, None]}
    assert (c["merged_into"], d["state"]) == (1, "new")
    scans = {s["trace"].rpartition("/")[2]: s for s in document["scans"]}
    assert [r["rule"] for r in scans["b\\x00"]["rules"]] == ["mirror-exit-guest-io", "z"]
    assert scans["begun"]["finished_at"] is None
    assert {s["run"] for s in document["scans"]} == {r["id"] for r in document["runs"]}
    assert {o["scan"] for f in document["findings"] for o in f["occurrences"]} <= {s["id"] for s in document["scans"]}


def test_it_is_plain_data_without_the_urls_of_the_outbox(store: Store, clock: Clock) -> None:
    fill(store, clock)
    text = json.dumps(store.export(), allow_nan=False)
    assert json.loads(text) == store.export()
    assert "secret" not in text


def test_an_export_that_is_imported_into_an_empty_store_gives_an_equal_export(
    store: Store, new_place: NewPlace, clock: Clock
) -> None:
    fill(store, clock)
    document = json.loads(json.dumps(store.export()))
    other = open_store(new_place(), clock=clock)
    other.import_(document)
    assert json.dumps(other.export()) == json.dumps(store.export())


def test_an_export_of_sqlite_imported_into_postgresql_and_back_is_equal(
    new_sqlite: NewPlace, new_postgresql: NewPlace, clock: Clock
) -> None:
    first = open_store(new_sqlite(), clock=clock)
    fill(first, clock)
    team = open_store(new_postgresql())
    team.import_(first.export())
    assert json.dumps(team.export()) == json.dumps(first.export())
    assert team.findings(merged=True) == first.findings(merged=True)
    assert [team.history(i) for i in (1, 2, 3, 4)] == [first.history(i) for i in (1, 2, 3, 4)]
    back = open_store(new_sqlite())
    back.import_(team.export())
    assert json.dumps(back.export()) == json.dumps(first.export())
