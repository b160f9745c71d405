"""simpletrace files: what the versions differ in, and what is left of a file that is cut or damaged."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.formats import Reading, Record, declared, read_log, read_simpletrace
from tests.writers import MemorySource, SimpletraceWriter, Value
from traceview.errors import DeclarationsMismatchError, DeclarationsNeededError, UnsupportedVersionError
from traceview.events import NO_LINE, NO_THREAD, EventBatch, EventForm, Kind
from traceview.formats import simpletrace, simpletrace_compiled
from traceview.formats.declarations import Declarations, read_declarations
from traceview.formats.simpletrace import FILE_HEADER, SimpletraceReader
from traceview.formats.simpletrace_items import MAX_NAME, MAX_RECORD, MAX_STRING
from traceview.source import ByteSource
from traceview.vocabulary import builtin

BUILD = declared(
    'mirror_start(void *bs, void *s, void *opaque) "bs %p s %p opaque %p"',
    'disable slow(void) "x"',
    'mirror_before_drain(void *s, int64_t cnt) "s %p dirty count %"PRId64',
    'bdrv_open_common(void *bs, const char *filename, int flags, const char *format_name) '
    '"bs %p filename \\"%s\\" flags 0x%x format_name \\"%s\\""',
    'quiet(void) "quiet"',
)  # fmt: skip
NUMBERS = {2: {"mirror_start": 0, "mirror_before_drain": 1, "bdrv_open_common": 2, "quiet": 3}}
NUMBERS[3] = {"mirror_start": 0, "mirror_before_drain": 2, "bdrv_open_common": 3, "quiet": 4}
NUMBERS[4] = {"mirror_start": 700, "mirror_before_drain": 3, "bdrv_open_common": 1 << 40, "quiet": 0}
VERSIONS = pytest.mark.parametrize("version", [2, 3, 4])
ORDERS = pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])

OPEN: tuple[Value, ...] = (0x55, b"/srv/a b.img", 0xA022, b"raw")


pytestmark = pytest.mark.usefixtures("engine")


def writer(version: int, order: str = "<", *, mapped: bool = True) -> SimpletraceWriter:
    """Return a writer whose file header is complete."""
    out = SimpletraceWriter(version, order=order)
    if version == 4 and mapped:
        out.mappings({number: name for name, number in NUMBERS[4].items()})
    return out


def put(out: SimpletraceWriter, name: str, values: Sequence[Value] = (), *, ts_ns: int = 1_000) -> None:
    out.record(NUMBERS[out.version][name], values, ts_ns=ts_ns)


def gaps(reading: Reading) -> list[tuple[str, int, int, int | None]]:
    """Return cause, record, byte offset and count of each gap."""
    return [(g.cause, g.record, g.byte_offset, g.count) for g in reading.stats.gaps]


@VERSIONS
@ORDERS
def test_records_of_every_version_and_byte_order_are_read(version: int, order: str) -> None:
    out = writer(version, order)
    put(out, "mirror_start", (0x7FFF_0000_1000, 0, (1 << 64) - 1), ts_ns=5)
    put(out, "mirror_before_drain", (0x20, -7), ts_ns=5)
    put(out, "bdrv_open_common", OPEN, ts_ns=6)
    put(out, "quiet", ts_ns=7)
    reading = read_simpletrace(out.data, declarations=BUILD)
    tid = NO_THREAD if version == 2 else 77
    places = [start for start, _ in out.items[-4:]]
    assert reading.records == [
        Record(
            "mirror_start", 0, NO_LINE, places[0], 5, tid,
            {"bs": 0x7FFF_0000_1000, "s": 0, "opaque": (1 << 64) - 1},
            "mirror_start bs 0x7fff00001000 s (nil) opaque 0xffffffffffffffff",
        ),
        Record(
            "mirror_before_drain", 1, NO_LINE, places[1], 5, tid, {"s": 0x20, "cnt": -7},
            "mirror_before_drain s 0x20 dirty count -7",
        ),
        Record(
            "bdrv_open_common", 2, NO_LINE, places[2], 6, tid,
            {"bs": 0x55, "filename": "/srv/a b.img", "flags": 0xA022, "format_name": "raw"},
            'bdrv_open_common bs 0x55 filename "/srv/a b.img" flags 0xa022 format_name "raw"',
        ),
        Record("quiet", 3, NO_LINE, places[3], 7, tid, {}, "quiet quiet"),
    ]  # fmt: skip
    stats = reading.stats
    assert (stats.records, stats.first_ts_ns, stats.last_ts_ns, stats.bytes_read) == (4, 5, 7, len(out.data))
    assert stats.names == {"mirror_start": 1, "mirror_before_drain": 1, "bdrv_open_common": 1, "quiet": 1}
    assert (stats.gaps, stats.unknown_names) == ([], set())


def test_version_4_needs_no_declarations_for_events_of_the_vocabulary() -> None:
    out = SimpletraceWriter(4)
    out.mappings({5: "mirror_before_drain", 6: "made_up_event"})
    out.record(6, (1, 2))
    out.record(5, (0x20, 3))
    reading = read_simpletrace(out.data)
    assert [(r.record, r.text) for r in reading.records] == [(1, "mirror_before_drain s 0x20 dirty count 3")]
    assert reading.stats.names == {"made_up_event": 1, "mirror_before_drain": 1}
    assert reading.stats.unknown_names == {"made_up_event"}


def test_a_mapping_in_mid_file_adds_an_event() -> None:
    out = SimpletraceWriter(4)
    out.mapping(1, "mirror_before_drain")
    out.record(1, (0x20, 3))
    out.mapping(2, "mirror_before_flush")
    out.record(2, (0x20,))
    assert read_simpletrace(out.data).names == ["mirror_before_drain", "mirror_before_flush"]


def test_an_id_that_is_mapped_to_two_events_is_a_gap_and_so_is_each_record_of_it() -> None:
    out = SimpletraceWriter(4)
    for name, values in (("mirror_before_flush", (1,)), ("mirror_before_drain", (1, 2))):
        out.mapping(1, name)
        out.record(1, values)
    reading = read_simpletrace(out.data)
    assert reading.texts == ["mirror_before_flush s 0x1"]
    assert reading.stats.names == {"mirror_before_flush": 1, "mirror_before_drain": 1}
    mapping, record = reading.stats.gaps
    assert (mapping.cause, mapping.record, mapping.reach, mapping.byte_offset) == ("unknown-id", 1, 1, out.items[2][0])
    assert mapping.text.startswith("event id 1 is mapped to mirror_before_drain and was mapped to mirror_before_flush")
    assert (record.cause, record.count, record.size_bytes) == ("unknown-id", 1, 48)


def test_a_mapping_that_says_the_same_again_changes_nothing() -> None:
    out = SimpletraceWriter(4)
    for i in range(2):
        out.mapping(1, "mirror_before_flush")
        out.record(1, (i,))
    reading = read_simpletrace(out.data)
    assert len(reading.records) == 2
    assert reading.stats.gaps == []


@pytest.mark.parametrize(
    ("mapped_too", "arguments"),
    [("bdrv_co_preadv", ["offset", "bytes"]), ("bdrv_aio_readv", ["sector_num", "nb_sectors"])],
)
def test_a_form_is_chosen_by_the_releases_that_have_the_other_events(mapped_too: str, arguments: list[str]) -> None:
    """A job's copies were told in sectors up to 2.9 and in bytes from 2.10: both take 16 bytes of a record."""
    out = SimpletraceWriter(4)
    out.mappings({1: "mirror_one_iteration", 2: mapped_too})
    out.record(1, (0x1, 8, 16))
    (record,) = read_simpletrace(out.data).records
    assert list(record.values) == ["s", *arguments]


