"""libvirt's log of a VM: the lines of QEMU are those of a log, and the lives of the VM are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.formats import Reading, read, read_log
from tests.formats.carried_writers import BANNER, ENDING, libvirt
from tests.writers import MemorySource, log_line
from traceview.api import Trace
from traceview.events import NO_TIME
from traceview.formats import detect, format_by_id
from traceview.formats.libvirt import FORMAT, MAX_COMMAND_LINE, LibvirtStats, Life
from traceview.vocabulary import builtin

EXIT = "bs 0x10 job 0x20 ret 0 should_complete 1"
LINE = libvirt("mirror_exit", EXIT.encode()) + b"\n"
BEGIN_NS = 1_795_393_833_123_000_000
"""2026-11-23T00:30:33.123Z."""


def read_libvirt(data: bytes, chunk_bytes: int = 1 << 20) -> Reading:
    return read(FORMAT, data, chunk_bytes=chunk_bytes)


def lives(data: bytes, chunk_bytes: int = 1 << 20) -> list[Life]:
    stats = read_libvirt(data, chunk_bytes).stats
    assert isinstance(stats, LibvirtStats)
    return stats.lives


def test_a_life_is_told_with_all_that_libvirt_says_of_it() -> None:
    (life,) = lives(BANNER + LINE * 3 + ENDING)
    assert (life.record, life.byte_offset, life.line, life.started_ns) == (0, 0, 1, BEGIN_NS)
    assert (life.qemu, life.release) == ("9.0.0Debian 1:9.0.0+ds-1", "9.0.0")
    assert (life.libvirt, life.kernel, life.host) == ("9.0.0", "6.1.0-13-amd64", "vm.example")
    assert life.command_line == (
        "LC_ALL=C PATH=/usr/sbin:/usr/bin /usr/bin/qemu-system-x86_64 -name guest=vm-7,debug-threads=on "
        "-msg timestamp=on"
    )
    assert life.vm == "vm-7"
    assert (life.end_record, life.ended_ns, life.reason) == (3, BEGIN_NS + 26_877_000_000, "shutdown")


def test_several_lives_stand_in_one_file_each_with_its_first_record() -> None:
    old = b"2012-01-31 12:00:00.000+0100: starting up\nLC_ALL=C PATH=/bin /usr/bin/qemu-kvm -S -name old -m 1\n"
    found = lives(old + LINE * 2 + b"2012-01-31 12:00:01.000+0100: shutting down\n" + BANNER + LINE + BANNER + LINE)
    assert [(x.record, x.end_record, x.reason, x.vm) for x in found] == [
        (0, 2, "", "old"), (2, None, "", "vm-7"), (3, None, "", "vm-7"),
    ]  # fmt: skip
    assert found[0].qemu == found[0].release == found[0].host == ""
    assert found[0].started_ns == 1_328_007_600_000_000_000
    assert found[1].ended_ns == NO_TIME


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("2.5.0 (Debian 1:2.5+dfsg-5ubuntu10)", "2.5.0"),
        ("4.2.1Debian 1:4.2-3ubuntu6.18", "4.2.1"),
        ("5.2.0qemu-kvm-5.2.0-1.el8", "5.2.0"),
        ("7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", "7.2.22"),
        ("2.6.0-rc3", "2.6.0-rc3"),
        ("unknown", ""),
    ],
)
def test_the_version_of_qemu_is_a_release_without_what_the_distribution_adds(version: str, release: str) -> None:
    head = f"2026-11-23 00:30:33.123+0000: starting up libvirt version: 9.0.0, qemu version: {version}, hostname: h\n"
    (life,) = lives(head.encode())
    assert (life.qemu, life.release, life.host) == (version, release, "h")


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("-name guest=vm-7,debug-threads=on", "vm-7"),
        ("-name vm-7", "vm-7"),
        ("-name 'guest=my vm,debug-threads=on'", "my vm"),
        ("-name guest=a,,b,process=x", "a,b"),
        ("--name guest=vm-7", "vm-7"),
        ("-m 1", ""),
        ("-name guest='x", ""),
    ],
)
def test_the_name_of_the_vm_is_that_of_its_command_line(option: str, name: str) -> None:
    command = f"LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n{option} \\\n-S\n".encode()
    (life,) = lives(BANNER.splitlines(keepends=True)[0] + command + LINE)
    assert life.vm == name


def test_the_lines_of_qemu_are_read_as_those_of_a_log() -> None:
    sample = (ROOT / "sample-traces/stock-7.2-mixed/trace.log").read_bytes()
    log, reading = read_log(sample), read_libvirt(BANNER + sample + ENDING)
    assert reading.texts == log.texts
    assert [(r.record, r.ts_ns, r.tid) for r in reading.records] == [(r.record, r.ts_ns, r.tid) for r in log.records]
    lines = BANNER.count(b"\n")
    assert [(r.line, r.byte_offset) for r in reading.records] == [
        (r.line + lines, r.byte_offset + len(BANNER)) for r in log.records
    ]
    assert reading.stats.lines == log.stats.lines + lines + 1
    assert reading.stats.other_lines == log.stats.other_lines + lines + 1
    assert [g.text for g in reading.stats.gaps] == [g.text for g in log.stats.gaps]


@pytest.mark.parametrize("prefix", ["bare", "iso", "named", "iso_named"])
def test_every_generation_of_the_log_can_stand_in_it(prefix: str) -> None:
    line = log_line("mirror_exit", EXIT, prefix=prefix) + b"\n"
    reading = read_libvirt(BANNER + line + BANNER + LINE + BANNER + line)
    assert [r.text for r in reading.records] == [f"mirror_exit {EXIT}"] * 3


def test_a_command_line_is_no_record_whatever_stands_in_it() -> None:
    command = b"A=1 \\\nmirror_exit " + EXIT.encode() + b" \\\n" + LINE.rstrip() + b" \\\n-S\n"
    reading = read_libvirt(BANNER.splitlines(keepends=True)[0] + command + LINE)
    assert [r.line for r in reading.records] == [6]


def test_without_a_command_line_the_next_line_is_one_of_qemu() -> None:
    assert len(read_libvirt(BANNER.splitlines(keepends=True)[0] + LINE).records) == 1


def test_a_command_line_without_an_end_is_kept_as_far_as_it_may_be_long() -> None:
    data = BANNER.splitlines(keepends=True)[0] + b"A=1 \\\n" + (b"x" * 1000 + b"\\\n") * 400 + b"end\n" + LINE
    (life,) = lives(data)
    assert len(life.command_line) == MAX_COMMAND_LINE
    assert len(read_libvirt(data).records) == 1


def test_a_life_that_begins_in_the_middle_of_a_line_is_known() -> None:
    data = BANNER + LINE + LINE[:-9] + BANNER + LINE
    reading = read_libvirt(data)
    assert [r.record for r in reading.records] == [0, 1]
    assert [(g.cause, g.record) for g in reading.stats.gaps] == [("cut", 1)]
    assert [(x.record, x.line) for x in lives(data)] == [(0, 1), (1, 9)]
    assert [r.line for r in reading.records] == [8, 16]


def test_other_lines_of_libvirt_are_other_lines() -> None:
    reading = read_libvirt(BANNER + b"2026-11-23 00:31:00.000+0000: initiating migration\n" + LINE)
    assert len(reading.records) == 1
    assert reading.stats.gaps == []


@given(st.integers(1, 200))
def test_lives_do_not_depend_on_the_size_of_the_chunks(chunk: int) -> None:
    data = (BANNER + LINE * 2 + ENDING.replace(b"\n", b"\r\n")) * 2
    assert lives(data, chunk) == lives(data)
    assert read_libvirt(data, chunk) == read_libvirt(data)


def test_it_is_told_from_a_log_by_what_libvirt_writes() -> None:
    assert detect(MemorySource(BANNER)).id == "libvirt"
    assert detect(MemorySource(BANNER + LINE)).id == "libvirt"
    assert detect(MemorySource(LINE * 20 + ENDING)).id == "libvirt"
    assert detect(MemorySource(LINE)).id == "log"


def test_the_lives_of_a_trace_are_in_its_stats_once_it_was_read() -> None:
    trace = Trace(MemorySource(BANNER + LINE), format_by_id("libvirt"), None, builtin())
    trace.scan()
    assert isinstance(trace.stats, LibvirtStats)
    assert [life.release for life in trace.stats.lives] == ["9.0.0"]


def test_a_cut_stands_behind_a_line_that_was_held_back() -> None:
    lines = [log_line("mirror_exit", EXIT, ts_us=10**15 + n) for n in range(6)]
    data = BANNER + b"\n".join([*lines, lines[2], b""])
    source = MemorySource(data + LINE, max_bytes=len(data))
    reader = FORMAT.make(source, builtin().forms_of, None)
    assert sum(len(batch) for batch in reader.batches(lambda _name: True)) == 7
    assert [(g.cause, g.record) for g in reader.stats.gaps if g.cause == "cut"] == [("cut", 7)]
