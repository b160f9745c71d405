"""How long clean windows stood open, by rule."""

from __future__ import annotations

from tests.report import mark, request, result, summary, window
from traceview.findings import RuleCoverage
from traceview.report.html_exposure import STEPS, exposures


def test_clean_windows_are_counted_by_how_long_they_stood_open() -> None:
    windows = [window(close=mark(20, us)) for us in (5, 7, 50, 2_000_000)]
    (found,) = exposures(result(*windows))
    assert (found.windows, found.untimed, found.unlisted) == (4, 0, 0)
    assert dict(zip((words for words, _ in STEPS), found.steps, strict=True)) == {
        "< 1 µs": 0, "< 10 µs": 2, "< 100 µs": 1, "< 1 ms": 0, "< 10 ms": 0, "< 100 ms": 0,
        "< 1 s": 0, "longer": 1,
    }  # fmt: skip
    assert (found.median, found.ninth, found.longest) == ("28.5 µs", "2 s", "2 s")


def test_a_length_at_the_edge_of_a_step_is_of_the_next_one() -> None:
    (found,) = exposures(result(window(close=mark(20, 10))))
    assert found.steps.index(1) == [words for words, _ in STEPS].index("< 100 µs")


def test_windows_that_are_not_clean_do_not_count() -> None:
    assert exposures(result(window(request()))) == []


def test_clean_windows_that_are_not_listed_are_told_of() -> None:
    trace = summary()
    trace.coverage = [RuleCoverage("drained-node-guest-io", 12, 12, "", ())]
    (found,) = exposures(result(trace=trace))
    assert (found.rule, found.windows, found.unlisted, found.longest) == ("drained-node-guest-io", 0, 12, "")