def test_an_event_of_other_releases_than_the_rest_is_read_in_the_form_that_fits() -> None:
    out = SimpletraceWriter(4)
    out.mappings({1: "job_completed", 2: "block_job_cb"})  # from 3.0; up to 2.7, which wrote no version 4
    out.record(2, (1, 2, -3))
    (record,) = read_simpletrace(out.data).records
    assert record.values == {"bs": 1, "job": 2, "ret": -3}


def test_first_records_may_come_before_the_process_id_is_known() -> None:
    out = writer(4)
    out.record(NUMBERS[4]["quiet"], pid=0)
    assert [r.tid for r in read_simpletrace(out.data, declarations=BUILD).records] == [0]


@pytest.mark.parametrize("text", [b"", b"x", b"caf\xc3\xa9", b"\xff\x00\n", b"y" * MAX_STRING])
@VERSIONS
def test_strings_of_any_bytes_and_length_leave_what_follows_them_in_place(text: bytes, version: int) -> None:
    out = writer(version)
    put(out, "bdrv_open_common", (1, text, 2, text))
    put(out, "quiet")
    first, second = read_simpletrace(out.data, declarations=BUILD).records
    assert first.values["filename"] == text.decode("utf-8", "surrogateescape") == first.values["format_name"]
    assert (first.values["flags"], second.name) == (2, "quiet")


