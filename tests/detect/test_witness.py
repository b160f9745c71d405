"""The records around a window, gathered by reading the trace once more. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cuts import pieces
from tests.detect.ruled import Tale, rule, table_of, told, windows
from traceview.api import open
from traceview.detect.witness import AROUND, surroundings
from traceview.findings import Verdict, Window
from traceview.vocabulary import Meaning, MeaningTable

PLAIN = rule("open drained(node) close drained_end(node) forbid guest_io(node)")
ENDLESS = rule("open drained(node) close drained_end(node) forbid guest_io(node) open-ended")


def lines(table: MeaningTable | None) -> list[int]:
    return [] if table is None else [int(n) for n in table.batch.line]


def near(*points: int, last: int, around: int) -> list[int]:
    return [n for n in range(1, last + 1) if any(abs(n - p) <= around for p in points)]


def idle(tale: Tale, count: int) -> None:
    for _ in range(count):
        tale.iteration()


def long_window(act: Callable[[Tale], int] | None = Tale.write, *, closes: bool = True) -> tuple[Tale, list[int]]:
    """Tell a window with much before, in and after it; return the lines of its points."""
    tale = told()
    tale.drained(0xB9)
    tale.end(0xB9)
    idle(tale, 20)
    points = [tale.drained()]
    idle(tale, 30)
    if act is not None:
        points.append(act(tale))
        idle(tale, 30)
        act(tale)
    idle(tale, 30)
    if closes:
        points.append(tale.end())
    idle(tale, 20)
    return tale, points


@pytest.fixture
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.witness.AROUND", 4)


few = pytest.mark.usefixtures("_near")


@few
@pytest.mark.parametrize("cuts", [[], [30], [35, 64], list(range(1, 140))])
def test_what_stands_near_the_edges_and_near_the_first_breach_is_gathered(cuts: list[int]) -> None:
    tale, points = long_window()
    window = next(w for w in windows(tale, PLAIN) if w.verdict is Verdict.VIOLATED)
    found = surroundings(window, pieces(table_of(tale), cuts))
    assert lines(found) == near(*points, last=tale.lines, around=4)


@few
def test_what_happened_without_a_request_is_a_breach_too() -> None:
    own = rule("open drained(node) close drained_end(node) forbid drained_begin(node)")
    tale, points = long_window(Tale.begin)
    window = next(w for w in windows(tale, own) if w.happenings)
    assert lines(surroundings(window, [table_of(tale)])) == near(*points, last=tale.lines, around=4)


@few
def test_a_window_without_breach_has_its_edges_alone() -> None:
    tale, points = long_window(None)
    window = windows(tale, PLAIN)[-1]
    assert lines(surroundings(window, [table_of(tale)])) == near(*points, last=tale.lines, around=4)


@few
def test_a_window_that_does_not_close_has_its_opening_alone() -> None:
    tale, points = long_window(None, closes=False)
    window = windows(tale, ENDLESS)[-1]
    assert window.close is None
    assert lines(surroundings(window, [table_of(tale)])) == near(*points, last=tale.lines, around=4)


def test_of_a_short_trace_all_is_gathered() -> None:
    tale = told()
    tale.drained()
    tale.write()
    tale.end()
    (window,) = windows(tale, PLAIN)
    assert tale.lines <= AROUND
    assert lines(surroundings(window, [table_of(tale)])) == list(range(1, tale.lines + 1))


def test_where_there_is_nothing_near_nothing_is_gathered() -> None:
    tale, _ = long_window()
    window = windows(tale, PLAIN)[-1]
    assert surroundings(window, []) is None
    assert surroundings(window, [table_of(tale).take(slice(0, 0))]) is None


@few
def test_the_trace_is_read_no_further_than_needed() -> None:
    tale, points = long_window()
    window = windows(tale, PLAIN)[-1]
    read = []

    def tables() -> Iterator[MeaningTable]:
        for table in pieces(table_of(tale), range(1, tale.lines)):
            read.append(lines(table)[0])
            yield table

    surroundings(window, tables())
    assert read[-1] == points[-1] + 5


# asked of the trace


def the_window(tale: Tale) -> Window:
    return windows(tale, PLAIN)[-1]


@few
def test_a_trace_is_read_anew_for_the_surroundings_of_its_window() -> None:
    tale, points = long_window()
    found = tale.trace().surroundings(the_window(tale))
    assert lines(found) == near(*points, last=tale.lines, around=4)


def test_records_that_a_scan_does_not_decode_are_there_too_and_iterations_are_numbered() -> None:
    tale = told()
    tale.iteration()
    tale.drained()
    tale.say("thread_pool_submit pool 0x1 req 0x2 opaque 0x3")
    tale.write()
    tale.iteration()
    tale.end()
    found = tale.trace().surroundings(the_window(tale))
    assert found is not None
    assert found.where(Meaning.WORKER_SUBMIT).sum() == 1
    assert np.unique(found.iteration).tolist() == [0, 1, 2]


def test_a_file_gives_the_same_as_what_was_read_from_it_before(tmp_path: Path) -> None:
    tale, _ = long_window()
    path = tmp_path / "trace.log"
    path.write_bytes(tale.log())
    window = the_window(tale)
    assert lines(open(path, chunk_bytes=100).surroundings(window)) == lines(tale.trace().surroundings(window))
