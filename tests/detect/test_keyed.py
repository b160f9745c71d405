"""Windows whose subject is a pointer: how openings and closings are paired, and how much of a window is kept."""

from __future__ import annotations

import pytest

from tests.detect.ruled import Tale, followed, happened, inside, of_all_cuts, rule, spans, told
from tests.timeline.story import BLOCK, COPY, DISK, IOTHREAD, MAIN, OTHER_DISK

Span = tuple[int, int | None]
FORBID = "close drained_end(node) forbid guest_io(node)"
PLAIN = rule(f"open drained(node) {FORBID}")


def paired(tale: Tale, clauses: str) -> list[Span]:
    return spans(of_all_cuts(tale, rule(clauses)))


# opening again


def test_a_window_goes_from_its_opening_to_its_closing() -> None:
    tale = Tale()
    tale.end()
    opened = tale.drained()
    closed = tale.end()
    tale.end()
    assert paired(tale, f"open drained(node) {FORBID}") == [(opened, closed)]


def test_of_several_openings_the_first_counts_unless_they_restart_or_nest() -> None:
    tale = Tale()
    first, last = tale.drained(), tale.drained()
    closed, closed_again = tale.end(), tale.end()
    assert paired(tale, f"open drained(node) {FORBID}") == [(first, closed)]
    assert paired(tale, f"open drained(node) restarts {FORBID}") == [(last, closed)]
    assert paired(tale, f"open drained(node) nests {FORBID}") == [(first, closed_again)]


def test_a_window_that_nests_is_open_until_each_opening_has_its_closing() -> None:
    tale = Tale()
    opened = tale.drained()
    for _ in range(2):
        tale.drained()
        tale.end()
    closed = tale.end()
    again = tale.drained()
    assert paired(tale, f"open drained(node) nests {FORBID}") == [(opened, closed), (again, None)]


def test_each_node_has_windows_of_its_own() -> None:
    tale = Tale()
    opened = [tale.drained(node) for node in (DISK, OTHER_DISK)]
    closed = [tale.end(node) for node in (DISK, OTHER_DISK)]
    assert [(w.key, *spans([w])) for w in of_all_cuts(tale, PLAIN)] == [
        (DISK, (opened[0], closed[0])), (OTHER_DISK, (opened[1], closed[1])),
    ]  # fmt: skip


def test_windows_come_in_the_order_of_their_opening() -> None:
    tale = Tale()
    for node in (DISK, OTHER_DISK, COPY):
        tale.drained(node)
    for node in (COPY, OTHER_DISK):
        tale.end(node)
    assert [w.key for w in of_all_cuts(tale, PLAIN)] == [DISK, OTHER_DISK, COPY]


def test_tentative_windows_that_stay_open_are_left_out() -> None:
    tale = Tale()
    opened, closed = tale.drained(), tale.end()
    tale.drained()
    assert paired(tale, f"open drained(node) {FORBID} tentative") == [(opened, closed)]


def test_conditions_tell_openings_and_closings_from_others() -> None:
    tale = Tale()
    opened = tale.begin(count=1)
    tale.begin(count=2)
    tale.end(count=1)
    closed = tale.end(count=0)
    tale.begin(count=2)
    clauses = "open drained_begin(node, count = 1) close drained_end(node, count = 0) forbid guest_io(node)"
    assert paired(tale, clauses) == [(opened, closed)]


def test_any_of_several_openings_opens_and_any_of_several_closings_closes() -> None:
    clauses = "open drained(node) or ctx_detached(node) close drained_end(node) or ctx_attached(node)"
    for opens in (Tale.drained, Tale.detach_ctx):
        for closes in (Tale.end, Tale.attach_ctx):
            tale = Tale()
            edges = opens(tale), closes(tale)
            assert paired(tale, f"{clauses} forbid guest_io(node)") == [edges]


# what comes before


AFTER = f"open drained(node) after drained_begin(node) {FORBID}"


def test_an_opening_counts_only_after_what_it_waits_for() -> None:
    tale = Tale()
    tale.drained()
    tale.begin()
    opened = tale.drained()
    closed = tale.end()
    tale.drained()
    assert paired(tale, AFTER) == [(opened, closed)]


