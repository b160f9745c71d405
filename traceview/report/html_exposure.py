"""How long clean windows stood open: a clean trace of an affected build still says how wide the door stood."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from traceview.findings import ScanResult, Verdict, Window
from traceview.report.style import duration

__all__ = ["STEPS", "Exposure", "exposures"]

STEPS = (
    ("< 1 µs", 1_000), ("< 10 µs", 10_000), ("< 100 µs", 100_000), ("< 1 ms", 1_000_000),
    ("< 10 ms", 10_000_000), ("< 100 ms", 100_000_000), ("< 1 s", 1_000_000_000), ("longer", None),
)  # fmt: skip
"""The columns of the histogram: their words, and the ns that a window in them stays under."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long the clean windows of a rule stood open, in words; `steps` counts them by `STEPS`.

    `untimed` have no times; `unlisted` were clean as well and are not listed one by one.
    """

    rule: str
    windows: int
    untimed: int
    unlisted: int
    median: str
    ninth: str
    """Nine in ten were no longer."""
    longest: str
    steps: tuple[int, ...]


def exposures(result: ScanResult) -> list[Exposure]:
    """Return the exposure of each rule that has clean windows, in the order in which the rules are first met."""
    by_rule: dict[str, list[Window]] = defaultdict(list)
    for window in result.windows:
        if window.verdict is Verdict.CLEAN:
            by_rule[window.rule].append(window)
    unlisted: dict[str, int] = defaultdict(int)
    for trace in result.traces:
        for coverage in trace.coverage:
            if coverage.unlisted:
                unlisted[coverage.rule] += coverage.unlisted
    return [_exposure(rule, by_rule[rule], unlisted[rule]) for rule in dict.fromkeys([*by_rule, *unlisted])]


def _exposure(rule: str, windows: Sequence[Window], unlisted: int) -> Exposure:
    spans = sorted(d for w in windows if (d := w.duration_ns) is not None)
    steps = [0] * len(STEPS)
    for span in spans:
        steps[next(i for i, (_, below) in enumerate(STEPS) if below is None or span < below)] += 1
    return Exposure(
        rule, len(windows), len(windows) - len(spans), unlisted,
        median=duration(int(statistics.median(spans))) if spans else "",
        ninth=duration(spans[(len(spans) * 9 - 1) // 10]) if spans else "",
        longest=duration(spans[-1]) if spans else "",
        steps=tuple(steps),
    )  # fmt: skip
