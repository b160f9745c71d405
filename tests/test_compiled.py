"""Kernels are compiled once, kept, loaded without Numba, and done without where that is impossible."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from traceview import compiled
from traceview.compiled import KERNELS, LOG, kernel_function

PROBE = """
import sys
from traceview.compiled import LOG, kernel_function
function = kernel_function(LOG, wait={wait})
print(function is not None, "numba" in sys.modules)
"""


def run(cache: Path | str, *, wait: bool) -> list[str]:
    """Ask for the kernel of logs in a process of its own; return whether there is one, and whether Numba was used."""
    env = {**os.environ, "TRACEVIEW_CACHE_DIR": str(cache)}
    code = PROBE.format(wait=wait)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder with the kernel of logs in it."""
    folder = tmp_path_factory.mktemp("cache") / "not" / "there"
    assert run(folder, wait=True) == ["True", "True"]
    return folder


def test_a_kernel_is_compiled_once_and_then_loaded_without_numba(kept: Path) -> None:
    assert [p.suffix for p in kept.iterdir()] == [".o"]
    assert run(kept, wait=True) == ["True", "False"]
    assert run(kept, wait=False) == ["True", "False"]


def test_who_does_not_wait_gets_no_kernel_that_is_not_kept(tmp_path: Path) -> None:
    assert run(tmp_path, wait=False) == ["False", "False"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_object_is_not_loaded_and_made_anew(kept: Path, tmp_path: Path, damage: str) -> None:
    (whole,) = kept.iterdir()
    data = whole.read_bytes()
    bad = {"cut": data[:-100], "changed": data[:-100] + b"?" + data[-99:], "empty": b""}[damage]
    (tmp_path / whole.name).write_bytes(bad)
    assert run(tmp_path, wait=False) == ["False", "False"]
    if damage == "cut":
        assert run(tmp_path, wait=True) == ["True", "True"]
        assert run(tmp_path, wait=False) == ["True", "False"]


def test_a_folder_that_cannot_be_written_costs_the_keeping_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(tmp_path / "file" / "cache", wait=True) == ["True", "True"]


def test_first_runs_at_the_same_time_do_not_hinder_each_other(tmp_path: Path) -> None:
    env = {**os.environ, "TRACEVIEW_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROBE.format(wait=True)]
    runs = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [r.communicate()[0].split()[0] for r in runs] == ["True"] * 3
    assert [p.suffix for p in tmp_path.iterdir()] == [".o"]
    assert run(tmp_path, wait=False) == ["True", "False"]


def test_all_kernels_can_be_compiled_beforehand(tmp_path: Path) -> None:
    env = {**os.environ, "TRACEVIEW_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "traceview.compiled"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()[1::2]) == sorted(str(p) for p in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == len(KERNELS)


def test_the_environment_can_turn_kernels_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEVIEW_COMPILED", "0")
    assert kernel_function(LOG, wait=True) is None


def test_without_llvmlite_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_functions", {})
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    assert kernel_function(LOG, wait=True) is None


def test_a_kernel_has_as_many_arguments_as_its_signature_says() -> None:
    function = kernel_function(LOG, wait=True)
    assert function is not None
    with pytest.raises((TypeError, ctypes.ArgumentError)):
        function(1)
