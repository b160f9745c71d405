"""The records around a window, gathered by reading the trace once more: for windows that may last for all of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from traceview.findings import Window
from traceview.vocabulary import MeaningTable

__all__ = ["AROUND", "surroundings"]

AROUND = 150
"""How many records before and after each point of a window are gathered."""


def surroundings(window: Window, tables: Iterable[MeaningTable]) -> MeaningTable | None:
    """Return the rows near the opening of a window, near what broke it first, and near its closing; None for none."""
    first = [window.requests[i].mark for i in window.violating[:1]] + [h.mark for h in window.happenings[:1]]
    points = np.array([m.record for m in (window.open, *first, window.close) if m is not None], dtype=np.int64)
    found = []
    for table in tables:
        # A window has three points at the most: rows are held against each.
        near = (np.abs(table.record[:, None] - points[None, :]) <= AROUND).any(axis=1)
        if near.any():
            found.append(table.take(np.flatnonzero(near)))
        if len(table) and int(table.record[-1]) > points.max() + AROUND:
            break
    return MeaningTable.concat(found) if found else None
