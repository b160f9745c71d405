"""How much of a trace is asked for, and when that is too much."""

from __future__ import annotations

import pytest

from tests.timeline.story import START_US, Story
from traceview import MissingEventsError, TooManyRecordsError
from traceview.perfetto import extent_of


def story(records: int) -> Story:
    told = Story()
    for _ in range(records):
        told.iteration()
    return told


def test_the_extent_is_from_the_first_to_the_last_record_and_time() -> None:
    extent = extent_of(story(5).trace(chunk_bytes=40).batches(), "vm.log")
    assert (extent.first, extent.last, extent.count) == (0, 4, 5)
    assert (extent.begin_ns, extent.end_ns) == ((START_US + 10) * 1000, (START_US + 50) * 1000)


def test_records_without_times_have_an_extent_without_times() -> None:
    extent = extent_of(story(2).trace(prefix=False).batches(), "vm.log")
    assert (extent.count, extent.begin_ns, extent.end_ns) == (2, None, None)


def test_too_many_records_are_refused_with_what_to_do() -> None:
    assert extent_of(story(5).trace().batches(), "vm.log", most=5).count == 5
    with pytest.raises(TooManyRecordsError, match=r"vm\.log: more than 4 records .* choose a finding"):
        extent_of(story(5).trace().batches(), "vm.log", most=4)


def test_nothing_is_refused() -> None:
    with pytest.raises(MissingEventsError, match=r"vm\.log: no record"):
        extent_of(story(0).trace().batches(), "vm.log")
