"""Ratios of contenders, a round at a time, and the targets that they are held to."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.measure import Outcome, Run

__all__ = ["Comparison", "Ratio", "compare"]

Of = Literal["time", "rate", "peak ratio", "peak MB"]
"""What is compared: wall time (ours by the peer's), records a second (ours by the peer's), peak memory by the peer's
peak memory, or our own peak memory in MB, which has no peer."""


@dataclass(frozen=True)
class Comparison:
    """A contender beside another, and the target: at most `most`, or at least `least`, where they are given."""

    label: str
    ours: str
    peer: str = ""
    of: Of = "time"
    most: float | None = None
    least: float | None = None

    @property
    def target(self) -> str:
        """The target as text, empty where there is none."""
        if self.most is not None:
            return f"≤ {self.most:g}"
        return f"≥ {self.least:g}" if self.least is not None else ""

    def met(self, value: float) -> bool | None:
        """Say whether a value meets the target; None where there is none."""
        if self.most is not None:
            return value <= self.most
        return value >= self.least if self.least is not None else None


@dataclass(frozen=True)
class Ratio:
    """The median over the rounds, with the least and the greatest."""

    median: float
    least: float
    greatest: float


def compare(comparison: Comparison, outcomes: Mapping[str, Outcome]) -> Ratio | None:
    """Return the ratio of each round's runs, summed up; None where a contender was not run."""
    ours = outcomes[comparison.ours]
    if comparison.of == "peak MB":
        values = [run.peak / 1e6 for run in ours.runs]
    else:
        peer = outcomes[comparison.peer]
        pairs = zip(ours.runs, peer.runs, strict=True) if ours.runs and peer.runs else ()
        values = [_ratio(comparison.of, ours, mine, peer, other) for mine, other in pairs]
    return Ratio(statistics.median(values), min(values), max(values)) if values else None


def _ratio(of: Of, ours: Outcome, mine: Run, peer: Outcome, other: Run) -> float:
    if of == "time":
        return mine.wall_s / other.wall_s
    if of == "rate":
        return (ours.records / mine.wall_s) / (peer.records / other.wall_s)
    return mine.peak / other.peak
