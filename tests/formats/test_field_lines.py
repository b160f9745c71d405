"""What is the same for all formats whose lines carry named values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.formats import Reading, read
from tests.formats.field_lines import STYLES, Style
from tests.writers import PACK, MemorySource
from traceview.formats import bpftrace, log_blocks, lttng, perf, simpletrace_text
from traceview.formats.base import FormatInfo
from traceview.vocabulary import builtin

FORM = builtin().forms_of("job_completed")[0]
INFOS: dict[Callable[[], object], FormatInfo] = {
    simpletrace_text.SimpletraceText: simpletrace_text.FORMAT,
    lttng.Babeltrace: lttng.FORMAT,
    perf.PerfScript: perf.FORMAT,
    bpftrace.BpftraceScript: bpftrace.FORMAT,
}


@pytest.fixture(params=STYLES, ids=lambda s: s.id)
def style(request: pytest.FixtureRequest) -> Style:
    chosen: Style = request.param
    return chosen


def read_as(style: Style, data: bytes, chunk_bytes: int = 1 << 20) -> Reading:
    return read(INFOS[style.dialect], data, chunk_bytes=chunk_bytes)


def record(style: Style) -> bytes:
    return style.line(FORM, [0x1000, -5]) + b"\n"


def test_every_record_has_its_place(style: Style) -> None:
    line = record(style)
    reading = read_as(style, line * 3)
    assert [(r.record, r.line, r.byte_offset) for r in reading.records] == [(i, i + 1, i * len(line)) for i in range(3)]
    assert [r.values for r in reading.records] == [{"job": 0x1000, "ret": -5}] * 3
    assert reading.stats.gaps == []
    assert reading.stats.names == {"job_completed": 3}


@pytest.mark.parametrize("chunk_bytes", [1, 13, 1 << 20])
def test_a_hole_of_zeros_is_a_gap_with_its_size_and_what_is_behind_it_is_read(style: Style, chunk_bytes: int) -> None:
    line = record(style)
    reading = read_as(style, line + bytes(4096) + line, chunk_bytes)
    assert [(g.cause, g.record, g.size_bytes) for g in reading.stats.gaps] == [("nul-hole", 1, 4096)]
    assert len(reading.records) == 2


def test_a_record_that_a_hole_cuts_off_is_none(style: Style) -> None:
    line = record(style)
    reading = read_as(style, line + line[:-4] + bytes(4096) + line)
    assert [(g.cause, g.record) for g in reading.stats.gaps] == [("cut", 1), ("nul-hole", 1)]
    assert len(reading.records) == 2


@pytest.mark.parametrize("chunk_bytes", [1, 13, 1 << 20])
def test_a_line_that_is_too_long_is_passed_over(
    style: Style, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_blocks, "MAX_LINE", 300)
    line = record(style)
    reading = read_as(style, line + b"x" * 400 + b"\n" + line, chunk_bytes)
    assert [g.cause for g in reading.stats.gaps] == ["long-line"]
    assert [r.line for r in reading.records] == [1, 3]


def test_a_compressed_text_that_ends_early_ends_with_a_gap(style: Style) -> None:
    packed = PACK["gzip"](record(style) * 1000)
    source = MemorySource(packed[:-20])
    reader = INFOS[style.dialect].make(source, builtin().forms_of, None)
    assert sum(len(b) for b in reader.batches(lambda _name: True)) > 0
    assert reader.stats.gaps[-1].text == source.cut != ""


def test_what_is_not_wanted_is_counted_and_not_read(style: Style) -> None:
    data = record(style) + record(style).replace(b"job=", b"jab=").replace(b"job =", b"jab =")
    reading = read(INFOS[style.dialect], data, wanted=[])
    assert reading.stats.names == {"job_completed": 2}
    assert (reading.records, reading.stats.gaps) == ([], [])


def test_an_empty_text_has_nothing(style: Style) -> None:
    reading = read_as(style, b"")
    assert (reading.records, reading.stats.lines, reading.stats.gaps) == ([], 0, [])
