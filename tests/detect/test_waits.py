"""What waits too long, of what begins by the million: coroutines that nobody runs, requests that never arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, every_cut, pieces
from tests.detect.ruled import Tale, of_all_cuts, rule, table_of
from tests.timeline.story import BLOCK, DISK, DRIVE
from traceview.api import Trace
from traceview.detect.inside import Surroundings
from traceview.detect.keyed_state import KeyedWindow
from traceview.detect.waits import LongWaits
from traceview.events import NO_TIME
from traceview.findings import Verdict
from traceview.rules import Rule
from traceview.vocabulary import Meaning, MeaningTable, Row

LIMIT_US = 1000
COROUTINES = rule(
    "open coroutine_schedule(coroutine) restarts close coroutine_schedule_bh(coroutine) lasts 1 ms",
    template="never-closed", subject="coroutine",
)  # fmt: skip
REQUESTS = rule(
    "open guest_taken_up(request) restarts close guest_reached(request) lasts 1 ms",
    template="never-closed", subject="request",
)  # fmt: skip
CO, OTHER_CO = 0x5, 0x6
Q, OTHER_Q = 0x70, 0x71
Wait = tuple[int, int, int | None]
"""Key, line of the beginning, line of the end."""


def schedule(tale: Tale, co: int = CO, *, us: int | None = None) -> int:
    return tale.say(f"aio_co_schedule ctx 0xc1 co 0x{co:x}", us=us)


def run(tale: Tale, co: int = CO, *, us: int | None = None) -> int:
    return tale.say(f"aio_co_schedule_bh_cb ctx 0xc1 co 0x{co:x}", us=us)


def waits_in(tables: Iterable[MeaningTable], own: Rule) -> tuple[list[Wait], int]:
    """Return what waited too long, by key and beginning, and how much waited and ended in time."""
    (clause,) = own.windows
    waits = LongWaits(own, clause, Surroundings())
    found: list[KeyedWindow] = []
    for table in tables:
        found += waits.feed(table, frozenset(table.meaning.tolist()))
    found += waits.finish()
    own_windows = [(w.key, w.open.line, w.close.line if w.close else None) for w in found]
    return sorted(own_windows, key=lambda wait: wait[:2]), waits.in_time


def waits(story: Tale | Trace, own: Rule = COROUTINES) -> list[Wait]:
    """Return the same of a story, which any cut of it must give."""
    table = table_of(story)
    cuts = every_cut(story) if isinstance(story, Tale) else [[]]
    found = [waits_in(pieces(table, c), own) for c in cuts]
    assert all(f == found[0] for f in found)
    return found[0][0]


# coroutines: known by their pointer


def test_what_ends_in_time_is_of_no_interest() -> None:
    tale = Tale()
    schedule(tale, us=0)
    run(tale, us=LIMIT_US - 1)
    assert waits(tale) == []


def test_what_ends_too_late_waited_from_its_beginning_to_its_end() -> None:
    tale = Tale()
    begun = schedule(tale, us=0)
    ended = run(tale, us=LIMIT_US)
    run(tale)
    assert waits(tale) == [(CO, begun, ended)]


def test_a_wait_is_broken_by_its_own_beginning() -> None:
    tale = Tale()
    begun = schedule(tale, us=0)
    run(tale, us=LIMIT_US)
    (window,) = of_all_cuts(tale, COROUTINES)
    assert (window.verdict, window.key, window.subject) == (Verdict.VIOLATED, CO, "coroutine")
    assert [(h.mark.line, h.text) for h in window.happenings] == [(begun, "aio_co_schedule")]


def test_what_never_ends_has_waited_too_long_when_the_trace_has_gone_on_for_so_long() -> None:
    tale = Tale()
    begun = schedule(tale, us=0)
    tale.iteration()
    assert waits(tale) == []
    tale.say("main_loop_wait nonblocking 0", us=LIMIT_US)
    assert waits(tale) == [(CO, begun, None)]


def test_each_waits_by_itself() -> None:
    tale = Tale()
    begun = schedule(tale, us=0), schedule(tale, OTHER_CO, us=10)
    run(tale, CO, us=20)
    schedule(tale, CO, us=30)
    ended = run(tale, OTHER_CO, us=2 * LIMIT_US)
    late = run(tale, CO)
    assert waits(tale) == [(CO, begun[1] + 2, late), (OTHER_CO, begun[1], ended)]


def test_what_begins_again_waits_anew() -> None:
    tale = Tale()
    schedule(tale, us=0)
    schedule(tale, us=600)
    run(tale, us=1200)
    assert waits(tale) == []


def test_and_has_waited_too_long_if_its_new_beginning_comes_too_late() -> None:
    tale = Tale()
    begun = schedule(tale, us=0)
    again = schedule(tale, us=LIMIT_US)
    run(tale)
    assert waits(tale) == [(CO, begun, again)]


def test_what_was_not_seen_to_begin_waits_for_nobody() -> None:
    tale = Tale()
    run(tale, us=0)
    run(tale, us=5 * LIMIT_US)
    assert waits(tale) == []


def test_without_times_nothing_has_waited_too_long() -> None:
    tale = Tale()
    schedule(tale, us=0)
    schedule(tale, OTHER_CO, us=0)
    run(tale, us=5 * LIMIT_US)
    assert len(waits(tale)) == 2
    assert waits(tale.trace(prefix=False)) == []


def test_all_that_ended_in_time_is_counted() -> None:
    tale = Tale()
    for _ in range(3):
        schedule(tale)
    run(tale)
    schedule(tale, OTHER_CO)
    for cuts in every_cut(tale):
        assert waits_in(pieces(tale.table(), cuts), COROUTINES) == ([], 3)  # two of them begin anew
    without_times = table_of(tale.trace(prefix=False))
    assert waits_in([without_times], COROUTINES) == ([], 0)


def test_a_wait_with_an_end_that_has_no_time_is_not_known_to_end_in_time() -> None:
    tale = Tale()
    schedule(tale)
    run(tale)
    schedule(tale)
    run(tale)
    table = tale.table()
    table.batch.ts_ns[3] = NO_TIME
    (clause,) = COROUTINES.windows
    waits = LongWaits(COROUTINES, clause, Surroundings())
    assert list(waits.feed(table, frozenset(table.meaning.tolist()))) == []
    assert (waits.in_time, waits.untimed) == (1, True)


def test_a_pointer_that_is_null_names_nothing() -> None:
    tale = Tale()
    tale.say("aio_co_schedule ctx 0xc1 co (nil)", us=0)
    tale.iteration()
    tale.say("main_loop_wait nonblocking 0", us=5 * LIMIT_US)
    assert waits(tale) == []


# requests: known by their pointer, or by their place


def late(tale: Tale, act: Callable[[Tale], int]) -> int:
    """Tell something that comes too late for whatever began before it."""
    tale.us += 2 * LIMIT_US
    return act(tale)


@pytest.mark.parametrize("end", [Tale.done, Tale.answered, lambda t, q: t.submit("pwritev", 0, request=q)])
def test_a_request_waits_until_its_pointer_is_handed_over_or_it_is_done(end: Callable[[Tale, int], int]) -> None:
    tale = Tale()
    tale.reach("pwritev", 9 * BLOCK)
    begun = tale.take_up("write", 0, request=Q)
    tale.take_up("write", BLOCK, request=OTHER_Q)
    end(tale, OTHER_Q)
    ended = late(tale, lambda t: end(t, Q))
    assert waits_in([tale.table()], REQUESTS) == ([(Q, begun, ended)], 1)


def test_a_request_that_reaches_its_node_is_known_by_its_place() -> None:
    tale = Tale()
    begun = tale.take_up("write", 0, request=Q)
    tale.reach("preadv", 0)
    tale.reach("pwritev", BLOCK)
    ended = late(tale, lambda t: t.reach("pwritev", 0))
    tale.reach("pwritev", 0)
    assert waits(tale, REQUESTS) == [(Q, begun, ended)]


def test_a_request_that_arrives_in_time_is_not_met_again_later() -> None:
    tale = Tale()
    tale.take_up("write", 0, request=Q)
    tale.reach("pwritev", 0)
    late(tale, lambda t: t.reach("pwritev", 0))
    assert waits(tale, REQUESTS) == []


def test_merged_requests_arrive_together() -> None:
    tale = Tale()
    begun = [tale.take_up("write", number * BLOCK, request=Q + number) for number in range(4)]
    merged = f"blk_co_pwritev blk 0x{DRIVE:x} bs 0x{DISK:x} offset {BLOCK} bytes {2 * BLOCK} flags 0x0"
    ended = late(tale, lambda t: t.say(merged))
    assert waits(tale, REQUESTS) == [
        (Q, begun[0], None), (Q + 1, begun[1], ended), (Q + 2, begun[2], ended), (Q + 3, begun[3], None),
    ]  # fmt: skip


def test_a_request_that_is_covered_only_in_part_has_not_arrived() -> None:
    tale = Tale()
    begun = tale.take_up("write", BLOCK, request=Q)
    for shift in (-512, 512):
        tale.reach("pwritev", BLOCK + shift)
    late(tale, Tale.iteration)
    assert waits(tale, REQUESTS) == [(Q, begun, None)]


def test_a_disk_that_takes_up_one_request_at_a_time_is_known_by_its_device() -> None:
    tale = Tale()
    ide = "ide_dma_cb IDEState 0x{:x}; sector_num={} n=8 cmd=DMA {}".format
    begun = tale.say(ide(0xE5, 0, "WRITE"))
    tale.say(ide(0xE6, 80, "READ"))
    tale.reach("preadv", 80 * 512)
    ended = late(tale, lambda t: t.reach("pwritev", 0))
    assert waits(tale, REQUESTS) == [(0xE5, begun, ended)]


def test_requests_that_nothing_names_are_left_aside() -> None:
    tale = Tale()
    tale.say("ide_sector_write sector=0 nsectors=8")
    tale.reach("preadv", BLOCK)
    late(tale, Tale.iteration)
    assert waits(tale, REQUESTS) == []


# against a plain walk over the records


def walked(
    table: MeaningTable, opens: Meaning, closes: tuple[Meaning, ...], role: str, *, by_place: bool
) -> tuple[list[Wait], int]:
    """Return what waited too long and how much ended in time, by looking at each record in turn."""
    waiting: dict[int, Row] = {}
    found: list[Wait] = []
    in_time = 0

    def ends(key: int, row: Row) -> None:
        nonlocal in_time
        begun = waiting.pop(key, None)
        if begun is None:
            return
        if row.ts_ns - begun.ts_ns >= LIMIT_US * 1000:
            found.append((key, begun.line, row.line))
        else:
            in_time += 1

    rows = [table.row(i) for i in range(len(table))]
    for row in rows:
        if row.meaning is opens or row.meaning in closes:
            ends(row.role(role), row)
        if by_place and row.meaning is Meaning.REACH:
            first, last = row.role("offset"), row.role("offset") + row.role("length")
            for key, request in list(waiting.items()):
                start = request.role("offset")
                if request.op is row.op and first <= start and start + request.role("length") <= last:
                    ends(key, row)
        if row.meaning is opens:
            waiting[row.role(role)] = row
    last_ns = max(row.ts_ns for row in rows)
    found += [(k, r.line, None) for k, r in waiting.items() if last_ns - r.ts_ns >= LIMIT_US * 1000]
    return sorted(found, key=lambda wait: wait[:2]), in_time


pauses = st.sampled_from([0, 10, 300, 700, 999, 1000, 2500])
cuts_of = any_cuts(30)


@given(
    st.lists(st.tuples(st.sampled_from(["schedule", "run", "other"]), st.integers(1, 3), pauses), max_size=25), cuts_of
)
def test_long_waits_of_coroutines_are_those_that_a_plain_walk_finds(
    acts: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    tale = Tale()
    tale.iteration()
    for act, co, pause in acts:
        tale.us += pause
        match act:
            case "schedule":
                schedule(tale, co, us=tale.us)
            case "run":
                run(tale, co, us=tale.us)
            case _:
                tale.say("main_loop_wait nonblocking 0", us=tale.us)
    table = tale.table()
    own = Meaning.COROUTINE_SCHEDULE, (Meaning.COROUTINE_SCHEDULE_BH,)
    assert waits_in(pieces(table, cuts), COROUTINES) == walked(table, *own, "coroutine", by_place=False)


request_acts = st.tuples(
    st.sampled_from(["take up", "take up", "reach", "hand over", "done", "other"]),
    st.sampled_from(["read", "write"]),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
    pauses,
)


@given(st.lists(request_acts, max_size=25), cuts_of)
def test_long_waits_of_requests_are_those_that_a_plain_walk_finds(
    acts: list[tuple[str, str, int, int, int, int]], cuts: list[int]
) -> None:
    tale = Tale()
    tale.iteration()
    for act, op, request, slot, blocks, pause in acts:
        tale.us += pause
        verb = "preadv" if op == "read" else "pwritev"
        match act:
            case "take up":
                tale.take_up(op, slot * BLOCK, request=request)
            case "reach":
                place = f"offset {slot * BLOCK} bytes {blocks * BLOCK} flags 0x0"
                tale.say(f"blk_co_{verb} blk 0x{DRIVE:x} bs 0x{DISK:x} {place}")
            case "hand over":
                tale.submit(verb, slot * BLOCK, request=request)
            case "done":
                tale.done(request)
            case _:
                tale.iteration()
    table = tale.table()
    ends = (Meaning.SUBMIT, Meaning.REQUEST_DONE)
    assert waits_in(pieces(table, cuts), REQUESTS) == walked(
        table, Meaning.DEVICE_REQUEST, ends, "request", by_place=True
    )
