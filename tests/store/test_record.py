"""Recording traces: what is kept, what is news, and that nothing counts twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from tests.store.notes import BROKEN, LOSS, RULE, Clock, judged, key, note, scan, seen, whys
from traceview.store import Store, StoredFinding, TriageState, open_store

KNOWN, IGNORED, FIXED, REGRESSED = (
    TriageState.KNOWN,
    TriageState.IGNORED,
    TriageState.FIXED,
    TriageState.REGRESSED,
)
LATER = "2.7"


def only(store: Store) -> StoredFinding:
    (finding,) = store.findings()
    return finding


def told(store: Store, finding: int = 1) -> list[tuple[str, str]]:
    return [(h.what, h.text) for h in store.history(finding)]


def test_a_finding_has_all_that_the_scan_told_of_it(store: Store, clock: Clock) -> None:
    one = seen(severity=BROKEN, certain=False, lost_bytes=0)
    (news,) = scan(store, one)
    assert news.finding == only(store)
    assert news.finding == StoredFinding(
        id=1,
        identity=one.identities[0],
        identities=one.identities,
        group=one.group,
        rule=RULE,
        rule_version=1,
        title=one.title,
        label="LP 1570134",
        severity=BROKEN,
        certain=False,
        device_kind="virtio-blk",
        shape="case-1",
        state=TriageState.NEW,
        fixed_in="",
        reason="",
        until=None,
        first_seen=clock.now,
        last_seen=clock.now,
        occurrences=1,
        traces=1,
        vms=("web-3",),
        hosts=("hv1",),
        releases=("2.6",),
        links=(),
        merged_into=None,
        lost_bytes=0,
    )
    (occurrence,) = store.occurrences(1)
    assert occurrence == news.occurrence
    assert (occurrence.instance, occurrence.document) == (one.instance, one.document)
    assert occurrence.interleaving == one.interleaving
    (stored,) = store.scans()
    assert occurrence.scan == stored
    assert stored.note == note()
    assert stored.finished_at == clock.now


def test_what_all_occurrences_come_to(store: Store, clock: Clock) -> None:
    begun = clock.now
    scan(store, seen(place=1, severity=BROKEN, certain=False, lost_bytes=5), trace="a", vm="b", release="2.10")
    clock.pass_by(hours=1)
    scan(store, seen(place=2, lost_bytes=3), seen(place=3, lost_bytes=4), trace="b", vm="a", host="hv2", release="2.9")
    clock.pass_by(hours=1)
    scan(store, seen(place=4, certain=False, lost_bytes=1), trace="c", vm="", host="", since=None, until=None)
    finding = only(store)
    assert (finding.severity, finding.certain, finding.lost_bytes) == (LOSS, True, 5)
    assert (finding.occurrences, finding.traces) == (4, 3)
    assert (finding.vms, finding.hosts, finding.releases) == (("a", "b"), ("hv1", "hv2"), ("2.9", "2.10"))
    assert (finding.first_seen, finding.last_seen) == (begun, begun + timedelta(hours=2))


def rows(path: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_two_scans_of_one_trace_change_nothing(store: Store, clock: Clock) -> None:
    findings = [seen("a"), seen("a", 2), seen("b", severity=BROKEN)]
    scan(store, *findings)
    before = store.export()
    clock.pass_by(days=1)
    assert scan(store, *findings, host="hv2", trace="vm.log") == []
    assert store.export() == before


def test_two_scans_of_one_trace_change_no_row(new_sqlite: Callable[[], str], clock: Clock) -> None:
    where = new_sqlite()
    store = open_store(where, clock=clock)
    scan(store, seen("a"), seen("b"))
    before = rows(where)
    clock.pass_by(days=1)
    with open_store(where, clock=clock).run(host="hv1", webhooks=["http://localhost/"]) as run:
        run.begin("vm.log", note().digest, {})
        assert run.record(note(), [seen("a"), seen("b")]) == []
        assert run.record(note(), [seen("a"), seen("b")]) == []
    assert rows(where) == before


def test_a_run_that_records_nothing_leaves_nothing(new_sqlite: Callable[[], str]) -> None:
    where = new_sqlite()
    store = open_store(where)
    before = rows(where)
    with store.run(host="hv1"):
        pass
    assert rows(where) == before


def test_a_trace_that_has_grown_adds_what_is_new_in_it(store: Store, clock: Clock) -> None:
    begun = clock.now
    assert whys(scan(store, seen(place=1))) == [("new", LOSS)]
    clock.pass_by(days=1)
    assert scan(store, seen(place=1), events=2000) == []
    assert only(store).last_seen == begun
    assert scan(store, seen(place=1), seen(place=2), events=3000) == []
    finding = only(store)
    assert (finding.occurrences, finding.traces) == (2, 1)
    assert (finding.first_seen, finding.last_seen) == (begun, clock.now)
    assert len(store.scans()) == 3


def test_one_instance_twice_in_one_scan_counts_once(store: Store) -> None:
    assert len(scan(store, seen(), seen())) == 1
    assert only(store).occurrences == 1


def test_several_occurrences_in_one_trace_are_one_piece_of_news_the_worst(store: Store) -> None:
    news = scan(store, seen(place=1, severity=BROKEN), seen(place=2), seen("other"))
    assert whys(news) == [("new", LOSS), ("new", LOSS)]
    assert [n.finding.identity for n in news] == [key("identity", "bug"), key("identity", "other")]
    assert news[0].occurrence.instance == seen(place=2).instance


def test_a_scan_without_findings_is_kept(store: Store) -> None:
    assert scan(store, rules=(judged(), judged("b", windows=0))) == []
    (stored,) = store.scans()
    assert stored.note.rules == (judged(), judged("b", windows=0))
    assert store.findings() == []


# --- states


def test_a_new_finding_is_news_once(store: Store) -> None:
    assert whys(scan(store, seen(place=1), trace="a")) == [("new", LOSS)]
    assert scan(store, seen(place=2), trace="b") == []
    assert [what for what, _ in told(store)] == ["seen"]


@pytest.mark.parametrize("release", ["2.4", "2.6"])
def test_a_known_finding_stays_known_where_the_fix_may_be_missing(store: Store, release: str) -> None:
    scan(store, seen(), trace="a", release="2.4")
    store.set_state(1, KNOWN, fixed_in="2.6.0")
    assert scan(store, seen(place=2), trace="b", release=release) == []
    assert scan(store, seen(place=3), trace="c", since=None, until=None) == []
    assert (only(store).state, only(store).occurrences) == (KNOWN, 3)


def test_a_known_finding_regresses_in_a_release_with_the_fix(store: Store) -> None:
    scan(store, seen(), trace="a", release="2.4")
    store.set_state(1, KNOWN, fixed_in="2.6", reason="ab27c3b5e7")
    (news,) = scan(store, seen(place=2), trace="b", release=LATER)
    assert news.why.value == "regressed"
    assert (news.finding.state, news.finding.fixed_in, news.finding.reason) == (REGRESSED, "2.6", "ab27c3b5e7")
    assert news.occurrence.interleaving == seen(place=2).interleaving, "the team needs to see what came back"
    what, text = told(store)[-1]
    assert what == "state"
    assert text.startswith("known → regressed: seen in QEMU 2.7, which has the fix of 2.6; ")
    assert "/var/log/qemu/b" in text
    assert scan(store, seen(place=3), trace="c", release=LATER) == [], "it is news once"
    assert only(store).state is REGRESSED


def fixed(store: Store) -> None:
    """Have a finding that is fixed in 2.6, and was seen in 2.4 only."""
    scan(store, seen(), trace="a", release="2.4", rules=(judged(windows=1, violated=1),))
    scan(store, trace="b", release="2.6")
    assert store.set_state(1, FIXED, fixed_in="2.6").state is FIXED


def test_a_fixed_finding_stays_fixed_where_the_release_is_older(store: Store) -> None:
    fixed(store)
    assert scan(store, seen(place=2), trace="c", release="2.5") == []
    assert (only(store).state, only(store).occurrences) == (FIXED, 2)


@pytest.mark.parametrize(("since", "until"), [("2.6", "2.6"), ("9.0", "9.0"), ("2.4", "2.7"), (None, None)])
def test_a_fixed_finding_regresses_where_the_fix_may_be(store: Store, since: str | None, until: str | None) -> None:
    fixed(store)
    news = scan(store, seen(place=2), trace="c", since=since, until=until)
    assert whys(news) == [("regressed", LOSS)]
    assert only(store).state is REGRESSED


def test_a_regressed_finding_can_be_known_again_with_another_fix(store: Store) -> None:
    fixed(store)
    scan(store, seen(place=2), trace="c", release="2.7")
    store.set_state(1, KNOWN, fixed_in="2.8")
    assert scan(store, seen(place=3), trace="d", release="2.7") == []
    assert whys(scan(store, seen(place=4), trace="e", release="2.8")) == [("regressed", LOSS)]


def test_an_ignored_finding_is_counted_and_quiet_until_its_day_is_over(store: Store, clock: Clock) -> None:
    scan(store, seen(), trace="a")
    until = clock.now.date() + timedelta(days=7)
    store.set_state(1, IGNORED, reason="a lab machine", until=until)
    clock.pass_by(days=7)
    assert scan(store, seen(place=2), trace="b") == []
    clock.pass_by(days=1)
    assert whys(scan(store, seen(place=3), trace="c")) == [("reopened", LOSS)]
    finding = only(store)
    assert (finding.state, finding.reason, finding.until, finding.occurrences) == (TriageState.NEW, "", None, 3)
    assert scan(store, seen(place=4), trace="d") == []


def test_data_loss_reopens_what_was_ignored_as_a_broken_promise(store: Store) -> None:
    scan(store, seen(severity=BROKEN), trace="a")
    store.set_state(1, IGNORED, reason="nothing was written")
    assert scan(store, seen(place=2, severity=BROKEN), trace="b") == []
    assert whys(scan(store, seen(place=3), trace="c")) == [("worse", LOSS)]
    assert only(store).state is TriageState.NEW
    assert "no longer ignored: it became data-loss, from broken-promise" in told(store)[-1][1]


@pytest.mark.parametrize("state", [TriageState.NEW, TriageState.CONFIRMED, KNOWN])
def test_data_loss_is_news_in_every_state(store: Store, state: TriageState) -> None:
    scan(store, seen(severity=BROKEN), trace="a")
    store.set_state(1, state)
    assert whys(scan(store, seen(place=2), trace="b")) == [("worse", LOSS)]
    assert only(store).state is state
    assert scan(store, seen(place=3), trace="c") == []


# --- one occurrence, told again


def test_an_occurrence_that_turns_out_worse_is_told_anew_and_counts_once(store: Store, clock: Clock) -> None:
    """The trace has grown, and the job has moved the guest meanwhile."""
    begun = clock.now
    scan(store, seen(severity=BROKEN, lost_bytes=0, document={"n": 1}))
    clock.pass_by(days=1)
    (news,) = scan(store, seen(lost_bytes=512, document={"n": 2}, interleaving="longer"), events=2000)
    assert (news.why.value, news.finding.occurrences, news.finding.severity) == ("worse", 1, LOSS)
    (occurrence,) = store.occurrences(1)
    assert (occurrence.severity, occurrence.lost_bytes, occurrence.document) == (LOSS, 512, {"n": 2})
    assert (occurrence.seen_at, occurrence.interleaving) == (begun, "longer")
    assert occurrence.scan.note.events == 2000


def test_an_occurrence_that_becomes_certain_is_told_anew_and_is_no_news(store: Store) -> None:
    scan(store, seen(certain=False))
    assert scan(store, seen(interleaving="with a clock"), events=2000) == []
    assert only(store).certain
    assert store.occurrences(1)[0].interleaving == "with a clock"


def test_what_came_back_is_told_by_what_is_new_of_it(store: Store) -> None:
    scan(store, seen(certain=False), release=LATER)
    store.set_state(1, KNOWN, fixed_in="2.6")
    (news,) = scan(store, seen(), seen(place=2), release=LATER, events=2000)
    assert (news.why.value, news.occurrence.instance) == ("regressed", seen(place=2).instance)


def test_what_is_suppressed_does_not_make_what_is_told_anew_a_regression(store: Store) -> None:
    scan(store, seen(severity=BROKEN), release=LATER)
    store.set_state(1, KNOWN, fixed_in="2.6")
    news = scan(store, seen(), seen(place=2, suppressed="a lab machine"), release=LATER, events=2000)
    assert whys(news) == [("worse", LOSS)]
    assert only(store).state is KNOWN


def test_an_occurrence_of_which_less_is_told_stays_as_it_was(store: Store) -> None:
    scan(store, seen())
    assert scan(store, seen(severity=BROKEN, certain=False, document={}), events=2000) == []
    (occurrence,) = store.occurrences(1)
    assert (occurrence.severity, occurrence.certain) == (LOSS, True)
    assert occurrence.document == seen().document


def test_an_occurrence_that_was_there_before_the_decision_is_no_regression(store: Store) -> None:
    scan(store, seen(severity=BROKEN), release=LATER)
    store.set_state(1, KNOWN, fixed_in="2.6")
    assert scan(store, seen(severity=BROKEN), release=LATER, events=2000) == []
    assert whys(scan(store, seen(), release=LATER, events=3000)) == [("worse", LOSS)]
    assert only(store).state is KNOWN


# --- suppressed by a baseline


def test_a_suppressed_finding_is_recorded_and_no_news(store: Store) -> None:
    assert scan(store, seen(suppressed="a lab machine")) == []
    finding = only(store)
    assert (finding.state, finding.occurrences) == (TriageState.NEW, 1)
    (occurrence,) = store.occurrences(1)
    assert occurrence.suppressed == "a lab machine"
    assert occurrence.interleaving == seen().interleaving


def test_what_was_only_seen_suppressed_is_new_when_it_is_seen_otherwise(store: Store) -> None:
    scan(store, seen(suppressed="a lab machine"), trace="lab")
    assert whys(scan(store, seen(place=2, severity=BROKEN), trace="a")) == [("new", BROKEN)]
    assert whys(scan(store, seen(place=3), trace="b")) == [("worse", LOSS)], "nobody has heard of the lab's"


def test_a_suppressed_finding_changes_no_state(store: Store) -> None:
    scan(store, seen(severity=BROKEN), trace="a", release="2.4")
    store.set_state(1, KNOWN, fixed_in="2.6")
    assert scan(store, seen(place=2, suppressed="a lab machine"), trace="b", release=LATER) == []
    assert only(store).state is KNOWN
    assert whys(scan(store, seen(place=3), trace="c", release=LATER)) == [("regressed", LOSS)]


def test_an_occurrence_that_is_no_longer_suppressed_is_news(store: Store) -> None:
    scan(store, seen(suppressed="until March"))
    assert whys(scan(store, seen(), events=2000)) == [("new", LOSS)]
    assert only(store).occurrences == 1
    assert store.occurrences(1)[0].suppressed == ""
    assert scan(store, seen(suppressed="again"), events=3000) == []
    assert store.occurrences(1)[0].suppressed == "", "it was told"


def test_one_suppressed_and_one_not_are_news_of_the_one(store: Store) -> None:
    news = scan(store, seen(place=1, suppressed="why"), seen(place=2, severity=BROKEN))
    assert whys(news) == [("new", BROKEN)]
    kept = {o.instance: o.interleaving for o in store.occurrences(1)}
    assert all(kept.values()), "the worst of the first scan, and what is news"


# --- interleavings


def test_an_interleaving_is_kept_with_the_first_occurrence_and_with_what_is_worse(store: Store) -> None:
    scan(store, seen(place=1, severity=BROKEN), seen(place=2, severity=BROKEN), trace="a")
    scan(store, seen(place=3, severity=BROKEN), trace="b")
    scan(store, seen(place=4), seen(place=5), trace="c")
    scan(store, seen(place=6), trace="d")
    kept = {o.instance for o in store.occurrences(1) if o.interleaving}
    assert kept == {seen(place=1).instance, seen(place=4).instance}


# --- identities


def test_a_finding_is_known_by_any_of_its_identities(store: Store) -> None:
    old, new = key("old"), "v2" + key("new")[2:]
    scan(store, seen(identities=(old,)), trace="a")
    assert scan(store, seen(place=2, identities=(new, old)), trace="b") == []
    assert only(store).identities == (new, old)
    assert only(store).identity == new
    assert scan(store, seen(place=3, identities=(new,)), trace="c") == []
    assert only(store).occurrences == 3


def test_an_identity_stays_with_the_finding_that_has_it(store: Store) -> None:
    a, b = key("a"), key("b")
    scan(store, seen("a", identities=(a,)), seen("b", identities=(b,)))
    assert scan(store, seen("c", identities=(a, b)), trace="c") == []
    assert [f.identities for f in store.findings()] == [(a,), (b,)]
    assert store.finding(a).occurrences == 2


def test_an_instance_that_is_known_brings_its_identities_along(store: Store) -> None:
    """An algorithm was replaced, and its successor does not name the old one."""
    scan(store, seen(identities=("v1-a",)))
    assert scan(store, seen(identities=("v2-b",)), events=2000) == []
    assert only(store).identities == ("v2-b", "v1-a")


# --- what traces and callers may have wrong


def test_text_that_no_database_takes_is_written_out(store: Store) -> None:
    odd = "a\0b\udcff\ud800"
    plain = "a\\x00b\\xff\\ud800"
    strange = seen(title=odd, document={odd: [odd]}, interleaving=odd)
    with store.run(host=odd, webhooks=["http://localhost/"]) as run:
        run.begin(odd, odd, {odd: odd})
        run.record(note(odd, vm=odd, digest=odd, options={odd: odd}, rules=(judged(odd),)), [strange])
    assert only(store).title == plain
    assert only(store).vms == (plain,)
    assert store.occurrences(1)[0].document == {plain: [plain]}
    assert store.stats().unfinished == ()
    assert scan(store, strange, trace=odd, vm=odd, digest=odd, options={odd: odd}, rules=(judged(odd),)) == []
    assert len(store.scans()) == 1


@pytest.mark.parametrize(
    ("of_scan", "of_finding"),
    [({"since": "new"}, {}), ({"until": "old"}, {}), ({}, {"severity": "terrible"}), ({}, {"identities": ()})],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    store: Store, of_scan: dict[str, Any], of_finding: dict[str, Any]
) -> None:
    with store.run(host="hv1") as run, pytest.raises(ValueError, match=r"no release|terrible|needs"):
        run.record(note(**of_scan), [seen(), seen("b", **of_finding)])
    assert store.export() == {"schema_version": 1, "runs": [], "scans": [], "findings": []}
