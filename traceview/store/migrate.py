"""The tables of a store are made and brought up to date by Alembic, from `migrations`, in one transaction.

A change of `tables` needs a new revision in ``migrations/versions`` and its name in `NEWEST`; a test holds the three to
each other. Old revisions are never edited: stores were made by them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from traceview.errors import StoreError
from traceview.store.engine import Database

__all__ = ["NEWEST", "VERSION_TABLE", "bring_up_to_date"]

NEWEST = "0001"
"""The revision that this traceview works with."""
VERSION_TABLE = "store_revision"
"""Not Alembic's usual name: the table tells a store from the database of some other program."""
_MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def bring_up_to_date(database: Database) -> None:
    """Make the tables, or bring them to the newest revision; processes that do so at once wait for each other.

    Raises StoreError for a database that is of something else, or of a newer traceview.
    """
    with database.reading() as session:
        revision = _revision(session.connection(), database.where)
    if revision == NEWEST:
        return
    database.keep_log_ahead()
    with database.changing() as connection:
        _upgrade(connection, database.where)


def _revision(connection: Connection, where: str) -> str | None:
    """Return the revision of a store, None for a database that is empty."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        return str(connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")))  # noqa: S608  (our own name)
    if tables:
        raise StoreError(
            f"{where}: is no store of traceview: it has tables, {tables[0]!r} among them, and no {VERSION_TABLE!r}; "
            "name a file that is not there yet, or an empty database"
        )
    return None


def _upgrade(connection: Connection, where: str) -> None:
    # Alembic takes as long to import as all the rest, and a store that is up to date does without.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    # Alembic tells on stdout what it did where it is given nothing else, and stdout is for data.
    config = Config(stdout=sys.stderr)
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    revision = _revision(connection, where)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreError(
            f"{where}: the store is of revision {revision!r}, and this traceview knows none after {NEWEST!r}: "
            "a newer traceview made it; use that one, or newer"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)
