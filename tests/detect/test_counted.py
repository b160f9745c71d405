"""What counts of the records in a job's window: what is forbidden, held back, allowed. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cuts import every_cut
from tests.detect.ruled import Tale, inside, rule, scan, told
from tests.timeline.story import (
    BLOCK,
    COPY,
    DISK,
    DRIVE,
    FILTER,
    IO_THREAD,
    JOB,
    JOB2,
    MAIN_THREAD,
    OTHER_DISK,
    OTHER_DRIVE,
    OTHER_VDEV,
    OWN,
    VDEV,
)
from traceview.findings import Verdict, Window
from traceview.rules import Rule

EXACT = "open job_deferred(job) close job_exit(job)"
STOCK = 'open job_drained(job) close job_state(job, state = "concluded")'


def deferred() -> Tale:
    """Tell an instrumented trace up to the point at which a job waits for its exit."""
    tale = told()
    tale.start()
    tale.defer()
    return tale


def drained() -> Tale:
    """Tell a stock trace up to the point at which a job's source is drained, with two BlockBackends on it."""
    tale = Tale()
    for blk, child in ((DRIVE, 0x51), (OTHER_DRIVE, 0x52)):
        tale.attach(blk, DISK, child)
    tale.reach("preadv", node=DISK)
    tale.reach("pwritev", node=DISK)
    for blk, child in ((DRIVE, 0x51), (OTHER_DRIVE, 0x52)):
        tale.move(DISK, FILTER, blk, child)
    tale.start()
    tale.before_drain()
    tale.enter()
    return tale


def by_clauses(clauses: str, *, proxy: bool = False) -> Rule:
    exact, proxies = ((), (clauses,)) if proxy else ((clauses,), ())
    return rule(*exact, proxies=proxies, subject="job", more="unjudged inconclusive")


def judged(tale: Tale, clauses: str, *, proxy: bool = False) -> Window:
    """Return the one window that a rule about jobs has, whatever the cut of the trace."""
    own = by_clauses(clauses, proxy=proxy)
    found = [scan(tale, own, cuts=cuts).windows for cuts in every_cut(tale)]
    assert all(windows == found[0] for windows in found)
    (window,) = found[0]
    return window


def window(clauses: str, *acts: Callable[[Tale], int], before: Callable[[Tale], object] | None = None) -> Window:
    """Return the window between a job's deferral and its exit in which the acts are told."""
    tale = told()
    if before is not None:
        before(tale)
    tale.start()
    tale.defer()
    for act in acts:
        act(tale)
    tale.leave(pivots=False)
    return judged(tale, f"{EXACT} {clauses}")


def happened(found: Window) -> list[str]:
    return [h.text for h in found.happenings]


# what is forbidden


def test_requests_that_are_handed_to_the_jobs_node_count_and_those_to_others_do_not() -> None:
    found = window(
        "forbid guest_submit(node)",
        lambda t: t.write(BLOCK),
        lambda t: t.write(2 * BLOCK, node=OTHER_DISK, blk=OTHER_DRIVE),
        lambda t: t.read(3 * BLOCK),
    )
    assert [(r.offset, r.node, r.held_back) for r in found.requests] == [(BLOCK, DISK, False), (3 * BLOCK, DISK, False)]


def test_only_the_operations_and_places_that_are_forbidden_count() -> None:
    found = window(
        f"forbid guest_write(node, offset >= {BLOCK}) or guest_discard(node)",
        lambda t: t.write(0),
        lambda t: t.write(BLOCK),
        lambda t: t.read(BLOCK),
        lambda t: t.submit("pdiscard", 0),
    )
    assert [(r.op.label, r.offset) for r in found.requests] == [("write", BLOCK), ("discard", 0)]


def test_a_request_that_two_patterns_forbid_counts_once() -> None:
    found = window("forbid guest_write(node) or guest_io(node)", lambda t: t.read(), lambda t: t.write())
    assert [r.op.label for r in found.requests] == ["read", "write"]


def test_of_two_steps_of_requests_the_one_nearer_to_the_node_counts() -> None:
    found = window(
        "forbid guest_io(node)",
        lambda t: t.write(BLOCK),
        lambda t: t.reach("pwritev", BLOCK, node=DISK),
        lambda t: t.write(2 * BLOCK),  # it is parked, and does not come to the node
    )
    assert [(r.offset, r.mark.event) for r in found.requests] == [(BLOCK, "blk_co_pwritev")]


def test_a_pattern_without_subject_counts_whatever_it_is_about() -> None:
    found = window(
        "forbid guest_submit or drained_begin",
        lambda t: t.write(node=OTHER_DISK, blk=OTHER_DRIVE),
        lambda t: t.begin(COPY),
    )
    assert [r.node for r in found.requests] == [OTHER_DISK]
    assert happened(found) == [f"bdrv_drained_begin bs 0x{COPY:x} quiesce_counter 1"]


