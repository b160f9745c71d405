"""Windows of pointers that the trace shows only in part, by stand-ins, or for too long. The traces are synthetic."""

from __future__ import annotations

import pytest

from tests.detect.ruled import MS_US, NAME, Tale, rule, scan, told, windows
from tests.timeline.story import DISK, IO_THREAD, IOTHREAD, MAIN, MAIN_THREAD, OTHER_DISK
from traceview.api import Trace
from traceview.findings import Evidence, RuleCoverage, Verdict
from traceview.rules import Rule

EDGES = "open drained(node) close drained_end(node)"
JUDGED = "unjudged inconclusive"
"""What makes a rule tell of windows that it cannot judge."""
PLAIN = rule(f"{EDGES} forbid guest_io(node)")
LASTING = rule("open drained_begin(node) close drained_end(node) lasts 1 ms", template="never-closed")


def judged(story: Tale | Trace, own: Rule) -> tuple[Verdict, str]:
    """Return verdict and reason of the only window."""
    (window,) = windows(story, own)
    return window.verdict, window.reason


def coverage(story: Tale | Trace, own: Rule) -> RuleCoverage:
    (covered,) = scan(story, own).traces[0].coverage
    return covered


# what the trace does not show


def one_sided() -> Tale:
    """Tell a trace that shows no read."""
    tale = Tale()
    tale.cast()
    tale.write()
    tale.drained()
    tale.end()
    return tale


LACKING = "not traced: blk_aio_readv or blk_aio_preadv or blk_co_preadv"


def test_a_trace_that_could_not_have_shown_a_breach_leaves_windows_inconclusive_where_they_must_be_judged() -> None:
    own = rule(f"{EDGES} forbid guest_io(node)", more=JUDGED)
    assert judged(one_sided(), own) == (Verdict.INCONCLUSIVE, LACKING)


def test_and_passes_them_over_where_they_need_not() -> None:
    assert windows(one_sided(), PLAIN) == []
    covered = coverage(one_sided(), PLAIN)
    assert (covered.windows, covered.reason) == (0, "not traced")
    assert covered.events == (("blk_aio_readv", "blk_aio_preadv", "blk_co_preadv"),)


def executor(same: str, role: str, more: str = "") -> Rule:
    return rule(f"{EDGES} run guest_io(node) on {same} {role}", template="wrong-executor", more=more)


def in_threads(*tids: int) -> Tale:
    """Tell a drained section that one thread begins, and in which a request is made by each of some threads."""
    tale = told()
    tale.drained(tid=MAIN_THREAD)
    for tid in tids:
        tale.submit("pwritev", tid=tid)
    tale.end(tid=MAIN_THREAD)
    return tale


def test_what_runs_in_the_wrong_thread_breaks_the_promise() -> None:
    assert judged(in_threads(MAIN_THREAD, IO_THREAD), executor("same", "thread")) == (Verdict.VIOLATED, "")
    assert judged(in_threads(MAIN_THREAD, IO_THREAD), executor("another", "thread")) == (Verdict.VIOLATED, "")


def test_what_runs_in_the_right_thread_keeps_it_where_the_trace_tells_threads_apart() -> None:
    tale = in_threads(MAIN_THREAD)
    assert judged(tale, executor("same", "thread", JUDGED)) == (
        Verdict.INCONCLUSIVE,
        "the trace does not tell threads apart",
    )
    tale.say("main_loop_wait nonblocking 0", tid=IO_THREAD)
    assert judged(tale, executor("same", "thread", JUDGED)) == (Verdict.CLEAN, "")


def test_a_window_in_which_nothing_had_to_run_asks_for_no_threads() -> None:
    assert judged(in_threads(), executor("same", "thread", JUDGED)) == (Verdict.CLEAN, "")


def test_where_threads_are_not_told_windows_are_passed_over_with_the_reason() -> None:
    covered = coverage(in_threads(MAIN_THREAD), executor("same", "thread"))
    assert covered.windows == 0
    assert covered.reason == "windows of it are not judged: the trace does not tell threads apart"


def test_what_must_run_in_another_thread_is_in_doubt_where_the_trace_knows_only_one() -> None:
    (window,) = windows(in_threads(MAIN_THREAD), executor("another", "thread"))
    assert window.verdict is Verdict.VIOLATED
    assert [r.doubt for r in window.requests] == ["the trace does not tell threads apart"]
    (window,) = windows(in_threads(MAIN_THREAD, IO_THREAD), executor("another", "thread"))
    assert [r.doubt for r in window.requests] == [""]


def test_where_contexts_are_not_told_nobody_knows_whether_something_ran_in_its_own() -> None:
    own = rule(
        "open ctx_attached(node) close ctx_detached(node) run guest_io(node) on same context",
        template="wrong-executor", more=JUDGED,
    )  # fmt: skip
    tale = told()
    tale.attach_ctx(ctx=MAIN)
    tale.write()
    tale.detach_ctx()
    tale.poll(IOTHREAD)
    assert judged(tale, own) == (Verdict.INCONCLUSIVE, "the trace does not tell in which context it ran")