def test_what_it_waits_for_must_be_of_the_same_node() -> None:
    tale = Tale()
    tale.begin(OTHER_DISK)
    tale.drained(DISK)
    assert paired(tale, AFTER) == []


def test_a_closing_without_window_ends_the_waiting_too() -> None:
    tale = Tale()
    tale.begin()
    tale.end()
    tale.drained()
    assert paired(tale, AFTER) == []


def test_what_it_waits_for_may_be_a_condition_of_the_very_record() -> None:
    tale = Tale()
    tale.begin(count=2)
    opened = tale.begin(count=1)
    tale.begin(count=2)
    closed = tale.end()
    clauses = f"open drained_begin(node) restarts after drained_begin(node, count = 1) {FORBID}"
    assert paired(tale, clauses) == [(opened + 1, closed)]
    assert paired(tale, clauses.replace("restarts ", "")) == [(opened, closed)]


def test_a_window_that_nests_goes_on_waiting_for_nothing_until_it_closes() -> None:
    tale = Tale()
    tale.begin()
    opened = tale.drained()
    tale.drained()
    tale.end()
    closed = tale.end()
    tale.drained()
    assert paired(tale, f"open drained(node) nests after drained_begin(node) {FORBID}") == [(opened, closed)]


# what makes windows void


@pytest.mark.parametrize(("cancel", "left"), [("ctx_attached(node)", [OTHER_DISK]), ("ctx_attached", [])])
def test_a_cancel_with_a_subject_makes_its_window_void_and_one_without_all(cancel: str, left: list[int]) -> None:
    tale = Tale()
    for node in (DISK, OTHER_DISK):
        tale.drained(node)
    tale.attach_ctx(DISK)
    for node in (DISK, OTHER_DISK):
        tale.end(node)
    assert [w.key for w in of_all_cuts(tale, rule(f"open drained(node) cancel {cancel} {FORBID}"))] == left


def test_a_void_window_may_open_again() -> None:
    tale = Tale()
    tale.drained()
    tale.attach_ctx()
    opened, closed = tale.drained(), tale.end()
    assert paired(tale, f"open drained(node) cancel ctx_attached(node) {FORBID}") == [(opened, closed)]


def test_a_window_that_nests_is_void_as_a_whole() -> None:
    tale = Tale()
    for _ in range(3):
        tale.drained()
    tale.attach_ctx()
    tale.end()
    opened, closed = tale.drained(), tale.end()
    assert paired(tale, f"open drained(node) nests cancel ctx_attached(node) {FORBID}") == [(opened, closed)]


@pytest.mark.parametrize("cancel", ["ctx_attached(node)", "ctx_attached"])
def test_what_makes_void_ends_the_waiting_too(cancel: str) -> None:
    tale = Tale()
    tale.begin()
    tale.attach_ctx()
    tale.drained()
    assert paired(tale, f"open drained(node) after drained_begin(node) cancel {cancel} {FORBID}") == []


def test_a_rule_about_all_of_qemu_has_one_window_at_a_time() -> None:
    own = rule("open graph_locked cancel ctx_attached close graph_unlocked forbid drained_begin", subject="qemu")
    tale = Tale()
    tale.lock()
    tale.attach_ctx()
    tale.unlock()
    opened = tale.lock()
    tale.lock()
    closed = tale.unlock()
    assert spans(of_all_cuts(tale, own)) == [(opened, closed)]


# one record that does two things


def test_a_record_that_closes_and_opens_closes_first() -> None:
    tale = Tale()
    marks = [tale.attach_ctx(ctx=ctx) for ctx in (MAIN, IOTHREAD, MAIN)]
    clauses = "open ctx_attached(node) close ctx_attached(node) forbid guest_io(node)"
    assert paired(tale, clauses) == [(marks[0], marks[1]), (marks[1], marks[2]), (marks[2], None)]


def test_a_record_that_makes_void_and_opens_makes_void_first() -> None:
    tale = Tale()
    tale.attach_ctx()
    opened = tale.attach_ctx()
    closed = tale.end()
    assert paired(tale, f"open ctx_attached(node) cancel ctx_attached(node) {FORBID}") == [(opened, closed)]


