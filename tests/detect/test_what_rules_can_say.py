"""What the language lets a rule say is what its windows come to."""

from __future__ import annotations

import pytest

from tests.cuts import every_cut
from tests.detect.ruled import Tale, forbidding, happened, inside, of_all_cuts, rule, scan, spans, told, windows
from tests.timeline.story import BLOCK, DISK, MAIN, OTHER_DISK
from traceview.detect.matching import matching_rows, row_matches
from traceview.errors import RuleFileError
from traceview.findings import Extent, Verdict
from traceview.rules import EXIT_RULE, load_rules

EDGES = "open drained(node) close drained_end(node)"
LASTS = "open drained_begin(node) close drained_end(node) lasts 1 ms"
COUNTER, EXEC, NEVER = "counter-says-idle", "wrong-executor", "never-closed"
JOB_EXITS = "open job_deferred(job) close job_exit(job)"
JUDGED = "unjudged inconclusive"


def test_a_record_without_text_is_equal_to_none() -> None:
    t = Tale()
    t.say("vm_state_notify running 1 reason 9")
    p = forbidding('vm_state(state = "running")', subject="qemu")
    assert matching_rows(t.table(), p).tolist() == [i for i in (0,) if row_matches(t.table().row(i), p)] == []


def test_what_is_allowed_in_one_window_is_not_allowed_in_another() -> None:
    t = told()
    t.drained(DISK, tid=1)
    t.drained(OTHER_DISK, tid=2)
    n = t.submit("pwritev", tid=1)
    t.end(DISK)
    t.end(OTHER_DISK)
    own = rule(f"{EDGES} forbid guest_io allow guest_io(thread = open.thread)")
    assert [inside(w) for w in windows(t, own)] == [[], [n]]


def test_a_request_that_two_patterns_forbid_counts_once() -> None:
    t = told()
    t.drained()
    n = t.write()
    t.end()
    assert inside(windows(t, rule(f"{EDGES} forbid guest_write(node) or guest_io(node)"))[0]) == [n]


def test_what_ran_in_no_known_context_did_not_run_in_that_of_the_opening() -> None:
    t = told()
    t.poll(MAIN)
    t.poll_done(MAIN)
    t.drained()
    t.write()
    t.end()
    assert not scan(t, rule(f"{EDGES} run guest_io(node) on another context", template=EXEC)).findings


def test_nothing_is_misplaced_where_the_opening_s_context_is_not_known() -> None:
    t = told()
    t.drained(tid=7)
    t.poll(MAIN)
    t.write()
    t.poll_done(MAIN)
    t.end()
    assert not scan(t, rule(f"{EDGES} run guest_io(node) on same context", template=EXEC)).findings


def test_who_is_fed_by_turns_does_not_starve() -> None:
    own = rule(f"{LASTS} starves guest_read(node) or guest_write(node)", template=NEVER)
    t = told()
    t.begin(us=10000)
    t.submit("pwritev", us=10500)
    t.submit("preadv", us=11300)
    t.end(us=12200)
    assert windows(t, own) == []


def test_stand_ins_are_not_asked_where_exact_windows_closed_in_time() -> None:
    own = rule(LASTS, template=NEVER, proxies=["open ctx_detached(node) close ctx_attached(node) lasts 1 ms"])
    t = told()
    t.begin()
    t.end()
    t.detach_ctx()
    t.us += 5000
    t.attach_ctx()
    assert windows(t, own) == []


def test_a_window_inside_the_exit_is_told_and_its_records_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.scan.LOOK_BACK", 0)
    own = rule("open job_exit(job) close job_exit_done(job) forbid guest_submit(node)", subject="job")
    t = told()
    t.start()
    t.defer()
    t.exit()
    n = t.write()
    t.pivot()
    t.iteration()
    t.exit_done()
    assert all([inside(w) for w in windows(t, own, cuts=c)] == [[n]] for c in every_cut(t))


def test_nor_is_one_left_out_that_is_open_at_the_end() -> None:
    own = rule("open job_exit(job) close job_exit_done(job) forbid guest_submit(node)", subject="job", more=JUDGED)
    t = told()
    t.start()
    t.defer()
    t.exit()
    n = t.write()
    assert [inside(w) for w in windows(t, own)] == [[n]]


def test_the_first_of_two_points_opens_in_whatever_order_they_are_written() -> None:
    t = told()
    t.start()
    run = t.enter()
    t.write()
    t.look()
    t.exit()
    t.exit_done()
    for order in ("job_running(job) or job_working(job)", "job_working(job) or job_running(job)"):
        (w,) = windows(t, rule(f"open {order} close job_exit(job) forbid guest_submit(node)", subject="job"))
        assert w.open is not None
        assert w.open.line == run


def test_a_record_that_closes_and_opens_a_window_of_a_job_closes_first() -> None:
    t = told()
    t.start()
    t.look()
    n = t.write()
    t.look()
    t.exit()
    t.exit_done()
    (w, *_) = windows(
        t, rule("open job_look(job) close job_look(job, count = 0) forbid guest_submit(node)", subject="job")
    )
    assert inside(w) == [n]


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("job_flush", "mirror_before_flush s 0xa1"),
        ("job_exit_bh", "block_job_defer_to_main_loop_bh job 0xa1 ctx 0xc1"),
        ("job_copied", "mirror_iteration_done s 0xa1 offset 0 bytes 65536 ret 0"),
        ("job_finalize_asked", "qmp_job_finalize job 0xa1"),
    ],
)
def test_any_word_that_is_accepted_opens_windows_of_jobs(word: str, line: str) -> None:
    t = told()
    t.start()
    opened = t.say(line)
    t.exit()
    t.exit_done()
    (w,) = windows(
        t, rule(f"open {word}(job) close job_exit(job) forbid guest_submit(node)", subject="job", more=JUDGED)
    )
    assert w.open is not None
    assert w.open.line == opened


