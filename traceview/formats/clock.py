"""Watches the times of a trace's records for steps that no clock of a sound trace makes, and tells them as gaps.

Records of different threads can stand in another order than that of their times: by some milliseconds, as the time is
taken before the record has its place. What steps back further was moved, comes from elsewhere, or has a wrong time;
or somebody set the clock. Order is kept as it stands, but nothing that rests on times or on the order is certain there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from traceview.events import NO_TIME, Gap, ReadStats

__all__ = ["FAR_AHEAD_NS", "STEP_NS", "Clock"]

STEP_NS = 1_000_000_000
"""Time that steps back by more than this is a jump; what goes ahead by more is remembered."""
FAR_AHEAD_NS = 3600 * STEP_NS
"""Time that goes ahead by more than this between dense records is a jump, too."""
MOST_AHEAD = 64
"""Steps ahead that are remembered."""


@dataclass(slots=True)
class _Ahead:
    """A step ahead, at a record, from a time to a time."""

    record: int
    from_ns: int
    to_ns: int


class Clock:
    """Is told each record whose time is earlier than that of the record before it, or more than `STEP_NS` later."""

    def __init__(self, stats: ReadStats) -> None:
        self._stats = stats
        self._ahead: deque[_Ahead] = deque(maxlen=MOST_AHEAD)
        self._highest = NO_TIME
        """From where a jump back led that is not explained: where it is reached again, something may be missing."""

    def step(self, ts_ns: int, before_ns: int, offset: int, line: int) -> None:
        """Take a step: the next record has `ts_ns`, the one before it `before_ns`."""
        record = self._stats.records
        if ts_ns > before_ns + STEP_NS:
            if self._highest != NO_TIME and ts_ns >= self._highest - STEP_NS:
                self._highest = NO_TIME
                self._jump(ts_ns, offset, line, "time goes on from where it stepped back before")
            elif ts_ns > before_ns + FAR_AHEAD_NS and self._dense(before_ns):
                self._jump(ts_ns, offset, line, f"time goes ahead by {seconds(ts_ns - before_ns)}")
            self._ahead.append(_Ahead(record, before_ns, ts_ns))
        elif ts_ns < before_ns - STEP_NS:
            text = f"time steps back by {seconds(before_ns - ts_ns)}"
            since = self._since(ts_ns)
            reach = 0
            if since is None:
                self._highest = max(self._highest, before_ns)
            else:
                reach = record - since
                text += f" after {reach} record{'s' if reach != 1 else ''} ahead of it"
            self._jump(ts_ns, offset, line, text, reach)

    def _since(self, ts_ns: int) -> int | None:
        """Return the record at which time went ahead to what it now steps back from, or None if there was none."""
        while self._ahead:
            step = self._ahead.pop()
            if step.from_ns - STEP_NS <= ts_ns < step.to_ns:
                return step.record
        return None

    def _dense(self, now_ns: int) -> bool:
        stats = self._stats
        return stats.records > 0 and now_ns - stats.first_ts_ns < stats.records * STEP_NS

    def _jump(self, ts_ns: int, offset: int, line: int, text: str, reach: int = 0) -> None:
        text += ": times across it mean nothing"
        self._stats.add_gap(Gap("clock-jump", self._stats.records, offset, line, ts_ns, None, text, None, reach))


def seconds(ns: int) -> str:
    """Return a time in words that is good to be read."""
    whole: Sequence[tuple[int, str]] = ((86_400, "days"), (3600, "hours"), (60, "minutes"))
    for size, unit in whole:
        if ns >= 2 * size * STEP_NS:
            return f"{ns / STEP_NS / size:.1f} {unit}"
    return f"{ns / STEP_NS:.1f} s"