def test_a_record_that_closes_and_makes_void_closes() -> None:
    tale = Tale()
    opened, closed = tale.drained(), tale.end()
    assert paired(tale, f"open drained(node) cancel drained_end(node) {FORBID}") == [(opened, closed)]


def test_the_edges_of_a_window_are_not_inside_it() -> None:
    tale = Tale()
    tale.attach_ctx()
    tale.attach_ctx()
    own = rule("open ctx_attached(node) close ctx_attached(node) forbid ctx_attached(node)")
    assert [w.happenings for w in of_all_cuts(tale, own)] == [[], []]


# many


def test_thousands_of_openings_nest() -> None:
    tale = Tale()
    opened = tale.drained()
    for _ in range(2999):
        tale.drained()
    request = tale.write()
    for _ in range(2999):
        tale.end()
    closed = tale.end()
    for cuts in ([], [1500, 3000, 4500], list(range(7, tale.lines, 7))):
        (window,) = followed(tale, rule(f"open drained(node) nests {FORBID}"), cuts=cuts)
        assert (spans([window]), inside(window)) == ([(opened, closed)], [request])


def test_thousands_of_windows_stand_open_side_by_side() -> None:
    tale = Tale()
    count = 2000
    opened = [tale.drained(node) for node in range(1, count + 1)]
    requests = [tale.write(node=node) for node in range(1, count + 1)]
    closed = [tale.end(node) for node in range(count, 0, -1)]
    for cuts in ([], [count // 2, 2 * count, 2 * count + 500]):
        found = followed(tale, PLAIN, cuts=cuts)
        assert spans(found) == list(zip(opened, reversed(closed), strict=True))
        assert [inside(w) for w in sorted(found, key=lambda w: w.key)] == [[r] for r in requests]


# how much of a window is kept


def flood(*, within: int) -> Tale:
    tale = Tale()
    tale.drained()
    for number in range(within):
        tale.write(BLOCK * number)
    tale.end()
    return tale


@pytest.mark.parametrize("cuts", [[], [500], [900, 1001, 1002], list(range(1, 1005, 40))])
def test_of_more_requests_than_a_thousand_the_first_thousand_are_kept_and_the_rest_counted(cuts: list[int]) -> None:
    (window,) = followed(flood(within=1003), PLAIN, cuts=cuts)
    assert (inside(window), window.more) == (list(range(2, 1002)), 3)
    (window,) = followed(flood(within=1000), PLAIN, cuts=cuts)
    assert (len(window.requests), window.more) == (1000, 0)


@pytest.mark.parametrize(("limit", "kept", "more"), [(2, 2, 4), (5, 5, 1), (6, 6, 0)])
def test_what_is_kept_of_a_window_is_bounded_however_it_comes(
    limit: int, kept: int, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traceview.detect.keyed_state.MOST_KEPT", limit)
    (window,) = of_all_cuts(flood(within=6), PLAIN)
    assert (len(window.requests), window.more) == (kept, more)


def test_so_is_what_else_happens_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.keyed_state.MOST_KEPT", 3)
    tale = Tale()
    tale.drained()
    lines = [tale.detach_ctx() for _ in range(5)]
    tale.end()
    (window,) = of_all_cuts(tale, rule("open drained(node) close drained_end(node) forbid ctx_detached(node)"))
    assert (happened(window), window.more) == (lines[:3], 2)


def test_the_more_windows_are_open_the_less_is_kept_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.keyed.MOST_KEPT_OPEN", 60)
    nodes = range(0xB100, 0xB108)
    tale = told()
    for node in nodes:
        tale.drained(node)
    for number in range(70):
        for node in nodes:
            tale.submit("pwritev", number * BLOCK, node=node)
    found = of_all_cuts(tale, rule("open drained(node) close drained_end(node) forbid guest_io(node)"))
    assert [len(w.requests) for w in found] == [60, 30, 20, 15, 12, 10, 10, 10]
    assert all(len(w.requests) + w.more == 70 for w in found)