@VERSIONS
@ORDERS
def test_a_dropped_mark_is_a_gap_with_its_count_and_place_and_no_record(version: int, order: str) -> None:
    out = writer(version, order)
    put(out, "quiet")
    out.dropped(12_345, ts_ns=9)
    put(out, "quiet")
    reading = read_simpletrace(out.data, declarations=BUILD)
    assert [r.record for r in reading.records] == [0, 1]
    assert gaps(reading) == [("dropped", 1, out.items[-2][0], 12_345)]
    (gap,) = reading.stats.gaps
    assert (gap.ts_ns, gap.line, gap.text) == (9, NO_LINE, "12345 records dropped by the writer")


def test_a_dropped_mark_without_count_is_a_gap_of_unknown_size() -> None:
    out = writer(4)
    out.raw_record((1 << 64) - 2, b"")
    put(out, "quiet")
    reading = read_simpletrace(out.data, declarations=BUILD)
    assert gaps(reading) == [("dropped", 0, out.items[-2][0], None)]
    assert reading.stats.gaps[0].text == "an unknown number of records dropped by the writer"
    assert reading.names == ["quiet"]


def test_what_is_not_wanted_is_counted_and_keeps_its_number() -> None:
    out = writer(4)
    put(out, "quiet")
    put(out, "bdrv_open_common", OPEN)
    put(out, "mirror_before_drain", (1, 2))
    reading = read_simpletrace(out.data, wanted=["mirror_before_drain"], declarations=BUILD)
    assert [(r.name, r.record) for r in reading.records] == [("mirror_before_drain", 2)]
    assert reading.stats.names == {"quiet": 1, "bdrv_open_common": 1, "mirror_before_drain": 1}


@dataclass(frozen=True)
class File:
    """A simpletrace file with the places of its items, and the declarations that it needs."""

    data: bytes
    items: list[tuple[int, int]]
    records: list[int]
    """The items that are records, as indices."""
    declarations: Declarations | None


def sample(version: int, order: str = "<") -> File:
    out = writer(version, order)
    before = len(out.items)
    put(out, "mirror_start", (1, 2, 3))
    put(out, "bdrv_open_common", OPEN)
    put(out, "quiet")
    put(out, "mirror_before_drain", (1, 2))
    records = list(range(before, len(out.items)))
    return File(out.data, out.items, records, BUILD)


@VERSIONS
@ORDERS
def test_a_file_that_is_cut_at_any_byte_keeps_the_records_before_the_cut(version: int, order: str) -> None:
    file = sample(version, order)
    whole = read_simpletrace(file.data, declarations=file.declarations).records
    for cut in range(FILE_HEADER, len(file.data)):
        reading = read_simpletrace(file.data[:cut], declarations=file.declarations)
        complete = sum(file.items[i][1] <= cut for i in file.records)
        assert reading.records == whole[:complete]
        begun = max((start for start, end in file.items if start < cut < end), default=None)
        assert gaps(reading) == ([("cut", complete, begun, 1)] if begun is not None else [])


