"""The end of a mirror job as stock QEMU 2.2 to 3.0 tells it (synthetic stories): what stands in for the window's edges.

`tests/test_cut_captures.py` has the same of real traces.
"""

from __future__ import annotations

import pytest

from tests.timeline.story import (
    COPY,
    DISK,
    DRIVE,
    FILTER,
    JOB,
    MAIN_THREAD,
    OTHER_DISK,
    Story,
    edges,
    exits,
    lines,
    stock,
)
from traceview.findings import Evidence, Severity, Verdict, Window

COROUTINE, OTHER_COROUTINE = 0x2, 0x3
VDEV, REQUEST = 0xE1, 0x77


def only_window(story: Story, qemu: str | None = None) -> Window:
    (window,) = exits(story.trace().scan(["mirror-exit-guest-io"], qemu=qemu))
    return window


# QEMU 2.12 and 3.0: the job tells that it is complete after the switch


def told_after_the_switch(*, write: bool) -> tuple[Story, int, int]:
    story = stock()
    story.before_drain()
    opened = story.enter()
    if write:
        story.reach("pwritev", 4096)
    closed = story.move(FILTER, COPY)
    text = "block_job_completed job 0xa1 ret 0 corrected ret 0"
    story.say(text)
    return story, opened, closed


def test_a_window_of_2_12_closes_at_the_switch_although_the_job_completes_later() -> None:
    story, opened, closed = told_after_the_switch(write=False)
    window = only_window(story)
    assert (window.verdict, edges(window), window.pivoted) == (Verdict.CLEAN, (opened, closed), True)


def test_a_write_in_a_window_of_2_12_is_lost() -> None:
    story, _, _ = told_after_the_switch(write=True)
    window = only_window(story)
    assert (window.verdict, window.severity, window.evidence) == (
        Verdict.VIOLATED, Severity.DATA_LOSS, Evidence.PROXY,
    )  # fmt: skip
    assert [(e.offset, e.length) for e in window.lost] == [(4096, 4096)]


# QEMU 2.8 to 2.11: no attachments, no event of the job's end


def unattached() -> Story:
    story = Story()
    story.reach("preadv", 0x7FFF0000, node=DISK)
    story.reach("pwritev", 0x7FFF0000, node=DISK)
    story.start()
    story.reach("pwritev", 0x7FFF0000)  # through the filter that the job has put above the disk
    return story


def test_a_window_of_2_10_closes_where_the_guest_reaches_another_node() -> None:
    story = unattached()
    story.before_drain()
    opened = story.enter()
    hit = story.reach("pwritev", 4096)
    closed = story.reach("pwritev", 8192, node=COPY)
    window = only_window(story)
    assert (window.verdict, edges(window), lines(window.requests)) == (Verdict.VIOLATED, (opened, closed), [hit])
    assert (window.target, window.pivoted, window.severity) == (COPY, True, Severity.DATA_LOSS)
    assert window.about == "QEMU 2.8 to 2.11, or newer without attachments"


def test_a_job_of_2_10_that_goes_back_to_copying_has_not_been_at_its_end() -> None:
    story = unattached()
    story.before_drain()
    story.enter()
    story.reach("pwritev", 4096)
    story.copy()
    story.before_drain()
    opened = story.enter()
    story.reach("pwritev", 8192, node=COPY)
    window = only_window(story)
    assert (window.verdict, edges(window)[0]) == (Verdict.CLEAN, opened)


@pytest.mark.parametrize("event", [5, 6])
def test_the_monitors_word_that_a_job_is_complete_closes_a_window_of_2_10(event: int) -> None:
    story = unattached()
    story.before_drain()
    story.enter()
    told = story.say(f"monitor_protocol_event_emit event={event} data=0x5")
    moved = story.reach("pwritev", 8192, node=COPY)
    window = only_window(story)
    assert edges(window)[1] == (told if event == 5 else moved)
    assert (window.verdict, window.pivoted, window.target) == (Verdict.CLEAN, True, COPY)


def test_a_job_of_2_10_that_ends_back_on_its_source_loses_nothing() -> None:
    story = unattached()
    story.before_drain()
    story.enter()
    story.reach("pwritev", 4096)
    story.reach("pwritev", 8192, node=DISK)
    window = only_window(story)
    assert (window.pivoted, window.severity, window.lost) == (False, Severity.BROKEN_PROMISE, [])


