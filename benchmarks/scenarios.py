"""What is run against what: the groups of contenders that share their rounds, and the targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.inputs import LONG_WINDOWS, WINDOWS_RATIO, Input, InputMaker
from benchmarks.measure import Contender
from benchmarks.ratios import Comparison

__all__ = ["SECTIONS", "Scenario", "scenarios"]

STRUCT_PART, SIMPLETRACE_PY_PART = 4, 16
"""Slow readers get a part of the size, of the same repetitions; records a second are compared."""
_TWO = ("--rule", "mirror-exit-guest-io", "--rule", "mirror-final-drain-guest-io")
_PACK = ("--rules", str(Path(__file__).parent / "more.rules"))
"""Options for a scan by the two founding rules, and for one by the pack and two more."""
_PACKERS = {"gz": "gzip", "zst": "zstd", "xz": "xz"}
_KINDS = {"instrumented": "instrumented build", "stock": "stock build"}


@dataclass(frozen=True)
class Scenario:
    """Contenders that run in the same rounds, by key, and what is said about them."""

    key: str
    section: str
    title: str
    contenders: dict[str, Contender]
    comparisons: tuple[Comparison, ...]


def _about(made: Input) -> str:
    size = f"{made.bytes / (1 << 20):.0f} MiB" if made.bytes < 1 << 30 else f"{made.bytes / (1 << 30):.2f} GiB"
    return f"{made.share:.0%} of {made.records / 1e6:.2f} M records matter, {size}"


def _text(maker: InputMaker, kind: str, percent: int) -> Scenario:
    made = maker.text(kind, percent)
    one, two = {10: (0.6, 0.4), 60: (0.9, 0.6)}[percent]
    return Scenario(
        f"text-{kind}-{percent}",
        "text",
        f"{_KINDS[kind]}: {_about(made)}",
        {
            "one": peers.scan(made, 1),
            "two": peers.scan(made, 2),
            "rg": peers.ripgrep(made, one_core=True),
            "rg-free": peers.ripgrep(made, one_core=False),
            "grep": peers.grep(made),
            "awk": peers.awk(made),
            "cat": peers.cat(made),
        },
        (
            Comparison("time by rg's, one core", "one", "rg", most=one),
            Comparison("time by rg's, two cores", "two", "rg-free", most=two),
            Comparison("time by grep's, one core", "one", "grep"),
            Comparison("time by awk's, one core", "one", "awk"),
            Comparison("speed on two cores by speed on one", "two", "one", "rate", least=1.7),
            Comparison("peak memory on one core, MB", "one", of="peak MB", most=400),
            Comparison("peak memory on two cores, MB", "two", of="peak MB", most=400),
        ),
    )


def _windows(maker: InputMaker) -> Scenario:
    few, many = maker.windows()
    return Scenario(
        "windows",
        "windows",
        f"{_about(few)}; {_about(many)}",
        {
            "few": peers.scan(few, 1, label="traceview scan, few windows"),
            "many": peers.scan(many, 1, label=f"traceview scan, {WINDOWS_RATIO} times the windows"),
        },
        (Comparison(f"time with {WINDOWS_RATIO} times the windows", "many", "few", most=2),),
    )


def _rules(maker: InputMaker, kind: str) -> Scenario:
    made = maker.text(kind, 10)
    return Scenario(
        f"rules-{kind}",
        "rules",
        f"{_KINDS[kind]}: {_about(made)}",
        {
            "two": peers.scan(made, 1, label="traceview scan, two rules", rules=_TWO),
            "pack": peers.scan(made, 1, label="traceview scan, 25 rules", rules=_PACK),
        },
        (Comparison("time with 25 rules by that with two", "pack", "two", most=1.5),),
    )


def _long_windows(maker: InputMaker) -> Scenario:
    made, open_, nested = maker.long_windows()
    return Scenario(
        "rules-long",
        "rules",
        f"{LONG_WINDOWS} windows that stay open, or nest: {_about(made)}",
        {
            "none": peers.scan(made, 1, label="traceview scan, 25 rules", rules=_PACK),
            "open": peers.scan(open_, 1, label=f"{LONG_WINDOWS} nodes drained for all of it", rules=_PACK),
            "nested": peers.scan(nested, 1, label=f"one node drained {LONG_WINDOWS} deep", rules=_PACK),
        },
        (
            Comparison(f"time with {LONG_WINDOWS} windows open", "open", "none", most=1.25),
            Comparison(f"time with windows nested {LONG_WINDOWS} deep", "nested", "none", most=1.25),
            Comparison(f"peak memory with {LONG_WINDOWS} windows open", "open", "none", "peak ratio", most=1.1),
        ),
    )


def _compressed(maker: InputMaker, suffix: str) -> Scenario:
    made = maker.compressed("instrumented", suffix)
    return Scenario(
        f"compressed-{suffix}",
        "compressed",
        f"{_PACKERS[suffix]}: {_about(made)}, packed {made.packed / (1 << 20):.0f} MiB",
        {
            "scan": peers.scan(made, may_lack_support=True),
            "alone": peers.decompressor(made),
        },
        (Comparison("time by decompressing alone", "scan", "alone", most=1.25),),
    )


def _binary(maker: InputMaker, version: int, percent: int, script: Path | None) -> Scenario:
    made = maker.binary(version, percent)
    source = maker.binary_source(version)
    contenders = {
        "one": peers.scan(made, 1, trace_events=source.declared if version == 3 else None),
        "struct": peers.struct_reader(maker.binary(version, percent, part=STRUCT_PART), maker.layouts(version)),
    }
    comparisons = [
        Comparison("records a second by Python's with struct", "one", "struct", "rate", least=40),
        Comparison("peak memory, MB", "one", of="peak MB", most=400),
    ]
    if version == 4:  # what reads version 3 is the script of another release
        part = maker.binary(version, percent, part=SIMPLETRACE_PY_PART)
        contenders["simpletrace.py"] = peers.simpletrace_py(part, source.declared, script)
        comparisons.append(
            Comparison("records a second by simpletrace.py's", "one", "simpletrace.py", "rate", least=150)
        )
    return Scenario(
        f"binary-{version}-{percent}", "binary", f"version {version}: {_about(made)}", contenders, tuple(comparisons)
    )


def _startup(maker: InputMaker) -> Scenario:
    made = maker.sample()
    return Scenario(
        "startup",
        "startup",
        f"a log of {made.bytes / 1e6:.1f} MB",
        {
            "help": peers.shows_help(),
            "typer": peers.imports("typer"),
            "first": peers.scan(made, label="traceview scan, nothing cached", fresh_caches=True),
            "later": peers.scan(made, label="traceview scan, later"),
            "pandas": peers.imports("pandas"),
        },
        (
            Comparison("time of --help by import typer", "help", "typer", most=2.5),
            Comparison("time of a first scan by import pandas", "first", "pandas", most=3),
            Comparison("time of a later scan by import pandas", "later", "pandas", most=1.5),
        ),
    )


def _ten(maker: InputMaker) -> Scenario:
    one, ten = maker.text("instrumented", 10), maker.text("instrumented", 10, times=10)
    return Scenario(
        "ten",
        "ten",
        f"{_about(one)}; {_about(ten)}",
        {
            "one": peers.scan(one, 1),
            "ten": peers.scan(ten, 1, label="traceview scan, ten times the size"),
            "rg": peers.ripgrep(ten, one_core=True),
        },
        (
            Comparison("time of ten times the size", "ten", "one", most=10.5),
            Comparison("peak memory of ten times the size", "ten", "one", "peak ratio", most=1.1),
            Comparison("time by rg's, ten times the size", "ten", "rg"),
        ),
    )


SECTIONS: dict[str, str] = {
    "text": "Text",
    "windows": "Windows",
    "rules": "Rules",
    "compressed": "Compressed",
    "binary": "simpletrace",
    "startup": "Start-up",
    "ten": "Ten times the size",
}
"""The sections of the page, in its order."""


def scenarios(maker: InputMaker, sections: set[str], script: Path | None) -> list[Callable[[], Scenario]]:
    """Return functions that make the inputs of the chosen sections and say what is to be run.

    `script` is QEMU's simpletrace.py, or None.
    """
    planned: list[tuple[str, Callable[[], Scenario]]] = [
        *[("text", lambda k=k, p=p: _text(maker, k, p)) for k in ("instrumented", "stock") for p in (10, 60)],
        ("windows", lambda: _windows(maker)),
        *[("rules", lambda k=k: _rules(maker, k)) for k in ("instrumented", "stock")],
        ("rules", lambda: _long_windows(maker)),
        *[("compressed", lambda s=s: _compressed(maker, s)) for s in ("gz", "zst", "xz")],
        *[("binary", lambda v=v, p=p: _binary(maker, v, p, script)) for v, p in ((4, 10), (4, 60), (3, 60))],
        ("startup", lambda: _startup(maker)),
        ("ten", lambda: _ten(maker)),
    ]
    return [make for section, make in planned if section in sections]
