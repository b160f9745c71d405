"""The overview of a trace: its windows by verdict, how long they were, what the guest asked for."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import traceview
from tests.conftest import ROOT
from tests.timeline.story import Story, instrumented
from traceview.findings import ScanResult, Verdict
from traceview.plot.layout import WIDTHS
from traceview.plot.overview import overview_figure, request_times

NONE = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def case_1() -> tuple[ScanResult, tuple[np.ndarray, np.ndarray]]:
    trace = traceview.open(ROOT / "sample-traces" / "lp1570134-case-1" / "trace.log")
    return trace.scan(), request_times(trace.request_frames())


def panels(figure: Figure) -> tuple[Axes, Axes, Axes]:
    windows, exposure, rate = figure.axes
    return windows, exposure, rate


def heading(axes: Axes) -> str:
    return axes.get_title(loc="left")


def test_there_are_three_panels() -> None:
    result, requests = case_1()
    titles = [heading(a) for a in overview_figure(result, requests).axes]
    assert titles == ["Windows by verdict", "How long windows stood open", "Guest requests a second"]


def test_windows_stand_in_the_row_of_their_verdict_at_the_time_they_open() -> None:
    result, requests = case_1()
    axes, _, _ = panels(overview_figure(result, requests))
    assert [t.get_text() for t in axes.get_yticklabels()] == ["violated 1", "inconclusive 0", "guarded 0", "clean 17"]
    opened = {str(x.get_gid()): x for x in axes.lines if x.get_gid()}
    (at,) = np.asarray(opened["opened-violated"].get_xdata())
    violated = next(w for w in result.windows if w.verdict is Verdict.VIOLATED)
    assert violated.open is not None
    first = min(*(int(t.min()) for t in requests), *(w.open.ts_ns for w in result.windows if w.open))
    assert at == pytest.approx((violated.open.ts_ns - first) / 1e9)
    assert set(np.asarray(opened["opened-violated"].get_ydata())) == {0}
    assert "opened-guarded" not in opened


def test_the_histogram_counts_each_window_once() -> None:
    result, requests = case_1()
    _, axes, _ = panels(overview_figure(result, requests))
    heights: dict[str, float] = {}
    for bar in axes.patches:
        verdict = str(bar.get_gid()).split("-")[1]
        heights[verdict] = heights.get(verdict, 0) + bar.get_height()  # type: ignore[attr-defined]
    assert heights == {"violated": 1, "clean": 17}


def test_the_rate_adds_up_to_the_requests() -> None:
    result, requests = case_1()
    _, _, axes = panels(overview_figure(result, requests))
    for patch in axes.patches:
        values, edges, _ = patch.get_data()  # type: ignore[attr-defined]
        count = float((values * np.diff(edges)).sum())
        assert count == pytest.approx(len(requests[0 if patch.get_gid() == "rate-reads" else 1]))


def test_reads_and_changes_are_told_apart_and_their_times_kept() -> None:
    trace = instrumented().trace()
    reads, changes = request_times(trace.request_frames())
    assert (len(reads), len(changes)) == (1, 1)
    assert int(changes[0] - reads[0]) == 10_000


def test_windows_that_are_not_listed_are_counted_in_a_note() -> None:
    result, requests = case_1()
    unlisted = sum(c.unlisted for c in result.traces[0].coverage)
    found = {t.get_gid(): t.get_text() for t in overview_figure(result, requests).texts}
    assert unlisted
    assert found["note-0"] == f"{unlisted} more clean windows were counted and are not drawn"


def test_a_trace_without_times_is_drawn_by_record() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.write()
    story.leave()
    trace = story.trace(prefix=False)
    windows, exposure, rate = panels(overview_figure(trace.scan(), request_times(trace.request_frames())))
    assert windows.get_xlabel() == "record"
    assert "no window whose length is known" in [t.get_text() for t in exposure.texts]
    assert "no guest request with a time" in [t.get_text() for t in rate.texts]


@pytest.mark.parametrize("width", WIDTHS)
def test_an_empty_trace_has_an_overview_all_the_same(width: str) -> None:
    figure = overview_figure(ScanResult(), NONE, title="$x$ \x1b", size=WIDTHS[width])
    figure.draw_without_rendering()
    assert {t.get_gid(): t.get_text() for t in figure.texts}["title-0"] == "$x$ \\x1b"


def test_windows_that_open_at_one_place_of_the_axis_are_drawn_as_one() -> None:
    story = Story().cast().warm_up()
    for _ in range(30):
        story.start()
        story.look()
        story.defer()
        story.leave()
    story.say("main_loop_wait nonblocking 0", us=10_000_000)
    story.write()
    trace = story.trace()
    result = trace.scan()
    assert result.count(Verdict.CLEAN) >= 30
    axes, _, _ = panels(overview_figure(result, request_times(trace.request_frames())))
    assert all(len(np.asarray(x.get_xdata())) <= 1200 for x in axes.lines)
