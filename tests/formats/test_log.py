"""The log backend's text: records of every generation, and everything that gets between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.formats import Reading, Record, declared, read_log
from tests.writers import PREFIXES, log_line
from traceview.events import MAX_REFUSED, NO_THREAD, NO_TIME
from traceview.formats import log_blocks
from traceview.formats.log_grammar import explain
from traceview.source import compression_of
from traceview.vocabulary import builtin

TIME_US = 1_459_344_553_123_456
EXIT = "bs 0x10 job 0x20 ret 0 should_complete 1"
EXIT_VALUES: dict[str, int | str] = {"bs": 0x10, "job": 0x20, "ret": 0, "should_complete": 1}


pytestmark = pytest.mark.usefixtures("engine")


def exit_line(*, prefix: str = "epoch", thread: int = 4711, ts_us: int = TIME_US) -> bytes:
    return log_line("mirror_exit", EXIT, prefix=prefix, thread=thread, ts_us=ts_us)


def gaps(reading: Reading) -> list[tuple[str, int, int, int, int | None]]:
    """Return cause, record, byte offset, line and count of each gap."""
    return [(g.cause, g.record, g.byte_offset, g.line, g.count) for g in reading.stats.gaps]


@pytest.mark.parametrize(
    ("prefix", "ts_ns", "tid"),
    [
        ("bare", NO_TIME, NO_THREAD),
        ("epoch", TIME_US * 1000, 4711),
        ("iso", TIME_US * 1000, NO_THREAD),
        ("named", NO_TIME, 4711),
        ("iso_named", TIME_US * 1000, 4711),
    ],
)
def test_every_generation_of_the_prefix_gives_the_time_and_thread_it_has(prefix: str, ts_ns: int, tid: int) -> None:
    (record,) = read_log(exit_line(prefix=prefix) + b"\n").records
    assert record == Record("mirror_exit", 0, 1, 0, ts_ns, tid, EXIT_VALUES, f"mirror_exit {EXIT}")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"19955@1795392826.407771:job_completed job 0x562c6cc1d800 ret 0", "job_completed job 0x562c6cc1d800 ret 0"),
        (b"job_completed job 0x559e1a8c3d30 ret 0", "job_completed job 0x559e1a8c3d30 ret 0"),
        (
            b"4711@1459344553.123456:virtio_blk_handle_write req 0x7f1c3c0008c0 sector 2048 nsectors 8",
            "virtio_blk_handle_write req 0x7f1c3c0008c0 sector 2048 nsectors 8",
        ),
        (
            b"virtio_blk_handle_write req 0x7f1c3c0008c0 sector 2048 nsectors 8",
            "virtio_blk_handle_write req 0x7f1c3c0008c0 sector 2048 nsectors 8",
        ),
    ],
)
def test_lines_of_real_qemus_are_records(line: bytes, text: str) -> None:
    reading = read_log(line + b"\n")
    assert reading.texts == [text]
    assert reading.stats.other_lines == 0


def test_a_null_pointer_is_zero_and_a_null_string_is_what_was_printed() -> None:
    data = log_line("aio_context_name", "ctx (nil) name (null)") + b"\n"
    (record,) = read_log(data).records
    assert record.values == {"ctx": 0, "name": "(null)"}
    assert record.text == "aio_context_name ctx (nil) name (null)"


def test_an_event_without_arguments_ends_in_a_blank() -> None:
    reading = read_log(b"1@2.000003:qemu_co_queue_next_bh \n", declarations=declared("qemu_co_queue_next_bh(void)"))
    assert [(r.name, r.values) for r in reading.records] == [("qemu_co_queue_next_bh", {})]


def test_an_event_whose_name_has_capitals_is_an_event() -> None:
    reading = read_log(b"1@2.000003:scsi_disk_dma_command_READ Read (sector 1, count 8)\n")
    assert reading.names == ["scsi_disk_dma_command_READ"]


def test_an_event_that_nothing_declares_is_kept_as_its_text() -> None:
    data = log_line("virtio_scsi_event", "virtio_scsi_event lun=0 event=1 reason=2") + b"\n"
    reading = read_log(data)
    (record,) = reading.records
    assert record.values == {"text": "virtio_scsi_event lun=0 event=1 reason=2"}
    assert record.text == "virtio_scsi_event virtio_scsi_event lun=0 event=1 reason=2"
    assert reading.stats.unknown_names == {"virtio_scsi_event"}


def test_the_declarations_of_a_user_come_before_the_built_in_forms_and_do_not_replace_them() -> None:
    own = declared('mirror_exit(void *bs, int why) "bs %p because %d"')
    data = log_line("mirror_exit", "bs 0x1 because 7") + b"\n" + exit_line() + b"\n"
    reading = read_log(data, declarations=own)
    assert [r.values for r in reading.records] == [{"bs": 1, "why": 7}, EXIT_VALUES]
    assert reading.stats.unknown_names == set()


def test_all_forms_of_an_event_can_stand_in_one_log() -> None:
    data = b"1@2.000003:mirror_start bs 0x1 s 0x2 opaque 0x3\n1@2.000004:mirror_start bs 0x1 s 0x2 co 0x4 opaque 0x3\n"
    assert [list(r.values) for r in read_log(data).records] == [["bs", "s", "opaque"], ["bs", "s", "co", "opaque"]]


def test_lines_of_other_writers_are_counted_and_the_records_between_them_keep_their_places() -> None:
    lines = [
        b"Formatting '/srv/t.qcow2', fmt=qcow2 size=67108864",
        exit_line(),
        b"",
        b"EAX=00000000 EBX=00000000",
        b"CPU Reset (CPU 0)",
        exit_line(thread=4712),
        b"qemu-system-x86_64: warning: x",
    ]
    reading = read_log(b"".join(line + b"\n" for line in lines))
    offsets = [sum(len(line) + 1 for line in lines[:n]) for n in range(len(lines))]
    assert [(r.record, r.line, r.byte_offset) for r in reading.records] == [(0, 2, offsets[1]), (1, 6, offsets[5])]
    assert (reading.stats.lines, reading.stats.other_lines, reading.stats.records) == (7, 5, 2)
    assert reading.stats.gaps == []


def test_a_record_in_mid_line_behind_what_a_guest_sent_to_the_terminal_is_a_record() -> None:
    data = b"/ # \x1b[6n" + exit_line(thread=27555) + b"\n"
    (record,) = read_log(data).records
    assert (record.byte_offset, record.line, record.tid) == (8, 1, 27555)
    assert record.values == EXIT_VALUES


def test_a_record_in_mid_line_of_an_event_that_nothing_declares_is_kept_as_its_text() -> None:
    data = b"/ # " + log_line("made_up", "1 2 3", thread=27555) + b"\r\n"
    (record,) = read_log(data).records
    assert (record.text, record.byte_offset, record.tid) == ("made_up 1 2 3", 4, 27555)
    assert read_log(data, wanted=[]).stats.names == {"made_up": 1}


def test_a_damaged_record_is_refused_whether_it_is_wanted_or_not() -> None:
    data = b"/ # " + log_line("mirror_exit", "no such text") + b"\n" + log_line("mirror_exit", "nor this") + b"\n"
    stats = read_log(data, wanted=["mirror_start"]).stats
    assert (stats.records, stats.names, stats.refused_count) == (2, {"mirror_exit": 2}, 2)
    assert stats.gaps == read_log(data).stats.gaps


def test_digits_before_a_record_in_mid_line_are_not_taken_for_its_thread_once_the_thread_is_known() -> None:
    first = exit_line(thread=27555) + b"\n"
    (_, record) = read_log(first + b"ticks: 120" + exit_line(thread=27555) + b"\n").records
    assert (record.tid, record.byte_offset) == (27555, len(first) + len("ticks: 120"))


def test_other_output_behind_a_record_does_not_spoil_it() -> None:
    reading = read_log(exit_line() + b"/ # \x1b[6n\n" + exit_line() + b"\r\n")
    assert [r.values for r in reading.records] == [EXIT_VALUES, EXIT_VALUES]
    assert reading.stats.refused_count == 0


def test_other_output_that_prolongs_the_last_word_of_a_record_spoils_it() -> None:
    reading = read_log(exit_line() + b"login:\n")
    assert reading.records == []
    assert gaps(reading) == [("unreadable", 0, 0, 1, 1)]


@pytest.mark.parametrize("wanted", ["all", "last"])
def test_records_that_run_into_each_other_are_told_apart_by_the_known_thread(wanted: str) -> None:
    first = exit_line(thread=27555) + b"\n"
    middle = log_line("job_completed", "job 0x20 ret 0", thread=27555)
    last = log_line("virtio_notify", "vdev 0x5612ab40 vq 0x99", thread=27555)
    chosen = ["virtio_notify"] if wanted == "last" else ["mirror_exit", "job_completed", "virtio_notify"]
    reading = read_log(first + middle + last + exit_line(thread=27555) + b"\n", wanted=chosen)
    shown = [(r.name, r.record, r.line, r.byte_offset) for r in reading.records]
    expected = [
        ("mirror_exit", 0, 1, 0),
        ("job_completed", 1, 2, len(first)),
        ("virtio_notify", 2, 2, len(first + middle)),
        ("mirror_exit", 3, 2, len(first + middle + last)),
    ]
    assert shown == [e for e in expected if e[0] in chosen]
    assert {r.text for r in reading.records if r.name == "virtio_notify"} == {"virtio_notify vdev 0x5612ab40 vq 0x99"}
    assert reading.stats.names == {"mirror_exit": 2, "job_completed": 1, "virtio_notify": 1}


def test_a_number_that_may_hold_digits_of_the_next_record_is_not_believed() -> None:
    glued = log_line("virtio_notify", "vdev 0x5612 vq 0x5612ab40", thread=1) + exit_line(thread=27555)
    reading = read_log(glued + b"\n")
    assert reading.names == ["mirror_exit"]
    assert reading.stats.names == {"virtio_notify": 1, "mirror_exit": 1}
    assert gaps(reading) == [("unreadable", 0, 0, 1, 1)]


def test_a_record_that_ends_in_a_literal_is_sure_of_its_end_whatever_follows() -> None:
    text = "job 0x1 (ret: 0) attempting allowed transition (ready-->waiting)"
    reading = read_log(log_line("job_state_transition", text, thread=1) + exit_line(thread=27555) + b"\n")
    assert reading.names == ["job_state_transition", "mirror_exit"]
    assert reading.records[0].values["s1"] == "waiting"


def test_a_torn_record_is_lost_and_the_one_that_ran_into_it_is_not() -> None:
    torn = log_line("mirror_exit", "bs 0x10 jo", thread=5)
    reading = read_log(torn + exit_line(thread=27555) + b"\n")
    assert [(r.byte_offset, r.record) for r in reading.records] == [(len(torn), 1)]
    assert gaps(reading) == [("unreadable", 0, 0, 1, 1)]


def test_thousands_of_records_on_one_line_are_read_one_by_one() -> None:
    """Line ends of an old system, or none at all, must neither exhaust the stack nor take forever."""
    count = 5000
    started = time.perf_counter()
    reading = read_log(b"\r".join([exit_line()] * count) + b"\n")
    assert len(reading.records) == count
    assert {r.text for r in reading.records} == {f"mirror_exit {EXIT}"}
    assert time.perf_counter() - started < 5


def test_a_last_line_without_end_is_a_gap_and_no_record() -> None:
    data = exit_line() + b"\n" + exit_line()
    for cut in range(len(exit_line()) + 2, len(data) + 1):
        reading = read_log(data[:cut])
        assert len(reading.records) == 1
        assert gaps(reading) == [("cut", 1, len(exit_line()) + 1, 2, 1)], data[:cut]


@pytest.mark.parametrize("rest", [b"~ # ", b"buildroot login: ", b"Aborted (core dumped)", b"\xff"])
def test_a_last_line_of_another_writer_is_no_gap(rest: bytes) -> None:
    reading = read_log(exit_line() + b"\n" + rest)
    assert reading.stats.gaps == []
    assert (reading.stats.lines, reading.stats.other_lines) == (2, 1)


def test_a_bare_record_without_end_is_a_gap_too() -> None:
    reading = read_log(exit_line(prefix="bare") + b"\n" + exit_line(prefix="bare"))
    assert len(reading.records) == 1
    assert [g.cause for g in reading.stats.gaps] == ["cut"]


def test_line_ends_of_windows_are_no_part_of_the_last_argument() -> None:
    ide = "IDEState 0x1; sector_num=8 n=2 cmd=DMA WRITE"
    for prefix in PREFIXES:
        lines = [exit_line(prefix=prefix), log_line("ide_dma_cb", ide, prefix=prefix)]
        reading = read_log(b"".join(line + b"\r\n" for line in lines))
        assert reading.texts == [f"mirror_exit {EXIT}", f"ide_dma_cb {ide}"]
        assert (reading.stats.refused_count, reading.stats.other_lines) == (0, 0)


def test_bytes_that_are_no_utf_8_come_back_as_they_were() -> None:
    text = b'bs 0x1 filename "/srv/caf\xe9\x00\xff.img" flags 0xa022 format_name "raw"'
    (record,) = read_log(log_line("bdrv_open_common", text) + b"\n").records
    assert record.text.encode("utf-8", "surrogateescape") == b"bdrv_open_common " + text


def test_nul_bytes_between_records_do_no_harm() -> None:
    reading = read_log(exit_line() + b"\n" + b"\x00" * 4096 + b"\n\x00" + exit_line() + b"\n")
    assert [(r.line, r.byte_offset) for r in reading.records] == [(1, 0), (3, len(exit_line()) + 4099)]


def test_a_bare_record_of_a_known_event_counts_only_if_its_text_fits() -> None:
    data = b"job_completed job 0x1 ret 0\njob_completed this is not what it prints\n"
    reading = read_log(data)
    assert reading.texts == ["job_completed job 0x1 ret 0"]
    assert (reading.stats.other_lines, reading.stats.refused_count, reading.stats.gaps) == (1, 0, [])


def test_a_bare_line_that_begins_like_an_event_is_one_where_no_record_has_a_prefix() -> None:
    reading = read_log(b"qcow2_writev_start_req co 0x1 offset 0x0\nCPU Reset (CPU 0)\nwarning that this is text\n")
    assert reading.names == ["qcow2_writev_start_req"]
    assert reading.stats.other_lines == 2


def test_a_bare_line_that_begins_like_an_event_is_none_where_records_have_prefixes() -> None:
    reading = read_log(exit_line() + b"\nqcow2_writev_start_req co 0x1 offset 0x0\n")
    assert reading.names == ["mirror_exit"]
    assert reading.stats.other_lines == 1


def test_a_bare_record_of_a_known_event_counts_among_prefixed_ones() -> None:
    reading = read_log(exit_line() + b"\n" + exit_line(prefix="bare") + b"\n")
    assert [r.ts_ns for r in reading.records] == [TIME_US * 1000, NO_TIME]


def test_a_line_that_is_too_long_is_passed_over_and_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_blocks, "MAX_LINE", 200)
    long_line = log_line("monitor_qmp_respond", "mon 0x1 resp: " + "x" * 200)
    data = exit_line() + b"\n" + long_line + b"\n" + exit_line() + b"\n"
    for chunk_bytes in (1, 7, 64, len(data)):
        reading = read_log(data, chunk_bytes=chunk_bytes)
        assert [r.line for r in reading.records] == [1, 3]
        assert gaps(reading) == [("long-line", 1, len(exit_line()) + 1, 2, None)]
        assert reading.stats.gaps[0].size_bytes == len(long_line) + 1
        assert (reading.stats.lines, reading.stats.other_lines) == (3, 1)


def test_a_line_that_never_ends_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_blocks, "MAX_LINE", 1000)
    reading = read_log(exit_line() + b"\n" + b"z" * 1_000_000, chunk_bytes=100)
    assert gaps(reading) == [("long-line", 1, len(exit_line()) + 1, 2, None)]
    assert reading.stats.gaps[0].size_bytes == 1_000_000
    assert reading.stats.bytes_read == len(exit_line()) + 1 + 1_000_000


def test_a_time_that_64_bits_do_not_hold_is_no_time_and_the_record_stays() -> None:
    data = exit_line(ts_us=9_999_999_999_000_000) + b"\n9999-12-31T23:59:59.000000Z mirror_exit " + EXIT.encode()
    data += b"\n0001-01-01T00:00:00.000000Z mirror_exit " + EXIT.encode() + b"\n"
    assert [r.ts_ns for r in read_log(data).records] == [NO_TIME] * 3


@pytest.mark.parametrize("day", ["2016-13-01", "2016-02-30", "0000-01-01"])
def test_a_day_that_no_calendar_has_is_no_time_and_the_record_stays(day: str) -> None:
    (record,) = read_log(f"{day}T00:00:00.000000Z mirror_exit {EXIT}\n".encode()).records
    assert record.ts_ns == NO_TIME


def test_first_and_last_time_are_those_of_the_first_and_last_record_that_has_one() -> None:
    times = [5_000_000, 9_000_000, 7_000_000]
    data = exit_line(prefix="bare") + b"\n" + b"".join(exit_line(ts_us=t) + b"\n" for t in times)
    stats = read_log(data, wanted=[]).stats
    assert (stats.first_ts_ns, stats.last_ts_ns) == (5_000_000_000, 7_000_000_000)


def test_refused_lines_are_counted_kept_and_explained() -> None:
    good, bad = exit_line(), log_line("mirror_exit", "bs 0x10 job none ret 0 should_complete 1")
    reading = read_log(good + b"\n" + bad + b"\n" + good + b"\n")
    assert [r.record for r in reading.records] == [0, 2]
    assert reading.stats.refused_count == 1
    assert reading.stats.names == {"mirror_exit": 3}
    assert gaps(reading) == [("unreadable", 1, len(good) + 1, 2, 1)]
    (refusal,) = reading.stats.refused
    assert (refusal.line, refusal.byte_offset) == (2, len(good) + 1)
    forms = builtin().forms_of("mirror_exit")
    explained = explain(refusal.text.encode("utf-8", "surrogateescape"), forms).split("\n")
    assert explained[0] == f"mirror_exit: expected POINTER at column {bad.index(b'none') + 1}"
    assert explained[1][explained[2].index("^") :].startswith("none")


def test_all_refused_lines_are_counted_and_only_the_first_are_kept() -> None:
    bad = log_line("mirror_exit", "nonsense") + b"\n"
    stats = read_log(bad * (MAX_REFUSED + 5)).stats
    assert stats.refused_count == MAX_REFUSED + 5
    assert [r.line for r in stats.refused] == list(range(1, MAX_REFUSED + 1))


def test_a_refused_line_is_kept_only_in_part() -> None:
    (refusal,) = read_log(log_line("mirror_exit", "n" * 100_000) + b"\n").stats.refused
    assert len(refusal.text) == 1000


def test_what_is_not_wanted_is_counted_and_not_decoded() -> None:
    data = exit_line() + b"\n" + log_line("virtio_notify", "vdev 0x1 vq 0x2") + b"\n"
    reading = read_log(data, wanted=["virtio_notify"])
    assert [(r.name, r.record, r.line) for r in reading.records] == [("virtio_notify", 1, 2)]
    assert reading.stats.names == {"mirror_exit": 1, "virtio_notify": 1}
    assert reading.stats.records == 2


def test_an_empty_log_has_nothing() -> None:
    reading = read_log(b"")
    assert reading.records == []
    assert (reading.stats.lines, reading.stats.records, reading.stats.gaps) == (0, 0, [])


@dataclass(frozen=True)
class Item:
    """A line of a made-up log; `name` is None where it is no record."""

    raw: bytes
    name: str | None = None
    text: bytes = b""
    ts_ns: int = NO_TIME
    tid: int = NO_THREAD


@st.composite
def record_items(draw: st.DrawFn) -> Item:
    line = draw(strategies.vocabulary_lines())
    prefix = draw(st.sampled_from([p for p in PREFIXES if p != "bare"]))
    thread, ts_us = draw(st.integers(1, 99_999)), draw(st.integers(0, 4_102_444_800_000_000))
    raw = log_line(line.form.name, line.text, prefix=prefix, thread=thread, ts_us=ts_us)
    return Item(
        raw, line.form.name, line.text,
        NO_TIME if prefix == "named" else ts_us * 1000,
        NO_THREAD if prefix == "iso" else thread,
    )  # fmt: skip


ITEMS = st.lists(st.one_of(record_items(), strategies.other_lines().map(Item)), max_size=12).map(
    lambda items: [Item(exit_line(), "mirror_exit", EXIT.encode(), TIME_US * 1000, 4711), *items]
)
"""Lines of a log whose first record has a prefix, which settles what bare lines are."""


@given(ITEMS)
def test_every_record_has_its_exact_place_time_and_thread(items: list[Item]) -> None:
    reading = read_log(b"".join(i.raw + b"\n" for i in items))
    expected: list[tuple[str, int, int, int, int, int, bytes]] = []
    offset = 0
    for number, item in enumerate(items, 1):
        if item.name is not None:
            expected.append((item.name, len(expected), number, offset, item.ts_ns, item.tid, item.text))
        offset += len(item.raw) + 1
    assert [
        (
            r.name, r.record, r.line, r.byte_offset, r.ts_ns, r.tid,
            r.text.encode("utf-8", "surrogateescape").partition(b" ")[2],
        )
        for r in reading.records
    ] == expected  # fmt: skip
    assert reading.stats.lines == len(items)
    assert reading.stats.other_lines == len(items) - len(expected)
    assert {g.cause for g in reading.stats.gaps} <= {"clock-jump"}  # the times are any


@st.composite
def messes(draw: st.DrawFn) -> bytes:
    """Logs in which lines are damaged, run into each other, or are no text at all."""
    records = record_items().map(lambda item: item.raw)
    part = st.one_of(records, strategies.other_lines(), strategies.damaged(records), st.binary(max_size=30))
    end = st.sampled_from([b"\n", b"\n", b"\n", b"", b"\r\n"])
    return b"".join(draw(st.lists(st.builds(lambda a, b: a + b, part, end), max_size=10)))


@given(st.data())
def test_how_a_log_is_cut_into_pieces_changes_nothing(data: st.DataObject) -> None:
    raw = data.draw(messes())
    whole = read_log(raw)
    for _ in range(3):
        pieces = read_log(raw, chunk_bytes=data.draw(strategies.chunk_sizes(len(raw))))
        assert pieces == whole


@given(st.data())
def test_what_is_wanted_changes_neither_the_number_nor_the_place_of_a_record(data: st.DataObject) -> None:
    raw = data.draw(messes())
    everything = read_log(raw)
    names = sorted(everything.stats.names)
    wanted = data.draw(st.sets(st.sampled_from(names))) if names else set()
    some = read_log(raw, wanted=wanted)
    assert some.records == [r for r in everything.records if r.name in wanted]
    assert some.stats.names == everything.stats.names
    assert some.stats.records == everything.stats.records
    assert some.stats.other_lines == everything.stats.other_lines


@given(st.binary(max_size=300).filter(lambda raw: not compression_of(raw)), st.integers(1, 300))
def test_any_bytes_are_read_without_an_error(raw: bytes, chunk_bytes: int) -> None:
    reading = read_log(raw, chunk_bytes=chunk_bytes)
    assert reading.stats.lines == raw.count(b"\n") + (not raw.endswith(b"\n") and raw != b"")


@given(messes())
def test_each_line_is_a_record_or_another_writers_and_nothing_is_lost(raw: bytes) -> None:
    stats = read_log(raw).stats
    assert stats.records == sum(stats.names.values())
    assert stats.lines == raw.count(b"\n") + (not raw.endswith(b"\n") and raw != b"")
    assert stats.lines <= stats.records + stats.other_lines
    assert stats.bytes_read == len(raw)


@given(ITEMS, st.integers(0, 1000))
def test_long_lines_are_passed_over_alike_however_the_log_is_cut_into_pieces(items: list[Item], seed: int) -> None:
    raw = b"".join(i.raw + b"\n" for i in items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_blocks, "MAX_LINE", 60 + seed % 60)
        whole = read_log(raw)
        assert read_log(raw, chunk_bytes=1 + seed % 97) == whole
        assert whole.stats.lines == len(items)


@pytest.mark.captures
def test_a_mixed_capture_loses_no_record_to_the_output_around_it(capture_bytes: Callable[[str, str], bytes]) -> None:
    raw = capture_bytes("qemu-7.2.22/stderr-mixed", "trace.log")
    reading = read_log(raw)
    # What follows the thread in a record's prefix stands nowhere else in this capture.
    assert reading.stats.records == raw.count(b"@1795393")
    assert reading.stats.refused_count == 0
    in_mid_line = [r for r in reading.records if r.byte_offset and raw[r.byte_offset - 1 : r.byte_offset] != b"\n"]
    assert in_mid_line
    assert all(raw[r.byte_offset :].startswith(b"%d@" % r.tid) for r in reading.records)