@VERSIONS
@ORDERS
def test_a_header_that_is_cut_is_no_simpletrace_file_or_a_gap(version: int, order: str) -> None:
    data = sample(version, order).data
    for cut in range(16):
        with pytest.raises(UnsupportedVersionError, match="not a simpletrace file"):
            read_simpletrace(data[:cut], declarations=BUILD)
    for cut in range(16, FILE_HEADER):
        reading = read_simpletrace(data[:cut], declarations=BUILD)
        assert reading.records == []
        assert [(g.cause, g.text) for g in reading.stats.gaps] == [
            ("cut", f"the file ends {cut} bytes into its header")
        ]


def test_a_file_of_nothing_but_a_header_has_no_records_and_no_gaps() -> None:
    reading = read_simpletrace(SimpletraceWriter(4).data)
    assert (reading.records, reading.stats.gaps, reading.stats.names) == ([], [], {})


@pytest.mark.parametrize("version", [2, 3])
def test_without_declarations_it_is_said_how_to_give_them_and_where_qemu_installs_them(version: int) -> None:
    with pytest.raises(DeclarationsNeededError) as e:
        read_simpletrace(SimpletraceWriter(version).data)
    message = str(e.value)
    assert message.startswith(f"memory: simpletrace version {version}")
    for part in ("--trace-events", "share/qemu/trace-events ", "share/qemu/trace-events-all", "very build"):
        assert part in message


@pytest.mark.parametrize(
    ("version", "writer_of_it"), [(0, "QEMU 0.14 to 1.1"), (1, "no released QEMU"), (5, "newer"), (1 << 60, "newer")]
)
@ORDERS
def test_a_version_that_is_not_read_is_refused_with_the_releases_that_wrote_it(
    version: int, writer_of_it: str, order: str
) -> None:
    data = SimpletraceWriter(version, order=order).data
    with pytest.raises(UnsupportedVersionError, match=writer_of_it) as e:
        read_simpletrace(data, declarations=BUILD)
    assert f"simpletrace version {version}" in str(e.value)
    assert "QEMU 1.2 and newer" in str(e.value)


@pytest.mark.parametrize("data", [b"", b"1@2.000003:mirror_exit bs 0x1\n", b"\xff" * 64])
def test_what_lacks_the_magic_is_not_read_as_simpletrace(data: bytes) -> None:
    with pytest.raises(UnsupportedVersionError, match="magic"):
        read_simpletrace(data)


@pytest.mark.parametrize("version", [2, 3])
def test_an_id_that_is_not_declared_means_declarations_of_another_build(version: int) -> None:
    out = writer(version)
    put(out, "quiet")
    out.record(5)
    with pytest.raises(DeclarationsMismatchError, match="another build") as e:
        read_simpletrace(out.data, declarations=BUILD)
    assert f"byte {out.items[-1][0]}: event id 5" in str(e.value)
    assert f"trace-events declares only ids 0 to {len(BUILD.numbered(version)) - 1}" in str(e.value)


@VERSIONS
@pytest.mark.parametrize("values", [(1, 2), (1, 2, 3, 4), ()])
def test_a_record_of_the_wrong_length_means_declarations_of_another_build(
    version: int, values: tuple[int, ...]
) -> None:
    out = writer(version)
    put(out, "mirror_start", values)
    with pytest.raises(DeclarationsMismatchError, match="another build") as e:
        read_simpletrace(out.data, declarations=BUILD, wanted=[])
    assert f"byte {out.items[-1][0]}: record of mirror_start has {8 * len(values)} bytes" in str(e.value)
    assert "declares 3 arguments of 24 bytes" in str(e.value)


@VERSIONS
@pytest.mark.parametrize("values", [(1, b"name", 2), (1, b"name"), (1,), (1, b"name", 2, b"raw", 3)])
def test_a_record_with_strings_that_does_not_come_out_even_means_declarations_of_another_build(
    version: int, values: tuple[Value, ...]
) -> None:
    out = writer(version)
    put(out, "bdrv_open_common", values)
    with pytest.raises(DeclarationsMismatchError, match="record of bdrv_open_common has"):
        read_simpletrace(out.data, declarations=BUILD)


