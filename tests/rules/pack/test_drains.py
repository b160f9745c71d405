"""Drained sections: what reaches a silent node, and which job does not pause. The traces are synthetic."""

from __future__ import annotations

import pytest

from tests.rules.pack.cases import Case, PackStory, coverage_of, happened, instrumented, stock, window_of, windows_of
from tests.timeline.story import DISK, DRIVE, JOB, JOB2, OTHER_DISK, OTHER_DRIVE, OWN, VDEV, edges, lines
from traceview.findings import Verdict
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE

GUEST_IO = "drained-node-guest-io"
JOB_IO = "drained-node-job-io"
IN_FLIGHT = "drained-node-request-in-flight"
JOB_IN_FLIGHT = "mirror-exit-request-in-flight"
REQUEST = 0x71


# the stories


def section(
    *, inside: bool = True, spoils: bool = False, ends: bool = True, blk: int = DRIVE, node: int = DISK
) -> PackStory:
    """Drain the disk; a guest's write comes inside the section, or before and after it."""
    story = instrumented()
    if not inside:
        story.write(8192, blk=blk, node=node)
    story.drain()
    if inside:
        story.write(8192, blk=blk, node=node)
    if spoils:
        story.spoil()
    if ends:
        story.undrain()
    if not inside:
        story.write(8192, blk=blk, node=node)
    return story


def copying(*, inside: bool = True, copies: bool = True, job: int = JOB) -> PackStory:
    """Drain a node on which a mirror job works; a job copies inside the section, or before and after it."""
    story = PackStory()
    story.start(JOB, DISK)
    story.start(JOB2, OTHER_DISK)
    if copies and not inside:
        story.copy(job)
    story.drain()
    if copies and inside:
        story.copy(job, 65536)
    story.undrain()
    if copies and not inside:
        story.copy(job, 65536)
    return story


def pending(
    *, begins_inside: bool = False, ends_inside: bool = True, submits: bool = True, blk: int = DRIVE, node: int = DISK
) -> PackStory:
    """Drain the disk; a write that began before the section ends in it, unless said otherwise."""
    story = instrumented()
    story.submit_for(0x70, 4096)
    story.done(0x70)
    if not begins_inside:
        story.take_up("write", 8192, request=REQUEST)
        if submits:
            story.submit("pwritev", 8192, request=REQUEST, blk=blk, node=node)
        if not ends_inside:
            story.done(REQUEST)
    story.drain()
    if begins_inside:
        story.submit_for(REQUEST, 8192, blk=blk, node=node)
    if ends_inside:
        story.done(REQUEST)
    story.undrain()
    return story


def no_ends_of_requests() -> PackStory:
    story = instrumented()
    story.submit_for(REQUEST, 8192)
    story.drain()
    story.undrain()
    return story


CASES = (
    Case(GUEST_IO, section, lambda: section(inside=False), lambda: section(inside=False, spoils=True)),
    Case(JOB_IO, copying, lambda: copying(inside=False), lambda: copying(copies=False)),
    Case(IN_FLIGHT, pending, lambda: pending(ends_inside=False), no_ends_of_requests),
)


# drained-node-guest-io


def test_a_section_counts_from_the_point_at_which_the_node_is_drained() -> None:
    story = instrumented()
    story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1")
    story.write()  # the drain waits for it
    opened = story.say(f"bdrv_drained_begin_done bs 0x{DISK:x}")
    write = story.write()
    closed = story.undrain()
    story.write()
    window = window_of(story, GUEST_IO)
    assert (edges(window), lines(window.requests), window.node) == ((opened, closed), [write], DISK)


@pytest.mark.parametrize("rule", [GUEST_IO, JOB_IO, IN_FLIGHT])
def test_a_section_inside_a_section_ends_nothing(rule: str) -> None:
    story = instrumented()
    story.start()
    story.submit_for(REQUEST, 8192)
    opened = story.drain()
    story.drain(count=2)
    story.undrain(count=1)
    breaches = {GUEST_IO: story.write(), JOB_IO: story.copy(), IN_FLIGHT: story.done(REQUEST)}
    closed = story.undrain()
    window = window_of(story, rule)
    assert (edges(window), lines(window.requests) + happened(window)) == ((opened, closed), [breaches[rule]])


@pytest.mark.parametrize("op", ["preadv", "pwrite_zeroes", "pdiscard"])
def test_a_request_of_any_kind_breaks_a_section(op: str) -> None:
    story = instrumented()
    story.drain()
    story.submit(op)
    story.undrain()
    assert window_of(story, GUEST_IO).verdict is Verdict.VIOLATED


@pytest.mark.parametrize("rule", [GUEST_IO, JOB_IO, IN_FLIGHT])
def test_a_section_whose_beginning_is_not_in_the_trace_has_no_window(rule: str) -> None:
    story = instrumented()
    story.start()
    story.submit_for(REQUEST, 8192)
    story.drain(count=2)  # inside one that began before
    story.write()
    story.copy()
    story.done(REQUEST)
    story.undrain(count=1)
    story.undrain()
    assert windows_of(story, rule) == []


@pytest.mark.parametrize(("blk", "node"), [(OTHER_DRIVE, OTHER_DISK), (OWN, DISK)])
def test_neither_another_node_nor_a_jobs_own_io_breaks_a_section(blk: int, node: int) -> None:
    assert window_of(section(blk=blk, node=node), GUEST_IO).verdict is Verdict.CLEAN


