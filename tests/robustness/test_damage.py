"""Damaged traces: cut anywhere, bytes changed, nonsense behind a valid beginning.

Whatever stands in a file, only the errors of the tree are raised. And a piece of a trace never says more than the
whole: no window of it is clean that the whole shows to be violated, and it has no finding that the whole has not.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.timeline.story import Story, instrumented, trace_of
from tests.writers import MemorySource
from traceview.api import Trace, open
from traceview.errors import (
    DeclarationsMismatchError,
    DeclarationsNeededError,
    TraceNotFoundError,
    TraceviewError,
    UnknownFormatError,
    UnsupportedVersionError,
)
from traceview.findings import ScanResult, Verdict
from traceview.fleet import scan_all
from traceview.formats import format_by_id
from traceview.formats.declarations import Declarations, read_declarations
from traceview.report.machine import scan_json
from traceview.vocabulary import builtin

SAMPLES = Path(__file__).resolve().parents[2] / "sample-traces"
BINARY = SAMPLES / "simpletrace-2.6"
LOGS = (
    "lp1570134-first-diagram", "lp1570134-case-1", "lp1570134-case-2", "second-door", "cancelled", "abort",
    "stock-4.1-ide-lost-write", "stock-9.0-parked",
)  # fmt: skip
"""Samples that are violated or guarded, exact and by stand-ins."""
CUTS = 150
"""Places at which each trace is cut."""
HEADER = struct.pack("<QQ", (1 << 64) - 1, 0xF2B177CB0AA429B4)


@cache
def declared() -> Declarations:
    return read_declarations(BINARY / "trace-events")


def binary_trace(data: bytes, declarations: Declarations | None = None) -> Trace:
    return Trace(
        MemorySource(data, name="synthetic"), format_by_id("simpletrace"), declarations or declared(), builtin()
    )


@cache
def content(sample: str) -> bytes:
    return (SAMPLES / sample).read_bytes()


def read(sample: str, data: bytes) -> Trace:
    return binary_trace(data) if sample.endswith(".bin") else trace_of(data)


@cache
def whole(sample: str) -> ScanResult:
    return read(sample, content(sample)).scan()


TRACES = [*(f"{name}/trace.log" for name in LOGS), "simpletrace-2.6/trace.bin"]


def places(size: int, count: int, seed: str) -> list[int]:
    """Return `count` places in a file: evenly spread, and each moved a little, so that they fall anywhere in a line."""
    shaken = random.Random(seed)  # noqa: S311  (not for secrets)
    step = size / count
    return sorted({min(size - 1, int(step * (n + shaken.random()))) for n in range(count)})


def same_place(record: int) -> int:
    return record


def assert_says_no_more(part: ScanResult, complete: ScanResult, place: Callable[[int], int] = same_place) -> None:
    """Hold a scan of a piece of a trace against that of the whole; `place` gives where a record is in the whole."""
    known = {(w.rule, w.open.record): w for w in complete.windows if w.open is not None}
    for window in part.windows:
        if window.open is None:
            assert window.verdict is Verdict.INCONCLUSIVE
            continue
        same = known.get((window.rule, place(window.open.record)))
        match window.verdict:
            case Verdict.VIOLATED:
                assert same is not None
                assert same.verdict is Verdict.VIOLATED
                found = {(r.op, r.offset, place(r.mark.record)) for r in window.requests if not r.held_back}
                assert found <= {(r.op, r.offset, r.mark.record) for r in same.requests if not r.held_back}
                assert window.severity is not None
                assert same.severity is not None
                assert window.severity.rank <= same.severity.rank
                # Where it takes a broken promise for what the whole knows to be data loss, it says that it is unsure.
                assert window.severity is same.severity or window.reason
            case Verdict.CLEAN:
                assert same is not None
                assert same.verdict is Verdict.CLEAN
            case Verdict.GUARDED:
                assert same is not None
                assert same.verdict is Verdict.GUARDED
            case Verdict.INCONCLUSIVE:
                assert window.reason


# pieces of a trace


@pytest.mark.parametrize("sample", TRACES)
def test_the_samples_are_worth_cutting(sample: str) -> None:
    assert {w.verdict for w in whole(sample).windows} & {Verdict.VIOLATED, Verdict.GUARDED}


@pytest.mark.parametrize("sample", TRACES)
def test_a_trace_that_is_cut_short_says_no_more_than_the_whole(sample: str) -> None:
    data = content(sample)
    for place in places(len(data), CUTS, sample):
        if place >= len(HEADER) or not sample.endswith(".bin"):
            assert_says_no_more(read(sample, data[:place]).scan(), whole(sample))


@pytest.mark.parametrize("sample", TRACES)
def test_a_trace_that_is_cut_short_in_and_around_its_windows_says_no_more_than_the_whole(sample: str) -> None:
    data = content(sample)
    for window in whole(sample).windows:
        if window.verdict is Verdict.CLEAN:
            continue
        assert window.open is not None
        first = window.open.byte_offset
        last = window.close.byte_offset if window.close is not None else len(data)
        for place in places(last - first + 600, CUTS // 6, f"{sample}{first}"):
            assert_says_no_more(read(sample, data[: first + place]).scan(), whole(sample))


@pytest.mark.parametrize("sample", [s for s in TRACES if s.endswith(".log")])
def test_a_log_whose_beginning_is_gone_says_no_more_than_the_whole(sample: str) -> None:
    data = content(sample)
    everything = read(sample, data)
    everything.scan()
    for place in places(len(data), CUTS // 4, f"{sample}-tail"):
        tail = read(sample, data[place:])
        result = tail.scan()
        missing = everything.stats.records - tail.stats.records
        assert_says_no_more(result, whole(sample), lambda record, missing=missing: record + missing)  # type: ignore[misc]


@pytest.mark.parametrize("sample", TRACES)
def test_a_log_or_binary_without_its_end_reads_the_same_records_as_the_whole_up_to_there(sample: str) -> None:
    data = content(sample)
    half = len(data) // 2
    part = read(sample, data[:half]).scan().traces[0]
    assert part.events < whole(sample).traces[0].events
    assert len(part.gaps) <= 1
    assert all(g.cause == "cut" and g.record == part.events for g in part.gaps)


def test_a_cut_in_the_middle_of_a_record_is_told() -> None:
    data = content("simpletrace-2.6/trace.bin")
    (gap,) = binary_trace(data[:-3]).scan().traces[0].gaps
    assert gap.cause == "cut"
    (gap,) = trace_of(content("cancelled/trace.log")[:-3]).scan().traces[0].gaps
    assert gap.cause == "cut"


# records that the writer dropped


@cache
def records_of(sample: str) -> tuple[bytes, list[bytes]]:
    """Return the header and the records of a simpletrace file of version 3."""
    data = content(sample)
    found, at = [], 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 16)
        found.append(data[at : at + length])
        at += length
    return data[:24], found


def behind(first: int, count: int) -> Callable[[int], int]:
    """Return a function that gives the place in the whole of a record of a trace that lacks `count` from `first` on."""
    return lambda record: record if record < first else record + count


@pytest.mark.parametrize("count", [1, 2, 20, 400])
def test_a_trace_whose_writer_dropped_records_says_no_more_than_the_whole(count: int) -> None:
    sample = "simpletrace-2.6/trace.bin"
    head, kept = records_of(sample)
    dropped = struct.pack("<QQIIQ", (1 << 64) - 2, 0, 32, 0, count)
    for first in places(len(kept) - count, CUTS // 3, f"{count} dropped"):
        trace = binary_trace(head + b"".join([*kept[:first], dropped, *kept[first + count :]]))
        result = trace.scan()
        assert [(g.record, g.count) for g in trace.stats.gaps] == [(first, count)]
        assert_says_no_more(result, whole(sample), behind(first, count))


@pytest.mark.parametrize("count", [1, 5, 50])
@pytest.mark.parametrize("sample", ["lp1570134-first-diagram", "lp1570134-case-1", "cancelled"])
def test_a_log_with_a_stretch_that_cannot_be_read_says_no_more_than_the_whole(sample: str, count: int) -> None:
    # Other lines are left out, so that the number of a line is that of its record.
    lines = [line for line in content(f"{sample}/trace.log").splitlines(keepends=True) if b"@" in line]
    complete = trace_of(b"".join(lines)).scan()
    assert complete.traces[0].events == len(lines)
    unreadable = lines[0].split(b":", 1)[0] + b":mirror_exit bs garbage\n"
    around = [
        n
        for w in complete.windows
        if w.requests and w.open and w.close
        for n in range(w.open.record - 3, w.close.record + 9)
    ]
    for first in sorted({*places(len(lines) - count, CUTS // 6, sample), *around}):
        result = trace_of(b"".join([*lines[:first], unreadable, *lines[first + count :]])).scan()
        marked = [g for g in result.traces[0].gaps if g.cause != "missing"]  # what else tells of the stretch is no harm
        assert {g.record for g in marked} == {first}
        # What cannot be read is a record all the same.
        assert_says_no_more(result, complete, behind(first, count - 1))


# changed bytes


def survives(trace: Trace) -> None:
    """Read a trace in every way; only the errors of the tree may come out."""
    try:
        scan_json(trace.scan(keep_witness=True))
        trace.timeline()
        for batch in trace.batches():
            for row in range(len(batch)):
                batch.text(row)
    except TraceviewError:
        pass


changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=40)


def changed(data: bytes, at: list[tuple[float, int]]) -> bytes:
    out = bytearray(data)
    for place, value in at:
        out[int(place * len(out))] = value
    return bytes(out)


SHORT_LOG = b"".join(content("lp1570134-case-1/trace.log").splitlines(keepends=True)[300:420])
SHORT_STOCK = b"".join(content("stock-4.1-ide-lost-write/trace.log").splitlines(keepends=True)[250:330])


@given(st.sampled_from([SHORT_LOG, SHORT_STOCK]), changes)
def test_a_log_with_changed_bytes_is_read_or_refused(data: bytes, at: list[tuple[float, int]]) -> None:
    survives(trace_of(changed(data, at)))


@given(changes)
def test_a_binary_trace_with_changed_bytes_is_read_or_refused(at: list[tuple[float, int]]) -> None:
    data = content("simpletrace-2.6/trace.bin")[:6000]
    survives(binary_trace(data[:24] + changed(data[24:], at)))


@given(changes)
def test_a_binary_trace_of_version_4_with_changed_bytes_is_read_or_refused(at: list[tuple[float, int]]) -> None:
    data = damaged_story().simpletrace()
    survives(binary_trace(data[:24] + changed(data[24:], at)))


def damaged_story() -> Story:
    story = instrumented()
    story.say('bdrv_open_common bs 0xb1 filename "/a" flags 0x0 format_name "raw"')
    story.start()
    story.look()
    story.defer()
    story.write()
    story.leave()
    return story


@given(st.lists(st.sampled_from(SHORT_LOG.splitlines(keepends=True) + SHORT_STOCK.splitlines(keepends=True))))
def test_lines_in_any_order_are_read(lines: list[bytes]) -> None:
    survives(trace_of(b"".join(lines)))


@given(st.binary(max_size=2000))
@example(b"\n" * 50)
@example(b"\x00" * 50)
@example(b"1@1.000001:mirror_exit bs 0x1 job 0x2 ret 99999999999999999999 should_complete 1\n")
@example(b"1@99999999999999999999.000001:mirror_start bs 0x1 s 0x2 opaque (nil)\n")
@example(b"99999999999999999999999@1.000001:mirror_start bs 0x1 s 0x2 opaque (nil)\n")
def test_any_bytes_are_no_more_than_other_lines_of_a_log(data: bytes) -> None:
    survives(trace_of(data))


@given(st.integers(0, 6), st.sampled_from("<>"), st.binary(max_size=400))
def test_any_bytes_behind_a_valid_magic_are_read_or_refused(version: int, order: str, tail: bytes) -> None:
    head = struct.pack(f"{order}QQQ", (1 << 64) - 1, 0xF2B177CB0AA429B4, version)
    try:
        trace = binary_trace(head + tail)
        trace.reader()
    except UnsupportedVersionError:
        assert version in (0, 1, 5, 6)
        return
    survives(trace)


records = st.tuples(
    st.integers(0, 3) | st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 80) | st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=60),
)


@given(st.sampled_from([2, 3, 4]), st.lists(records, max_size=6))
def test_records_whose_sizes_lie_are_read_or_refused(
    version: int, told: list[tuple[int, int, int, int, bytes]]
) -> None:
    data = HEADER + struct.pack("<Q", version)
    for number, ts, length, pid, arguments in told:
        kind = struct.pack("<Q", 1) if version == 4 else b""
        data += kind + struct.pack("<QQII", number, ts, length, pid) + arguments
    survives(binary_trace(data))


# files


@pytest.mark.parametrize("data", [b"", b"\n", b"hello\n", b"\x00" * 4096, HEADER[:12]])
def test_a_file_that_is_no_trace_is_refused_as_such(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "trace"
    path.write_bytes(data)
    with pytest.raises(UnknownFormatError, match="trace"):
        open(path)


def test_a_directory_of_files_that_are_no_traces_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    with pytest.raises(TraceNotFoundError, match="none of the 2 files"):
        scan_all([tmp_path])


@pytest.mark.parametrize("version", [2, 3])
def test_a_header_alone_needs_declarations_and_is_then_an_empty_trace(tmp_path: Path, version: int) -> None:
    path = tmp_path / "trace.bin"
    path.write_bytes(HEADER + struct.pack("<Q", version))
    with pytest.raises(DeclarationsNeededError, match="--trace-events"):
        open(path)
    result = open(path, trace_events=declared()).scan()
    assert (result.windows, result.traces[0].events, result.inconclusive) == ([], 0, True)


def test_a_file_is_refused_and_the_others_are_scanned(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no trace")
    (tmp_path / "good").write_bytes(content("lp1570134-case-1/trace.log"))
    errors: list[TraceviewError] = []
    result = scan_all([tmp_path / "bad", tmp_path / "good"], on_error=errors.append)
    assert [type(e) for e in errors] == [UnknownFormatError]
    assert len(result.traces) == 1


# declarations of another build


def without_event(number: int) -> Declarations:
    """Return the sample's declarations without the event of a number, so that those behind it have moved up."""
    return Declarations([d for i, d in enumerate(declared()) if i != number], declared().name)


@pytest.mark.parametrize("number", [0, 100, 400, 800, 1200])
def test_declarations_of_another_build_are_noticed_or_make_no_difference(number: int) -> None:
    trace = binary_trace(content("simpletrace-2.6/trace.bin"), without_event(number))
    try:
        result = trace.scan()
    except DeclarationsMismatchError:
        return
    assert_says_no_more(result, whole("simpletrace-2.6/trace.bin"))
