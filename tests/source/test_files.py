"""Which files a directory holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from traceview.errors import TraceNotFoundError
from traceview.source import find_files


def test_the_files_of_a_directory_are_found_at_any_depth_and_sorted(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "sub/z.log", "sub/deeper/y.log", "a/x.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [str(p.relative_to(tmp_path)) for p in find_files(tmp_path)] == [
        "a/x.log", "a.log", "b.log", "sub/deeper/y.log", "sub/z.log",
    ]  # fmt: skip


def test_hidden_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    for name in (".hidden", ".git/config", "seen", "sub/.too", "sub/seen"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [str(p.relative_to(tmp_path)) for p in find_files(tmp_path)] == ["seen", "sub/seen"]


def test_a_hidden_directory_that_is_named_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / ".traces").mkdir()
    (tmp_path / ".traces" / "t").write_bytes(b"")
    assert find_files(tmp_path / ".traces") == [tmp_path / ".traces" / "t"]


def test_links_to_files_are_followed_and_links_to_folders_and_nothing_are_not(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "t").write_bytes(b"")
    (tmp_path / "top" / "file").symlink_to(tmp_path / "elsewhere" / "t")
    (tmp_path / "top" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top" / "loop").symlink_to(tmp_path / "top")
    (tmp_path / "top" / "dangling").symlink_to(tmp_path / "absent")
    assert find_files(tmp_path / "top") == [tmp_path / "top" / "file"]


def test_pipes_in_a_directory_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert find_files(tmp_path) == []


def test_a_file_is_the_only_one_below_itself(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"")
    assert find_files(tmp_path / "t") == [tmp_path / "t"]


@pytest.mark.parametrize("name", ["absent", "n" * 300])
def test_files_below_what_is_not_there_are_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceNotFoundError, match="no such file or directory"):
        find_files(tmp_path / name)
