"""Damage in logs: every fault is a gap with its place and size, and what stands around it is read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import Reading, read_log
from tests.writers import MemorySource, log_line
from traceview import compiled
from traceview.events import Gap
from traceview.formats import detect, log
from traceview.source.raw import Unread
from traceview.vocabulary import builtin

pytestmark = pytest.mark.usefixtures("engine")

START_US = 1_700_000_000_000_000
HOUR_US = 3_600_000_000
SAMPLES = Path(__file__).parents[2] / "sample-traces"


def lines(count: int, *, step_us: int = 100, threads: Sequence[int] = (11, 22)) -> list[bytes]:
    """Return records of some threads in turn, each of its own text."""
    return [
        log_line(
            "mirror_before_drain", f"s 0x1 dirty count {i}", thread=threads[i % len(threads)],
            ts_us=START_US + i * step_us,
        ) + b"\n"
        for i in range(count)
    ]  # fmt: skip


def counts(reading: Reading) -> list[int]:
    """Return the numbers of the records that were read."""
    return [int(r.values["cnt"]) for r in reading.records]


def causes(reading: Reading) -> list[str]:
    return [g.cause for g in reading.stats.gaps]


def only(reading: Reading) -> Gap:
    (gap,) = reading.stats.gaps
    return gap


# holes, long lines, line ends


@pytest.mark.parametrize("size", [8, 100, 70_000])
def test_a_hole_is_a_gap_of_its_size_and_the_record_right_behind_it_is_read(size: int) -> None:
    written = lines(6)
    data = b"".join(written[:3]) + bytes(size) + b"".join(written[3:])
    reading = read_log(data, chunk_bytes=1000)
    assert counts(reading) == list(range(6))
    gap = only(reading)
    at = len(b"".join(written[:3]))
    assert (gap.cause, gap.record, gap.byte_offset, gap.size_bytes) == ("nul-hole", 3, at, size)
    assert gap.end_byte_offset == at + size


def test_a_line_that_a_hole_cuts_off_is_no_record() -> None:
    written = lines(6)
    data = b"".join(written[:3]) + written[3][:-4] + bytes(50) + b"".join(written[4:])
    reading = read_log(data)
    assert counts(reading) == [0, 1, 2, 4, 5]
    assert causes(reading) == ["nul-hole"]
    assert reading.stats.other_lines == 1


def test_a_log_that_begins_with_a_hole_larger_than_the_head_is_recognised() -> None:
    source = MemorySource(bytes(1 << 20) + b"".join(lines(20)))
    assert detect(source).id == "log"
    reader = detect(source).make(source, builtin().forms_of, None)
    assert sum(len(b) for b in reader.batches(lambda _name: True)) == 20


def test_lines_may_end_as_on_windows() -> None:
    reading = read_log(b"".join(x[:-1] + b"\r\n" for x in lines(5)))
    assert counts(reading) == list(range(5))
    assert reading.stats.gaps == []


# damaged records


@pytest.mark.parametrize(
    "damaged",
    [
        b"11@1700000000.0004!0:mirror_before_drain s 0x1 dirty count 4\n",
        b"11@17000000x0.000400:mirror_before_drain s 0x1 dirty count 4\n",
        b"11@1700000000.000400;mirror_before_drain s 0x1 dirty count 4\n",
        b"1\x00@1700000000.000400:mirror_before_drain s 0x1 dirty count 4\n",
        b"11@1700000000.000400:mirror_befo\x12e_drain s 0x1 dirty count 4\n",
        b"11@1700000000.000400:mirror_before_drain+s 0x1 dirty count 4\n",
        b"11@1700000000.000400:mirror_befoxe_drain s 0x1 dirty count 4\n",
        b"11@1700000000.000400:mirror_before_drain s 0x1 dirt\xf9 count 4\n",
        b"11@1700000000.000400:mirror_before_drain s 0x1 dirty co\n",
        b"11@1700000000.000400:mirror_before_drain s 0x1 dirty count 45 job 0x4 ret 0\n",
        b"11@1700000000.00\n",
    ],
)
def test_what_is_left_of_a_record_is_a_gap(damaged: bytes) -> None:
    written = lines(8)
    data = b"".join([*written[:4], damaged, *written[5:]])
    reading = read_log(data)
    assert counts(reading) == [0, 1, 2, 3, 5, 6, 7]
    gap = only(reading)
    assert (gap.record, gap.byte_offset, gap.count) == (4, len(b"".join(written[:4])), 1)
    assert gap.cause == ("not-utf8" if b"\xf9" in damaged else "unreadable")
    assert read_log(data, wanted=["job_completed"]).stats.gaps == reading.stats.gaps, "whatever is wanted"


def test_bytes_that_are_no_text_stand_where_records_may_have_been() -> None:
    written = lines(8)
    garbage = bytes(range(0xA0, 0xE0)) + b"\x01\x02 and so on\n"
    reading = read_log(b"".join([*written[:4], garbage, *written[5:]]))
    gap = only(reading)
    assert (gap.cause, gap.record, gap.count) == ("not-utf8", 4, 1)
    assert gap.text == "what is no text, where records may have been, and of bytes that are no UTF-8"


def test_lines_of_noise_are_one_gap() -> None:
    written = lines(8)
    noise = b"".join(bytes(range(0xA0 + n, 0xE0)) + b"\n" for n in range(9))
    reading = read_log(b"".join([*written[:4], noise, bytes(20), b"\n", noise, *written[5:]]))
    assert [(g.cause, g.record, g.count, g.size_bytes) for g in reading.stats.gaps] == [
        ("not-utf8", 4, None, len(noise)), ("nul-hole", 4, None, 20), ("not-utf8", 4, None, len(noise)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        b"qemu-system-x86_64: warning: mirror_exit is late\n",
        b"user@host:~# ls -l\n",
        b"\x1b[6n/ # \n",
        b"caf\xe9\n",
        b"\x00\n",
        b"\xe9\xe8\xe7 and a long line of some Latin-1 text\n",
        "→ a line of UTF-8: ☃☃☃☃☃☃☃☃".encode() + b"\n",
        b"\x1b[1;31m\x07\b\x0c\x1b[0m\n",
    ],
)
def test_text_of_other_writers_is_no_damage(other: bytes) -> None:
    written = lines(6)
    reading = read_log(b"".join([*written[:3], other, *written[3:]]))
    assert reading.stats.gaps == []
    assert reading.stats.other_lines == 1


# copies


@given(st.integers(3, 40), st.integers(0, 5), st.integers(1, 900))
def test_lines_that_stand_there_once_more_are_not_counted_again(size: int, between: int, chunk_bytes: int) -> None:
    written = lines(100)
    head = written[: 50 + between]
    copy = written[50 - size : 50]
    data = b"".join([*head, *copy, *written[50 + between :]])
    reading = read_log(data, chunk_bytes=chunk_bytes)
    assert counts(reading) == list(range(100))
    gap = only(reading)
    assert (gap.cause, gap.record, gap.byte_offset) == ("duplicated", 50 + between, len(b"".join(head)))
    assert gap.size_bytes == len(b"".join(copy))
    assert f"{size} lines" in gap.text
    assert reading.stats.lines == 100 + size


def test_a_copy_may_be_the_end_of_the_log_and_may_be_copied_again() -> None:
    written = lines(40)
    reading = read_log(b"".join([*written, *written[30:], *written[30:]]))
    assert counts(reading) == list(range(40))
    assert only(reading).size_bytes == 2 * len(b"".join(written[30:]))


def test_two_lines_once_more_are_no_copy_but_records_that_are_out_of_order() -> None:
    written = lines(40)
    reading = read_log(b"".join([*written[:20], *written[10:12], *written[20:]]))
    assert len(reading.records) == 42
    assert set(causes(reading)) == {"clock-jump"}


# time


def moved(by_us: int) -> bytes:
    """Return a log of which the second half is so much later (or earlier)."""
    late = [
        log_line("mirror_before_drain", f"s 0x1 dirty count {i}", thread=11, ts_us=START_US + i * 100 + by_us) + b"\n"
        for i in range(20, 40)
    ]
    return b"".join(lines(20, threads=[11]) + late)


@pytest.mark.parametrize(
    ("by_us", "told"), [(-5_000_000, True), (HOUR_US * 2, True), (HOUR_US // 2, False), (0, False)]
)
def test_time_that_jumps_is_a_gap(by_us: int, told: bool) -> None:
    reading = read_log(moved(by_us))
    assert counts(reading) == list(range(40))
    assert [(g.cause, g.record) for g in reading.stats.gaps[:1]] == ([("clock-jump", 20)] if told else [])


def test_a_record_whose_time_is_wrong_is_in_doubt_with_its_place() -> None:
    written = lines(40)
    written[20] = written[20].replace(b"@1700000000.", b"@1700000500.")
    reading = read_log(b"".join(written))
    jump = next(g for g in reading.stats.gaps if "500.0 s" in g.text or "8.3 minutes" in g.text)
    assert (jump.record, jump.first) == (21, 20)
    assert jump.between(19, 20)
    assert jump.between(20, 21)
    assert not jump.between(10, 19)


@given(st.integers(0, 60), st.integers(1, 15), st.integers(1, 15), st.integers(1, 500))
def test_lines_that_changed_places_are_in_doubt_and_so_is_all_between_them(
    first: int, one: int, other: int, chunk_bytes: int
) -> None:
    written = lines(100)
    a, b = first + one, first + one + other
    data = b"".join([*written[:first], *written[a:b], *written[first:a], *written[b:]])
    reading = read_log(data, chunk_bytes=chunk_bytes)
    if one == 1 or other == 1:
        return  # two threads in turn: a thread need not step back
    assert causes(reading)
    for edge in (first, first + other, b):  # where what belongs together is torn apart
        assert first == 0 or any(g.between(edge - 1, edge) for g in reading.stats.gaps), edge


def test_steps_between_threads_are_none() -> None:
    written = lines(100)
    written[40], written[41] = written[41], written[40]
    assert read_log(b"".join(written)).stats.gaps == []


# disk errors


def test_zeros_for_what_a_disk_could_not_read_are_told_as_a_disk_error() -> None:
    data = bytearray(b"".join(lines(400)))
    data[4096:8192] = bytes(4096)
    source = MemorySource(bytes(data))
    reader = log.FORMAT.make(source, builtin().forms_of, None)
    batches = reader.batches(lambda _name: True)
    source._learn = lambda _stream: setattr(source, "unread", [Unread(4096, 4096, "Input/output error")])  # type: ignore[method-assign, assignment]
    assert sum(map(len, batches)) > 300
    first = reader.stats.gaps[0]
    assert (first.cause, first.text) == ("disk-error", "4096 bytes at 4096 could not be read: Input/output error")


# both engines


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return a log with a few damages of all kinds."""
    raw = data
    for _ in range(chance.randint(1, 3)):
        at, size = chance.randrange(len(raw)), chance.choice([1, 30, 500, 5000])
        match chance.randrange(6):
            case 0:
                raw = raw[:at] + raw[at + size :]
            case 1:
                raw = raw[:at] + raw[max(0, at - size) :]
            case 2:
                raw = raw[:at] + bytes(size) + raw[at:]
            case 3:
                raw = raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]
            case 4:
                raw = raw[:at] + bytes(size) + raw[at + size :]
            case _:
                raw = raw[:at] + raw[at + size : at + 2 * size] + raw[at : at + size] + raw[at + 2 * size :]
    return raw


@pytest.mark.parametrize("sample", ["lp1570134-first-diagram", "stock-4.1-ide-lost-write", "stock-7.2-mixed"])
def test_damaged_samples_are_read_alike_by_both_engines_however_they_are_cut(sample: str) -> None:
    chance = random.Random(sample)  # noqa: S311  (not for secrets)
    data = (SAMPLES / sample / "trace.log").read_bytes()
    for _ in range(6):
        raw = damaged(data, chance)
        whole = read_log(raw)
        chunk_bytes = chance.choice([777, 4096, 20_001])
        for compiled_from in (0, 1 << 62):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(compiled, "COMPILED_FROM", compiled_from)
                patch.setattr(compiled, "COMPILE_FROM", compiled_from)
                assert read_log(raw, chunk_bytes=chunk_bytes, jobs=chance.randint(1, 3)) == whole
