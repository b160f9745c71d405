"""Drained sections of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["DrainedSection", "drained_sections"]


@dataclass(slots=True)
class DrainedSection:
    """From bdrv_drained_begin to bdrv_drained_end of one node; `count` is the quiesce counter after the begin."""

    node: int
    count: int
    begin: Mark
    drained: Mark | None = None
    end: Mark | None = None


def drained_sections(table: MeaningTable) -> Iterator[DrainedSection]:
    """Yield the sections in the order in which they begin. They nest; an end closes the innermost.

    A begin that counts to 1 says that none is open: ends that were not traced (QEMU 2.6) leave sections without end.
    """
    found: list[DrainedSection] = []
    stacks: dict[int, list[DrainedSection]] = {}
    for row in table.rows(table.where(Meaning.DRAINED_BEGIN, Meaning.DRAINED, Meaning.DRAINED_END)):
        stack = stacks.setdefault(row.role("node"), [])
        if row.meaning is Meaning.DRAINED_BEGIN:
            if row.role("count") <= 1:
                stack.clear()
            section = DrainedSection(row.role("node"), row.role("count"), Mark.of(row))
            stack.append(section)
            found.append(section)
        elif row.meaning is Meaning.DRAINED:
            waiting = [s for s in stack if s.drained is None]
            if waiting:
                waiting[-1].drained = Mark.of(row)
        elif stack:
            stack.pop().end = Mark.of(row)
    yield from found
