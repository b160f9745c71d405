"""Words and units as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import mark, request, window
from traceview.findings import Severity, Shape
from traceview.report.style import (
    SEVERITY_COLOUR,
    SEVERITY_WORDS,
    Style,
    duration,
    offset_from,
    place,
    plural,
    shape_words,
)
from traceview.timeline.marks import Mark

_UNITS = {"ns": 1, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (None, "?"), (0, "0 µs"), (1, "1 ns"), (999, "999 ns"), (1_000, "1 µs"), (41_000, "41 µs"), (26_500, "26.5 µs"),
        (626_000, "626 µs"), (3_411_000, "3.41 ms"), (55_800_000, "55.8 ms"), (1_500_000_000, "1.5 s"),
        (3_600_000_000_000, "3600 s"), (-16_000, "-16 µs"), (-1_080_000, "-1.08 ms"),
    ],
)  # fmt: skip
def test_a_duration_has_the_unit_that_fits(ns: int | None, shown: str) -> None:
    assert duration(ns) == shown


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_duration_is_shown_to_within_half_a_per_cent(ns: int) -> None:
    number, unit = duration(ns).split(" ")
    assert float(number) * _UNITS[unit] == pytest.approx(ns, rel=0.006)


def test_a_time_after_the_origin_has_a_plus_and_one_before_a_minus() -> None:
    origin = mark(10, 100)
    shown = [offset_from(mark(11, us), origin) for us in (141, 100, 84)]
    assert shown == ["+41 µs", "0 µs", "-16 µs"]


def test_without_times_there_is_no_offset() -> None:
    assert offset_from(mark(11, None), mark(10, 0)) == ""
    assert offset_from(mark(11, 0), mark(10, None)) == ""


def test_a_record_of_a_binary_file_stands_at_a_byte() -> None:
    assert place(mark(10)) == "line 10"
    assert place(Mark(3, 0, 20051, 0, 1, "mirror_exit", 0)) == "byte 20051"


@pytest.mark.parametrize(
    ("count", "word", "shown"),
    [
        (1, "write", "1 write"), (2, "write", "2 writes"), (0, "read", "0 reads"), (2, "flush", "2 flushes"),
        (2, "write zeroes", "2 write zeroes"), (1, "write zeroes", "1 write zeroes"),
        (3, "more discard", "3 more discards"),
    ],
)  # fmt: skip
def test_counted_things_have_their_plural(count: int, word: str, shown: str) -> None:
    assert plural(count, word) == shown


@pytest.mark.parametrize("shape", [s for s in Shape if s is not Shape.UNCLASSIFIED])
def test_every_known_shape_has_words_that_name_it(shape: Shape) -> None:
    assert shape_words(window(request(), shape=shape)).startswith(shape.value.replace("-", " ") + ":")


def test_a_window_of_no_known_shape_says_why() -> None:
    odd = window(request(), shape=Shape.UNCLASSIFIED, shape_reason="main_loop_wait was not traced")
    assert shape_words(odd) == "unclassified: main_loop_wait was not traced"
    assert shape_words(window(shape=None)) == ""


def test_every_severity_has_words_and_a_colour() -> None:
    assert set(SEVERITY_WORDS) == set(SEVERITY_COLOUR) == set(Severity)


def test_paint_is_used_only_where_colour_is_wanted() -> None:
    assert Style(colour=False).paint("x", "red", "bold") == "x"
    assert Style(colour=True).paint("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
    assert Style(colour=True).paint("x") == "x"
