"""The text of the kernel's ring buffer: its columns, its clocks, and what it says of lost entries."""

from __future__ import annotations

import pytest

from tests.formats import Reading, declared, read
from tests.formats.carried_writers import HEADER, TIME_US, ftrace
from tests.writers import MemorySource
from traceview.errors import UnknownFormatError
from traceview.events import NO_TIME
from traceview.formats import detect
from traceview.formats.ftrace import FORMAT, MAX_MARK

EXIT = b"bs 0x10 job 0x20 ret 0 should_complete 1"
MARK = b"tracing_mark_write: "


def read_ftrace(*lines: bytes) -> Reading:
    return read(FORMAT, b"".join(line + b"\n" for line in lines))


def exit_entry(at_us: int = 0, cpu: int = 0, thread: int = 7999) -> bytes:
    return ftrace("mirror_exit", EXIT, thread, TIME_US + at_us, cpu=cpu)


@pytest.mark.parametrize(
    ("line", "ts_ns", "tid"),
    [
        (b"           <...>-7999    [000] ...1.  2302.865513: " + MARK, 2302_865_513_000, 7999),
        (b" qemu-system-x86-7999    [001] d..2. 12302.000001: " + MARK, 12302_000_001_000, 7999),
        (b" qemu-system-x86-7999  ( 7990) [001] ....     2.000001: " + MARK, 2_000_001_000, 7999),
        (b" qemu-system-x86-7999  (-----) [001]     2.000001: " + MARK, 2_000_001_000, 7999),
        (b"       CPU 0/KVM-8001    [000] .....  2.000001: " + MARK, 2_000_001_000, 8001),
        (b"     a-1 [2] b-3-8001    [000] .....  2.000001: " + MARK, 2_000_001_000, 8001),
        (b"qemu-8001 [000] 2.000001: " + MARK, 2_000_001_000, 8001),
        (b"           <...>-7999  [000]  2302.865513: print:                " + MARK, 2302_865_513_000, 7999),
        (b"           <...>-7999  [000]  2302.865513123: print:     " + MARK, 2302_865_513_123, 7999),
        (b"           <...>-7999  [000]  2302.865513: bputs:   0xffffffff81234567: ", 2302_865_513_000, 7999),
        (b"           <...>-7999  [000] ...1.  2302.865513: tracing_mark_write+0x8e/0x190: ", 2302_865_513_000, 7999),
        (b"           <...>-7999  [000] ...1.  2302.865513: 0: ", 2302_865_513_000, 7999),
        (b"           <...>-7999  [000] ...1.  2302.865513: print: ", 2302_865_513_000, 7999),
        (b"           <...>-7999  [000] ...1.  23028655: " + MARK, NO_TIME, 7999),
    ],
)  # fmt: skip
def test_every_spelling_of_an_entry_gives_its_time_and_thread(line: bytes, ts_ns: int, tid: int) -> None:
    (record,) = read_ftrace(line + b"mirror_exit " + EXIT).records
    assert (record.ts_ns, record.tid) == (ts_ns, tid)
    assert record.text == "mirror_exit " + EXIT.decode()


def test_entries_of_other_events_and_other_programs_are_no_records() -> None:
    reading = read_ftrace(
        b"          <idle>-0       [001] d..2.  2302.865500: sched_switch: prev_comm=swapper/1 prev_pid=0",
        b"    Xwayland-1-900       [001] ...1.  2302.865501: tracing_mark_write: B|900|frame",
        b" => sys_enter",
        exit_entry(),
    )
    assert [r.line for r in reading.records] == [4]
    assert (reading.stats.records, reading.stats.other_lines, reading.stats.gaps) == (1, 3, [])


def test_an_event_without_arguments_is_known_with_and_without_the_blank_behind_it() -> None:
    line = ftrace("made_up_event", b"")
    assert read_ftrace(line, line.rstrip()).texts == ["made_up_event "] * 2


# what is missing


def test_a_buffer_whose_beginning_was_overwritten_says_so_first() -> None:
    header = HEADER.replace(b"9/9 ", b"100/250 ").splitlines()
    (gap,) = read_ftrace(*header, exit_entry()).stats.gaps
    assert (gap.cause, gap.record, gap.line, gap.count) == ("dropped", 0, 3, 150)
    assert gap.text == "150 entries before the first were overwritten"


def test_a_buffer_that_kept_all_says_nothing() -> None:
    assert read_ftrace(*HEADER.splitlines(), exit_entry()).stats.gaps == []


