"""How much of a trace is asked for: a scene is made in memory, so it must not be all of a large trace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from traceview.errors import MissingEventsError, TooManyRecordsError
from traceview.events import NO_TIME, EventBatch

__all__ = ["MOST_RECORDS", "Extent", "extent_of"]

MOST_RECORDS = 1_000_000
"""So many records with a meaning are exported at once; they take some 1.5 GiB of memory."""


@dataclass(frozen=True, slots=True)
class Extent:
    """From the first to the last of some records; `begin_ns` and `end_ns` are None where they have no times."""

    first: int
    last: int
    count: int
    begin_ns: int | None
    end_ns: int | None


def extent_of(batches: Iterable[EventBatch], name: str, most: int = MOST_RECORDS) -> Extent:
    """Return the extent of the records in `batches`, which are looked at and let go; `name` is the trace's.

    Raises TooManyRecordsError as soon as there are more than `most`, MissingEventsError where there are none.
    """
    count, first, last = 0, -1, -1
    begin: int | None = None
    end: int | None = None
    for batch in batches:
        if not len(batch):
            continue
        count += len(batch)
        first = int(batch.record[0]) if first < 0 else first
        last = int(batch.record[-1])
        if count > most:
            raise TooManyRecordsError(
                f"{name}: more than {most} records with a meaning are asked for (up to record {last}), which is more "
                "than can be exported at once: choose a finding, a window or a shorter time"
            )
        times = batch.ts_ns[batch.ts_ns != NO_TIME]
        if len(times):
            low, high = int(np.min(times)), int(np.max(times))
            begin = low if begin is None else min(begin, low)
            end = high if end is None else max(end, high)
    if not count:
        raise MissingEventsError(f"{name}: no record with a meaning in what was asked for")
    return Extent(first, last, count, begin, end)
