"""What one store exported, in another."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.store.conftest import NewPlace
from tests.store.notes import BROKEN, LOSS, Clock, note, scan, seen, whys
from tests.store.test_exporting import fill
from traceview.errors import StoreError
from traceview.store import Store, TriageState, open_store

NOTHING = dict.fromkeys(
    ("scans", "findings", "identities", "occurrences", "retold", "history", "links", "states", "merges"), 0
)


def test_what_is_added_is_counted(store: Store, other: Store, clock: Clock) -> None:
    fill(other, clock)
    assert store.import_(other.export()) == NOTHING | {
        "scans": 5, "findings": 4, "identities": 5, "occurrences": 5, "history": 11, "links": 2, "merges": 1,
    }  # fmt: skip


def test_importing_twice_changes_nothing(store: Store, other: Store, clock: Clock) -> None:
    scan(store, seen("a", 9), trace="own")
    fill(other, clock)
    document = other.export()
    assert store.import_(document) != NOTHING
    before = store.export()
    assert store.import_(document) == NOTHING
    assert store.export() == before


def test_a_store_has_nothing_to_add_to_itself(store: Store, clock: Clock) -> None:
    fill(store, clock)
    before = store.export()
    assert store.import_(before) == NOTHING
    assert store.export() == before


def test_it_does_not_matter_which_of_two_comes_first(
    store: Store, other: Store, new_sqlite: NewPlace, clock: Clock
) -> None:
    third = open_store(new_sqlite(), clock=clock)
    scan(other, seen("a"), seen("b"), trace="one")
    clock.pass_by(hours=1)
    scan(third, seen("a", 2), seen("c"), trace="two")
    clock.pass_by(hours=1)
    other.set_state(1, TriageState.CONFIRMED)
    clock.pass_by(hours=1)
    third.set_state(1, TriageState.KNOWN, fixed_in="2.7")
    store.import_(other.export())
    store.import_(third.export())
    third.import_(other.export())

    def without_ids(document: dict[str, Any]) -> list[dict[str, Any]]:
        findings = [{k: v for k, v in f.items() if k != "id"} for f in document["findings"]]
        return sorted(findings, key=lambda f: str(f["identities"]))

    assert without_ids(store.export()) == without_ids(third.export())
    assert store.export()["scans"] == third.export()["scans"]
    assert store.finding("1").occurrences == 2


def test_the_state_that_was_set_last_stays(store: Store, other: Store, clock: Clock) -> None:
    for each in (store, other):
        scan(each, seen())
    clock.pass_by(hours=1)
    other.set_state(1, TriageState.KNOWN, fixed_in="2.7", reason="reported", who="ann")
    older = other.export()
    assert store.import_(older) == NOTHING | {"states": 1, "history": 1}
    finding = store.finding("1")
    assert (finding.state, finding.fixed_in, finding.reason) == (TriageState.KNOWN, "2.7", "reported")
    assert store.history(1)[-1].who == "ann"
    clock.pass_by(hours=1)
    store.set_state(1, TriageState.CONFIRMED)
    assert store.import_(older) == NOTHING
    assert store.finding("1").state is TriageState.CONFIRMED


def test_two_equal_entries_of_a_history_are_two(store: Store, other: Store) -> None:
    scan(other, seen())
    other.note(1, "asked the list")
    store.import_(other.export())
    other.note(1, "asked the list")
    assert store.import_(other.export()) == NOTHING | {"history": 1}
    assert [h.what for h in store.history(1)] == ["seen", "note", "note"]


def test_numbers_stay_where_they_are_free(store: Store, other: Store) -> None:
    scan(store, seen("own"), trace="own")
    scan(other, seen("a"), seen("b"), trace="a")
    other.merge(2, 1)
    store.import_(other.export())
    assert [(f.id, f.identity) for f in store.findings(merged=True)] == [
        (1, seen("own").identities[0]),
        (2, seen("b").identities[0]),
        (3, seen("a").identities[0]),
    ], "number 1 was taken, and 2 was not given to another one"
    assert store.finding("2").id == 3
    assert scan(store, seen("c"), trace="c")[0].finding.id == 4


def test_a_finding_is_known_by_any_identity_or_by_what_happened(store: Store, other: Store) -> None:
    scan(store, seen("a", identities=("v1-a",)), seen("b", identities=("v1-b",)))
    scan(other, seen("a", 2, identities=("v2-a", "v1-a")), seen("b", identities=("v2-b",)), trace="other")
    assert store.import_(other.export()) == NOTHING | {"scans": 1, "identities": 2, "occurrences": 1, "history": 2}
    assert [f.identities for f in store.findings()] == [("v2-a", "v1-a"), ("v2-b", "v1-b")]


def test_what_the_other_store_merged_is_merged(store: Store, other: Store) -> None:
    for each in (store, other):
        scan(each, seen("a"), seen("b"), seen("c"))
    store.merge(3, 2)
    other.merge(2, 1)
    assert store.import_(other.export())["merges"] == 1
    assert [f.merged_into for f in store.findings(merged=True) if f.id > 1] == [1, 1]


def test_merges_that_contradict_each_other_make_no_circle(store: Store, other: Store) -> None:
    for each in (store, other):
        scan(each, seen("a"), seen("b"))
    store.merge(1, 2)
    other.merge(2, 1)
    assert store.import_(other.export())["merges"] == 0
    assert [f.id for f in store.findings()] == [2]


def test_an_occurrence_of_which_the_other_store_knows_more_is_told_by_it(store: Store, other: Store) -> None:
    scan(store, seen(severity=BROKEN))
    scan(other, seen(), events=2000)
    assert store.import_(other.export()) == NOTHING | {"scans": 1, "retold": 1, "history": 1}
    assert store.finding("1").severity == LOSS
    assert store.occurrences(1)[0].scan.note.events == 2000


def test_what_is_imported_is_no_news_here_and_is_known_from_then_on(store: Store, other: Store) -> None:
    scan(other, seen())
    store.import_(other.export())
    assert store.outbox() == []
    assert scan(store, seen(place=2), trace="b") == []
    assert whys(scan(store, seen("b"), trace="c")) == [("new", LOSS)]


def test_a_scan_that_was_unfinished_is_finished_when_the_document_says_so(store: Store, other: Store) -> None:
    run = other.run(host="hv1")
    run.begin("vm.log", note().digest, {})
    assert store.import_(other.export())["scans"] == 1
    assert len(store.stats().unfinished) == 1
    with run:
        run.record(note(), [seen()])
    store.import_(other.export())
    assert store.stats().unfinished == ()
    assert store.export() == other.export()


def test_a_scan_that_was_begun_before_the_trace_was_scanned_here_is_not_unfinished(
    store: Store, other: Store, clock: Clock
) -> None:
    other.run(host="hv1").begin("vm.log", note().digest, {})
    clock.pass_by(hours=1)
    scan(store, seen())
    assert store.import_(other.export()) == NOTHING
    assert store.stats().unfinished == ()


Change = Callable[[dict[str, Any]], None]


def put(value: Any, *path: str | int) -> Change:
    """Return what puts a value somewhere into a document."""

    def change(document: dict[str, Any]) -> None:
        inner: Any = document
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put(2, "schema_version"), "schema_version: expected 1, which is what this traceview exports, found 2"),
        (put(None, "findings"), "findings: expected a list, found None"),
        (put([3], "findings"), "findings[0]: expected an object, found 3"),
        (put("yesterday", "scans", 0, "started_at"), "scans[0].started_at: expected a time as 2026-01-31T12:00:00Z"),
        (put("2026-01-01T00:00:00", "scans", 0, "started_at"), "scans[0].started_at: expected a time"),
        (put("x", "scans", 0, "run"), "scans[0].run: expected the id of one of the runs, found 'x'"),
        (put(None, "scans", 0, "key"), "scans[0].key: expected a key for a scan that is finished"),
        (put("new", "scans", 0, "since"), "scans[0].since: expected a release as 7.2"),
        (put(-1, "scans", 0, "events"), "scans[0].events: expected a whole number"),
        (put(True, "scans", 0, "events"), "scans[0].events: expected a whole number"),
        (put(1 << 63, "scans", 0, "events"), "scans[0].events: expected a whole number"),
        (put(1, "scans", 0, "inconclusive"), "scans[0].inconclusive: expected true or false"),
        (put("x", "scans", 0, "options"), "scans[0].options: expected an object"),
        (put(1 << 40, "scans", 0, "rules", 0, "version"), "scans[0].rules[0].version: expected a whole number"),
        (put([], "findings", 0, "identities"), "findings[0].identities: expected one or more"),
        (put([1], "findings", 0, "identities"), "findings[0].identities: expected a list of texts"),
        (put([], "findings", 0, "occurrences"), "findings[0].occurrences: expected one or more"),
        (put("open", "findings", 0, "state"), "findings[0].state: expected new, confirmed, known, ignored, fixed, "),
        (put("soon", "findings", 0, "fixed_in"), "findings[0].fixed_in: expected a release"),
        (put("soon", "findings", 0, "until"), "findings[0].until: expected a day as 2026-01-31"),
        (put(1 << 40, "findings", 0, "id"), "findings[0].id: expected a whole number"),
        (put(77, "findings", 0, "merged_into"), "findings[0].merged_into: expected the id of one of the findings"),
        (put("x", "findings", 0, "occurrences", 0, "scan"), "occurrences[0].scan: expected the id of one of the scans"),
        (put("bad", "findings", 0, "occurrences", 0, "severity"), "occurrences[0].severity: expected data-loss or "),
        (put("z" * 99, "findings", 0, "occurrences", 0, "certain"), "found '" + "z" * 58 + "…"),
        (lambda d: d["findings"][0].pop("title"), "findings[0].title: expected a text, found nothing"),
    ],
)
def test_what_is_no_export_is_refused_with_the_place_and_nothing_is_added(
    store: Store, other: Store, change: Change, said: str
) -> None:
    scan(other, seen())
    document = copy.deepcopy(other.export())
    change(document)
    before = store.export()
    with pytest.raises(StoreError, match=re.escape(said)):
        store.import_(document)
    assert store.export() == before


@pytest.mark.parametrize("document", [None, [], "x", {}])
def test_what_is_no_document_is_refused(store: Store, document: Any) -> None:
    with pytest.raises(StoreError, match="expected"):
        store.import_(document)
