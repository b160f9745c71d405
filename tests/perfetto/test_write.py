"""Scenes written for Perfetto, read back with its schema by a reader that keeps a stack a track."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traceview
from tests.cli import SAMPLES, sample
from tests.conftest import ROOT, CapturePath
from tests.perfetto.reading import ReadTrace, read
from tests.timeline.story import BLOCK, DISK, IO_THREAD, IOHANDLER, IOTHREAD, MAIN, MAIN_THREAD, Story, instrumented
from traceview.perfetto import Part, Told, packets, write_perfetto
from traceview.scene import Arrow, Band, Call, Instant, Lane, LaneKind, Letter, RequestBar, Scene
from traceview.vocabulary import Op

LOGS = sorted(SAMPLES.glob("*/trace.log"))
REALTIME, MONOTONIC, BOOTTIME = 1, 3, 6


def written(*parts: Part) -> ReadTrace:
    out = io.BytesIO()
    count = write_perfetto(out, parts)
    found = read(out.getvalue())
    assert found.packets == count
    return found


def whole(path: Path) -> ReadTrace:
    """Write all of a trace, with all its findings."""
    trace = traceview.open(path)
    result = trace.scan()
    told = [Told(f"[{n}]", result.windows[f.window], f) for n, f in enumerate(result.findings, 1)]
    return written(Part(path.name, trace.scene(), told))


def around_finding(path: Path) -> ReadTrace:
    trace = traceview.open(path)
    result = trace.scan()
    window = result.windows[result.findings[0].window]
    return written(Part(path.name, trace.scene(window), [Told("[1]", window, result.findings[0])]))


def scene(**parts: Any) -> Scene:
    """Return a scene of a thread, a node's state and a disk, from 0 to 1000 ns."""
    lanes = [Lane(LaneKind.THREAD, "process 7"), Lane(LaneKind.STATE, "node drained"), Lane(LaneKind.DEVICE, "drive0")]
    return Scene("title", "subtitle", 0, 0, 1000, lanes=lanes, **parts)


def call(begin: int, end: int, depth: int = 0, record: int = 0, **more: Any) -> Call:
    return Call(0, depth, "dispatch", f"call {record}", begin, end, record, record + 1, **more)


def bar(begin: int, end: int, row: int = 0, record: int = 0, offset: int = 0) -> RequestBar:
    return RequestBar(2, row, Op.WRITE, f"write {BLOCK} B at {offset}", offset, BLOCK, begin, end, record, record + 1)


# what becomes of a scene


def test_a_trace_is_a_process_and_each_lane_a_track_of_it_in_their_order() -> None:
    bands = [Band(1, "drained", "drained section 1", 10, 20, 3)]
    found = written(Part("vm.log", scene(calls=[call(0, 9)], bands=bands, requests=[bar(5, 8)])))
    assert list(found.processes.values()) == ["vm.log"]
    assert found.titles == ["process 7", "node drained", "drive0"]
    assert {t.parent_uuid for t in found.tracks.values()} == set(found.processes)
    assert [t.sibling_order_rank for t in found.tracks.values()] == [1, 2, 3]


def test_several_traces_are_several_processes() -> None:
    arrows = [Arrow("kick", 0, 1, 2, 5, f"write {BLOCK} B at 0", 0, 4)]
    one = scene(calls=[call(1, 9)], requests=[bar(5, 8, record=4)], arrows=arrows)
    found = written(Part("a.log", one), Part("b.log", one))
    assert list(found.processes.values()) == ["a.log", "b.log"]
    assert sorted(f for t in found.told for f in t.leads) == [1, 2]


def test_calls_nest_as_deep_as_they_are() -> None:
    found = written(Part("x", scene(calls=[call(0, 900), call(100, 800, 1, 1), call(200, 200, 2, 2)])))
    assert [(t.name, t.begin, t.end, t.depth) for t in found.told] == [
        ("call 0", 0, 900, 0), ("call 1", 100, 800, 1), ("call 2", 200, 200, 2),
    ]  # fmt: skip


