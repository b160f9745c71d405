"""The results as JSON, from which the page is made: kept between runs, so that a partial run changes only its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Outcome, Run
from benchmarks.ratios import Comparison
from benchmarks.scenarios import Scenario

__all__ = ["VERSION", "Results", "ScenarioResult", "machine"]

VERSION = 1
"""Counted up when the JSON changes; results of another version are not read."""


@dataclass(frozen=True)
class ScenarioResult:
    """What the contenders of a scenario took, by their keys, and what is compared."""

    section: str
    title: str
    outcomes: dict[str, Outcome]
    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(cls, scenario: Scenario, outcomes: dict[str, Outcome]) -> ScenarioResult:
        """Return the result of a scenario that was run."""
        return cls(scenario.section, scenario.title, outcomes, scenario.comparisons)


@dataclass
class Results:
    """All results, by the keys of their scenarios, and the machine of the last run."""

    machine: dict[str, str]
    scenarios: dict[str, ScenarioResult]

    def to_json(self) -> str:
        """Return the results as JSON."""
        document = {
            "version": VERSION,
            "machine": self.machine,
            "scenarios": {key: asdict(result) for key, result in self.scenarios.items()},
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Read what `to_json` wrote; raises ValueError for another version."""
        document: dict[str, Any] = json.loads(text)
        if document.get("version") != VERSION:
            raise ValueError(f"results of version {document.get('version')}, expected {VERSION}: measure again")
        return cls(document["machine"], {k: _scenario(v) for k, v in document["scenarios"].items()})

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read the results of earlier runs; none if there is no file. Raises ValueError for another version."""
        if not path.is_file():
            return cls({}, {})
        return cls.from_json(path.read_text(encoding="utf-8"))


def _scenario(document: Mapping[str, Any]) -> ScenarioResult:
    outcomes = {
        key: Outcome(**{**outcome, "runs": [Run(**run) for run in outcome["runs"]]})
        for key, outcome in document["outcomes"].items()
    }
    comparisons = tuple(Comparison(**c) for c in document["comparisons"])
    return ScenarioResult(document["section"], document["title"], outcomes, comparisons)


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, and the versions of what is run."""
    rg = "not installed"
    if shutil.which("rg"):
        said = subprocess.run(["rg", "--version"], capture_output=True, text=True, check=True).stdout
        rg = said.split()[1]
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: _version(name) for name in ("numba", "numpy", "pandas", "typer", "isal", "zstandard")},
        "ripgrep": rg,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
