"""What the pack's verdicts rest on holds wherever a trace is cut, and for records that only look alike."""

from __future__ import annotations

import numpy as np

from tests.cuts import every_cut, pieces
from tests.detect.ruled import NAME, Tale, inside, of_all_cuts, rule, scan, told, windows
from tests.timeline.story import BLOCK, COPY, DISK, FILTER, IOTHREAD, JOB, MAIN, OTHER_DISK, OTHER_DRIVE
from traceview.findings import Extent, Verdict
from traceview.rules import EXIT_RULE, load_rules
from traceview.timeline.running import RunningContexts

EDGES = "open drained(node) close drained_end(node)"
LASTS = "open drained_begin(node) close drained_end(node) lasts 1 ms"
COUNTER, EXEC, NEVER = "counter-says-idle", "wrong-executor", "never-closed"
JOB_EXITS = "open job_deferred(job) close job_exit(job)"
JUDGED = "unjudged inconclusive"


def test_copying_voids_the_window_of_the_last_look() -> None:
    t = Tale()
    t.take_up("write", 0)
    t.take_up("read", 0)
    t.start()
    t.look()
    t.copy()
    t.take_up("write", 4096)
    t.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret 0")
    assert not scan(t, load_rules(plugins=False)[EXIT_RULE]).findings


def test_a_request_of_another_disk_at_the_same_offset_is_told() -> None:
    t = told()
    t.drained(OTHER_DISK)
    t.start()
    t.look()
    t.defer()
    t.write(0)
    t.write(0, blk=OTHER_DRIVE, node=OTHER_DISK)
    t.leave()
    t.end(OTHER_DISK)
    own = rule(f"{EDGES} forbid guest_io(node)", more=f"yields to {EXIT_RULE}")
    assert {w.rule for w in scan(t, load_rules(plugins=False)[EXIT_RULE], own).windows} == {EXIT_RULE, NAME}


def test_what_was_copied_in_the_same_batch_as_the_switch_is_not_lost() -> None:
    t = Tale()
    t.stock_job()
    t.reach("pwritev", 8 * BLOCK)
    t.look(dirty=1)
    t.say(f"mirror_one_iteration s 0x{JOB:x} offset {8 * BLOCK + 512} bytes {BLOCK}")
    t.before_drain()
    t.enter()
    t.completed()
    t.move(FILTER, COPY)
    t.concluded()
    own = rule(
        "open job_start(job) close job_working(job) forbid guest_change(blk) excuse copied tentative",
        subject="job",
        more="severity data-loss when changed and pivoted",
    )
    assert [w.lost for w in scan(t, own).windows] == [[Extent(8 * BLOCK, 512)]]


def test_another_job_with_the_same_pointer_excuses_nothing() -> None:
    t = Tale()
    t.stock_job()
    t.reach("pwritev", BLOCK)
    t.look(dirty=1)
    t.before_drain()
    t.enter()
    t.completed()
    t.move(FILTER, COPY)
    t.concluded()
    t.move(COPY, OTHER_DISK)
    t.start(JOB, COPY)
    t.copy(JOB, 0)
    own = rule(
        "open job_start(job) close job_working(job) forbid guest_change(blk) excuse copied tentative",
        subject="job",
        more="severity data-loss when changed and pivoted",
    )
    assert scan(t, own).windows[0].verdict is Verdict.VIOLATED


def test_a_request_that_is_done_waits_no_more_wherever_the_batch_is_cut() -> None:
    own = rule(
        "open guest_taken_up(request) restarts close guest_reached(request) lasts 1 ms",
        template=NEVER,
        subject="request",
    )
    t = told()
    t.reach("pwritev", 9 * BLOCK)
    t.take_up("write", BLOCK, request=0x71)
    t.done(0x71)
    t.us += 5000
    t.iteration()
    t.write(0)
    assert all(windows(t, own, cuts=c) == [] for c in every_cut(t))