def test_a_window_of_2_10_that_the_trace_does_not_see_end_is_inconclusive() -> None:
    story = unattached()
    story.before_drain()
    story.enter()
    window = only_window(story)
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, "still open at the end of the trace")


def test_what_breaks_a_window_of_2_10_is_certain_though_the_trace_does_not_see_it_end() -> None:
    story = unattached()
    story.before_drain()
    story.enter()
    story.reach("pwritev", 4096)
    window = only_window(story)
    assert (window.verdict, [r.certain for r in window.requests]) == (Verdict.VIOLATED, [True])


@pytest.mark.parametrize(("qemu", "certain"), [("2.10", True), ("7.2", False)])
def test_where_each_release_of_a_trace_attaches_what_shows_the_end_may_be_missing(qemu: str, certain: bool) -> None:
    story = unattached()
    story.before_drain()
    story.enter()
    story.reach("pwritev", 4096)
    window = only_window(story, qemu)
    assert (window.verdict, [r.certain for r in window.requests]) == (Verdict.VIOLATED, [certain])


def test_where_all_but_the_jobs_completion_is_traced_that_may_be_missing_and_with_it_the_end() -> None:
    story = stock()
    story.before_drain()
    story.enter()
    story.reach("pwritev", 4096)
    window = only_window(story)
    assert (window.verdict, [r.certain for r in window.requests]) == (Verdict.VIOLATED, [False])
    assert "what ended it may be missing" in window.requests[0].doubt


# QEMU 2.2 to 2.7


class Old:
    """A story of QEMU 2.2 to 2.7, with the events of coroutines or without."""

    def __init__(self, *, coroutines: bool = True, disks: int = 1) -> None:
        self.story = Story()
        self.coroutines = coroutines
        for disk in range(disks):
            self.take_up("read", 0x7FFF0000, vdev=VDEV + disk)
            self.take_up("write", 0x7FFF0000, vdev=VDEV + disk)
        self.story.say(f"mirror_start bs 0x{DISK:x} s 0x{JOB:x} co 0x{COROUTINE:x} opaque (nil)")

    def take_up(self, op: str, offset: int, *, vdev: int = VDEV, request: int = REQUEST) -> int:
        return self.story.take_up(op, offset, vdev=vdev, request=request)

    def look(self, dirty: int = 0) -> int:
        return self.story.look(dirty=dirty)

    def end_coroutine(self, coroutine: int = COROUTINE) -> int:
        return self.story.say(f"qemu_coroutine_terminate self 0x{coroutine:x}") if self.coroutines else 0

    def end(self, ret: int = 0) -> int:
        return self.story.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret {ret}")

    def window(self) -> Window:
        (window,) = exits(self.story.trace().scan(["mirror-exit-guest-io"]))
        return window


def test_a_window_of_2_6_runs_from_the_end_of_the_jobs_coroutine_to_its_last_word() -> None:
    old = Old()
    old.look()
    opened = old.end_coroutine()
    hit = old.take_up("write", 4096)
    closed = old.end()
    window = old.window()
    assert (window.verdict, edges(window), lines(window.requests)) == (Verdict.VIOLATED, (opened, closed), [hit])
    assert (window.severity, window.about) == (Severity.DATA_LOSS, "QEMU 2.2 to 2.7, coroutines traced")
    assert [(e.offset, e.length) for e in window.lost] == [(4096, 4096)]
    assert window.reason.startswith("the switch is not traced: the job ended well")


def test_the_end_of_another_coroutine_opens_nothing() -> None:
    old = Old()
    old.look()
    old.end_coroutine(OTHER_COROUTINE)
    old.take_up("write", 4096)
    opened = old.end_coroutine()
    old.end()
    window = old.window()
    assert (window.verdict, edges(window)[0]) == (Verdict.CLEAN, opened)


def test_without_coroutines_a_window_begins_at_the_last_look_that_found_the_bitmap_clean() -> None:
    old = Old(coroutines=False)
    old.look(dirty=3)
    old.look()
    old.story.copy()
    old.take_up("write", 4096)
    opened = old.look()
    hit = old.take_up("write", 8192)
    closed = old.end()
    window = old.window()
    assert (edges(window), lines(window.requests)) == ((opened, closed), [hit])
    assert window.about == "QEMU 2.2 to 2.7: from the last look at the bitmap on, so through either door"


