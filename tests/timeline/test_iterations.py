"""Numbers of main loop iterations, and the table of them. The traces are synthetic."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import MAIN, START_US, STEP_US, Story
from traceview.errors import MissingEventsError
from traceview.timeline.iterations import IterationCounter

COLUMNS = {
    "iteration": "int64", "tid": "Int64", "first_record": "int64", "last_record": "Int64", "ts_ns": "Int64",
    "duration_us": "Float64",
}  # fmt: skip


def numbers(story: Story, *cuts: int) -> list[int]:
    """Return the iteration of every record, the story cut into tables at the given records."""
    counter, table = IterationCounter(), story.table()
    found: list[int] = []
    edges = [0, *cuts, len(table)]
    for first, last in itertools.pairwise(edges):
        piece = table.take(slice(first, last))
        counter.number(piece)
        found += [int(i) for i in piece.iteration]
    return found


def test_a_record_has_the_number_of_main_loop_wait_calls_so_far() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.iteration()
    story.dispatch(MAIN)
    story.iteration()
    story.iteration()
    assert numbers(story) == [0, 1, 1, 2, 3]


def test_without_main_loop_wait_every_number_is_0() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.dispatch_done(MAIN)
    assert numbers(story) == [0, 0]


def test_records_of_other_threads_belong_to_the_only_main_loop() -> None:
    story = Story()
    story.iteration()
    story.tid = 7
    story.dispatch(MAIN)
    assert numbers(story) == [1, 1]


def test_the_main_loops_of_two_processes_are_counted_apart() -> None:
    story = Story(tid=1)
    for tid in (1, 2, 1, 1, 2):
        story.tid = tid
        story.iteration()
    story.tid = 3
    story.dispatch(MAIN)  # of neither
    assert numbers(story) == [1, 1, 2, 3, 2, 0]


def plainly(acts: list[tuple[bool, int]]) -> list[int]:
    """Return the numbers that a walk from record to record gives."""
    counts: dict[int, int] = {}
    found = []
    for waits, tid in acts:
        if waits:
            counts[tid] = counts.get(tid, 0) + 1
        found.append(next(iter(counts.values())) if len(counts) == 1 else counts.get(tid, 0))
    return found


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([1, 1, 1, 2, 3])), min_size=1, max_size=30),
    st.lists(st.integers(0, 30), max_size=5),
)
def test_the_numbers_do_not_depend_on_where_the_trace_is_cut(acts: list[tuple[bool, int]], cuts: list[int]) -> None:
    story = Story()
    for waits, tid in acts:
        story.tid = tid
        if waits:
            story.iteration()
        else:
            story.dispatch(MAIN)
    places = sorted(min(c, len(acts)) for c in cuts)
    assert numbers(story, *places) == plainly(acts)


def test_the_table_has_a_row_a_call_that_ends_with_its_own_event_or_the_next_call() -> None:
    story = Story()
    first = story.iteration()
    second = story.iteration()
    story.dispatch(MAIN)
    done = story.say("main_loop_wait_done ret 0")
    last = story.iteration()
    table = story.trace().timeline().iterations
    assert table.dtypes.astype(str).to_dict() == COLUMNS
    assert table["iteration"].tolist() == [1, 2, 3]
    assert table["first_record"].tolist() == [first - 1, second - 1, last - 1]
    assert table["last_record"].tolist()[:2] == [second - 1, done - 1]
    assert table["duration_us"].tolist()[:2] == [STEP_US, 2 * STEP_US]
    assert table["last_record"].isna().tolist() == [False, False, True]
    assert table["ts_ns"].tolist()[0] == (START_US + STEP_US) * 1000


def test_asking_for_iterations_without_main_loop_wait_says_what_is_missing() -> None:
    story = Story()
    story.dispatch(MAIN)
    with pytest.raises(MissingEventsError, match="iteration"):
        _ = story.trace().timeline().iterations