def test_what_is_no_request_is_told_as_it_was_traced() -> None:
    found = window(
        "forbid job_io(job) or drained_end(node)",
        lambda t: t.copy(offset=65536),
        lambda t: t.copy(JOB2),
        lambda t: t.end(),
        lambda t: t.end(OTHER_DISK),
    )
    assert happened(found) == [
        f"mirror_one_iteration s 0x{JOB:x} offset 65536 bytes 65536",
        f"bdrv_drained_end bs 0x{DISK:x} quiesce_counter 0",
    ]
    assert (found.verdict, found.requests) == (Verdict.VIOLATED, [])


def test_conditions_against_the_opening_are_about_the_job_and_its_node() -> None:
    found = window(
        "forbid job_io(job != open.job) or drained_begin(node != open.node)",
        lambda t: t.copy(),
        lambda t: t.copy(JOB2),
        lambda t: t.begin(),
        lambda t: t.begin(COPY),
    )
    assert happened(found) == [
        f"mirror_one_iteration s 0x{JOB2:x} offset 0 bytes 65536",
        f"bdrv_drained_begin bs 0x{COPY:x} quiesce_counter 1",
    ]


def test_a_thread_can_be_asked_for() -> None:
    found = window(
        f"forbid guest_submit(node, thread != {MAIN_THREAD})",
        lambda t: t.submit("pwritev", BLOCK, tid=MAIN_THREAD),
        lambda t: t.submit("pwritev", 2 * BLOCK, tid=IO_THREAD),
    )
    assert [r.offset for r in found.requests] == [2 * BLOCK]


def test_what_stands_at_the_edges_does_not_count() -> None:
    found = window("forbid job_deferred(job) or job_exit(job) or guest_submit(node)")
    assert (found.verdict, found.happenings) == (Verdict.CLEAN, [])


# BlockBackends that leave in mid-window


def test_requests_of_a_blockbackend_count_until_it_is_moved_away() -> None:
    tale = drained()
    counted = [tale.reach("pwritev", blk=DRIVE), tale.reach("pwritev", blk=OTHER_DRIVE)]
    tale.completed()
    tale.move(FILTER, COPY, DRIVE, 0x51)
    tale.reach("pwritev", blk=DRIVE, node=COPY)
    counted.append(tale.reach("pwritev", blk=OTHER_DRIVE))
    tale.move(FILTER, COPY, OTHER_DRIVE, 0x52)
    tale.reach("pwritev", blk=OTHER_DRIVE, node=COPY)
    tale.reach("pwritev", blk=OWN, node=DISK)
    tale.concluded()
    assert inside(judged(tale, f"{STOCK} forbid guest_reach(blk)")) == counted


def test_those_of_one_that_stays_count_to_the_end_of_the_window() -> None:
    tale = drained()
    tale.move(FILTER, COPY, DRIVE, 0x51)
    counted = [tale.reach("pwritev", blk=OTHER_DRIVE) for _ in range(2)]
    tale.concluded()
    assert inside(judged(tale, f"{STOCK} forbid guest_reach(blk)")) == counted


# requests whose node the trace may not show


def older() -> Tale:
    """Tell a trace of QEMU 2.2 to 2.5 in which devices take requests up, up to the deferral of a job."""
    tale = Tale()
    tale.take_up("read", 0, request=0x7E)
    tale.say(f"bdrv_aio_readv bs 0x{DISK:x} sector_num 0 nb_sectors 8 opaque 0x7e")
    tale.take_up("write", 8 * BLOCK, request=0x70)
    tale.start()
    tale.defer()
    return tale


def node_aio(tale: Tale, request: int, offset: int, *, node: int = DISK, op: str = "writev") -> int:
    return tale.say(
        f"bdrv_aio_{op} bs 0x{node:x} sector_num {offset // 512} nb_sectors {BLOCK // 512} opaque 0x{request:x}"
    )


def test_io_of_the_node_counts_where_it_carries_out_what_a_device_took_up_before_or_in_the_window() -> None:
    tale = older()
    counted = [node_aio(tale, 0x70, 8 * BLOCK)]
    tale.take_up("write", 9 * BLOCK, request=0x71)
    counted.append(node_aio(tale, 0x71, 9 * BLOCK))
    node_aio(tale, 0x71, 9 * BLOCK, op="readv")
    node_aio(tale, 0x72, 9 * BLOCK)
    node_aio(tale, 0x71, 10 * BLOCK)
    node_aio(tale, 0x71, 9 * BLOCK, node=COPY)
    tale.leave(pivots=False)
    (found,) = scan(tale, by_clauses(f"{EXACT} forbid guest_request(node)")).windows
    # Which node it reaches is known of reads only here, so that a write that is taken up may be anybody's.
    assert [r.mark.line for r in found.requests if r.mark.event == "bdrv_aio_writev"] == counted


