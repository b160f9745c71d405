"""The times of other daemons' files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.events import NO_TIME
from traceview.formats.carried_time import Times, clock_ns

DAY = 86_400 * 1_000_000_000
MOMENT_NS = 1_795_393_842_008_953_000
"""2026-11-23T00:30:42.008953Z."""


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (b"2026-11-23T00:30:42.008953+00:00", MOMENT_NS),
        (b"2026-11-23T00:30:42.008953Z", MOMENT_NS),
        (b"2026-11-23T00:30:42,008953Z", MOMENT_NS),
        (b"2026-11-23T02:30:42.008953+02:00", MOMENT_NS),
        (b"2026-11-22T19:00:42.008953-0530", MOMENT_NS),
        (b"2026-11-23 00:30:42.008+0000", MOMENT_NS - 953_000),
        (b"2026-11-23T00:30:42.008953123Z", MOMENT_NS + 123),
        (b"2026-11-23T00:30:42+0000", MOMENT_NS - 8_953_000),
        (b"2026-11-23T00:30:42.008953", MOMENT_NS),
        (b"1969-12-31T23:59:59Z", -1_000_000_000),
        (b"2026-13-23T00:30:42Z", NO_TIME),
        (b"2026-02-29T00:30:42Z", NO_TIME),
        (b"2026-11-23T00:30:42+99:00", NO_TIME),
        (b"9999-11-23T00:30:42Z", NO_TIME),
    ],
)
def test_a_time_with_a_zone_is_the_same_moment_everywhere(text: bytes, ns: int) -> None:
    times = Times()
    assert times.iso_ns(text) == ns
    assert times.iso_ns(text) == ns


@given(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)), max_size=5), st.integers(-720, 720))
def test_times_are_read_as_they_were_written(moments: list[datetime], minutes: int) -> None:
    times = Times()
    zone = timedelta(minutes=minutes)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    for moment in moments:
        shown = (moment + zone).isoformat(timespec="microseconds") + f"{sign}{hours:02}:{rest:02}"
        expected = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert times.iso_ns(shown.encode()) == expected * 1000


def test_a_time_without_a_year_counts_from_the_beginning_of_some_year() -> None:
    times = Times()
    assert times.month_ns(b"Jan  1 00:00:00") == 0
    assert times.month_ns(b"Jan  2 00:00:01.5") == DAY + 1_500_000_000
    assert times.month_ns(b"Nov 23 00:30:42") == 326 * DAY + (30 * 60 + 42) * 1_000_000_000


def test_time_goes_on_at_the_turn_of_the_year_and_a_late_line_of_the_old_year_is_before_it() -> None:
    times = Times()
    last = times.month_ns(b"Dec 31 23:59:59")
    assert times.month_ns(b"Jan  1 00:00:00") == last + 1_000_000_000
    assert times.month_ns(b"Dec 31 23:59:59") == last
    assert times.month_ns(b"Jan  1 00:00:02") == last + 3_000_000_000
    assert times.month_ns(b"Feb  1 00:00:00") == last + 1_000_000_000 + 31 * DAY


def test_a_year_that_has_a_29th_of_february_is_a_leap_year() -> None:
    times = Times()
    february = times.month_ns(b"Feb 28 00:00:00")
    assert times.month_ns(b"Feb 29 00:00:00") == february + DAY
    assert times.month_ns(b"Mar  1 00:00:00") == february + 2 * DAY
    common = Times()
    assert common.month_ns(b"Mar  1 00:00:00") - common.month_ns(b"Feb 28 00:00:00") == DAY


def test_months_in_a_mess_never_leave_64_bits() -> None:
    times = Times()
    for _ in range(2000):
        for month in (b"Jan", b"Dec", b"Feb"):
            assert 0 <= times.month_ns(month + b" 29 00:00:00") < 1 << 63
        times.month_ns(b"Dec 31 00:00:00")


def test_seconds_and_their_fraction_are_nanoseconds_as_far_as_64_bits_go() -> None:
    assert clock_ns(b"2302", b"865513") == 2_302_865_513_000
    assert clock_ns(b"0", b"000000001") == 1
    assert clock_ns(b"9999999999", b"0") == NO_TIME
