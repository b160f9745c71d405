"""Damages a trace at random and prints what a scan of the damaged trace says and must not (`tests.robustness.oracle`).

``python -m tests.robustness.damages TRACE… --count 1000 --seed 0`` prints each breach with the damage that made it, and
a table. Damage number N of a seed is always the same: ``--only N`` repeats one, ``--save FILE`` keeps what it made.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.robustness.damaging import KINDS, UNITS, Damage, random_damage
from tests.robustness.oracle import Breach, Damaged, Whole, whole_of

__all__ = ["Told", "breach_lines", "damages", "main", "table_lines"]

Key = tuple[str, str]
"""Kind and unit of a damage."""


class Told:
    """How often which damage was tried, and what it broke."""

    def __init__(self) -> None:
        self.tried: Counter[Key] = Counter()
        self.refused: Counter[Key] = Counter()
        self.breaches: Counter[tuple[Key, str, str, bool]] = Counter()

    def add(self, damaged: Damaged) -> None:
        """Count one damaged trace."""
        key = damaged.damage.kind, damaged.damage.unit
        self.tried[key] += 1
        self.refused[key] += bool(damaged.refused)
        for what, where, marked in sorted({(b.what, b.where, b.marked) for b in damaged.breaches}):
            self.breaches[key, what, where, marked] += 1


def damages(whole: Whole, count: int, seed: int, first: int = 0) -> Iterator[tuple[int, Damage]]:
    """Yield damages with their numbers; each depends on nothing but the trace, the seed and its number."""
    for number in range(first, first + count):
        yield number, random_damage(random.Random(f"{seed}-{number}-{len(whole.data)}"), whole.layout)  # noqa: S311  (not for secrets)


def breach_lines(number: int, damaged: Damaged) -> Iterator[str]:
    """Yield what one damage broke: of each kind, rule and place the first, and how many more there are."""
    yield f"{number}: {damaged.damage.words}"
    alike: dict[tuple[str, str, str], list[Breach]] = {}
    for breach in damaged.breaches:
        alike.setdefault((breach.what, breach.rule, breach.where), []).append(breach)
    for (what, rule, where), breaches in alike.items():
        met = "" if breaches[0].marked else " (unmarked)"
        more = f" … {len(breaches) - 1} more" if len(breaches) > 1 else ""
        yield f"    {what} {rule} {where}{met}: {breaches[0].words}{more}"


def table_lines(told: Told) -> Iterator[str]:
    """Yield how often which damage broke what."""
    yield f"{'damage':<18} {'tried':>6} {'refused':>7}  breaches (damage to the window; whether the reader met it)"
    for key in ((k, u) for k in KINDS for u in UNITS):
        parts = [
            f"{count} {what}" + (f" {where}" if where else "") + ("" if marked else " unmarked")
            for (of, what, where, marked), count in sorted(told.breaches.items())
            if of == key
        ]
        yield f"{' '.join(key):<18} {told.tried[key]:>6} {told.refused[key]:>7}  {', '.join(parts) or '-'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Damage traces; return 1 where a scan said more than that of the whole."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.damages", description=__doc__)
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE", help="a trace of any format, packed or not")
    parser.add_argument("--count", type=int, default=1000, help="how many damages of each trace")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace-events", type=Path, help="declarations; those that lie beside are found")
    parser.add_argument("--only", type=int, metavar="N", help="repeat damage N")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the damaged trace (with --only)")
    parser.add_argument("--quiet", action="store_true", help="print the tables only")
    asked = parser.parse_args(arguments)
    everything, failed = Told(), False
    for path in asked.traces:
        whole = whole_of(path, asked.trace_events)
        told, begun = Told(), time.monotonic()
        first, count = (0, asked.count) if asked.only is None else (asked.only, 1)
        for number, damage in damages(whole, count, asked.seed, first):
            if asked.save is not None:
                asked.save.write_bytes(damage.apply(whole.data))
            damaged = Damaged(whole, damage)
            told.add(damaged)
            everything.add(damaged)
            failed = failed or bool(damaged.breaches)
            if damaged.breaches and not asked.quiet:
                print("\n".join(breach_lines(number, damaged)))
        print(f"== {path}: {count} damages in {time.monotonic() - begun:.0f} s, seed {asked.seed}")
        print("\n".join(table_lines(told)), flush=True)
    if len(asked.traces) > 1:
        print("== all")
        print("\n".join(table_lines(everything)))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
