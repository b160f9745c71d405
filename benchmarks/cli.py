"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.captures import ROOT, UnusableInputError
from benchmarks.inputs import Input, InputMaker, parse_size

__all__ = ["main"]

_EXAMPLES = """\
examples:
  python -m benchmarks                                   all rows, inputs of 1 GiB, 5 rounds
  python -m benchmarks --size 128M --runs 3              a quick look
  python -m benchmarks --inputs-only --size 256M         make the inputs and print where they are
"""


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure traceview beside the tools that people have, in the same rounds.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=_size, default=1 << 30, help="size of each input, as 128M or 1G (default: 1G)")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench", help="where inputs are kept (default: .bench)")
    parser.add_argument("--ten", action="store_true", help="also measure inputs of ten times the size")
    parser.add_argument("--inputs-only", action="store_true", help="make the inputs and measure nothing")
    return parser


def _describe(made: Input) -> str:
    return f"{made.path}  {made.bytes / (1 << 20):.1f} MiB, {made.records} records, {made.share:.1%} of them matter"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return the exit code."""
    options = _parser().parse_args(arguments)
    maker = InputMaker(options.work, options.size)
    try:
        inputs = [maker.text(kind, percent) for kind in ("instrumented", "stock") for percent in (10, 60)]
        inputs += [maker.binary(version, percent) for version, percent in ((4, 10), (4, 60), (3, 60))]
        inputs += [*maker.windows(), maker.sample()]
        inputs += [maker.compressed("instrumented", suffix) for suffix in ("gz", "xz", "zst")]
        if options.ten:
            inputs.append(maker.text("instrumented", 10, times=10))
    except UnusableInputError as error:
        print(error, file=sys.stderr)
        return 2
    for made in inputs:
        print(_describe(made))
    return 0
