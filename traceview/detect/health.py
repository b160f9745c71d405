"""How well a trace was written and kept: its times, rates, threads, gaps, and what its silence is worth.

What is counted here has limits, so that memory stays flat whatever a trace holds; a limit that is reached is a note.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from traceview.events import NO_THREAD, NO_TIME, EventBatch, Gap, Int64Array, ReadStats
from traceview.findings import RefusedLine, ScanResult, TraceSummary, Verdict
from traceview.releases import release_key
from traceview.vocabulary import Dating

__all__ = ["MAX_SECONDS", "MAX_THREADS", "NORMAL_STEP_NS", "GapKind", "Health", "HealthCounter", "Read", "Steps"]

MAX_THREADS = 10_000
"""Threads (or processes) counted one by one; the records of others are counted together."""
MAX_SECONDS = 1 << 16
"""Seconds of which it is kept how many records they have."""
NORMAL_STEP_NS = 100_000_000
"""Time may step back so far between threads: it is taken before a record is written. 49 ms were seen."""
_NS = 1_000_000_000
_THREAD_IDS_SINCE = "4.0"


@dataclass(slots=True)
class Steps:
    """How often time steps back, by how much at worst, and on which record that is."""

    count: int = 0
    worst_ns: int = 0
    record: int = -1
    line: int = 0
    byte_offset: int = 0

    def add(self, back: Int64Array, batch: EventBatch, rows: Int64Array) -> None:
        """Count the steps of some rows, each back by so many ns."""
        if not len(rows):
            return
        self.count += len(rows)
        worst = int(back.max())
        row = int(rows[back == worst].min())  # of several the first
        record = int(batch.record[row])
        if worst > self.worst_ns or (worst == self.worst_ns and record < self.record):
            self.worst_ns, self.record = worst, record
            self.line, self.byte_offset = int(batch.line[row]), int(batch.byte_offset[row])


@dataclass(slots=True)
class GapKind:
    """The gaps of one cause: how many, how many records they are known to lack, and the largest."""

    cause: str
    count: int
    records: int
    """Records that are known to be missing."""
    unknown: int
    """Gaps of which it is not known how many records are missing."""
    size_bytes: int
    """Bytes that are known to be missing or unreadable."""
    largest: Gap


@dataclass(frozen=True, slots=True)
class Read:
    """What a trace is as a file: which format it was read as, and why.

    `scores` says how sure each format is of its beginning (0.0 to 1.0); `named` whether the user named the format
    instead.
    """

    path: str
    format: str
    title: str
    clock: str
    thread: str
    scores: Mapping[str, float]
    named: bool
    compression: str
    size: int | None
    """Bytes on the disk; None where that is not known."""


@dataclass(slots=True)
class Health:
    """The health of one trace."""

    read: Read
    dating: Dating
    stats: ReadStats
    looked_at: int
    """Records whose time and thread were looked at; all are counted."""
    first_ns: int
    last_ns: int
    """The earliest and the latest time; `NO_TIME` where there is none."""
    busiest: tuple[int, int] | None
    """The second with the most records, by the trace's clock, and how many it has."""
    threads: dict[int, int]
    other_threads: int
    """Records of threads beyond `MAX_THREADS`."""
    within: Steps
    """Where a record is earlier than the one before it of the same thread."""
    between: Steps
    """Where a record is earlier than the one before it in the trace, which is of another thread."""
    gaps: list[GapKind]
    summary: TraceSummary
    verdicts: Counter[Verdict]
    known: frozenset[str]
    """Those of its events that rules can speak of."""
    refused: list[RefusedLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Which limits were reached."""

    @property
    def duration_ns(self) -> int | None:
        """From the earliest to the latest time; None without times."""
        return None if NO_TIME in (self.first_ns, self.last_ns) else self.last_ns - self.first_ns

    @property
    def rate(self) -> float | None:
        """Records a second on average; None without times."""
        span = self.duration_ns
        return self.stats.records * _NS / span if span else None

    @property
    def tells_threads(self) -> bool:
        """Whether the number before a record is sure to be its thread, and not its process."""
        span = self.dating.span
        since = span.since if span is not None else None
        new = since is not None and release_key(since.partition("-")[0]) >= release_key(_THREAD_IDS_SINCE)
        return "thread id" in self.read.thread and ("process" not in self.read.thread or new)

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, in words; none for a healthy trace."""
        found = [f"{_plural(kind.count, 'gap')} ({kind.cause})" for kind in self.gaps]
        if self.stats.refused_count:
            found.append(_plural(self.stats.refused_count, "refused line"))
        if self.within.count and (self.tells_threads or self.within.worst_ns > NORMAL_STEP_NS):
            found.append(f"time steps back within a thread, by {self.within.worst_ns / 1e6:.3f} ms at worst")
        if self.between.worst_ns > NORMAL_STEP_NS:
            found.append(f"time steps back between threads, by {self.between.worst_ns / 1e6:.3f} ms at worst")
        return found

    @property
    def judged(self) -> list[str]:
        """The rules that had windows to judge."""
        return [c.rule for c in self.summary.coverage if c.windows]

    @property
    def silence(self) -> str:
        """Why no finding says nothing about any rule; ``""`` where it says something about those that were `judged`."""
        if self.stats.lossy:
            return self.stats.lossy
        if not self.judged:
            return "no rule had a window to judge"
        if self.verdicts and set(self.verdicts) == {Verdict.INCONCLUSIVE} and not self._unlisted:
            return "no window could be judged"
        return ""

    @property
    def _unlisted(self) -> int:
        return sum(c.unlisted for c in self.summary.coverage)

    @property
    def windows(self) -> Counter[Verdict]:
        """How many windows came to which verdict, those that a scan does not list among them."""
        return self.verdicts + Counter({Verdict.CLEAN: self._unlisted})


class HealthCounter:
    """Feed it the batches of one trace in order, then ask for its health."""

    def __init__(self) -> None:
        self._looked_at = 0
        self._first = self._last = NO_TIME
        self._threads: dict[int, int] = {}
        self._latest: dict[int, int] = {}
        """The time of the last record of each thread that is counted."""
        self._other_threads = 0
        self._within = Steps()
        self._between = Steps()
        self._before: tuple[int, int] | None = None
        """Time and thread of the last record."""
        self._seconds: dict[int, int] = {}
        self._pending: tuple[int, int] | None = None
        """The second and the number of the last record, whose part of the records is not known yet."""
        self._best: tuple[int, int] | None = None
        self._notes: dict[str, None] = {}

    def feed(self, batch: EventBatch) -> None:
        """Take the next batch."""
        if not len(batch):
            return
        self._looked_at += len(batch)
        self._count_threads(batch.tid)
        timed = np.flatnonzero(batch.ts_ns != NO_TIME)
        if not len(timed):
            return
        times = batch.ts_ns[timed]
        low, high = int(times.min()), int(times.max())
        self._first = low if self._first == NO_TIME else min(self._first, low)
        self._last = max(self._last, high)
        self._count_seconds(times // _NS, batch.record[timed])
        self._count_between(batch, timed)
        self._count_within(batch, timed)

    def _count_threads(self, tids: Int64Array) -> None:
        found, counts = np.unique(tids, return_counts=True)
        for tid, count in zip(found.tolist(), counts.tolist(), strict=True):
            if tid in self._threads:
                self._threads[tid] += count
            elif tid == NO_THREAD:
                continue
            elif len(self._threads) < MAX_THREADS:
                self._threads[tid] = count
            else:
                self._other_threads += count
                self._notes[f"more than {MAX_THREADS} threads: the others are counted together"] = None

    def _count_seconds(self, seconds: Int64Array, records: Int64Array) -> None:
        """Count the records of each second: each record that is looked at stands for those up to the next one."""
        if self._pending is not None:
            second, record = self._pending
            seconds = np.concatenate([np.array([second], dtype=np.int64), seconds])
            records = np.concatenate([np.array([record], dtype=np.int64), records])
        self._pending = int(seconds[-1]), int(records[-1])
        self._add_seconds(seconds[:-1], np.diff(records))

    def _add_seconds(self, seconds: Int64Array, counts: Int64Array) -> None:
        found, where = np.unique(seconds, return_inverse=True)
        sums = np.bincount(where, weights=counts, minlength=len(found)).astype(np.int64)
        for second, count in zip(found.tolist(), sums.tolist(), strict=True):
            total = self._seconds.get(second, 0) + count
            self._seconds[second] = total
            if self._best is None or total > self._best[1]:
                self._best = second, total
        if len(self._seconds) > MAX_SECONDS:
            self._seconds = dict(list(self._seconds.items())[-MAX_SECONDS // 2 :])
            self._notes[f"more than {MAX_SECONDS} seconds: the busiest may be another, if its records lie apart"] = None

    def _count_between(self, batch: EventBatch, timed: Int64Array) -> None:
        times, tids, rows = batch.ts_ns[timed], batch.tid[timed], timed
        if self._before is not None:
            times = np.concatenate([np.array([self._before[0]], dtype=np.int64), times])
            tids = np.concatenate([np.array([self._before[1]], dtype=np.int64), tids])
        else:
            rows = rows[1:]
        self._before = int(times[-1]), int(tids[-1])
        back = _back(times[:-1], times[1:])
        stepped = np.flatnonzero((back > 0) & (tids[:-1] != tids[1:]))
        self._between.add(back[stepped], batch, rows[stepped])

    def _count_within(self, batch: EventBatch, timed: Int64Array) -> None:
        order = timed[np.argsort(batch.tid[timed], kind="stable")]
        times, tids = batch.ts_ns[order], batch.tid[order]
        same = tids[1:] == tids[:-1]
        back = _back(times[:-1], times[1:])
        stepped = np.flatnonzero((back > 0) & same)
        self._within.add(back[stepped], batch, order[1:][stepped])
        firsts = np.flatnonzero(np.concatenate([[True], ~same]))
        lasts = np.concatenate([firsts[1:], [len(order)]]) - 1
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            tid = int(tids[first])
            before = self._latest.get(tid)
            if before is not None and before > times[first]:
                self._within.add(_back(np.array([before]), times[first : first + 1]), batch, order[first : first + 1])
            if before is not None or len(self._latest) < MAX_THREADS:
                self._latest[tid] = int(times[last])

    def finish(
        self,
        read: Read,
        stats: ReadStats,
        result: ScanResult,
        known: frozenset[str],
        refused: Sequence[RefusedLine] = (),
    ) -> Health:
        """Return the health of the trace.

        `stats` are those of the reader, which is used up, `result` that of a scan of it, `known` the events that
        rules can speak of, `refused` the refused lines that are to be explained.
        """
        if self._pending is not None:
            second, record = self._pending
            count = np.array([max(1, stats.records - record)], dtype=np.int64)
            self._add_seconds(np.array([second], dtype=np.int64), count)
        told = [t for t in (self._first, self._last, stats.first_ts_ns, stats.last_ts_ns) if t != NO_TIME]
        (summary,) = result.traces
        return Health(
            read, summary.dating, stats, self._looked_at, min(told, default=NO_TIME), max(told, default=NO_TIME),
            self._best, self._threads, self._other_threads, self._within, self._between, gap_kinds(stats.gaps), summary,
            Counter(w.verdict for w in result.windows), known & stats.names.keys(), list(refused), list(self._notes),
        )  # fmt: skip


def _back(before: Int64Array, after: Int64Array) -> Int64Array:
    """Return by how much time steps back, 0 where it does not (times may be as far apart as 64 bits allow)."""
    limit = np.iinfo(np.int64).max // 2
    return np.where(before > after, np.clip(before, -limit, limit) - np.clip(after, -limit, limit), 0)


def gap_kinds(gaps: Sequence[Gap]) -> list[GapKind]:
    """Return gaps by their cause, in the order in which the causes occur."""
    kinds: dict[str, GapKind] = {}
    for gap in gaps:
        kind = kinds.setdefault(gap.cause, GapKind(gap.cause, 0, 0, 0, 0, gap))
        kind.count += 1
        kind.records += gap.count or 0
        kind.unknown += gap.count is None
        kind.size_bytes += gap.size_bytes or 0
        if _size(gap) > _size(kind.largest):
            kind.largest = gap
    return list(kinds.values())


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _size(gap: Gap) -> tuple[int, int]:
    """Return what gaps are compared by: the bytes, then the records, as far as they are known."""
    return gap.size_bytes or 0, gap.count or 0