def test_a_request_that_waits_until_the_section_is_over_breaks_nothing() -> None:
    story = stock()
    story.drain()
    story.take_up("write", 8192)
    story.undrain()
    story.reach("pwritev", 8192, node=DISK)
    assert window_of(story, GUEST_IO).verdict is Verdict.CLEAN


@pytest.mark.parametrize("inside", [False, True])
def test_a_section_that_is_open_at_the_end_is_judged_by_what_is_in_it(inside: bool) -> None:
    story = section(inside=False)
    story.drain()
    if inside:
        story.write()
    last = windows_of(story, GUEST_IO)[1]
    assert last.verdict is (Verdict.VIOLATED if inside else Verdict.INCONCLUSIVE)


def test_what_the_founding_rules_tell_is_not_told_again() -> None:
    story = instrumented()
    story.start()
    story.drain()
    story.look()
    first = story.write(4096)
    story.defer()
    second = story.write(8192)
    story.leave()
    third = story.write(12288)
    story.undrain()
    told = {w.rule: lines(w.requests) for w in story.scan(None).windows if w.verdict is Verdict.VIOLATED}
    assert told == {FINAL_DRAIN_RULE: [first], EXIT_RULE: [second], GUEST_IO: [third]}
    assert lines(window_of(story, GUEST_IO).requests) == [first, second, third]


def test_a_section_of_which_the_founding_rules_tell_all_is_left_out() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.drain()
    story.defer()
    story.write()
    story.leave()
    story.undrain()
    assert [f.rule for f in story.scan(None).findings] == [EXIT_RULE]


# drained-node-job-io


def test_a_copy_in_a_section_is_told_by_its_record() -> None:
    story = PackStory()
    story.start()
    story.copy()
    opened = story.drain()
    copied = story.copy(offset=65536)
    closed = story.undrain()
    window = window_of(story, JOB_IO)
    assert (edges(window), happened(window), window.requests) == ((opened, closed), [copied], [])


def test_a_job_on_another_node_may_copy_in_a_section() -> None:
    assert window_of(copying(job=JOB2), JOB_IO).verdict is Verdict.CLEAN


def test_a_job_works_on_the_node_that_it_was_started_on_last() -> None:
    story = PackStory()
    story.start(JOB, DISK)
    story.copy()
    story.start(JOB, OTHER_DISK)
    story.drain(DISK)
    story.drain(OTHER_DISK)
    copied = story.copy()
    story.undrain(DISK)
    story.undrain(OTHER_DISK)
    found = [(w.node, w.verdict, happened(w)) for w in windows_of(story, JOB_IO)]
    assert found == [(DISK, Verdict.CLEAN, []), (OTHER_DISK, Verdict.VIOLATED, [copied])]


def test_a_section_is_not_clean_of_jobs_where_no_job_is_ever_seen_to_copy() -> None:
    covered = coverage_of(copying(copies=False).scan(None), JOB_IO)
    assert (covered.windows, covered.reason) == (0, "not traced")
    assert "mirror_one_iteration" in covered.events[0]


# drained-node-request-in-flight


def test_a_request_that_ends_in_a_section_is_told_once_by_its_first_end() -> None:
    story = instrumented()
    story.submit_for(REQUEST, 8192)
    opened = story.drain()
    ended = story.done(REQUEST)
    story.say(f"virtio_blk_req_complete vdev 0x{VDEV:x} req 0x{REQUEST:x} status 0")
    closed = story.undrain()
    window = window_of(story, IN_FLIGHT)
    assert (edges(window), happened(window)) == ((opened, closed), [ended])


def test_a_request_that_begins_inside_the_section_is_no_breach_of_the_claim() -> None:
    story = pending(begins_inside=True)
    assert window_of(story, IN_FLIGHT).verdict is Verdict.CLEAN
    assert [f.rule for f in story.scan(None).findings] == [GUEST_IO]


@pytest.mark.parametrize(
    "story", [pending(submits=False), pending(blk=OTHER_DRIVE, node=OTHER_DISK)], ids=["parked", "another node"]
)
def test_a_request_that_had_not_come_to_the_node_may_end_in_the_section(story: PackStory) -> None:
    assert window_of(story, IN_FLIGHT).verdict is Verdict.CLEAN


def test_where_requests_are_not_seen_to_be_handed_over_no_claim_is_judged() -> None:
    story = PackStory()
    story.take_up("write", 8192, request=REQUEST)
    story.drain()
    story.done(REQUEST)
    story.undrain()
    covered = coverage_of(story.scan(None), IN_FLIGHT)
    assert (covered.windows, covered.reason) == (0, "not traced")
    assert "blk_aio_pwritev" in covered.events[0]


def test_a_request_in_flight_that_a_jobs_rule_tells_is_not_told_again() -> None:
    story = instrumented()
    story.start()
    story.submit_for(REQUEST, 8192)
    story.look()
    story.drain()
    story.defer()
    ended = story.done(REQUEST)
    story.leave()
    story.undrain()
    result = story.scan(None)
    assert [f.rule for f in result.findings] == [JOB_IN_FLIGHT]
    assert happened(window_of(story, IN_FLIGHT)) == [ended]