def test_a_known_event_of_a_length_that_no_release_writes_is_a_gap_that_asks_for_declarations() -> None:
    out = SimpletraceWriter(4)
    out.mapping(1, "mirror_before_drain")
    out.record(1, (1, 2, 3))
    out.record(1, (1, 2))
    reading = read_simpletrace(out.data)
    assert [r.record for r in reading.records] == [1]
    (gap,) = reading.stats.gaps
    assert (gap.cause, gap.count, gap.byte_offset) == ("unreadable", 1, out.items[1][0])
    assert "--trace-events" in gap.text
    assert read_simpletrace(out.data, wanted=["mirror_start"]).stats.gaps == []


@pytest.mark.parametrize("length", [0, 23, MAX_RECORD + 1, (1 << 32) - 1])
@VERSIONS
def test_a_length_that_no_record_can_have_is_not_believed_and_the_next_records_are_sought(
    length: int, version: int
) -> None:
    out = writer(version)
    put(out, "quiet")
    out.raw_record(NUMBERS[version]["quiet"], b"", length=length)
    out.raw(b"\x00" * 4096)
    for i in range(4):
        put(out, "mirror_before_drain", (1, i))
    tracemalloc.start()
    reading = read_simpletrace(out.data, declarations=BUILD, chunk_bytes=64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reading.names == ["quiet", *["mirror_before_drain"] * 4]
    (gap,) = reading.stats.gaps
    size = out.items[-4][0] - out.items[-5][0]
    assert (gap.cause, gap.record, gap.byte_offset, gap.count) == ("bad-length", 1, out.items[-5][0], None)
    assert (gap.size_bytes, gap.end_byte_offset) == (size, out.items[-4][0])
    assert f"record length {length}" in gap.text
    assert f"{size} bytes skipped" in gap.text
    assert peak < 16 << 20  # of which the compiled path's columns take the most


def test_the_length_of_a_string_is_not_believed_before_it_is_checked() -> None:
    out = writer(4)
    body = (1).to_bytes(8, "little") + ((1 << 32) - 1).to_bytes(4, "little") + b"x" * 20
    out.raw_record(NUMBERS[4]["bdrv_open_common"], body)
    with pytest.raises(DeclarationsMismatchError):
        read_simpletrace(out.data, declarations=BUILD)
    assert gaps(read_simpletrace(out.data)) == [("unreadable", 1, out.items[-1][0], 1)]


@pytest.mark.parametrize("size", [MAX_NAME + 1, (1 << 32) - 1])
def test_the_length_of_a_name_is_not_believed_before_it_is_checked(size: int) -> None:
    out = writer(4)
    put(out, "quiet")
    at = len(out.data)
    out.raw((0).to_bytes(8, "little") + (9).to_bytes(8, "little") + size.to_bytes(4, "little") + b"n" * 5000)
    reading = read_simpletrace(out.data, declarations=BUILD, chunk_bytes=100)
    assert reading.names == ["quiet"]
    assert gaps(reading) == [("bad-length", 1, at, None)]
    assert reading.stats.gaps[0].size_bytes == len(out.data) - at


def test_an_id_that_was_never_mapped_is_a_gap_of_one_record() -> None:
    out = writer(4)
    put(out, "quiet")
    out.record(99)
    put(out, "quiet")
    reading = read_simpletrace(out.data, declarations=BUILD)
    assert reading.names == ["quiet"] * 2
    assert gaps(reading) == [("unknown-id", 1, out.items[-2][0], 1)]


def test_an_item_of_an_unknown_type_is_a_gap_up_to_the_next_records() -> None:
    out = writer(4)
    put(out, "quiet")
    at = len(out.data)
    out.raw((2).to_bytes(8, "little") + b"\x00" * 101)
    put(out, "quiet")
    put(out, "quiet")
    reading = read_simpletrace(out.data, declarations=BUILD)
    assert gaps(reading) == [("unknown-id", 1, at, None)]
    assert reading.stats.gaps[0].size_bytes == 109
    assert reading.names == ["quiet"] * 3


def test_a_name_that_is_no_ascii_is_read_all_the_same() -> None:
    out = SimpletraceWriter(4)
    out.mapping(1, "größe")
    out.record(1)
    assert list(read_simpletrace(out.data).stats.names) == ["gr\ufffd\ufffd\ufffd\ufffde"]


def outcome(data: bytes, declarations: Declarations | None, chunk_bytes: int) -> Reading | str:
    """Return what reading gives: the records, or the error that is documented. Any other error is the test's."""
    try:
        reading = read_simpletrace(data, declarations=declarations, chunk_bytes=chunk_bytes)
    except (DeclarationsMismatchError, DeclarationsNeededError, UnsupportedVersionError) as e:
        return str(e)
    reading.stats.bytes_read = 0  # where a damaged file is given up, more or less of it has been read ahead
    return reading


@given(st.sampled_from([2, 3, 4]), st.sampled_from("<>"), st.binary(max_size=200), st.integers(1, 250))
def test_any_bytes_behind_a_header_are_read_or_refused(version: int, order: str, rest: bytes, chunk_bytes: int) -> None:
    data = writer(version, order).data + rest
    assert outcome(data, BUILD, chunk_bytes) == outcome(data, BUILD, len(data))


@given(st.data())
def test_any_damaged_file_is_read_or_refused_however_it_is_cut_into_pieces(data: st.DataObject) -> None:
    file = sample(data.draw(st.sampled_from([2, 3, 4])), data.draw(st.sampled_from("<>")))
    raw = bytearray(file.data)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(16, len(raw) - 1))] = data.draw(st.integers(0, 255))
    declarations = data.draw(st.sampled_from([BUILD, None]))
    whole = outcome(bytes(raw), declarations, len(raw))
    assert outcome(bytes(raw), declarations, data.draw(strategies.chunk_sizes(len(raw)))) == whole