@pytest.mark.parametrize(
    ("mark", "count", "text"),
    [
        (b"CPU:1 [LOST 123 EVENTS]", 123, "123 entries of CPU 1 were lost"),
        (b"CPU:1 [123 EVENTS DROPPED]", 123, "123 entries of CPU 1 were lost"),
        (b"CPU:1 [LOST EVENTS]", None, "entries of CPU 1 were lost"),
    ],
)
def test_lost_entries_may_be_missing_anywhere_since_the_last_of_their_processor(
    mark: bytes, count: int | None, text: str
) -> None:
    entries = [exit_entry(n, cpu) for n, cpu in enumerate((0, 1, 0, 0, 0, 1))]
    (gap,) = read_ftrace(*entries[:5], mark, entries[5]).stats.gaps
    assert (gap.cause, gap.record, gap.count, gap.line) == ("dropped", 5, count, 6)
    assert gap.text == text
    # The second record is the last of CPU 1 before the mark.
    assert not gap.between(0, 1)
    assert gap.between(1, 2)
    assert gap.between(3, 4)
    assert gap.between(4, 5)
    assert not gap.between(5, 6)


def test_a_buffer_that_starts_late_lacks_all_that_was_before() -> None:
    entries = [exit_entry(n) for n in range(3)]
    (gap,) = read_ftrace(*entries, b"##### CPU 1 buffer started ####", exit_entry(3, 1)).stats.gaps
    assert (gap.cause, gap.record, gap.first) == ("dropped", 3, 0)
    assert gap.text == "entries of CPU 1 before this one were overwritten"


def test_a_record_that_was_cut_where_qemu_cuts_is_a_gap() -> None:
    text = b'bs 0x1 filename "' + b"x" * 600 + b'" flags 0x2022 format_name "raw"'
    cut = ftrace("bdrv_open_common", text[: MAX_MARK - len("bdrv_open_common ")])
    reading = read_ftrace(cut, exit_entry())
    assert [r.record for r in reading.records] == [1]
    assert [(g.cause, g.record, g.text) for g in reading.stats.gaps] == [("cut", 0, "a record that was cut on its way")]


def test_a_number_at_the_place_where_qemu_cuts_is_not_believed() -> None:
    made = declared('made_event(const char *a, int b) "a %s b %d"')
    whole = ftrace("made_event", b"a x b 12")
    fits, cut = (b"a " + b"x" * (MAX_MARK - n - len("made_event a  b 12")) + b" b 12" for n in (1, 0))
    data = b"".join(line + b"\n" for line in (ftrace("made_event", fits), ftrace("made_event", cut), whole))
    reading = read(FORMAT, data, declarations=made)
    assert [r.line for r in reading.records] == [1, 3]
    assert [(g.cause, g.line) for g in reading.stats.gaps] == [("cut", 2)]


def test_a_string_at_the_place_where_qemu_cuts_is_kept_as_it_is() -> None:
    text = b"mon 0x1 req: " + b"x" * 600
    (record,) = read_ftrace(ftrace("handle_qmp_command", text[: MAX_MARK - len("handle_qmp_command ")])).records
    assert str(record.values["req"]).startswith("xxx")


@pytest.mark.parametrize(
    "damaged",
    [
        exit_entry(1).replace(b"tracing_mark", b"tracing mark"),
        exit_entry(1).replace(b"[000]", b"[0"),
        exit_entry(1).replace(b"mirror_exit", b"mirror+exit"),
        exit_entry(1)[60:],
        exit_entry(1)[:40],
        b"nothing of this kind",
    ],
)
def test_a_line_that_no_tracer_prints_is_a_gap(damaged: bytes) -> None:
    reading = read_ftrace(exit_entry(), damaged, exit_entry(2))
    assert len(reading.records) == 2
    assert [(g.cause, g.record, g.line) for g in reading.stats.gaps] == [("unreadable", 1, 2)]


def test_entries_that_changed_places_are_noticed_within_a_processor() -> None:
    entries = [exit_entry(n, n % 2) for n in range(6)]
    entries[2], entries[4] = entries[4], entries[2]
    gaps = read_ftrace(*entries).stats.gaps
    assert [g.cause for g in gaps] == ["clock-jump"]
    assert gaps[0].between(2, 3)


def test_entries_of_two_processors_may_stand_in_another_order_than_their_times() -> None:
    assert read_ftrace(exit_entry(5, 0), exit_entry(3, 1), exit_entry(6, 0), exit_entry(4, 1)).stats.gaps == []


# what it is


def test_the_headers_alone_are_enough_to_know_the_format() -> None:
    assert detect(MemorySource(HEADER)).id == "ftrace"
    assert detect(MemorySource(HEADER + exit_entry() + b"\n")).id == "ftrace"
    assert detect(MemorySource(b"cpus=2\n" + exit_entry() + b"\n")).id == "ftrace"


def test_a_buffer_without_records_of_qemu_is_none_without_its_headers() -> None:
    assert FORMAT.score(b"          <idle>-0       [001] d..2.  2302.865500: sched_switch: prev_comm=x\n") == 0.0


def test_the_file_of_trace_cmd_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        UnknownFormatError, match=r"a trace\.dat of trace-cmd.*trace-cmd report FILE \| traceview scan -"
    ):
        detect(MemorySource(b"\x17\x08Dtracing6\x00\x00\x01\x08" + bytes(100)))
