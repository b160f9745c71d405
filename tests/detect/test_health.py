"""What is counted of a trace's health: times, order, rates, threads, gaps; within limits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import JOB, START_US, Story, instrumented
from traceview.api import Trace
from traceview.detect import health as counting
from traceview.detect.health import NORMAL_STEP_NS, Health, HealthCounter, Read, gap_kinds
from traceview.events import NO_TIME, EventBatch, EventForm, Gap, ReadStats, StringTable
from traceview.findings import ScanResult, TraceSummary, Verdict
from traceview.health import check
from traceview.vocabulary import Dating

MS = 1_000_000
READ = Read("vm.log", "log", "a log", "wall clock", "thread id", {"log": 1.0}, False, "", 100)
Row = tuple[int, int]
"""Time in ns and thread."""


def batch(rows: Sequence[Row], first: int = 0) -> EventBatch:
    """Return records of one event, numbered from `first`."""
    count = len(rows)
    column = np.arange(first, first + count, dtype=np.int64)
    return EventBatch(
        [EventForm("e", ())], StringTable(), np.zeros(count, dtype=np.int64), column, column + 1, column * 10,
        np.array([r[0] for r in rows], dtype=np.int64), np.array([r[1] for r in rows], dtype=np.int64),
        np.zeros((count, 1), dtype=np.int64),
    )  # fmt: skip


def health_of(rows: Sequence[Row], *, cuts: Sequence[int] = (), records: int = 0, read: Read = READ) -> Health:
    counter = HealthCounter()
    edges = [0, *cuts, len(rows)]
    for a, b in itertools.pairwise(edges):
        counter.feed(batch(rows[a:b], a))
    return finished(counter, ReadStats(records=records or len(rows)), read)


def finished(counter: HealthCounter, stats: ReadStats, read: Read = READ) -> Health:
    dating = Dating.given("9.0")
    summary = TraceSummary("vm.log", "log", dating, stats.records, 0, 0, stats.gaps, [], [])
    return counter.finish(read, stats, ScanResult([summary]), frozenset())


def test_time_that_steps_back_is_counted_within_threads_and_between_them() -> None:
    told = health_of([(100 * MS, 1), (90 * MS, 2), (95 * MS, 2), (93 * MS, 2), (99 * MS, 1)])
    assert (told.within.count, told.within.worst_ns, told.within.line) == (2, 2 * MS, 4)
    assert (told.between.count, told.between.worst_ns, told.between.line) == (1, 10 * MS, 2)
    assert (told.first_ns, told.last_ns, told.duration_ns) == (90 * MS, 100 * MS, 10 * MS)


def test_a_step_within_a_thread_is_a_problem_where_threads_are_told_and_a_large_one_anywhere() -> None:
    small, large = [(2 * MS, 1), (MS, 1)], [(2 * NORMAL_STEP_NS, 1), (1, 1)]
    processes = Read("t", "simpletrace", "", "", "process id", {}, False, "", None)
    assert health_of(small).problems == ["time steps back within a thread, by 1.000 ms at worst"]
    assert health_of(small, read=processes).problems == []
    assert len(health_of(large, read=processes).problems) == 1
    between = [(2 * NORMAL_STEP_NS, 1), (1, 2)]
    assert health_of(between).problems == ["time steps back between threads, by 200.000 ms at worst"]
    assert health_of([(NORMAL_STEP_NS, 1), (0, 2)]).problems == []


def test_records_without_a_time_have_no_order_and_no_rate() -> None:
    told = health_of([(NO_TIME, -1), (NO_TIME, -1)])
    assert (told.duration_ns, told.rate, told.busiest, told.threads) == (None, None, None, {})
    assert (told.within.count, told.between.count, told.problems) == (0, 0, [])


def test_the_busiest_second_counts_the_records_that_were_not_looked_at() -> None:
    counter = HealthCounter()
    rows = batch([(0, 1), (500 * MS, 1), (1_200 * MS, 1), (1_300 * MS, 1)])
    rows.record[:] = [0, 10, 50, 51]
    counter.feed(rows)
    told = finished(counter, ReadStats(records=60))
    assert told.busiest == (0, 50)
    assert told.rate == pytest.approx(60 / 1.3)
    assert health_of([(0, 1), (1_500 * MS, 1), (1_600 * MS, 1)]).busiest == (1, 2)


times = st.integers(0, 5 * 10**9) | st.sampled_from([NO_TIME, -(1 << 62), (1 << 63) - 1])
rows_of_traces = st.lists(st.tuples(times, st.integers(1, 3)), min_size=1, max_size=40)


@given(rows_of_traces, st.lists(st.integers(0, 40), max_size=6))
def test_what_is_counted_does_not_depend_on_where_batches_are_cut(rows: list[Row], cuts: list[int]) -> None:
    inside = sorted(c for c in cuts if c <= len(rows))
    whole, parts = health_of(rows), health_of(rows, cuts=inside)
    for name in ("within", "between", "threads", "busiest", "first_ns", "last_ns", "looked_at"):
        if name == "busiest":  # of seconds with as many records either may be told
            assert (whole.busiest or (0, 0))[1] == (parts.busiest or (0, 0))[1]
        else:
            assert (name, getattr(whole, name)) == (name, getattr(parts, name))


@given(rows_of_traces)
def test_steps_are_those_that_a_plain_loop_finds(rows: list[Row]) -> None:
    latest: dict[int, int] = {}
    before: Row | None = None
    within = between = 0
    for ts, tid in rows:
        if ts == NO_TIME:
            continue
        within += tid in latest and latest[tid] > ts
        between += before is not None and before[1] != tid and before[0] > ts
        latest[tid] = ts
        before = ts, tid
    told = health_of(rows)
    assert (told.within.count, told.between.count) == (within, between)


def test_threads_and_seconds_beyond_the_limit_are_counted_together_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "MAX_THREADS", 3)
    monkeypatch.setattr(counting, "MAX_SECONDS", 4)
    told = health_of([(n * 1_000 * MS, n) for n in range(10)], cuts=range(1, 10))
    assert (len(told.threads), told.other_threads, told.looked_at) == (3, 7, 10)
    assert len(told.notes) == 2
    assert "more than 3 threads" in told.notes[0]


def test_gaps_are_told_by_cause_with_the_largest() -> None:
    gaps = [
        Gap("dropped", 1, 10, 0, 0, 5, "5 dropped"),
        Gap("cut", 9, 90, 0, 0, None, "cut"),
        Gap("dropped", 3, 30, 0, 0, 7, "7 dropped"),
    ]
    dropped, cut = gap_kinds(gaps)
    assert (dropped.cause, dropped.count, dropped.records, dropped.unknown) == ("dropped", 2, 12, 0)
    assert dropped.largest is gaps[2]
    assert (cut.count, cut.records, cut.unknown) == (1, 0, 1)
    stats = ReadStats(records=10, gaps=gaps, refused_count=2)
    problems = finished(HealthCounter(), stats).problems
    assert problems == ["2 gaps (dropped)", "1 gap (cut)", "2 refused lines"]


# as a whole


def checked(trace: Trace) -> Health:
    return check(trace)


def violated() -> Story:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.write()
    story.leave()
    return story


def test_a_trace_is_judged_as_by_a_scan_and_its_silence_means_something_for_what_was_judged() -> None:
    story = violated()
    told = checked(story.trace())
    scan = story.scan(None)
    assert told.windows[Verdict.VIOLATED] == sum(w.verdict is Verdict.VIOLATED for w in scan.windows) > 0
    assert sum(told.windows.values()) == sum(c.windows for c in scan.traces[0].coverage)
    assert told.judged == [c.rule for c in scan.traces[0].coverage if c.windows]
    assert (told.silence, told.problems) == ("", [])
    assert told.first_ns == START_US * 1000 + 10_000
    assert told.known == set(told.stats.names)


def test_silence_means_nothing_where_no_window_opened_or_records_may_be_missing() -> None:
    assert checked(Story().cast().trace()).silence == "no rule had a window to judge"
    lossy = violated().trace()
    lossy.lossy = "syslog drops"
    assert checked(lossy).silence == "syslog drops"


def test_what_was_dropped_is_a_gap_and_a_refused_line_is_explained() -> None:
    story = violated()
    story.lose(3)
    story.write()
    told = checked(story.binary())
    assert [(k.cause, k.records) for k in told.gaps] == [("dropped", 3)]
    broken = Story().cast()
    broken.say(f"mirror_start bs garbage s 0x{JOB:x} opaque (nil)")
    told = checked(broken.trace())
    (refused,) = told.refused
    assert "^" in refused.explanation
    assert "1 refused line" in told.problems


def test_a_reading_shows_the_scan_no_more_records_than_a_scan_decodes() -> None:
    story = violated()
    before = checked(story.trace())
    story.say("thread_pool_submit pool 0x1 req 0x2 opaque 0x3")
    told = checked(story.trace())
    assert told.looked_at == told.stats.records == before.stats.records + 1
    assert (told.windows, told.summary.coverage) == (before.windows, before.summary.coverage)
