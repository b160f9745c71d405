"""Stores in both databases, and the server that one of them needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from tests.conftest import ROOT
from tests.store.notes import Clock
from tests.store.postgresql import Server, binaries, running_server
from traceview.store import Store
from traceview.store.engine import Database, open_database
from traceview.store.migrate import bring_up_to_date
from traceview.store.tables import Base

NewPlace = Callable[[], str]
Scanners = Callable[..., Any]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server of this worker's own."""
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL server: Debian's package postgresql has it")
    with running_server(folder) as running:
        yield running


@pytest.fixture
def new_sqlite(tmp_path: Path) -> NewPlace:
    """A function that gives a place for a store in SQLite, a new one each time."""
    number = iter(range(100))
    return lambda: str(tmp_path / "stores" / f"{next(number)}.sqlite")


@pytest.fixture
def new_postgresql(server: Server) -> Iterator[NewPlace]:
    """A function that gives a place for a store in PostgreSQL, another one each time."""
    given: list[str] = []

    def place() -> str:
        given.append(server.database())
        return given[-1]

    yield place
    for url in given:
        server.take_back(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database: a test that has a store, or a place for one, runs in both."""
    return str(request.param)


@pytest.fixture
def new_place(request: pytest.FixtureRequest, kind: str) -> NewPlace:
    """A function that gives a place for a store, a new one each time."""
    made: NewPlace = request.getfixturevalue(f"new_{kind}")
    return made


@pytest.fixture(scope="session")
def databases() -> dict[str, Database]:
    """The empty databases that tests share, by kind: to make one, and to compile what it is asked, takes long."""
    return {}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(
    request: pytest.FixtureRequest,
    kind: str,
    databases: dict[str, Database],
    tmp_path_factory: pytest.TempPathFactory,
    clock: Clock,
) -> Iterator[Store]:
    """An empty store."""
    if kind not in databases:
        where = request.getfixturevalue("server").database() if kind == "postgresql" else None
        databases[kind] = open_database(where or tmp_path_factory.mktemp("shared") / "store.sqlite")
        bring_up_to_date(databases[kind])
    yield Store(databases[kind], clock)
    empty(databases[kind])


@pytest.fixture
def other(databases: dict[str, Database], tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Store]:
    """Another empty store, in SQLite."""
    if "other" not in databases:
        databases["other"] = open_database(tmp_path_factory.mktemp("shared") / "store.sqlite")
        bring_up_to_date(databases["other"])
    yield Store(databases["other"], clock)
    empty(databases["other"])


def empty(database: Database) -> None:
    """Take everything out of a store."""
    with database.writing() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))


@pytest.fixture(scope="session")
def scanners() -> Iterator[Scanners]:
    """A function that has other processes record (`tests.store.scanner`) and returns what came of it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.scanner"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(do: str, **asked: Any) -> Any:
            print(json.dumps({"do": do, **asked}), file=stdin, flush=True)
            return json.loads(stdout.readline())

        yield ask
        stdin.close()
