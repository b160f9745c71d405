"""How much of what is in a store."""

from __future__ import annotations

from tests.store.notes import BROKEN, Clock, judged, note, scan, seen
from traceview.store import Store, StoreStats, TriageState


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert store.stats() == StoreStats({}, {}, {}, {}, {}, 0, (), 0, 0)


def test_findings_are_counted_by_what_they_are_and_where(store: Store, clock: Clock) -> None:
    scan(store, seen("a"), seen("a", 2), seen("b", severity=BROKEN), trace="one", vm="web", host="hv1")
    scan(store, seen("c", rule="another-rule"), seen("a", 3), trace="two", vm="db", host="hv1")
    scan(store, seen("d"), trace="three", vm="", host="")
    store.set_state(1, TriageState.CONFIRMED)
    store.merge(2, 1)
    stats = store.stats()
    assert stats.by_state == {"new": 2, "confirmed": 1}
    assert list(stats.by_rule.items()) == [("mirror-exit-guest-io", 2), ("another-rule", 1)]
    assert stats.by_vm == {"db": 2, "web": 1, "": 1}
    assert stats.by_host == {"hv1": 2, "": 1}
    assert (stats.scans, stats.occurrences) == (3, 6)


def test_windows_are_counted_by_release_and_a_trace_once(store: Store) -> None:
    scan(
        store, trace="a", release="2.10", rules=(judged(windows=10, violated=2), judged("b", windows=5, inconclusive=5))
    )
    scan(store, trace="a", release="2.10", events=2000, rules=(judged(windows=12, violated=3), judged("b", windows=0)))
    scan(store, trace="b", release="2.10", rules=(judged(windows=1, violated=1),))
    scan(store, trace="c", release="2.9", rules=(judged(windows=4, inconclusive=1),))
    scan(store, trace="d", since=None, until=None, rules=(judged(windows=7),))
    stats = store.stats()
    assert list(stats.by_release.items()) == [("2.9", (3, 0)), ("2.10", (13, 4)), ("", (7, 0))]
    assert stats.scans == 5


def test_what_is_not_finished_and_what_is_not_delivered_is_told(store: Store) -> None:
    run = store.run(host="hv1", webhooks=["https://chat.example/"])
    run.begin("/logs/other", "digest", {})
    run.record(note(), [seen()])
    stats = store.stats()
    assert [s.note.trace for s in stats.unfinished] == ["/logs/other"]
    assert (stats.scans, stats.outbox_pending) == (1, 1)
    (letter,) = store.due(limit=1)
    store.delivered(letter)
    assert store.stats().outbox_pending == 0
