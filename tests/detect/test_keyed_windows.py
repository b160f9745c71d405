"""All windows of pointers at once: which are listed one by one, which are only counted, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cuts import every_cut
from tests.detect.ruled import MS_US, Tale, inside, of_all_cuts, rule, scan, spans, told
from tests.timeline.story import DISK, OTHER_DISK, Story
from traceview.api import Trace
from traceview.findings import Verdict
from traceview.rules import Rule

EDGES = "open drained(node) close drained_end(node)"
PLAIN = rule(f"{EDGES} forbid guest_io(node)")
LASTING = rule(
    "open drained_begin(node) close drained_end(node) lasts 1 ms", template="never-closed", name="lasting-rule"
)
WAITING = rule(
    "open coroutine_schedule(coroutine) restarts close coroutine_schedule_bh(coroutine) lasts 1 ms",
    template="never-closed", subject="coroutine", name="waiting-rule",
)  # fmt: skip
Edges = list[tuple[int, int]]


@pytest.fixture
def _two_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.keyed_windows.MOST_LISTED", 2)


few = pytest.mark.usefixtures("_two_listed")


def sections(
    count: int, act: Callable[[Tale], object] | None = None, *, tale: Tale | None = None
) -> tuple[Tale, Edges]:
    """Tell some drained sections of the disk, in each of which the same is done; return the lines of their edges."""
    tale, edges = tale or told(), []
    for _ in range(count):
        opened = tale.drained()
        if act is not None:
            act(tale)
        edges.append((opened, tale.end()))
    return tale, edges


def counted(story: Story | Trace, own: Rule, *, qemu: str | None = None) -> tuple[list[tuple[int, int | None]], int]:
    """Return the edges of the windows that are listed, and how many are clean and not listed."""
    result = scan(story, own, qemu=qemu)
    (covered,) = result.traces[0].coverage
    assert covered.windows == len(result.windows) + covered.unlisted
    return spans(result.windows), covered.unlisted


def of_cuts(tale: Tale, own: Rule) -> tuple[list[tuple[int, int | None]], int]:
    """Return the same, which any cut of the trace must give."""
    found = counted(tale, own)
    for cuts in every_cut(tale):
        result = scan(tale, own, cuts=cuts)
        assert (spans(result.windows), result.traces[0].coverage[0].unlisted) == found
    return found


# windows in which nothing happened


@few
def test_clean_windows_beyond_the_limit_are_counted_and_not_listed() -> None:
    tale, edges = sections(5)
    assert of_cuts(tale, PLAIN) == (edges[:2], 3)
    assert {w.verdict for w in scan(tale, PLAIN).windows} == {Verdict.CLEAN}


def test_a_thousand_clean_windows_of_a_rule_are_listed() -> None:
    tale, edges = sections(1_002)
    assert counted(tale, PLAIN) == (edges[:1_000], 2)


@few
def test_windows_in_which_something_happened_are_listed_and_leave_others_their_place() -> None:
    tale, edges = sections(5, lambda t: t.write())
    assert of_cuts(tale, PLAIN) == (edges, 0)
    tale, more = sections(3, tale=tale)
    assert of_cuts(tale, PLAIN) == ([*edges, *more[:2]], 1)


@few
def test_windows_in_which_a_guard_held_or_something_ran_are_listed_however_many() -> None:
    tale, edges = sections(4, lambda t: t.begin())
    tale.say("main_loop_wait nonblocking 0", tid=7)  # so that threads are told apart
    guarded = rule(f"{EDGES} forbid guest_io(node) guard drained_begin(node)")
    placed = rule(f"{EDGES} run drained_begin(node) on same thread", template="wrong-executor")
    assert [of_cuts(tale, own) for own in (guarded, placed)] == [(edges, 0)] * 2


@few
def test_each_rule_lists_its_own() -> None:
    other = rule(f"{EDGES} forbid job_io(node)", name="other-rule")
    tale, edges = sections(3)
    tale.start()
    tale.copy()
    result = scan(tale, PLAIN, other)
    assert [spans(w for w in result.windows if w.rule == r.id) for r in (PLAIN, other)] == [edges[:2]] * 2
    assert [c.unlisted for c in result.traces[0].coverage] == [1, 1]


@few
def test_a_window_that_stays_open_is_listed_whatever_came_before() -> None:
    tale, edges = sections(3)
    last = tale.drained()
    assert of_cuts(tale, PLAIN) == ([*edges[:2], (last, None)], 1)


# which of those that are not listed are clean


@few
@pytest.mark.parametrize(
    ("lost", "count"),
    [("", 2), ("inside the first", 2), ("before the third", 2), ("inside the third", 1), ("inside the fourth", 1),
     ("inside the third and fourth", 0), ("twice inside the third", 1)],
)  # fmt: skip
def test_windows_that_are_not_listed_are_not_clean_where_records_are_missing_inside(lost: str, count: int) -> None:
    tale = told()
    for name in ("first", "second", "third", "fourth"):
        if lost == f"before the {name}":
            tale.lose()
        tale.drained()
        if "inside" in lost and name in lost:
            tale.lose()
            tale.begin()
        if lost == f"twice inside the {name}":
            tale.lose()
        tale.end()
    assert counted(tale.binary(), PLAIN)[1] == count


@few
def test_where_gaps_are_too_many_to_be_told_no_later_window_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.events.MAX_GAPS", 2)
    tale, _ = sections(4)
    for _ in range(3):
        tale.lose()
        tale.iteration()
    sections(3, tale=tale)
    assert counted(tale.binary(), PLAIN)[1] == 2


@few
@pytest.mark.parametrize(("shown", "count"), [(Tale.read, 0), (Tale.write, 0), (Tale.warm_up, 2)])
def test_windows_that_the_trace_could_not_have_shown_to_break_are_not_clean(
    shown: Callable[[Tale], object], count: int
) -> None:
    tale = Tale()
    shown(tale)
    sections(4, tale=tale)
    assert counted(tale, PLAIN)[1] == count


@few
@pytest.mark.parametrize(("qemu", "count"), [("3.1", 2), ("7.2", 2), ("3.0", 0)])
def test_nor_are_those_of_a_release_of_which_their_clause_says_nothing(qemu: str, count: int) -> None:
    tale, _ = sections(4)
    own = rule(f"{EDGES} forbid guest_io(node) holds 3.1 onwards")
    assert counted(tale, own, qemu=qemu)[1] == count


# windows that may only not last


def lasting(*durations_us: int) -> tuple[Tale, Edges]:
    tale, edges = told(), []
    for duration in durations_us:
        opened = tale.begin()
        edges.append((opened, tale.end(us=tale.us + duration)))
    return tale, edges


def test_windows_that_close_in_time_are_counted_and_those_that_last_are_listed() -> None:
    tale, edges = lasting(10, MS_US, MS_US - 1, 2 * MS_US)
    assert of_cuts(tale, LASTING) == ([edges[1], edges[3]], 2)


def test_those_that_close_in_time_are_not_clean_where_records_are_missing_inside() -> None:
    tale, _ = lasting(10, 10)
    tale.begin()
    tale.lose()
    tale.end()
    assert counted(tale.binary(), LASTING) == ([], 2)


def waited() -> Tale:
    tale = Tale()
    for number in range(1, 4):
        tale.say(f"aio_co_schedule ctx 0xc1 co 0x{number:x}")
    for number in range(1, 4):
        tale.say(f"aio_co_schedule_bh_cb ctx 0xc1 co 0x{number:x}")
    return tale


def test_waits_that_end_in_time_are_only_counted() -> None:
    assert of_cuts(waited(), WAITING) == ([], 3)


def test_and_where_anything_is_missing_none_of_them_is_clean() -> None:
    tale = waited()
    tale.lose()
    tale.iteration()
    assert counted(tale.binary(), WAITING) == ([], 0)
    tale = Tale()
    tale.say("aio_co_schedule ctx 0xc1 co 0x5")  # no trace without their ends shows that they ended
    assert counted(tale, WAITING) == ([], 0)


# what is followed


def test_rules_about_jobs_are_followed_elsewhere() -> None:
    of_jobs = rule("open job_look(job) close job_deferred(job) forbid guest_submit(node)", subject="job")
    tale = told()
    tale.start()
    opened = tale.look()
    write = tale.write()
    closed = tale.defer()
    (window,) = of_all_cuts(tale, of_jobs)
    assert (spans([window]), inside(window), window.subject) == ([(opened, closed)], [write], "job")


def test_all_rules_are_followed_at_once() -> None:
    tale = told()
    tale.drained(DISK)
    tale.drained(OTHER_DISK)
    write = tale.write(node=OTHER_DISK)
    tale.end(OTHER_DISK)
    tale.end(DISK)
    tale.begin(us=tale.us)
    tale.end(us=tale.us + 5 * MS_US)
    assert [(w.rule, w.key, inside(w)) for w in of_all_cuts(tale, LASTING, PLAIN)] == [
        (PLAIN.id, DISK, []), (PLAIN.id, OTHER_DISK, [write]), (LASTING.id, DISK, []),
    ]  # fmt: skip


@pytest.mark.parametrize("cuts", [[], [1], [1, 2], [2]])
def test_the_end_of_a_trace_is_its_latest_time_whatever_record_has_it(cuts: list[int]) -> None:
    tale = told()
    tale.end()
    opened = tale.begin()
    start = tale.us
    for us in (start + 10, start + MS_US, start + 20):
        tale.say("main_loop_wait nonblocking 0", us=us)
    found = scan(tale, LASTING, cuts=[opened + c for c in cuts]).windows
    assert [(w.verdict, spans([w])) for w in found] == [(Verdict.VIOLATED, [(opened, None)])]


def test_without_rules_there_is_nothing_to_follow() -> None:
    tale, _ = sections(2)
    result = scan(tale)
    assert (result.windows, result.traces[0].coverage) == ([], [])