def test_rows_of_a_disk_are_tracks_of_one_name_that_the_ui_merges() -> None:
    found = written(Part("x", scene(requests=[bar(0, 500), bar(100, 400, 1, 1, 8192), bar(600, 700, 0, 2)])))
    assert found.titles == ["drive0", "drive0"]
    assert {t.sibling_merge_behavior for t in found.tracks.values()} == {0}
    assert {t.depth for t in found.told} == {0}


def test_a_request_tells_its_place_on_the_disk_and_in_the_trace() -> None:
    (told,) = written(Part("x", scene(requests=[bar(0, 500, record=6, offset=8192)]))).told
    assert told.fields == {"op": "write", "offset_bytes": 8192, "length_bytes": BLOCK, "line": 7, "record": 6}


def test_numbers_that_do_not_fit_are_told_all_the_same() -> None:
    offsets = [(1 << 63) - 1, 1 << 63, 1 << 64]
    bars = [bar(n * 10, n * 10, record=n, offset=offset) for n, offset in enumerate(offsets)]
    assert [t.fields["offset_bytes"] for t in written(Part("x", scene(requests=bars))).told] == [
        (1 << 63) - 1, 1 << 63, str(1 << 64),
    ]  # fmt: skip


def test_what_is_cut_at_the_edges_says_so() -> None:
    (told,) = written(Part("x", scene(calls=[call(0, 9, cut_begin=True, cut_end=True)]))).told
    assert (told.fields["cut_begin"], told.fields["cut_end"]) == (True, True)


def test_a_record_of_a_job_is_an_instant_in_its_call() -> None:
    instants = [Instant(0, 1, "mirror_start bs 0x1", 4, 1, 2)]
    told = written(Part("x", scene(calls=[call(0, 9)], instants=instants))).named("mirror_start bs 0x1")
    assert [(t.depth, t.end, t.fields) for t in told] == [(1, None, {"line": 2, "record": 1})]


def test_a_letter_stands_in_the_request_that_it_is_about() -> None:
    found = written(Part("x", scene(requests=[bar(0, 500, 1, 6)], letters=[Letter("(b)", 2, 50, "write", 6, 7)])))
    assert [(t.track, t.depth) for t in found.named("(b) write")] == [("drive0", 1)]


def test_a_bottom_half_is_a_flow_from_a_point_where_it_is_scheduled_to_its_call() -> None:
    arrows = [Arrow("bh", 0, 5, 0, 300, "BH 0x9", 1, 3)]
    found = written(Part("x", scene(calls=[call(0, 100), call(300, 400, 0, 3)], arrows=arrows)))
    assert [(t.begin, t.depth, t.leads) for t in found.named("schedule BH 0x9")] == [(5, 1, [1])]
    assert [t.comes_from for t in found.named("call 3")] == [[1]]


def test_a_kick_leads_to_all_requests_that_it_brings() -> None:
    bars = [bar(20, 90, 0, 5), bar(20, 95, 1, 6), bar(30, 99, 2, 7, 4096)]
    arrows = [Arrow("kick", 0, 10, 2, b.begin_ns, b.title, 2, b.record) for b in bars]
    found = written(Part("x", scene(calls=[call(10, 100, 0, 2)], requests=bars, arrows=arrows)))
    assert [t.leads for t in found.named("call 2")] == [[1, 2, 3]]
    assert sorted(t.comes_from for t in found.on("drive0")) == [[1], [2], [3]]


def test_a_kick_that_no_call_stands_for_is_a_point() -> None:
    arrows = [Arrow("kick", 0, 10, 2, 20, f"write {BLOCK} B at 0", 2, 5)]
    found = written(Part("x", scene(requests=[bar(20, 90, 0, 5)], arrows=arrows)))
    assert [(t.track, t.leads) for t in found.named("kick")] == [("process 7", [1])]


