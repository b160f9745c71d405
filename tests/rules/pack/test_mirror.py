"""The ends of mirror jobs: which of the guest's requests the target may lack. The traces are synthetic."""

from __future__ import annotations

from functools import partial

import pytest

from tests.rules.pack.cases import SHOWN, Case, PackStory, coverage_of, happened, instrumented, stock, window_of
from tests.timeline.story import COPY, DISK, DRIVE, FILTER, JOB, OTHER_DISK, OTHER_DRIVE, edges
from traceview.findings import Evidence, Severity, Verdict
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE

IN_FLIGHT = "mirror-exit-request-in-flight"
SWITCHED = "QEMU 2.12 and newer"
MOVED_ON = "QEMU 2.8 to 2.11, or newer without attachments"
REQUEST = 0x71


# the end of a job, as different releases tell it


def deferred(*, door: str = "exit", spoils: bool = False) -> PackStory:
    """End a job on an instrumented build; a write comes before its `exit`, before its `deferral`, or after it all."""
    story = instrumented()
    story.start()
    story.look()
    if door == "deferral":
        story.write(8192)
    if spoils:
        story.spoil()
    story.defer()
    if door == "exit":
        story.write(8192)
    if spoils:
        story.spoil()
    story.leave()
    if door == "none":
        story.write(8192)
    return story


def switched(*, inside: bool = True, confirmed: bool = True) -> PackStory:
    """End a job on QEMU 2.12 or newer; a write comes behind the drained point, or before and after all."""
    story = stock()
    story.move(DISK, FILTER)
    story.start()
    if not inside:
        story.reach("pwritev", 8192)
    story.before_drain()
    story.enter()
    if inside:
        story.reach("pwritev", 8192)
    if confirmed:
        story.completed()
        story.move(FILTER, COPY)
        story.reach("pwritev", 8192, node=COPY)
    return story


def moved_on(*, inside: bool = True, reads: bool = True) -> PackStory:
    """End a job on QEMU 2.8 to 2.11, where only the guest's requests show the switch."""
    story = PackStory()
    if reads:
        story.reach("preadv", SHOWN, node=DISK)
    story.reach("pwritev", SHOWN, node=DISK)
    story.start()
    story.before_drain()
    story.enter()
    if inside:
        story.reach("pwritev", 8192, node=DISK)
    story.reach("pwritev", 12288, node=COPY)
    return story


# requests in flight


def pending(
    *, begins_inside: bool = False, ends_inside: bool = True, submits: bool = True, answers: bool = True,
    blk: int = DRIVE, node: int = DISK,
) -> PackStory:  # fmt: skip
    """Defer a job's exit while a write is on its way, as an instrumented build tells it."""
    story = instrumented()
    story.submit_for(0x70, 4096)
    if answers:
        story.done(0x70)
    story.start()
    if not begins_inside:
        story.take_up("write", 8192, request=REQUEST)
        if submits:
            story.submit("pwritev", 8192, request=REQUEST, blk=blk, node=node)
        if answers and not ends_inside:
            story.done(REQUEST)
    story.defer()
    if begins_inside:
        story.submit_for(REQUEST, 8192, blk=blk, node=node)
    if answers and ends_inside:
        story.done(REQUEST)
    story.leave()
    return story


def pending_on_stock(
    *, begins_inside: bool = False, ends_inside: bool = True, reaches: bool = True, answers: bool = True,
    blk: int = DRIVE,
) -> PackStory:  # fmt: skip
    """Drain a job's source while a write is on its way, as a stock build tells it."""
    story = stock()
    story.move(DISK, FILTER)
    story.reach_for(0x70, 4096, node=FILTER)
    if answers:
        story.done(0x70)
    story.start()
    if not begins_inside:
        story.take_up("write", 8192, request=REQUEST)
        if reaches:
            story.reach("pwritev", 8192, blk=blk)
        if answers and not ends_inside:
            story.done(REQUEST)
    story.before_drain()
    story.enter()
    if begins_inside:
        story.reach_for(REQUEST, 8192, blk=blk, node=FILTER)
    if answers and ends_inside:
        story.done(REQUEST)
    story.completed()
    story.move(FILTER, COPY)
    return story


proxy = partial(Case, evidence=Evidence.PROXY)
loss = partial(Case, severity=Severity.DATA_LOSS)
proxy_of_loss = partial(proxy, severity=Severity.DATA_LOSS)

