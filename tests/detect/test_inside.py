"""What stands inside windows whose subject is a pointer: forbidden, allowed, guarded, starved, in the wrong place."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.detect.ruled import Tale, followed, happened, inside, of_all_cuts, rule
from tests.timeline.story import (
    BLOCK,
    COPY,
    DISK,
    IO_THREAD,
    IOHANDLER,
    IOTHREAD,
    JOB,
    JOB2,
    MAIN,
    MAIN_THREAD,
    OTHER_DISK,
    OTHER_DRIVE,
)
from traceview.findings import Verdict, Window
from traceview.rules import Rule

EDGES = "open drained(node) close drained_end(node)"


def windows(tale: Tale, own: Rule) -> list[Window]:
    """Return a rule's windows in a story by their keys; any cut of the trace must give the same."""
    return sorted(of_all_cuts(tale, own), key=lambda w: w.key)


def window(tale: Tale, clauses: str, template: str = "forbidden-in-window") -> Window:
    (found,) = windows(tale, rule(clauses, template=template))
    return found


def section(acts: Iterable[Callable[[Tale], int]]) -> Tale:
    """Tell a drained section of the disk in which the acts are told."""
    tale = Tale()
    tale.drained()
    for act in acts:
        act(tale)
    tale.end()
    return tale


# what is forbidden, and whose it is


def test_only_what_is_of_the_windows_node_and_stands_between_its_edges_counts() -> None:
    tale = Tale()
    tale.write()
    tale.drained()
    tale.write(node=OTHER_DISK)
    own = tale.write()
    tale.end()
    tale.write()
    assert inside(window(tale, f"{EDGES} forbid guest_io(node)")) == [own]


def test_a_pattern_without_subject_counts_in_every_window() -> None:
    tale = Tale()
    for node in (DISK, OTHER_DISK):
        tale.drained(node)
    request = tale.write(node=COPY)
    for node in (DISK, OTHER_DISK):
        tale.end(node)
    assert [inside(w) for w in windows(tale, rule(f"{EDGES} forbid guest_io"))] == [[request], [request]]


def test_a_request_is_taken_down_with_its_place_and_whose_it_is() -> None:
    (request,) = window(
        section([lambda t: t.read(3 * BLOCK, blk=OTHER_DRIVE)]), f"{EDGES} forbid guest_io(node)"
    ).requests
    assert (request.op.label, request.offset, request.length) == ("read", 3 * BLOCK, BLOCK)
    assert (request.blk, request.node, request.held_back) == (OTHER_DRIVE, DISK, False)
    assert request.mark.event == "blk_aio_preadv"


