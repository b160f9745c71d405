"""Collects the records that a reader finds, one by one or whole runs of them, and hands them out as batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from traceview.events import EventBatch, EventForm, Int64Array, StringTable

__all__ = ["BatchBuilder"]


class BatchBuilder:
    """Collects records and hands them out as batches; forms are numbered in the order of their first record."""

    def __init__(self) -> None:
        self.forms: list[EventForm] = []
        self.strings = StringTable()
        self._codes: dict[int, int] = {}
        self._rows: list[tuple[int, int, int, int, int, int]] = []
        self._args: dict[int, tuple[list[int], list[Sequence[int]]]] = {}
        self._runs: list[EventBatch] = []
        self._in_runs = 0

    def code_of(self, form: EventForm) -> int:
        """Return the number of a form (by identity), giving it one if it is new."""
        code = self._codes.get(id(form))
        if code is None:
            code = self._codes[id(form)] = len(self.forms)
            self.forms.append(form)
        return code

    def add(self, code: int, row: tuple[int, int, int, int, int], values: Sequence[int]) -> None:
        """Add one record: `row` is (record, line, byte_offset, ts_ns, tid), `values` the arguments as int64."""
        bucket = self._args.get(code)
        if bucket is None:
            bucket = self._args[code] = ([], [])
        bucket[0].append(len(self._rows))
        bucket[1].append(values)
        self._rows.append((code, *row))

    def close(self) -> int:
        """Return how many runs of records there are, those that were added one by one being the last."""
        self._close_run()
        return len(self._runs)

    def extend(
        self, code: Int64Array, record: Int64Array, line: Int64Array, byte_offset: Int64Array,
        ts_ns: Int64Array, tid: Int64Array, args: Int64Array, place: int | None = None,
    ) -> None:  # fmt: skip
        """Add a run of records, as the columns of a batch: as the last one, or at a place that `close` gave."""
        self._close_run()
        run = EventBatch(self.forms, self.strings, code, record, line, byte_offset, ts_ns, tid, args)
        self._hold(run, len(self._runs) if place is None else place)

    def _hold(self, run: EventBatch, place: int) -> None:
        self._runs.insert(place, run)
        self._in_runs += len(run)

    def __len__(self) -> int:
        return self._in_runs + len(self._rows)

    def _close_run(self) -> None:
        """Make a run of the records that were added one by one."""
        if not self._rows:
            return
        rows = np.array(self._rows, dtype=np.int64)
        args = np.zeros((len(rows), self._width()), dtype=np.int64)
        for code, (places, values) in self._args.items():
            count = len(self.forms[code].args)
            if count:
                args[places, :count] = np.array(values, dtype=np.int64)
        self._rows, self._args = [], {}
        record, line, byte_offset, ts_ns, tid = (rows[:, i].copy() for i in range(1, 6))
        codes = rows[:, 0].copy()
        run = EventBatch(self.forms, self.strings, codes, record, line, byte_offset, ts_ns, tid, args)
        self._hold(run, len(self._runs))

    def _width(self) -> int:
        return max(1, *(len(f.args) for f in self.forms))

    def flush(self) -> Iterator[EventBatch]:
        """Yield what has been collected as one batch, if there is anything, and start anew."""
        self._close_run()
        runs, self._runs, self._in_runs = self._runs, [], 0
        if runs:
            yield runs[0] if len(runs) == 1 else EventBatch.concat(runs)
