"""Checking many traces: each is read once, what goes wrong with one does not stop the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.timeline.story import trace_of
from traceview.api import Trace, open
from traceview.errors import TraceNotFoundError, TraceviewError
from traceview.health import check, check_all

SAMPLES = ROOT / "sample-traces"
LOG = SAMPLES / "lp1570134-case-1/trace.log"


def test_a_trace_is_read_once_and_by_what_its_scan_finds() -> None:
    told, scan = check(open(LOG)), open(LOG).scan()
    assert told.summary.coverage == scan.traces[0].coverage
    assert told.summary.digest == scan.traces[0].digest
    assert told.looked_at == told.stats.records == scan.traces[0].events


def test_files_and_directories_are_checked_with_the_declarations_that_lie_beside() -> None:
    seen: list[str] = []
    checked = check_all([SAMPLES / "simpletrace-2.6", LOG], on_trace=lambda trace: seen.append(trace.path))
    assert [h.read.path for h in checked] == seen
    assert {h.read.format for h in checked} == {"log", "simpletrace"}
    assert not any(h.problems for h in checked)


def test_what_cannot_be_read_is_told_or_raised(tmp_path: Path) -> None:
    errors: list[TraceviewError] = []
    checked = check_all([tmp_path / "none", LOG], on_error=errors.append)
    assert (len(checked), [type(e) for e in errors]) == (1, [TraceNotFoundError])
    with pytest.raises(TraceNotFoundError):
        check_all([tmp_path / "none"])


def test_only_so_many_refused_lines_are_explained() -> None:
    line = b"1@1600000000.000001:mirror_start bs garbage\n"
    assert [len(check(trace_of(line * 20), explained=n).refused) for n in (0, 3)] == [0, 3]


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_the_size_of_the_pieces_in_which_a_trace_is_read_makes_no_difference(chunk: int) -> None:
    def counted(trace: Trace) -> object:
        told = check(trace)
        return told.threads, told.busiest, told.within, told.between, told.windows, told.looked_at

    data = (SAMPLES / "stock-9.0-parked/trace.log").read_bytes()
    assert counted(trace_of(data, chunk_bytes=chunk)) == counted(trace_of(data))
