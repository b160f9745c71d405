"""Drained sections that do not end, and a drain that opens none: who waits, and who comes. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.rules.pack.cases import (
    HALF_A_MINUTE_US,
    IN_TIME_US,
    Case,
    PackStory,
    coverage_of,
    happened,
    instrumented,
    window_of,
    windows_of,
)
from tests.timeline.story import DISK, DRIVE, OTHER_DISK, OTHER_DRIVE, STEP_US, Story, edges, lines
from traceview.findings import Verdict

NEVER_ENDS = "drained-section-never-ends"
INSTANT = "instant-drain-guest-io"
BUS = "scsi-bus-stays-drained"
A_BUS, OTHER_BUS = 0x54, 0x55


def lasting(
    us: int = HALF_A_MINUTE_US, *, ends: bool = True, served_us: Sequence[int] = (), op: str = "pwritev",
    blk: int = DRIVE, node: int = DISK,
) -> PackStory:  # fmt: skip
    """Drain another disk for a moment and this one for long; requests come at some times after its beginning."""
    story = instrumented()
    story.drain(OTHER_DISK)
    story.undrain(OTHER_DISK)
    story.drain()
    began = story.us - STEP_US  # the record before the node is drained
    for at in served_us:
        story.submit(op, blk=blk, node=node, us=began + at)
    story.us = began + us - STEP_US
    if ends:
        story.undrain()
    else:
        story.notify()
    return story


def only_begun() -> PackStory:
    """Drain a node in a trace that does not last half a minute."""
    story = instrumented()
    story.drain()
    return story


def command(story: Story) -> int:
    return story.say('handle_qmp_command mon 0x7 cmd_name "block_resize"')


def drain_all(story: Story) -> int:
    return story.say("bdrv_drain_all nodes 2")


def answer(story: Story) -> int:
    return story.say("monitor_protocol_emitter mon 0x7")


def resized(*, inside: bool = True, asked: bool = True, spoils: bool = False) -> PackStory:
    """Let a monitor command drain all nodes and work on; a guest's write comes meanwhile, or before and after it."""
    story = instrumented()
    if asked:
        command(story)
    if not inside:
        story.write(8192)
    drain_all(story)
    if inside:
        story.write(8192)
    if spoils:
        story.spoil()
    answer(story)
    if not inside:
        story.write(8192)
    return story


def bus(us: int = HALF_A_MINUTE_US, *, ended: int = A_BUS) -> PackStory:
    """Drain one SCSI bus for a moment and another one for long."""
    story = PackStory()
    story.say(f"scsi_bus_drained_begin bus 0x{OTHER_BUS:x} sdev 0x1")
    story.say(f"scsi_bus_drained_end bus 0x{OTHER_BUS:x} sdev 0x1")
    story.say(f"scsi_bus_drained_begin bus 0x{A_BUS:x} sdev 0x2")
    story.wait(us)
    story.say(f"scsi_bus_drained_end bus 0x{ended:x} sdev 0x2")
    return story


def bus_at_the_end() -> PackStory:
    story = PackStory()
    story.say(f"scsi_bus_drained_begin bus 0x{A_BUS:x} sdev 0x1")
    story.notify()
    return story


CASES = (
    Case(NEVER_ENDS, lasting, lambda: lasting(IN_TIME_US), only_begun),
    Case(INSTANT, resized, lambda: resized(inside=False), lambda: resized(inside=False, spoils=True)),
    Case(BUS, bus, lambda: bus(IN_TIME_US), bus_at_the_end),
)


# drained-section-never-ends


def test_a_section_of_half_a_minute_is_told_by_its_beginning() -> None:
    window = window_of(lasting(), NEVER_ENDS)
    opened, closed = edges(window)
    assert opened is not None
    assert (closed, happened(window), window.node) == (opened + 2, [opened], DISK)


@pytest.mark.parametrize("us", [HALF_A_MINUTE_US, 3 * HALF_A_MINUTE_US])
def test_a_section_that_lasts_to_the_end_of_the_trace_is_violated_when_half_a_minute_is_over(us: int) -> None:
    assert window_of(lasting(us, ends=False), NEVER_ENDS).verdict is Verdict.VIOLATED


def test_a_section_that_lasts_to_the_end_of_the_trace_is_inconclusive_before_that() -> None:
    window = window_of(lasting(IN_TIME_US, ends=False), NEVER_ENDS)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_a_section_is_over_when_as_many_ended_as_began() -> None:
    story = instrumented()
    opened = story.drain() - 1
    story.drain(count=2)
    story.undrain(count=1)
    story.wait(HALF_A_MINUTE_US)
    closed = story.undrain()
    assert edges(window_of(story, NEVER_ENDS)) == (opened, closed)


