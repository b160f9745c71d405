"""What is asked of a store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.notes import BROKEN, LOSS, Clock, judged, note, scan, seen
from traceview.errors import UnknownNameError
from traceview.store import Store, TriageState
from traceview.store.family import algorithm
from traceview.store.scans import release_name, release_order

EXIT, DRAIN = "mirror-exit-guest-io", "mirror-final-drain-guest-io"


@pytest.fixture
def full(store: Store, clock: Clock) -> Store:
    """A store with a finding in each state, the last of the list first."""
    bugs = [
        ("fixed", LOSS),
        ("ignored", LOSS),
        ("known", LOSS),
        ("confirmed", LOSS),
        ("broken", BROKEN),
        ("regressed", LOSS),
        ("new", LOSS),
    ]
    for bug, severity in bugs:
        clock.pass_by(hours=1)
        scan(store, seen(bug, severity=severity), trace=bug, release="2.4", rules=(judged(windows=1, violated=1),))
    scan(store, trace="after", release="2.6", rules=(judged(windows=100),))
    store.set_state(1, TriageState.FIXED, fixed_in="2.6")
    store.set_state(2, TriageState.IGNORED, reason="a lab machine")
    store.set_state(3, TriageState.KNOWN)
    store.set_state(4, TriageState.CONFIRMED)
    store.set_state(6, TriageState.KNOWN, fixed_in="2.7")
    scan(store, seen("regressed", 2), trace="regressed2", release="2.7", vm="db-1", host="hv2")
    return store


def test_what_somebody_has_to_look_at_stands_first(full: Store, clock: Clock) -> None:
    assert [f.id for f in full.findings()] == [6, 7, 5, 4, 3, 2, 1]
    clock.pass_by(hours=1)
    scan(full, seen("new", 2), trace="new2", release="2.4")
    assert [f.id for f in full.findings()][:3] == [7, 6, 5], "of one severity those seen last"


def test_of_one_moment_the_older_number_stands_first(store: Store) -> None:
    scan(store, seen("b"), seen("a"), seen("c"))
    assert [f.id for f in store.findings()] == [1, 2, 3]


def test_findings_are_filtered(full: Store, clock: Clock) -> None:
    scan(full, seen("drain", rule=DRAIN), trace="drain", vm="db-1")

    def ids(**filters: object) -> set[int]:
        return {f.id for f in full.findings(**filters)}  # type: ignore[arg-type]

    assert ids(states=[TriageState.NEW, TriageState.REGRESSED]) == {5, 6, 7, 8}
    assert ids(states=[]) == set()
    assert ids(rule=DRAIN) == ids(rule="*drain*") == {8}
    assert ids(rule="mirror-*") == set(range(1, 9))
    assert ids(vm="db-1") == {6, 8}
    assert ids(host="hv2") == {6}
    assert ids(severity=BROKEN) == {5}
    assert ids(since=clock.now) == {6, 7, 8}
    assert ids(since=clock.now + timedelta(seconds=1)) == set()
    assert ids(vm="db-1", states=[TriageState.NEW]) == {8}


def test_a_finding_is_meant_by_its_number_or_its_identity(store: Store) -> None:
    scan(store, seen("a", identities=("v1-abcdef01", "v1-aaaaaa")), seen("b", identities=("v1-abcdef02", "v1-0_0%00")))
    a, b = store.findings()
    for ref in ("1", "#1", "v1-abcdef01", "v1-aaaaaa", "v1-aaa"):
        assert store.finding(ref) == a
    assert store.finding("v1-0_0") == b


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("3", "#3 is not in the store"),
        ("#0", "#0 is not in the store"),
        ("99999999999999999999", "#99999999999999999999 is not in the store"),
        ("", "'' is no finding: expected its number, or 6 characters"),
        ("v1-ab", "'v1-ab' is no finding: expected its number, or 6 characters"),
        ("v1-abc", r"'v1-abc' may be any of 2 findings: #1 v1-abcdef01, #2 v1-abcdef02"),
        ("v1-ffff", "is the identity of no finding"),
        ("V1-ABCDEF01", "is the identity of no finding"),
        ("v1-_bcdef0", "is the identity of no finding"),
        ("v1-%%%%%%", "is the identity of no finding"),
        ("²", "'²' is no finding"),
    ],
)
def test_what_means_no_finding_or_several_is_refused(store: Store, ref: str, said: str) -> None:
    scan(store, seen("a", identities=("v1-abcdef01",)), seen("b", identities=("v1-abcdef02",)))
    with pytest.raises(UnknownNameError, match=said):
        store.finding(ref)


def test_a_beginning_of_several_identities_of_one_finding_means_it(store: Store) -> None:
    scan(store, seen(identities=("v1-abcdef01", "v1-abcdef02")))
    assert store.finding("v1-abcdef").id == 1


def test_occurrences_stand_the_worst_and_newest_first(store: Store, clock: Clock) -> None:
    for place, severity in enumerate([BROKEN, BROKEN, LOSS, LOSS, LOSS]):
        scan(store, seen(place=place, severity=severity), trace=str(place))
        clock.pass_by(hours=1)
    order = [seen(place=p).instance for p in (2, 4, 3, 0, 1)]
    assert [o.instance for o in store.occurrences(1)] == order, "2 and 0 have an interleaving"
    assert [o.instance for o in store.occurrences(1, limit=2)] == order[:2]


def test_scans_stand_the_newest_first_with_all_they_noted(store: Store, clock: Clock) -> None:
    notes = [note(t, release=t, rules=(judged("b", windows=3), judged("a", windows=0))) for t in ("2.4", "2.10")]
    with store.run(host="hv1") as run:
        for one in notes:
            run.record(one, [])
            clock.pass_by(hours=1)
    assert [s.note for s in store.scans()] == notes[::-1]
    assert [s.note for s in store.scans(limit=1)] == notes[1:]
    assert {s.run for s in store.scans()} == {run.id}


@pytest.mark.parametrize("kind", ["sqlite"])
def test_many_findings_are_asked_for_at_once(store: Store) -> None:
    many = 503
    news = scan(store, *(seen(f"bug {i}") for i in range(many)))
    assert len(news) == many
    assert len(store.findings()) == many
    assert [f.id for f in store.findings()] == list(range(1, many + 1))


@pytest.mark.parametrize(
    ("qemu", "since", "until", "name"),
    [
        ("2.6.0 (Debian)", "2.6", "2.6", "2.6.0 (Debian)"),
        ("", "2.6", "2.6", "2.6"),
        ("", "2.4", "2.6", "2.4 to 2.6"),
        ("", None, "2.6", "the first to 2.6"),
        ("", None, None, ""),
    ],
)
def test_how_a_release_is_called(qemu: str, since: str | None, until: str | None, name: str) -> None:
    assert release_name(qemu, since, until) == name


def test_releases_are_ordered_as_numbers() -> None:
    names = ["", "nightly", "2.10", "2.9", "2.9.1", "2.9.0-rc1", "10.0"]
    assert sorted(names, key=release_order) == ["2.9", "2.9.0-rc1", "2.9.1", "2.10", "10.0", "", "nightly"]


@pytest.mark.parametrize(
    ("identity", "version"),
    [("v1-ab", 1), ("v12-ab", 12), ("ab", 0), ("v-ab", 0), ("vx-ab", 0), ("v²-ab", 0), ("v1", 0)],
)
def test_the_version_of_an_identity(identity: str, version: int) -> None:
    assert algorithm(identity) == version
