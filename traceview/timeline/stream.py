"""The guest requests of a trace as a stream of tables, for traces that do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from traceview.events import EventBatch
from traceview.timeline.devices import DeviceMap
from traceview.timeline.frames import requests_frame
from traceview.timeline.iterations import IterationCounter
from traceview.timeline.names import NameTracker
from traceview.timeline.requests import RequestBuilder
from traceview.vocabulary import Vocabulary

__all__ = ["request_frames"]


def request_frames(vocabulary: Vocabulary, batches: Iterable[EventBatch]) -> Iterator[pd.DataFrame]:
    """Yield the requests in the order in which they began, as tables with the columns of `requests_frame`.

    There is at least one table, an empty one where the trace has no request.
    """
    names, devices, iterations = NameTracker(), DeviceMap(), IterationCounter()
    builder = RequestBuilder(names, devices)
    for batch in batches:
        table = vocabulary.interpret(batch)
        iterations.number(table)
        for row in table.rows(table.where(*NameTracker.MEANINGS)):
            names.feed(row)
        devices.feed(table)
        yield requests_frame(builder.feed(table), names)
    yield requests_frame(builder.finish(), names)