# exact evidence, and stand-ins for it


STAND_IN = "open ctx_detached(node) close ctx_attached(node) forbid guest_io(node)"
EITHER = rule(f"{EDGES} forbid guest_io(node)", proxies=[STAND_IN])


def stand_in(tale: Tale, node: int = OTHER_DISK) -> Tale:
    tale.detach_ctx(node)
    tale.write(node=node)
    tale.attach_ctx(node)
    return tale


def test_stand_ins_are_asked_of_a_trace_without_windows_of_the_rule_itself() -> None:
    (window,) = windows(stand_in(told()), EITHER)
    assert (window.evidence, window.verdict, window.key) == (Evidence.PROXY, Verdict.VIOLATED, OTHER_DISK)
    assert (window.opening, window.closing) == ("ctx_detached", "ctx_attached")


def test_and_of_no_trace_that_has_one() -> None:
    tale = told()
    tale.drained()
    tale.end()
    (window,) = windows(stand_in(tale), EITHER)
    assert (window.evidence, window.verdict, window.key) == (Evidence.EXACT, Verdict.CLEAN, DISK)


def test_a_rule_whose_windows_could_not_be_judged_asks_its_stand_ins() -> None:
    own = rule(f"{EDGES} forbid guest_io(node) needs qmp_command", proxies=[STAND_IN])
    tale = told()
    tale.drained()
    tale.end()
    assert [w.evidence for w in windows(stand_in(tale), own)] == [Evidence.PROXY]


def test_other_rules_ask_theirs_all_the_same() -> None:
    other = rule(proxies=[STAND_IN], name="other-rule")
    tale = told()
    tale.drained()
    tale.end()
    assert {(w.rule, w.evidence) for w in windows(stand_in(tale), PLAIN, other)} == {
        (NAME, Evidence.EXACT), ("other-rule", Evidence.PROXY),
    }  # fmt: skip


# windows that may not last


def lasting(*, opens_us: int = 0, closes_us: int | None = None, ends_us: int = 0) -> Tale:
    tale = told()
    tale.begin(OTHER_DISK)
    tale.end(OTHER_DISK)
    start = tale.us + 10
    tale.begin(us=start + opens_us)
    if closes_us is not None:
        tale.end(us=start + closes_us)
    tale.say("main_loop_wait nonblocking 0", us=start + ends_us)
    return tale


def test_a_window_that_closes_in_time_is_not_worth_a_word() -> None:
    tale = lasting(closes_us=MS_US - 1, ends_us=9 * MS_US)
    assert windows(tale, LASTING) == []
    assert coverage(tale, LASTING).windows == 2


def test_a_window_that_lasts_is_broken_by_its_own_opening() -> None:
    (window,) = windows(lasting(closes_us=MS_US, ends_us=MS_US), LASTING)
    assert window.open is not None
    assert (window.verdict, [h.mark for h in window.happenings]) == (Verdict.VIOLATED, [window.open])
    assert (window.happenings[0].text, window.happenings[0].certain) == ("bdrv_drained_begin", True)
    assert window.duration_ns == MS_US * 1000


def test_a_window_that_stays_open_has_lasted_when_the_trace_goes_on_for_so_long() -> None:
    (window,) = windows(lasting(ends_us=MS_US), LASTING)
    assert (window.verdict, window.reason, window.close) == (Verdict.VIOLATED, "", None)
    (window,) = windows(lasting(ends_us=MS_US - 1), LASTING)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_a_window_whose_closing_may_be_lost_has_not_lasted() -> None:
    tale = lasting(ends_us=5)
    tale.lose()
    tale.say("main_loop_wait nonblocking 0", us=tale.us + 9 * MS_US)
    (window,) = windows(tale.binary(), LASTING)
    assert (window.verdict, window.happenings) == (Verdict.INCONCLUSIVE, [])
    assert window.reason.startswith("records are missing inside it")


@pytest.mark.parametrize(
    ("feeds_us", "verdict"), [((900, 1800), None), ((999,), Verdict.VIOLATED), ((1100, 1200), Verdict.VIOLATED)]
)
def test_a_window_that_lasts_and_starves_nobody_breaks_nothing(
    feeds_us: tuple[int, ...], verdict: Verdict | None
) -> None:
    own = rule(
        "open drained_begin(node) close drained_end(node) lasts 1 ms starves guest_io(node)", template="never-closed"
    )
    tale = told()
    start = tale.us + 10
    tale.begin(us=start)
    for us in feeds_us:
        tale.submit("pwritev", us=start + us)
    tale.end(us=start + 2 * MS_US)
    assert [w.verdict for w in windows(tale, own)] == ([verdict] if verdict else [])
