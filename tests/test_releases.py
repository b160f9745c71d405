"""Release numbers and ranges of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.releases import ReleaseRange, release_key

RELEASES = ["1.0", "1.7", "2.0", "2.6", "2.10", "2.12", "3.0", "7.2", "9.0"]
release = st.sampled_from(RELEASES)
ranges = st.builds(ReleaseRange, st.none() | release, st.none() | release)


def covers(span: ReleaseRange, one: str) -> bool:
    """Say whether a release lies in a range, by comparing the places in the list above."""
    at = RELEASES.index(one)
    after = span.since is None or RELEASES.index(span.since) <= at
    before = span.until is None or at <= RELEASES.index(span.until)
    return after and before


def test_releases_compare_as_numbers_and_not_as_text() -> None:
    assert sorted(["2.10", "9.0", "2.9", "10.0", "2.0"], key=release_key) == ["2.0", "2.9", "2.10", "9.0", "10.0"]
    assert release_key("2.6.50") > release_key("2.6")


@pytest.mark.parametrize("text", ["", "2.x", "v2.6", "2..6"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        release_key(text)


@given(ranges, release, release)
def test_a_range_overlaps_another_if_and_only_if_they_share_a_release(span: ReleaseRange, a: str, b: str) -> None:
    since, until = sorted([a, b], key=release_key)
    other = ReleaseRange(since, until)
    if span.empty:
        return  # nothing can be said of a range without releases
    assert span.overlaps(since, until) == any(covers(span, r) and covers(other, r) for r in RELEASES)


@given(ranges, release, release)
def test_a_narrowed_range_has_the_releases_that_both_have(span: ReleaseRange, a: str, b: str) -> None:
    since, until = sorted([a, b], key=release_key)
    narrowed = span.narrowed(since, until)
    for one in RELEASES:
        assert covers(narrowed, one) == (covers(span, one) and covers(ReleaseRange(since, until), one))


@given(ranges)
def test_a_range_is_empty_if_and_only_if_it_has_no_release(span: ReleaseRange) -> None:
    assert span.empty == (not any(covers(span, r) for r in RELEASES))


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [
        ("2.6", "2.6", "2.6"),
        ("2.6", "2.10", "2.6 to 2.10"),
        (None, "2.6", "the first to 2.6"),
        ("2.6", None, "2.6 to today"),
        (None, None, "any release"),
    ],
)
def test_a_range_is_shown_in_words(since: str | None, until: str | None, text: str) -> None:
    assert str(ReleaseRange(since, until)) == text