def values_of(form: EventForm) -> st.SearchStrategy[tuple[Value, ...]]:
    """Return binary values for a form's arguments."""
    kinds: dict[Kind, st.SearchStrategy[Value]] = {
        Kind.STRING: st.binary(max_size=40), Kind.INT: strategies.signed(),
        Kind.UINT: strategies.unsigned(), Kind.POINTER: strategies.unsigned(),
    }  # fmt: skip
    return st.tuples(*(kinds[a.kind] for a in form.args))


NEWEST = [f for f in (e.forms[0] for e in builtin().events.values()) if f.releases is None or f.releases[1] == "9.0"]
"""Forms that one release can have at the same time."""


@given(st.data())
def test_every_form_of_the_vocabulary_is_read_from_binary_however_it_is_cut_into_pieces(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(NEWEST), min_size=1, max_size=6))
    out = SimpletraceWriter(4, order=data.draw(st.sampled_from("<>")))
    written = []
    out.mappings({i: form.name for i, form in enumerate(NEWEST)})
    for form in chosen:
        values = data.draw(values_of(form))
        out.record(NEWEST.index(form), values)
        shown = [v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else v for v in values]
        written.append((form.name, dict(zip((a.name for a in form.args), shown, strict=True))))
    whole = read_simpletrace(out.data)
    assert [(r.name, r.values) for r in whole.records] == written
    assert read_simpletrace(out.data, chunk_bytes=data.draw(strategies.chunk_sizes(len(out.data)))) == whole


def test_a_reader_says_which_version_it_reads() -> None:
    for version in (2, 3, 4):
        reader = SimpletraceReader(MemorySource(SimpletraceWriter(version).data), builtin().forms_of, BUILD)
        assert reader.version == version
    assert simpletrace.FORMAT.make is SimpletraceReader


