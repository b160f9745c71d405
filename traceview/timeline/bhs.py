"""Bottom halves, from being scheduled to being called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["BottomHalf", "bottom_halves"]


@dataclass(slots=True)
class BottomHalf:
    """One run of a bottom half; `scheduled` or `called` is None where only the other was seen."""

    bh: int
    cb: int
    ctx: int
    scheduled: Mark | None
    called: Mark | None


def bottom_halves(table: MeaningTable) -> Iterator[BottomHalf]:
    """Yield the runs of bottom halves in the order of their calls, then those still pending.

    Scheduling one that is scheduled already changes nothing: the first schedule since the last call counts.
    """
    pending: dict[int, BottomHalf] = {}
    for row in table.rows(table.where(Meaning.BH_SCHEDULE, Meaning.BH_CALL)):
        bh = row.role("bh")
        if row.meaning is Meaning.BH_SCHEDULE:
            if bh not in pending:
                pending[bh] = BottomHalf(bh, row.role("cb"), row.role("ctx"), Mark.of(row), None)
            continue
        run = pending.pop(bh, None) or BottomHalf(bh, row.role("cb"), row.role("ctx"), None, None)
        run.called = Mark.of(row)
        yield run
    yield from pending.values()
