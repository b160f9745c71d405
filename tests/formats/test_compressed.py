"""Compressed traces: recognised by what they unpack to, read to the same records, and never called whole if cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.writers import PACK, MemorySource, SimpletraceWriter, log_line
from traceview.api import Trace
from traceview.api import open as open_trace
from traceview.errors import UnknownFormatError
from traceview.events import MANY, Gap
from traceview.findings import ScanResult, Verdict
from traceview.fleet import find_traces
from traceview.formats import detect, format_by_id
from traceview.report.machine import scan_json
from traceview.vocabulary import builtin

SAMPLES = sorted((ROOT / "sample-traces").rglob("trace.*"))
LOSS = ROOT / "sample-traces" / "lp1570134-case-1" / "trace.log"
LINE = log_line("mirror_before_drain", "s 0x1 dirty count 0") + b"\n"
kinds = pytest.mark.parametrize("kind", sorted(PACK))


def binary() -> bytes:
    """Return a simpletrace file of 400 records."""
    writer = SimpletraceWriter(4)
    writer.mapping(7, "mirror_before_drain")
    for i in range(400):
        writer.record(7, (1, i), ts_ns=1000 + i)
    return writer.data


def gaps_of(data: bytes, form: str, max_bytes: int | None = None) -> list[Gap]:
    trace = Trace(MemorySource(data, max_bytes=max_bytes), format_by_id(form), None, builtin())
    for _ in trace.batches():
        pass
    return trace.stats.gaps


def as_json(result: ScanResult) -> str:
    for trace in result.traces:
        trace.path = "trace"
    return scan_json(result, [])


# what is recognised


@kinds
def test_the_format_is_known_by_what_the_file_unpacks_to(kind: str) -> None:
    assert detect(MemorySource(PACK[kind](LINE))).id == "log"
    assert detect(MemorySource(PACK[kind](binary()))).id == "simpletrace"


@kinds
def test_an_empty_compressed_file_is_of_no_format(kind: str) -> None:
    with pytest.raises(UnknownFormatError, match=r"^memory: the file is empty$"):
        detect(MemorySource(PACK[kind](b"")))


@kinds
def test_a_file_of_which_nothing_can_be_unpacked_is_refused_with_the_reason(kind: str) -> None:
    with pytest.raises(UnknownFormatError, match=f"^memory: the {kind} stream ends early, after 0 bytes unpacked$"):
        detect(MemorySource(PACK[kind](LINE)[:11]))


@pytest.mark.parametrize(
    ("outer", "tool"), [("gzip", "zcat"), ("xz", "xzcat"), ("zstd", "zstdcat"), ("bzip2", "bzcat")]
)
@kinds
def test_what_is_compressed_twice_is_not_unpacked_twice(outer: str, tool: str, kind: str) -> None:
    message = rf"^memory: {outer} data that unpack to {kind} data: .* {tool} FILE \| traceview scan -$"
    with pytest.raises(UnknownFormatError, match=message):
        detect(MemorySource(PACK[outer](PACK[kind](LINE))))


@pytest.mark.parametrize(
    ("head", "what", "do"),
    [
        (b"\x04\x22\x4d\x18dp", "lz4 data", "lz4 -dc FILE"),
        (b"\x5d\x00\x00\x80\x00", "lzma data of the old kind", "xz --format=lzma -dc FILE"),
        (b"\x89LZO\x00\r\n", "lzop data", "lzop -dc FILE"),
        (b"LZIP\x01", "lzip data", "lzip -dc FILE"),
        (b"\x1f\x9d\x90", "data of compress", "zcat FILE"),
        (b"PK\x03\x04\x14", "a zip archive", "unzip -p FILE"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so FILE"),
        (b"vm.log".ljust(257, b"\0") + b"ustar", "a tar archive", "tar xf FILE, then traceview scan the folder"),
    ],
)
@pytest.mark.parametrize("kind", ["", "gzip"])
def test_other_archives_are_named_with_what_to_do(head: bytes, what: str, do: str, kind: str) -> None:
    data = head + LINE * 20
    with pytest.raises(UnknownFormatError) as e:
        detect(MemorySource(PACK[kind](data) if kind else data))
    within = f"{kind} data that unpack to " if kind else ""
    assert str(e.value).startswith(f"memory: {within}{what}, which traceview does not read: {do}")


@kinds
def test_a_folder_has_its_compressed_traces_among_the_others(kind: str, tmp_path: Path) -> None:
    (tmp_path / "vm.log").write_bytes(LINE)
    (tmp_path / "vm.log.1").write_bytes(PACK[kind](LINE))
    (tmp_path / "trace.bin.old").write_bytes(PACK[kind](binary()))
    (tmp_path / "notes").write_bytes(PACK[kind](b"words of somebody\n"))
    (tmp_path / "broken").write_bytes(PACK[kind](LINE)[:11])
    assert [p.name for p in find_traces(tmp_path)] == ["broken", "trace.bin.old", "vm.log", "vm.log.1"]


# what is read


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: f"{p.parent.name}-{p.suffix[1:]}")
def test_a_sample_is_judged_the_same_however_it_is_compressed(path: Path, tmp_path: Path) -> None:
    beside = path.with_name("trace-events")
    declared = beside if beside.exists() else None
    plain = as_json(open_trace(path, trace_events=declared).scan())
    for kind, pack in PACK.items():
        (tmp_path / kind).write_bytes(pack(path.read_bytes()))
        assert as_json(open_trace(tmp_path / kind, trace_events=declared).scan()) == plain, kind


@kinds
@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
def test_the_records_do_not_depend_on_the_size_of_the_pieces(kind: str, chunk_bytes: int) -> None:
    trace = Trace(
        MemorySource(PACK[kind](binary()), chunk_bytes=chunk_bytes), format_by_id("simpletrace"), None, builtin()
    )
    assert [int(r) for b in trace.batches() for r in b.record] == list(range(400))
    assert trace.stats.gaps == []


# what is cut


@kinds
def test_a_log_that_is_cut_ends_with_a_gap(kind: str) -> None:
    lines = [log_line("mirror_before_drain", f"s 0x1 dirty count {i * i}", ts_us=10**15 + i) for i in range(9999)]
    halves = [PACK[kind](b"\n".join(half) + b"\n") for half in (lines[:5000], lines[5000:])]
    gap = gaps_of(halves[0] + halves[1][:-20], "log")[-1]
    assert (gap.cause, gap.count) == ("compressed-early", None)
    assert gap.record >= 5000
    assert gap.line - 1 <= gap.record <= gap.line <= len(lines), "the line that it is in is no record"
    assert gap.text == f"the {kind} stream ends early, after {gap.byte_offset} bytes unpacked"
    assert gap.ts_ns == (10**15 + gap.record - 1) * 1000


@pytest.mark.parametrize(("behind", "gaps"), [(0, 1), (5, 1)])
def test_a_simpletrace_file_that_is_cut_ends_with_one_gap(behind: int, gaps: int) -> None:
    writer = SimpletraceWriter(4)
    writer.mapping(7, "mirror_before_drain")
    writer.record(7, (1, 1), ts_ns=55)
    end = len(writer.data)
    writer.record(7, (1, 2), ts_ns=66)
    found = gaps_of(writer.data, "simpletrace", max_bytes=end + behind)
    assert len(found) == gaps
    text = f"stopped after {end + behind} bytes (--max-bytes)"
    assert found[0] == Gap("cut", 1, end + behind, 0, 55, None, text)


@pytest.mark.parametrize("form", ["log", "simpletrace"])
def test_exactly_as_many_bytes_as_there_are_is_no_cut(form: str) -> None:
    data = {"log": LINE * 3, "simpletrace": binary()}[form]
    assert gaps_of(data, form, max_bytes=len(data)) == []
    assert gaps_of(data, form, max_bytes=len(data) - 1)[-1].cause == "cut"


@kinds
@pytest.mark.parametrize("form", ["log", "simpletrace"])
def test_where_a_checksum_fails_no_record_can_be_trusted(kind: str, form: str) -> None:
    packed = bytearray(PACK[kind]({"log": LINE * 400, "simpletrace": binary()}[form]))
    packed[{"gzip": -8, "xz": -40, "zstd": -1, "bzip2": -2}[kind]] ^= 0x10
    gap = gaps_of(bytes(packed), form)[0]
    assert (gap.cause, gap.record, gap.byte_offset) == (MANY, 0, 0)
    assert gap.text.startswith(f"the {kind} stream is damaged, after ")
    assert gap.text.endswith("; what was unpacked before may be wrong, too")


@given(data=st.data(), kind=st.sampled_from(sorted(PACK)))
def test_nothing_is_called_clean_that_a_damaged_byte_may_have_changed(data: st.DataObject, kind: str) -> None:
    whole = LOSS.read_bytes()
    packed = bytearray(PACK[kind](whole))
    packed[data.draw(st.integers(len(packed) // 4, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    source = MemorySource(bytes(packed))
    if b"".join(source.chunks()) == whole:
        return
    result = Trace(source, format_by_id("log"), None, builtin()).scan()
    assert result.traces[0].gaps
    if source.damaged:
        assert not [w for w in result.windows if w.verdict is Verdict.CLEAN]


@kinds
def test_what_is_clean_before_the_cut_is_clean_and_nothing_after_is(kind: str, tmp_path: Path) -> None:
    whole = open_trace(LOSS).scan()
    for at in range(3, 10):
        packed = PACK[kind](LOSS.read_bytes())
        (tmp_path / "cut").write_bytes(packed[: len(packed) * at // 10])
        trace = open_trace(tmp_path / "cut", format="log")
        windows = trace.scan().windows
        clean = [w.open for w in windows if w.verdict is Verdict.CLEAN]
        assert all(any(c == w.open and w.verdict is Verdict.CLEAN for w in whole.windows) for c in clean)
        assert all(w.close.record < trace.stats.records for w in windows if w.verdict is Verdict.CLEAN and w.close)
        assert trace.source.cut


@given(max_bytes=st.integers(1, LOSS.stat().st_size + 10))
def test_a_reading_that_stops_anywhere_finds_no_more_clean_windows_than_the_whole(max_bytes: int) -> None:
    whole = {(w.rule, w.open) for w in open_trace(LOSS).scan().windows if w.verdict is Verdict.CLEAN}
    trace = open_trace(LOSS, max_bytes=max_bytes)
    clean = {(w.rule, w.open) for w in trace.scan().windows if w.verdict is Verdict.CLEAN}
    assert clean <= whole
    assert bool(trace.source.cut) == (max_bytes < LOSS.stat().st_size)