CASES = (
    loss(EXIT_RULE, deferred, lambda: deferred(door="none"), lambda: deferred(door="none", spoils=True)),
    proxy_of_loss(
        EXIT_RULE, switched, lambda: switched(inside=False), lambda: switched(inside=False, confirmed=False),
        about=SWITCHED,
    ),
    proxy_of_loss(
        EXIT_RULE, moved_on, lambda: moved_on(inside=False), lambda: moved_on(inside=False, reads=False), about=MOVED_ON
    ),
    loss(
        FINAL_DRAIN_RULE, lambda: deferred(door="deferral"), lambda: deferred(door="none"),
        lambda: deferred(door="none", spoils=True),
    ),
    Case(IN_FLIGHT, pending, lambda: pending(ends_inside=False), lambda: pending(answers=False)),
    proxy(
        IN_FLIGHT, pending_on_stock, lambda: pending_on_stock(ends_inside=False),
        lambda: pending_on_stock(answers=False), about=SWITCHED,
    ),
)  # fmt: skip


# mirror-exit-guest-io and mirror-final-drain-guest-io: what else they tell is tested with the detection


def test_a_write_through_each_door_is_told_by_the_rule_of_that_door_alone() -> None:
    for door, rule in (("deferral", FINAL_DRAIN_RULE), ("exit", EXIT_RULE)):
        assert [f.rule for f in deferred(door=door).scan(None).findings] == [rule]


# mirror-exit-request-in-flight


def test_a_request_that_a_jobs_drain_did_not_wait_for_is_told_by_its_end() -> None:
    story = instrumented()
    story.start()
    story.submit_for(REQUEST, 8192)
    opened = story.defer()
    done = story.done(REQUEST)
    closed = story.leave()
    window = window_of(story, IN_FLIGHT)
    assert (edges(window), happened(window), window.requests) == ((opened, closed), [done], [])
    assert (window.job, window.node, window.pivoted) == (JOB, DISK, True)


def test_on_stock_builds_the_windows_edges_are_the_drained_point_and_the_switch() -> None:
    story = stock()
    story.move(DISK, FILTER)
    story.start()
    story.reach_for(REQUEST, 8192, node=FILTER)
    story.before_drain()
    opened = story.enter()
    done = story.done(REQUEST)
    story.completed()
    closed = story.move(FILTER, COPY)
    window = window_of(story, IN_FLIGHT)
    assert (edges(window), happened(window)) == ((opened, closed), [done])


def test_a_request_that_begins_behind_the_claim_is_no_breach_of_it() -> None:
    assert window_of(pending(begins_inside=True), IN_FLIGHT).verdict is Verdict.CLEAN
    assert window_of(pending_on_stock(begins_inside=True), IN_FLIGHT).verdict is Verdict.CLEAN


def test_a_request_to_another_node_may_end_behind_the_claim() -> None:
    assert window_of(pending(blk=OTHER_DRIVE, node=OTHER_DISK), IN_FLIGHT).verdict is Verdict.CLEAN
    assert window_of(pending_on_stock(blk=OTHER_DRIVE), IN_FLIGHT).verdict is Verdict.CLEAN


def test_a_request_that_was_parked_before_the_claim_was_not_in_flight() -> None:
    assert window_of(pending(submits=False), IN_FLIGHT).verdict is Verdict.CLEAN
    assert window_of(pending_on_stock(reaches=False), IN_FLIGHT).verdict is Verdict.CLEAN


@pytest.mark.parametrize("build", ["instrumented", "stock"])
def test_where_requests_are_not_seen_to_get_to_their_nodes_no_claim_is_judged(build: str) -> None:
    story = PackStory()
    story.attach()
    story.move(DISK, FILTER)
    story.start()
    story.take_up("write", 8192, request=REQUEST)
    if build == "stock":
        story.before_drain()
        story.enter()
        story.done(REQUEST)
        story.completed()
        story.move(FILTER, COPY)
    else:
        story.defer()
        story.done(REQUEST)
        story.leave()
    covered = coverage_of(story.scan(None), IN_FLIGHT)
    assert (covered.windows, covered.reason) == (0, "not traced")
    assert ("blk_co_pwritev" if build == "stock" else "blk_aio_pwritev") in covered.events[0]


def test_where_the_ends_of_requests_are_not_traced_no_claim_is_judged() -> None:
    for story in (pending(answers=False), pending_on_stock(answers=False)):
        covered = coverage_of(story.scan(None), IN_FLIGHT)
        assert (covered.windows, covered.reason) == (0, "not traced")
        assert "virtio_blk_rw_complete" in covered.events[0]