def test_what_one_disk_does_is_certain_and_what_one_of_two_does_is_possible() -> None:
    for disks, certain in ((1, True), (2, False)):
        old = Old(disks=disks)
        old.look()
        old.end_coroutine()
        old.take_up("write", 4096)
        old.end()
        (finding,) = old.story.trace().scan(["mirror-exit-guest-io"]).findings
        assert finding.certain is certain
        (request,) = old.window().requests
        assert request.node == (DISK if certain else 0)
        assert request.doubt == ("" if certain else "the trace does not tell which of several devices made it")


@pytest.mark.parametrize(("node", "verdict"), [(DISK, Verdict.VIOLATED), (OTHER_DISK, Verdict.CLEAN)])
def test_to_2_5_the_request_that_the_node_is_given_tells_whose_it_is(node: int, verdict: Verdict) -> None:
    old = Old(disks=2)

    def serve(op: str, offset: int, on: int = node) -> int:
        old.take_up(op, offset)
        text = f"bdrv_aio_{op}v bs 0x{on:x} sector_num {offset // 512} nb_sectors 8 opaque 0x{REQUEST:x}"
        return old.story.say(text)

    serve("read", 512, DISK)
    serve("write", 512, DISK)
    old.look()
    old.end_coroutine()
    at = serve("write", 4096)
    old.end()
    window = old.window()
    assert window.verdict is verdict
    assert [(r.mark.line, r.certain) for r in window.requests] == ([(at, True)] if verdict is Verdict.VIOLATED else [])


def test_a_jobs_own_request_to_its_node_is_not_the_guests() -> None:
    old = Old()
    old.story.say(f"bdrv_aio_readv bs 0x{DISK:x} sector_num 0 nb_sectors 8 opaque 0x{REQUEST:x}")
    old.look()
    old.end_coroutine()
    old.story.say(f"bdrv_aio_readv bs 0x{DISK:x} sector_num 8 nb_sectors 8 opaque 0x123")
    old.end()
    assert old.window().verdict is Verdict.CLEAN


@pytest.mark.parametrize(("ret", "asked"), [(-125, False), (0, True)])
def test_a_job_that_failed_or_was_cancelled_did_not_move_the_guest(ret: int, asked: bool) -> None:
    old = Old()
    old.look()
    if asked:
        old.story.say(f"qmp_block_job_cancel job 0x{JOB:x}")
    old.end_coroutine()
    old.take_up("write", 4096)
    old.end(ret)
    window = old.window()
    assert (window.verdict, window.severity, window.lost) == (Verdict.VIOLATED, Severity.BROKEN_PROMISE, [])


def test_the_two_doors_are_told_apart_where_the_coroutine_is_traced() -> None:
    old = Old()
    opened = old.look()
    hit = old.take_up("write", 4096)
    closed = old.end_coroutine()
    old.end()
    windows = old.story.trace().scan(["mirror-exit-guest-io", "mirror-final-drain-guest-io"]).windows
    by_rule = {w.rule: w for w in windows}
    assert by_rule["mirror-exit-guest-io"].verdict is Verdict.CLEAN
    second = by_rule["mirror-final-drain-guest-io"]
    assert (edges(second), lines(second.requests), second.severity) == ((opened, closed), [hit], Severity.DATA_LOSS)


def test_requests_of_the_main_thread_and_of_others_count_alike() -> None:
    old = Old()
    old.look()
    old.end_coroutine()
    hit = old.story.take_up("write", 4096, vdev=VDEV, request=REQUEST, tid=MAIN_THREAD + 1)
    old.end()
    assert lines(old.window().requests) == [hit]


def test_a_drive_has_its_name_where_the_trace_tells_it() -> None:
    story = unattached()
    story.say(f"blk_attach blk 0x{DRIVE:x} name drive0 bs 0x{DISK:x}")
    story.before_drain()
    story.enter()
    story.reach("pwritev", 4096)
    story.reach("pwritev", 8192, node=COPY)
    (finding,) = story.trace().scan(["mirror-exit-guest-io"]).findings
    assert " on drive0: " in finding.title
