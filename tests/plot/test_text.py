"""Text of a trace can be drawn whatever it is, and is known to fit before it is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from traceview.plot.text import FAMILY, drawable, fitting, text_width, wrapped


@given(st.text())
def test_any_text_can_be_drawn_without_a_warning(text: str) -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, drawable(text), family=FAMILY, parse_math=False)
    figure.draw_without_rendering()  # a glyph that the font lacks would be a warning, and those are errors here


def test_what_the_font_lacks_is_written_out() -> None:
    assert drawable("日 µ $x^2$ \x1b[31m") == "\\u65e5 µ $x^2$ \\x1b[31m"


@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_a_width_is_at_least_that_on_paper(weight: str) -> None:
    text = "main_loop_wait # 166 → drive0"
    figure = Figure(dpi=72)
    FigureCanvasAgg(figure)
    drawn = figure.text(0, 0.5, text, fontsize=40, family=FAMILY, weight=weight)
    extent = drawn.get_window_extent()
    assert text_width(text, 40, weight) == pytest.approx(extent.width, rel=0.05)


@given(st.text(st.sampled_from("abc i_w"), max_size=40), st.floats(0, 200))
def test_what_is_cut_to_fit_fits(text: str, room: float) -> None:
    cut = fitting(text, 6, room)
    assert text_width(cut, 6) <= room
    assert cut in (text, "") or cut.endswith("…")


def test_a_text_that_fits_is_left_as_it_is() -> None:
    assert fitting("drive0", 6, 100) == "drive0"


@given(st.text(st.sampled_from("ab c"), max_size=80), st.integers(1, 4))
def test_wrapped_lines_fit_and_are_no_more_than_asked_for(text: str, most: int) -> None:
    lines = wrapped(text, 6, 60, most)
    assert len(lines) <= most
    assert all(text_width(line, 6) <= 60 for line in lines)
    if not any("…" in line for line in lines):
        assert " ".join(lines).split() == text.split()
