"""Which records of a long window are looked at when very many windows are drawn."""

from __future__ import annotations

import sys

from traceview.findings import Window
from traceview.scene.build import AROUND, records_around

__all__ = ["MOST_RECORDS", "is_long", "spans_around"]

MOST_RECORDS = 20_000
"""A window of more records than that is looked at near its points only: it would take too long, and show no more."""


def is_long(window: Window) -> bool:
    """Say whether only the records near the points of a window are looked at."""
    first, last = records_around(window)
    return last - first > MOST_RECORDS


def spans_around(window: Window) -> list[tuple[int, int]]:
    """Return the first and the last record of each run of records to look at, in order and apart.

    That is all around the window (`records_around`); of a long one, what is near its opening, near that which broke it
    first, and near its closing.
    """
    first, last = records_around(window)
    if not is_long(window):
        return [(first, last)]
    broken = [window.requests[i].mark for i in window.violating[:1]] + [h.mark for h in window.happenings[:1]]
    points = sorted(m.record for m in (window.open, *broken, window.close) if m is not None)
    spans: list[tuple[int, int]] = []
    for point in points:
        begin, end = max(point - AROUND, 0), min(point + AROUND, sys.maxsize)
        if spans and begin <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((begin, end))
    return spans or [(first, first + MOST_RECORDS)]
