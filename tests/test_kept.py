"""Files that one run leaves to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from traceview.kept import cache_folder, keep, kept


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TRACEVIEW_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_files_are_kept_in_the_users_cache_folder_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACEVIEW_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("TRACEVIEW_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "traceview"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a\n\nb\n\n", bytes(range(256))])
def test_what_was_kept_comes_back_as_it_was(folder: Path, content: bytes) -> None:
    assert kept("thing") is None
    keep("thing", content)
    assert kept("thing") == content
    assert [p.name for p in folder.iterdir()] == ["thing"]


def test_what_is_kept_anew_takes_the_place_of_the_old(folder: Path) -> None:
    keep("thing", b"old")
    keep("thing", b"new")
    assert kept("thing") == b"new"


@pytest.mark.parametrize("damage", ["cut", "changed", "longer", "empty"])
def test_what_is_damaged_is_as_good_as_not_kept(folder: Path, damage: str) -> None:
    keep("thing", b"content")
    whole = (folder / "thing").read_bytes()
    bad = {"cut": whole[:-1], "changed": whole[:-1] + b"?", "longer": whole + b"?", "empty": b""}[damage]
    (folder / "thing").write_bytes(bad)
    assert kept("thing") is None


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRACEVIEW_CACHE_DIR", str(tmp_path / "file" / "cache"))
    keep("thing", b"content")
    assert kept("thing") is None
