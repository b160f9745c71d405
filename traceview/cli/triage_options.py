"""What the commands of ``traceview triage`` share: the store, findings by their number, dates, who does it."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from traceview.store import Store

__all__ = [
    "STATES",
    "ByOption",
    "FindingId",
    "FindingIds",
    "StoreOption",
    "complete_finding",
    "complete_state",
    "is_missing",
    "json_text",
    "login_name",
    "opened",
    "parse_ahead",
    "parse_since",
    "parse_state",
    "store_file",
    "store_name",
    "where_is",
]

# Written down here so that completion and --help need not import the library.
STATES = ("new", "confirmed", "known", "ignored", "fixed", "regressed")
MOST_COMPLETED = 50
_AGE = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def _inherited(context: typer.Context, value: str | None) -> str | None:
    """Return the store that an option names, for a command without one the one that stands before the command."""
    if value is None and context.parent is not None:
        above: str | None = context.parent.params.get("store")
        return above
    return value


StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="STORE", callback=_inherited, show_default=False,
        help="The findings store: a file, or postgresql://USER@HOST/DATABASE; by default the one that TRACEVIEW_STORE "
        "names, else a file in your data folder.",
    ),
]  # fmt: skip


def where_is(store: str | None) -> str:
    """Return the path or the URL of the store that was asked for."""
    from traceview.store import default_store  # noqa: PLC0415  (when the command runs)

    return store if store is not None else default_store()


def store_file(where: str) -> Path | None:
    """Return the file of a store, None where it is none: a database behind a URL."""
    return Path(where).expanduser() if "://" not in where else None


def store_name(where: str) -> str:
    """Return what a store is called where it is shown: a URL without its password."""
    if store_file(where) is not None:
        return where
    parts = urlsplit(where)
    user, _, _ = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user}{'@' if user else ''}{host}{parts.path}"


def is_missing(where: str) -> bool:
    """Say whether a store is a file that is not there yet."""
    file = store_file(where)
    return file is not None and not file.exists()


def opened(store: str | None) -> Store:
    """Return a store that is there. Raises StoreError: for a file that is not, too, which asking must not make."""
    from traceview.errors import StoreError  # noqa: PLC0415
    from traceview.store import open_store  # noqa: PLC0415  (brings the database)

    where = where_is(store)
    if is_missing(where):
        raise StoreError(
            f"{where}: there is no such store: traceview scan --store makes it, and so does traceview triage import"
        )
    return open_store(where)


def json_text(document: dict[str, Any]) -> str:
    """Return a document as JSON, escaped to ASCII."""
    import json  # noqa: PLC0415  (text is asked for most of the time)

    return json.dumps(document, indent=1)


def login_name() -> str:
    """Return the name of the user who runs this; ``""`` where the system has none for them."""
    import getpass  # noqa: PLC0415

    with suppress(KeyError, OSError, ImportError):  # a container, a user without an entry
        return getpass.getuser()
    return ""


def parse_state(text: str) -> str:
    """Return the name of a state in lower case. Raises typer.BadParameter."""
    if text.lower() not in STATES:
        from traceview.errors import nearest  # noqa: PLC0415

        raise typer.BadParameter(f"{text!r} is none of {', '.join(STATES)}{nearest(text, STATES)}")
    return text.lower()


def complete_state(incomplete: str) -> list[str]:
    """Return the states that begin so."""
    return [s for s in STATES if s.startswith(incomplete)]


def complete_finding(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the numbers of findings that begin so, each with what it is."""
    from traceview.errors import TraceviewError  # noqa: PLC0415
    from traceview.report.escape import printable  # noqa: PLC0415

    named = context.params.get("store") or (context.parent.params.get("store") if context.parent else None)
    with suppress(TraceviewError):  # no store, no completion
        found = [f for f in opened(named).findings() if str(f.id).startswith(incomplete.removeprefix("#"))]
        return [(str(f.id), f"{f.state.value}: {printable(f.title, limit=80)}") for f in found[:MOST_COMPLETED]]
    return []


FindingId = Annotated[
    str,
    typer.Argument(
        metavar="ID", autocompletion=complete_finding, show_default=False,
        help="A finding: its number, or the beginning of its identity (6 characters or more).",
    ),
]  # fmt: skip
FindingIds = Annotated[
    list[str],
    typer.Argument(
        metavar="ID", autocompletion=complete_finding, show_default=False,
        help="Findings: their numbers, or the beginnings of their identities.",
    ),
]  # fmt: skip
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", show_default=False, help="Who says so; by default your login name."),
]


def parse_since(text: str) -> datetime:
    """Return a moment of the past: a day (it begins at midnight, UTC), a time, or an age such as 36h, 7d, 2w.

    Raises typer.BadParameter.
    """
    age = _AGE.fullmatch(text.strip())
    if age is not None:
        return datetime.now(UTC) - timedelta(hours=int(age[1]) * _HOURS[age[2]])
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no date: expected a day such as 2026-11-20, a time such as 2026-11-20T03:00 (UTC), or an "
            "age such as 36h, 7d or 2w"
        ) from None


def parse_ahead(text: str) -> date:
    """Return a day: as one (2027-01-31), or by how far ahead it is (30d, 8w). Raises typer.BadParameter."""
    ahead = _AGE.fullmatch(text.strip())
    if ahead is not None and ahead[2] != "h":
        return (datetime.now(UTC) + timedelta(hours=int(ahead[1]) * _HOURS[ahead[2]])).date()
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no day: expected one such as 2027-01-31, or how far ahead it is, such as 30d or 8w"
        ) from None
