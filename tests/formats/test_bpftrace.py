"""What bpftrace scripts print of QEMU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import Reading, read
from tests.formats.field_lines import STYLES, messes, written
from tests.strategies import FORMS
from tests.writers import MemorySource
from traceview.events import NO_TIME
from traceview.formats import bpftrace, detect

EXIT = b"mirror_exit 8680 5487417495762 bs=0x1000 job=0x2000 ret=-1\n"
LATER = EXIT.replace(b"762 ", b"999 ")
HEADER = b"Attaching 2 probes...\n"


def read_text(data: bytes, **options: object) -> Reading:
    return read(bpftrace.FORMAT, data, **options)  # type: ignore[arg-type]


def gaps(reading: Reading) -> list[tuple[str, int, int | None]]:
    return [(g.cause, g.record, g.count) for g in reading.stats.gaps]


def test_a_record_has_its_thread_its_time_and_its_arguments() -> None:
    reading = read_text(HEADER + EXIT)
    (record,) = reading.records
    assert (record.tid, record.ts_ns) == (8680, 5_487_417_495_762)
    assert record.values == {"bs": 0x1000, "job": 0x2000, "ret": -1}
    assert (reading.stats.other_lines, reading.stats.gaps) == (1, [])


def test_strings_stand_in_quotes_and_a_script_need_not_print_all() -> None:
    line = b'bdrv_open_common 1 2 filename="/a "b" c" flags=0xa022\n'
    (record,) = read_text(line).records
    assert record.values == {"filename": '/a "b" c', "flags": 0xA022}


def test_lost_records_are_a_gap_with_their_count_and_nothing_is_clean() -> None:
    assert gaps(read_text(EXIT + b"Lost 293 events\n" + EXIT)) == [("dropped", 1, 293)]
    assert bpftrace.FORMAT.lossy


def test_records_that_are_not_in_the_order_of_their_times_are_a_gap_that_says_what_to_do() -> None:
    reading = read_text(LATER + EXIT + LATER)
    assert gaps(reading) == [("clock-jump", 1, None)]
    assert "sort -s -n -k 3,3" in reading.stats.gaps[0].text


@pytest.mark.parametrize("damage", [EXIT.replace(b" bs", b";bs"), b"mirror_exit 86\n", EXIT.replace(b"5487", b"x")])
def test_what_is_left_of_a_record_is_a_gap(damage: bytes) -> None:
    assert gaps(read_text(EXIT + damage + EXIT)) == [("unreadable", 1, None)]


def test_a_time_that_64_bits_do_not_hold_is_none() -> None:
    (record,) = read_text(b"mirror_exit 1 9999999999999999999 bs=0x1 job=0x2 ret=0\n").records
    assert record.ts_ns == NO_TIME


LINES = written(STYLES[5], st.sampled_from(FORMS)).map(lambda w: w.line)


@given(messes(LINES), st.integers(1, 200))
def test_how_a_text_is_cut_into_pieces_changes_nothing_and_nothing_raises(raw: bytes, chunk_bytes: int) -> None:
    whole = read_text(raw)
    assert read_text(raw, chunk_bytes=chunk_bytes) == whole
    assert whole.stats.lines == raw.count(b"\n") + (not raw.endswith(b"\n") and raw != b"")


def test_the_text_is_known_and_others_are_not_taken_for_it() -> None:
    assert detect(MemorySource(HEADER + EXIT)).id == "bpftrace"
    assert bpftrace.FORMAT.score(b"mirror_exit bs 0x1 job 0x2 ret 0 should_complete 1\n") == 0
