"""The compiled path of simpletrace files gives what the Python path gives, on everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import CapturePath
from tests.formats import Reading, declared, read_simpletrace
from tests.writers import MemorySource, SimpletraceWriter, Value
from traceview import compiled
from traceview.detect.scan import SCAN_MEANINGS
from traceview.errors import DeclarationsMismatchError
from traceview.events import EventForm, Kind, ReadStats, StringTable
from traceview.formats.base import BATCH_ROWS
from traceview.formats.declarations import Declarations, read_declarations
from traceview.formats.simpletrace import SimpletraceReader
from traceview.formats.simpletrace_compiled import MOST_IDS
from traceview.formats.simpletrace_items import MAX_RECORD, MAX_STRING
from traceview.formats.simpletrace_kernel import KNOWN_SIZE, KNOWN_SLOTS
from traceview.vocabulary import builtin

NEVER = 1 << 62
SAMPLE = Path(__file__).parents[2] / "sample-traces" / "simpletrace-2.6"
CAPTURES = {
    "qemu-2.6.0-rc3/log-and-simpletrace": "trace-events", "qemu-9.0.0/mirror-iothread": None,
    "qemu-9.0.0/mirror-vblk-noioeventfd": None, "qemu-9.0.0/quad-backends": None,
}  # fmt: skip
"""Captures with a simpletrace file, and the declarations that it needs."""
BUILD = declared(
    'mirror_before_drain(void *s, int64_t cnt) "s %p dirty count %"PRId64',
    'bdrv_open_common(void *bs, const char *filename, int flags, const char *format_name) '
    '"bs %p filename \\"%s\\" flags 0x%x format_name \\"%s\\""',
    'quiet(void) "quiet"',
    'chatty(const char *text) "%s"',
    'blk_co_preadv(void *blk, void *bs, int64_t offset, int64_t bytes, int flags) "blk %p bs %p %d %d %d"',
)  # fmt: skip
ARGS: dict[str, str] = {
    "mirror_before_drain": "nn", "bdrv_open_common": "nsns", "quiet": "", "chatty": "s", "blk_co_preadv": "nnnnn",
    "nvme_rw": "snnn", "made_up_event": "n", "mirror_one_iteration": "nnn",
}  # fmt: skip
"""Events of the generated files, with their arguments: n a number, s a string."""
NUMBERS = {name: i for i, name in enumerate(ARGS)}
FAR = MOST_IDS + 5
"""An id that is left to the Python path."""

Choose = Callable[[str], bool]


def everything(_name: str) -> bool:
    return True


def for_a_scan(name: str) -> bool:
    event = builtin().events.get(name)
    return event is not None and event.meaning in SCAN_MEANINGS


def nothing(_name: str) -> bool:
    return False


def told(stats: ReadStats) -> dict[str, object]:
    """Return all that a reading tells, apart from its records and from how far ahead it read."""
    return {slot: getattr(stats, slot) for slot in ReadStats.__slots__ if slot != "bytes_read"}


def outcome(
    data: bytes, compiled_from: int, wanted: Choose, declarations: Declarations | None, chunk_bytes: int
) -> Reading | str:
    """Return what one path gives: the records, or the error that is documented."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "COMPILED_FROM", compiled_from)
        patch.setattr(compiled, "COMPILE_FROM", compiled_from)
        try:
            return read_simpletrace(data, wanted=wanted, declarations=declarations, chunk_bytes=chunk_bytes)
        except DeclarationsMismatchError as e:
            return str(e)


def assert_alike(
    data: bytes, *, wanted: Choose = everything, declarations: Declarations | None = None, chunk_bytes: int = 1 << 20,
    compiled_from: int = 0,
) -> Reading | str:  # fmt: skip
    ours = outcome(data, compiled_from, wanted, declarations, chunk_bytes)
    theirs = outcome(data, NEVER, wanted, declarations, chunk_bytes)
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs
        return ours
    assert ours.records == theirs.records
    assert told(ours.stats) == told(theirs.stats)
    return ours


def read_alike(data: bytes, *, wanted: Choose = everything, declarations: Declarations | None = None) -> Reading:
    reading = assert_alike(data, wanted=wanted, declarations=declarations)
    assert not isinstance(reading, str)
    return reading


