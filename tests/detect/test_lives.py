"""Each life of a QEMU is judged by itself, whatever stands before it, behind it or between its records."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tests.timeline.story import COPY, FILTER, Story, instrumented, stock, trace_of
from traceview.api import Trace
from traceview.detect import Scanner
from traceview.detect.lives import MAX_LIVES, MIXED, LivesScanner
from traceview.events import ReadStats
from traceview.findings import ScanResult, Verdict
from traceview.report.machine import scan_document
from traceview.report.style import Style
from traceview.report.text import scan_lines
from traceview.rules import load_rules
from traceview.vocabulary import builtin


def lossy_mirror(tid: int) -> Story:
    """Tell of a mirror job behind which a write is lost, by an instrumented QEMU of 2.6."""
    story = instrumented()
    story.tid = tid
    for told in list(story.told):
        object.__setattr__(told, "tid", tid)
    story.say("virtio_blk_handle_write req 0x1 sector 1 nsectors 8")  # 2.9 or older: ids are of processes
    story.start()
    story.look()
    story.iteration()
    story.defer()
    story.write(4096)
    story.leave()
    return story


def told(result: ScanResult, life: int | None = None) -> list[tuple[str, str, str, int | None]]:
    """Return what was found, without the places at which it stands."""
    return [
        (w.rule, w.verdict.value, w.reason, w.duration_ns) for w in result.windows if life is None or w.life == life
    ]


def alternating(*logs: bytes) -> Iterator[bytes]:
    """Yield the lines of logs in turns, those of the longest at the end."""
    left = [log.splitlines(keepends=True) for log in logs]
    while any(left):
        yield from (lines.pop(0) for lines in left if lines)


ONE, OTHER = lossy_mirror(4711), lossy_mirror(4712)


@pytest.mark.parametrize("log", [ONE.log() + OTHER.log(), b"".join(alternating(ONE.log(), OTHER.log()))])
@pytest.mark.parametrize("chunk", [1 << 20, 100])
def test_two_processes_have_the_findings_of_both(log: bytes, chunk: int) -> None:
    alone = ONE.scan(None)
    result = trace_of(log, chunk_bytes=chunk).scan()
    (summary,) = result.traces
    assert [life.process for life in summary.lives] == [4711, 4712]
    assert told(result, 0) == told(result, 1) == told(alone)
    assert alone.findings
    assert len(result.findings) == 2 * len(alone.findings)
    identities = {f.fingerprint.identity for f in result.findings if f.fingerprint}
    assert identities == {f.fingerprint.identity for f in alone.findings if f.fingerprint}
    assert len({f.fingerprint.instance for f in result.findings if f.fingerprint}) == len(result.findings)


def test_the_same_pointers_of_two_processes_are_two_things() -> None:
    # Both have the same pointers: as one QEMU the second job would be a restart of the first.
    both = trace_of(b"".join(alternating(ONE.log(), OTHER.log()))).scan()
    as_one = trace_of(b"".join(alternating(ONE.log(), OTHER.log())).replace(b"4712@", b"4711@")).scan()
    assert told(both) != told(as_one)


def test_what_is_lost_is_told_of_each_life() -> None:
    losses = trace_of(ONE.log() + OTHER.log()).losses()
    assert len(losses.extents) == 2
    assert {e.state for e in losses.extents} == {e.state for e in ONE.trace().losses().extents}
    assert [losses.scan.windows[e.windows[0]].life for e in losses.extents] == [0, 1]
    assert len(losses.horizons) == len(losses.scan.traces) == 1


def test_a_window_is_drawn_with_the_records_of_its_own_life() -> None:
    trace = trace_of(b"".join(alternating(ONE.log(), OTHER.log())))
    result = trace.scan()
    for finding in result.findings:
        window = result.windows[finding.window]
        table = trace.surroundings(window)
        assert table is not None
        assert set(table.tid.tolist()) == {4711 + window.life}
        assert trace.scene(window).letters
    indices = [f.window for f in result.findings]
    timelines = dict(trace.timelines_around([result.windows[i] for i in indices]))
    assert set(timelines) == set(range(len(indices)))
    assert all(set(t.table.tid.tolist()) == {4711 + result.windows[indices[i]].life} for i, t in timelines.items())


def test_a_window_that_its_qemu_leaves_open_says_so() -> None:
    crashed = lossy_mirror(4711)
    crashed.start()
    crashed.look()
    crashed.defer()
    result = trace_of(crashed.log() + OTHER.log()).scan()
    reasons = {w.reason for w in result.windows if w.close is None and w.life == 0}
    assert "still open when QEMU ended" in reasons
    assert not any("end of the trace" in r for r in reasons)
    assert "still open at the end of the trace" in {w.reason for w in trace_of(crashed.log()).scan().windows}


def threaded(main: int, other: int) -> Story:
    """Tell of a mirror job in a stock QEMU from 4.0 on, with another thread."""
    story = stock()
    for record in story.told:
        object.__setattr__(record, "tid", main)
    story.tid = main
    story.say("runstate_set current_run_state 6 (prelaunch) new_state 9 (running)")
    story.stock_job()
    story.say("virtio_queue_notify vdev 0xe1 n 0 vq 0xf1", tid=other)
    story.before_drain()
    story.enter()
    story.completed()
    story.move(FILTER, COPY)
    story.concluded()
    return story


def test_threads_are_no_lives() -> None:
    result = threaded(4711, 4713).scan(None)
    assert len(result.traces[0].lives) == 1
    assert result.windows


def test_qemus_of_threads_one_after_the_other_are_lives() -> None:
    one, other = threaded(4711, 4713), threaded(5000, 4999)
    result = trace_of(one.log() + other.log()).scan()
    assert [life.process for life in result.traces[0].lives] == [4711, 5000]
    assert told(result, 0) == told(one.scan(None))
    assert told(result, 1) == told(other.scan(None))


def test_qemus_of_threads_that_alternate_leave_nothing_clean() -> None:
    log = b"".join(alternating(threaded(4711, 4713).log(), threaded(5000, 4999).log()))
    result = trace_of(log).scan()
    assert not result.count(Verdict.CLEAN)
    assert not result.count(Verdict.GUARDED)
    assert MIXED in {w.reason for w in result.windows}
    assert all(not c.unlisted for c in result.traces[0].coverage)


def test_lives_too_many_are_told_and_leave_the_scan_inconclusive() -> None:
    log = b"".join(lossy_mirror(1000 + i).log() for i in range(4))
    result = Trace.scan(_with_most(trace_of(log), 2))
    (summary,) = result.traces
    assert [life.process for life in summary.lives] == [1000, 1001]
    assert len(result.findings) == 2
    assert "more than 2 lives" in summary.notes[0]
    assert result.inconclusive


def _with_most(trace: Trace, most: int) -> Trace:
    trace.max_lives = most
    return trace


def test_the_document_tells_lives() -> None:
    document = scan_document(trace_of(ONE.log() + OTHER.log()).scan())
    count = ONE.lines
    assert document["traces"][0]["lives"] == [
        {"process": 4711, "first_record": 0, "last_record": count - 1},
        {"process": 4712, "first_record": count, "last_record": 2 * count - 1},
    ]
    assert {w["life"] for w in document["windows"]} == {0, 1}
    assert json.dumps(document)


def test_the_text_tells_lives() -> None:
    lines = list(scan_lines(trace_of(ONE.log() + OTHER.log()).scan(), Style(colour=False)))
    assert "lives of QEMU: 2: process 4711, process 4712" in lines
    assert "  life 2 of 2 in this trace, process 4712" in lines
    assert not any("life" in line for line in scan_lines(ONE.scan(None), Style(colour=False)))


def test_a_million_processes_are_read_in_time_and_memory() -> None:
    (one,) = trace_of(b"1@1600000000.000001:virtio_blk_handle_write req 0x1 sector 1 nsectors 8\n").batches()
    rules = load_rules()
    scanner = LivesScanner(builtin(), rules, lambda: Scanner(builtin(), rules), "log")
    for first in range(0, 1_000_000, 1 << 14):
        rows = np.arange(first, min(first + (1 << 14), 1_000_000), dtype=np.int64)
        batch = one.take(np.zeros(len(rows), dtype=np.int64))
        batch.record, batch.tid = rows, rows + 1
        scanner.feed(batch)
    result = scanner.finish("vm.log", "log", ReadStats(records=1_000_000, names={"virtio_blk_handle_write": 1_000_000}))
    assert len(result.traces[0].lives) == MAX_LIVES
    assert result.inconclusive
