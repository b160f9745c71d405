"""Cuts of a trace: time spans as people write them, records between times, one AioContext."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plot.scenes import at, case_1, request
from tests.timeline.story import START_US, instrumented
from traceview.errors import MissingEventsError, UnknownNameError
from traceview.plot.cuts import MOST_LANES, of_context, parse_duration, records_between, with_most_lanes
from traceview.scene import Arrow, Band, Lane, LaneKind, Scene
from traceview.scene.build import AROUND


@pytest.mark.parametrize(
    ("text", "ns"),
    [("200us", 200_000), ("200 µs", 200_000), ("1.5ms", 1_500_000), ("7ns", 7), ("2s", 2_000_000_000), ("0us", 0)],
)
def test_a_time_span_is_read_with_its_unit(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "200", "us", "-5us", "1e3us", "1h", "1.us", "200us x", "٢us"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time span"):
        parse_duration(text)


def test_the_records_between_two_times_are_found_with_some_around_them() -> None:
    story = instrumented()
    for i in range(3 * AROUND):
        story.write(i * 4096)
    begin = (START_US + 10 * (AROUND + 100)) * 1000
    first, last = records_between(story.trace(chunk_bytes=4096).batches(), begin, begin + 1_000_000)
    assert (first, last) == (99, 99 + AROUND + 100 + AROUND)


def test_where_no_record_stands_there_is_nothing_to_draw() -> None:
    with pytest.raises(MissingEventsError, match="between these times"):
        records_between(instrumented().trace().batches(), 0, 1)
    with pytest.raises(MissingEventsError):
        records_between(instrumented().trace(prefix=False).batches(), 0, 1 << 62)


def test_a_context_has_its_calls_those_around_and_those_within() -> None:
    scene = of_context(case_1(), "iohandler_ctx")
    assert [c.record for c in scene.calls] == [10, 13, 14]
    assert [a.kind for a in scene.arrows] == ["kick"]
    assert [r.record for r in scene.requests] == [15]
    assert [x.letter for x in scene.letters] == ["(a)", "(b)", "(c)"]


def test_a_context_leaves_no_empty_lane_and_no_empty_row() -> None:
    scene = of_context(case_1(), "iohandler_ctx")
    assert [(x.title, x.rows) for x in scene.lanes] == [("process 1000", 3), ("drive0", 1)]
    assert {r.row for r in scene.requests} == {0}
    assert {r.lane for r in scene.requests} == {1}


def with_iothread() -> Scene:
    scene = case_1()
    scene.lanes += [Lane(LaneKind.THREAD, "IOThread of 0xc3", 2), Lane(LaneKind.STATE, "0xc3: external events off")]
    scene.calls.append(replace(scene.calls[4], lane=3, depth=0, record=40))
    scene.bands.append(Band(4, "external-off", "external events off", at(0), at(9), 41))
    scene.arrows.append(Arrow("bh", 0, at(1), 3, at(80), "BH 0x5", 12, 40))
    scene.requests.append(request(50, 1, 100, 105))
    return scene


def test_an_iothread_is_a_context_with_all_that_is_in_its_lane() -> None:
    scene = of_context(with_iothread(), "0xc3")
    assert [x.title for x in scene.lanes] == ["process 1000", "drive0", "IOThread of 0xc3", "0xc3: external events off"]
    assert [c.record for c in scene.calls] == [40]
    assert [scene.lanes[b.lane].title for b in scene.bands] == ["0xc3: external events off"]
    assert [a.to_record for a in scene.arrows] == [40]


def test_a_context_that_did_nothing_is_refused_with_those_that_did() -> None:
    with pytest.raises(UnknownNameError, match="it has iohandler_ctx, qemu_aio_context; did you mean 'iohandler_ctx'"):
        of_context(case_1(), "iohandler")
    with pytest.raises(UnknownNameError, match="no call of any"):
        of_context(replace(case_1(), calls=[]), "iohandler_ctx")


def test_of_very_many_lanes_those_that_matter_stay_and_the_picture_says_so() -> None:
    scene = case_1()
    assert with_most_lanes(scene) is scene
    scene.lanes += [Lane(LaneKind.STATE, f"disk {i} drained") for i in range(100)]
    scene.bands += [Band(3 + i, "drained", "drained section 1", at(0), at(9), 100 + i) for i in range(100)]
    cut = with_most_lanes(scene)
    assert len(cut.lanes) == MOST_LANES
    assert {"process 1000", "drive0", "disk 0 drained"} <= {x.title for x in cut.lanes}
    assert [x.letter for x in cut.letters] == ["(a)", "(b)", "(c)"]
    assert cut.subtitle == "case 1 · 43 of 103 lanes are left out"
