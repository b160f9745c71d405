"""Bottom halves, from schedule to call. The traces are synthetic."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.timeline.story import MAIN, START_US, STEP_US, Story
from traceview.errors import MissingEventsError

COLUMNS = {
    "bh": "str", "cb": "str", "ctx": "str", "context": "str", "scheduled_record": "Int64", "called_record": "Int64",
    "scheduled_ns": "Int64", "called_ns": "Int64", "delay_us": "Float64", "iterations": "Int64",
}  # fmt: skip


def schedule(story: Story, bh: int = 0x31) -> int:
    return story.say(f"qemu_bh_schedule ctx 0x{MAIN:x} bh 0x{bh:x} cb 0x99")


def call(story: Story, bh: int = 0x31) -> int:
    return story.say(f"aio_bh_call ctx 0x{MAIN:x} bh 0x{bh:x} cb 0x99")


def bhs(story: Story) -> pd.DataFrame:
    return story.trace().timeline().bhs


def runs(story: Story) -> list[tuple[object, object]]:
    table = bhs(story)
    pairs = zip(table["scheduled_record"], table["called_record"], strict=True)
    return [(None if pd.isna(a) else a + 1, None if pd.isna(b) else b + 1) for a, b in pairs]


def test_a_call_belongs_to_its_schedule() -> None:
    story = Story().cast()
    story.iteration()
    scheduled = schedule(story)
    story.iteration()
    called = call(story)
    (row,) = bhs(story).to_dict("records")
    assert (row["scheduled_record"], row["called_record"]) == (scheduled - 1, called - 1)
    assert (row["bh"], row["cb"], row["ctx"], row["context"]) == ("0x31", "0x99", "0xc1", "qemu_aio_context")
    assert (row["delay_us"], row["iterations"]) == (2 * STEP_US, 1)
    assert (row["scheduled_ns"], row["called_ns"]) == tuple((START_US + n * STEP_US) * 1000 for n in (7, 9))


def test_scheduling_twice_is_scheduling_once_and_the_first_time_counts() -> None:
    story = Story()
    first = schedule(story)
    schedule(story)
    called = call(story)
    assert runs(story) == [(first, called)]


def test_after_a_call_a_bottom_half_can_be_scheduled_again() -> None:
    story = Story()
    expected = [(schedule(story), call(story)), (schedule(story), call(story))]
    assert runs(story) == expected


def test_several_are_told_apart_and_come_in_the_order_of_their_calls() -> None:
    story = Story()
    a, b = schedule(story, 0x31), schedule(story, 0x32)
    called_b, called_a = call(story, 0x32), call(story, 0x31)
    assert runs(story) == [(b, called_b), (a, called_a)]


def test_a_call_without_schedule_and_a_schedule_without_call_have_their_other_half_absent() -> None:
    story = Story()
    called = call(story, 0x31)
    pending = schedule(story, 0x32)
    assert runs(story) == [(None, called), (pending, None)]
    assert bhs(story)["delay_us"].isna().all()
    assert bhs(story)["iterations"].isna().all()


def test_the_table_has_the_documented_columns() -> None:
    story = Story()
    schedule(story)
    assert {n: str(t).replace("object", "str") for n, t in bhs(story).dtypes.items()} == COLUMNS


def test_asking_for_bottom_halves_where_none_was_traced_says_what_is_missing() -> None:
    story = Story()
    story.iteration()
    with pytest.raises(MissingEventsError, match="bh_schedule, bh_call"):
        bhs(story)
