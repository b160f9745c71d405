"""Scenes: what stands around a window, lane by lane, at its time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import (
    BLOCK,
    DISK,
    DRIVE,
    IO_THREAD,
    IOHANDLER,
    IOTHREAD,
    MAIN,
    START_US,
    VDEV,
    Story,
    exits,
    instrumented,
)
from traceview.api import Trace
from traceview.errors import MissingEventsError
from traceview.scene import Band, Call, LaneKind, RequestBar, Scene, records_around
from traceview.scene.build import AROUND
from traceview.scene.table import SCENE_COLUMNS, scene_frame
from traceview.vocabulary import Op

WHOLE = (START_US * 1000, (START_US + 1_000_000) * 1000)


def case_1(story: Story | None = None) -> Story:
    """Tell an interleaving of case 1: (a) in one dispatch, a kick and a write in the next, (c) in a BH."""
    story = story if story is not None else instrumented()
    story.start()
    story.look()
    story.iteration()
    story.dispatch(MAIN)
    story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1")
    story.defer()
    story.say(f"qemu_bh_schedule ctx 0x{MAIN:x} bh 0x61 cb 0x71")
    story.dispatch_done(MAIN)
    story.dispatch(IOHANDLER)
    story.kick()
    story.take_up("write", 4 * BLOCK, request=0x77)
    story.submit("pwritev", 4 * BLOCK, request=0x77)
    story.dispatch_done(IOHANDLER)
    story.iteration()
    story.dispatch(MAIN)
    story.say(f"aio_bh_call ctx 0x{MAIN:x} bh 0x61 cb 0x71")
    story.leave()
    story.dispatch_done(MAIN)
    story.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x77 ret 0")
    return story


def scene_of(trace: Trace, span_ns: tuple[int, int] | None = None) -> Scene:
    (window,) = exits(trace.scan(["mirror-exit-guest-io"]))
    return trace.scene(window, title="title", subtitle="subtitle", span_ns=span_ns)


def us(ns: int) -> int:
    return ns // 1000 - START_US


def test_lanes_are_threads_then_what_is_on_or_off_then_disks() -> None:
    scene = scene_of(case_1().trace())
    assert [x.kind for x in scene.lanes] == sorted((x.kind for x in scene.lanes), key=list(LaneKind).index)
    assert scene.lanes[0].title == "process 1000"
    assert scene.lanes[-1].title == "drive0"


def test_calls_are_nested_as_they_were_called() -> None:
    scene = scene_of(case_1().trace())
    found = [(c.depth, c.title) for c in scene.calls]
    assert (0, "main_loop_wait # 1") in found
    assert (1, "aio_ctx_dispatch (iohandler_ctx)") in found
    assert next(c.depth for c in scene.calls if c.kind == "notifier") == 2
    bh = next(c for c in scene.calls if c.kind == "bh")
    leaving = next(c for c in scene.calls if c.kind == "exit")
    assert leaving.depth == bh.depth + 1
    assert bh.begin_ns <= leaving.begin_ns <= leaving.end_ns <= bh.end_ns


def test_the_letters_stand_at_the_windows_points() -> None:
    trace = case_1().trace()
    (window,) = exits(trace.scan(["mirror-exit-guest-io"]))
    scene = trace.scene(window)
    assert window.open is not None
    assert window.close is not None
    assert [(x.letter, x.record) for x in scene.letters] == [
        ("(a)", window.open.record), ("(b)", window.requests[0].mark.record), ("(c)", window.close.record),
    ]  # fmt: skip
    assert [x.ts_ns for x in scene.letters] == [window.open.ts_ns, window.requests[0].mark.ts_ns, window.close.ts_ns]
    assert scene.window_ns == (window.open.ts_ns, window.close.ts_ns)
    assert scene.origin_ns == window.open.ts_ns
    assert [scene.lanes[x.lane].title for x in scene.letters] == ["process 1000", "drive0", "process 1000"]


def test_a_request_lasts_from_being_taken_up_to_completion() -> None:
    story = case_1()
    scene = scene_of(story.trace(), WHOLE)
    bar = next(r for r in scene.requests if r.breaks)
    taken = next(i for i, x in enumerate(story.told) if "virtio_blk_handle_write" in getattr(x, "text", ""))
    assert (bar.op, bar.offset_bytes, bar.length_bytes) == (Op.WRITE, 4 * BLOCK, BLOCK)
    assert us(bar.begin_ns) == (taken + 1) * 10
    assert us(bar.end_ns) == story.us
    assert not bar.cut_end


def test_a_request_that_does_not_end_reaches_to_the_edge() -> None:
    story = case_1()
    del story.told[-1]
    story.iteration()
    scene = scene_of(story.trace())
    bar = next(r for r in scene.requests if r.breaks)
    assert bar.cut_end
    assert bar.end_ns == scene.end_ns


def test_requests_at_once_have_rows_of_their_own() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    for i in range(3):
        story.take_up("write", i * BLOCK, request=0x100 + i)
        story.submit("pwritev", i * BLOCK, request=0x100 + i)
    story.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x100 ret 0")
    story.take_up("write", 9 * BLOCK, request=0x200)
    story.submit("pwritev", 9 * BLOCK, request=0x200)
    story.leave()
    scene = scene_of(story.trace())
    rows = {r.offset_bytes // BLOCK: r.row for r in scene.requests if r.breaks}
    assert rows[9] == rows[0], "a row is free again when its request has ended"
    assert len({rows[0], rows[1], rows[2]}) == 3
    assert scene.lanes[-1].rows == max(r.row for r in scene.requests) + 1


def test_a_drained_section_is_a_band_in_the_lane_of_its_node() -> None:
    story = case_1()
    scene = scene_of(story.trace())
    (band,) = [b for b in scene.bands if b.kind == "drained"]
    assert scene.lanes[band.lane].kind is LaneKind.STATE
    assert scene.lanes[band.lane].title.endswith(" drained")
    assert band.cut_end, "it does not end in the trace"
    assert band.end_ns == scene.end_ns


def test_external_events_are_off_from_the_first_disabling_to_the_last_enabling() -> None:
    story = case_1()
    place = next(i for i, x in enumerate(story.told) if "block_job_defer" in getattr(x, "text", ""))
    lines = [f"aio_disable_external ctx 0x{MAIN:x} external_disable_cnt {n}" for n in (1, 2)]
    lines += [f"aio_enable_external ctx 0x{MAIN:x} external_disable_cnt {n}" for n in (1, 0)]
    extra = Story()
    for number, line in enumerate(lines):
        extra.say(line, us=story.told[place].us + 1 + number)  # type: ignore[union-attr]  # no drop is told
    story.told[place + 1 : place + 1] = extra.told
    scene = scene_of(story.trace())
    (band,) = [b for b in scene.bands if b.kind == "external-off"]
    assert band.end_ns - band.begin_ns == 3000
    assert scene.lanes[band.lane].title == "qemu_aio_context: external events off"


def test_an_arrow_leads_from_a_bhs_scheduling_to_its_run() -> None:
    story = case_1()
    scene = scene_of(story.trace())
    (arrow,) = [a for a in scene.arrows if a.kind == "bh"]
    texts = [getattr(x, "text", "") for x in story.told]
    assert "qemu_bh_schedule" in texts[arrow.from_record]
    assert "aio_bh_call" in texts[arrow.to_record]
    assert arrow.from_ns < arrow.to_ns


def test_an_arrow_leads_from_a_kick_to_its_request() -> None:
    story = case_1()
    scene = scene_of(story.trace())
    (arrow,) = [a for a in scene.arrows if a.kind == "kick"]
    texts = [getattr(x, "text", "") for x in story.told]
    assert "virtio_queue_host_notifier_read" in texts[arrow.from_record]
    assert scene.lanes[arrow.to_lane].title == "drive0"
    assert (arrow.to_lane, arrow.to_ns) in {(r.lane, r.begin_ns) for r in scene.requests}


def test_requests_that_are_merged_have_an_arrow_each() -> None:
    story = instrumented()
    story.kick()
    story.take_up("write", 0, request=0x71)
    story.take_up("write", BLOCK, request=0x72)
    story.submit("pwritev", 0, length=2 * BLOCK, request=0x71)
    scene = story.trace().scene(span_ns=WHOLE)
    kicks = [a for a in scene.arrows if a.kind == "kick"]
    bars = [r for r in scene.requests if r.offset_bytes in (0, BLOCK) and r.length_bytes == BLOCK]
    assert len({r.record for r in bars}) < len(bars), "they share the record that hands them over"
    assert [a.title for a in kicks[-2:]] == [r.title for r in bars[-2:]]
    assert kicks[-1].title != kicks[-2].title


def test_a_section_without_traced_end_has_ended_when_the_next_first_one_begins() -> None:
    story = Story()
    begins = []
    for _ in range(2):
        story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1")
        begins.append(story.us)
        story.iteration()
    scene = story.trace().scene(span_ns=WHOLE)
    first, second = scene.bands
    assert (us(first.begin_ns), us(first.end_ns), first.cut_end) == (begins[0], begins[1], True)
    assert second.end_ns == WHOLE[1]


def test_what_reaches_beyond_the_cut_is_clipped_to_it() -> None:
    trace = case_1().trace()
    whole = scene_of(trace)
    begin, end = whole.letters[1].ts_ns - 5000, whole.letters[1].ts_ns + 5000
    scene = scene_of(trace, (begin, end))
    assert (scene.begin_ns, scene.end_ns) == (begin, end)
    parts: list[Call | Band | RequestBar] = [*scene.calls, *scene.bands, *scene.requests]
    assert parts
    assert all(begin <= p.begin_ns <= p.end_ns <= end for p in parts)
    assert [x.letter for x in scene.letters] == ["(b)"]
    iteration = next(c for c in scene.calls if c.kind == "iteration")
    assert iteration.cut_begin
    assert iteration.cut_end


def test_threads_have_lanes_of_their_own() -> None:
    story = case_1()
    story.say(f"aio_poll ctx 0x{IOTHREAD:x} blocking 1", tid=IO_THREAD)
    scene = scene_of(story.trace(), WHOLE)
    assert [x.title for x in scene.lanes if x.kind is LaneKind.THREAD] == ["thread 1000", "thread 1001"]


def test_a_trace_without_times_is_laid_out_by_record() -> None:
    story = case_1()
    scene = scene_of(story.trace(prefix=False))
    assert scene.by_record
    assert [x.ts_ns for x in scene.letters] == [x.record * 1000 for x in scene.letters]
    bar = next(r for r in scene.requests if r.breaks)
    assert bar.begin_ns < bar.end_ns


def test_without_a_window_all_is_drawn_and_nothing_is_shaded() -> None:
    scene = case_1().trace().scene()
    assert scene.window_ns is None
    assert scene.letters == []
    assert us(scene.begin_ns) == 10


def test_a_window_has_a_margin_on_both_sides() -> None:
    story = instrumented()
    for _ in range(50):
        story.iteration()
    case_1(story)
    for _ in range(50):
        story.iteration()
    scene = scene_of(story.trace())
    assert scene.window_ns is not None
    begin, end = scene.window_ns
    margin = max((end - begin) // 4, 20_000)
    assert (scene.begin_ns, scene.end_ns) == (begin - margin, end + margin)


def test_records_are_looked_at_some_way_around_a_window() -> None:
    (window,) = exits(case_1().scan())
    assert window.open is not None
    assert window.close is not None
    assert records_around(window) == (0, window.close.record + AROUND)
    assert records_around(None)[0] == 0


def test_a_trace_with_nothing_there_says_so() -> None:
    with pytest.raises(MissingEventsError):
        case_1().trace().scene(records=(10_000, 10_001))


def test_the_table_has_a_row_for_each_part() -> None:
    scene = scene_of(case_1().trace())
    frame = scene_frame(scene)
    assert list(frame.columns) == list(SCENE_COLUMNS)
    counts = frame["part"].value_counts().to_dict()
    assert counts == {
        "call": len(scene.calls), "instant": len(scene.instants), "band": len(scene.bands),
        "request": len(scene.requests), "letter": len(scene.letters), "arrow": len(scene.arrows),
    }  # fmt: skip
    assert frame["begin_ns"].is_monotonic_increasing


VERBS = st.sampled_from([
    "iteration", "dispatch", "dispatch_io", "done", "done_io", "poll", "poll_done", "kick", "write", "read", "bh",
    "back",
])  # fmt: skip


def tell(story: Story, verb: str) -> None:
    telling: dict[str, Callable[[], int]] = {
        "iteration": story.iteration, "kick": story.kick, "write": lambda: story.write(0),
        "read": lambda: story.read(0), "dispatch": lambda: story.dispatch(MAIN),
        "dispatch_io": lambda: story.dispatch(IOHANDLER), "done": lambda: story.dispatch_done(MAIN),
        "done_io": lambda: story.dispatch_done(IOHANDLER), "poll": lambda: story.poll(MAIN),
        "poll_done": lambda: story.poll_done(MAIN),
        "bh": lambda: story.say(f"aio_bh_call ctx 0x{MAIN:x} bh 0x61 cb 0x71"),
        "back": lambda: story.submit("preadv", 0, blk=DRIVE, us=story.us - 25),
    }  # fmt: skip
    telling[verb]()


@given(st.lists(VERBS, max_size=40), st.booleans())
def test_calls_of_one_depth_never_overlap_in_a_lane_whatever_was_traced(verbs: list[str], timed: bool) -> None:
    story = instrumented()
    for verb in verbs:
        tell(story, verb)
    scene = story.trace(prefix=timed).scene()
    rows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for call in scene.calls:
        assert scene.begin_ns <= call.begin_ns <= call.end_ns <= scene.end_ns
        rows.setdefault((call.lane, call.depth), []).append((call.record, call.begin_ns, call.end_ns))
    for spans in rows.values():
        assert all(one[2] <= other[1] for one, other in pairwise(sorted(spans)))


@given(st.lists(VERBS, max_size=40))
def test_requests_in_one_row_never_overlap(verbs: list[str]) -> None:
    story = instrumented()
    for verb in verbs:
        tell(story, verb)
    rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for bar in story.trace().scene().requests:
        rows.setdefault((bar.lane, bar.row), []).append((bar.begin_ns, bar.end_ns))
    for spans in rows.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))
