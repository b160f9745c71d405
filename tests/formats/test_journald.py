"""The journal as ``journalctl -o json`` prints it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import Reading, read
from tests.formats.carried_writers import TIME_US, journald
from tests.writers import MemorySource
from traceview.errors import UnknownFormatError
from traceview.events import NO_THREAD, NO_TIME
from traceview.formats import detect
from traceview.formats.journald import FORMAT

EXIT = b"bs 0x10 job 0x20 ret 0 should_complete 1"
RECORD = "mirror_exit " + EXIT.decode()
ENTRY: dict[str, Any] = {
    "__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1795393842008953", "__MONOTONIC_TIMESTAMP": "2302865513",
    "_BOOT_ID": "0", "_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "qemu-system-x86_64", "_PID": "7999",
    "_COMM": "qemu-system-x86", "MESSAGE": RECORD,
}  # fmt: skip


def entry(**fields: Any) -> bytes:
    """Return an entry with some fields changed, or left out where they are None."""
    return json.dumps({k: v for k, v in (ENTRY | fields).items() if v is not ...}).encode()


def read_journal(*lines: bytes) -> Reading:
    return read(FORMAT, b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("fields", "ts_ns", "tid"),
    [
        ({}, 1_795_393_842_008_953_000, 7999),
        ({"_SOURCE_REALTIME_TIMESTAMP": "1795393842008000"}, 1_795_393_842_008_000_000, 7999),
        ({"_PID": ..., "SYSLOG_PID": "12"}, 1_795_393_842_008_953_000, 12),
        ({"_PID": ...}, 1_795_393_842_008_953_000, NO_THREAD),
        ({"_PID": "9" * 15}, 1_795_393_842_008_953_000, NO_THREAD),
        ({"__REALTIME_TIMESTAMP": ["1", "2"]}, NO_TIME, 7999),
        ({"__REALTIME_TIMESTAMP": "soon"}, NO_TIME, 7999),
        ({"SYSLOG_IDENTIFIER": "sh"}, 1_795_393_842_008_953_000, 7999),
        ({"SYSLOG_IDENTIFIER": "/usr/libexec/qemu-kvm", "_COMM": ...}, 1_795_393_842_008_953_000, 7999),
        ({"MESSAGE": list(RECORD.encode())}, 1_795_393_842_008_953_000, 7999),
        ({"MESSAGE": "8001@1795393842.5" + "0" * 5 + ":" + RECORD}, 1_795_393_842_500_000_000, 8001),
        ({"MESSAGE": RECORD + "\r"}, 1_795_393_842_008_953_000, 7999),
    ],
)
def test_an_entry_gives_the_time_and_the_process_of_its_record(fields: dict[str, Any], ts_ns: int, tid: int) -> None:
    (record,) = read_journal(entry(**fields)).records
    assert (record.ts_ns, record.tid, record.text) == (ts_ns, tid, RECORD)


@pytest.mark.parametrize(
    "line",
    [
        entry(SYSLOG_IDENTIFIER="sshd", _COMM="sshd"),
        entry(MESSAGE="terminating on signal 15 from pid 1 (systemd)"),
        entry(MESSAGE="qemu-system-x86_64: warning: x"),
        entry(MESSAGE=...),
        b'{"qemu": 1}', b'"qemu"', b"[1, 2, \"qemu\"]", b"qemu", b"", b"-- Boot qemu --",
    ],
)  # fmt: skip
def test_other_entries_and_other_lines_are_no_records(line: bytes) -> None:
    stats = read_journal(line).stats
    assert (stats.records, stats.other_lines, stats.gaps) == (0, 1, [])


def test_a_string_of_a_record_is_as_qemu_wrote_it() -> None:
    text = b'bs 0x1 filename "/srv/\xc3\xa9\t\x1b[6n.img" flags 0x2022 format_name "raw"'
    (record,) = read_journal(journald("bdrv_open_common", text)).records
    assert record.values["filename"] == "/srv/é\t\x1b[6n.img"


def test_what_journald_dropped_is_a_gap() -> None:
    said = entry(SYSLOG_IDENTIFIER="systemd-journald", _COMM="systemd-journal",
                 MESSAGE="Suppressed 12 messages from qemu.service")  # fmt: skip
    (gap,) = read_journal(entry(), said, entry()).stats.gaps
    assert (gap.cause, gap.record, gap.line, gap.count) == ("dropped", 1, 2, 12)
    assert gap.text == "journald says: Suppressed 12 messages from qemu.service"


def test_a_message_that_journalctl_does_not_print_is_a_gap() -> None:
    (gap,) = read_journal(entry(MESSAGE=None)).stats.gaps
    assert (gap.cause, gap.count, gap.text) == ("cut", 1, "a message that journalctl prints only with --all")


@pytest.mark.parametrize("cut", [entry()[:-1], entry()[:-40], entry()[:100] + entry(), b'{"qemu":' + b"[" * 100_000])
def test_an_entry_that_is_damaged_is_a_gap(cut: bytes) -> None:
    reading = read_journal(entry(), cut, entry())
    assert [(r.record, r.line) for r in reading.records] == [(0, 1), (1, 3)]
    assert [(g.cause, g.record, g.line) for g in reading.stats.gaps] == [("unreadable", 1, 2)]


def test_entries_of_one_line_are_all_read() -> None:
    reading = read_journal(entry() + b" " + entry() + b"\r")
    assert [(r.record, r.line) for r in reading.records] == [(0, 1), (1, 1)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(list(ENTRY.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(ENTRY)), inner, max_size=6),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(list(ENTRY)), JSON, max_size=8), max_size=4))
def test_any_json_is_read(entries: list[dict[str, Any]]) -> None:
    lines = [json.dumps(ENTRY | e, allow_nan=True).encode() for e in entries]
    reading = read_journal(*lines)
    assert reading.stats.lines == len(lines)
    assert 0.0 <= FORMAT.score(b"\n".join(lines)) <= 1.0


def test_the_journal_is_known_by_records_of_qemu_among_other_entries() -> None:
    others = entry(SYSLOG_IDENTIFIER="sshd", _COMM="sshd") + b"\n"
    assert detect(MemorySource(others * 50 + entry() + b"\n")).id == "journald"
    assert FORMAT.score(others) == 0.2
    # Its messages may have the log backend's prefix, and it is no log for that.
    assert detect(MemorySource(entry(MESSAGE="8001@1795393842.500000:" + RECORD) + b"\n")).id == "journald"
    with pytest.raises(UnknownFormatError):
        detect(MemorySource(b'{"execute": "query-block"}\n{"MESSAGE": "x_y z"}\n'))


def test_times_of_the_writer_of_the_tests_are_those_of_the_journal() -> None:
    assert read_journal(journald("mirror_exit", EXIT)).records[0].ts_ns == TIME_US * 1000
