"""Syslog files: the daemons' lines, their times, and what they do to messages."""

from __future__ import annotations

import pytest

from tests.formats import Reading, read
from tests.formats.carried_writers import TIME_US, syslog_iso, syslog_traditional
from tests.writers import MemorySource
from traceview.errors import UnknownFormatError
from traceview.events import NO_THREAD, NO_TIME
from traceview.formats import detect
from traceview.formats.carried_lines import MAX_REPEATED
from traceview.formats.syslog import FORMAT, unescaped

EXIT = b"bs 0x10 job 0x20 ret 0 should_complete 1"
RECORD = b"mirror_exit " + EXIT
AT_NS = 1_795_393_842_000_000_000
"""2026-11-23T00:30:42Z."""
NOVEMBER_NS = (326 * 86_400 + 30 * 60 + 42) * 1_000_000_000
"""The 23rd of November, 00:30:42, from the beginning of the year."""


def read_syslog(*lines: bytes) -> Reading:
    return read(FORMAT, b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("head", "ts_ns", "tid"),
    [
        (b"2026-11-23T00:30:42.008953+00:00 vm qemu-system-x86_64[7999]: ", AT_NS + 8_953_000, 7999),
        (b"2026-11-23T00:30:42Z vm qemu-system-x86_64[7999]: ", AT_NS, 7999),
        (b"2026-11-23T01:30:42+0100 vm.example.org qemu-kvm[7]: ", AT_NS, 7),
        (b"<30>2026-11-23T00:30:42.5+00:00 ::1 qemu[7]: ", AT_NS + 500_000_000, 7),
        (b"2026-11-23T00:30:42+00:00 vm qemu-system-x86_64: ", AT_NS, NO_THREAD),
        (b"Nov 23 00:30:42 vm qemu-system-x86_64[7999]: ", NOVEMBER_NS, 7999),
        (b"<30>Nov 23 00:30:42 vm qemu-system-x86_64[7999]:", NOVEMBER_NS, 7999),
        (b"Nov 23 00:30:42.008953 vm qemu-system-aarch64[7999]: ", NOVEMBER_NS + 8_953_000, 7999),
        (b"Nov 23 00:30:42 vm daemon.info qemu-system-x86_64[7999]: ", NOVEMBER_NS, 7999),
        (b"Nov 23 00:30:42 vm /usr/libexec/qemu-kvm[7999]: ", NOVEMBER_NS, 7999),
        (b"Nov 23 00:30:42 vm kvm[7999]: ", NOVEMBER_NS, 7999),
        (b"<30>1 2026-11-23T00:30:42.008953+00:00 vm qemu-system-x86_64 7999 - -  ", AT_NS + 8_953_000, 7999),
        (b"<14>1 2026-11-23T00:30:42.008953+00:00 vm qemu-system-x86_64 - - - ", AT_NS + 8_953_000, NO_THREAD),
        (b'<30>1 2026-11-23T00:30:42Z vm qemu 7 id [a b="c"][d e="f"] \xef\xbb\xbf', AT_NS, 7),
        (b"<30>1 - vm qemu 7 - - ", NO_TIME, 7),
        (b"Nov 23 00:30:42 vm qemu-system-x86_64[7999]: 8001@1795393842.008953:", AT_NS + 8_953_000, 8001),
    ],
)
def test_every_kind_of_line_gives_its_time_and_process(head: bytes, ts_ns: int, tid: int) -> None:
    (record,) = read_syslog(head + RECORD).records
    assert (record.ts_ns, record.tid, record.text) == (ts_ns, tid, RECORD.decode())


@pytest.mark.parametrize(
    "line",
    [
        b'2026-11-23T00:30:33.134725+00:00 vm rsyslogd: [origin software="rsyslogd"] start',
        b"Nov 23 00:30:42 vm kernel: qemu_x y: mirror_exit " + EXIT,
        b"Nov 23 00:30:42 vm sshd[7]: " + RECORD,
        b"Nov 23 00:30:42 vm qemu-system-x86_64[7]: terminating on signal 15 from pid 1 (systemd)",
        b"Nov 23 00:30:42 vm qemu-system-x86_64[7]: warning: TCG does not support it",
        b"-- Boot 0123456789abcdef --",
        b"mirror_exit " + EXIT,
    ],
)
def test_lines_of_other_programs_and_other_words_of_qemu_are_no_records(line: bytes) -> None:
    stats = read_syslog(line).stats
    assert (stats.records, stats.other_lines, stats.gaps) == (0, 1, [])


def test_a_traditional_log_may_go_through_the_turn_of_the_year() -> None:
    lines = [b"Dec 31 23:59:59 vm qemu[1]: " + RECORD, b"Jan  1 00:00:00 vm qemu[1]: " + RECORD]
    first, second = read_syslog(*lines).records
    assert second.ts_ns - first.ts_ns == 1_000_000_000


