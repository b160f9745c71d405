"""Which database is meant, and what is told where it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.store.conftest import NewPlace
from tests.store.notes import scan, seen
from traceview.errors import MissingPackageError, StoreError
from traceview.store import engine, open_store
from traceview.store.engine import open_database
from traceview.store.tables import UtcTime


def test_a_file_is_made_with_its_folder_on_first_use(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b %20?x=1#.sqlite"
    store = open_store(path)
    scan(store, seen())
    assert path.is_file()
    assert len(open_store(str(path)).findings()) == 1


def test_a_relative_path_stays_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("findings.sqlite")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    scan(store, seen())
    assert os.listdir() == []


def test_sqlite_writes_ahead_and_checks_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "findings.sqlite"
    open_store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with open_database(path).reading() as session:
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA busy_timeout")) == 60_000


def test_readers_do_not_wait_for_who_writes(new_place: NewPlace) -> None:
    where = new_place()
    store = open_store(where)
    scan(store, seen())
    with open_database(where).writing() as session:
        session.execute(text("DELETE FROM history"))
        assert len(store.findings()) == 1
        assert len(store.history(1)) == 1


def test_one_question_sees_one_state(new_place: NewPlace) -> None:
    where = new_place()
    store = open_store(where)
    with open_database(where).reading() as session:
        assert session.scalar(text("SELECT count(*) FROM findings")) == 0
        scan(store, seen())
        assert session.scalar(text("SELECT count(*) FROM findings")) == 0


def test_what_fails_half_way_is_not_written(new_place: NewPlace) -> None:
    where = new_place()
    store = open_store(where)
    with suppress(ZeroDivisionError), open_database(where).writing() as session:
        session.execute(text("INSERT INTO runs (id, host, started_at) VALUES ('x', 'y', '2026-03-01 00:00:00')"))
        raise ZeroDivisionError
    assert store.export()["runs"] == []
    with open_database(where).reading() as session:
        assert session.scalar(text("SELECT count(*) FROM runs")) == 0


def test_what_breaks_the_tables_keys_is_told(new_place: NewPlace) -> None:
    where = new_place()
    open_store(where)
    with pytest.raises(StoreError, match="cannot be written"), open_database(where).writing() as session:
        session.execute(text("INSERT INTO identities VALUES ('v1-x', 77)"))


@pytest.mark.parametrize("content", [b"no database, but a text of more than a hundred characters" * 3, b"\0" * 4096])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"vm\.log: cannot be read: it is no SQLite file"):
        open_store(path)
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "findings.sqlite"
    path.touch()
    assert open_store(path).findings() == []


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        open_store(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="its folder cannot be made: "):
        open_store(tmp_path / "file" / "findings.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "findings.sqlite"
    open_store(path)
    path.chmod(stat.S_IREAD)
    with pytest.raises(StoreError, match="cannot be written: attempt to write a readonly database"):
        scan(open_store(path), seen())


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    path = tmp_path / "findings.sqlite"
    store = open_store(path)
    with (
        open_database(path).writing(),
        pytest.raises(StoreError, match="another process has been writing to it for 0 s"),
    ):
        scan(store, seen())


def test_who_waits_too_long_for_postgresql_is_told(new_postgresql: NewPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    where = new_postgresql()
    store = open_store(where)
    monkeypatch.setattr(engine, "BUSY_SECONDS", "0.05")
    with (
        open_database(where).writing(),
        pytest.raises(StoreError, match=r"another process has been writing to it for 0.05 s"),
    ):
        scan(store, seen())


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read") as told:
        open_store(f"postgresql://ann:secret@/triage?host={tmp_path}&password=secret")
    assert "secret" not in str(told.value)
    assert "postgresql://ann:***@/triage" in str(told.value)


@pytest.mark.parametrize(
    "url", ["mysql://ann:secret@db/triage", "sqlite:///x.sqlite", "postgresql+asyncpg://db/triage"]
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="no kind of store: name a file, or a database as postgresql://") as told:
        open_store(url)
    assert "secret" not in str(told.value)


def test_a_url_that_makes_no_sense_is_refused_without_its_password() -> None:
    with pytest.raises(StoreError, match="makes no sense") as told:
        open_store("postgresql://ann:secret@db:port/triage")
    assert "secret" not in str(told.value)


def test_postgresql_needs_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'traceview\[postgresql\]'"):
        open_store("postgresql://db/triage")


def test_both_ways_to_write_the_url_mean_the_same(new_postgresql: NewPlace) -> None:
    where = new_postgresql()
    scan(open_store(where.replace("postgresql://", "postgresql+psycopg://")), seen())
    assert len(open_store(where).findings()) == 1


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its zone"):
        UtcTime().process_bind_param(datetime(2026, 3, 1), None)  # type: ignore[arg-type]
