"""Guest requests from kick to completion, each one record. The traces are synthetic, but for the samples."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.timeline.story import (
    BLOCK,
    DISK,
    DRIVE,
    OTHER_DISK,
    OTHER_DRIVE,
    OWN,
    START_US,
    STEP_US,
    VDEV,
    VQ,
    Story,
    stock,
)
from traceview.api import Trace, open
from traceview.errors import MissingEventsError
from traceview.formats import log
from traceview.timeline import requests as module
from traceview.timeline.devices import DeviceMap
from traceview.timeline.names import NameTracker

SAMPLES = Path(__file__).resolve().parents[2] / "sample-traces"
COLUMNS = {
    "op": "str", "device": "str", "node": "str", "offset_bytes": "int64", "length_bytes": "int64", "line": "Int64",
    "tid": "Int64", "iteration": "int64", "kick_record": "Int64", "taken_up_record": "Int64",
    "submitted_record": "Int64", "completed_record": "Int64", "taken_up_ns": "Int64", "submitted_ns": "Int64",
    "completed_ns": "Int64", "latency_us": "Float64", "ret": "Int64",
}  # fmt: skip
STEPS = ("kick_record", "taken_up_record", "submitted_record", "completed_record")


def complete(story: Story, request: int, ret: int = 0) -> int:
    return story.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x{request:x} ret {ret}")


def table(story: Story) -> pd.DataFrame:
    return story.trace().requests()


def chains(story: Story) -> list[tuple[int | None, ...]]:
    """Return the lines of kick, taking up, submission and completion of each request."""
    found = table(story)
    return [
        tuple(None if pd.isna(r) else r + 1 for r in row)
        for row in zip(*(found[c].tolist() for c in STEPS), strict=True)
    ]


# the chain


def test_a_request_is_one_row_from_kick_to_completion() -> None:
    story = Story().cast()
    story.iteration()
    kick = story.kick()
    story.say(f"virtio_queue_notify vdev 0x{VDEV:x} n 0 vq 0x{VQ:x}")  # the same kick on its way to the device
    taken_up = story.take_up("write", 8192, request=0x70)
    submitted = story.submit("pwritev", 8192, request=0x70)
    completed = complete(story, 0x70)
    assert chains(story) == [(kick, taken_up, submitted, completed)]
    (row,) = table(story).to_dict("records")
    assert (row["op"], row["offset_bytes"], row["length_bytes"]) == ("write", 8192, BLOCK)
    assert (row["device"], row["node"], row["iteration"], row["ret"]) == ("drive0", hex(DISK), 1, 0)
    assert (row["line"], row["tid"]) == (submitted, 1000)
    assert row["latency_us"] == (completed - taken_up) * STEP_US
    times = [(START_US + n * STEP_US) * 1000 for n in (taken_up, submitted, completed)]
    assert [row["taken_up_ns"], row["submitted_ns"], row["completed_ns"]] == times


def test_a_kick_without_notifier_read_is_the_queues_notify() -> None:
    story = Story().cast()
    kick = story.say(f"virtio_queue_notify vdev 0x{VDEV:x} n 0 vq 0x{VQ:x}")
    taken_up = story.take_up("write", 0, request=0x70)
    assert chains(story) == [(kick, taken_up, None, None)]


def test_one_kick_can_bring_several_requests() -> None:
    story = Story().cast()
    kick = story.kick()
    for number in range(3):
        story.take_up("read", number * BLOCK, request=0x70 + number)
    assert table(story)["kick_record"].tolist() == [kick - 1] * 3


def test_a_kick_on_another_thread_brings_nothing() -> None:
    story = Story().cast()
    story.kick()
    story.take_up("read", 0, tid=7)
    assert table(story)["kick_record"].isna().all()


def test_reaching_the_node_is_no_second_request() -> None:
    story = Story().cast()
    story.take_up("write", 8192, request=0x70)
    submitted = story.submit("pwritev", 8192, request=0x70)
    story.reach("pwritev", 8192, node=DISK)
    completed = complete(story, 0x70)
    ((_, _, *steps),) = chains(story)
    assert steps == [submitted, completed]


def test_but_the_next_one_at_the_same_place_is() -> None:
    story = Story().cast()
    for _ in range(2):
        story.submit("pwritev", 8192)
        story.reach("pwritev", 8192, node=DISK)
    story.reach("pwritev", 8192, node=DISK)
    assert len(table(story)) == 3


def test_where_reaching_the_node_is_not_traced_what_is_on_its_way_is_not_kept_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_OUTSTANDING", 4)
    story = Story().cast()
    for number in range(9):
        story.submit("pwritev", number * BLOCK)
    story.reach("pwritev", 0, node=DISK)
    assert len(table(story)) == 10


def test_requests_that_the_device_merges_share_their_submission() -> None:
    story = Story().cast()
    first = story.take_up("write", 0, request=0x70)
    second = story.take_up("write", BLOCK, request=0x71)
    apart = story.take_up("write", 9 * BLOCK, request=0x72)
    merged = story.submit("pwritev", 0, length=2 * BLOCK, request=0x70)
    done = [complete(story, r) for r in (0x70, 0x71)]
    assert chains(story) == [
        (None, first, merged, done[0]),
        (None, second, merged, done[1]),
        (None, apart, None, None),
    ]


def test_on_stock_builds_a_submission_is_found_by_its_place() -> None:
    story = stock()
    taken_up = story.take_up("write", 8192, request=0x70)
    other = story.take_up("write", 12288, request=0x71)
    submitted = story.reach("pwritev", 8192)
    assert chains(story)[-2:] == [(None, taken_up, submitted, None), (None, other, None, None)]


def test_on_stock_builds_merged_requests_are_found_by_what_covers_them() -> None:
    story = stock()
    story.take_up("read", 8192, request=0x70)
    story.take_up("read", 12288, request=0x71)
    text = f"blk_co_preadv blk 0x{DRIVE:x} bs 0x{DISK:x} offset 8192 bytes 8192 flags 0x0"
    submitted = story.say(text)
    assert table(story)["submitted_record"].tolist()[-2:] == [submitted - 1] * 2


@pytest.mark.parametrize("shift", [-512, 512])
def test_a_submission_that_covers_a_request_only_in_part_is_another_request(shift: int) -> None:
    story = stock()
    story.take_up("write", 0, request=0x70)
    story.reach("pwritev", 0)  # the BlockBackend is the device's
    story.take_up("write", 8192, request=0x71)
    story.reach("pwritev", 8192 + shift)
    found = table(story)
    assert found["offset_bytes"].tolist()[-2:] == [8192, 8192 + shift]
    assert found["submitted_record"].isna().tolist()[-2:] == [True, False]


def test_another_operation_at_the_same_place_is_another_request() -> None:
    story = stock()
    story.take_up("read", 0, request=0x70)
    story.reach("preadv", 0)  # the BlockBackend is the device's
    story.take_up("read", 8192, request=0x71)
    story.reach("pwritev", 8192)
    assert table(story)["op"].tolist()[-2:] == ["read", "write"]
    assert table(story)["submitted_record"].isna().tolist()[-2:] == [True, False]


def test_of_two_requests_at_the_same_place_the_older_is_submitted_first() -> None:
    story = stock()
    for request in (0x70, 0x71):
        story.take_up("write", 8192, request=request)
    submitted = [story.reach("pwritev", 8192) for _ in range(2)]
    assert table(story)["submitted_record"].tolist()[-2:] == [s - 1 for s in submitted]


def test_a_failed_request_says_so() -> None:
    story = Story().cast()
    story.take_up("read", 0, request=0x70)
    complete(story, 0x70, ret=-5)
    assert table(story)["ret"].tolist() == [-5]


def test_what_was_never_completed_has_neither_time_nor_result() -> None:
    story = Story().cast()
    story.take_up("read", 0, request=0x70)
    row = table(story).iloc[0]
    assert row[["completed_record", "completed_ns", "latency_us", "ret"]].isna().all()


def test_a_recycled_request_pointer_is_another_request() -> None:
    story = Story().cast()
    expected = []
    for offset in (0, 8192, 16384):
        taken_up = story.take_up("write", offset, request=0x70)
        submitted = story.submit("pwritev", offset, request=0x70)
        expected.append((None, taken_up, submitted, complete(story, 0x70)))
    assert chains(story) == expected


def test_a_request_pointer_that_is_used_anew_before_its_completion_was_seen_leaves_the_old_request_without() -> None:
    story = Story().cast()
    first = story.take_up("write", 0, request=0x70)
    second = story.take_up("write", 8192, request=0x70)
    completed = complete(story, 0x70)
    assert chains(story) == [(None, first, None, None), (None, second, None, completed)]


def test_and_that_one_does_not_hold_up_the_others() -> None:
    story = Story().cast()
    for offset in (0, 8192):
        story.take_up("write", offset, request=0x70)
    complete(story, 0x70)
    names, devices = NameTracker(), DeviceMap()
    given = module.RequestBuilder(names, devices).feed(story.table())
    assert [r.offset for r in given] == [0, 8192]


def test_a_completion_of_an_unknown_request_is_passed_over() -> None:
    story = Story().cast()
    complete(story, 0x70)
    story.read()
    assert len(table(story)) == 1


# IDE and other devices without request pointers


def ide(story: Story, op: str, offset: int) -> int:
    return story.say(f"ide_dma_cb IDEState 0x91; sector_num={offset // 512} n={BLOCK // 512} cmd=DMA {op}")


def dma(story: Story, offset: int, state: int = 0x92, blk: int = DRIVE) -> int:
    return story.say(f"dma_blk_io dbs=0x{state:x} bs=0x{blk:x} offset={offset} to_dev=0")


def dma_done(story: Story, state: int = 0x92, ret: int = 0) -> int:
    return story.say(f"dma_complete dbs=0x{state:x} ret={ret} cb=0x99")


def test_an_ide_request_is_completed_by_its_dma() -> None:
    story = Story()
    taken_up = ide(story, "WRITE", 8192)
    dma(story, 8192)
    submitted = story.reach("pwritev", 8192)
    completed = dma_done(story, ret=0)
    assert chains(story) == [(None, taken_up, submitted, completed)]
    (row,) = table(story).to_dict("records")
    assert (row["op"], row["device"], row["ret"]) == ("write", hex(DRIVE), 0)


def test_the_dma_belongs_to_the_last_request_at_its_place_on_its_thread() -> None:
    story = Story()
    ide(story, "READ", 8192)
    later = ide(story, "READ", 8192)
    dma(story, 8192)
    completed = dma_done(story)
    assert chains(story)[1] == (None, later, None, completed)


def test_a_dma_at_another_place_or_on_another_thread_belongs_to_no_request() -> None:
    story = Story()
    ide(story, "READ", 8192)
    dma(story, 0)
    story.tid = 7
    dma(story, 8192)
    dma_done(story)
    assert chains(story)[0][1:] == (1, None, None)


def test_a_trim_is_a_discard_and_a_packet_command_is_no_request() -> None:
    story = Story()
    ide(story, "TRIM", 0)
    ide(story, "ATAPI", 0)
    assert table(story)["op"].tolist() == ["discard"]


def test_nvme_requests_are_read_from_the_verb() -> None:
    story = Story()
    story.say("nvme_rw write 8 blocks (4096 bytes) from LBA 16")
    story.say("nvme_rw read 1 blocks (512 bytes) from LBA 3")
    found = table(story)
    assert found["op"].tolist() == ["write", "read"]
    assert found["offset_bytes"].tolist() == [8192, 1536]
    assert found["length_bytes"].tolist() == [4096, 512]


# whose requests


def test_a_jobs_own_requests_are_not_the_guests() -> None:
    story = Story().cast()
    story.write(blk=OWN)
    story.write(blk=DRIVE)
    assert table(story)["device"].tolist() == ["drive0"]


def test_requests_of_several_devices_are_told_apart() -> None:
    story = Story().cast()
    story.write(blk=DRIVE)
    story.write(blk=OTHER_DRIVE, node=OTHER_DISK)
    assert table(story)["device"].tolist() == ["drive0", "drive1"]
    assert table(story)["node"].tolist() == [hex(DISK), hex(OTHER_DISK)]


def test_a_device_that_is_tied_to_no_blockbackend_is_named_by_its_pointer() -> None:
    story = Story()
    story.take_up("read", 0)
    assert table(story)["device"].tolist() == [hex(VDEV)]
    assert table(story)["node"].tolist() == [""]


# order and memory


def test_requests_come_in_the_order_in_which_they_began() -> None:
    story = Story().cast()
    for request in (0x70, 0x71, 0x72):
        story.take_up("write", request * BLOCK, request=request)
    for request in (0x72, 0x70, 0x71):
        complete(story, request)
    assert table(story)["offset_bytes"].tolist() == [r * BLOCK for r in (0x70, 0x71, 0x72)]


def test_a_request_that_never_completes_does_not_hold_up_the_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OUTSTANDING", 3)
    story = Story().cast()
    for number in range(10):
        story.take_up("write", number * BLOCK, request=0x70 + number)
    assert table(story)["offset_bytes"].tolist() == [n * BLOCK for n in range(10)]


def frames(trace: Trace) -> pd.DataFrame:
    return pd.concat(list(trace.request_frames()), ignore_index=True)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/trace.log")), ids=lambda p: p.parent.name)
def test_the_stream_of_requests_is_the_table_of_requests(path: Path) -> None:
    pd.testing.assert_frame_equal(frames(open(path)), open(path).requests())


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/trace.log")), ids=lambda p: p.parent.name)
def test_each_request_that_a_device_took_up_is_one_row(path: Path) -> None:
    trace = open(path)
    found = trace.requests()
    names = open(path).events(["*"])["event"].value_counts()
    taken_up = names.reindex(["virtio_blk_handle_read", "virtio_blk_handle_write", "ide_dma_cb"]).fillna(0).sum()
    rows = found[found["taken_up_record"].notna()]
    if "ide_dma_cb" in names.index:  # called once more as each command ends
        assert 0 < len(rows) <= taken_up
    else:
        assert len(rows) == taken_up
    assert rows["taken_up_record"].is_unique
    late = found[found["submitted_record"].notna() & found["taken_up_record"].notna()]
    assert (late["submitted_record"] > late["taken_up_record"]).all()


def test_the_stream_of_a_trace_without_requests_has_the_columns_all_the_same() -> None:
    story = Story()
    story.iteration()
    found = list(story.trace().request_frames())
    assert {(frame.empty, *frame.columns) for frame in found} == {(True, *COLUMNS)}


def test_requests_of_a_blockbackend_that_no_device_uses_are_not_the_guests_where_devices_are_traced() -> None:
    story = stock()
    story.take_up("read", 0, request=0x70)
    story.reach("preadv", 0)
    story.reach("pwritev", 0, blk=OWN)
    assert set(table(story)["device"]) == {hex(DRIVE)}


# the table


def test_the_table_has_the_documented_columns() -> None:
    story = Story().cast()
    story.read()
    found = {n: str(t).replace("object", "str") for n, t in table(story).dtypes.items()}
    assert found == COLUMNS


def test_a_log_without_times_and_threads_has_neither() -> None:
    story = Story().cast()
    story.take_up("read", 0, request=0x70)
    complete(story, 0x70)
    found = story.trace(prefix=False).requests()
    assert found[["tid", "taken_up_ns", "completed_ns", "latency_us"]].isna().all(axis=None)
    assert found["completed_record"].notna().all()


def test_asking_for_requests_where_none_was_traced_says_what_is_missing() -> None:
    story = Story()
    story.iteration()
    with pytest.raises(MissingEventsError, match="device_request, submit, reach"):
        table(story)


@pytest.mark.parametrize("name", ["stock-4.1-ide-lost-write", "stock-9.0-parked", "lp1570134-first-diagram", "fixed"])
def test_the_requests_do_not_depend_on_how_the_trace_is_cut_into_batches(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parents[2] / "sample-traces" / name / "trace.log"
    whole = open(path).requests()
    monkeypatch.setattr(log, "BATCH_ROWS", 1)
    pd.testing.assert_frame_equal(open(path, chunk_bytes=64).requests(), whole)
    streamed = pd.concat(list(open(path, chunk_bytes=64).request_frames()), ignore_index=True)
    pd.testing.assert_frame_equal(streamed, whole)
