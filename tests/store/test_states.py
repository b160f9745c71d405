"""What moves a finding from one state to another, as functions of values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.notes import BROKEN, LOSS
from traceview.errors import TriageError
from traceview.store import TriageState, Why
from traceview.store.states import (
    Outcome,
    Sight,
    Status,
    after_evidence,
    after_sight,
    asked,
    carries,
    rank,
    surely_older,
)

NEW, CONFIRMED, KNOWN = TriageState.NEW, TriageState.CONFIRMED, TriageState.KNOWN
IGNORED, FIXED, REGRESSED = TriageState.IGNORED, TriageState.FIXED, TriageState.REGRESSED
TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)

statuses = st.builds(
    Status,
    st.sampled_from(TriageState),
    st.sampled_from(["", "2.6", "2.6.0-rc4", "7.2.5"]),
    st.sampled_from(["", "a lab machine"]),
    st.none() | st.sampled_from([TODAY - DAY, TODAY, TODAY + DAY]),
)
releases = st.none() | st.sampled_from(["2.4", "2.6.0-rc3", "2.6", "2.7.1", "7.2", "9.0"])
severities = st.sampled_from([LOSS, BROKEN])
earlier = st.sampled_from(["", LOSS, BROKEN])


@st.composite
def sights(draw: st.DrawFn) -> Sight:
    heard = draw(earlier)
    worst = max(heard, draw(earlier), key=rank)
    return Sight(draw(severities), heard, worst, draw(st.booleans()), draw(releases), draw(releases), TODAY)


def sight(
    since: str | None = None, until: str | None = None, *, severity: str = BROKEN, heard: str = BROKEN,
    worst: str = BROKEN, fresh: bool = True, day: date = TODAY,
) -> Sight:  # fmt: skip
    return Sight(severity, heard, worst, fresh, since, until, day)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_finding_that_nobody_was_told_of_is_new(fresh: bool) -> None:
    assert after_sight(Status(), sight(heard="", worst="", fresh=fresh)) == Outcome(Status(), Why.NEW)
    # A baseline covered all that was seen of it so far.
    assert after_sight(Status(), sight(heard="", worst=LOSS, fresh=fresh)).why is Why.NEW


@pytest.mark.parametrize("state", [NEW, CONFIRMED, REGRESSED])
def test_one_that_is_worked_on_is_no_news_when_it_is_seen_again(state: TriageState) -> None:
    status = Status(state, "2.6" if state is REGRESSED else "")
    assert after_sight(status, sight("9.0", "9.0")) == Outcome(status)


# Between which releases the trace was written, and whether it surely has ("yes"), surely lacks ("no") or may have ("?")
# what was fixed in each of FIXES.
MATRIX = [
    # since, until, 2.5, 2.6, 2.6.0, 2.6.0-rc4, 2.6.1, 2.7
    ("2.4", "2.4", "no no no no no no"),
    ("2.5", "2.5", "yes no no no no no"),
    ("2.6.0-rc3", "2.6.0-rc3", "yes yes no no no no"),
    ("2.6.0-rc4", "2.6.0-rc4", "yes yes no yes no no"),
    ("2.6.0", "2.6.0", "yes yes yes yes no no"),
    ("2.6.1", "2.6.1", "yes yes yes yes yes no"),
    ("2.6", "2.6", "yes yes ? ? ? no"),
    ("2.7.0-rc0", "2.7.0-rc0", "yes yes yes yes yes yes"),
    ("2.7", "2.7", "yes yes yes yes yes yes"),
    ("2.10", "2.12", "yes yes yes yes yes yes"),
    ("10.0", "10.0", "yes yes yes yes yes yes"),
    ("2.4", "2.6", "? ? ? ? ? no"),
    ("2.4", "2.5", "? no no no no no"),
    ("2.5", "2.7", "yes ? ? ? ? ?"),
    ("2.7", None, "yes yes yes yes yes yes"),
    ("2.6", None, "yes yes ? ? ? ?"),
    (None, "2.5", "? no no no no no"),
    (None, "2.6", "? ? ? ? ? no"),
    (None, "2.6.0-rc3", "? ? no no no no"),
    (None, None, "? ? ? ? ? ?"),
]  # fmt: skip
FIXES = ["2.5", "2.6", "2.6.0", "2.6.0-rc4", "2.6.1", "2.7"]
CASES = [
    (fix, since, until, answer)
    for since, until, answers in MATRIX
    for fix, answer in zip(FIXES, answers.split(), strict=True)
]


@pytest.mark.parametrize(("fix", "since", "until", "answer"), CASES)
def test_whether_a_release_has_a_fix(fix: str, since: str | None, until: str | None, answer: str) -> None:
    assert carries(fix, since) is (answer == "yes")
    assert surely_older(fix, until) is (answer == "no")


@pytest.mark.parametrize(("fix", "since", "until", "answer"), CASES)
def test_a_known_finding_regresses_where_the_release_surely_has_the_fix(
    fix: str, since: str | None, until: str | None, answer: str
) -> None:
    status = Status(KNOWN, fix, "reported upstream")
    outcome = after_sight(status, sight(since, until))
    if answer == "yes":
        assert outcome.status == Status(REGRESSED, fix, "reported upstream")
        assert outcome.why is Why.REGRESSED
        assert f"has the fix of {fix}" in outcome.text
        assert str(since) in outcome.text
    else:
        assert outcome == Outcome(status)


@pytest.mark.parametrize(("fix", "since", "until", "answer"), CASES)
def test_a_fixed_finding_regresses_unless_the_release_surely_lacks_the_fix(
    fix: str, since: str | None, until: str | None, answer: str
) -> None:
    status = Status(FIXED, fix)
    outcome = after_sight(status, sight(since, until))
    if answer == "no":
        assert outcome == Outcome(status)
    else:
        assert outcome.status == Status(REGRESSED, fix)
        assert outcome.why is Why.REGRESSED
        assert ("may have" if answer == "?" else "has the fix") in outcome.text


def test_a_fixed_finding_without_a_release_regresses_wherever_it_is_seen() -> None:
    assert after_sight(Status(FIXED), sight("1.0", "1.0")).status.state is REGRESSED


def test_a_known_finding_without_a_release_stays_known_wherever_it_is_seen() -> None:
    assert after_sight(Status(KNOWN), sight("99.0", "99.0")) == Outcome(Status(KNOWN))


@pytest.mark.parametrize("state", [KNOWN, FIXED])
def test_more_of_what_was_told_before_is_no_regression(state: TriageState) -> None:
    status = Status(state, "2.6")
    assert after_sight(status, sight("9.0", "9.0", fresh=False)) == Outcome(status)


def test_an_ignored_finding_is_quiet_until_its_day_is_over() -> None:
    status = Status(IGNORED, reason="a lab machine", until=TODAY)
    assert after_sight(status, sight(day=TODAY - DAY)) == Outcome(status)
    assert after_sight(status, sight(day=TODAY)) == Outcome(status)
    outcome = after_sight(status, sight(day=TODAY + DAY))
    assert (outcome.status, outcome.why) == (Status(NEW), Why.REOPENED)
    assert str(TODAY) in outcome.text


def test_one_that_is_ignored_for_good_stays_quiet() -> None:
    status = Status(IGNORED, reason="a lab machine")
    assert after_sight(status, sight("9.0", "9.0", day=date(2099, 1, 1))) == Outcome(status)


def test_more_of_what_was_told_before_does_not_end_an_ignore() -> None:
    status = Status(IGNORED, reason="a lab machine", until=TODAY - DAY)
    assert after_sight(status, sight(fresh=False)) == Outcome(status)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("state", TriageState)
def test_a_broken_promise_that_became_data_loss_is_news_in_every_state(state: TriageState, fresh: bool) -> None:
    status = Status(state, "2.6" if state in (KNOWN, FIXED, REGRESSED) else "", "why", None)
    outcome = after_sight(status, sight("2.4", "2.4", severity=LOSS, fresh=fresh))
    assert outcome.why is Why.WORSE
    assert outcome.status == (Status(NEW) if state is IGNORED else status)


def test_what_comes_back_and_is_worse_has_come_back() -> None:
    outcome = after_sight(Status(KNOWN, "2.6"), sight("2.6", "2.6", severity=LOSS))
    assert (outcome.status.state, outcome.why) == (REGRESSED, Why.REGRESSED)


def test_what_is_worse_when_its_ignore_has_run_out_is_worse() -> None:
    status = Status(IGNORED, reason="a lab machine", until=TODAY - DAY)
    outcome = after_sight(status, sight(severity=LOSS))
    assert (outcome.status.state, outcome.why) == (NEW, Why.WORSE)


def test_worse_is_measured_by_what_was_told() -> None:
    """What a baseline covered nobody has heard of; where nothing was told, a person judged by what is recorded."""
    told = sight(severity=LOSS, heard=BROKEN, worst=LOSS)
    assert after_sight(Status(CONFIRMED), told).why is Why.WORSE
    untold = sight(severity=LOSS, heard="", worst=LOSS)
    assert after_sight(Status(CONFIRMED), untold).why is None


@given(statuses, sights())
def test_a_scan_moves_findings_along_few_ways_and_says_so(status: Status, seen: Sight) -> None:
    outcome = after_sight(status, seen)
    if outcome.status != status:
        assert outcome.why is not None
        assert outcome.text
        assert (status.state, outcome.status.state) in {(KNOWN, REGRESSED), (FIXED, REGRESSED), (IGNORED, NEW)}
    if outcome.why is Why.REGRESSED:
        assert seen.fresh
        assert outcome.status == Status(REGRESSED, status.fixed_in, status.reason, status.until)


@given(statuses, sights())
def test_the_same_seen_again_is_no_news(status: Status, seen: Sight) -> None:
    seen = replace(seen, fresh=True)
    first = after_sight(status, seen)
    heard = max(seen.heard, seen.severity, key=rank)
    second = after_sight(first.status, replace(seen, heard=heard, worst=max(seen.worst, heard, key=rank)))
    assert second == Outcome(first.status)


def test_evidence_makes_a_known_finding_fixed() -> None:
    outcome = after_evidence(Status(KNOWN, "2.6", "reported"), "59 of 59 windows")
    assert outcome.status == Status(FIXED, "2.6", "reported")
    assert "59 of 59 windows" in outcome.text
    assert outcome.why is None


def ask(
    status: Status, state: TriageState, *, fixed_in: str = "", reason: str = "", until: date | None = None
) -> Status:
    return asked(status, state, fixed_in=fixed_in, reason=reason, until=until, day=TODAY)


@given(statuses, st.sampled_from([NEW, CONFIRMED, KNOWN]))
def test_people_set_findings_to_new_confirmed_and_known_whatever_they_were(status: Status, state: TriageState) -> None:
    assert ask(status, state) == Status(state)
    assert ask(status, state, reason=" seen by Ann ") == Status(state, reason="seen by Ann")


@given(statuses)
def test_people_set_findings_to_ignored_with_a_reason(status: Status) -> None:
    assert ask(status, IGNORED, reason="a lab machine") == Status(IGNORED, reason="a lab machine")
    assert ask(status, IGNORED, reason="x", until=TODAY) == Status(IGNORED, reason="x", until=TODAY)
    for reason in ("", "  \n"):
        with pytest.raises(TriageError, match="needs a reason"):
            ask(status, IGNORED, reason=reason)
    with pytest.raises(TriageError, match="2026-02-28, which has passed"):
        ask(status, IGNORED, reason="x", until=TODAY - DAY)


@given(statuses)
def test_only_a_scan_makes_a_finding_regressed(status: Status) -> None:
    with pytest.raises(TriageError, match="regressed is what a scan makes"):
        ask(status, REGRESSED)


def test_fixed_takes_the_release_that_is_named_or_the_one_that_was() -> None:
    assert ask(Status(KNOWN, "2.6"), FIXED) == Status(FIXED, "2.6")
    assert ask(Status(KNOWN, "2.6"), FIXED, fixed_in="2.7") == Status(FIXED, "2.7")
    assert ask(Status(), FIXED, fixed_in="2.7") == Status(FIXED, "2.7")
    with pytest.raises(TriageError, match="needs the first release that has the fix"):
        ask(Status(CONFIRMED), FIXED)


@pytest.mark.parametrize(
    ("written", "meant"), [("v7.2", "7.2"), (" 2.6.0-rc4 ", "2.6.0-rc4"), ("7.2.22 (Debian 1:7.2+dfsg-7)", "7.2.22")]
)
def test_releases_are_taken_as_people_write_them(written: str, meant: str) -> None:
    assert ask(Status(), KNOWN, fixed_in=written) == Status(KNOWN, meant)


def test_a_commit_is_no_release() -> None:
    with pytest.raises(TriageError, match=r"'ab27c3b5e7' is no release of QEMU: .* commit belongs into a note"):
        ask(Status(), KNOWN, fixed_in="ab27c3b5e7")


@pytest.mark.parametrize("state", [NEW, CONFIRMED, IGNORED])
def test_what_a_state_has_no_place_for_is_refused(state: TriageState) -> None:
    with pytest.raises(TriageError, match=f"belongs to known and fixed, not to {state}"):
        ask(Status(), state, fixed_in="2.6", reason="x")


@pytest.mark.parametrize("state", [NEW, CONFIRMED, KNOWN, FIXED])
def test_a_last_day_is_for_ignored_only(state: TriageState) -> None:
    with pytest.raises(TriageError, match=f"belongs to ignored, not to {state}"):
        ask(Status(KNOWN, "2.6"), state, until=TODAY)


def test_ranks_are_those_of_the_rules() -> None:
    assert rank("") < rank(BROKEN) < rank(LOSS)
    with pytest.raises(ValueError, match="terrible"):
        rank("terrible")
