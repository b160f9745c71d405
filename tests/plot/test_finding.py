"""A finding draws itself, and tells as a table what it draws."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from matplotlib.figure import Figure

import traceview
from tests.conftest import ROOT
from tests.plot.scenes import boxes, texts
from traceview.errors import MissingEventsError
from traceview.plot.finding import finding_words, window_words
from traceview.scene.table import SCENE_COLUMNS

CASE_1 = ROOT / "sample-traces" / "lp1570134-case-1" / "trace.log"
FIXED = ROOT / "sample-traces" / "fixed" / "trace.log"


def test_a_finding_draws_itself() -> None:
    axes = traceview.open(CASE_1).scan().findings[0].plot()
    found = texts(axes)
    assert {"process 14885", "drive0"} <= {v for k, v in found.items() if k.startswith("lane-")}
    assert found["title-0"].startswith("mirror job 0x563433de3b80")
    assert found["subtitle-0"].startswith("DATA LOSS · window 626 µs · case 1")


def test_a_finding_draws_into_axes_that_are_given() -> None:
    axes = Figure(figsize=(8, 6)).subplots()
    assert traceview.open(CASE_1).scan().findings[0].plot(axes) is axes


def test_the_table_of_a_finding_has_what_its_picture_shows() -> None:
    finding = traceview.open(CASE_1).scan().findings[0]
    frame = finding.frame()
    assert list(frame.columns) == list(SCENE_COLUMNS)
    bars = {int(gid.split("-")[1]) for gid in boxes(finding.plot(), "request-")}
    assert bars == set(frame.loc[frame["part"] == "request", "record"])


def test_findings_of_several_traces_draw_their_own() -> None:
    folder = ROOT / "sample-traces"
    result = traceview.scan_all([folder / "lp1570134-case-2", CASE_1])
    titles = [texts(f.plot())["lane-0"] for f in result.findings]
    assert titles == ["process 29545", "process 14885"]


def test_a_finding_without_a_trace_to_read_anew_says_so() -> None:
    finding = replace(traceview.open(CASE_1).scan().findings[0], picture=None)
    for ask in (finding.plot, finding.frame):
        with pytest.raises(MissingEventsError, match="save it to a file and scan that"):
            ask()


def test_a_finding_of_stdin_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CASE_1.read_bytes())))
    (finding,) = traceview.open("-").scan().findings
    with pytest.raises(MissingEventsError, match="save it to a file"):
        finding.plot()


def test_findings_are_equal_whatever_draws_them() -> None:
    finding = traceview.open(CASE_1).scan().findings[0]
    assert finding == replace(finding, picture=None)
    assert "picture" not in repr(finding)


def test_a_possible_finding_is_called_so() -> None:
    result = traceview.open(CASE_1).scan()
    finding, window = result.findings[0], result.windows[result.findings[0].window]
    assert finding_words(replace(finding, certain=False), window)[1].startswith("POSSIBLE DATA LOSS · ")


def test_a_window_has_words_of_its_own() -> None:
    result = traceview.open(FIXED).scan()
    assert window_words(result.windows[0], 0) == ("external-off-kick: window 0, clean", "window 49 µs")