def test_what_is_no_request_is_taken_down_as_it_was_traced() -> None:
    found = window(section([Tale.begin]), f"{EDGES} forbid drained_begin(node)")
    assert [h.text for h in found.happenings] == [f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1"]
    assert (found.requests, found.verdict) == ([], Verdict.VIOLATED)


def test_a_window_in_which_nothing_stands_is_whole() -> None:
    found = window(section([]), f"{EDGES} forbid guest_io(node)")
    assert (found.requests, found.happenings) == ([], [])


def test_of_two_steps_of_requests_the_one_nearer_to_the_node_counts() -> None:
    tale = section([lambda t: t.write(BLOCK), lambda t: t.reach("pwritev", BLOCK, node=DISK)])
    assert [r.mark.event for r in window(tale, f"{EDGES} forbid guest_io(node)").requests] == ["blk_co_pwritev"]


def test_a_step_of_its_own_counts_wherever_it_is_the_only_one() -> None:
    for act in (lambda t: t.write(BLOCK), lambda t: t.reach("pwritev", BLOCK, node=DISK)):
        assert len(window(section([act]), f"{EDGES} forbid guest_io(node)").requests) == 1
    both = [lambda t: t.write(BLOCK), lambda t: t.reach("pwritev", BLOCK, node=DISK)]
    assert len(window(section(both), f"{EDGES} forbid guest_submit(node)").requests) == 1


# whose node a job works on


JOB_IO = f"{EDGES} forbid job_io(node)"


def test_the_node_of_a_job_is_the_one_that_its_start_names() -> None:
    tale = Tale()
    tale.start(JOB, DISK)
    tale.start(JOB2, OTHER_DISK)
    for node in (DISK, OTHER_DISK):
        tale.drained(node)
    copies = [tale.copy(job) for job in (JOB2, JOB)]
    for node in (DISK, OTHER_DISK):
        tale.end(node)
    found = windows(tale, rule(JOB_IO))
    assert [happened(w) for w in found] == [[copies[1]], [copies[0]]]


def test_a_job_whose_start_is_not_in_the_trace_is_of_no_node() -> None:
    assert happened(window(section([Tale.copy]), JOB_IO)) == []


def test_a_job_that_starts_in_the_window_is_of_its_node_from_there_on() -> None:
    found = window(section([Tale.copy, Tale.start, Tale.copy, lambda t: t.start(node=COPY), Tale.copy]), JOB_IO)
    assert happened(found) == [4]


# what is allowed


def test_what_is_allowed_does_not_count() -> None:
    acts: list[Callable[[Tale], int]] = [lambda t: t.read(), lambda t: t.write(0), lambda t: t.write(BLOCK)]
    found = window(
        section(acts), f"{EDGES} forbid guest_io(node) allow guest_read(node) or guest_write(node, offset = 0)"
    )
    assert inside(found) == [4]


def test_what_is_allowed_against_the_opening_is_allowed_as_far_as_it_is_like_it() -> None:
    acts = [lambda t: t.submit("pwritev", tid=MAIN_THREAD), lambda t: t.submit("pwritev", tid=IO_THREAD)]
    found = window(section(acts), f"{EDGES} forbid guest_io(node) allow guest_io(node, thread = open.thread)")
    assert inside(found) == [3]


# what shows that a guard held


def test_what_is_guarded_is_counted_between_the_edges() -> None:
    tale = Tale()
    change = "aio_{}able_external ctx 0x{:x} external_disable_cnt {}".format
    tale.begin()
    tale.say(change("dis", MAIN, 5))
    tale.say(change("dis", MAIN, 1))
    for _ in range(2):
        tale.say(change("dis", IOTHREAD, 1))
        tale.say(change("dis", MAIN, 2))
    tale.say(change("en", MAIN, 0))
    tale.say(change("dis", MAIN, 5))
    clauses = "open external_off(ctx, count = 1) close external_on(ctx, count = 0) forbid drained_begin"
    own = rule(f"{clauses} guard external_off(ctx, count > 1) open-ended", subject="ctx")
    found = {w.key: (w.verdict, w.reason) for w in windows(tale, own)}
    assert found == {
        MAIN: (Verdict.GUARDED, "2 held back"), IOTHREAD: (Verdict.CLEAN, "up to the end of the trace"),
    }  # fmt: skip


# what is compared with the opening


def test_conditions_against_the_opening_are_about_its_own_roles() -> None:
    own = rule(
        "open drained_begin(node, count = 1) close drained_end(node, count = 0)"
        " forbid drained_begin(node, count > open.count)"
    )  # fmt: skip
    tale = Tale()
    for count in (1, 2, 1):
        tale.begin(count=count)
    tale.end(count=0)
    (found,) = windows(tale, own)
    assert happened(found) == [2]


def test_a_window_that_restarts_is_compared_with_its_last_opening() -> None:
    own = rule("open drained_begin(node) restarts close drained_end(node) forbid ctx_attached(node, ctx < open.count)")
    tale = Tale()
    tale.begin(count=9)
    tale.begin(count=5)
    below = tale.attach_ctx(ctx=4)
    tale.attach_ctx(ctx=5)
    tale.end()
    (found,) = windows(tale, own)
    assert happened(found) == [below]


def in_context(tale: Tale, ctx: int, act: Callable[[], int], *, tid: int = MAIN_THREAD) -> int:
    tale.say(f"aio_poll ctx 0x{ctx:x} blocking 1", tid=tid)
    line = act()
    tale.say(f"aio_poll_done ctx 0x{ctx:x} progress 1", tid=tid)
    return line


def test_the_context_of_a_record_is_that_in_which_its_thread_runs() -> None:
    own = rule(
        "open client_detached close client_attached forbid client_request(ctx = open.ctx)", subject="qemu"
    )  # fmt: skip
    tale = Tale()
    export = "nbd_blk_aio_{} Export disk: {} clients {} AIO context 0x{:x}".format
    trip = "nbd_trip Reading request"
    in_context(tale, MAIN, lambda: tale.say(export("detach", "Detaching", "from", IOTHREAD)))
    in_context(tale, MAIN, lambda: tale.say(trip))
    broken = in_context(tale, IOTHREAD, lambda: tale.say(trip, tid=IO_THREAD), tid=IO_THREAD)
    tale.say(trip, tid=IO_THREAD)
    in_context(tale, IOTHREAD, lambda: in_context(tale, IOHANDLER, lambda: tale.say(trip)))
    tale.say(export("attached", "Attaching", "to", MAIN))
    (found,) = windows(tale, own)
    assert happened(found) == [broken]


# where something must run


def executor(same: str, role: str, tale: Tale) -> Window:
    return window(tale, f"{EDGES} run guest_io(node) on {same} {role}", template="wrong-executor")


def threads() -> Tale:
    tale = Tale()
    tale.drained(tid=MAIN_THREAD)
    tale.submit("pwritev", tid=MAIN_THREAD)
    tale.submit("pwritev", tid=IO_THREAD)
    tale.end()
    return tale


def test_what_must_run_in_the_thread_of_the_opening_is_misplaced_in_another() -> None:
    assert inside(executor("same", "thread", threads())) == [3]


def test_what_must_run_in_another_thread_is_misplaced_in_that_of_the_opening() -> None:
    assert inside(executor("another", "thread", threads())) == [2]


def test_where_records_name_no_thread_nothing_is_known_to_be_misplaced() -> None:
    own = rule(f"{EDGES} run guest_io(node) on same thread", template="wrong-executor")
    (found,) = followed(threads().trace(prefix=False), own)
    assert inside(found) == []


def contexts() -> tuple[Tale, dict[int, int]]:
    tale = Tale()
    in_context(tale, MAIN, lambda: tale.drained(DISK))
    lines = {ctx: in_context(tale, ctx, tale.write) for ctx in (MAIN, IOTHREAD)}
    lines[0] = tale.write()
    tale.end()
    return tale, lines


def test_what_must_run_in_the_context_of_the_opening_is_misplaced_in_another() -> None:
    tale, lines = contexts()
    assert inside(executor("same", "context", tale)) == [lines[IOTHREAD]]


def test_what_must_run_in_another_context_is_misplaced_in_that_of_the_opening() -> None:
    tale, lines = contexts()
    assert inside(executor("another", "context", tale)) == [lines[MAIN]]


def test_where_loops_are_not_traced_a_thread_runs_in_the_context_of_the_coroutine_that_it_entered_last() -> None:
    tale = Tale()
    enter = "qemu_aio_coroutine_enter ctx 0x{:x} from 0x1 to 0x2 opaque 0x3".format
    tale.say(enter(MAIN))
    tale.drained()
    tale.say(enter(MAIN))
    tale.reach("pwritev", node=DISK)
    tale.say(enter(IOTHREAD))
    misplaced = tale.reach("pwritev", node=DISK)
    tale.end()
    assert inside(executor("same", "context", tale)) == [misplaced]


def test_the_node_is_in_the_context_that_its_opening_names() -> None:
    own = rule(
        "open ctx_attached(node) restarts close ctx_detached(node) run guest_io(node) on same context",
        template="wrong-executor",
    )
    tale = Tale()
    in_context(tale, MAIN, lambda: tale.attach_ctx(ctx=IOTHREAD))
    in_context(tale, IOTHREAD, tale.write)
    misplaced = in_context(tale, MAIN, tale.write)
    tale.detach_ctx()
    (found,) = windows(tale, own)
    assert inside(found) == [misplaced]


def test_what_is_allowed_may_run_anywhere() -> None:
    clauses = f"{EDGES} run guest_io(node) on same thread allow guest_io(node, thread = {IO_THREAD})"
    assert inside(window(threads(), clauses, template="wrong-executor")) == []


# what a window starves


@pytest.mark.parametrize(
    ("at_us", "starved"),
    [
        ((), True),
        ((999, 1998, 2500), False),
        ((1000, 1500, 2400), True),
        ((100, 200, 2100), True),
        ((999, 1500), True),
    ],
)
@pytest.mark.parametrize("node", [DISK, OTHER_DISK])
def test_a_window_lasts_too_long_where_what_it_may_starve_stays_away_for_so_long(
    at_us: tuple[int, ...], starved: bool, node: int
) -> None:
    tale = Tale()
    tale.begin(us=10)
    for us in at_us:
        tale.submit("pwritev", node=node, us=10 + us)
    tale.submit("preadv", node=COPY, us=2510)
    tale.end(us=3000)
    own = rule(
        "open drained_begin(node) close drained_end(node) lasts 1 ms starves guest_io(node)", template="never-closed"
    )
    assert [happened(w) for w in windows(tale, own)] == ([[1]] if starved or node != DISK else [])