def test_io_that_alone_stands_in_the_window_counts() -> None:
    own = rule(f"{JOB_EXITS} forbid guest_request(node)", subject="job", more=JUDGED)
    t = Tale()
    t.take_up("write", 8192, request=0x70)
    t.start()
    t.defer()
    n = t.say(f"bdrv_aio_writev bs 0x{DISK:x} sector_num 16 nb_sectors 8 opaque 0x70")
    t.leave(pivots=False)
    assert inside(windows(t, own)[0]) == [n]


def test_whether_nodes_are_shown_does_not_hang_on_the_batches() -> None:
    own = rule(f"{JOB_EXITS} forbid guest_request(node)", subject="job", more=JUDGED)
    t = Tale()
    t.reach("pwritev", node=OTHER_DISK)
    t.start()
    t.defer()
    t.take_up("write", BLOCK)
    t.leave(pivots=False)
    assert len({str([inside(w) for w in windows(t, own, cuts=c)]) for c in every_cut(t)}) == 1
    t = Tale()
    t.take_up("read", 0, request=0x7E)
    t.say(f"bdrv_aio_readv bs 0x{DISK:x} sector_num 0 nb_sectors 8 opaque 0x7e")
    t.start()
    t.defer()
    t.take_up("read", BLOCK)
    t.leave(pivots=False)
    assert len({str([inside(w) for w in windows(t, own, cuts=c)]) for c in every_cut(t)}) == 1


def test_whether_a_stand_in_is_told_does_not_hang_on_the_batches() -> None:
    own = rule(
        f"{JOB_EXITS} forbid guest_submit(node)",
        proxies=["open job_look(job) close job_ended(job) forbid guest_reach(node)"],
        subject="job",
        more=JUDGED,
    )
    t = told()
    t.told.clear()
    t.lines = 0
    t.start()
    t.look()
    t.start()
    t.write()
    assert len({len(windows(t, own, cuts=c)) for c in every_cut(t)}) == 1


def test_a_pointer_that_begins_anew_in_a_batch_without_ends_is_another_request() -> None:
    own = rule("claim drained(node) until drained_end(node) disprove guest_done(node)", template=COUNTER)
    t = told()
    t.submit("pwritev", request=0x70)
    t.drained()
    t.submit("pwritev", request=0x70)
    t.done(0x70)
    t.end()
    of_all_cuts(t, own)


def test_a_thread_runs_in_the_same_context_wherever_the_batch_is_cut() -> None:
    t = Tale()
    t.say(f"qemu_aio_coroutine_enter ctx 0x{IOTHREAD:x} from 0x1 to 0x2 opaque 0x3")
    t.write()
    t.poll(MAIN)
    whole, (part, *_) = t.table(), pieces(t.table(), [2])
    assert RunningContexts().of(whole, np.array([1])).tolist() == RunningContexts().of(part, np.array([1])).tolist()


def test_without_times_nothing_is_said_to_close_in_time() -> None:
    own = rule(LASTS, template=NEVER, more=JUDGED)
    t = told()
    t.begin()
    t.end()
    assert [w.verdict for w in windows(t.trace(prefix=False), own)] == [Verdict.INCONCLUSIVE]


def test_waits_that_are_not_known_to_end_in_time_are_not_counted_clean() -> None:
    own = rule(
        "open coroutine_schedule(coroutine) restarts close coroutine_schedule_bh(coroutine) lasts 1 ms",
        template=NEVER,
        subject="coroutine",
    )
    t = Tale()
    t.say("aio_co_schedule ctx 0xc1 co 0x5")
    t.say("aio_co_schedule_bh_cb ctx 0xc1 co 0x5", us=5000)
    assert scan(t, own).traces[0].coverage[0].windows == 1
    t = Tale()
    t.say("aio_co_schedule ctx 0xc1 co 0x5")
    t.say("aio_co_schedule_bh_cb ctx 0xc1 co 0x5")
    assert scan(t.trace(prefix=False), own).traces[0].coverage[0].unlisted == 0
