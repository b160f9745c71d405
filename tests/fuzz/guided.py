"""Fuzzing that is guided by what the code covers: ``python -m tests.fuzz --engine atheris`` starts it for each reader.

It needs the package atheris (extra ``fuzz``), of which there are wheels for Linux on x86-64 alone.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["traceview"]):
    from tests.fuzz.mutate import mutate
    from tests.fuzz.seeds import seeds
    from tests.fuzz.trying import MOST_FINDS, Told, end, limited, note, resident

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Give a reader input that atheris chooses; print what came of it as JSON. It ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided")
    parser.add_argument("--child", required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finds", type=Path, required=True)
    asked = parser.parse_args(arguments)
    told, begun, known = Told(asked.child), time.monotonic(), seeds(asked.child)
    limited()
    before = resident()

    def one(data: bytes) -> None:
        note(told, data, asked.finds)
        late = asked.seconds and time.monotonic() - begun > asked.seconds
        if told.inputs >= asked.runs or late or len(told.finds) >= MOST_FINDS:
            end(told, begun, before)
            print(json.dumps(asdict(told)), flush=True)
            sys.exit(0)

    def mutated(data: bytes, most: int, number: int) -> bytes:
        chance = random.Random(f"{asked.seed}-{number}")  # noqa: S311  (not for secrets)
        fresh = not data or chance.random() < 0.2
        return mutate(chance, known if fresh else (data,))[:most]

    options = [f"-seed={asked.seed + 1}", "-max_len=16384", "-verbosity=0", "-rss_limit_mb=0"]
    atheris.Setup(["fuzz", *options], one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
