"""Which records are looked at around windows, and that one reading of a trace serves many of them."""

from __future__ import annotations

from dataclasses import replace

from tests.report import mark, request, window
from tests.report.pages import lossy
from tests.timeline.story import instrumented
from traceview.scene import build_scene, spans_around
from traceview.scene.build import AROUND
from traceview.scene.spans import MOST_RECORDS, is_long


def test_around_a_short_window_all_records_are_looked_at() -> None:
    short = window(request(at=mark(12)), open=mark(5001), close=mark(6001))
    assert not is_long(short)
    assert spans_around(short) == [(5000 - AROUND, 6000 + AROUND)]


def test_of_a_long_window_only_what_is_near_its_points() -> None:
    long = window(request(at=mark(50_001)), open=mark(10_001), close=mark(100_001))
    assert is_long(long)
    assert spans_around(long) == [(p - AROUND, p + AROUND) for p in (10_000, 50_000, 100_000)]


def test_points_that_stand_together_are_looked_at_once() -> None:
    long = window(request(at=mark(1002)), open=mark(1001), close=mark(MOST_RECORDS * 2 + 1))
    assert spans_around(long) == [(0, 1001 + AROUND), (MOST_RECORDS * 2 - AROUND, MOST_RECORDS * 2 + AROUND)]


def test_a_window_that_never_closes_is_not_followed_to_the_end_of_the_trace() -> None:
    ((first, last),) = spans_around(replace(window(), open=mark(5001), close=None))
    assert (first, last) == (5000 - AROUND, 5000 + AROUND)


def test_one_reading_gives_the_scenes_that_readings_of_their_own_give() -> None:
    trace = lossy(instrumented(), 3).trace()
    result = trace.scan()
    windows = [result.windows[f.window] for f in result.findings]
    assert len(windows) == 3
    found = dict(trace.timelines_around(windows))
    assert sorted(found) == [0, 1, 2]
    for index, each in enumerate(windows):
        assert build_scene(found[index], each) == trace.scene(each)


def test_a_window_without_a_record_near_it_has_no_timeline() -> None:
    trace = lossy(instrumented()).trace()
    (finding,) = trace.scan().findings
    near = trace.scan().windows[finding.window]
    far = window(open=mark(900_001), close=mark(900_002))
    assert [index for index, _ in trace.timelines_around([far, near])] == [1]


def test_names_are_those_that_a_window_of_its_time_knew() -> None:
    story = lossy(instrumented())
    for _ in range(2 * AROUND):
        story.read(0x1000)
    story.say("aio_context_name ctx 0xc2 name renamed")
    lossy(story)
    trace = story.trace(chunk_bytes=4096)
    result = trace.scan()
    found = dict(trace.timelines_around([result.windows[f.window] for f in result.findings]))
    assert [timeline.names.contexts[0xC2] for _, timeline in sorted(found.items())] == ["iohandler_ctx", "renamed"]