def test_each_look_can_open_a_window() -> None:
    t = told()
    t.start()
    t.look(dirty=9)
    opened = t.look(dirty=5)
    t.look(dirty=3)
    t.exit()
    t.exit_done()
    (w,) = windows(
        t, rule("open job_look(job, count = 5) close job_exit(job) forbid guest_submit(node)", subject="job")
    )
    assert w.open is not None
    assert w.open.line == opened


def test_conditions_hold_for_io_of_nodes_too() -> None:
    own = rule(f"{JOB_EXITS} forbid guest_request(node, offset >= 65536)", subject="job", more=JUDGED)
    t = Tale()
    t.start()
    t.defer()
    t.take_up("write", 8192, request=0x70)
    t.say(f"bdrv_aio_writev bs 0x{DISK:x} sector_num 16 nb_sectors 8 opaque 0x70")
    t.leave(pivots=False)
    assert inside(windows(t, own)[0]) == []


def test_an_edge_may_name_a_role_that_is_found_out_or_is_refused() -> None:
    t = told()
    t.start()
    t.say("mirror_before_flush s 0xa1")
    n = t.write()
    t.say("mirror_iteration_done s 0xa1 offset 0 bytes 65536 ret 0")
    (w,) = windows(t, rule("open job_flush(node) close job_copied(node) forbid guest_io(node)"))
    assert (w.key, inside(w)) == (DISK, [n])


def test_the_context_of_an_opening_is_known_wherever_the_batch_is_cut() -> None:
    own = rule("open notifier_read close queue_notify forbid external_off(ctx = open.ctx)", subject="qemu")
    t = told()
    t.poll(MAIN)
    t.kick()
    t.say("aio_disable_external ctx 0xc1 external_disable_cnt 1")
    t.say("virtio_queue_notify vdev 0xe1 n 0 vq 0xf1")
    of_all_cuts(t, own)


def test_a_closing_may_be_lost_behind_the_last_record_of_the_main_loop_too() -> None:
    own = rule("open graph_locked close graph_unlocked forbid drained_begin", subject="qemu")
    t = told()
    t.lock()
    t.unlock()
    t.lock()
    t.lose(3)
    t.begin()
    assert windows(t.binary(), own)[-1].verdict is Verdict.INCONCLUSIVE


def test_conditions_of_points_are_refused() -> None:
    with pytest.raises(RuleFileError, match="job_running is a point on a job's way: nothing more can be asked of it"):
        rule("open job_running(job, thread = 1) close job_exit(job) forbid guest_submit(node)", subject="job")


def test_windows_of_jobs_do_not_nest() -> None:
    with pytest.raises(RuleFileError, match="windows of jobs do not nest"):
        rule("open job_deferred(job) nests close job_exit(job) forbid guest_submit(node)", subject="job")


def test_the_end_of_a_request_bounds_no_window_of_its_node() -> None:
    with pytest.raises(RuleFileError, match="guest_done does not tell its node here: only what disproves a claim does"):
        rule("open drained(node) close guest_done(node) forbid guest_io(node)")


def test_the_order_of_windows_does_not_hang_on_the_batches() -> None:
    t = told()
    t.drained()
    t.end()
    t.attach_ctx()
    of_all_cuts(
        t,
        rule("open drained(node) close ctx_attached(node) forbid guest_io(node)", name="b-rule"),
        rule(f"{EDGES} forbid guest_io(node)", name="a-rule"),
    )


def test_what_is_lost_inside_the_exit_is_told() -> None:
    own = rule(
        "open job_exit(job) close job_exit_done(job) forbid guest_submit(node)",
        subject="job",
        more="severity data-loss when changed and pivoted",
    )
    t = told()
    t.start()
    t.defer()
    t.exit()
    t.write(BLOCK)
    t.pivot()
    t.exit_done()
    assert [w.lost for w in windows(t, own)] == [[Extent(BLOCK, BLOCK)]]


def test_a_submission_of_the_blockbackend_is_on_its_way() -> None:
    own = rule(
        "claim root_detach(blk) until root_attach(blk) disprove guest_done(blk)", template=COUNTER, subject="blk"
    )
    t = told()
    t.submit("pwritev", request=0x70)
    t.detach()
    n = t.done(0x70)
    t.attach()
    assert [happened(w) for w in windows(t, own)] == [[n]]


def test_one_record_opens_a_nesting_window_once() -> None:
    t = told()
    t.begin()
    closed = t.end()
    own = rule(
        "open drained_begin(node) or drained_begin(node, count = 1) nests close drained_end(node) forbid guest_io(node)"
    )
    assert spans(windows(t, own)) == [(closed - 1, closed)]


def test_windows_that_another_rule_tells_were_opened() -> None:
    t = told()
    t.drained()
    t.start()
    t.defer()
    t.write()
    t.leave()
    t.end()
    own = rule(f"{EDGES} forbid guest_io(node)", more=f"yields to {EXIT_RULE}")
    (_, covered) = scan(t, load_rules(plugins=False)[EXIT_RULE], own).traces[0].coverage
    assert covered.reason != "no window of it was opened"
