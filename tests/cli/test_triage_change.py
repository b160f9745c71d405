"""``traceview triage set``, ``note``, ``link`` and ``merge``, end to end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from tests.cli import Done, run
from tests.cli.triaged import copied_to
from tests.report.stored import note
from traceview.store import HistoryEntry, JudgedRule, TriageState, open_store
from traceview.store.front import Store


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return copied_to(tmp_path)


@pytest.fixture
def store(where: Path) -> Store:
    return open_store(where)


def triage(where: Path, *words: str) -> Done:
    return run("triage", *words, "--store", where)


def last(store: Store, finding: int) -> HistoryEntry:
    return store.history(finding)[-1]


def test_a_state_is_set_and_the_line_says_of_which_finding(where: Path, store: Store) -> None:
    done = triage(where, "set", "1", "confirmed", "--by", "eva")
    assert (done.code, done.err) == (0, "")
    (line,) = done.lines
    assert line.startswith("#1  confirmed  virtio-blk · case-1 · guest I/O between the end of a mirror job")
    assert store.finding("1").state is TriageState.CONFIRMED
    assert (last(store, 1).who, last(store, 1).what) == ("eva", "state")


def test_several_are_set_at_once_each_of_them_once(where: Path, store: Store) -> None:
    done = triage(where, "set", "2", "1", "#2", store.finding("3").identity, "known", "--fixed-in", "v4.2.0")
    assert [line.split()[0] for line in done.lines] == ["#2", "#1", "#3"]
    assert all("known, fixed in 4.2.0" in line for line in done.lines)
    assert {f.id for f in store.findings(states=[TriageState.KNOWN])} == {1, 2, 3}


def test_ignored_has_a_reason_and_perhaps_a_last_day(where: Path, store: Store) -> None:
    assert triage(where, "set", "1", "ignored", "--reason", "test machines", "--until", "2099-01-31").code == 0
    found = store.finding("1")
    assert (found.state, found.reason, str(found.until)) == (TriageState.IGNORED, "test machines", "2099-01-31")
    assert triage(where, "set", "2", "ignored", "--reason", "moving", "--until", "30d").code == 0
    assert store.finding("2").until == (datetime.now(UTC) + timedelta(days=30)).date()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("1", "ignored"), "ignored needs a reason"),
        (("1", "regressed"), "regressed is what a scan makes of a finding"),
        (("1", "known", "--until", "2099-01-31"), "a last day belongs to ignored"),
        (("1", "fixed"), "fixed needs the first release that has the fix"),
    ],
)
def test_what_triage_refuses_is_told_and_changes_nothing(
    where: Path, store: Store, words: tuple[str, ...], complaint: str
) -> None:
    before = store.export()
    done = triage(where, "set", *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint
    assert store.export() == before


def test_fixed_without_the_evidence_is_refused_with_the_figures(where: Path) -> None:
    done = triage(where, "set", "1", "fixed", "--fixed-in", "4.2.0")
    assert done.code == 2
    assert "finding #1 is not known to be fixed in 4.2.0" in done.complaint
    assert "windows needed" in done.complaint


def test_one_that_is_refused_does_not_keep_the_others_from_being_set(where: Path, store: Store) -> None:
    judged = JudgedRule("mirror-exit-guest-io", 1, 500, 0, 0, 500, 0, "")
    with store.run(host="hyper-1") as night:
        night.record(note(digest="d9", since="9.0", until="9.0", rules=(judged,)), [])
    done = triage(where, "set", "4", "1", "fixed", "--fixed-in", "9.0")
    assert done.code == 2
    (line,) = done.lines
    assert line.startswith("#1  fixed, fixed in 9.0")
    assert "finding #4 is not known to be fixed in 9.0" in done.complaint
    assert (store.finding("1").state, store.finding("4").state) == (TriageState.FIXED, TriageState.NEW)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("known", "1"), "'1' is none of new, confirmed, known, ignored, fixed, regressed"),
        (("1", "knwon"), "did you mean 'known'"),
        (("1", "known", "--fixed-in", "soon"), "'soon' is no release of QEMU"),
        (("1", "ignored", "--until", "soon"), "'soon' is no day: expected one such as 2027-01-31"),
        (("99", "1", "known"), "finding #99 is not in the store"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_and_sets_nothing(
    where: Path, store: Store, words: tuple[str, ...], complaint: str
) -> None:
    done = triage(where, "set", *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint
    assert {f.state for f in store.findings()} == {TriageState.NEW}


def test_who_says_so_is_the_login_name_unless_another_is_given(where: Path, store: Store) -> None:
    with mock.patch("getpass.getuser", return_value="mallory"):
        triage(where, "note", "1", "seen")
        assert last(store, 1).who == "mallory"
        triage(where, "note", "1", "seen", "--by", "")
        assert last(store, 1).who == ""
    with mock.patch("getpass.getuser", side_effect=KeyError("uid not found: 4711")):
        assert triage(where, "note", "1", "seen").code == 0
    assert last(store, 1).who == ""


def test_a_note_is_kept(where: Path, store: Store) -> None:
    done = triage(where, "note", "3", "the customer was told", "--by", "eva")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("#3  new  ")
    assert (last(store, 3).what, last(store, 3).text) == ("note", "the customer was told")
    assert "eva: the customer was told" in triage(where, "show", "3").out
    assert triage(where, "note", "3", "  ").code == 2


def test_a_link_is_an_address_of_the_web(where: Path, store: Store) -> None:
    assert triage(where, "link", "1", "https://bugs.launchpad.net/qemu/+bug/1570134").code == 0
    assert store.finding("1").links == ("https://bugs.launchpad.net/qemu/+bug/1570134",)
    for other in ("javascript:alert(1)", "file:///etc/passwd", "https://", "launchpad"):
        done = triage(where, "link", "1", other)
        assert (done.code, done.out) == (2, "")
    assert len(store.finding("1").links) == 1


def test_merging_counts_occurrences_there_from_now_on(where: Path, store: Store) -> None:
    done = triage(where, "merge", "2", "1", "--by", "eva")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("#2 is merged into #1  virtio-blk · case-1 · guest I/O between")
    assert done.lines[0].endswith(": seen 2 times in 2 traces now")
    assert store.finding("2").id == 1


@pytest.mark.parametrize("words", [("1", "1"), ("4", "1")])
def test_what_cannot_be_one_is_not_merged(where: Path, words: tuple[str, ...]) -> None:
    assert triage(where, "merge", *words).code == 2
