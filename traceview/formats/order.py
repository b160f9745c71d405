"""Holds the records of a trace against their times, to find what changed places: as whole lines do that were moved.

A record's time is taken before it has its place, so threads step back against each other; a thread never does against
itself. Where it does, or where steps back are as rare as damage is, something stands elsewhere than it was written: all
from the place where it belongs to the place where it stands is in doubt, and so is where time goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traceview.events import NO_TIME, EventBatch, Gap, Int64Array, ReadStats

__all__ = ["HISTORY", "Order"]

HISTORY = 1 << 15
"""So many records back it is looked for the place where one belongs."""
FEWEST_WITHIN, FEWEST_BETWEEN, ONE_IN = 8, 0, 1000
"""So many steps back are told however few records there are (within threads; between them), and one in so many."""
MOST_STEPS = 1000
"""So many steps are looked at."""


@dataclass(slots=True)
class _Step:
    """A step back, at a record, until time is later than `high` again.

    `own` is the last time before it of each thread that wrote what is in doubt: a thread that goes on from an earlier
    one steps back against itself, which is `within`.
    """

    gap: Gap
    own: dict[int, int]
    high: int
    within: bool = False
    behind: Gap | None = None


class Order:
    """Is given the batches of one trace as they are read (`watch`); tells at the end what changed places (`finish`)."""

    def __init__(self, stats: ReadStats) -> None:
        self._stats = stats
        self._columns: list[Int64Array] = [np.empty(0, dtype=np.int64) for _ in range(5)]
        self._steps: list[_Step] = []
        self._waiting: list[_Step] = []
        self._threads: set[int] = set()
        self._passed_over = 0

    def watch(self, batches: Iterator[EventBatch]) -> Iterator[EventBatch]:
        """Yield the batches, and look at them."""
        for batch in batches:
            self._look(batch)
            yield batch

    def _look(self, batch: EventBatch) -> None:
        timed = batch.ts_ns != NO_TIME
        own = [c[timed] for c in (batch.ts_ns, batch.record, batch.tid, batch.byte_offset, batch.line)]
        if not len(own[0]):
            return
        if len(self._threads) < 2:
            self._threads.update((int(own[2].min()), int(own[2].max())))
        before = len(self._columns[0])
        columns = [np.concatenate(pair) for pair in zip(self._columns, own, strict=True)]
        ts = columns[0]
        from_row = max(before, 1)
        for row in (np.flatnonzero(ts[from_row:] < ts[from_row - 1 : -1]) + from_row).tolist():
            self._catch_up(columns, before, row)
            before = row
            if len(self._steps) < MOST_STEPS:
                self._step(columns, row)
            else:
                self._passed_over += 1
        self._catch_up(columns, before, len(ts))
        self._columns = [c[-HISTORY:] for c in columns]

    def _step(self, columns: list[Int64Array], row: int) -> None:
        """Take in that time steps back at a row."""
        ts, record, tid, offset, line = columns
        earlier = np.flatnonzero(ts[:row] <= ts[row])
        belongs = int(earlier[-1]) + 1 if len(earlier) else 0
        first = int(record[belongs - 1]) + 1 if belongs else int(record[0])
        micros = int(ts[row - 1] - ts[row]) / 1000
        text = f"time steps back by {micros:g} µs: records may have changed places"
        now = int(record[row])
        gap = Gap("clock-jump", now, int(offset[row]), int(line[row]), int(ts[row]), None, text, None, now - first)
        own = dict(zip(tid[belongs:row].tolist(), ts[belongs:row].tolist(), strict=True))  # the last one of each stays
        step = _Step(gap, own, int(ts[belongs:row].max()))
        self._steps.append(step)
        self._waiting.append(step)

    def _catch_up(self, columns: list[Int64Array], first: int, last: int) -> None:
        """Look whether time goes on, from row `first` to before `last`, from where it stepped back."""
        if not self._waiting or first >= last:
            return
        ts, record, tid, offset, line = columns
        for step in list(self._waiting):
            later = ts[first:last] > step.high
            row = first + int(np.argmax(later)) if later.any() else last
            if not step.within:
                step.within = any((ts[first:row][tid[first:row] == t] < high).any() for t, high in step.own.items())
            if row < last:
                text = "time goes on from where it stepped back before: records may have changed places"
                now, reach = int(record[row]), int(record[row] - record[row - 1]) - 1
                step.behind = Gap(
                    "clock-jump", now, int(offset[row]), int(line[row]), int(ts[row]), None, text, None, reach
                )  # fmt: skip
                self._waiting.remove(step)

    def finish(self) -> None:
        """Tell what changed places, where steps back are so rare that they must be damage."""
        told = [s for s in self._steps if s.within] if len(self._threads) > 1 else self._steps
        fewest = FEWEST_WITHIN if len(self._threads) > 1 else FEWEST_BETWEEN
        if len(told) + self._passed_over <= max(fewest, self._stats.records // ONE_IN):
            for step in told:
                self._tell(step.gap)
                if step.behind is not None:
                    self._tell(step.behind)
            self._stats.gaps.sort(key=lambda gap: (gap.record, gap.byte_offset))
        self._steps, self._waiting = [], []

    def _tell(self, gap: Gap) -> None:
        """Tell a gap, unless the reader noticed by itself what happened there."""
        known = (g for g in self._stats.gaps if g.cause == gap.cause and g.record == gap.record)
        if not any(g.first <= gap.first for g in known):
            self._stats.add_gap(gap)
