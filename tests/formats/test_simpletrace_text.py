"""The text of QEMU's simpletrace.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import CapturePath
from tests.formats import Reading, declared, read, read_log, read_simpletrace
from tests.formats.field_lines import STYLES, messes, written
from tests.strategies import FORMS
from tests.writers import MemorySource
from traceview.api import open as open_trace
from traceview.events import NO_THREAD, Kind
from traceview.findings import Verdict
from traceview.formats import detect, simpletrace_text
from traceview.source import ByteSource

WRITE = b"virtio_blk_handle_write 28.564 pid=7999 vdev=0x10 req=0x20 sector=0x1be8 nsectors=0x8\n"
OLD = b"virtio_blk_handle_write 28.564 req=0x20 sector=0x1be8 nsectors=0x8\n"
COMPLETED = b"job_completed 1.000 pid=7999 job=0x30 ret=0xfffffffffffffffb\n"


def read_text(data: bytes, **options: object) -> Reading:
    return read(simpletrace_text.FORMAT, data, **options)  # type: ignore[arg-type]


def gaps(reading: Reading) -> list[tuple[str, int, int | None]]:
    return [(g.cause, g.record, g.count) for g in reading.stats.gaps]


def test_numbers_are_read_by_the_kind_of_their_argument() -> None:
    (record,) = read_text(COMPLETED).records
    assert record.values == {"job": 0x30, "ret": -5}
    assert record.text == "job_completed job 0x30 ret -5"


def test_time_is_the_sum_of_what_passed_and_may_step_back() -> None:
    data = COMPLETED + COMPLETED.replace(b"1.000", b"-0.500") + COMPLETED.replace(b"1.000", b"26057.184")
    reading = read_text(data)
    assert [r.ts_ns for r in reading.records] == [1000, 500, 500 + 26_057_184]
    assert (reading.stats.first_ts_ns, reading.stats.last_ts_ns) == (1000, 500 + 26_057_184)


def test_a_record_of_an_old_release_has_no_process() -> None:
    (record,) = read_text(OLD).records
    assert record.tid == NO_THREAD
    assert record.values == {"req": 0x20, "sector": 0x1BE8, "nsectors": 8}


def test_an_argument_may_be_called_pid() -> None:
    made = declared('e(int pid, int n) "pid %d n %d"')
    with_pid, without = b"e 1.000 pid=7 pid=0x2 n=0x3\n", b"e 1.000 pid=0x2 n=0x3\n"
    assert [(r.tid, r.values) for r in read_text(with_pid + without, declarations=made).records] == [
        (7, {"pid": 2, "n": 3}),
        (NO_THREAD, {"pid": 2, "n": 3}),
    ]


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (b"b'/srv/a b.img'", "/srv/a b.img"),
        (b"b''", ""),
        (b'b"it\'s"', "it's"),
        (b"b'\\'\"'", "'\""),
        (b"b'\\xc3\\xa9\\xff\\n\\t\\\\'", "é\udcff\n\t\\"),
        (b"b' pid=1 flags=0x1 format_name=x'", " pid=1 flags=0x1 format_name=x"),
        (b"/srv/a b.img", "/srv/a b.img"),
        (b"", ""),
        (b"x pid=1 y=0x1", "x pid=1 y=0x1"),
        (b"\xff\xfe", "\udcff\udcfe"),
        (b"b'not closed", "b'not closed"),
    ],
)
def test_strings_are_literals_of_python_or_stand_as_they_are(printed: bytes, meant: str) -> None:
    other = b"b'file'" if printed.endswith((b"'", b'"')) else b"file"
    line = b"bdrv_open_common 1.000 pid=1 bs=0x1 filename=" + printed + b" flags=0xa022 format_name=" + other + b"\n"
    (record,) = read_text(line).records
    assert record.values == {"bs": 1, "filename": meant, "flags": 0xA022, "format_name": "file"}


def test_a_literal_that_looks_like_the_rest_of_the_line_is_one_string() -> None:
    line = b"bdrv_open_common 1.000 pid=1 bs=0x1 filename=b'd' flags=0x2 format_name=b'q flags=0x3 format_name=z'\n"
    (record,) = read_text(line).records
    assert record.values["format_name"] == "q flags=0x3 format_name=z"
    assert record.values["flags"] == 2


def test_dropped_records_are_a_gap_with_their_count_and_their_time_passes() -> None:
    data = COMPLETED + b"Dropped_Event 2.000 pid=7999 num_events_dropped=0x1f\n" + COMPLETED
    reading = read_text(data)
    assert gaps(reading) == [("dropped", 1, 31)]
    assert [r.ts_ns for r in reading.records] == [1000, 4000]
    assert reading.stats.names == {"job_completed": 2}


def test_a_newer_release_may_have_more_arguments_and_no_less() -> None:
    more = WRITE.replace(b" nsectors", b" flags=0x3 nsectors")
    cut = WRITE.replace(b" nsectors=0x8", b"")
    reading = read_text(WRITE + more + cut)
    assert [r.values for r in reading.records] == [
        {"vdev": 0x10, "req": 0x20, "sector": 0x1BE8, "nsectors": 8},
        {"vdev": 0x10, "req": 0x20, "sector": 0x1BE8, "flags": 3, "nsectors": 8},
    ]
    assert gaps(reading) == [("unreadable", 2, 1)]
    assert [(r.line, r.byte_offset) for r in reading.stats.refused] == [(3, len(WRITE) + len(more))]


def test_a_declared_form_comes_first() -> None:
    made = declared('job_completed(void *who, int how) "who %p how %d"')
    (record,) = read_text(b"job_completed 1.000 pid=1 who=0x1 how=0x2\n", declarations=made).records
    assert record.values == {"who": 1, "how": 2}


def test_an_unknown_event_keeps_its_text() -> None:
    reading = read_text(b"some_event 1.000 pid=7 a=0x1 b=b'x'\n")
    assert reading.records[0].values == {"text": " a=0x1 b=b'x'"}
    assert reading.stats.unknown_names == {"some_event"}


@pytest.mark.parametrize("damage", [WRITE[5:20] + b"\n", b"\xff\xfe\n", b"words of others\n", b"vdev=0x1\n"])
def test_a_line_that_is_no_record_is_a_gap_as_the_script_prints_nothing_else(damage: bytes) -> None:
    reading = read_text(WRITE + damage + WRITE)
    assert gaps(reading) == [("unreadable", 1, None)]
    assert [r.line for r in reading.records] == [1, 3]
    assert reading.stats.other_lines == 1


def test_the_last_line_without_its_end_is_not_judged() -> None:
    reading = read_text(WRITE + COMPLETED[:-1])
    assert len(reading.records) == 1
    assert gaps(reading) == [("cut", 1, 1)]


def test_lines_may_end_as_on_windows() -> None:
    data = WRITE + COMPLETED + b"bdrv_open_common 1.000 pid=1 bs=0x1 filename=/a flags=0xa022 format_name=file\n"
    plain, windows = read_text(data), read_text(data.replace(b"\n", b"\r\n"))
    assert [r.values for r in windows.records] == [r.values for r in plain.records]
    assert windows.stats.gaps == []


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    assert gaps(read_text(COMPLETED.replace(b"0xff", b"0xfff"))) == [("unreadable", 0, 1)]


def test_a_delta_that_no_clock_makes_does_not_run_over() -> None:
    huge = COMPLETED.replace(b"1.000", b"99999999999999999.000")
    assert all(abs(r.ts_ns) < 1 << 62 for r in read_text(huge * 100).records)


@given(st.lists(written(STYLES[0], st.sampled_from(FORMS)), max_size=8))
def test_what_was_written_is_read(items: list[object]) -> None:
    lines = [i.line for i in items]  # type: ignore[attr-defined]
    reading = read_text(b"".join(line + b"\n" for line in lines))
    assert reading.stats.gaps == []
    for item, record in zip(items, reading.records, strict=True):
        assert record.name == item.form.name  # type: ignore[attr-defined]
        for arg, value in zip(item.form.args, item.values, strict=True):  # type: ignore[attr-defined]
            got = record.values[arg.name]
            if arg.kind is Kind.STRING:
                assert isinstance(got, str)
                assert got.encode("utf-8", "surrogateescape") == value
            else:
                assert isinstance(got, int)
                assert (got - value) % (1 << 64) == 0


LINES = st.one_of(*(written(s, st.sampled_from(FORMS)).map(lambda w: w.line) for s in STYLES[:2]))


@given(messes(LINES, strategies.other_lines()), st.integers(1, 200))
def test_how_a_text_is_cut_into_pieces_changes_nothing_and_nothing_raises(raw: bytes, chunk_bytes: int) -> None:
    whole = read_text(raw)
    assert read_text(raw, chunk_bytes=chunk_bytes) == whole
    assert whole.stats.lines == raw.count(b"\n") + (not raw.endswith(b"\n") and raw != b"")
    assert whole.stats.records == sum(whole.stats.names.values())
    assert read_text(raw, wanted=[]).stats.names == whole.stats.names


def test_the_scripts_text_is_known_and_a_log_is_not_taken_for_it() -> None:
    assert detect(MemorySource(WRITE)).id == "simpletrace-text"
    assert detect(MemorySource(OLD)).id == "simpletrace-text"
    assert simpletrace_text.FORMAT.score(b"job_completed job 0x1 ret 0\n") == 0


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-9.0.0/quad-backends", "qemu-9.0.0/mirror-vblk-noioeventfd"])
def test_a_capture_has_the_records_of_its_binary_trace_and_of_its_log(
    name: str, capture_bytes: Callable[[str, str], bytes]
) -> None:
    text = read_text(capture_bytes(name, "simpletrace.txt"))
    binary = read_simpletrace(capture_bytes(name, "trace.bin"))
    assert [(r.name, r.record, r.tid, r.values) for r in text.records if r.name in MEANT] == [
        (r.name, r.record, r.tid, r.values) for r in binary.records if r.name in MEANT
    ]
    times = [r.ts_ns for r in text.records if r.name in MEANT]
    assert times == [r.ts_ns - binary.stats.first_ts_ns for r in binary.records if r.name in MEANT]
    assert text.stats.gaps == []
    log = read_log(capture_bytes(name, "trace.log"))
    # Records of different threads can stand in another order; the simple backend cuts strings at 512 bytes.
    assert sorted(r.text[:400] for r in text.records if r.name in MEANT) == sorted(
        r.text[:400] for r in log.records if r.name in MEANT
    )


MEANT = frozenset(f.name for f in FORMS)


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-9.0.0/quad-backends", "qemu-9.0.0/mirror-vblk-noioeventfd"])
def test_a_capture_gives_the_verdicts_of_its_binary_trace_and_of_its_log(name: str, capture_path: CapturePath) -> None:
    def windows(path: Path) -> list[tuple[str, Verdict, int, int]]:
        return [(w.rule, w.verdict, w.node, len(w.requests)) for w in open_trace(path).scan().windows]

    text = windows(capture_path(name, "simpletrace.txt"))
    assert text == windows(capture_path(name, "trace.bin"))
    # A log tells threads apart, which one rule needs.
    by_thread = [w for w in windows(capture_path(name, "trace.log")) if w[0] != "job-exit-on-foreign-thread"]
    assert [w[:2] for w in text] == [w[:2] for w in by_thread]
    assert text


@pytest.mark.captures
def test_a_capture_is_known_for_what_it_is(capture_path: CapturePath) -> None:
    assert detect(ByteSource(capture_path("qemu-9.0.0/quad-backends", "simpletrace.txt"))).id == "simpletrace-text"
