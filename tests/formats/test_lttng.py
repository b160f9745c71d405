"""What babeltrace 1 and 2 print of LTTng-UST traces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import CapturePath
from tests.formats import Reading, read, read_log
from tests.formats.field_lines import STYLES, Written, escaped, messes, written
from tests.strategies import FORMS
from tests.writers import MemorySource
from traceview.api import open as open_trace
from traceview.events import NO_THREAD, NO_TIME, Kind
from traceview.findings import Verdict
from traceview.formats import detect, lttng

MEANT = frozenset(f.name for f in FORMS)
DAY = 86_400_000_000_000
CONTEXTS = b'{ cpu_id = 1 }, { vtid = 11683, vpid = 11682, procname = "qemu-system-x86" }, '
ARGS = b"{ job = 0x5555C469ED70, ret = -5 }"
MADE = {"job": 0x5555C469ED70, "ret": -5}


def line(stamp: bytes = b"[01:04:47.473484682] vm ", contexts: bytes = CONTEXTS, args: bytes = ARGS) -> bytes:
    return stamp + b"qemu:job_completed: " + contexts + args + b"\n"


def respond(text: bytes, contexts: bytes = CONTEXTS) -> bytes:
    return b"[01:04:47.473484682] vm qemu:monitor_qmp_respond: " + contexts + b"{ mon = 0x1, json = " + text + b" }\n"


def read_text(data: bytes, **options: object) -> Reading:
    return read(lttng.FORMAT, data, **options)  # type: ignore[arg-type]


def gaps(reading: Reading) -> list[tuple[str, int, int, int | None]]:
    return [(g.cause, g.first, g.record, g.count) for g in reading.stats.gaps]


MORNING = 3_887_473_484_682


@pytest.mark.parametrize(
    ("stamp", "ts_ns"),
    [
        (b"[01:04:47.473484682] (+?.?????????) vm ", MORNING),
        (b"[01:04:47.473484682] (+0.000005740) ", MORNING),
        (b"[01:04:47.473484682] ", MORNING),
        (b"[1795395887.473484682] vm ", 1_795_395_887_473_484_682),
        (b"[         1.000000001] (+0.000005740) vm ", 1_000_000_001),
        (b"[2026-11-23 01:04:47.473484682] (+0.000005740) vm ", 1_795_395_887_473_484_682),
        (b"[00000004356439060315] (+????????????) vm ", 4_356_439_060_315),
        (b"[01:04:47.473484682] (+?.?????????) /tmp/ctf/ust vm:ust:TRACE_DEBUG_LINE (13) ", MORNING),
        (b"[2026-02-30 01:04:47.473484682] vm ", NO_TIME),
    ],
)
def test_a_record_has_its_time_whatever_was_asked_of_babeltrace(stamp: bytes, ts_ns: int) -> None:
    (record,) = read_text(line(stamp)).records
    assert (record.ts_ns, record.tid, record.values) == (ts_ns, 11683, MADE)


@pytest.mark.parametrize(
    "names",
    [
        b"timestamp = 01:04:47.473484682, delta = +0.000005740, trace:hostname = vm, name = qemu:job_completed, "
        b"stream.packet.context = { cpu_id = 1 }, stream.event.context = { vtid = 11683 }, "
        b"event.fields = { job = 0x5555C469ED70, ret = -5 }",
        b"[01:04:47.473484682] vm qemu:job_completed: stream.packet.context = { cpu_id = 1 }, "
        b"stream.event.context = { vtid = 11683 }, event.fields = { job = 0x5555C469ED70, ret = -5 }",
        b"[01:04:47.473484682] vm qemu:job_completed: { cpu_id = 1 }, { vtid = 11683 }, { 0x5555C469ED70, -5 }",
    ],
)
def test_fields_may_have_all_names_or_only_those_of_contexts(names: bytes) -> None:
    (record,) = read_text(names + b"\n").records
    assert (record.ts_ns, record.tid, record.values) == (MORNING, 11683, MADE)


def test_without_any_names_there_is_no_thread() -> None:
    data = b'[01:04:47.473484682] vm qemu:job_completed: { 1 }, { 11683, 11683, "qemu" }, { 0x5555C469ED70, -5 }\n'
    (record,) = read_text(data).records
    assert (record.tid, record.values) == (NO_THREAD, MADE)


@pytest.mark.parametrize(
    ("contexts", "tid"),
    [
        (b"", NO_THREAD),
        (b"{ cpu_id = 0 }, ", NO_THREAD),
        (b"{ }, ", NO_THREAD),
        (b"{ cpu_id = 0 }, { vpid = 4711 }, ", 4711),
        (b"{ cpu_id = 0 }, { vpid = 4711, vtid = 4712 }, ", 4712),
        (b'{ cpu_id = 0, vtid = 1 }, { procname = " vtid = 99," }, ', 1),
        (b'{ procname = " vtid = 99,", vtid = 7 }, ', 7),
        (b"{ cpu_id = 0 }, { ip = 0x5555, perf:thread:cycles = 12, pthread_id = 139 }, { vtid = 3 }, ", 3),
    ],
)
def test_the_thread_is_told_by_the_contexts_that_were_added(contexts: bytes, tid: int) -> None:
    (record,) = read_text(line(contexts=contexts)).records
    assert (record.tid, record.values) == (tid, MADE)


def test_an_event_may_have_no_arguments() -> None:
    data = line().replace(b"job_completed", b"qemu_co_queue_next_bh").replace(ARGS, b"{ }")
    reading = read_text(data)
    assert [(r.name, r.tid) for r in reading.records] == [("qemu_co_queue_next_bh", 11683)]


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (b'"plain"', "plain"),
        (b'""', ""),
        (rb'"q\"x\\y"', 'q"x\\y'),
        (rb'"it\'s\? a\nb\tc\e\x01 }, { a = 1"', "it's? a\nb\tc\x1b\x01 }, { a = 1"),
        (b'"{"reboot": "shutdown"}"', '{"reboot": "shutdown"}'),
        (b'"x" }, { a = "1"', 'x" }, { a = "1'),
        (b'"", json = ""', '", json = "'),
        (b'"x }, { mon = 0x2, json = y"', "x }, { mon = 0x2, json = y"),
        (b'"C:\\data"', "C:\\data"),
        (b'"\xff\xc3\xa9"', "\udcffé"),
    ],
)
@pytest.mark.parametrize("contexts", [CONTEXTS, b""], ids=["contexts", "bare"])
def test_strings_are_escaped_or_stand_as_they_are(printed: bytes, meant: str, contexts: bytes) -> None:
    (record,) = read_text(respond(printed, contexts)).records
    assert record.values == {"mon": 1, "json": meant}


def test_once_a_string_stands_as_it_is_all_do() -> None:
    reading = read_text(respond(b'"a"b"') + respond(rb'"a\nb"'))
    assert [r.values["json"] for r in reading.records] == ['a"b', "a\\nb"]


def test_time_of_day_goes_on_over_midnight_and_steps_back_a_little() -> None:
    times = [
        b"23:59:59.999999999",
        b"00:00:00.000000001",
        b"23:59:59.999999998",
        b"11:00:00.000000000",
        b"22:00:00.000000000",
    ]
    times += [b"03:00:00.000000000"]
    reading = read_text(b"".join(line(b"[" + t + b"] vm ") for t in times))
    hour = 3600 * 10**9
    assert [r.ts_ns for r in reading.records] == [
        DAY - 1, DAY + 1, DAY - 2, DAY + 11 * hour, DAY + 22 * hour, 2 * DAY + 3 * hour,
    ]  # fmt: skip


SPAN = b"between [00:00:02.000000000] and [00:00:04.500000000] in trace "
BT1 = (
    b"[warning] Tracer discarded 7 events "
    + SPAN
    + b'UUID e4404a12, at path: "/tmp/t", within stream id 0, at relative '
    b'path: "c0_0". You should consider recording a new trace with larger buffers or with fewer events enabled.\n'
)
BT2 = (
    b"WARNING: Tracer discarded 7 events " + SPAN + b'"t" (no UUID) within stream "c0_0" (stream class ID: 0, stream '
    b"ID: 0).\n"
)


@pytest.mark.parametrize("mark", [BT1, BT2, BT1.replace(b" between", b" at end of stream between")])
@pytest.mark.parametrize("place", range(7))
def test_discarded_events_are_a_gap_over_the_records_of_that_time_wherever_it_is_told(mark: bytes, place: int) -> None:
    lines = [line(b"[00:00:%02d.000000000] vm " % second) for second in range(1, 7)]
    reading = read_text(b"".join([*lines[:place], mark, *lines[place:]]))
    (gap,) = reading.stats.gaps
    assert (gap.cause, gap.count) == ("dropped", 7)
    # Seconds 3 and 4 lie within; a mark that comes before or after them covers no less.
    assert gap.first <= 2
    assert gap.record >= 4 or place < 2
    assert gap.between(2, 3)
    assert not gap.between(5, 5)
    assert reading.stats.other_lines == 1


@pytest.mark.parametrize(
    ("mark", "count"),
    [
        (b"WARNING: Tracer may have discarded events (unknown time range)\n", None),
        (b"WARNING: Tracer discarded 3 packets between [x] and [y]\n", None),
        (b"[warning] Tracer lost 3 trace packets between [00:00:02.0\n", None),
        (b"WARNING: Tracer discarded 1 event (unknown time range)\n", 1),
    ],
)
def test_a_loss_without_a_time_is_a_gap_where_it_stands(mark: bytes, count: int | None) -> None:
    assert gaps(read_text(line() + mark + line())) == [("dropped", 1, 1, count)]


DAMAGED = [line()[:-3] + b"\n", line()[30:], b'b\tc }, { a = 1" }\n', line().replace(b" -5 }", b" -5}")]


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_left_of_a_record_is_a_gap(damage: bytes) -> None:
    reading = read_text(line() + damage + line())
    assert gaps(reading) == [("unreadable", 1, 1, None)]
    assert [r.line for r in reading.records] == [1, 3]


def test_the_time_since_the_event_before_tells_where_lines_are_missing_or_were_moved() -> None:
    times = [1, 3, 4, 6, 7]
    deltas = [b"?.?????????", *(b"%d.000000000" % (b - a) for a, b in pairwise(times))]
    lines = [line(b"[00:00:%02d.000000000] (+%s) vm " % (t, d)) for t, d in zip(times, deltas, strict=True)]
    lines[1] = lines[1].replace(b"qemu:", b"other:")  # events of others count, too
    assert read_text(b"".join(lines)).stats.gaps == []
    without = gaps(read_text(b"".join([*lines[:2], *lines[3:]])))
    assert without == [("clock-jump", 1, 1, None)]
    moved = gaps(read_text(b"".join([lines[0], lines[1], lines[3], lines[2], lines[4]])))
    assert [g[2] for g in moved] == [1, 2, 2, 3]
    doubled = gaps(read_text(b"".join([*lines[:3], *lines[2:]])))
    assert doubled == [("clock-jump", 2, 2, None)]
    named = b"".join(
        b"timestamp = 00:00:%02d.000000000, delta = +%s, name = qemu:job_completed, event.fields = " % (t, d)
        + ARGS
        + b"\n"
        for t, d in zip(times, deltas, strict=True)
    )
    assert read_text(named).stats.gaps == []
    assert read_text(named.replace(b"+3", b"+4").replace(b"+2", b"+4")).stats.gaps != []


def test_events_of_others_are_other_lines() -> None:
    other = b'[01:04:47.473484682] (+0.000005740) vm lttng_ust_lib:load: { cpu_id = 1 }, { baddr = 0x1, path = "/x" }\n'
    fake = b'[01:04:47.473484682] vm mine:say: { cpu_id = 1 }, { text = " qemu:job_completed: { job = 0x1, ret = 0" }\n'
    reading = read_text(line() + other + fake + line())
    assert [r.line for r in reading.records] == [1, 4]
    assert reading.stats.other_lines == 2


def test_values_that_do_not_fit_are_refused() -> None:
    reading = read_text(line(args=b"{ job = 0x1 }") + line(args=b"{ job = 0x1, ret = 9223372036854775808 }"))
    assert reading.records == []
    assert gaps(reading) == [("unreadable", 0, 0, 1), ("unreadable", 1, 1, 1)]
    assert reading.stats.refused_count == 2


def test_lines_may_end_as_on_windows() -> None:
    data = line() + respond(b'"a"')
    plain, windows = read_text(data), read_text(data.replace(b"\n", b"\r\n"))
    assert [r.values for r in windows.records] == [r.values for r in plain.records]
    assert windows.stats.gaps == []


@given(st.lists(written(STYLES[2], st.sampled_from(FORMS)), max_size=8))
def test_what_babeltrace_2_wrote_is_read(items: list[Written]) -> None:
    reading = read_text(b"".join(i.line + b"\n" for i in items))
    assert reading.stats.gaps == []
    for item, record in zip(items, reading.records, strict=True):
        assert record.name == item.form.name
        for arg, value in zip(item.form.args, item.values, strict=True):
            got = record.values[arg.name]
            if arg.kind is Kind.STRING:
                assert isinstance(got, str)
                assert got.encode("utf-8", "surrogateescape") == value
            else:
                assert got == value


@given(st.binary(max_size=40))
def test_any_bytes_come_back_from_an_escaped_string(text: bytes) -> None:
    (record,) = read_text(respond(escaped(text))).records
    assert isinstance(record.values["json"], str)
    assert record.values["json"].encode("utf-8", "surrogateescape") == text


LINES = st.one_of(
    *(written(s, st.sampled_from(FORMS)).map(lambda w: w.line) for s in STYLES[2:4]),
    st.sampled_from([BT1[:-1], BT2[:-1]]),
)


@given(messes(LINES), st.integers(1, 300))
def test_how_a_text_is_cut_into_pieces_changes_nothing_and_nothing_raises(raw: bytes, chunk_bytes: int) -> None:
    whole = read_text(raw)
    assert read_text(raw, chunk_bytes=chunk_bytes) == whole
    assert whole.stats.lines == raw.count(b"\n") + (not raw.endswith(b"\n") and raw != b"")
    assert read_text(raw, wanted=[]).stats.names == whole.stats.names


def test_the_text_is_known_with_messages_before_it_and_others_are_not_taken_for_it() -> None:
    assert detect(MemorySource(line())).id == "lttng"
    assert detect(MemorySource(BT1 + line() + BT1)).id == "lttng"
    assert lttng.FORMAT.score(b"[01:04:47.473484682] vm other:event: { }, { a = 1 }\n") == 0


@pytest.mark.captures
def test_the_capture_has_the_records_of_its_log(capture_bytes: Callable[[str, str], bytes]) -> None:
    text = read_text(capture_bytes("qemu-9.0.0/ust-log", "babeltrace.txt"))
    log = read_log(capture_bytes("qemu-9.0.0/ust-log", "trace.log"))
    assert text.stats.gaps == []
    assert text.stats.other_lines == 0
    told = sorted((r.tid, r.text) for r in text.records if r.name in MEANT)
    assert told == sorted((r.tid, r.text) for r in log.records if r.name in MEANT)


@pytest.mark.captures
def test_the_capture_gives_the_verdicts_of_its_log(capture_path: CapturePath) -> None:
    def windows(path: Path) -> list[tuple[str, Verdict, int, int]]:
        return [(w.rule, w.verdict, w.node, len(w.requests)) for w in open_trace(path).scan().windows]

    text, log = (windows(capture_path("qemu-9.0.0/ust-log", f)) for f in ("babeltrace.txt", "trace.log"))
    assert text == log
    assert [w[1] for w in text] == [Verdict.CLEAN] * 29
