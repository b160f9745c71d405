"""Points of a trace: one by one or many at once, they are the same."""

from __future__ import annotations

import numpy as np

from tests.timeline.story import instrumented
from traceview.timeline.marks import Mark


def test_the_points_of_many_rows_are_those_of_each() -> None:
    table = instrumented().table()
    rows = np.arange(len(table))
    each = [Mark.at(table, row) for row in rows.tolist()]
    assert list(Mark.all_at(table, rows)) == each == [Mark.of(row) for row in table.rows(rows >= 0)]
    assert list(Mark.all_at(table, rows[5:2:-1])) == each[5:2:-1]
    assert list(Mark.all_at(table, rows[:0])) == []
