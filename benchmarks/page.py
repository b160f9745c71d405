"""The results as tables, in the generated block of ``docs/performance.md``."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator

from benchmarks.measure import Outcome
from benchmarks.ratios import Comparison, Ratio, compare
from benchmarks.results import Results, ScenarioResult
from benchmarks.scenarios import SECTIONS

__all__ = ["filled", "tables"]

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_BLOCK = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
_MET = {True: "yes", False: "**no**", None: ""}


def filled(page: str, results: Results) -> str:
    """Return a page with its generated block made from results; raises ValueError if it has none."""
    if not _BLOCK.search(page):
        raise ValueError(f"the page lacks the lines {BEGIN} and {END}")
    block = "\n".join((BEGIN, *tables(results), END))
    return _BLOCK.sub(lambda _: block, page)


def tables(results: Results) -> Iterator[str]:
    """Yield the lines of the tables, section by section; sections that were not run are left out."""
    if results.machine:
        yield from ("", ", ".join(f"{name} {value}" for name, value in results.machine.items()) + ".", "")
    for section, title in SECTIONS.items():
        of_section = [s for s in results.scenarios.values() if s.section == section]
        if of_section:
            yield from (f"### {title}", "")
            for scenario in of_section:
                yield from _scenario(scenario)


def _scenario(scenario: ScenarioResult) -> Iterator[str]:
    counts = sorted({len(o.runs) for o in scenario.outcomes.values() if o.runs})
    ran = " or ".join(f"{c} round{'s' if c > 1 else ''}" for c in counts)
    yield f"**{_upper(scenario.title)}**" + (f" ({ran})" if ran else "")
    yield ""
    yield "| compared | median | least to greatest | target | met |"
    yield "|---|---:|---:|---:|---|"
    for comparison in scenario.comparisons:
        yield _comparison(comparison, compare(comparison, scenario.outcomes), scenario.outcomes)
    yield ""
    yield "| contender | wall s | CPU s | MB/s | M records/s | peak MB |"
    yield "|---|---:|---:|---:|---:|---:|"
    yield from (_outcome(o) for o in scenario.outcomes.values())
    yield ""


def _comparison(comparison: Comparison, ratio: Ratio | None, outcomes: dict[str, Outcome]) -> str:
    if ratio is None:
        why = next(o.note for o in (outcomes[comparison.ours], outcomes[comparison.peer or comparison.ours]) if o.note)
        return f"| {comparison.label} | – | {_cell(why)} | {comparison.target} | |"
    spread = f"{_figure(ratio.least)} to {_figure(ratio.greatest)}"
    met = _MET[comparison.met(ratio.median)]
    return f"| {comparison.label} | {_figure(ratio.median)} | {spread} | {comparison.target} | {met} |"


def _outcome(outcome: Outcome) -> str:
    label = _cell(outcome.label)
    if not outcome.runs:
        return f"| {label} | {_cell(outcome.note)} | | | | |"
    wall = statistics.median(r.wall_s for r in outcome.runs)
    cpu = statistics.median(r.cpu_s for r in outcome.runs)
    speed = _figure(outcome.bytes / wall / 1e6) if outcome.bytes else ""
    records = _figure(outcome.records / wall / 1e6) if outcome.records else ""
    peak = max(r.peak for r in outcome.runs) / 1e6
    return f"| {label} | {_figure(wall)} | {_figure(cpu)} | {speed} | {records} | {_figure(peak)} |"


def _figure(value: float) -> str:
    """Return a figure with three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
