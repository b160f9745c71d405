"""What need not be imported is not: help and version come at once, tables bring pandas, scans do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli import IN_OWN_PROCESS, sample

HEAVY = {"isal", "jinja2", "lark", "matplotlib", "numba", "numpy", "pandas", "plotly", "pyarrow", "zstandard"}
_PROBE = """
import sys
sys.argv = ["traceview", *sys.argv[1:]]
from traceview.cli import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*words: str) -> set[str]:
    """Return the packages that a run of the command line imports."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *words], env=IN_OWN_PROCESS, capture_output=True, text=True, check=False
    )
    modules = set(done.stderr.splitlines()[-1].split())
    assert "traceview" in modules
    return modules


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        *([c, "--help"] for c in ("scan", "show", "plot", "report", "windows", "requests", "events")),
    ],
)
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    assert imported(*words) & HEAVY == set()


def test_completion_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env={
            **IN_OWN_PROCESS,
            "_TRACEVIEW_COMPLETE": "complete_bash",
            "COMP_WORDS": "traceview scan --format ",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "jsonl" in done.stdout
    assert set(done.stderr.splitlines()[-1].split()) & HEAVY == set()


def test_a_usage_error_imports_nothing_heavy() -> None:
    assert imported("scan", "--format", "nonsense", "vm.log") & HEAVY == set()


def test_a_scan_imports_neither_pandas_nor_matplotlib() -> None:
    assert imported("scan", str(sample("fixed"))) & HEAVY <= {"lark", "numba", "numpy"}


def test_the_package_itself_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, traceview; print(*sys.modules)"],
        env=IN_OWN_PROCESS, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()
