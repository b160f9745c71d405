"""What the tests of the pack share: verbs for stories about its rules, and the three traces that each rule is shown.

The stories are synthetic: no QEMU ever wrote the lines, only their forms are real.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.timeline.story import DISK, DRIVE, IO_THREAD, IOTHREAD, JOB, MAIN, STEP_US, VDEV, VQ, Story
from traceview.findings import RuleCoverage, ScanResult, Verdict, Window
from traceview.rules import Evidence, Severity

HALF_A_MINUTE_US = 30_000_000
"""What the pack's rules call too long."""
IN_TIME_US = HALF_A_MINUTE_US - 1
QUIET = (Verdict.CLEAN, Verdict.GUARDED)
"""The verdicts that say of a window that its promise was kept."""
SHOWN = 0x7FFF0000
"""A place on the disk that nothing else in a story touches, for what only shows that a trace has reads and writes."""


class PackStory(Story):
    """A story with verbs for nodes, contexts, the ends of requests, and time that passes."""

    def drain(self, node: int = DISK, count: int = 1) -> int:
        """Begin a drained section; return the line on which the node is drained."""
        self.say(f"bdrv_drained_begin bs 0x{node:x} quiesce_counter {count}")
        return self.say(f"bdrv_drained_begin_done bs 0x{node:x}")

    def undrain(self, node: int = DISK, count: int = 0) -> int:
        return self.say(f"bdrv_drained_end bs 0x{node:x} quiesce_counter {count}")

    def leave_context(self, node: int = DISK) -> int:
        return self.say(f"bdrv_detach_aio_context bs 0x{node:x}")

    def join_context(self, node: int = DISK, ctx: int = IOTHREAD) -> int:
        return self.say(f"bdrv_attach_aio_context bs 0x{node:x} new_context 0x{ctx:x}")

    def enter_context(self, ctx: int = MAIN) -> int:
        """Enter a coroutine of no job in a context."""
        return self.say(f"qemu_aio_coroutine_enter ctx 0x{ctx:x} from 0x1 to 0x3 opaque (nil)")

    def done(self, request: int, vdev: int = VDEV) -> int:
        return self.say(f"virtio_blk_rw_complete vdev 0x{vdev:x} req 0x{request:x} ret 0")

    def state(self, to: str, job: int = JOB, *, tid: int | None = None) -> int:
        text = f"job_state_transition job 0x{job:x} (ret: 0) attempting allowed transition (any-->{to})"
        return self.say(text, tid=tid)

    def submit_for(self, request: int, offset: int, *, blk: int = DRIVE, node: int = DISK) -> None:
        """Let the device take up a write and hand it to the block layer."""
        self.take_up("write", offset, request=request)
        self.submit("pwritev", offset, request=request, blk=blk, node=node)

    def reach_for(self, request: int, offset: int, *, blk: int = DRIVE, node: int = DISK) -> None:
        """Let the device take up a write that reaches its node at once, as a stock build tells it."""
        self.take_up("write", offset, request=request)
        self.reach("pwritev", offset, blk=blk, node=node)

    def wait(self, us: int) -> None:
        """Let time pass: the next record stands that long after the last one."""
        self.us += us - STEP_US

    def spoil(self) -> int:
        """Add a record of a guest's write that cannot be read: something is missing here."""
        return self.say("blk_aio_pwritev cut short")

    def notify(self, *, tid: int | None = None) -> int:
        """Add a record that every scan reads and that no rule of the pack speaks of."""
        return self.say(f"virtio_queue_notify vdev 0x{VDEV:x} n 0 vq 0x{VQ:x}", tid=tid)

    def other_thread(self) -> int:
        """Let another thread be heard of, so that the trace is known to tell threads apart."""
        return self.notify(tid=IO_THREAD)


def instrumented() -> PackStory:
    """Begin the trace of an instrumented build: the names, and guest I/O of both kinds."""
    story = PackStory()
    story.cast()
    story.warm_up()
    return story


def stock() -> PackStory:
    """Begin the trace of a stock build: a guest's disk is attached, and read and written once."""
    story = PackStory()
    story.attach()
    story.reach("preadv", SHOWN, node=DISK)
    story.reach("pwritev", SHOWN, node=DISK)
    return story


Teller = Callable[[], Story]


@dataclass(frozen=True)
class Case:
    """Three traces for one block of a rule's evidence.

    `broken` violates the promise, in `kept` it is put to the test and holds, `untold` leaves open which of the two it
    is. `about` tells apart the blocks of stand-ins.
    """

    rule: str
    broken: Teller
    kept: Teller
    untold: Teller
    evidence: Evidence = Evidence.EXACT
    about: str = ""
    severity: Severity = Severity.BROKEN_PROMISE

    def __str__(self) -> str:
        return f"{self.rule} {self.evidence} {self.about}".rstrip()


def coverage_of(result: ScanResult, rule: str) -> RuleCoverage:
    """Return what a rule came to in the one trace of a scan."""
    (found,) = [c for c in result.traces[0].coverage if c.rule == rule]
    return found


def quiet_windows(result: ScanResult, rule: str) -> int:
    """Return of how many windows of a rule a scan says that nothing broke them, listed one by one or not."""
    return coverage_of(result, rule).unlisted + sum(w.rule == rule and w.verdict in QUIET for w in result.windows)


def windows_of(story: Story, rule: str) -> list[Window]:
    """Return the windows of a rule in a story that is scanned by no other."""
    return story.scan([rule]).windows


def window_of(story: Story, rule: str) -> Window:
    """Return the one window of a rule in a story."""
    (window,) = windows_of(story, rule)
    return window


def happened(window: Window) -> list[int]:
    """Return the lines of what broke a window and was no request."""
    return [h.mark.line for h in window.happenings]