def test_io_of_the_node_that_comes_before_the_device_takes_its_request_up_is_anothers() -> None:
    tale = older()
    node_aio(tale, 0x71, 9 * BLOCK)
    tale.take_up("read", 9 * BLOCK, request=0x71)
    tale.leave(pivots=False)
    (found,) = scan(tale, by_clauses(f"{EXACT} forbid guest_request(node)")).windows
    assert inside(found) == []


def test_what_a_device_takes_up_counts_where_no_node_is_shown_for_its_operation() -> None:
    tale = older()
    taken_up = tale.take_up("write", 9 * BLOCK, request=0x71)
    tale.take_up("read", 9 * BLOCK, request=0x72)  # whose node would be shown: reads are seen to reach theirs
    tale.leave(pivots=False)
    (found,) = scan(tale, by_clauses(f"{EXACT} forbid guest_request(node)")).windows
    assert inside(found) == [taken_up]


def test_requests_that_reach_the_node_count_as_such() -> None:
    tale = deferred()
    tale.reach("pwritev", node=OTHER_DISK)
    counted = tale.reach("pwritev", node=DISK)
    tale.leave(pivots=False)
    assert inside(judged(tale, f"{EXACT} forbid guest_request(node)")) == [counted]


# what is held back


def test_what_a_device_of_the_node_takes_up_and_keeps_shows_that_a_guard_held() -> None:
    tale = drained()
    for vdev, blk in ((VDEV, DRIVE), (OTHER_VDEV, OWN)):
        tale.take_up("write", blk * BLOCK, vdev=vdev)
        tale.reach("pwritev", blk * BLOCK, blk=blk)
    tale.copy()  # it was no more than a try
    tale.before_drain()
    tale.enter()
    tale.take_up("write", 4 * BLOCK, vdev=OTHER_VDEV)
    held = tale.take_up("write", 5 * BLOCK, vdev=VDEV)
    tale.concluded()
    found = judged(tale, f"{STOCK} forbid guest_reach(blk) guard guest_taken_up(blk)", proxy=True)
    assert [(r.mark.line, r.held_back, r.blk) for r in found.requests] == [(held, True, DRIVE)]
    assert (found.verdict, found.reason) == (Verdict.GUARDED, "1 held back until after the window")


# what is allowed


def test_what_is_allowed_does_not_count_though_it_is_forbidden() -> None:
    found = window(
        "forbid guest_submit(node) or drained_begin(node)"
        f" allow guest_read(node) or guest_write(node, offset < {BLOCK})",
        lambda t: t.read(),
        lambda t: t.write(0),
        lambda t: t.write(BLOCK),
        lambda t: t.begin(),
    )
    assert [(r.op.label, r.offset) for r in found.requests] == [("write", BLOCK)]
    assert happened(found) == [f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1"]


def test_what_is_allowed_of_the_job_is_not_allowed_of_another() -> None:
    found = window("forbid job_io allow job_io(job)", lambda t: t.copy(JOB), lambda t: t.copy(JOB2))
    assert happened(found) == [f"mirror_one_iteration s 0x{JOB2:x} offset 0 bytes 65536"]


def test_what_is_allowed_may_be_said_of_the_opening() -> None:
    found = window("forbid job_io allow job_io(job = open.job)", lambda t: t.copy(JOB), lambda t: t.copy(JOB2))
    assert happened(found) == [f"mirror_one_iteration s 0x{JOB2:x} offset 0 bytes 65536"]


def test_requests_of_devices_can_be_allowed() -> None:
    tale = older()
    tale.take_up("write", 9 * BLOCK, request=0x71)
    other = tale.take_up("write", 10 * BLOCK, request=0x72)
    tale.leave(pivots=False)
    clauses = f"forbid guest_request(node) allow guest_request(offset = {9 * BLOCK})"
    assert inside(judged(tale, f"{EXACT} {clauses}")) == [other]


@pytest.mark.parametrize("forbidden", ["guest_submit(node)", "guest_done(node)", "guest_request(node)", "job_io(job)"])
def test_a_window_in_which_nothing_is_told_has_nothing_that_counts(forbidden: str) -> None:
    if forbidden.startswith("guest_done"):
        tale = deferred()
        tale.leave(pivots=False)
        own = rule(
            "claim job_deferred(job) until job_exit(job) disprove guest_done(node)", subject="job",
            template="counter-says-idle", more="unjudged inconclusive",
        )  # fmt: skip
        (found,) = scan(tale, own).windows
    else:
        found = window(f"forbid {forbidden}")
    assert (found.requests, found.happenings) == ([], [])
