"""The files of threads are merged by time: what comes out does not depend on how they are read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import trace_of
from traceview.events import EventBatch, Gap
from traceview.formats import format_by_id
from traceview.formats.merged import MergedReader, ThreadsSource
from traceview.source.memory import MemorySource
from traceview.vocabulary import builtin

LOG = format_by_id("log")


def line(thread: int, us: int, text: str) -> bytes:
    return f"{thread}@1600000000.{us:06d}:{text}\n".encode()


def notify(thread: int, us: int, vdev: int) -> bytes:
    return line(thread, us, f"virtio_notify vdev 0x{vdev:x} vq 0x1")


def merged(files: dict[int, bytes], *, chunk: int = 1 << 20, wanted: str = "") -> tuple[MergedReader, list[EventBatch]]:
    source = ThreadsSource({t: MemorySource(d, f"trace-{t}.log", chunk_bytes=chunk) for t, d in files.items()})
    reader = MergedReader(LOG, source, builtin().forms_of, None)
    batches = list(reader.batches(lambda name: not wanted or name == wanted))
    return reader, batches


def rows(batches: list[EventBatch]) -> Iterator[tuple[int, int, int, int, str]]:
    for batch in batches:
        for i in range(len(batch)):
            yield int(batch.record[i]), int(batch.ts_ns[i]), int(batch.tid[i]), int(batch.line[i]), batch.text(i)


def pointer(text: str) -> int:
    """Return the first pointer of a record."""
    return int(text.split(" 0x", 2)[1].split(maxsplit=1)[0], 16)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12), st.sampled_from(["virtio_notify", "bdrv_open_common"]))),
    st.integers(20, 300),
)
def test_the_order_is_that_of_time_then_of_threads_then_of_the_file(
    told: list[tuple[int, int, str]], chunk: int
) -> None:  # fmt: skip
    told.sort(key=lambda t: t[1])  # a thread's own times do not step back
    files = dict.fromkeys((1, 2, 3), b"")
    for n, (thread, us, event) in enumerate(told):
        own = 0x100 + n
        text = (
            f'bs 0x{own:x} filename "{n}" flags 0x2 format_name "raw"' if event[0] == "b" else f"vdev 0x{own:x} vq 0x1"
        )
        files[thread] += line(thread, us, f"{event} {text}")
    _, batches = merged(files, chunk=chunk)
    found = list(rows(batches))
    order = sorted(range(len(told)), key=lambda n: (told[n][1], told[n][0], n))
    assert [r[0] for r in found] == list(range(len(told)))
    assert [(r[1] - 1_600_000_000_000_000_000, r[2]) for r in found] == [(told[n][1] * 1000, told[n][0]) for n in order]
    assert [pointer(r[4]) - 0x100 for r in found] == order
    # What is wanted does not change the numbers.
    _, some = merged(files, chunk=chunk, wanted="virtio_notify")
    assert list(rows(some)) == [r for r in found if r[4].startswith("virtio_notify")]


def test_a_time_that_steps_back_in_a_file_leaves_its_order() -> None:
    _, batches = merged(
        {7: notify(7, 10, 1) + notify(7, 5, 2) + notify(7, 20, 3), 8: notify(8, 7, 4) + notify(8, 15, 5)}
    )
    assert [pointer(r[4]) for r in rows(batches)] == [4, 1, 2, 5, 3]


def test_records_without_a_time_stay_where_they_stand_in_their_file() -> None:
    bare = b"virtio_notify vdev 0x9 vq 0x1\n"
    _, batches = merged({7: notify(7, 10, 1) + bare + notify(7, 20, 3), 8: notify(8, 15, 4)})
    assert [pointer(r[4]) for r in rows(batches)] == [1, 9, 4, 3]


def test_which_records_have_the_time_of_another_thread_is_told() -> None:
    files = {7: notify(7, 1, 1) + notify(7, 2, 2) + notify(7, 2, 3), 8: notify(8, 2, 4) + notify(8, 3, 5)}
    source = ThreadsSource({t: MemorySource(d, str(t)) for t, d in files.items()})
    list(MergedReader(LOG, source, builtin().forms_of, None).batches(lambda _name: True))
    assert source.ties.tolist() == [1, 2, 3]


def test_a_gap_of_a_file_lies_anywhere_between_the_records_around_it() -> None:
    refused = line(7, 20, "virtio_notify vdev what")
    files = {
        7: notify(7, 10, 1) + refused + notify(7, 40, 3),
        8: b"".join(notify(8, us, us) for us in (5, 15, 25, 35, 45)),
    }
    reader, batches = merged(files)
    assert [(r[1] // 1000) % 100 for r in rows(batches)] == [5, 10, 15, 25, 35, 40, 45]
    (gap,) = reader.stats.gaps
    assert (gap.record, gap.first, gap.text.split(":")[0]) == (5, 2, "trace-7.log")
    assert [n for n in range(6) if gap.between(n, n + 1)] == [1, 2, 3, 4]


@pytest.mark.parametrize("end", [b"7@16", b"7@1600000000.000060:virtio_notify vdev 0x1 vq"])
def test_a_gap_at_the_end_of_a_file_may_lie_anywhere_behind_its_last_record(end: bytes) -> None:
    files = {7: notify(7, 10, 1) + end, 8: b"".join(notify(8, us, us) for us in (5, 15, 25))}
    reader, _ = merged(files)
    (gap,) = reader.stats.gaps
    assert isinstance(gap, Gap)
    assert [n for n in range(3) if gap.between(n, n + 1)] == [1, 2]


def test_what_was_met_is_that_of_all_files() -> None:
    files = {7: notify(7, 10, 1) + b"some text\n" + line(7, 11, "own_event x"), 8: notify(8, 5, 2) + notify(8, 6, 2)}
    reader, _ = merged(files)
    stats = reader.stats
    assert (stats.records, stats.lines, stats.other_lines) == (4, 5, 1)
    assert stats.names == {"virtio_notify": 3, "own_event": 1}
    assert stats.unknown_names == {"own_event"}
    assert (stats.first_ts_ns, stats.last_ts_ns) == (1_600_000_000_000_005_000, 1_600_000_000_000_011_000)
    assert stats.bytes_read == sum(map(len, files.values()))


def test_a_long_run_of_one_time_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.formats.merged.MOST_HELD", 100)
    monkeypatch.setattr("traceview.formats.log.BATCH_ROWS", 10, raising=False)
    files = {7: notify(7, 10, 1) * 5000, 8: notify(8, 5, 2) + notify(8, 10, 3) * 5000}
    _, batches = merged(files, chunk=1000)
    assert sum(map(len, batches)) == 10_001


def test_one_file_alone_is_read_as_it_is() -> None:
    data = b"".join(notify(7, us, us) for us in range(50))
    alone = list(rows(list(trace_of(data).batches())))
    _, batches = merged({7: data})
    assert list(rows(batches)) == alone
