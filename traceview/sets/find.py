"""Sorts files into traces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from traceview.formats.base import FormatInfo
from traceview.sets.look import Look, look_at
from traceview.sets.model import Kind, TraceSet
from traceview.sets.rotation import rotated_set
from traceview.sets.threads import thread_sets
from traceview.source import STDIN
from traceview.source.naming import rotated_groups, rotated_name, thread_groups

__all__ = ["find_sets", "siblings"]


def siblings(path: Path) -> list[Path]:
    """Return the files in a file's folder that are of the same log by their names, with itself."""
    base = rotated_name(path.name).base
    try:
        others = [p for p in sorted(path.parent.iterdir()) if rotated_name(p.name).base == base and p.is_file()]
    except OSError:
        others = []
    return [path, *(p for p in others if p.name != path.name)]


def find_sets(
    traces: Sequence[Path], others: Iterable[Path] = (), *, format: FormatInfo | None = None
) -> list[TraceSet]:  # fmt: skip
    """Sort files into traces, each in the place of the first of its files.

    `traces` are files that are traces; `others` may belong to them, if their names say so (a file without a record, an
    empty one). `format` is what all of them are, if that is known.
    """
    order = {path: i for i, path in reversed(list(enumerate(traces)))}
    looks: dict[Path, Look] = {}

    def look(path: Path) -> Look:
        if path not in looks:
            looks[path] = look_at(path, format)
        return looks[path]

    files = [p for p in sorted(order, key=order.__getitem__) if str(p) != STDIN and p.is_file()]
    taken: set[Path] = set()
    found: list[TraceSet] = []
    for group in rotated_groups([*files, *(o for o in others if o not in order)]):
        if any(p in order for p in group) and (made := rotated_set(group, order, look)) is not None:
            found.append(made)
            taken |= {*made.paths, *map(Path, made.left_out)}
    for members in thread_groups([p for p in files if p not in taken]):
        for made in thread_sets({t: p for t, p in members.items() if p not in taken}, look):
            found.append(made)
            taken |= {*made.paths}
    found += [TraceSet(Kind.FILE, (p,)) for p in traces if p not in taken]
    return sorted(found, key=lambda s: min(order.get(p, len(order)) for p in (*s.paths, *map(Path, s.left_out))))
