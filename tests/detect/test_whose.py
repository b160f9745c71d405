"""Whose a record is: by process, by thread, by what only happens when a QEMU begins; however the records are cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import trace_of
from traceview.detect.beginnings import WATCHED
from traceview.detect.whose import NAMELESS_RECORDS, Ids, Whose
from traceview.events import EventBatch
from traceview.vocabulary import builtin

OLD = "virtio_blk_handle_write req 0x1 sector 1 nsectors 8"
"""2.9 and older: ids are of processes."""
NEW = "bdrv_co_preadv_part bs 0xb1 offset 0 bytes 512 flags 0x0"
"""6.0 and newer: ids are of threads."""
ANY = "virtio_notify vdev 0x1 vq 0x1"
OPEN = 'bdrv_open_common bs 0xb1 filename "a" flags 0x2 format_name "raw"'
ATTACH = "blk_root_attach child 0x1 blk 0xd1 bs 0xb1"
START = "mirror_start bs 0xb1 s 0xa1 opaque 0x1"
MAIN_CONTEXT = "aio_context_name ctx 0xc1 name qemu_aio_context"
RUNS = "runstate_set current_run_state 6 (prelaunch) new_state 9 (running)"
STOPS = "runstate_set current_run_state 9 (running) new_state 11 (shutdown)"

Told = tuple[int, str]
"""A thread or process, 0 for a bare line, and a record."""


def batch_of(told: Sequence[Told]) -> EventBatch:
    lines = [f"{i}@1600000000.{n % 1_000_000:06d}:{text}\n" if i else f"{text}\n" for n, (i, text) in enumerate(told)]
    return EventBatch.concat(list(trace_of("".join(lines).encode()).batches()))


def lives_of(
    told: Sequence[Told], ids: Ids = Ids.EITHER, cuts: Sequence[int] = (), starts: Sequence[int] = (), most: int = 99
) -> tuple[Whose, list[int]]:  # fmt: skip
    """Return the life of each record, -1 for one of none, by the order of the lives' beginnings."""
    batch = batch_of(told)
    whose = Whose(builtin(), ids, most, starts=lambda: starts)
    edges = [0, *sorted(c for c in cuts if 0 < c < len(batch)), len(batch)]
    parts = []
    for a, b in itertools.pairwise(edges):
        parts += list(whose.feed(batch.take(slice(a, b))))
    parts += list(whose.finish())
    found = [-1] * len(told)
    for life, part in parts:
        assert part.record.tolist() == sorted(part.record.tolist())
        for record in part.record.tolist():
            assert found[record] == -1, "a record comes once"
            found[record] = life
    order = sorted(range(len(whose.registry.lives)), key=lambda n: whose.registry.lives[n].first_record)
    return whose, [order.index(n) if n >= 0 else -1 for n in found]


def test_one_id_is_one_life() -> None:
    assert lives_of([(7, OLD), (7, ANY), (7, NEW)])[1] == [0, 0, 0]


def test_up_to_3_1_ids_are_of_processes() -> None:
    whose, lives = lives_of([(7, OLD), (8, ANY), (7, ANY), (9, OLD), (8, ANY)])
    assert lives == [0, 1, 0, 2, 1]
    assert [(b.process, b.by_id) for b in whose.registry.lives] == [(7, True), (8, True), (9, True)]


def test_from_4_0_ids_are_of_threads() -> None:
    assert lives_of([(7, NEW), (8, ANY), (7, ANY), (9, NEW), (8, ANY)])[1] == [0] * 5


@pytest.mark.parametrize(("shows", "lives"), [(OLD, [0, 1, 0, 1, 0]), (NEW, [0] * 5), (ANY, [0] * 5)])
def test_which_of_both_a_later_record_shows(shows: str, lives: list[int]) -> None:
    assert lives_of([(7, ANY), (8, ANY), (7, ANY), (8, ANY), (7, shows)])[1] == lives


