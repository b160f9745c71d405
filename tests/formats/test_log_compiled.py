"""The compiled path of log lines gives what the Python path gives, on everything."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import CapturePath
from tests.formats import Reading, declared, read, read_log
from tests.writers import MemorySource, log_line
from traceview import compiled
from traceview.compiled import LOG, PADDING, kernel_function
from traceview.detect.scan import SCAN_MEANINGS
from traceview.events import ReadStats
from traceview.formats import log
from traceview.formats.base import FormsOf
from traceview.formats.declarations import Declarations
from traceview.formats.log_blocks import Block
from traceview.formats.log_compiled import MOST_JOBS, CompiledLines
from traceview.formats.log_lines import LineReader
from traceview.vocabulary import builtin

NEVER = 1 << 62
SAMPLES = sorted((Path(__file__).parents[2] / "sample-traces").glob("*/trace.log"))


def for_a_scan(name: str) -> bool:
    event = builtin().events.get(name)
    return event is not None and event.meaning in SCAN_MEANINGS


def told(stats: ReadStats) -> dict[str, object]:
    """Return all that a reading tells, apart from its records."""
    return {slot: getattr(stats, slot) for slot in ReadStats.__slots__}


def both(
    data: bytes,
    *,
    everything: bool,
    chunk_bytes: int = 1 << 20,
    jobs: int = 1,
    declarations: Declarations | None = None,
    forms_of: FormsOf | None = None,
) -> tuple[Reading, Reading]:
    wanted = (lambda _name: True) if everything else for_a_scan
    readings = []
    for compiled_from in (0, NEVER):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "COMPILED_FROM", compiled_from)
            patch.setattr(compiled, "COMPILE_FROM", compiled_from)
            readings.append(
                read(
                    log.FORMAT, data, wanted=wanted, chunk_bytes=chunk_bytes, jobs=jobs, declarations=declarations,
                    forms_of=forms_of,
                )
            )  # fmt: skip
    return readings[0], readings[1]


def assert_alike(data: bytes, *, everything: bool = False, chunk_bytes: int = 1 << 20, jobs: int = 1) -> Reading:
    compiled, interpreted = both(data, everything=everything, chunk_bytes=chunk_bytes, jobs=jobs)
    assert compiled.records == interpreted.records
    assert told(compiled.stats) == told(interpreted.stats)
    return compiled


def lines() -> st.SearchStrategy[bytes]:
    whole = strategies.log_lines(strategies.vocabulary_lines())
    epoch = st.builds(
        lambda line, thread, ts_us: log_line(line.form.name, line.text, prefix="epoch", thread=thread, ts_us=ts_us),
        strategies.vocabulary_lines(),
        st.sampled_from([1, 12, 4711, 47110]),
        st.integers(1_459_344_553_000_000, 1_459_344_554_000_000),
    )
    return st.one_of(epoch, epoch, epoch, whole, strategies.damaged(epoch), strategies.other_lines())


@settings(max_examples=300)
@given(st.lists(lines(), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_both_paths_agree_on_lines_of_all_kinds(pieces: list[bytes], everything: bool, ended: bool) -> None:
    assert_alike(b"\n".join(pieces) + (b"\n" if ended else b""), everything=everything)


@settings(max_examples=60)
@given(st.lists(lines(), min_size=1, max_size=6), st.data(), st.integers(1, 4))
def test_both_paths_agree_however_the_bytes_are_cut_and_whoever_scans_them(
    pieces: list[bytes], data: st.DataObject, jobs: int
) -> None:
    whole = b"\n".join(pieces) + b"\n"
    assert_alike(whole, chunk_bytes=data.draw(strategies.chunk_sizes(len(whole))), jobs=jobs)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.parent.name)
def test_threads_that_scan_ahead_change_nothing(sample: Path) -> None:
    assert assert_alike(sample.read_bytes(), chunk_bytes=4000, jobs=3).records


@given(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), st.sampled_from([b"", b" bs 0x5", b" bs (nil)"]))
def test_a_string_takes_as_much_as_leaves_the_rest_its_form(name: bytes, behind: bytes) -> None:
    line = b"1@2.000003:blk_attach blk 0x1 name " + name + behind + b" bs 0x2\n"
    plain = b"1@2.000003:blk_attach blk 0x1 name drive0 bs 0x2\n"
    assert_alike(plain + line + plain, everything=True)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.parent.name)
@pytest.mark.parametrize("everything", [False, True], ids=["for a scan", "all events"])
def test_both_paths_agree_on_every_sample(sample: Path, everything: bool) -> None:
    assert assert_alike(sample.read_bytes(), everything=everything).records


@pytest.mark.captures
@pytest.mark.parametrize(
    "name", ["qemu-2.4.0/mirror-cancelled", "qemu-7.2.22/stderr-mixed", "qemu-4.1.0/mirror-vblk-noioeventfd"]
)
def test_both_paths_agree_on_whole_captures(name: str, capture_path: CapturePath) -> None:
    assert assert_alike(capture_path(name, "trace.log").read_bytes()).records


def test_numbers_that_may_overflow_are_left_to_the_python_path() -> None:
    digits = b"9223372036854775808"
    reading = assert_alike(
        b"1@2.000003:mirror_before_drain s 0x1 dirty count 5\n"
        b"1@2.000004:mirror_before_drain s 0x1 dirty count " + digits + b"\n"
        b"1@2.000005:mirror_before_drain s 0xffffffffffffffff dirty count 7\n"
    )
    assert [r.values["cnt"] for r in reading.records] == [5, 7]
    assert reading.stats.records == 3


def test_a_log_that_the_compiled_path_cannot_take_is_given_back_to_the_python_path() -> None:
    bare = b"".join(b"mirror_before_drain s 0x%x dirty count 0\n" % i for i in range(60_000))
    reading = assert_alike(bare)
    assert reading.stats.records == 60_000


def any_form_of(*declarations: str) -> FormsOf:
    """Return what knows an event by several declarations, the first the newest."""
    forms = [declared(d).all[0].form for d in declarations]
    return lambda name: [f for f in forms if f.name == name]


@pytest.mark.parametrize(
    ("newest", "older", "text"),
    [
        ('foo(uint64_t n) "n %u"', 'foo(const char *s) "n %s"', b"n 12345678901234567"),
        ('foo(int n) "n %d"', 'foo(const char *s) "n %s"', b"n -12345678901234567"),
        ('foo(uint64_t n) "n %#x"', 'foo(const char *s) "n %s"', b"n 00"),
        ('foo(uint64_t n) "%xbytes"', 'foo(const char *s) "%s"', b"41bytes"),
        ('foo(int a, int b) "%d%d"', 'foo(const char *s) "%s"', b"123"),
        ('foo(uint64_t n) "%#xx"', 'foo(const char *s) "%s"', b"0x"),
    ],
    ids=["more digits than are read", "with a sign", "several zeros", "letters behind", "digits behind", "an x behind"],
)
def test_an_older_form_does_not_take_what_the_python_path_reads_by_the_newest(
    newest: str, older: str, text: bytes
) -> None:
    data = b"1@2.000003:foo 1\n1@2.000003:foo " + text + b"\n"
    compiled, interpreted = both(data, everything=True, forms_of=any_form_of(newest, older))
    assert compiled.records == interpreted.records
    assert "s" not in compiled.records[-1].values


def test_a_string_ends_where_the_python_path_ends_it_before_a_number_of_many_digits() -> None:
    line = b"1@2.000003:foo a: 5 b: 12345678901234567 c\n"
    declarations = declared('foo(const char *s, int n, const char *t) "%s: %d %s"')
    compiled, interpreted = both(line * 2, everything=True, declarations=declarations)
    assert compiled.records == interpreted.records
    assert compiled.records[1].values == {"s": "a: 5 b", "n": 12345678901234567, "t": "c"}


def test_a_long_line_with_two_strings_and_a_carriage_return_is_not_tried_at_every_place() -> None:
    line = b"1@2.000003:foo " + b": " * 400_000 + b"\r\n"
    declarations = declared('foo(const char *s, const char *t) "%s: %s"')
    compiled, interpreted = both(line * 2, everything=True, declarations=declarations)
    assert compiled.records == interpreted.records


def test_bytes_of_a_declaration_that_are_no_utf_8_are_read_as_they_stand() -> None:
    declarations = declared('foo(int n) "\udcff %d"')
    compiled, interpreted = both(b"1@2.000003:foo \xff 5\n" * 2, everything=True, declarations=declarations)
    assert compiled.records == interpreted.records
    assert [r.values for r in compiled.records] == [{"n": 5}] * 2


BEFORE = b"mirror_before_drain s 0x1 dirty count 0\n" * 8
BARE = b"a_name_without_form 1\n"
OTHER_TIME = b"2016-03-30T13:29:13.000001Z mirror_before_drain s 0x1 dirty count 0\n"
PREFIXED = b"1@2.000003:mirror_before_drain s 0x1 dirty count 0\n"


@pytest.mark.parametrize("left", [BARE, OTHER_TIME], ids=["a name without prefix", "a time of another kind"])
def test_a_line_is_read_by_what_stands_before_it_alone(left: bytes) -> None:
    data = BEFORE + left + PREFIXED + left + PREFIXED
    assert assert_alike(data, everything=True, chunk_bytes=len(BEFORE)).records


def test_more_threads_than_the_set_holds_are_all_told() -> None:
    data = b"".join(b"%d@2.000003:mirror_before_drain s 0x1 dirty count 0\n" % t for t in range(1, 6_000))
    assert {r.tid for r in assert_alike(data).records} == set(range(1, 6_000))


def test_without_llvmlite_the_python_path_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "COMPILED_FROM", 0)
    monkeypatch.setattr(compiled, "kernel_function", lambda _kernel, *, wait: None)
    assert read_log(SAMPLES[0].read_bytes()).records


def test_the_environment_can_turn_the_compiled_path_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEVIEW_COMPILED", "0")
    assert kernel_function(LOG, wait=True) is None


def test_however_many_jobs_there_are_a_few_blocks_are_held() -> None:
    function = kernel_function(LOG, wait=True)
    assert function is not None
    reader = LineReader(builtin().forms_of, None, for_a_scan, ReadStats())
    read: list[Block] = []

    def blocks() -> Iterator[Block]:
        for _ in range(100):
            read.append(Block(bytearray(1 + PADDING), 0, 0))
            yield read[-1]

    ahead = CompiledLines(reader, function).ahead(blocks(), 1000)
    assert isinstance(ahead, Generator)
    next(ahead)
    assert len(read) <= MOST_JOBS + 1
    ahead.close()


def test_a_reading_that_is_given_up_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "BATCH_ROWS", 1)
    monkeypatch.setattr(compiled, "COMPILED_FROM", 0)
    monkeypatch.setattr(compiled, "COMPILE_FROM", 0)
    data = b"1@2.000003:mirror_before_drain s 0x1 dirty count 0\n" * 1000
    reader = log.LogReader(MemorySource(data, chunk_bytes=1000), builtin().forms_of, None, 3)
    batches = reader.batches(for_a_scan)
    assert isinstance(batches, Generator)
    assert len(next(batches))
    assert [t for t in threading.enumerate() if t.name.startswith("traceview")]
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("traceview")]
