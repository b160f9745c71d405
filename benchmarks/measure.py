"""One measured run of one contender, and rounds of several."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.captures import ROOT

__all__ = ["Contender", "Outcome", "Run", "rounds", "run_once"]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_CACHES = ("NUMBA_CACHE_DIR", "TRACEVIEW_CACHE_DIR", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Run:
    """What one run took: wall clock and CPU (user and system) in seconds, peak resident memory in bytes."""

    wall_s: float
    cpu_s: float
    peak: int


@dataclass(frozen=True)
class Contender:
    """A program to run. `bytes` and `records` are those of what it reads."""

    label: str
    command: tuple[str, ...]
    bytes: int = 0
    records: int = 0
    one_core: bool = False
    """Pin it to one processor."""
    discard: bool = False
    """Let it write to ``/dev/null`` instead of a file. Never for grep, which then stops at the first match."""
    warm_up: bool = False
    """Run it once before the rounds: it compiles code that it keeps."""
    fresh_caches: bool = False
    """Give each run empty folders for everything that traceview keeps between runs."""
    good_codes: tuple[int, ...] = (0,)
    unsupported_codes: tuple[int, ...] = ()
    absent: str = ""
    """Why it cannot be run here, or empty."""


@dataclass
class Outcome:
    """The runs of one contender, one a round; `note` says why there are none."""

    label: str
    bytes: int
    records: int
    runs: list[Run] = field(default_factory=list)
    note: str = ""
    failed: bool = False


def run_once(contender: Contender) -> tuple[Run | None, str, bool]:
    """Run a contender; return what it took or None, and then why, and whether that is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, LC_ALL="C")
        if contender.fresh_caches:
            env.update({name: str(Path(folder, name.lower())) for name in _CACHES})
        output = os.devnull if contender.discard else str(Path(folder, "out"))
        errors = Path(folder, "errors")
        core = str(min(os.sched_getaffinity(0))) if contender.one_core else "-"
        done = subprocess.run(
            [sys.executable, "-S", "-E", str(_LAUNCHER), output, str(errors), core, *contender.command],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        wall, cpu, peak, code = done.stdout.split()
        if int(code) in contender.good_codes:
            return Run(float(wall), float(cpu), int(peak) << 10), "", False
        if int(code) in contender.unsupported_codes:
            return None, "not supported", False
        said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines() if errors.exists() else []
        return None, f"exit code {code}{': ' + said[-1] if said else ''}", True


def rounds(
    contenders: dict[str, Contender],
    count: int,
    tell: Callable[[str], None],
    run: Callable[[Contender], tuple[Run | None, str, bool]] = run_once,
) -> dict[str, Outcome]:
    """Run every contender once a round, for `count` rounds, each round in another order; return what they took.

    A contender that fails is not run again, and the runs that it had are dropped: a ratio needs both of a round.
    """
    outcomes = {key: Outcome(c.label, c.bytes, c.records, note=c.absent) for key, c in contenders.items()}
    for number in range(count):
        for key in _rotated([k for k, o in outcomes.items() if not o.note], number):
            outcome = outcomes[key]
            taken, outcome.note, outcome.failed = run(contenders[key])
            if taken is None:
                outcome.runs.clear()
                tell(f"{outcome.label}: {outcome.note}")
            else:
                outcome.runs.append(taken)
    return outcomes


def _rotated(keys: Sequence[str], by: int) -> list[str]:
    by %= max(len(keys), 1)
    return [*keys[by:], *keys[:by]]