@pytest.mark.parametrize("cuts", [[], [5, 70], list(range(0, 100, 7))])
def test_no_more_than_so_many_records_wait_for_one_that_shows_it(
    cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("traceview.detect.whose.HELD_RECORDS", 50)
    assert set(lives_of([(7, ANY), *((8, ANY) for _ in range(50)), (9, OLD)], cuts=cuts)[1]) == {0}
    assert set(lives_of([(7, ANY), *((8, ANY) for _ in range(49)), (9, OLD)], cuts=cuts)[1]) == {0, 1, 2}


def test_two_threads_that_both_do_what_a_main_thread_does_are_two_lives() -> None:
    whose, lives = lives_of([(7, OPEN), (7, NEW), (8, ANY), (20, OPEN), (21, ANY), (20, START)], Ids.THREAD)
    assert lives == [0, 0, 0, 1, 1, 1]
    assert [b.process for b in whose.registry.lives] == [7, 20]
    assert not whose.registry.mixed


def test_main_threads_that_alternate_are_told() -> None:
    whose, lives = lives_of([(7, OPEN), (20, OPEN), (7, START), (20, START)], Ids.THREAD)
    assert whose.registry.mixed
    assert lives == [0, 1, 1, 1]


@pytest.mark.parametrize("thread", [0, 7])
def test_a_main_context_that_is_made_again_is_anothers(thread: int) -> None:
    told = [(thread, t) for t in (MAIN_CONTEXT, ANY, OPEN, MAIN_CONTEXT, ANY)]
    assert lives_of(told, Ids.THREAD)[1] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("thread", [0, 7])
def test_after_the_end_an_image_that_is_opened_is_anothers(thread: int) -> None:
    told = [(thread, t) for t in (OPEN, RUNS, ANY, STOPS, ANY, OPEN, RUNS, OPEN, ANY)]
    assert lives_of(told, Ids.THREAD)[1] == [0] * 5 + [1] * 4


@pytest.mark.parametrize("thread", [0, 7])
def test_a_crash_is_noticed_when_the_next_one_runs_and_goes_back_to_its_first_image(thread: int) -> None:
    told = [(thread, t) for t in (OPEN, RUNS, ANY, OPEN, ATTACH, ANY, RUNS, ANY)]
    assert lives_of(told, Ids.THREAD)[1] == [0] * 3 + [1] * 5


def test_an_image_that_is_opened_while_the_guest_runs_begins_nothing() -> None:
    assert set(lives_of([(7, t) for t in (OPEN, RUNS, OPEN, ANY, ANY, STOPS)], Ids.THREAD)[1]) == {0}


def test_where_a_reader_saw_a_beginning_there_is_one() -> None:
    told = [(0, ANY)] * 6
    assert lives_of(told, Ids.THREAD, starts=[0])[1] == [0] * 6
    assert lives_of(told, Ids.THREAD, starts=[0, 2, 5])[1] == [0, 0, 1, 1, 1, 2]
    assert lives_of(told, Ids.PROCESS, starts=[0, 2])[1] == [0, 0, 1, 1, 1, 1]


def process_batch(ids: Sequence[int]) -> EventBatch:
    batch = batch_of([(1, OLD)] * len(ids))
    for i, own in enumerate(ids):
        batch.tid[i] = own
    return batch


@given(
    st.lists(st.sampled_from([0, 0, -1, 7, 8]), min_size=1, max_size=30),
    st.lists(st.integers(1, 29), max_size=6),
)  # fmt: skip
def test_records_of_process_0_are_of_whoever_is_named_next(ids: list[int], cuts: list[int]) -> None:
    expected = list(ids)
    for i in range(len(ids) - 1, -1, -1):
        if ids[i] == 0:
            expected[i] = next((n for n in ids[i:] if n > 0), 0)
    last = -1
    for i, own in enumerate(expected):
        last = expected[i] = own if own != -1 else last
    batch = process_batch(ids)
    whose = Whose(builtin(), Ids.PROCESS, 99)
    edges = [0, *sorted({c for c in cuts if c < len(ids)}), len(ids)]
    found = [-9] * len(ids)
    parts = [p for a, b in itertools.pairwise(edges) for p in whose.feed(batch.take(slice(a, b)))]
    for life, part in [*parts, *whose.finish()]:
        for record in part.record.tolist():
            process = whose.registry.lives[life].process
            found[record] = -1 if process is None else process
    assert found == expected


def test_of_many_without_a_name_the_last_ones_are_of_the_next() -> None:
    ids = [0] * (NAMELESS_RECORDS + 10) + [7]
    for step in (1 << 20, 1000):
        batch, whose = process_batch(ids), Whose(builtin(), Ids.PROCESS, 99)
        parts = [p for a in range(0, len(ids), step) for p in whose.feed(batch.take(slice(a, a + step)))]
        of_7 = sum(len(b) for n, b in [*parts, *whose.finish()] if whose.registry.lives[n].process == 7)
        assert of_7 == NAMELESS_RECORDS + 1


def test_lives_too_many_are_left_out() -> None:
    whose, lives = lives_of([(i, OLD) for i in range(1, 9)] * 2, Ids.PROCESS, most=3)
    assert lives == [0, 1, 2, -1, -1, -1, -1, -1] * 2
    assert whose.registry.beyond == 3


told = st.lists(
    st.tuples(
        st.sampled_from([0, 7, 8, 20]), st.sampled_from([ANY, ANY, OPEN, START, RUNS, STOPS, MAIN_CONTEXT, OLD, NEW])
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@given(told, st.sampled_from(Ids), st.lists(st.integers(1, 24), max_size=8), st.lists(st.integers(0, 24), max_size=2))
def test_where_batches_are_cut_does_not_matter(
    told: list[Told], ids: Ids, cuts: list[int], starts: list[int]
) -> None:  # fmt: skip
    starts = sorted(set(starts))
    whole, lives = lives_of(told, ids, starts=starts)
    pieces, same = lives_of(told, ids, cuts, starts)
    assert lives == same
    assert -1 not in lives

    def known(whose: Whose) -> list[tuple[int, int | None, bool]]:
        return sorted((b.first_record, b.process, b.by_id) for b in whose.registry.lives)

    assert known(whole) == known(pieces)
    assert whole.registry.mixed == pieces.registry.mixed


def test_what_is_watched_has_events() -> None:
    assert all(builtin().names_of(m) for m in WATCHED)
