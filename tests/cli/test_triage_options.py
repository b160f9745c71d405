"""What the commands of triage share: dates and ages, and what a store is called."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import typer

from traceview.cli.triage_options import parse_ahead, parse_since, store_file, store_name


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        (" 2026-11-20T03:12 ", datetime(2026, 11, 20, 3, 12, tzinfo=UTC)),
        ("2026-11-20T03:12:30+02:00", datetime(2026, 11, 20, 1, 12, 30, tzinfo=UTC)),
        ("20261120", datetime(2026, 11, 20, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_and_times_are_utc_unless_they_say_otherwise(text: str, moment: datetime) -> None:
    assert parse_since(text) == moment


@pytest.mark.parametrize(
    ("text", "age"), [("36h", timedelta(hours=36)), ("7d", timedelta(days=7)), ("2w", timedelta(weeks=2))]
)
def test_an_age_counts_back_from_now(text: str, age: timedelta) -> None:
    before = datetime.now(UTC)
    assert before - age <= parse_since(text) <= datetime.now(UTC) - age


@pytest.mark.parametrize(
    "text", ["", "yesterday", "7", "0d", "-7d", "7y", "2026-13-01", "999999d", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no date: expected a day such as"):
        parse_since(text)
    with pytest.raises(typer.BadParameter, match="is no day: expected one such as"):
        parse_ahead(text)


def test_a_last_day_is_one_or_lies_so_far_ahead() -> None:
    assert parse_ahead("2027-01-31") == date(2027, 1, 31)
    today = datetime.now(UTC).date()
    assert parse_ahead("30d") - today in (timedelta(days=30), timedelta(days=31))
    assert parse_ahead("2w") - today in (timedelta(weeks=2), timedelta(days=15))
    with pytest.raises(typer.BadParameter):
        parse_ahead("36h")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("findings.sqlite", "findings.sqlite"),
        ("/var/lib/traceview/f.sqlite", "/var/lib/traceview/f.sqlite"),
        ("postgresql://eva:secret@db.example/triage?password=secret", "postgresql://eva@db.example/triage"),
        ("postgresql://db.example:5433/triage", "postgresql://db.example:5433/triage"),
        ("postgresql+psycopg://eva:se:c@ret@db/x", "postgresql+psycopg://eva@db/x"),
    ],
)
def test_a_store_is_called_by_its_place_and_never_by_its_password(where: str, name: str) -> None:
    assert store_name(where) == name
    assert (store_file(where) is None) == where.startswith("postgresql")


def test_a_home_is_the_users() -> None:
    assert store_file("~/f.sqlite") == Path.home() / "f.sqlite"