def saved(path: Path, *names: str) -> SimpletraceReader:
    """Return a reader, with a thread that reads ahead, of a file of version 3 with one record of each event."""
    out = writer(3)
    for name in names:
        put(out, name, (1, 2, 3) if name == "mirror_start" else ())
    path.write_bytes(out.data)
    return SimpletraceReader(ByteSource(path, chunk_bytes=30), builtin().forms_of, BUILD, jobs=2)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (simpletrace, simpletrace_compiled):
        monkeypatch.setattr(module, "BATCH_ROWS", 2)


@pytest.mark.usefixtures("small_batches")
def test_a_thread_that_reads_ahead_gives_all_batches_in_order(tmp_path: Path) -> None:
    names = ["quiet", "mirror_start"] * 50
    batches = list(saved(tmp_path / "trace", *names).batches(lambda _name: True))
    assert [b.forms[c].name for b in batches for c in b.code] == names
    assert len(batches) > 10


@pytest.mark.usefixtures("small_batches")
def test_an_error_in_a_thread_that_reads_ahead_is_raised_behind_the_batches_before_it(tmp_path: Path) -> None:
    reader = saved(tmp_path / "trace", *["quiet"] * 6, "mirror_before_drain")
    batches = reader.batches(lambda _name: True)
    assert next(batches).record.tolist()[:2] == [0, 1]
    with pytest.raises(DeclarationsMismatchError, match="record of mirror_before_drain has 0 bytes"):
        list(batches)


@pytest.mark.usefixtures("small_batches")
def test_progress_is_told_in_the_thread_that_asks_for_the_batches(tmp_path: Path) -> None:
    out = writer(3)
    for _ in range(100):
        put(out, "quiet")
    path = tmp_path / "trace"
    path.write_bytes(out.data)
    source = ByteSource(path, chunk_bytes=30)
    told: list[tuple[int, threading.Thread]] = []
    source.on_bytes = lambda count: told.append((count, threading.current_thread()))
    reader = SimpletraceReader(source, builtin().forms_of, BUILD, jobs=2)
    for _ in reader.batches(lambda _name: True):
        pass
    assert sum(count for count, _ in told) == len(out.data)
    assert {thread for _, thread in told} == {threading.current_thread()}


@pytest.mark.usefixtures("small_batches")
def test_no_thread_is_left_where_the_batches_are_not_used_up(tmp_path: Path) -> None:
    batches = cast("Generator[EventBatch]", saved(tmp_path / "trace", *["quiet"] * 100).batches(lambda _name: True))
    next(batches)
    assert any(t.name.startswith("traceview") for t in threading.enumerate())
    batches.close()
    assert not any(t.name.startswith("traceview") for t in threading.enumerate())


@pytest.mark.captures
def test_one_run_through_both_backends_of_2_6_gives_the_same_records(capture_path: Callable[[str, str], Path]) -> None:
    name = "qemu-2.6.0-rc3/log-and-simpletrace"
    declarations = read_declarations(capture_path(name, "trace-events"))
    known = builtin().events.__contains__
    binary = read_simpletrace(
        capture_path(name, "trace.bin").read_bytes(), wanted=known, declarations=declarations
    ).records
    logged = read_log(capture_path(name, "trace.log").read_bytes(), wanted=known).records
    common = min(len(binary), len(logged))
    # Both backends lose the end of their files in their own way; what both have is the same.
    assert common > 100_000
    assert abs(len(binary) - len(logged)) < 1000
    assert [r.text for r in binary[:common]] == [r.text for r in logged[:common]]


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-9.0.0/quad-backends", "qemu-9.0.0/mirror-iothread"])
def test_a_capture_of_9_0_is_read_to_its_end(name: str, capture_bytes: Callable[[str, str], bytes]) -> None:
    reading = read_simpletrace(capture_bytes(name, "trace.bin"))
    assert reading.stats.gaps == []
    assert reading.stats.records > 10_000
    declarations = read_simpletrace(capture_bytes(name, "trace.bin"), wanted=["job_state_transition"])
    assert {r.values["legal"] for r in declarations.records} == {"allowed"}
