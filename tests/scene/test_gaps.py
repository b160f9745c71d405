"""Gaps are bands between the records that are drawn around them."""

from __future__ import annotations

import pytest

from tests.timeline.story import trace_of
from traceview.events import MANY, Gap
from traceview.scene.gaps import GAP_LANE, MOST_DRAWN, gap_bands, gap_words
from traceview.scene.model import Band, LaneKind

RECORDS = [10, 11, 14, 20]


def gap(record: int, *, cause: str = "dropped", reach: int = 0, size: int | None = None, count: int | None = 2) -> Gap:
    return Gap(cause, record, 100, 0, 0, count, "lost", size, reach)


def bands(*gaps: Gap) -> list[Band]:
    return list(gap_bands(gaps, RECORDS, lambda row: 1000 + row * 100, (900, 2000), 3))


@pytest.mark.parametrize(
    ("record", "reach", "span", "cut"),
    [
        (12, 0, (1100, 1200), (False, False)),
        (14, 0, (1100, 1200), (False, False)),
        (20, 5, (1200, 1300), (False, False)),
        (20, 6, (1100, 1300), (False, False)),
        (21, 0, (1300, 2000), (False, True)),
    ],
)
def test_a_gap_lasts_from_the_record_before_to_the_record_behind_it(
    record: int, reach: int, span: tuple[int, int], cut: tuple[bool, bool]
) -> None:
    (band,) = bands(gap(record, reach=reach))
    assert (band.begin_ns, band.end_ns) == span
    assert (band.cut_begin, band.cut_end) == cut
    assert (band.lane, band.kind, band.record) == (3, "gap", record)


def test_gaps_before_what_is_drawn_are_left_out_and_many_last_to_the_end() -> None:
    assert bands(gap(5), gap(10)) == []
    (band,) = bands(gap(12, cause=MANY, count=None))
    assert (band.begin_ns, band.end_ns, band.cut_end) == (1100, 2000, True)


def test_no_more_than_some_are_drawn() -> None:
    assert len(bands(*[gap(12)] * (2 * MOST_DRAWN))) == MOST_DRAWN


def test_the_words_of_a_gap_have_its_cause_and_size() -> None:
    assert gap_words(gap(1, size=70)) == "gap: dropped, 2 records, 70 B: lost"
    assert gap_words(gap(1, count=1)) == "gap: dropped, 1 record: lost"
    assert gap_words(gap(1, cause="duplicated", count=0, size=9)) == "gap: duplicated, 9 B: lost"


def test_a_scene_has_a_lane_of_gaps_where_the_trace_has_some() -> None:
    line = b"1@2.00000%d:main_loop_wait_nested 1\n"
    records = [b"7@2.00000%d:mirror_start bs 0x1 s 0x2 opaque 0x3\n" % i for i in range(4)]
    trace = trace_of(b"".join([*records[:2], bytes(64), *records[2:]]))
    scene = trace.scene()
    (band,) = [b for b in scene.bands if b.kind == "gap"]
    assert (scene.lanes[band.lane].kind, scene.lanes[band.lane].title) == (LaneKind.STATE, GAP_LANE)
    assert (band.end_ns - band.begin_ns, band.title) == (
        1000, "gap: nul-hole, 64 B: 64 zero bytes: what stood there is lost, or never reached the disk",
    )  # fmt: skip
    assert not [b for b in trace_of(b"".join(records) + line % 5).scene().bands if b.kind == "gap"]