def test_an_arrow_against_the_clock_is_left_out() -> None:
    arrows = [Arrow("bh", 0, 500, 0, 500, "BH 0x9", 1, 3)]
    found = written(Part("x", scene(calls=[call(300, 400, 0, 3)], arrows=arrows)))
    assert [t for t in found.told if t.leads or t.comes_from] == []


def test_names_are_made_harmless() -> None:
    hostile = scene(instants=[Instant(0, 0, "evil \x1b[2J \udcff \u202e" + "x" * 900, 4, 1, 2)])
    (told,) = written(Part("vm\n.log", hostile)).told
    assert told.name.startswith("evil \\x1b[2J \\xff \\u202e")
    assert len(told.name) < 600


# clocks


def test_times_of_a_log_are_those_of_the_day() -> None:
    assert written(Part("x", scene(calls=[call(5, 9)]))).clocks == {BOOTTIME: 0, REALTIME: 0}


def test_times_of_a_binary_trace_are_those_of_the_monotonic_clock() -> None:
    assert written(Part("x", scene(calls=[call(5, 9)]), wall_clock=False)).clocks == {BOOTTIME: 0, MONOTONIC: 0}


def test_without_times_records_count_and_there_is_no_clock() -> None:
    trace = Story().cast().warm_up().trace(prefix=False)
    found = written(Part("x", trace.scene()))
    assert found.clocks == {}
    assert {t.begin % 1000 for t in found.told} == {0}


# findings


def test_a_finding_is_a_slice_with_its_fields_and_has_its_points_in_it() -> None:
    found = around_finding(sample("lp1570134-case-1"))
    window, *points = found.on("[1] mirror-exit-guest-io")
    assert (window.end or 0) - window.begin == 626_000
    expected = {
        "rule": "mirror-exit-guest-io", "severity": "data-loss", "verdict": "violated", "shape": "case-1",
        "open_line": 347, "close_line": 371, "lost_bytes": 24576,
    }  # fmt: skip
    assert {k: window.fields[k] for k in expected} == expected
    assert [p.name[:3] for p in points] == ["(a)", *["(b)"] * 8, "(c)"]
    assert all(p.depth == 1 for p in points)
    assert points[1].fields | {"device": ""} == {
        "event": "blk_aio_writev", "byte_offset": points[1].fields["byte_offset"], "line": 354, "record": 353,
        "op": "write", "offset_bytes": 9486336, "length_bytes": 4096, "rule": "mirror-exit-guest-io",
        "verdict": "violated", "severity": "data-loss", "device": "",
    }  # fmt: skip


def test_requests_that_break_the_promise_are_marked() -> None:
    found = around_finding(sample("lp1570134-case-1"))
    assert sum("breaks_promise" in t.fields for t in found.on("drive0")) == 8


def test_a_finding_elsewhere_has_no_track() -> None:
    trace = traceview.open(sample("lp1570134-case-1"))
    result = trace.scan()
    told = Told("[1]", result.windows[result.findings[0].window], result.findings[0])
    scene = trace.scene(records=(0, 100))
    assert "[1] mirror-exit-guest-io" not in written(Part("x", scene, [told])).titles


def test_the_python_of_the_page_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "perfetto.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    trace = traceview.open(sample("lp1570134-case-2"))
    result = trace.scan()
    monkeypatch.chdir(tmp_path)
    scope = {"trace": trace, "result": result, "finding": result.findings[0]}
    exec(compile(block, "docs/perfetto.md", "exec"), scope)  # noqa: S102  (our own page)
    assert "[1] mirror-exit-guest-io" in read((tmp_path / "finding.perfetto-trace").read_bytes()).titles


