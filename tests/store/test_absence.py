"""Whether a finding stays away: how much evidence there is, and how much it takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.notes import Clock, judged, scan, seen
from traceview.store import Absence, Store, TriageState
from traceview.store.absence import figures, windows_needed

KNOWN, FIXED = TriageState.KNOWN, TriageState.FIXED


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_windows_needed_are_the_fewest_that_make_it_95_percent_sure(a: int, b: int) -> None:
    seen_in, windows = sorted([a, b])
    needed = windows_needed(seen_in, windows)
    missed = 1 - seen_in / windows
    assert missed**needed <= 0.05 * (1 + 1e-9)
    assert needed == 1 or missed ** (needed - 1) > 0.05 * (1 - 1e-9)


@pytest.mark.parametrize(
    ("seen_in", "windows", "needed"), [(1, 1, 1), (1, 2, 5), (1, 10, 29), (5, 10, 5), (1, 1000, 2995), (9, 3, 1)]
)
def test_what_is_rarer_needs_more_windows(seen_in: int, windows: int, needed: int) -> None:
    assert windows_needed(seen_in, windows) == needed


def test_where_nothing_is_known_of_how_often_one_window_is_needed() -> None:
    assert windows_needed(0, 0) == windows_needed(0, 100) == windows_needed(3, 0) == 1


def old(store: Store, **of_finding: Any) -> None:
    """Have a finding that was seen in one of ten windows of 2.4."""
    scan(store, seen(**of_finding), trace="old", release="2.4", rules=(judged(windows=10, violated=1),))


def known(store: Store, fixed_in: str = "2.6") -> None:
    old(store)
    store.set_state(1, KNOWN, fixed_in=fixed_in)


def test_windows_count_where_the_release_surely_has_the_fix(store: Store) -> None:
    known(store, "2.6.0")
    assert store.absence(1) == Absence("2.6.0", 0, 0, 29, 0, enough=False)
    for trace, release in [("a", "2.6.0"), ("b", "2.7"), ("c", "2.5"), ("d", "2.6"), ("e", "2.6.0-rc5")]:
        scan(store, trace=trace, release=release, rules=(judged(windows=10),))
    scan(store, trace="f", since=None, until="9.0", rules=(judged(windows=10),))
    absence = store.absence(1)
    assert (absence.scans, absence.windows) == (2, 20)
    assert absence.needed == windows_needed(1, 10 + 4 * 10), "the others tell how often it is seen"


def test_windows_without_a_verdict_and_of_other_rules_show_nothing(store: Store) -> None:
    known(store)
    rules = (judged(windows=9, inconclusive=9), judged("another-rule", windows=50))
    scan(store, trace="a", release="2.6", rules=rules)
    scan(store, trace="b", release="2.6", rules=(judged(windows=0),))
    scan(store, trace="c", release="2.6", rules=(judged(windows=50, version=2),))
    scan(store, trace="d", release="2.6", rules=(judged(windows=9, inconclusive=4),))
    absence = store.absence(1)
    assert (absence.scans, absence.windows) == (1, 5)


def test_a_trace_that_is_scanned_again_shows_nothing_more(store: Store) -> None:
    known(store)
    for events in (1000, 2000, 3000):
        scan(store, trace="a", release="2.6", events=events, rules=(judged(windows=events // 500),))
    absence = store.absence(1)
    assert (absence.scans, absence.windows) == (1, 6)


def test_one_that_is_seen_with_the_fix_is_not_gone_however_many_windows_there_are(store: Store) -> None:
    old(store)
    scan(store, seen(place=2, suppressed="a lab machine"), trace="a", release="2.6")
    store.set_state(1, KNOWN, fixed_in="2.6")
    scan(store, trace="b", release="2.6", rules=(judged(windows=10**6),))
    absence = store.absence(1)
    assert (absence.seen_again, absence.enough, absence.needed) == (1, False, 29)
    assert store.finding("1").state is KNOWN


def test_that_a_trace_is_of_a_release_with_the_fix_may_be_known_later(store: Store) -> None:
    scan(store, seen(), trace="a", since=None, until=None)
    store.set_state(1, KNOWN, fixed_in="2.6")
    scan(store, seen(), trace="a", release="2.6", options={"qemu": "2.6"}, rules=(judged(windows=1000, violated=1),))
    assert store.absence(1).seen_again == 1
    assert store.finding("1").state is KNOWN


def test_a_finding_without_a_fix_is_not_absent(store: Store) -> None:
    old(store)
    assert store.absence(1) == Absence("", 0, 0, 29, 0, enough=False)


def test_a_merged_finding_counts_with_what_was_seen_of_both(store: Store) -> None:
    known(store)
    scan(store, seen("b"), trace="b", release="2.6")
    store.merge(2, 1)
    assert store.absence(1).seen_again == 1
    assert store.absence(2) == store.absence(1)


def test_a_known_finding_becomes_fixed_when_scans_have_shown_enough(store: Store, clock: Clock) -> None:
    known(store)
    for trace in ("a", "b"):
        scan(store, trace=trace, release="2.6", rules=(judged(windows=14),))
        assert store.finding("1").state is KNOWN
    clock.pass_by(days=1)
    assert scan(store, trace="c", release="2.7", rules=(judged(windows=1),)) == []
    finding = store.finding("1")
    assert (finding.state, finding.fixed_in) == (FIXED, "2.6")
    entry = store.history(1)[-1]
    assert (entry.at, entry.who, entry.what) == (clock.now, "scan", "state")
    assert entry.text == (
        "known → fixed in 2.6: 29 of 29 windows needed, in 3 traces of releases with the fix; not seen there"
    )


@pytest.mark.parametrize(
    "of_scan",
    [
        {"release": "2.5", "rules": (judged(windows=1000),)},
        {"since": None, "until": None, "rules": (judged(windows=1000),)},
        {"release": "2.6", "rules": (judged(windows=0), judged("another-rule", windows=1000))},
    ],
    ids=["an older release", "an unknown release", "another rule"],
)
def test_scans_that_show_nothing_leave_it_known(store: Store, of_scan: dict[str, Any]) -> None:
    known(store)
    scan(store, trace="a", **of_scan)
    assert store.finding("1").state is KNOWN


@pytest.mark.parametrize("state", [TriageState.NEW, TriageState.CONFIRMED, KNOWN])
def test_only_what_is_known_to_be_fixed_becomes_fixed_by_itself(store: Store, state: TriageState) -> None:
    old(store)
    store.set_state(1, state)
    scan(store, trace="a", release="2.6", rules=(judged(windows=1000),))
    assert store.finding("1").state is state


def test_a_finding_of_which_enough_was_shown_before_waits_for_a_scan_that_shows_more(store: Store) -> None:
    old(store)
    scan(store, trace="a", release="2.6", rules=(judged(windows=1000),))
    store.set_state(1, KNOWN, fixed_in="2.6")
    scan(store, trace="b", release="2.4")
    scan(store, trace="c", release="2.6", rules=(judged("another-rule"),))
    assert store.finding("1").state is KNOWN
    scan(store, trace="d", release="2.6", rules=(judged(windows=1),))
    assert store.finding("1").state is FIXED


def test_the_figures_in_words() -> None:
    assert figures(Absence("2.6", 1, 5, 29, 1, enough=False)) == (
        "5 of 29 windows needed, in 1 trace of releases with the fix; seen once there"
    )
    assert figures(Absence("2.6", 2, 5, 29, 3, enough=False)).endswith(
        "in 2 traces of releases with the fix; seen 3 times there"
    )
