"""The times that lines of other daemons' files have, as nanoseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from traceview.events import NO_TIME

__all__ = ["Times", "clock_ns"]

_NS = 1_000_000_000
_DAY_S = 86_400
_MOST_DAYS = 100_000
"""64 bits hold the times of so many days; only months in a mess make more years than that."""
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_DAYS_BEFORE = dict(zip(_MONTHS, (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334), strict=True))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def clock_ns(seconds: bytes, fraction: bytes) -> int:
    """Return a time of seconds and their decimal fraction in ns, or NO_TIME where 64 bits do not hold it."""
    ts_ns = int(seconds) * _NS + _fraction_ns(fraction)
    return ts_ns if ts_ns < 1 << 63 else NO_TIME


def _fraction_ns(digits: bytes) -> int:
    return int(digits[:9].ljust(9, b"0"))


class Times:
    """Reads the times of lines, in order: what has no year is counted on from a year of no number."""

    def __init__(self) -> None:
        self._text = b""
        self._ns = NO_TIME
        self._month = 0
        self._year_days = 0
        self._leap = False

    def iso_ns(self, text: bytes) -> int:
        """Return a time of ISO 8601 or RFC 3339 in ns; without a zone it is taken for UTC."""
        second, rest = text[:19], text[19:]
        digits = len(rest) - len(rest[1:].lstrip(b"0123456789")) if rest[:1] in (b".", b",") else 0
        zone, fraction = rest[digits:], rest[1:digits]
        if (key := second + zone) != self._text:
            self._text, self._ns = key, _second_ns(second, zone)
        return self._ns if self._ns == NO_TIME else self._ns + _fraction_ns(fraction)

    def month_ns(self, text: bytes) -> int:
        """Return a time without a year in ns, from the beginning of the log's first year on.

        A year ends where December is followed by January, and is a leap year where it has a 29th of February.
        """
        if text[:15] != self._text:
            self._text, self._ns = text[:15], self._month_second(text[:3], text[3:15])
        return self._ns + _fraction_ns(text[16:])

    def _month_second(self, name: bytes, rest: bytes) -> int:
        month, day = _MONTHS.index(name) + 1, int(rest[1:3])
        hour, minute, second = (int(part) for part in rest[4:].split(b":"))
        days = self._year_days
        if month == 1 and self._month == 12:
            self._year_days += 365 + self._leap
            self._leap = False
            days = self._year_days
        elif month == 12 and self._month == 1 and self._year_days:
            days -= 365  # a late line of the year before
            month = 1
        self._month = month
        self._leap = self._leap or (month == 2 and day == 29)
        days += _DAYS_BEFORE[name] + day - 1 + (self._leap and month > 2)
        return (days % _MOST_DAYS * _DAY_S + hour * 3600 + minute * 60 + second) * _NS


def _second_ns(second: bytes, zone: bytes) -> int:
    """Return a time of full seconds with its zone in ns, NO_TIME where it is no time."""
    text = second.decode("ascii") + (zone.decode("ascii") or "Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # a month 13 or the like, or a leap second: the record is real, its time is not
        return NO_TIME
    ns = (moment - _EPOCH) // timedelta(seconds=1) * _NS
    return ns if abs(ns) < 1 << 63 else NO_TIME