# real and made traces


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.parent.name)
def test_every_sample_trace_can_be_read_back(path: Path) -> None:
    found = whole(path)
    assert any(t.track == "drive0" or t.fields.get("op") for t in found.told)


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-2.6.0-rc3/two-mirrors", "qemu-9.0.0/mirror-iothread"])
def test_whole_captures_can_be_read_back(name: str, capture_path: CapturePath) -> None:
    found = whole(capture_path(name, "trace.log"))
    assert sum(len(t.leads) for t in found.told) > 5000


VERBS: dict[str, Any] = {
    "iteration": lambda s: s.iteration(),
    "dispatch": lambda s: s.dispatch(MAIN),
    "dispatched": lambda s: s.dispatch_done(MAIN),
    "iohandler": lambda s: s.dispatch(IOHANDLER),
    "poll": lambda s: s.poll(IOTHREAD),
    "polled": lambda s: s.poll_done(IOTHREAD),
    "kick": lambda s: s.kick(),
    "take up": lambda s: s.take_up("write", 4096),
    "write": lambda s: s.submit("pwritev", 4096, request=0x77),
    "read": lambda s: s.read(8192),
    "drain": lambda s: s.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1"),
    "undrain": lambda s: s.say(f"bdrv_drained_end bs 0x{DISK:x} quiesce_counter 0"),
    "schedule": lambda s: s.say(f"qemu_bh_schedule ctx 0x{MAIN:x} bh 0x99 cb 0x98"),
    "run": lambda s: s.say(f"aio_bh_call ctx 0x{MAIN:x} bh 0x99 cb 0x98"),
    "job": lambda s: s.start(),
    "exit": lambda s: s.exit(),
    "exited": lambda s: s.exit_done(),
}
TOLD = st.lists(
    st.tuples(st.sampled_from(sorted(VERBS)), st.sampled_from([MAIN_THREAD, IO_THREAD]), st.integers(-40, 30)),
    min_size=1, max_size=60,
)  # fmt: skip


def made(steps: Sequence[tuple[str, int, int]], *, threads: bool) -> Story:
    """Tell a story in which the clock steps back now and then; without `threads` all is of one process."""
    story = instrumented()
    for verb, tid, step in steps:
        story.tid = tid if threads else MAIN_THREAD
        story.us = max(story.us + step - 10, 0)
        VERBS[verb](story)
    return story


def test_the_steps_of_stories_are_told_as_calls_bands_requests_and_flows() -> None:
    order = (
        "iteration", "dispatch", "drain", "schedule", "kick", "take up", "write", "run", "undrain", "dispatched",
        "job", "exit", "exited", "iohandler", "poll", "polled", "read",
    )  # fmt: skip
    assert sorted(order) == sorted(VERBS)
    trace = made([(verb, MAIN_THREAD, 20) for verb in order], threads=True).trace()
    found = written(Part("story", trace.scene()))
    assert trace.stats.refused_count == 0
    kinds = {"main_loop_wait # 1", "schedule BH 0x99", "BH 0x99", "drained section 1", "exit of job 0xa1"}
    assert kinds <= {t.name for t in found.told}
    assert {t.name for t in found.told if t.leads} == {"schedule BH 0x99", "notifier read 0xe1"}


@given(TOLD, st.booleans(), st.booleans(), st.data())
def test_any_story_makes_tracks_that_nest_and_flows_that_go_forward(
    steps: list[tuple[str, int, int]], threads: bool, prefix: bool, data: st.DataObject
) -> None:
    trace = made(steps, threads=threads).trace(prefix=prefix)
    scene = trace.scene()
    written(Part("story", scene))
    if not scene.by_record and scene.begin_ns < scene.end_ns:
        begin = data.draw(st.integers(scene.begin_ns, scene.end_ns))
        part = trace.scene(span_ns=(begin, data.draw(st.integers(begin, scene.end_ns))))
        for told in written(Part("part of it", part)).told:
            assert part.begin_ns <= told.begin <= (told.end or told.begin) <= part.end_ns


# the extra


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace", None)
    with pytest.raises(traceview.MissingPackageError, match=r"traceview\[perfetto\]"):
        next(packets([]))
