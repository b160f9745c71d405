"""From a window of a node, a context, a coroutine to a verdict with its reason. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.detect.ruled import NAME, Tale, inside, rule, spans, told, windows
from tests.timeline.story import BLOCK, DISK, IO_THREAD, MAIN_THREAD, OTHER_DISK, OWN, VDEV
from traceview.api import Trace
from traceview.findings import Evidence, Severity, Verdict, Window
from traceview.rules import Rule

EDGES = "open drained(node) close drained_end(node)"
PLAIN = rule(f"{EDGES} forbid guest_io(node)")
ENDLESS = rule(f"{EDGES} forbid guest_io(node) open-ended")


def judged(story: Tale | Trace, own: Rule) -> tuple[Verdict, str]:
    """Return verdict and reason of the only window."""
    (window,) = windows(story, own)
    return window.verdict, window.reason


def shown() -> Tale:
    """Tell a trace that shows all that a drained section could hold, and has had one."""
    tale = told()
    tale.drained(OTHER_DISK)
    tale.end(OTHER_DISK)
    return tale


def the(found: Sequence[Window], node: int = DISK) -> Window:
    (window,) = [w for w in found if w.key == node]
    return window


# what breaks a promise


def test_a_guests_request_in_the_window_breaks_its_promise() -> None:
    tale = told()
    opened, request, closed = tale.drained(), tale.write(BLOCK), tale.end()
    (window,) = windows(tale, PLAIN)
    assert (window.verdict, window.reason, window.severity) == (Verdict.VIOLATED, "", Severity.BROKEN_PROMISE)
    assert (spans([window]), inside(window), window.violating) == ([(opened, closed)], [request], [0])
    assert (window.rule, window.subject, window.key, window.evidence) == (NAME, "node", DISK, Evidence.EXACT)
    assert (window.node, window.job, window.target, window.pivoted, window.shape) == (DISK, 0, 0, False, None)
    assert (window.opening, window.closing) == ("drained", "drained_end")
    assert window.requests[0].device == "drive0"


def test_how_bad_it_is_hangs_on_what_the_request_did() -> None:
    own = rule(f"{EDGES} forbid guest_io(node)", more="severity data-loss when changed")
    for act, severity in ((Tale.write, Severity.DATA_LOSS), (Tale.read, Severity.BROKEN_PROMISE)):
        tale = told()
        tale.drained()
        act(tale)
        tale.end()
        assert [w.severity for w in windows(tale, own)] == [severity]


def test_a_jobs_own_request_breaks_nothing() -> None:
    tale = told()
    tale.drained()
    tale.write(blk=OWN)
    tale.end()
    (window,) = windows(tale, PLAIN)
    assert (window.verdict, window.requests) == (Verdict.CLEAN, [])


def test_what_else_is_forbidden_breaks_it_as_it_was_traced() -> None:
    tale = told()
    tale.drained()
    line = tale.begin()
    tale.end()
    (window,) = windows(tale, rule(f"{EDGES} forbid drained_begin(node)"))
    assert (window.verdict, [h.mark.line for h in window.happenings]) == (Verdict.VIOLATED, [line])
    assert window.happenings[0].text == f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1"


def test_what_is_seen_between_two_edges_needs_no_proof_that_all_would_have_been_seen() -> None:
    tale = Tale()
    tale.cast()
    tale.drained()
    tale.write()
    assert windows(tale, PLAIN) == []  # of an open window nobody knows that its closing would have been seen
    tale.end()
    assert judged(tale, PLAIN) == (Verdict.VIOLATED, "")


def test_how_much_is_not_listed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.keyed_state.MOST_KEPT", 2)
    tale = told()
    tale.drained()
    for _ in range(5):
        tale.write()
    tale.end()
    (window,) = windows(tale, PLAIN)
    assert (len(window.requests), window.more, window.verdict) == (2, 3, Verdict.VIOLATED)


# what keeps it


def test_a_window_in_which_nothing_came_is_clean() -> None:
    tale = told()
    tale.drained()
    tale.end()
    assert judged(tale, PLAIN) == (Verdict.CLEAN, "")


def test_a_window_in_which_a_guard_held_is_guarded() -> None:
    own = rule(f"{EDGES} forbid guest_io(node) guard drained_begin(node)")
    tale = told()
    tale.drained()
    for _ in range(2):
        tale.begin()
    tale.end()
    assert judged(tale, own) == (Verdict.GUARDED, "2 held back")


def test_a_guard_that_did_not_hold_guards_nothing() -> None:
    own = rule(f"{EDGES} forbid guest_io(node) guard drained_begin(node)")
    tale = told()
    tale.drained()
    tale.begin()
    tale.write()
    tale.end()
    assert judged(tale, own) == (Verdict.VIOLATED, "")


def test_a_window_that_may_last_is_clean_up_to_the_end_of_the_trace() -> None:
    tale = shown()
    tale.drained()
    window = the(windows(tale, ENDLESS))
    assert (window.verdict, window.reason, window.close) == (Verdict.CLEAN, "up to the end of the trace", None)


# what leaves it open


def test_a_window_that_stays_open_is_inconclusive() -> None:
    tale = shown()
    tale.drained()
    window = the(windows(tale, PLAIN))
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_and_violated_by_what_stands_in_it_though_possibly_only() -> None:
    tale = shown()
    tale.drained()
    request = tale.write()
    window = the(windows(tale, PLAIN))
    assert (window.verdict, inside(window), window.close) == (Verdict.VIOLATED, [request], None)
    assert {r.doubt for r in window.requests} == {"its window has no end in the trace: what ended it may be missing"}


def test_a_breach_of_a_window_that_closes_is_certain() -> None:
    tale = shown()
    tale.drained()
    tale.write()
    tale.end()
    assert all(r.certain for r in the(windows(tale, PLAIN)).requests)


def test_records_that_are_missing_inside_leave_a_window_inconclusive() -> None:
    tale = told()
    tale.drained()
    tale.lose(3)
    tale.end()
    reason = "records are missing inside it (3 records dropped by the writer)"
    assert judged(tale.binary(), PLAIN) == (Verdict.INCONCLUSIVE, reason)


def test_records_that_are_missing_outside_leave_it_as_it_is() -> None:
    tale = told()
    tale.lose()
    tale.drained()
    tale.end()
    tale.lose()
    tale.iteration()
    assert judged(tale.binary(), PLAIN) == (Verdict.CLEAN, "")


@pytest.mark.parametrize("closes", [True, False])
def test_of_what_stands_in_it_only_what_comes_before_missing_records_is_certain_to(closes: bool) -> None:
    tale = shown()
    tale.drained()
    before = tale.write() - 1
    tale.lose()
    tale.write()
    if closes:
        tale.end()
    window = the(windows(tale.binary(), PLAIN))
    assert (window.verdict, [r.mark.record for r in window.requests]) == (Verdict.VIOLATED, [before])


def test_what_comes_after_missing_records_proves_nothing() -> None:
    tale = shown()
    tale.drained()
    tale.lose()
    tale.write()
    window = the(windows(tale.binary(), PLAIN))
    assert (window.verdict, window.requests) == (Verdict.INCONCLUSIVE, [])
    assert window.reason.startswith("records are missing inside it")


def test_a_window_that_may_last_is_not_clean_where_its_closing_may_be_lost() -> None:
    tale = shown()
    tale.drained()
    tale.lose()
    tale.iteration()
    assert the(windows(tale.binary(), ENDLESS)).verdict is Verdict.INCONCLUSIVE


# doubts


def timed(request_us: int, *, tid: int = IO_THREAD) -> Window:
    """Return the window of the main thread, from 1000 to 2000 µs, in which a write has the given time."""
    tale = told()
    start = tale.us + 10
    tale.drained(us=start + 1000)
    tale.submit("pwritev", tid=tid, us=start + request_us)
    tale.end(us=start + 2000)
    (window,) = windows(tale, PLAIN)
    assert window.verdict is Verdict.VIOLATED
    return window


@pytest.mark.parametrize(
    ("request_us", "certain"), [(1500, True), (1001, False), (1002, True), (1999, False), (900, False), (2100, False)]
)
def test_a_request_of_another_thread_is_certain_where_its_time_lies_well_inside(request_us: int, certain: bool) -> None:
    assert timed(request_us).requests[0].certain == certain
    assert timed(request_us, tid=MAIN_THREAD).requests[0].certain


def test_what_else_happens_is_held_against_the_edges_too() -> None:
    tale = told()
    start = tale.us + 10
    tale.drained(us=start)
    tale.begin(tid=IO_THREAD, us=start)
    tale.begin(tid=IO_THREAD, us=start + 500)
    tale.end(us=start + 1000)
    (window,) = windows(tale, rule(f"{EDGES} forbid drained_begin(node)"))
    assert [h.doubt for h in window.happenings] == ["its order against the window's edge is not certain", ""]


def test_a_window_of_a_device_is_of_no_node() -> None:
    own = rule("open queue_notify(device) close interrupt(device) forbid notifier_read(device)", subject="device")
    tale = told()
    tale.say(f"virtio_queue_notify vdev 0x{VDEV:x} n 0 vq 0xf1")
    tale.kick()
    tale.say(f"virtio_notify vdev 0x{VDEV:x} vq 0xf1")
    (window,) = windows(tale, own)
    assert (window.subject, window.key, window.node, window.job) == ("device", VDEV, 0, 0)
