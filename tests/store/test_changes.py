"""What people change of a finding."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.notes import BROKEN, LOSS, Clock, judged, key, scan, seen, whys
from traceview.errors import TriageError, UnknownNameError
from traceview.store import HistoryEntry, Store, TriageState

NEW, CONFIRMED, KNOWN = TriageState.NEW, TriageState.CONFIRMED, TriageState.KNOWN
IGNORED, FIXED = TriageState.IGNORED, TriageState.FIXED


def test_a_state_is_set_with_who_and_why(store: Store, clock: Clock) -> None:
    scan(store, seen())
    clock.pass_by(hours=3)
    until = clock.now.date() + timedelta(days=30)
    finding = store.set_state(1, IGNORED, reason="a lab machine", until=until, who="ann")
    assert finding == store.finding("1")
    assert (finding.state, finding.reason, finding.until) == (IGNORED, "a lab machine", until)
    assert store.history(1)[-1] == HistoryEntry(
        clock.now, "ann", "state", f"new → ignored until {until}: a lab machine"
    )
    finding = store.set_state(1, KNOWN, fixed_in="v7.2.22 (Debian)", who="bob")
    assert (finding.state, finding.fixed_in, finding.reason, finding.until) == (KNOWN, "7.2.22", "", None)
    assert store.history(1)[-1].text == "ignored → known, fixed in 7.2.22"


def test_setting_what_is_set_changes_nothing(store: Store, clock: Clock) -> None:
    scan(store, seen())
    store.set_state(1, KNOWN, fixed_in="7.2", reason="reported")
    before = store.export()
    clock.pass_by(hours=1)
    store.set_state(1, KNOWN, fixed_in="7.2", reason="reported")
    assert store.export() == before
    store.set_state(1, KNOWN, fixed_in="7.2", reason="reported twice")
    assert store.finding("1").reason == "reported twice"


def test_what_is_refused_changes_nothing(store: Store) -> None:
    scan(store, seen())
    before = store.export()
    with pytest.raises(TriageError, match="a scan makes"):
        store.set_state(1, TriageState.REGRESSED)
    with pytest.raises(TriageError, match="reason"):
        store.set_state(1, IGNORED)
    assert store.export() == before


def test_fixed_needs_evidence_and_is_told_what_is_missing(store: Store) -> None:
    scan(store, seen(), trace="old", release="2.4", rules=(judged(windows=10, violated=1),))
    scan(store, trace="new", release="2.6", rules=(judged(windows=28),))
    with pytest.raises(TriageError, match=r"28 of 29 windows needed, in 1 trace of releases with the fix; not seen"):
        store.set_state(1, FIXED, fixed_in="2.6")
    assert store.finding("1").state is NEW
    scan(store, trace="newer", release="2.7", rules=(judged(windows=1),))
    assert store.set_state(1, FIXED, fixed_in="2.6", reason="checked", who="ann").state is FIXED
    assert store.history(1)[-1].text == (
        "new → fixed in 2.6: checked; 29 of 29 windows needed, in 2 traces of releases with the fix; not seen there"
    )


def test_fixed_takes_the_release_that_the_finding_was_known_to_be_fixed_in(store: Store) -> None:
    scan(store, seen(), trace="old", release="2.4", rules=(judged(windows=1, violated=1),))
    scan(store, trace="new", release="2.6")
    with pytest.raises(TriageError, match="needs the first release"):
        store.set_state(1, FIXED)
    store.set_state(1, KNOWN, fixed_in="2.6")
    assert store.set_state(1, FIXED).fixed_in == "2.6"


def test_a_finding_that_was_seen_with_the_fix_is_not_fixed(store: Store) -> None:
    scan(store, seen(), trace="new", release="2.6", rules=(judged(windows=1, violated=1),))
    scan(store, trace="newer", release="2.7", rules=(judged(windows=1000),))
    with pytest.raises(TriageError, match="seen once there; name a later release"):
        store.set_state(1, FIXED, fixed_in="2.6")


def test_notes_are_kept_in_the_history(store: Store, clock: Clock) -> None:
    scan(store, seen())
    store.note(1, "  asked the list\nno answer yet ", who="ann")
    assert store.history(1)[-1] == HistoryEntry(clock.now, "ann", "note", "asked the list\nno answer yet")
    with pytest.raises(TriageError, match="needs a text"):
        store.note(1, " \n")


def test_links_are_kept_once_in_the_order_in_which_they_came(store: Store, clock: Clock) -> None:
    scan(store, seen())
    for url in (
        "https://gitlab.example/qemu/-/issues/9",
        "https://bugs.example/1570134",
        "https://bugs.example/1570134",
    ):
        clock.pass_by(seconds=1)
        store.link(1, url, who="ann")
    assert store.finding("1").links == ("https://gitlab.example/qemu/-/issues/9", "https://bugs.example/1570134")
    assert [h.what for h in store.history(1)] == ["seen", "link", "link"]


@pytest.mark.parametrize(
    "url",
    ["", "gitlab", "javascript:alert(1)", "file:///etc/passwd", "https://", "https://a b", "http://x/" + "y" * 2000],
)
def test_what_is_no_web_page_is_no_link(store: Store, url: str) -> None:
    scan(store, seen())
    with pytest.raises(TriageError, match="is no link"):
        store.link(1, url)
    assert store.finding("1").links == ()


def test_a_finding_that_is_not_there_cannot_be_changed(store: Store) -> None:
    for change in (
        lambda: store.set_state(7, CONFIRMED),
        lambda: store.note(7, "x"),
        lambda: store.link(7, "https://a.example/"),
        lambda: store.merge(7, 8),
        lambda: store.absence(7),
        lambda: store.history(7),
        lambda: store.occurrences(7),
    ):
        with pytest.raises(UnknownNameError, match="finding #7 is not in the store"):
            change()


def two(store: Store, clock: Clock) -> None:
    """Have two findings of one rule."""
    scan(store, seen("a", severity=BROKEN, lost_bytes=1, certain=False), trace="a", vm="va", release="2.4")
    clock.pass_by(days=1)
    scan(store, seen("b"), seen("b", 2), trace="b", vm="vb", release="2.6")
    store.link(2, "https://bugs.example/2")


def test_a_merged_finding_gives_all_it_has_to_the_other(store: Store, clock: Clock) -> None:
    two(store, clock)
    store.set_state(1, CONFIRMED)
    clock.pass_by(days=1)
    one = store.merge(2, 1, who="ann")
    assert store.findings() == [one]
    assert (one.id, one.state, one.identities) == (1, CONFIRMED, (key("identity", "a"), key("identity", "b")))
    assert (one.severity, one.certain, one.lost_bytes, one.occurrences, one.traces) == (LOSS, True, 4096, 3, 2)
    assert (one.vms, one.releases, one.links) == (("va", "vb"), ("2.4", "2.6"), ("https://bugs.example/2",))
    assert [h.what for h in store.history(1)] == ["seen", "seen", "link", "state", "merge"]
    assert store.history(1)[-1].text == "#2 is a part of #1 from now on"
    assert len(store.occurrences(1)) == 3


def test_a_merged_finding_is_found_as_the_other(store: Store, clock: Clock) -> None:
    two(store, clock)
    one = store.merge(2, 1)
    for ref in ("2", "#2", key("identity", "b"), key("identity", "b")[:12]):
        assert store.finding(ref) == one
    assert store.history(2) == store.history(1)
    assert store.occurrences(2) == store.occurrences(1)
    store.note(2, "a note")
    store.link(2, "https://bugs.example/2")
    assert store.set_state(2, KNOWN).id == 1
    assert store.finding("1").state is KNOWN
    assert store.finding("1").links == ("https://bugs.example/2",), "it had that"
    both = store.findings(merged=True)
    assert [(f.id, f.merged_into, f.occurrences) for f in both] == [(2, 1, 2), (1, None, 3)]


def test_a_merged_finding_that_is_seen_again_counts_for_the_other(store: Store, clock: Clock) -> None:
    two(store, clock)
    store.merge(2, 1)
    store.set_state(1, KNOWN, fixed_in="2.7")
    assert scan(store, seen("b", 3), trace="c", release="2.6") == []
    (news,) = scan(store, seen("b", 4), trace="d", release="2.7")
    assert (news.why.value, news.finding.id, news.finding.occurrences) == ("regressed", 1, 5)


def test_what_was_merged_into_a_finding_goes_with_it(store: Store, clock: Clock) -> None:
    two(store, clock)
    scan(store, seen("c"), trace="c")
    store.merge(2, 1)
    assert store.merge(1, 3).occurrences == 4
    assert [f.merged_into for f in store.findings(merged=True) if f.id != 3] == [3, 3]
    assert store.finding("2").id == 3


def test_merging_into_a_merged_finding_is_merging_into_the_one_that_has_it(store: Store, clock: Clock) -> None:
    two(store, clock)
    scan(store, seen("c"), trace="c")
    store.merge(2, 1)
    assert store.merge(3, 2).id == 1


def test_findings_cannot_be_merged_in_circles_or_twice(store: Store, clock: Clock) -> None:
    two(store, clock)
    scan(store, seen("c"), trace="c")
    with pytest.raises(TriageError, match="name another one"):
        store.merge(1, 1)
    store.merge(2, 1)
    with pytest.raises(TriageError, match="#2 was merged into #1 already"):
        store.merge(2, 3)
    with pytest.raises(TriageError, match="#2 is a part of #1"):
        store.merge(1, 2)


def test_findings_of_two_rules_are_not_the_same(store: Store) -> None:
    scan(store, seen("a"), seen("b", rule="mirror-final-drain-guest-io"))
    with pytest.raises(TriageError, match="of the rule mirror-final-drain-guest-io, #1 of mirror-exit-guest-io"):
        store.merge(2, 1)


def test_what_was_never_told_of_a_merged_finding_is_news_of_the_other(store: Store, clock: Clock) -> None:
    scan(store, seen("a", severity=BROKEN), trace="a")
    scan(store, seen("b", suppressed="a lab machine"), trace="lab")
    store.merge(2, 1)
    assert whys(scan(store, seen("b", 2), trace="b")) == [("worse", LOSS)]