# what daemons do to messages


def test_control_characters_are_as_qemu_wrote_them_but_for_ends_of_lines() -> None:
    assert unescaped(b"a#011b#033[6n#177 #block123 #012#999#01") == b"a\tb\x1b[6n\x7f #block123 #012#999#01"
    line = syslog_iso("handle_qmp_command", b'mon 0x1 req: {"x":#011"y"}')
    assert read_syslog(line).records[0].values["req"] == '{"x":\t"y"}'


def test_a_message_that_was_folded_is_as_many_records() -> None:
    folded = b"message repeated 3 times: [ " + RECORD + b"]"
    head = syslog_iso("", b"")[: -len("  ")] + b" "
    reading = read_syslog(syslog_iso("mirror_exit", EXIT), head + folded, syslog_iso("mirror_exit", EXIT))
    assert [r.record for r in reading.records] == [0, 1, 2, 3, 4]
    assert [r.line for r in reading.records] == [1, 2, 2, 2, 3]
    assert {r.text for r in reading.records} == {RECORD.decode()}
    assert reading.stats.names == {"mirror_exit": 5}


@pytest.mark.parametrize("wanted", [["mirror_exit"], []])
def test_a_folded_message_that_was_cut_or_stands_for_too_many_is_a_gap(wanted: list[str]) -> None:
    head = b"Nov 23 00:30:42 vm qemu[1]: message repeated %d times: [ "
    lines = [
        head % 3 + b"handle_qmp_command mon 0x1 req: " + b"x" * 890,
        head % (MAX_REPEATED + 1) + RECORD + b"]",
    ]
    reading = read(FORMAT, b"".join(line + b"\n" for line in lines), wanted=wanted)
    assert reading.records == []
    assert [(g.cause, g.record, g.count) for g in reading.stats.gaps] == [
        ("cut", 0, None), ("unreadable", 1, MAX_REPEATED + 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"rsyslogd: imuxsock lost 12 messages from pid 7999 due to rate-limiting", 12),
        (b"rsyslogd: imuxsock[pid: 7999, name: /usr/bin/qemu]: 12 messages lost due to rate-limiting", 12),
        (b"rsyslogd: imuxsock[pid: 7999, name: /usr/bin/qemu]: begin to drop messages due to rate-limiting", None),
        (b"systemd-journald[300]: Suppressed 12 messages from machine-qemu.scope", 12),
        (b"last message repeated 12 times", 12),
    ],
)
def test_what_daemons_say_of_messages_that_they_dropped_is_a_gap(text: bytes, count: int | None) -> None:
    (gap,) = read_syslog(syslog_iso("mirror_exit", EXIT), b"Nov 23 00:30:42 vm " + text).stats.gaps
    assert (gap.cause, gap.record, gap.line, gap.count) == ("dropped", 1, 2, count)
    assert gap.text.startswith("a daemon says: ")


def test_a_message_of_another_program_that_was_repeated_is_no_gap() -> None:
    lines = [b"Nov 23 00:30:42 vm sshd[1]: hello", b"Nov 23 00:30:42 vm last message repeated 12 times"]
    assert read_syslog(syslog_traditional("mirror_exit", EXIT), *lines).stats.gaps == []


def test_a_long_record_that_ends_in_a_number_may_be_cut_in_it_and_is_not_believed() -> None:
    text = b"current_run_state 1 (" + b"x" * 200 + b") new_state 1"
    reading = read_syslog(
        syslog_iso("runstate_set", text), syslog_iso("runstate_set", b"current_run_state 1 (x) new_s")
    )
    assert reading.records == []
    assert [(g.cause, g.count) for g in reading.stats.gaps] == [("cut", 1), ("unreadable", 1)]


# what it is


def test_a_syslog_file_is_known_by_records_of_qemu_among_other_lines() -> None:
    others = b"Nov 23 00:30:42 vm sshd[1]: hello\n" * 50
    assert detect(MemorySource(others + syslog_traditional("mirror_exit", EXIT) + b"\n")).id == "syslog"
    zulu = syslog_iso("mirror_exit", EXIT, 7, TIME_US).replace(b"+00:00", b"Z") + b"\n"
    assert detect(MemorySource(b"2026-11-23T00:30:42.008953Z vm kernel: x\n" + zulu)).id == "syslog"


def test_one_without_records_is_no_trace_unless_a_program_of_qemu_speaks_in_it() -> None:
    with pytest.raises(UnknownFormatError):
        detect(MemorySource(b"Nov 23 00:30:42 vm sshd[1]: hello\n" * 5))
    assert 0 < FORMAT.score(b"Nov 23 00:30:42 vm qemu-system-x86_64[7]: warning: hello\n") < 0.4


def test_it_says_that_it_may_be_incomplete() -> None:
    assert FORMAT.lossy
