"""The guest requests of a trace as a stream of tables, for traces that do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from traceview.events import EventBatch
from traceview.timeline.follow import Follower
from traceview.timeline.frames import requests_frame
from traceview.vocabulary import Vocabulary

__all__ = ["request_frames"]


def request_frames(vocabulary: Vocabulary, batches: Iterable[EventBatch]) -> Iterator[pd.DataFrame]:
    """Yield the requests in the order in which they began, as tables with the columns of `requests_frame`.

    There is at least one table, an empty one where the trace has no request.
    """
    follower = Follower()
    for batch in batches:
        complete, _ = follower.feed(vocabulary.interpret(batch))
        yield requests_frame(complete, follower.names)
    complete, _ = follower.finish()
    yield requests_frame(complete, follower.names)
