"""The tail of a trace that open windows may need."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import MAIN, Story, exits, instrumented
from traceview.detect import buffer
from traceview.detect.buffer import RowBuffer
from traceview.findings import Verdict
from traceview.vocabulary import MeaningTable


def records(table: MeaningTable | None) -> list[int]:
    return [] if table is None else [int(r) for r in table.record]


def pieces(count: int, *cuts: int, iterations: tuple[int, ...] = ()) -> list[MeaningTable]:
    """Return tables of `count` records in all, main_loop_wait at the records `iterations`."""
    story = Story()
    for record in range(count):
        if record in iterations:
            story.iteration()
        else:
            story.dispatch(MAIN)
    table = story.table()
    edges = [0, *cuts, count]
    return [table.take(slice(a, b)) for a, b in itertools.pairwise(edges)]


def filled(*tables: MeaningTable) -> RowBuffer:
    held = RowBuffer(())
    for table in tables:
        held.append(table)
    return held


@given(st.lists(st.integers(1, 19), unique=True), st.integers(0, 19), st.integers(0, 19))
def test_rows_between_two_records_are_given_across_tables(cuts: list[int], a: int, b: int) -> None:
    held = filled(*pieces(20, *sorted(cuts)))
    assert records(held.between(a, b)) == list(range(a, b + 1))


def test_there_is_nothing_where_nothing_is_held() -> None:
    assert RowBuffer(()).between(0, 9) is None
    assert filled(*pieces(4)).between(4, 9) is None


def test_an_empty_table_is_not_held() -> None:
    (table,) = pieces(4)
    held = filled(table.take(slice(0, 0)), table)
    assert records(held.between(0, 9)) == [0, 1, 2, 3]


def test_rows_whose_numbers_have_holes_are_found_all_the_same() -> None:
    (table,) = pieces(10)
    sparse = table.take(np.array([1, 4, 8]))
    held = filled(sparse)
    assert records(held.between(2, 8)) == [4, 8]
    assert held.between(5, 7) is None


@pytest.mark.parametrize(("record", "start"), [(1, 1), (2, 2), (3, 2), (5, 2), (6, 6), (9, 6)])
def test_an_iteration_starts_with_the_last_main_loop_wait_at_or_before_a_record(record: int, start: int) -> None:
    assert filled(*pieces(10, 4, 7, iterations=(2, 6))).iteration_start(record) == start


def test_without_main_loop_wait_a_record_starts_its_own() -> None:
    assert filled(*pieces(10, 4)).iteration_start(5) == 5
    assert RowBuffer(()).iteration_start(5) == 5


def test_what_no_window_needs_is_forgotten() -> None:
    held = filled(*pieces(10, 4, 7))
    held.trim(None)
    assert held.between(0, 9) is None


def test_tables_are_kept_as_a_whole_while_a_window_needs_a_row_of_them() -> None:
    held = filled(*pieces(10, 4, 7))
    held.trim(5)
    assert records(held.between(0, 9)) == [4, 5, 6, 7, 8, 9]


def test_trimming_nothing_is_no_error() -> None:
    RowBuffer(()).trim(7)
    RowBuffer(()).trim(None)


def test_rows_out_of_reach_of_any_window_are_forgotten_though_one_asks_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buffer, "MAX_RECORDS", 4)
    held = filled(*pieces(10, 4, 7))
    held.trim(0)
    assert records(held.between(0, 9)) == [4, 5, 6, 7, 8, 9]


def test_a_window_that_spans_more_records_than_are_held_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("buffer", "candidates", "judge"):
        monkeypatch.setattr(f"traceview.detect.{module}.MAX_RECORDS", 20)

    def window_of(filling: int) -> Verdict:
        story = instrumented()
        story.start()
        story.defer()
        for _ in range(filling):
            story.iteration()
        story.leave()
        (window,) = exits(story.scan())
        assert (window.verdict is Verdict.CLEAN) == (window.reason == "")
        return window.verdict

    assert window_of(19) is Verdict.CLEAN
    assert window_of(20) is Verdict.INCONCLUSIVE
