"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.captures import ROOT, UnusableInputError
from benchmarks.inputs import InputMaker, parse_size
from benchmarks.measure import rounds, run_once
from benchmarks.page import filled, tables
from benchmarks.results import Results, ScenarioResult, machine
from benchmarks.scenarios import SECTIONS, Scenario, scenarios

__all__ = ["main"]

_EXAMPLES = """\
examples:
  python -m benchmarks                                   all rows but the last, inputs of 1 GiB, 5 rounds
  python -m benchmarks --ten                             also a log of ten times the size
  python -m benchmarks --size 128M --runs 3 --page -     a quick look, printed
  python -m benchmarks --only text,startup               these rows only; the others of the page stay
  python -m benchmarks --simpletrace-py qemu/scripts/simpletrace.py
  python -m benchmarks --render                          make the page again from the kept results
  python -m benchmarks --inputs-only --size 256M         make the inputs and print where they are
"""
_WARM = 1 << 24


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _sections(text: str) -> set[str]:
    chosen = {part.strip() for part in text.split(",")}
    unknown = sorted(chosen - set(SECTIONS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return chosen


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds")
    return int(text)


def _script(text: str) -> Path:
    # What is run is run from the top of the checkout.
    path = Path(text).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure traceview beside the tools that people have, in the same rounds.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    page = str(ROOT / "docs" / "performance.md")
    parser.add_argument("--size", type=_size, default=1 << 30, help="size of each input, as 128M or 1G (default: 1G)")
    parser.add_argument("--runs", type=_count, default=5, help="rounds (default: 5)")
    parser.add_argument("--only", type=_sections, metavar="SECTIONS", help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--ten", action="store_true", help="also measure a log of ten times the size")
    parser.add_argument("--simpletrace-py", type=_script, metavar="PATH", help="QEMU's scripts/simpletrace.py")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench", help="where inputs are kept (default: .bench)")
    parser.add_argument("--page", default=page, help="page to fill in, - to print (default: docs/performance.md)")
    parser.add_argument("--render", action="store_true", help="make the page from the kept results, measure nothing")
    parser.add_argument("--inputs-only", action="store_true", help="make the inputs and measure nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 0, 1 if a contender failed, 2 if something that is needed is not there."""
    options = _parser().parse_args(arguments)
    kept = options.work.resolve() / "results.json"
    sections = options.only or set(SECTIONS) - {"ten"}
    if options.ten:
        sections |= {"ten"}
    try:
        results = Results.load(kept)
        failed = False
        if not options.render:
            maker = InputMaker(options.work.resolve(), options.size)
            for make in scenarios(maker, sections, options.simpletrace_py):
                scenario = make()
                if options.inputs_only:
                    _tell(f"{scenario.section}: {scenario.title}")
                    continue
                failed |= _measure(scenario, options.runs, results)
                kept.write_text(results.to_json(), encoding="utf-8")
        if not options.inputs_only:
            _publish(results, options.page)
    except (UnusableInputError, ValueError) as error:
        _tell(str(error))
        return 2
    return 1 if failed else 0


def _measure(scenario: Scenario, count: int, results: Results) -> bool:
    """Measure a scenario into the results; return whether a contender failed."""
    _tell(f"{scenario.section}: {scenario.title}")
    _warm(scenario)
    outcomes = rounds(scenario.contenders, count, _tell)
    results.machine = machine()
    results.scenarios[scenario.key] = ScenarioResult.of(scenario, outcomes)
    return any(o.failed for o in outcomes.values())


def _warm(scenario: Scenario) -> None:
    """Bring what is read into the page cache, so that the first round pays neither for the disk nor for compiling."""
    words = {word for c in scenario.contenders.values() if c.bytes and not c.absent for word in c.command}
    for path in (Path(w) for w in sorted(words) if w.startswith("/")):
        if path.is_file():
            with open(path, "rb") as file:
                while file.read(_WARM):
                    pass
    for contender in scenario.contenders.values():
        if contender.warm_up and not contender.absent:
            run_once(contender)


def _publish(results: Results, page: str) -> None:
    if page == "-":
        print("\n".join(tables(results)))
        return
    path = Path(page)
    path.write_text(filled(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    _tell(f"{path}: filled in")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