def kept_strings(data: bytes, compiled_from: int) -> StringTable:
    """Return the table of strings of a file's first batch, with the records of "quiet" wanted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "COMPILED_FROM", compiled_from)
        patch.setattr(compiled, "COMPILE_FROM", compiled_from)
        reader = SimpletraceReader(MemorySource(data), builtin().forms_of, BUILD)
        return next(iter(reader.batches({"quiet"}.__contains__))).strings


CHOICES = st.sampled_from([everything, for_a_scan, nothing])
TEXTS = st.sampled_from([b"", b"read", b"write", b"DMA READ", b"y" * KNOWN_SIZE, b"y" * (KNOWN_SIZE + 1)]) | st.binary(
    max_size=30
)


def values_of(args: str) -> st.SearchStrategy[tuple[Value, ...]]:
    return st.tuples(*(TEXTS if a == "s" else strategies.unsigned() for a in args))


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, Declarations | None]:
    """Return a file with everything in it that a kernel may meet, now and then damaged or cut, and declarations."""
    version = draw(st.sampled_from([2, 3, 4, 4]))
    out = SimpletraceWriter(version)
    numbers = dict(NUMBERS)
    if version == 4:
        numbers["quiet"] = draw(st.sampled_from([NUMBERS["quiet"], MOST_IDS - 1, MOST_IDS, FAR, 1 << 40]))
        late = draw(st.sets(st.sampled_from(sorted(ARGS)), max_size=3))
        out.mappings({n: name for name, n in numbers.items() if name not in late})
    else:
        late = set()
        numbers = {form.name: i for i, form in enumerate(BUILD.numbered(version))}
    for _ in range(draw(st.integers(1, 25))):
        match draw(st.sampled_from(["record"] * 8 + ["dropped", "map", "misfit", "length", "id", "bytes"])):
            case "dropped":
                out.dropped(draw(st.integers(0, 1 << 40)), ts_ns=draw(strategies.unsigned()))
            case "map" if version == 4:
                name = draw(st.sampled_from(sorted(ARGS)))
                out.mapping(numbers[draw(st.sampled_from([name, name, "quiet"]))], name)
                late.discard(name)
            case "misfit" if draw(st.booleans()):
                out.raw_record(draw(st.sampled_from(sorted(numbers.values()))), draw(st.binary(max_size=40)))
            case "length" if draw(st.booleans()):
                length = draw(st.sampled_from([0, 23, MAX_RECORD + 1, (1 << 32) - 1]))
                out.raw_record(numbers["quiet"], b"", length=length)
            case "id" if draw(st.booleans()):
                out.record(draw(st.sampled_from([99, FAR + 1, (1 << 64) - 3])))
            case "bytes" if draw(st.booleans()):
                out.raw(draw(st.binary(max_size=40)))
            case _:
                name = draw(st.sampled_from(sorted(set(numbers) - late) or ["quiet"]))
                time = draw(st.integers(0, 4_000_000_000)) if draw(st.integers(0, 9)) else draw(strategies.unsigned())
                pid = draw(st.sampled_from([77] * 8 + [0, 78]))
                out.record(numbers[name], draw(values_of(ARGS[name])), ts_ns=time, pid=pid)
    data = bytearray(out.data)
    for _ in range(draw(st.sampled_from([0, 0, 1, 3])) if len(data) > 24 else 0):
        data[draw(st.integers(24, len(data) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.none() | st.integers(24, len(data)))
    return bytes(data[:cut]), BUILD if version < 4 or draw(st.booleans()) else None


@settings(max_examples=300)
@given(files(), CHOICES)
def test_both_paths_agree_on_whole_cut_and_damaged_files(
    file: tuple[bytes, Declarations | None], wanted: Choose
) -> None:
    data, declarations = file
    assert_alike(data, wanted=wanted, declarations=declarations)


@settings(max_examples=150)
@given(files(), CHOICES, st.data())
def test_both_paths_agree_however_the_bytes_are_read_and_wherever_one_takes_over_from_the_other(
    file: tuple[bytes, Declarations | None], wanted: Choose, data: st.DataObject
) -> None:
    raw, declarations = file
    chunk_bytes = data.draw(strategies.chunk_sizes(len(raw)))
    whole = assert_alike(raw, wanted=wanted, declarations=declarations)
    from_here = data.draw(st.just(0) | st.integers(0, len(raw)))
    pieces = assert_alike(
        raw, wanted=wanted, declarations=declarations, chunk_bytes=chunk_bytes, compiled_from=from_here
    )
    if isinstance(whole, str) or isinstance(pieces, str):
        assert whole == pieces
    else:
        assert (pieces.records, told(pieces.stats)) == (whole.records, told(whole.stats))


def values_for(form: EventForm) -> st.SearchStrategy[tuple[Value, ...]]:
    return values_of("".join("s" if a.kind is Kind.STRING else "n" for a in form.args))


@given(st.lists(st.sampled_from(strategies.FORMS).flatmap(lambda f: st.tuples(st.just(f), values_for(f))), min_size=1))
def test_both_paths_choose_the_same_form_of_every_event_of_the_vocabulary(
    chosen: Sequence[tuple[EventForm, tuple[Value, ...]]],
) -> None:
    out = SimpletraceWriter(4)
    numbers = {name: i for i, name in enumerate(sorted({form.name for form, _ in chosen}))}
    out.mappings({i: name for name, i in numbers.items()})
    for form, values in [*chosen, *chosen]:
        out.record(numbers[form.name], values)
    assert read_alike(out.data).stats.records == 2 * len(chosen)


@pytest.mark.parametrize("wanted", [for_a_scan, everything])
def test_both_paths_agree_on_the_sample(wanted: Choose) -> None:
    declarations = read_declarations(SAMPLE / "trace-events")
    assert read_alike((SAMPLE / "trace.bin").read_bytes(), wanted=wanted, declarations=declarations).records


@pytest.mark.captures
@pytest.mark.parametrize("name", CAPTURES)
def test_both_paths_agree_on_whole_captures(name: str, capture_path: CapturePath) -> None:
    file = CAPTURES[name]
    declarations = read_declarations(capture_path(name, file)) if file is not None else None
    data = capture_path(name, "trace.bin").read_bytes()
    assert read_alike(data, wanted=builtin().events.__contains__, declarations=declarations).records


def test_batches_are_full_and_in_order_where_items_of_other_kinds_stand_between_the_records() -> None:
    out = SimpletraceWriter(4)
    out.mappings({1: "mirror_before_drain", 2: "nvme_rw", FAR: "mirror_one_iteration"})
    for i in range(BATCH_ROWS + 5_000):
        out.record(1, (i, i), ts_ns=i)
        if i % 1000 == 0:
            out.dropped(1)
            out.record(FAR, (i, i, i))
            out.record(2, (b"read", i, i, i))
    reading = read_alike(out.data)
    assert [r.record for r in reading.records] == list(range(len(reading.records)))
    assert reading.stats.names["mirror_before_drain"] == BATCH_ROWS + 5_000


def test_records_before_an_id_was_mapped_anew_are_those_of_the_event_that_it_stood_for() -> None:
    out = SimpletraceWriter(4)
    for name, count in (("quiet", 5), ("made_up_event", 7), ("quiet", 2)):
        out.mapping(1, name)
        for _ in range(count):
            out.record(1)
    assert read_alike(out.data).stats.names == {"quiet": 7, "made_up_event": 7}


@pytest.mark.parametrize("name", ["chatty", "bdrv_open_common"])
@pytest.mark.parametrize("wanted", [everything, nothing])
def test_a_string_longer_than_qemu_writes_is_not_believed_by_either_path(name: str, wanted: Choose) -> None:
    values: dict[str, tuple[Value, ...]] = {"chatty": (b"x",), "bdrv_open_common": (1, b"x", 2, b"raw")}
    longer: dict[str, tuple[Value, ...]] = {
        "chatty": (b"x" * (MAX_STRING + 1),),
        "bdrv_open_common": (1, b"x", 2, b"x" * (MAX_STRING + 1)),
    }
    out = SimpletraceWriter(4)
    out.mapping(1, name)
    out.record(1, values[name])
    out.record(1, longer[name])
    out.record(1, values[name])
    (gap,) = read_alike(out.data, wanted=wanted, declarations=BUILD).stats.gaps
    assert (gap.byte_offset, gap.count) == (out.items[2][0], 1)
    assert f"record of {name} has" in gap.text


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, KNOWN_SIZE, KNOWN_SIZE + 1, MAX_STRING])
def test_strings_that_differ_in_one_byte_or_in_length_are_told_apart_each_time(size: int) -> None:
    out = SimpletraceWriter(4)
    out.mapping(1, "chatty")
    texts = [b"a" * size, b"a" * max(size - 1, 0), b"b" + b"a" * (size - 1), b"a" * (size - 1) + b"b"]
    texts = [t[:MAX_STRING] for t in texts]
    for text in texts * 3:
        out.record(1, (text,))
    assert [r.values["text"] for r in read_alike(out.data, declarations=BUILD).records] == [
        t.decode("ascii") for t in texts * 3
    ]


def test_more_strings_than_the_kernel_can_know_are_all_told_apart() -> None:
    out = SimpletraceWriter(4)
    out.mapping(1, "chatty")
    texts = [b"%d" % (i % (3 * KNOWN_SLOTS)) for i in range(9 * KNOWN_SLOTS)]
    for text in texts:
        out.record(1, (text,))
    assert [r.values["text"] for r in read_alike(out.data, declarations=BUILD).records] == [
        t.decode("ascii") for t in texts
    ]


def test_a_file_of_nothing_that_the_kernel_takes_is_read_all_the_same() -> None:
    out = SimpletraceWriter(4)
    out.mapping(FAR, "mirror_before_drain")
    for i in range(20_000):
        out.record(FAR, (i, i), ts_ns=i)
    assert len(read_alike(out.data).records) == 20_000


def test_strings_of_events_that_nobody_asked_for_are_not_kept() -> None:
    out = SimpletraceWriter(4)
    out.mappings({1: "chatty", 2: "quiet"})
    out.record(1, (b"secret",))
    out.record(2)
    for compiled_from in (0, NEVER):
        strings = kept_strings(out.data, compiled_from)
        assert strings.find("secret") == -1


def test_without_llvmlite_the_python_path_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "COMPILED_FROM", 0)
    monkeypatch.setattr(compiled, "kernel_function", lambda _kernel, *, wait: None)
    declarations = read_declarations(SAMPLE / "trace-events")
    assert read_simpletrace((SAMPLE / "trace.bin").read_bytes(), declarations=declarations).records
