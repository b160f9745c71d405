"""Formats that carry the log backend's text behind a prefix of their own: the same records, the same verdicts."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import ROOT, CapturePath
from tests.formats import Reading, read, read_log
from tests.formats.carried_writers import BANNER, ENDING, HEADER, TIME_US, WRITERS, carried
from tests.writers import MemorySource
from traceview.api import Trace, open
from traceview.events import MANY, MAX_GAPS, NO_THREAD, NO_TIME, Gap, ReadStats
from traceview.findings import ScanResult, Verdict
from traceview.formats import detect, format_by_id
from traceview.formats.base import FormatInfo
from traceview.formats.carried import share_of_records, thread_of
from traceview.source import ByteSource
from traceview.vocabulary import builtin

EXIT = b"bs 0x10 job 0x20 ret 0 should_complete 1"
EXIT_VALUES = {"bs": 0x10, "job": 0x20, "ret": 0, "should_complete": 1}
SAMPLES = ("lp1570134-case-1", "lp1570134-case-2", "second-door", "stock-4.1-ide-lost-write", "stock-9.0-parked")
LOSSY = {"syslog", "journald", "stap"}
ALL = sorted(WRITERS)
CARRIERS = sorted(w for w in WRITERS if w != "libvirt")
PARTS = re.compile(rb"(?<=\n)")


def info_of(writer: str) -> FormatInfo:
    return format_by_id(WRITERS[writer][0])


def line_of(writer: str, name: str = "mirror_exit", text: bytes = EXIT, thread: int = 4711, at_us: int = 0) -> bytes:
    return WRITERS[writer][1](name, text, thread, TIME_US + at_us)


def read_by(writer: str, data: bytes, chunk_bytes: int = 1 << 20, wanted: tuple[str, ...] = ()) -> Reading:
    chosen = wanted.__contains__ if wanted else lambda _name: True
    return read(info_of(writer), data, chunk_bytes=chunk_bytes, wanted=chosen)


def gaps(reading: Reading) -> list[tuple[str, int, int, int, int | None]]:
    """Return cause, record, byte offset, line and count of each gap."""
    return [(g.cause, g.record, g.byte_offset, g.line, g.count) for g in reading.stats.gaps]


@cache
def sample(name: str) -> bytes:
    return (ROOT / "sample-traces" / name / "trace.log").read_bytes()


@cache
def scanned(name: str, writer: str) -> ScanResult:
    data, format_id = (sample(name), "log") if writer == "log" else (carried(writer, sample(name)), WRITERS[writer][0])
    return Trace(MemorySource(data), format_by_id(format_id), None, builtin()).scan()


def violated(result: ScanResult) -> list[tuple[str, int, object]]:
    """Return rule, first record and severity of each violated window."""
    windows = [w for w in result.windows if w.verdict is Verdict.VIOLATED]
    return [(w.rule, w.open.record if w.open is not None else -1, w.severity) for w in windows]


# what is read


@pytest.mark.parametrize("writer", ALL)
def test_a_line_is_a_record_with_the_arguments_of_its_event(writer: str) -> None:
    (record,) = read_by(writer, line_of(writer) + b"\n").records
    assert (record.name, record.record, record.line, record.byte_offset) == ("mirror_exit", 0, 1, 0)
    assert record.values == EXIT_VALUES
    assert record.tid == 4711
    assert record.ts_ns != NO_TIME


@pytest.mark.parametrize("name", ["lp1570134-case-1", "stock-9.0-parked"])
@pytest.mark.parametrize("writer", ALL)
def test_the_records_of_a_sample_are_those_of_its_log(name: str, writer: str) -> None:
    log = read_log(sample(name))
    other = read_by(writer, carried(writer, sample(name)))
    expected = [(r.text, r.tid) for r in log.records]
    found = [(r.text, r.tid) for r in other.records]
    if WRITERS[writer][0] == "ftrace":
        # The kernel prints in the order of time, and cuts what QEMU wrote at 511 bytes; the writer does not.
        expected, found = sorted(expected), sorted(found)
    assert found == expected
    assert other.stats.records == log.stats.records
    assert other.stats.gaps == []
    assert other.stats.refused_count == 0
    assert other.stats.names == log.stats.names


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("writer", ALL)
def test_a_sample_is_known_in_each_format_for_what_it_is(name: str, writer: str) -> None:
    assert detect(MemorySource(carried(writer, sample(name)))).id == WRITERS[writer][0]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("writer", ALL)
def test_the_verdicts_are_those_of_the_log_and_nothing_is_clean_where_records_may_be_missing(
    name: str, writer: str
) -> None:
    log, other = scanned(name, "log"), scanned(name, writer)
    if WRITERS[writer][0] in LOSSY:
        assert not any(w.verdict is Verdict.CLEAN for w in other.windows)
        # Where stand-ins say what happened, one that is missing could say otherwise.
        expected = [] if name.startswith("stock") else violated(log)
    else:
        assert Counter((w.rule, w.verdict) for w in other.windows) == Counter((w.rule, w.verdict) for w in log.windows)
        expected = violated(log)
    assert [(rule, record) for rule, record, _ in violated(other)] == [(rule, record) for rule, record, _ in expected]
    assert [f.severity for f in other.findings] == [severity for _, _, severity in expected]


@pytest.mark.parametrize("writer", ALL)
def test_what_is_read_does_not_depend_on_the_size_of_the_chunks(writer: str) -> None:
    lines = [line_of(writer, at_us=n) for n in range(4)]
    lines[2:2] = [b"of nobody", line_of(writer, text=b"of no form", at_us=1), b"", b"\xff\xfe"]
    data = (BANNER if writer == "libvirt" else b"") + b"\n".join(lines)
    whole = read_by(writer, data)
    assert len(whole.records) == 3
    assert {"unreadable", "cut"} <= {g.cause for g in whole.stats.gaps}
    for chunk in (1, 2, 7, 64, 300):
        part = read_by(writer, data, chunk)
        assert part.records == whole.records
        assert part.stats == whole.stats


@pytest.mark.parametrize("writer", ALL)
def test_the_numbers_of_records_do_not_depend_on_what_is_wanted(writer: str) -> None:
    lines = [
        line_of(writer), line_of(writer, "job_completed", b"job 0x20 ret 0"), line_of(writer, "made_up_event", b"x 1"),
        line_of(writer, "job_completed", b"job zero") if writer != "libvirt" else b"", line_of(writer),
    ]  # fmt: skip
    data = b"\n".join(lines) + b"\n"
    whole, part = read_by(writer, data), read_by(writer, data, wanted=("mirror_exit",))
    assert part.records == [r for r in whole.records if r.name == "mirror_exit"]
    assert part.stats.names == whole.stats.names
    assert part.stats.unknown_names == {"made_up_event"}
    assert part.stats.gaps == whole.stats.gaps


# damage


@pytest.mark.parametrize("writer", ALL)
def test_an_empty_file_has_no_records(writer: str) -> None:
    assert read_by(writer, b"") == Reading([], type(read_by(writer, b"").stats)())


@pytest.mark.parametrize("data", [HEADER, BANNER, BANNER + ENDING, b"\n\n", b"-- Journal begins at Mon --\n"])
@pytest.mark.parametrize("writer", ALL)
def test_headers_alone_are_no_records(writer: str, data: bytes) -> None:
    reading = read_by(writer, data)
    assert reading.records == []
    assert reading.stats.records == 0
    assert reading.stats.lines == reading.stats.other_lines == data.count(b"\n")


@pytest.mark.parametrize("writer", ALL)
def test_lines_may_end_in_carriage_return_and_newline(writer: str) -> None:
    data = (line_of(writer) + b"\r\n") * 3
    assert [r.values for r in read_by(writer, data).records] == [EXIT_VALUES] * 3


@pytest.mark.parametrize("writer", ALL)
def test_bytes_that_are_no_utf8_are_kept(writer: str) -> None:
    text = b'bs 0x1 filename "/srv/\xff\xfe.img" flags 0x2022 format_name "raw"'
    (record,) = read_by(writer, line_of(writer, "bdrv_open_common", text) + b"\n").records
    assert record.values["filename"] == "/srv/\udcff\udcfe.img"
    assert record.text.encode("utf-8", "surrogateescape") == b"bdrv_open_common " + text


@pytest.mark.parametrize("writer", ALL)
def test_a_record_that_is_of_no_form_is_a_gap_and_counts_as_one(writer: str) -> None:
    bad = line_of(writer, text=b"bs 0x10 job 0x20 ret")
    reading = read_by(writer, line_of(writer) + b"\n" + bad + b"\n" + line_of(writer) + b"\n")
    assert [(r.record, r.line) for r in reading.records] == [(0, 1), (2, 3)]
    assert gaps(reading) == [("unreadable", 1, len(line_of(writer)) + 1, 2, 1)]
    assert [r.line for r in reading.stats.refused] == [2]
    assert reading.stats.names == {"mirror_exit": 3}


@pytest.mark.parametrize("writer", CARRIERS)
def test_a_refused_record_is_explained_by_the_grammar(writer: str) -> None:
    data = line_of(writer, text=b"bs 0x10 job 0x20 ret zero should_complete 1") + b"\n"
    trace = Trace(MemorySource(data), info_of(writer), None, builtin())
    (refused,) = trace.scan().traces[0].refused
    assert "mirror_exit: expected DECIMAL at column" in refused.explanation
    assert "^" in refused.explanation


@pytest.mark.parametrize("writer", ALL)
def test_a_last_line_without_its_end_is_a_gap_and_no_record(writer: str) -> None:
    line = line_of(writer)
    for end in (len(line), len(line) - 1, len(line) - 10):
        reading = read_by(writer, line + b"\n" + line[:end])
        assert len(reading.records) == 1
        assert gaps(reading) == [("cut", 1, len(line) + 1, 2, 1)]


@pytest.mark.parametrize("writer", ALL)
def test_zero_bytes_between_lines_are_a_gap_with_their_size(writer: str) -> None:
    line = line_of(writer) + b"\n"
    reading = read_by(writer, line + bytes(5000) + line)
    assert [r.byte_offset for r in reading.records] == [0, len(line) + 5000]
    assert [(g.cause, g.record, g.size_bytes) for g in reading.stats.gaps] == [("nul-hole", 1, 5000)]


@pytest.mark.parametrize("writer", ALL)
def test_a_line_that_is_too_long_is_passed_over(writer: str) -> None:
    line = line_of(writer) + b"\n"
    reading = read_by(writer, line + b"x" * (3 << 20) + b"\n" + line, chunk_bytes=1 << 16)
    assert [(r.record, r.line) for r in reading.records] == [(0, 1), (1, 3)]
    assert [(g.cause, g.line) for g in reading.stats.gaps] == [("long-line", 2)]


@pytest.mark.parametrize("writer", CARRIERS)
def test_records_that_ran_into_each_other_are_told_apart(writer: str) -> None:
    first = line_of(writer, "job_state_transition", b"job 0x1 (ret: 0) attempting allowed transition (ready-->waiting)")
    second = line_of(writer)
    reading = read_by(writer, first + second + b"\n" + second + b"\n")
    assert [r.name for r in reading.records] == ["job_state_transition", "mirror_exit", "mirror_exit"]
    assert [r.values for r in reading.records[1:]] == [EXIT_VALUES, EXIT_VALUES]
    assert [r.line for r in reading.records] == [1, 1, 2]
    assert [r.byte_offset for r in reading.records][1:] == [
        0 if writer == "journald" else len(first), len(first + second) + 1,
    ]  # fmt: skip


@pytest.mark.parametrize("writer", [w for w in CARRIERS if w not in ("journald", "stap")])
def test_a_record_is_found_behind_what_stands_before_it_in_its_line(writer: str) -> None:
    data = b"of somebody else: 7 " + line_of(writer) + b"\n"
    (record,) = read_by(writer, data).records
    assert (record.values, record.byte_offset) == (EXIT_VALUES, 20)


@pytest.mark.parametrize("writer", ALL)
def test_time_that_steps_back_far_is_a_gap(writer: str) -> None:
    hour = 3_600_000_000
    data = b"".join(line_of(writer, at_us=at) + b"\n" for at in (hour, hour + 1, 0, 1))
    reading = read_by(writer, data)
    assert len(reading.records) == 4
    # The kernel's buffers are in order: there, it is told once more.
    assert {(g.cause, g.record) for g in reading.stats.gaps} == {("clock-jump", 2)}


@pytest.mark.parametrize("writer", ALL)
def test_whatever_stands_in_a_file_nothing_is_raised_and_every_line_is_counted(writer: str) -> None:
    whole = st.sampled_from([*PARTS.split(carried(writer, sample("lp1570134-case-1")))[:80], BANNER, HEADER, ENDING])
    broken = strategies.damaged(whole)
    pieces = whole | broken | broken.map(lambda b: b + b"\n") | st.binary(max_size=40) | st.just(bytes(20))

    @settings(max_examples=max(20, settings().max_examples // 2))
    @given(st.lists(pieces, max_size=12).map(b"".join), st.integers(1, 200))
    def check(data: bytes, chunk: int) -> None:
        reading = read_by(writer, data)
        stats = reading.stats
        assert stats.bytes_read == len(data)
        assert len(reading.records) <= stats.records
        assert sum(stats.names.values()) <= stats.records
        assert [r.record for r in reading.records] == sorted({r.record for r in reading.records})
        part = read_by(writer, data, chunk)
        assert (part.records, part.stats) == (reading.records, stats)

    check()


@pytest.mark.parametrize("writer", ["ftrace", "libvirt", "trace-cmd"])
def test_damage_to_the_lines_of_a_window_never_makes_it_clean(writer: str) -> None:
    name = "lp1570134-case-1"
    lines = PARTS.split(carried(writer, sample(name)))
    (window,) = (w for w in scanned(name, writer).windows if w.verdict is Verdict.VIOLATED)
    assert window.open is not None
    assert window.close is not None
    first, last = (
        next(n for n, line in enumerate(lines) if line == lines[m.line - 1]) for m in (window.open, window.close)
    )
    damage: dict[str, Callable[[bytes, int], bytes]] = {
        "cut": lambda line, n: line[: 10 + n] + b"\n",
        "flip": lambda line, n: line[: 5 * n] + bytes([line[5 * n] ^ 4]) + line[5 * n + 1 :],
        "join": lambda line, n: line[: -1 - n],
        "hole": lambda line, n: line[:n] + bytes(30) + line[n:],
    }
    for n, change in enumerate(damage.values()):
        for at in range(first + 1, last, 3):
            changed = change(lines[at], n + at % 7)
            content = b"".join([*lines[:at], changed, *lines[at + 1 :]])
            result = Trace(MemorySource(content), info_of(writer), None, builtin()).scan()
            same = [w for w in result.windows if w.rule == window.rule and w.open and w.open.ts_ns == window.open.ts_ns]
            assert same, (n, at)
            assert Verdict.CLEAN not in {w.verdict for w in same}, (n, at, changed)


HOSTILE = {
    "dashes": b"-1 [0] " * 140_000,
    "heads": b"x" * 16 + b"-1 [000] ...1. 1.000000: tracing_mark_write: a_b ",
    "months": b"Nov 23 00:30:42 " * 60_000,
    "tags": b"Nov 23 00:30:42 vm qemu[1]: a_b " * 30_000,
    "rfc5424": b"<1>1 - h qemu 1 - [" * 50_000,
    "brackets": b"<1>1 - h qemu 1 - " + b'["' * 500_000,
    "stap": b"1@1234567890123456789 a_b " * 40_000,
    "json": b'{"MESSAGE":"qemu ","SYSLOG_IDENTIFIER":"qemu"}' * 20_000,
    "nested": b'{"MESSAGE":"qemu"' + b"[" * 900_000,
    "numbers": b'{"MESSAGE":"qemu","x":' + b"9" * 900_000 + b"}",
    "stamps": b"2026-11-23 00:30:33.123+0000: " * 30_000,
    "escapes": b"#011" * 250_000,
    "continued": b"\\\n" * 500_000,
    "lines": b"qemu_a \n" * 130_000,
}


@pytest.mark.parametrize("content", sorted(HOSTILE))
@pytest.mark.parametrize("writer", ALL)
def test_hostile_content_takes_no_more_than_seconds(writer: str, content: str) -> None:
    start = b"2026-11-23 00:30:33.123+0000: starting up\nA=1 \\\n" if content == "continued" else b""
    data = start + HOSTILE[content][: (1 << 20) - 10] + b"\n"
    started = time.perf_counter()
    stats = read_by(writer, data, wanted=("mirror_exit",)).stats
    info_of(writer).score(data[: 1 << 16])
    # About a megabyte, which may take a second; machines that are busy get more.
    assert time.perf_counter() - started < 4
    assert stats.bytes_read == len(data)


# parts


def test_where_gaps_are_not_told_one_by_one_what_reaches_further_back_is_not_forgotten() -> None:
    stats = ReadStats()
    for n in range(MAX_GAPS + 1):
        stats.add_gap(Gap("cut", 10 * n, 0, 0, 0, 1, "x"))
    stats.add_gap(Gap("dropped", 20_000, 0, 0, 0, None, "since long", None, 19_000))
    assert len(stats.gaps) == MAX_GAPS
    last = stats.gaps[-1]
    assert (last.cause, last.first) == (MANY, 1000)
    assert last.between(1001, 1002)


def test_the_share_of_records_counts_lines_whose_word_looks_like_an_event() -> None:
    line = re.compile(rb"> (?P<name_NAME>\w+)")
    assert share_of_records(b"> job_completed x\n> nothing\nother\n> a_b", line) == (1, 3)
    assert share_of_records(b"> a_b", line) == (1, 1)


def test_no_thread_is_minus_one() -> None:
    assert thread_of(None) == NO_THREAD
    assert thread_of(b"17") == 17


# captures


@pytest.mark.captures
@pytest.mark.parametrize("file", ["ftrace.txt", "syslog.iso", "syslog.rfc5424", "syslog.traditional"])
def test_a_run_through_several_backends_gives_the_records_and_verdicts_of_its_log(
    file: str, capture_path: CapturePath
) -> None:
    folder = "qemu-9.0.0/quad-backends"
    log, other = open(capture_path(folder, "trace.log")), open(capture_path(folder, file))
    assert other.format.id == file.partition(".")[0]

    def texts(trace: Trace) -> list[str]:
        return [batch.text(i) for batch in trace.batches(builtin().events.__contains__) for i in range(len(batch))]

    expected, found = texts(log), texts(other)
    if file == "ftrace.txt":
        # It is in the order of time; one record was cut.
        (cut,) = (Counter(found) - Counter(expected)).elements()
        (whole,) = (Counter(expected) - Counter(found)).elements()
        assert whole.startswith(cut[:400])  # paths behind that were shortened later
        assert len(cut) < len(whole)
        assert other.scan().windows != []
        assert Counter(w.verdict for w in other.scan().windows) == {Verdict.CLEAN: 29}
        assert Counter((w.rule, w.verdict) for w in log.scan().windows) == Counter(
            (w.rule, w.verdict) for w in other.scan().windows
        )
    else:
        assert found == expected
        result = other.scan()
        assert result.windows
        assert {w.verdict for w in result.windows} == {Verdict.INCONCLUSIVE}
    assert other.stats.gaps == []


@pytest.mark.captures
def test_the_captures_of_other_formats_are_none_of_these(capture_path: CapturePath) -> None:
    for folder, file, expected in (
        ("qemu-9.0.0/quad-backends", "trace.log", "log"),
        ("qemu-9.0.0/quad-backends", "trace.bin", "simpletrace"),
        ("qemu-7.2.22/stderr-mixed", "trace.log", "log"),
        ("qemu-7.2.22/mirror-notimestamp", "trace.log", "log"),
    ):
        assert detect(ByteSource(capture_path(folder, file))).id == expected
