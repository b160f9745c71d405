"""Damage in simpletrace files: reading goes on at the next records that prove themselves, and says what was skipped."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import Reading, declared, read_simpletrace
from tests.writers import SimpletraceWriter
from traceview import compiled
from traceview.errors import DeclarationsMismatchError
from traceview.events import Gap
from traceview.formats.declarations import Declarations

pytestmark = pytest.mark.usefixtures("engine")

BUILD = declared(
    'mirror_start(void *bs, void *s, void *opaque) "bs %p s %p opaque %p"',
    'mirror_before_drain(void *s, int64_t cnt) "s %p dirty count %"PRId64',
    'bdrv_open_common(void *bs, const char *filename, int flags, const char *format_name) '
    '"bs %p filename \\"%s\\" flags 0x%x format_name \\"%s\\""',
    'quiet(void) "quiet"',
)  # fmt: skip
VERSIONS = pytest.mark.parametrize("version", [2, 3, 4])
ORDERS = pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
START_NS = 3_000_000_000_000


@dataclass(frozen=True)
class File:
    """A file of records that are counted in an argument, with the place of each."""

    data: bytes
    places: list[int]

    def read(self, data: bytes, *, chunk_bytes: int = 1 << 20) -> Reading:
        return read_simpletrace(data, declarations=BUILD, chunk_bytes=chunk_bytes)


def file(version: int, order: str = "<", count: int = 40) -> File:
    out = SimpletraceWriter(version, order=order)
    if version == 4:
        out.mappings({i: form.form.name for i, form in enumerate(BUILD)})
    before = len(out.items)
    for i in range(count):
        ts_ns = START_NS + i * 1000
        if i % 5 == 3:
            out.record(2, (i, b"/srv/image" * (i % 3), 2, b"raw"), ts_ns=ts_ns)
        elif i % 5 == 4:
            out.record(3, (), ts_ns=ts_ns)
        else:
            out.record(1, (1, i), ts_ns=ts_ns)
    return File(out.data, [start for start, _ in out.items[before:]])


def times(reading: Reading) -> list[int]:
    """Return which records of a `file` were read."""
    return [(r.ts_ns - START_NS) // 1000 for r in reading.records]


def only(reading: Reading) -> Gap:
    (gap,) = reading.stats.gaps
    return gap


@VERSIONS
@ORDERS
@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"\xff" * 77, bytes(range(256)), b"\x01\0\0\0\0\0\0\0" * 9])
def test_garbage_between_records_is_skipped_to_the_byte(version: int, order: str, garbage: bytes) -> None:
    whole = file(version, order)
    at = whole.places[20]
    reading = whole.read(whole.data[:at] + garbage + whole.data[at:], chunk_bytes=200)
    assert times(reading) == list(range(40))
    gap = only(reading)
    assert (gap.record, gap.byte_offset, gap.size_bytes, gap.count) == (20, at, len(garbage), None)
    assert f"{len(garbage)} bytes skipped" in gap.text
    if not garbage.strip(b"\0"):
        assert gap.cause == "overwritten"


@VERSIONS
@given(st.integers(0, 39), st.integers(1, 300), st.integers(1, 700))
def test_a_stretch_that_is_overwritten_loses_no_record_outside_of_it(
    version: int, first: int, size: int, chunk_bytes: int
) -> None:
    whole = file(version)
    at = whole.places[first]
    data = whole.data[:at] + bytes(size) + whole.data[at + size :]
    reading = whole.read(data[: len(whole.data)], chunk_bytes=chunk_bytes)
    ends = [*whole.places[1:], len(whole.data)]
    untouched = [i for i in range(40) if ends[i] <= at or whole.places[i] >= at + size]
    assert times(reading) == untouched
    assert reading.stats.gaps


def within(whole: File, at: int) -> int:
    """Return how far behind the beginning of its record a byte stands."""
    return at - max(p for p in (*whole.places, len(whole.data)) if p <= at)


def left(whole: File, at: int) -> int:
    """Return how far before the end of its record a byte stands."""
    return min(p for p in (*whole.places, len(whole.data)) if p > at) - at


@VERSIONS
@given(st.data())
def test_a_piece_that_is_missing_loses_no_record_outside_of_it(version: int, data: st.DataObject) -> None:
    whole = file(version)
    first = data.draw(st.integers(whole.places[0] + 1, whole.places[30]))
    last = data.draw(st.integers(first + 1, min(first + 400, whole.places[35])))
    reading = whole.read(whole.data[:first] + whole.data[last:], chunk_bytes=data.draw(st.integers(1, 900)))
    ends = [*whole.places[1:], len(whole.data)]
    untouched = [i for i in range(40) if ends[i] <= first or whole.places[i] >= last]
    lost = set(untouched) - set(times(reading))
    unsure = [g for g in reading.stats.gaps if "mapped to several events" in g.text]
    assert len(lost) <= len(unsure), "what is left of a record may map an id anew: nothing is told of that any more"
    # Else the halves may make a record that could have been written.
    if within(whole, first) != within(whole, last) and left(whole, first) != left(whole, last):
        assert reading.stats.gaps


@VERSIONS
@pytest.mark.parametrize(
    ("field", "value"), [(8, 0xFF), (16, 0x40), (17, 0x02), (0, 0x7F)], ids=["time", "length", "longer", "id"]
)
def test_a_header_that_is_damaged_costs_no_more_than_its_record(version: int, field: int, value: int) -> None:
    whole = file(version)
    data = bytearray(whole.data)
    data[whole.places[20] + (8 if version == 4 else 0) + field + (7 if field == 8 else 0)] ^= value
    reading = whole.read(bytes(data))
    read = times(reading)
    assert [t for t in read if t in range(40)] == [t for t in range(40) if t != 20]
    assert reading.stats.gaps
    assert all(g.first <= 21 for g in reading.stats.gaps)


def test_an_item_whose_type_is_damaged_costs_its_record() -> None:
    whole = file(4)
    data = bytearray(whole.data)
    data[whole.places[10]] = 9
    reading = whole.read(bytes(data))
    assert times(reading) == [t for t in range(40) if t != 10]
    gap = only(reading)
    assert (gap.cause, gap.size_bytes) == ("unknown-id", whole.places[11] - whole.places[10])


@pytest.mark.parametrize("version", [3, 4])
def test_a_record_of_another_process_is_damaged(version: int) -> None:
    whole = file(version)
    data = bytearray(whole.data)
    data[whole.places[10] + (8 if version == 4 else 0) + 21] ^= 0x20
    reading = whole.read(bytes(data))
    assert times(reading) == [t for t in range(40) if t != 10]
    assert {r.tid for r in reading.records} == {77}
    assert only(reading).cause == "unreadable"


@VERSIONS
@given(st.integers(3, 30), st.integers(1, 700))
def test_records_that_stand_there_once_more_are_not_counted_again(version: int, count: int, chunk_bytes: int) -> None:
    whole = file(version)
    first, last = whole.places[35 - count], whole.places[35]
    reading = whole.read(whole.data[:last] + whole.data[first:], chunk_bytes=chunk_bytes)
    assert times(reading) == list(range(40))
    gap = only(reading)
    assert (gap.cause, gap.record, gap.byte_offset, gap.size_bytes) == ("duplicated", 35, last, last - first)


def test_the_rest_of_a_file_that_makes_no_sense_is_a_gap_up_to_its_end() -> None:
    whole = file(4)
    data = whole.data[: whole.places[20]] + b"\x07" * 5000
    gap = only(whole.read(data, chunk_bytes=300))
    assert (gap.byte_offset, gap.end_byte_offset) == (whole.places[20], len(data))
    assert "up to the end of the file" in gap.text


def test_one_record_is_proof_enough_at_the_end_of_a_file() -> None:
    whole = file(4)
    data = whole.data[: whole.places[20]] + b"\x07" * 33 + whole.data[whole.places[39] :]
    assert times(whole.read(data)) == [*range(20), 39]


def test_a_record_whose_length_reaches_beyond_the_end_of_the_file_is_not_believed() -> None:
    whole = file(4)
    data = bytearray(whole.data)
    data[whole.places[34] + 8 + 17] = 0x20  # an event with a length of its own: quiet
    assert times(whole.read(bytes(data))) == [t for t in range(40) if t != 34]


def numbered(*names: str) -> Declarations:
    forms = {d.form.name: d for d in BUILD}
    return Declarations([forms[n] for n in names], "trace-events")


def test_declarations_of_another_build_are_refused_and_not_taken_for_damage() -> None:
    whole = file(3, count=200)
    other = numbered("mirror_start", "quiet", "mirror_before_drain", "bdrv_open_common")
    with pytest.raises(DeclarationsMismatchError, match="another build"):
        read_simpletrace(whole.data, declarations=other)


def test_one_record_that_is_damaged_is_not_taken_for_declarations_of_another_build() -> None:
    whole = file(3, count=200)
    data = bytearray(whole.data)
    data[whole.places[50]] = 0  # an event that never occurs, of another length
    reading = read_simpletrace(bytes(data), declarations=BUILD)
    assert len(reading.records) == 199
    assert only(reading).cause == "unreadable"


def test_a_search_takes_no_second_for_a_megabyte(benchmark_seconds: Callable[[Callable[[], object]], float]) -> None:
    whole = file(4, count=10)
    item = whole.data[whole.places[0] : whole.places[1]]
    for filling in (bytes(1 << 20), random.Random(0).randbytes(1 << 20), (item[:-1] * (1 << 20))[: 1 << 20]):  # noqa: S311
        data = whole.data + b"\x09" + filling
        assert benchmark_seconds(lambda data=data: whole.read(data)) < 2  # type: ignore[misc]


@pytest.fixture
def benchmark_seconds() -> Callable[[Callable[[], object]], float]:

    def seconds(run: Callable[[], object]) -> float:
        begun = time.process_time()
        run()
        return time.process_time() - begun

    return seconds


@given(st.integers(0, 10_000), st.sampled_from([2, 3, 4]), st.integers(20, 900))
def test_damaged_files_are_read_alike_by_both_engines_however_they_are_cut(
    seed: int, version: int, chunk_bytes: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  (not for secrets)
    data = file(version).data
    for _ in range(chance.randint(1, 3)):
        at, size = chance.randrange(24, len(data)), chance.choice([1, 8, 40, 333])
        match chance.randrange(5):
            case 0:
                data = data[:at] + data[at + size :]
            case 1:
                data = data[:at] + data[max(24, at - size) :]
            case 2:
                data = data[:at] + bytes(size) + data[at:]
            case 3:
                data = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
            case _:
                data = data[:at] + data[at + size : at + 2 * size] + data[at : at + size] + data[at + 2 * size :]
    outcomes = []
    for compiled_from, chunk in ((0, 1 << 20), (1 << 62, 1 << 20), (0, chunk_bytes), (1 << 62, chunk_bytes)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "COMPILED_FROM", compiled_from)
            patch.setattr(compiled, "COMPILE_FROM", compiled_from)
            try:
                outcomes.append(read_simpletrace(data, declarations=BUILD, chunk_bytes=chunk))
            except DeclarationsMismatchError as e:
                outcomes.append(str(e))  # type: ignore[arg-type]
    assert all(o == outcomes[0] for o in outcomes)
