"""The ends of mirror jobs on QEMU 2.2 to 2.7, by stock events alone. The traces are synthetic."""

from __future__ import annotations

from functools import partial

import pytest

from tests.rules.pack.cases import SHOWN, Case, PackStory, window_of, windows_of
from tests.timeline.story import BLOCK, DISK, JOB, JOB2, OTHER_DISK, Story, edges
from traceview.findings import Evidence, Severity, Verdict
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE

LEFT = "QEMU 2.2 to 2.7, coroutines traced"
EITHER_DOOR = "QEMU 2.2 to 2.7: from the last look at the bitmap on, so through either door"
REQUEST, COROUTINE = 0x71, 0x2
FAILED = -5


def request(story: Story, op: str, offset: int, node: int = DISK) -> int:
    """Let a device take a request up and hand it over (QEMU to 2.5); return the line of the latter."""
    place = f"sector_num {offset // 512} nb_sectors {BLOCK // 512}"
    story.say(f"virtio_blk_handle_{op} req 0x{REQUEST:x} sector {offset // 512} nsectors {BLOCK // 512}")
    return story.say(f"bdrv_aio_{op}v bs 0x{node:x} {place} opaque 0x{REQUEST:x}")


def begun(*, reads: bool = True) -> PackStory:
    """Begin a trace in which a mirror job is about to end."""
    story = PackStory()
    request(story, "write", SHOWN)
    if reads:
        request(story, "read", SHOWN)
    story.say(f"mirror_start bs 0x{DISK:x} s 0x{JOB:x} co 0x{COROUTINE:x} opaque (nil)")
    return story


def end(story: Story, ret: int = 0) -> int:
    return story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret {ret}")


def ended(
    *, door: str = "exit", coroutine: bool = True, drains: bool = True, reads: bool = True, node: int = DISK
) -> PackStory:
    """End a job; a write comes before the end of its coroutine ("deferral"), before its own ("exit"), or after it."""
    story = begun(reads=reads)
    story.look()
    if drains:
        story.before_drain()
    if door == "deferral":
        request(story, "write", 8192, node)
    if coroutine:
        story.say(f"qemu_coroutine_terminate self 0x{COROUTINE:x}")
    if door == "exit":
        request(story, "write", 8192, node)
    end(story)
    if door == "none":
        request(story, "write", 8192, node)
    return story


loss = partial(Case, evidence=Evidence.PROXY, severity=Severity.DATA_LOSS)

CASES = (
    loss(EXIT_RULE, ended, lambda: ended(door="none"), lambda: ended(door="none", reads=False), about=LEFT),
    loss(
        EXIT_RULE, lambda: ended(coroutine=False), lambda: ended(door="none", coroutine=False),
        lambda: ended(door="none", coroutine=False, reads=False), about=EITHER_DOOR,
    ),
    loss(
        FINAL_DRAIN_RULE, lambda: ended(door="deferral"), lambda: ended(door="none"),
        lambda: ended(door="none", reads=False), about=LEFT,
    ),
)  # fmt: skip


@pytest.mark.parametrize("drains", [True, False])
@pytest.mark.parametrize("door", ["deferral", "exit"])
def test_without_coroutines_a_write_through_either_door_is_one_finding(door: str, drains: bool) -> None:
    story = ended(door=door, coroutine=False, drains=drains)
    assert [(f.rule, f.severity) for f in story.scan(None).findings] == [(EXIT_RULE, Severity.DATA_LOSS)]
    window = window_of(story, EXIT_RULE)
    assert (window.about, window.pivoted, [r.offset for r in window.requests]) == (EITHER_DOOR, True, [8192])
    assert window.reason.startswith("the switch is not traced")


def test_with_coroutines_a_write_through_each_door_is_told_by_the_rule_of_that_door_alone() -> None:
    for door, rule in (("deferral", FINAL_DRAIN_RULE), ("exit", EXIT_RULE)):
        assert [f.rule for f in ended(door=door).scan(None).findings] == [rule]


@pytest.mark.parametrize("coroutine", [True, False])
def test_requests_to_another_node_do_not_count(coroutine: bool) -> None:
    assert window_of(ended(coroutine=coroutine, node=OTHER_DISK), EXIT_RULE).verdict is Verdict.CLEAN


@pytest.mark.parametrize("drains", [True, False])
def test_the_window_opens_with_the_last_look_that_found_the_bitmap_clean(drains: bool) -> None:
    story = begun()
    story.look()
    request(story, "write", 4096)
    story.look(dirty=1)
    opened = story.look()
    if drains:
        story.before_drain()
        opened = story.look()
    closed = end(story)
    window = window_of(story, EXIT_RULE)
    assert (edges(window), window.verdict) == ((opened, closed), Verdict.CLEAN)


@pytest.mark.parametrize("drains", [True, False])
def test_a_job_whose_last_look_found_it_dirty_has_no_window_that_is_known_to_open(drains: bool) -> None:
    story = begun()
    if drains:
        story.before_drain()
    story.look()
    request(story, "write", 4096)
    story.look(dirty=1)
    end(story)
    assert [w.verdict for w in windows_of(story, EXIT_RULE) if w.open is not None] == []
    assert story.scan([EXIT_RULE]).inconclusive


@pytest.mark.parametrize("coroutine", [True, False])
def test_a_job_that_is_not_seen_to_end_has_no_window(coroutine: bool) -> None:
    story = ended(door="none")
    story.say(f"mirror_start bs 0x{DISK:x} s 0x{JOB2:x} co 0x{COROUTINE:x} opaque (nil)")
    story.look(JOB2)
    if coroutine:
        story.say(f"qemu_coroutine_terminate self 0x{COROUTINE:x}")
    request(story, "write", 8192)
    assert [w.verdict for w in windows_of(story, EXIT_RULE)] == [Verdict.CLEAN]


def test_a_job_that_fails_has_not_moved_the_guest() -> None:
    story = begun()
    story.look()
    request(story, "write", 4096)
    end(story, FAILED)
    assert story.scan([EXIT_RULE]).findings == []
