"""Timelines as tables: columns, exact times, what is absent, and ranges of records. The traces are synthetic."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.timeline.story import (
    DISK,
    IOHANDLER,
    MAIN,
    START_US,
    STEP_US,
    VDEV,
    VQ,
    Story,
    instrumented,
    trace_of,
)
from traceview.api import open
from traceview.errors import MissingEventsError
from traceview.timeline import Timeline
from traceview.timeline.frames import frame_of

SAMPLES = Path(__file__).resolve().parents[2] / "sample-traces"
CALLS = {
    "kind": "str", "ctx": "str", "context": "str", "tid": "Int64", "depth": "int64", "iteration": "int64",
    "first_record": "int64", "last_record": "Int64", "ts_ns": "Int64", "duration_us": "Float64",
}  # fmt: skip
EXTERNAL = {"ctx": "str", "context": "str", "record": "int64", "ts_ns": "Int64", "disabled_count": "int64"}
NOTIFIER_READS = {
    "device": "str", "queue": "str", "served_by": "str", "tid": "Int64", "iteration": "int64", "record": "int64",
    "ts_ns": "Int64",
}  # fmt: skip
TABLES = ("iterations", "dispatches", "bhs", "drains", "external", "notifier_reads", "requests")
PAST_FLOATS = 2**53 + 1
"""The first whole number that a float64 cannot hold; a clock in ns has been past it since 104 days of uptime."""


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(n): str(t).replace("object", "str") for n, t in frame.dtypes.items()}


def everything() -> Story:
    """Tell a trace that fills every table."""
    story = instrumented()
    story.start()
    story.look()
    story.iteration()
    story.dispatch(MAIN)
    story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1")
    story.say(f"aio_disable_external ctx 0x{IOHANDLER:x} external_disable_cnt 1")
    story.say(f"qemu_bh_schedule ctx 0x{MAIN:x} bh 0x31 cb 0x99")
    story.defer()
    story.dispatch_done(MAIN)
    story.dispatch(IOHANDLER)
    story.kick()
    story.take_up("write", 8192, request=0x70)
    story.submit("pwritev", 8192, request=0x70)
    story.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x70 ret 0")
    story.dispatch_done(IOHANDLER)
    story.iteration()
    story.dispatch(MAIN)
    story.say(f"aio_bh_call ctx 0x{MAIN:x} bh 0x31 cb 0x99")
    story.leave()
    story.say(f"aio_enable_external ctx 0x{IOHANDLER:x} external_disable_cnt 0")
    story.say(f"bdrv_drained_end bs 0x{DISK:x} quiesce_counter 0")
    story.dispatch_done(MAIN)
    return story


# rows to columns


def test_a_table_has_the_columns_asked_for_and_na_for_none() -> None:
    frame = frame_of([(1, None, "a"), (None, 2.5, "b")], {"x": "Int64", "y": "Float64", "z": "str"})
    assert dtypes(frame) == {"x": "Int64", "y": "Float64", "z": "str"}
    assert frame["x"].isna().tolist() == [False, True]
    assert frame["y"].isna().tolist() == [True, False]


def test_large_numbers_beside_absent_ones_are_not_rounded() -> None:
    frame = frame_of([(PAST_FLOATS,), (None,), (PAST_FLOATS + 1,)], {"ts_ns": "Int64"})
    assert frame["ts_ns"].tolist() == [PAST_FLOATS, pd.NA, PAST_FLOATS + 1]


def test_a_table_without_rows_has_its_columns() -> None:
    assert dtypes(frame_of((), CALLS)) == CALLS


# the tables


def test_dispatches_are_told_with_context_depth_and_iteration() -> None:
    story = Story().cast()
    story.iteration()
    dispatch = story.dispatch(MAIN)
    poll = story.poll(IOHANDLER)
    poll_done = story.poll_done(IOHANDLER)
    dispatch_done = story.dispatch_done(MAIN)
    iohandler_poll = story.say("qemu_iohandler_poll ret 1")
    table = story.trace().timeline().dispatches
    assert dtypes(table) == CALLS
    assert table["kind"].tolist() == ["dispatch", "poll", "iohandler_poll"]
    assert table["context"].tolist() == ["qemu_aio_context", "iohandler_ctx", ""]
    assert table["ctx"].tolist() == [hex(MAIN), hex(IOHANDLER), ""]
    assert table["depth"].tolist() == [1, 2, 1]
    assert table["iteration"].tolist() == [1, 1, 1]
    assert table["first_record"].tolist() == [n - 1 for n in (dispatch, poll, iohandler_poll)]
    assert table["last_record"].tolist() == [dispatch_done - 1, poll_done - 1, pd.NA]
    assert table["duration_us"].tolist() == [3 * STEP_US, STEP_US, pd.NA]
    assert table["ts_ns"].tolist() == [(START_US + n * STEP_US) * 1000 for n in (dispatch, poll, iohandler_poll)]


def test_changes_of_external_events_are_told_with_the_count_after_them() -> None:
    story = Story().cast()
    off = story.say(f"aio_disable_external ctx 0x{IOHANDLER:x} external_disable_cnt 1")
    on = story.say(f"aio_enable_external ctx 0x{IOHANDLER:x} external_disable_cnt 0")
    table = story.trace().timeline().external
    assert dtypes(table) == EXTERNAL
    assert table["record"].tolist() == [off - 1, on - 1]
    assert table["disabled_count"].tolist() == [1, 0]
    assert table["context"].tolist() == ["iohandler_ctx"] * 2


def test_notifier_reads_are_told_with_what_served_them() -> None:
    story = Story().cast()
    outside = story.kick()
    story.iteration()
    story.dispatch(IOHANDLER)
    inside = story.kick()
    story.dispatch_done(IOHANDLER)
    story.say("qemu_iohandler_poll ret 1")
    polled = story.kick()
    table = story.trace().timeline().notifier_reads
    assert dtypes(table) == NOTIFIER_READS
    assert table["record"].tolist() == [outside - 1, inside - 1, polled - 1]
    assert table["served_by"].tolist() == ["", "iohandler_ctx", "qemu_iohandler_poll"]
    assert table["device"].tolist() == [hex(VDEV)] * 3
    assert table["queue"].tolist() == [hex(VQ)] * 3
    assert table["iteration"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_its_events_says_which_meanings_the_trace_lacks(table: str) -> None:
    story = Story()
    story.start()
    with pytest.raises(MissingEventsError, match=r"no event of the trace means any of: [a-z_, ]+"):
        getattr(story.trace().timeline(), table)


def test_a_trace_without_any_known_event_has_no_timeline() -> None:
    for data in (b"", b"1@2.000003:nobody_knows_this x 1\n"):
        with pytest.raises(MissingEventsError, match="no event that a timeline is made of"):
            trace_of(data).timeline()


def test_a_trace_with_all_events_fills_every_table() -> None:
    timeline = everything().trace().timeline()
    assert all(len(getattr(timeline, name)) for name in (*TABLES, "jobs"))


# times


def test_times_in_nanoseconds_are_exact_in_every_table() -> None:
    story = everything()
    timeline = story.binary(first_ns=PAST_FLOATS).timeline()
    times = {PAST_FLOATS + line * STEP_US * 1000 for line in range(1, story.lines + 1)}
    columns = [(name, c) for name in (*TABLES, "jobs") for c in getattr(timeline, name) if c.endswith("_ns")]
    assert {name for name, _ in columns} == {*TABLES, "jobs"}
    for name, column in columns:
        found = getattr(timeline, name)[column].dropna().tolist()
        assert found, (name, column)
        assert set(found) <= times, (name, column)
    assert timeline.iterations["ts_ns"].tolist() == [
        PAST_FLOATS + (int(record) + 1) * STEP_US * 1000 for record in timeline.iterations["first_record"]
    ]


def test_a_binary_trace_has_no_lines_and_a_log_has() -> None:
    story = everything()
    assert story.binary().timeline().requests["line"].isna().all()
    assert story.trace().timeline().requests["line"].notna().all()


def test_log_and_binary_of_one_story_give_the_same_tables_but_for_lines_and_clocks() -> None:
    story = everything()
    log, binary = story.trace().timeline(), story.binary().timeline()
    for name in (*TABLES, "jobs"):
        same = [c for c in getattr(log, name) if c != "line" and not c.endswith("_ns")]
        pd.testing.assert_frame_equal(getattr(log, name)[same], getattr(binary, name)[same])


def test_without_times_durations_are_absent_and_not_0() -> None:
    timeline = everything().trace(prefix=False).timeline()
    assert timeline.dispatches["duration_us"].isna().all()
    assert timeline.drains["duration_us"].isna().all()
    assert timeline.bhs["delay_us"].isna().all()
    assert timeline.iterations["ts_ns"].isna().all()


# ranges of records


def test_a_range_keeps_its_records_and_the_numbers_they_have_in_the_whole_trace() -> None:
    story = Story().cast()
    for _ in range(6):
        story.iteration()
    whole = story.trace().timeline().iterations
    first, last = 7, 9
    part = story.trace().timeline(first, last)
    assert [int(r) for r in part.table.record] == [7, 8, 9]
    wanted = whole[whole["first_record"].between(first, last)].reset_index(drop=True)
    assert part.iterations["iteration"].tolist() == wanted["iteration"].tolist() == [3, 4, 5]


def test_a_range_keeps_the_names_from_before_it() -> None:
    story = Story().cast()
    first = story.dispatch(MAIN) - 1
    part = story.trace().timeline(first, first)
    assert part.dispatches["context"].tolist() == ["qemu_aio_context"]


def test_a_range_keeps_the_requests_that_began_in_it() -> None:
    story = Story().cast()
    records = [story.read(4096 * n) - 1 for n in range(5)]
    part = story.trace().timeline(records[1], records[3])
    assert part.requests["submitted_record"].tolist() == records[1:4]


def test_what_comes_after_a_range_is_not_told_wherever_the_batches_end() -> None:
    story = Story().cast()
    story.start()
    taken_up = story.take_up("write", 0, request=0x70)
    submitted = story.submit("pwritev", 0, request=0x70)
    last = story.defer() - 1
    story.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x70 ret 0")
    story.leave()
    part = story.trace().timeline(0, last)
    assert part.jobs["deferred_record"].tolist() == [last]
    assert part.jobs["exit_record"].isna().all()
    assert part.requests["completed_record"].isna().all()
    assert part.requests["taken_up_record"].tolist() == [taken_up - 1]
    assert part.requests["submitted_record"].tolist() == [submitted - 1]
    pd.testing.assert_frame_equal(part.jobs, trace_of(story.log(), chunk_bytes=1).timeline(0, last).jobs)


def test_a_range_behind_the_end_is_empty() -> None:
    story = everything()
    part = story.trace().timeline(10_000, 20_000)
    assert len(part.table) == 0
    with pytest.raises(MissingEventsError):
        _ = part.iterations


def test_a_range_before_the_first_known_event_is_empty() -> None:
    part = everything().trace().timeline(0, -1)
    assert len(part.table) == 0
    assert part.jobs.empty


@pytest.mark.parametrize("sample", ["lp1570134-case-1", "stock-9.0-parked"])
def test_a_range_of_a_real_trace_is_the_same_as_that_stretch_of_the_whole(sample: str) -> None:
    trace = open(SAMPLES / sample / "trace.log")
    whole = trace.timeline()
    first, last = 300, 700
    part: Timeline = trace.timeline(first, last)
    inside = whole.requests["taken_up_record"].fillna(whole.requests["submitted_record"]).between(first, last)
    wanted = whole.requests[inside].reset_index(drop=True)
    same = ["op", "offset_bytes", "length_bytes", "taken_up_record", "kick_record", "iteration"]
    pd.testing.assert_frame_equal(part.requests[same], wanted[same])
    assert len(part.requests)


def test_names_that_are_no_utf8_are_written_out_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(
        b"1@2.000001:blk_attach blk 0x1 name dri\xffve bs 0x2\n"
        b"1@2.000002:virtio_blk_handle_write req 0x3 sector 0 nsectors 8\n"
        b"1@2.000003:blk_aio_writev blk 0x1 bs 0x2 sector_num 0 nb_sectors 8 opaque 0x3\n"
    )
    assert open(path).requests()["device"].tolist() == [r"dri\xffve"]