def test_a_section_whose_beginning_is_not_in_the_trace_has_no_length() -> None:
    story = instrumented()
    story.drain(count=2)
    story.wait(HALF_A_MINUTE_US)
    story.undrain(count=1)
    assert windows_of(story, NEVER_ENDS) == []


@pytest.mark.parametrize("op", ["preadv", "pwritev"])
def test_a_section_in_which_requests_get_through_starves_nobody(op: str) -> None:
    result = lasting(served_us=[HALF_A_MINUTE_US // 2], op=op).scan([NEVER_ENDS])
    assert (result.findings, result.inconclusive) == ([], False)


@pytest.mark.parametrize("at", [1_000_000, 2 * HALF_A_MINUTE_US - 1_000_000])
def test_a_section_starves_whoever_gets_through_but_waits_half_a_minute_before_or_after(at: int) -> None:
    assert window_of(lasting(2 * HALF_A_MINUTE_US, served_us=[at]), NEVER_ENDS).verdict is Verdict.VIOLATED


def test_what_gets_through_to_another_node_feeds_nobody() -> None:
    story = lasting(served_us=[HALF_A_MINUTE_US // 2], blk=OTHER_DRIVE, node=OTHER_DISK)
    assert window_of(story, NEVER_ENDS).verdict is Verdict.VIOLATED


def test_a_section_whose_end_may_be_missing_is_not_said_to_last() -> None:
    story = lasting(IN_TIME_US, ends=False)
    story.lose()
    story.wait(HALF_A_MINUTE_US)
    story.notify()
    (window,) = story.binary().scan([NEVER_ENDS]).windows
    assert window.verdict is Verdict.INCONCLUSIVE
    assert window.reason.startswith("records are missing inside it")


# instant-drain-guest-io


def test_a_write_between_a_commands_drain_and_its_answer_is_told_with_its_place() -> None:
    story = instrumented()
    command(story)
    opened = drain_all(story)
    write = story.write(8192)
    closed = answer(story)
    window = window_of(story, INSTANT)
    assert (edges(window), lines(window.requests)) == ((opened, closed), [write])


def test_a_read_behind_a_commands_drain_breaks_its_silence_too() -> None:
    story = instrumented()
    command(story)
    drain_all(story)
    story.read()
    answer(story)
    assert window_of(story, INSTANT).verdict is Verdict.VIOLATED


def test_a_drain_that_no_command_made_promises_nothing() -> None:
    story = resized(inside=False)
    drain_all(story)
    story.write()
    answer(story)
    assert window_of(story, INSTANT).verdict is Verdict.CLEAN


def test_a_command_without_drain_promises_nothing() -> None:
    story = resized(inside=False)
    command(story)
    story.write()
    answer(story)
    assert window_of(story, INSTANT).verdict is Verdict.CLEAN


def test_the_next_command_takes_the_promise_of_an_unanswered_one_back() -> None:
    story = resized(inside=False)
    command(story)
    drain_all(story)
    command(story)
    story.write()
    answer(story)
    assert [w.verdict for w in windows_of(story, INSTANT)] == [Verdict.CLEAN]


def test_a_command_that_the_trace_does_not_see_answered_is_not_judged() -> None:
    story = resized(inside=False)
    command(story)
    drain_all(story)
    story.write()
    assert [w.verdict for w in windows_of(story, INSTANT)] == [Verdict.CLEAN]


def test_newer_releases_answer_by_another_event() -> None:
    story = resized(inside=False)
    command(story)
    drain_all(story)
    story.write()
    story.say('monitor_qmp_respond mon 0x7 resp: {"return": {}}')
    assert [w.verdict for w in windows_of(story, INSTANT)] == [Verdict.CLEAN, Verdict.VIOLATED]


def test_drains_without_commands_are_not_judged() -> None:
    covered = coverage_of(resized(asked=False).scan(None), INSTANT)
    assert (covered.windows, covered.events) == (0, (("handle_qmp_command",),))


# scsi-bus-stays-drained


def test_a_bus_that_is_drained_for_half_a_minute_is_told_by_its_beginning() -> None:
    window = window_of(bus(), BUS)
    assert (edges(window), window.key, happened(window)) == ((3, 4), A_BUS, [3])


def test_the_end_of_another_bus_ends_no_section() -> None:
    window = window_of(bus(ended=OTHER_BUS), BUS)
    assert (edges(window), window.key) == ((3, None), A_BUS)


def test_a_bus_that_is_drained_at_the_end_is_inconclusive_before_half_a_minute_is_over() -> None:
    window = window_of(bus(IN_TIME_US, ended=OTHER_BUS), BUS)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")
