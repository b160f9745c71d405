"""How many requests are on their way: what a dense lane shows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.plot.scenes import START, request
from traceview.plot.guest import on_their_way
from traceview.scene import RequestBar

BARS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 30)).map(lambda x: request(1, 0, x[0], x[0] + x[1])), max_size=60
)


def counted(bars: list[RequestBar], ns: int) -> int:
    """Count by hand, at a time between two steps."""
    return sum(b.begin_ns <= ns < b.end_ns for b in bars)


def test_requests_are_counted_from_their_beginning_to_their_end() -> None:
    times, counts = on_their_way([request(1, 0, 0, 10), request(2, 1, 5, 20)])
    assert ((times - START) // 1000).tolist() == [0, 5, 10, 20]
    assert counts.tolist() == [1, 2, 1, 0]


def test_no_request_no_step() -> None:
    assert [len(x) for x in on_their_way([])] == [0, 0]


@given(BARS)
def test_between_two_steps_the_count_is_that_of_the_bars(bars: list[RequestBar]) -> None:
    times, counts = on_their_way(bars)
    for begin, end, count in zip(times[:-1].tolist(), times[1:].tolist(), counts[:-1].tolist(), strict=True):
        if begin < end:
            assert count == counted(bars, (begin + end) // 2)


def test_of_very_many_requests_each_step_shows_the_most_that_were_on_their_way() -> None:
    rng = np.random.default_rng(1)
    spans = zip(rng.integers(0, 9000, 5000), rng.integers(1, 90, 5000), strict=True)
    bars = [request(i, 0, b, b + n) for i, (b, n) in enumerate(spans)]
    times, counts = on_their_way(bars)
    assert len(times) == len(counts) <= 1500
    every = np.arange(0, 9090) * 1000 + START
    begins, ends = (np.sort([getattr(b, n) for b in bars]) for n in ("begin_ns", "end_ns"))
    actual = np.searchsorted(begins, every, "right") - np.searchsorted(ends, every, "right")
    shown = counts[np.clip(np.searchsorted(times, every, "right") - 1, 0, len(counts) - 1)]
    inside = (every >= times[0]) & (every < times[-1])
    assert (shown[inside] >= actual[inside]).all()
    assert counts.max() == max(
        (np.searchsorted(begins, begins, "right") - np.searchsorted(ends, begins, "left")).max(), actual.max()
    )
