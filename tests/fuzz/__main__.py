"""``make fuzz RUNS=…``: give every reader so much damaged input, and print what came of it.

``python -m tests.fuzz --runs 100000`` gives each reader so many inputs, ``--seconds 30`` as many as fit that time.
Each reader has a process of its own, whose memory is limited. What a reader raises and must not, where it hangs for
more than a second a megabyte (two seconds at least) or takes too much memory, is a find: it is saved below
``tests/fuzz/finds``, which the tests replay. ``--engine atheris`` is guided by what the code covers, and needs the
package atheris.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.entries import ENTRIES
from tests.fuzz.trying import FINDS, Told, fuzz

__all__ = ["main"]


def _of_own_process(reader: str, asked: argparse.Namespace) -> Told:
    seconds = asked.seconds / len(asked.readers)
    words = [
        sys.executable, "-m", "tests.fuzz.guided" if asked.engine == "atheris" else "tests.fuzz", "--child", reader,
        "--runs", str(asked.runs), "--seconds", str(seconds), "--seed", str(asked.seed), "--finds", str(asked.finds),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"reader"')]
    if not lines:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return Told(reader, finds={f"its process ended with {done.returncode}: {last}"[:300]: ""})
    return Told(**json.loads(lines[-1]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz readers and print a table; return 1 for finds."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000_000, help="how many inputs each reader is given")
    parser.add_argument("--seconds", type=float, default=0, help="how long all of it may take; 0 for no limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", type=lambda text: text.split(","), default=list(ENTRIES), help="with commas")
    parser.add_argument("--engine", choices=["random", "atheris"], default="random")
    parser.add_argument("--finds", type=Path, default=FINDS)
    parser.add_argument("--child", choices=list(ENTRIES), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        print(json.dumps(asdict(fuzz(asked.child, asked.runs, asked.seconds, asked.seed, asked.finds))))
        return 0
    if asked.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        parser.error("the package atheris is not installed: pip install 'traceview[fuzz]' (Linux on x86-64)")
    if asked.runs == parser.get_default("runs") and not asked.seconds:
        parser.error("say when to end: --runs or --seconds")
    print(f"{'reader':<18} {'inputs':>9} {'read':>9} {'seconds':>8} {'a second':>8} {'memory':>9}  finds", flush=True)
    whole = Told("all")
    for reader in asked.readers:
        told = _of_own_process(reader, asked)
        print(_line(told), flush=True)
        whole.inputs, whole.read = whole.inputs + told.inputs, whole.read + told.read
        whole.seconds += told.seconds
        whole.finds |= {f"{reader}: {what}": name for what, name in told.finds.items()}
    print(_line(whole))
    for what, name in whole.finds.items():
        print(f"  {what}" + (f" ({asked.finds / name})" if name else ""))
    return int(bool(whole.finds))


def _line(told: Told) -> str:
    rate = told.inputs / told.seconds if told.seconds else 0
    return (
        f"{told.reader:<18} {told.inputs:>9} {told.read:>9} {told.seconds:>8.1f} {rate:>8.0f} "
        f"{told.grown >> 20:>5} MiB  {len(told.finds)}"
    )


if __name__ == "__main__":
    sys.exit(main())
