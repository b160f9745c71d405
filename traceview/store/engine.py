"""The database of a store: which one is meant, how it is opened, and transactions that many processes share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from traceview.errors import MissingPackageError, StoreError

__all__ = ["BUSY_SECONDS", "Database", "open_database"]

BUSY_SECONDS = 60
"""How long one waits for the others that write to the same store."""
_LOCK = 0x7472766965770001
"""The number of the advisory lock that all who write to a store in PostgreSQL take: ``trview`` in ASCII, and 1."""
_WRITES = "traceview_writes"
_POSTGRESQL = ("postgresql", "postgresql+psycopg")


class Database:
    """An open database. `where` is how it is called in messages, without a password.

    Connections are opened for each transaction: a scan has few, and none is left open in a process that forks or dies.
    """

    def __init__(self, url: URL, where: str) -> None:
        self.where = where
        self.sqlite = url.get_backend_name() == "sqlite"
        self._file = url.database or ""
        engine = _sqlite(url) if self.sqlite else _postgresql(url)
        self._writer = engine.execution_options(**{_WRITES: True})
        # One question may be several selects: all of them see the same state. A transaction of SQLite does so anyway.
        self._reader = engine if self.sqlite else engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that sees one state of the database; raises StoreError where it cannot be read."""
        with self._telling("read"), self._reader.connect() as connection, Session(connection) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session that has the database for itself; all of it is written at the end, or nothing.

        Raises StoreError where it cannot be written, or others write for more than `BUSY_SECONDS`.
        """
        with self.changing() as connection, Session(connection) as session:
            yield session
            session.flush()

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Give a connection in the transaction that `writing` has a session in."""
        with self._telling("written"), self._writer.begin() as connection:
            yield connection

    def keep_log_ahead(self) -> None:
        """Turn on SQLite's write-ahead log, which lasts: readers then never wait for those who write."""
        if not self.sqlite:
            return
        try:
            with closing(sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                _log_ahead(connection)
        except sqlite3.Error as error:
            raise StoreError(f"{self.where}: cannot be written: {_reason(error)}") from error

    @contextmanager
    def _telling(self, done: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(f"{self.where}: cannot be {done}: {_reason(error.orig or error)}") from error


def _reason(error: BaseException) -> str:
    """Return what the driver says, and what to do about it where that is plain."""
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if "database is locked" in said or "lock timeout" in said:
        return f"another process has been writing to it for {BUSY_SECONDS} s; try again"
    if "not a database" in said:
        return "it is no SQLite file: name another file for the store, or remove this one"
    return said


def open_database(where: str | Path) -> Database:
    """Return the database of a store: a path, whose folder is made, or a ``postgresql://`` URL.

    Raises StoreError for another kind of URL and for a folder that cannot be made, MissingPackageError where the driver
    of PostgreSQL is not installed.
    """
    text = str(where)
    if isinstance(where, Path) or "://" not in text:
        path = Path(where).expanduser().absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: its folder cannot be made: {error.strerror}") from error
        return Database(URL.create("sqlite", database=str(path)), str(path))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The error has the URL in it, and that may have a password.
        raise StoreError("the store's URL makes no sense: expected one as postgresql://user@host/database") from None
    if url.drivername not in _POSTGRESQL:
        raise StoreError(
            f"{url.drivername}: no kind of store: name a file, or a database as postgresql://user@host/database"
        )
    if find_spec("psycopg") is None:
        raise MissingPackageError("psycopg is not installed: pip install 'traceview[postgresql]' brings it")
    return Database(url.set(drivername=_POSTGRESQL[1]), _shown(url))


def _shown(url: URL) -> str:
    """Return a URL without the password, which may stand in two places."""
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The driver would begin transactions by itself, only before some statements, and too late to be alone.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        # One that begins to write later than it reads may find that another has written in between, and fail.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turn the log on; while another does the same, SQLite refuses at once and does not wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _postgresql(url: URL) -> Engine:
    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            # All who write take turns: what was read in the transaction stays true until it is written.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    return engine
