"""Where the store lies if nobody says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import traceview.store
from traceview.store import default_store


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEVIEW_STORE", "postgresql://triage@db/traceview")
    assert default_store() == "postgresql://triage@db/traceview"


def test_otherwise_it_is_a_file_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TRACEVIEW_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = Path(default_store())
    assert path.name == "findings.sqlite"
    assert path.parent.name == "traceview"


def test_the_words_of_the_store_come_without_a_database() -> None:
    code = "import sys, traceview.store as s; s.TriageState.NEW, s.default_store; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {m.partition(".")[0] for m in done.stdout.split()} & {"sqlalchemy", "alembic", "psycopg", "lark"} == set()


def test_an_open_store_that_is_up_to_date_needs_no_alembic(tmp_path: Path) -> None:
    path = str(tmp_path / "findings.sqlite")
    code = "import sys, traceview.store as s; s.open_store(sys.argv[1]); print('alembic' in sys.modules)"
    told = [
        subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True) for _ in "12"
    ]
    assert [t.stdout.strip() for t in told] == ["True", "False"]


def test_a_name_that_the_store_does_not_have() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Shop'"):
        traceview.store.Shop  # noqa: B018  (asking is the test)
