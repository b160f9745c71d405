"""The records that a window may still need: a tail of the trace, bounded in length."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from traceview.events import Int64Array
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["MAX_RECORDS", "RowBuffer"]

MAX_RECORDS = 500_000
"""A window that spans more records than this is not judged: its beginning is no longer held."""


class RowBuffer:
    """Holds tables of one trace in file order and forgets what no open window can need.

    `matter` are the meanings that can count in a window.
    """

    def __init__(self, matter: Iterable[Meaning]) -> None:
        self._matter = tuple(matter)
        self._tables: list[MeaningTable] = []
        self._calls: list[Int64Array] = []
        """For each table, the records that call main_loop_wait."""
        self._mattering: list[tuple[Int64Array, npt.NDArray[np.uint8]]] = []
        """For each table, the records that can count in a window, and what they mean."""

    def append(self, table: MeaningTable) -> None:
        """Add the next table."""
        if len(table):
            self._tables.append(table)
            self._calls.append(table.record[np.flatnonzero(table.where(Meaning.ITERATION))])
            rows = np.flatnonzero(table.where(*self._matter))
            self._mattering.append((table.record[rows], table.meaning[rows]))

    def holds(self, record: int) -> bool:
        """Say whether nothing from `record` on was forgotten."""
        return bool(self._tables) and int(self._tables[0].record[0]) <= record

    def matter_between(self, first: int, last: int, meanings: Collection[Meaning]) -> bool:
        """Say whether a record that means one of `meanings` stands behind `first` and before `last`."""
        for records, means in self._mattering:
            if len(records) and records[0] < last and records[-1] > first:
                a, b = np.searchsorted(records, [first + 1, last])
                if any(m in meanings for m in means[a:b].tolist()):
                    return True
        return False

    def between(self, first: int, last: int) -> MeaningTable | None:
        """Return the rows with record numbers from `first` to `last`, both included, or None if there are none."""
        parts = [
            t.between(first, last) for t in self._tables if int(t.record[-1]) >= first and int(t.record[0]) <= last
        ]
        parts = [p for p in parts if len(p)]
        return MeaningTable.concat(parts) if parts else None

    def iteration_start(self, record: int) -> int:
        """Return the record of the last main_loop_wait at or before `record`, or `record` if none is held."""
        for calls in reversed(self._calls):
            at = int(np.searchsorted(calls, record, side="right"))
            if at:
                return int(calls[at - 1])
        return record

    def trim(self, needed_from: int | None) -> None:
        """Forget the rows before `needed_from` (all rows for None), and those out of reach of any window."""
        if not self._tables:
            return
        reach = int(self._tables[-1].record[-1]) - MAX_RECORDS
        keep = reach if needed_from is None else max(needed_from, reach)
        while self._tables and (needed_from is None or int(self._tables[0].record[-1]) < keep):
            del self._tables[0], self._calls[0], self._mattering[0]
