"""The output of SystemTap's log tapset."""

from __future__ import annotations

import pytest

from tests.formats import Reading, read
from tests.formats.carried_writers import TIME_US, stap
from tests.writers import MemorySource
from traceview.events import NO_TIME
from traceview.formats import detect
from traceview.formats.stap import FORMAT

EXIT = b"bs 0x10 job 0x20 ret 0 should_complete 1"


def read_stap(*lines: bytes) -> Reading:
    return read(FORMAT, b"".join(line + b"\n" for line in lines))


def test_a_line_has_the_process_and_the_clock_in_nanoseconds() -> None:
    line = b"22806@1547735341399856820 qio_channel_socket_new Socket new ioc=0x56135d1d7c00"
    (record,) = read_stap(line).records
    assert (record.tid, record.ts_ns) == (22806, 1_547_735_341_399_856_820)
    assert record.text == "qio_channel_socket_new Socket new ioc=0x56135d1d7c00"


def test_null_is_zero_and_a_null_string_is_what_was_printed() -> None:
    (record,) = read_stap(b"1@1547735341399856820 aio_context_name ctx 0x0 name <null>").records
    assert record.values == {"ctx": 0, "name": "<null>"}


def test_a_time_that_64_bits_do_not_hold_is_none() -> None:
    (record,) = read_stap(b"1@9999999999999999999 mirror_exit " + EXIT).records
    assert record.ts_ns == NO_TIME


@pytest.mark.parametrize(
    ("line", "text", "count"),
    [
        (b"WARNING: Number of errors: 0, skipped probes: 12", "SystemTap skipped 12 probes", 12),
        (b"WARNING: There were 3 transport failures.", "SystemTap lost output: 3 transport failures", None),
    ],
)
def test_what_systemtap_says_at_its_end_may_be_missing_anywhere(line: bytes, text: str, count: int | None) -> None:
    record = stap("mirror_exit", EXIT)
    (gap,) = read_stap(record, record, line, record).stats.gaps
    assert (gap.cause, gap.record, gap.first, gap.count, gap.text) == ("dropped", 2, 0, count, text)


@pytest.mark.parametrize("line", [b"WARNING: Number of errors: 0, skipped probes: 0", b"Pass 5: starting run.", b""])
def test_other_words_of_systemtap_are_no_gap(line: bytes) -> None:
    assert read_stap(line).stats.gaps == []


def test_digits_before_a_line_are_not_taken_for_its_process_once_that_is_known() -> None:
    first, glued = stap("virtio_notify", b"vdev 0x5612 vq 0x99", 7999), stap("mirror_exit", EXIT, 7999, TIME_US + 1)
    reading = read_stap(first, first + glued)
    assert [(r.name, r.tid) for r in reading.records] == [("virtio_notify", 7999), ("mirror_exit", 7999)]
    # The number before the second may have lost its last digits to it, or got some of its.
    assert [(g.cause, g.record) for g in reading.stats.gaps] == [("unreadable", 1)]


def test_it_is_told_from_a_log() -> None:
    assert detect(MemorySource(stap("mirror_exit", EXIT) + b"\n")).id == "stap"
    assert detect(MemorySource(b"7999@1795393833.871579:mirror_exit " + EXIT + b"\n")).id == "log"
