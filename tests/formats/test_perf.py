"""What perf script prints of probes on QEMU. The lines are perf's own of small programs with such probes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import Reading, declared, read
from tests.formats.field_lines import STYLES, messes, written
from tests.strategies import FORMS
from tests.writers import MemorySource
from traceview.events import Kind
from traceview.formats import detect, perf

PROBE = (
    b" qemu-system-x86  7629 [001]  5366.243592: probe_qemu:mirror_exit: (55b8d935b139) bs=0x1000 job=0x2000 ret=-1\n"
)
MADE = {"bs": 0x1000, "job": 0x2000, "ret": -1}
MARKER = (
    b"        qemu-sdt  7862 [001]  5395.134498: sdt_qemu:blk_co_pwritev: (5559f54f115c) arg1=93845202952864 "
    b"arg2=93845202952896 arg3=4096 arg4=512\n"
)
CHAIN = b"\t            1139 mirror_exit+0x0 (/usr/bin/qemu-system-x86_64)\n\n"


def read_text(data: bytes, **options: object) -> Reading:
    return read(perf.FORMAT, data, **options)  # type: ignore[arg-type]


def gaps(reading: Reading) -> list[tuple[str, int, int | None]]:
    return [(g.cause, g.record, g.count) for g in reading.stats.gaps]


@pytest.mark.parametrize(
    ("line", "ts_ns", "tid"),
    [
        (PROBE, 5_366_243_592_000, 7629),
        (PROBE.replace(b" 7629", b" 7629/7630 "), 5_366_243_592_000, 7630),
        (PROBE.replace(b".243592: ", b".243592007:          1 "), 5_366_243_592_007, 7629),
        (PROBE[17:], 5_366_243_592_000, 7629),
        (PROBE[17:].replace(b" [001]", b"").strip(b" "), 5_366_243_592_000, 7629),
        (PROBE.replace(b"qemu-system-x86", b"CPU 0/KVM"), 5_366_243_592_000, 7629),
        (PROBE.replace(b"qemu-system-x86", b"a 1 [000] 1.5: x"), 5_366_243_592_000, 7629),
        (PROBE.replace(b"qemu-system-x86", b":7629"), 5_366_243_592_000, 7629),
        (PROBE.replace(b"probe_qemu:mirror_exit", b"probe:mirror_exit"), 5_366_243_592_000, 7629),
        (PROBE.replace(b"mirror_exit:", b"mirror_exit__entry:"), 5_366_243_592_000, 7629),
        (PROBE.replace(b"mirror_exit:", b"mirror_exit_2:"), 5_366_243_592_000, 7629),
    ],
)
def test_a_probe_is_read_whatever_columns_there_are(line: bytes, ts_ns: int, tid: int) -> None:
    (record,) = read_text(line).records
    assert (record.name, record.ts_ns, record.tid, record.values) == ("mirror_exit", ts_ns, tid, MADE)


def test_a_probe_fetches_what_it_was_told_to() -> None:
    probe = b" qemu 7 [000] 1.000000: probe_qemu:job_completed: (55)"
    (record,) = read_text(probe + b' ret=-5 flags=0x7 name="a b"\n').records
    assert record.values == {"ret": -5, "flags": 7, "name": "a b"}
    (bare,) = read_text(probe + b"\n").records
    assert bare.values == {}


def test_the_return_of_a_function_is_an_event_of_its_own() -> None:
    line = PROBE.replace(b"mirror_exit: (55b8d935b139)", b"mirror_exit__return: (55b8 <- 55b9)")
    assert read_text(line).stats.unknown_names == {"mirror_exit__return"}


def test_arguments_of_a_marker_are_those_of_the_newest_declaration_by_place() -> None:
    (record,) = read_text(MARKER).records
    assert record.values == {"blk": 93845202952864, "bs": 93845202952896, "offset": 4096, "bytes": 512}


def test_a_marker_leaves_out_what_the_compiler_made_a_constant() -> None:
    (record,) = read_text(MARKER.replace(b" arg3=4096", b"")).records
    assert record.values == {"blk": 93845202952864, "bs": 93845202952896, "bytes": 512}


def test_a_string_of_a_marker_is_an_address() -> None:
    line = b" qemu 7 [000] 1.000000: sdt_qemu:bdrv_open_common: (55) arg1=16 arg2=32 arg3=40994 arg4=48\n"
    (record,) = read_text(line).records
    assert record.values == {"bs": 16, "filename": 32, "flags": 40994, "format_name": 48}


def test_declarations_say_what_the_places_of_an_older_marker_mean() -> None:
    made = declared('blk_co_pwritev(void *a, void *b, int c, int d) "%p %p %d %d"')
    (record,) = read_text(MARKER, declarations=made).records
    assert record.values == {"a": 93845202952864, "b": 93845202952896, "c": 4096, "d": 512}


@pytest.mark.parametrize("args", [b"arg1=1 arg9=2", b"arg2=1 arg1=2", b"arg0=1", b"arg1=1 arg1=2", b"job=0x1 job=0x2"])
def test_places_that_no_form_has_are_refused(args: bytes) -> None:
    reading = read_text(b" qemu 7 [000] 1.000000: sdt_qemu:job_completed: (55) " + args + b"\n")
    assert (reading.records == []) == (args != b"arg0=1")  # a name like any other


def test_call_chains_and_other_events_are_other_lines() -> None:
    other = b" swapper     0 [000]  5366.243592: sched:sched_switch: prev_comm=x\n"
    reading = read_text(PROBE + CHAIN + other + PROBE)
    assert [r.line for r in reading.records] == [1, 5]
    assert reading.stats.other_lines == 3
    assert reading.stats.gaps == []


@pytest.mark.parametrize(
    ("mark", "count"),
    [
        (b" qemu-system-x86  8025 [001]  5433.426671: PERF_RECORD_LOST lost 58\n", 58),
        (b"PERF_RECORD_LOST_SAMPLES lost 3\n", 3),
        (b"LOST 12 events!\n", 12),
        (b"Processed 290546 events and lost 90 chunks!\n", None),
    ],
)
def test_lost_records_are_a_gap(mark: bytes, count: int | None) -> None:
    assert gaps(read_text(PROBE + mark + PROBE)) == [("dropped", 1, count)]


def test_nothing_of_perf_is_clean_as_it_does_not_always_tell() -> None:
    assert "--show-lost-events" in perf.FORMAT.lossy


@pytest.mark.parametrize("damage", [PROBE[30:], PROBE.replace(b"7629 [", b"["), PROBE.replace(b"(55", b"(xx")])
def test_what_is_left_of_a_record_is_a_gap(damage: bytes) -> None:
    assert gaps(read_text(PROBE + damage + PROBE)) == [("unreadable", 1, None)]


def test_a_value_that_could_not_be_fetched_is_refused() -> None:
    assert gaps(read_text(PROBE.replace(b"0x2000", b"(fault)"))) == [("unreadable", 0, 1)]


def test_hostile_numbers_of_names_are_not_all_learnt() -> None:
    lines = b"".join(PROBE.replace(b"job=", b"j%d=" % i) for i in range(200))
    reading = read_text(lines)
    assert 0 < len(reading.records) < 200
    assert len(reading.stats.gaps) == 200 - len(reading.records)


LINES = written(STYLES[4], st.sampled_from(FORMS)).map(lambda w: w.line) | st.sampled_from([PROBE[:-1], MARKER[:-1]])


@given(messes(LINES), st.integers(1, 300))
def test_how_a_text_is_cut_into_pieces_changes_nothing_and_nothing_raises(raw: bytes, chunk_bytes: int) -> None:
    whole = read_text(raw)
    assert read_text(raw, chunk_bytes=chunk_bytes) == whole
    assert whole.stats.lines == raw.count(b"\n") + (not raw.endswith(b"\n") and raw != b"")


@given(st.sampled_from([f for f in FORMS if all(a.kind is not Kind.STRING for a in f.args)]).flatmap(
    lambda form: written(STYLES[4], st.just(form))
))  # fmt: skip
def test_what_was_written_is_read(made: object) -> None:
    (record,) = read_text(made.line + b"\n").records  # type: ignore[attr-defined]
    expected = zip(made.form.args, made.values, strict=True)  # type: ignore[attr-defined]
    assert record.values == {a.name: v for a, v in expected}


def test_the_text_is_known_and_others_are_not_taken_for_it() -> None:
    assert detect(MemorySource(PROBE + CHAIN)).id == "perf"
    assert detect(MemorySource(MARKER)).id == "perf"
    assert perf.FORMAT.score(b" qemu  1 [000]  5366.243592: sched:sched_switch: prev_comm=x\n") == 0
