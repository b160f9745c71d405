"""The tables are what the migrations make, and a store of another kind or time is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from tests.store.conftest import NewPlace
from tests.store.notes import scan, seen
from traceview.errors import StoreError
from traceview.store import migrate, open_store
from traceview.store.migrate import NEWEST, VERSION_TABLE
from traceview.store.tables import Base

SCRIPTS = Path(migrate.__file__).parent / "migrations"


def engine_of(where: str) -> Engine:
    """Return an engine of the test's own."""
    url = where.replace("postgresql://", "postgresql+psycopg://") if "://" in where else f"sqlite:///{where}"
    return create_engine(url)


def test_the_migrations_make_the_tables_that_the_code_works_with(new_place: NewPlace) -> None:
    where = new_place()
    open_store(where)
    engine = engine_of(where)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_constraints_are_called_the_same_as_in_the_code(new_place: NewPlace, tmp_path: Path) -> None:
    where = new_place()
    open_store(where)
    made, meant = engine_of(where), create_engine("sqlite://")
    Base.metadata.create_all(meant)
    for name in Base.metadata.tables:
        a, b = inspect(made), inspect(meant)
        assert a.get_pk_constraint(name)["name"] == b.get_pk_constraint(name)["name"]
        assert {f["name"] for f in a.get_foreign_keys(name)} == {f["name"] for f in b.get_foreign_keys(name)}
        assert {i["name"] for i in a.get_unique_constraints(name)} == {
            i["name"] for i in b.get_unique_constraints(name)
        }
    made.dispose()
    meant.dispose()


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]


def test_a_store_is_made_once_and_opened_again(new_place: NewPlace) -> None:
    where = new_place()
    scan(open_store(where), seen())
    assert len(open_store(where).findings()) == 1


def test_a_store_of_a_newer_traceview_is_refused(new_place: NewPlace) -> None:
    where = new_place()
    open_store(where)
    engine = engine_of(where)
    with engine.begin() as connection:
        connection.execute(text("UPDATE store_revision SET version_num = '9999'"))
    with pytest.raises(
        StoreError, match=r"of revision '9999', and this traceview knows none after .* a newer traceview"
    ):
        open_store(where)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM store_revision")) == "9999"
    engine.dispose()


def test_the_database_of_something_else_is_refused_and_left_as_it_is(new_place: NewPlace) -> None:
    where = new_place()
    if "://" not in where:
        Path(where).parent.mkdir()
    engine = engine_of(where)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (id INTEGER)"))
    with pytest.raises(StoreError, match="is no store of traceview: it has tables, 'customers' among them"):
        open_store(where)
    assert inspect(engine).get_table_names() == ["customers"]
    engine.dispose()


def test_the_file_of_something_else_in_sqlite_keeps_its_way_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is no store"):
        open_store(path)
    assert path.read_bytes() == before


def test_alembic_keeps_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    open_store(tmp_path / "findings.sqlite")
    assert capfd.readouterr() == ("", "")
