"""A thread that works ahead: it keeps the order, hands on errors, and is gone when nobody wants its results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from traceview.source.ahead import AHEAD, ReadAhead


def counting(until: int) -> Callable[[], int | None]:
    numbers = iter(range(until))
    return lambda: next(numbers, None)


def test_results_come_in_order_and_then_nothing_more() -> None:
    with ReadAhead(counting(100)) as ahead:
        assert [ahead.take() for _ in range(100)] == list(range(100))
        assert ahead.take() is None
        assert ahead.take() is None


def test_no_more_than_a_few_results_are_made_ahead() -> None:
    made: list[int] = []

    def produce() -> int:
        made.append(len(made))
        return made[-1]

    with ReadAhead(produce) as ahead:
        assert ahead.take() == 0
        deadline = time.monotonic() + 10
        while len(made) < AHEAD + 2 and time.monotonic() < deadline:  # those that wait, the taken one, one in hand
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(made) == AHEAD + 2


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_is_raised_after_the_results_before_it(error: BaseException) -> None:
    results = iter([1, 2])

    def produce() -> int:
        for result in results:
            return result
        raise error

    with ReadAhead(produce) as ahead:
        assert [ahead.take(), ahead.take()] == [1, 2]
        with pytest.raises(type(error)) as raised:
            ahead.take()
        assert raised.value is error
        assert ahead.take() is None


def test_the_thread_ends_when_its_results_are_no_longer_wanted() -> None:
    before = threading.active_count()
    with ReadAhead(lambda: 1) as ahead:
        assert ahead.take() == 1
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert ahead.take() is None, "who asks all the same does not wait for ever"


def test_it_can_be_left_by_its_own_thread_as_the_garbage_collector_may_do() -> None:
    left = threading.Event()

    def produce() -> int:
        ahead.__exit__(None, None, None)
        left.set()
        return 1

    ahead = ReadAhead(produce)
    ahead.__enter__()
    assert left.wait(10)
    ahead._thread.join(10)
    assert not ahead._thread.is_alive()
