"""Captures in small: sample traces under the names of the captures that benchmarks are made from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.inputs import BINARIES, CAPTURES, InputMaker
from tests.benchmarks.traces import as_version_4
from tests.conftest import ROOT

SAMPLES = ROOT / "sample-traces"
LOGS = {
    "instrumented": ("lp1570134-case-1", ("abort", "cancelled", "fixed", "second-door")),
    "stock": ("stock-7.2-mixed", ("stock-7.2-mixed",) * 3),
}


@pytest.fixture(scope="session")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of captures that are sample traces."""
    folder = tmp_path_factory.mktemp("captures")
    for kind, (main, others) in CAPTURES.items():
        sample, more = LOGS[kind]
        for name, source in zip((main, *others), (sample, *more), strict=True):
            (folder / name).mkdir(parents=True)
            shutil.copy(SAMPLES / source / "trace.log", folder / name / "trace.log")
    for version, ((main, others), declared) in BINARIES.items():
        (folder / declared).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / "simpletrace-2.6" / "trace-events", folder / declared)
        for name in (main, *others):
            (folder / name).mkdir(parents=True, exist_ok=True)
            data = (SAMPLES / "simpletrace-2.6" / "trace.bin").read_bytes()
            (folder / name / "trace.bin").write_bytes(data if version == 3 else as_version_4(data, folder / declared))
    return folder


@pytest.fixture
def maker(tmp_path: Path, captures: Path) -> InputMaker:
    """Return a maker of inputs of 2 MiB."""
    return InputMaker(tmp_path, 2 << 20, captures)
