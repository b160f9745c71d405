"""Who has an image open for writing, as /proc tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from traceview.repair.holders import writers_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "disk.img"
    file.write_bytes(bytes(4096))
    return file


@pytest.mark.parametrize(("redirection", "seen"), [("3<", False), ("3>>", True), ("3<>", True)])
def test_a_process_that_may_write_is_named_and_one_that_reads_is_not(redirection: str, seen: bool, path: Path) -> None:
    command = ["sh", "-c", f'exec {redirection}"$1"; echo; exec sleep 60', "sh", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        named = [line for line in writers_of(path) if f"process {process.pid} " in line]
        assert bool(named) is seen
        process.kill()


def test_what_we_have_open_ourselves_does_not_count(path: Path) -> None:
    with path.open("r+b"):
        assert writers_of(path) == []


def test_another_name_of_the_file_is_the_file(path: Path) -> None:
    other = path.with_name("other.img")
    other.hardlink_to(path)
    with subprocess.Popen(["sh", "-c", 'exec 3<>"$1"; echo; exec cat', "sh", str(other)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        assert len(writers_of(path)) == 1
        process.stdin.close()


def test_a_system_that_tells_nothing_and_a_file_that_is_gone_name_nobody(path: Path, tmp_path: Path) -> None:
    assert writers_of(path, tmp_path / "no-proc") == []
    assert writers_of(tmp_path / "gone.img") == []


def test_processes_that_end_or_are_not_ours_are_passed_over(path: Path, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    for pid, files in (("7", ()), ("8", ("fd",)), ("9", ("fd", "fdinfo"))):
        (proc / pid).mkdir(parents=True)
        if "fd" in files:
            (proc / pid / "fd").mkdir()
            os.symlink(path, proc / pid / "fd" / "3")
        if "fdinfo" in files:
            (proc / pid / "fdinfo").mkdir()
            (proc / pid / "fdinfo" / "3").write_text("pos:\t0\nflags:\t0100002\n", encoding="ascii")
    (proc / "self").mkdir()
    assert writers_of(path, proc) == ["process 9 (?) has it open for writing"]
