"""What windows of jobs cost: which bytes the target lacks, and what the job has copied after all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cuts import every_cut
from tests.detect.ruled import Tale, inside, rule, scan, told
from tests.timeline.story import BLOCK, COPY, DISK, DRIVE, FILTER, JOB, JOB2, OTHER_DISK, OTHER_DRIVE, OTHER_VDEV, VDEV
from traceview.findings import Extent, Severity, Verdict, Window
from traceview.rules import Rule

LOSS = "severity data-loss when changed and pivoted severity broken-promise"
STARTING = "open job_start(job) close job_working(job) forbid guest_change(blk)"
EXCUSED = rule(f"{STARTING} excuse copied tentative", subject="job", more=LOSS)
STRICT = rule(f"{STARTING} tentative", subject="job", more=LOSS)
EXITING = rule("open job_deferred(job) close job_exit(job) forbid guest_submit(node)", subject="job", more=LOSS)


def judged(tale: Tale, own: Rule) -> Window:
    """Return the first window of a rule, which any cut of the trace must give."""
    found = [scan(tale, own, cuts=cuts).windows for cuts in every_cut(tale)]
    assert all(windows == found[0] for windows in found)
    return found[0][0]


def judged_apart(tale: Tale, own: Rule) -> Window:
    """Return the first window of a rule, where the switch stands in another table than what the job copied."""
    cut = tale.lines
    (window,) = scan(switched(tale), own, cuts=[cut]).windows
    return window


def copy(tale: Tale, offset: int, length: int = BLOCK, *, job: int = JOB) -> int:
    return tale.say(f"mirror_one_iteration s 0x{job:x} offset {offset} bytes {length}")


def started() -> Tale:
    """Tell a stock trace up to a job's start; the guest's BlockBackend is on the job's filter."""
    tale = Tale()
    tale.stock_job()
    return tale


def write(tale: Tale, offset: int, *, node: int = FILTER, blk: int = DRIVE) -> int:
    return tale.reach("pwritev", offset, node=node, blk=blk)


def switched(tale: Tale, *, target: int = COPY) -> Tale:
    """Let the job come to its end, and the guest to the target (or back to the disk)."""
    tale.before_drain()
    tale.enter()
    tale.completed()
    tale.move(FILTER, target)
    tale.concluded()
    return tale


# what the job has copied after all


def test_what_the_job_copies_later_did_no_harm() -> None:
    tale = started()
    write(tale, 8 * BLOCK)
    tale.look(dirty=1)
    copy(tale, 8 * BLOCK)
    window = judged(switched(tale), EXCUSED)
    assert (window.verdict, window.reason) == (Verdict.CLEAN, "1 copied by the job later")
    assert (window.requests, window.lost) == ([], [])


def test_the_copy_that_ends_the_window_counts_too() -> None:
    tale = started()
    write(tale, 8 * BLOCK)
    copy(tale, 8 * BLOCK)
    assert judged(switched(tale), EXCUSED).verdict is Verdict.CLEAN


def test_what_was_copied_piece_by_piece_was_copied() -> None:
    tale = started()
    write(tale, 8 * BLOCK)
    tale.look(dirty=1)
    for offset in (0, 512, 1024):
        copy(tale, 8 * BLOCK + offset, 512)
    copy(tale, 8 * BLOCK + 1536, 64 * BLOCK)
    assert judged(switched(tale), EXCUSED).verdict is Verdict.CLEAN


@pytest.mark.parametrize(
    ("offset", "length", "lost"),
    [
        (8 * BLOCK + 512, BLOCK, [Extent(8 * BLOCK, 512)]),
        (8 * BLOCK - 512, BLOCK, [Extent(9 * BLOCK - 512, 512)]),
        (8 * BLOCK + 512, 512, [Extent(8 * BLOCK, 512), Extent(8 * BLOCK + 1024, BLOCK - 1024)]),
        (9 * BLOCK, BLOCK, [Extent(8 * BLOCK, BLOCK)]),
    ],
)
def test_what_it_copies_only_in_part_is_lost_in_part(offset: int, length: int, lost: list[Extent]) -> None:
    tale = started()
    request = write(tale, 8 * BLOCK)
    tale.look(dirty=1)
    copy(tale, offset, length)
    window = judged_apart(tale, EXCUSED)
    assert (window.verdict, window.severity, inside(window)) == (Verdict.VIOLATED, Severity.DATA_LOSS, [request])
    assert window.lost == lost


def test_of_several_requests_only_those_count_that_were_not_copied() -> None:
    tale = started()
    write(tale, 8 * BLOCK)
    left = write(tale, 16 * BLOCK)
    tale.look(dirty=2)
    copy(tale, 8 * BLOCK)
    window = judged_apart(tale, EXCUSED)
    assert (inside(window), window.lost) == ([left], [Extent(16 * BLOCK, BLOCK)])


def test_what_another_job_copies_is_still_missing_here() -> None:
    tale = started()
    write(tale, 8 * BLOCK)
    tale.look(dirty=1)
    tale.start(JOB2, OTHER_DISK)
    copy(tale, 8 * BLOCK, job=JOB2)
    assert judged(switched(tale), EXCUSED).lost == [Extent(8 * BLOCK, BLOCK)]


def test_a_rule_that_excuses_nothing_counts_what_was_copied() -> None:
    tale = started()
    request = write(tale, 8 * BLOCK)
    tale.look(dirty=1)
    copy(tale, 8 * BLOCK)
    window = judged(switched(tale), STRICT)
    assert (inside(window), window.lost) == ([request], [Extent(8 * BLOCK, BLOCK)])


def test_a_job_that_leaves_the_guest_where_it_is_loses_nothing() -> None:
    tale = started()
    write(tale, 8 * BLOCK)
    tale.look(dirty=1)
    window = judged(switched(tale, target=DISK), EXCUSED)
    assert (window.severity, window.lost) == (Severity.BROKEN_PROMISE, [])


# what the guest writes again


def missed() -> Tale:
    """Tell a stock trace in which a job misses what the guest has written."""
    tale = started()
    write(tale, 8 * BLOCK)
    write(tale, 9 * BLOCK)
    tale.look(dirty=1)
    return tale


def test_what_the_guest_writes_again_behind_the_switch_is_no_longer_missing() -> None:
    tale = switched(missed())
    write(tale, 9 * BLOCK, node=COPY)
    write(tale, 7 * BLOCK, node=COPY)
    window = judged(tale, EXCUSED)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8 * BLOCK, BLOCK)], BLOCK)


@pytest.mark.parametrize(
    "act",
    [
        lambda t: write(t, 8 * BLOCK, blk=OTHER_DRIVE, node=OTHER_DISK),
        lambda t: t.reach("preadv", 8 * BLOCK, node=COPY),
        lambda t: copy(t, 8 * BLOCK),
    ],
    ids=["another device", "a read", "a copy"],
)
def test_what_else_happens_there_makes_nothing_good(act: Callable[[Tale], int]) -> None:
    tale = switched(missed())
    act(tale)
    window = judged(tale, STRICT)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8 * BLOCK, 2 * BLOCK)], 0)


def test_what_the_guest_writes_between_the_window_and_the_switch_makes_nothing_good() -> None:
    tale = missed()
    write(tale, 8 * BLOCK)
    assert judged(switched(tale), EXCUSED).lost == [Extent(8 * BLOCK, 2 * BLOCK)]


def test_a_window_up_to_the_exit_counts_from_there_on() -> None:
    tale = told()
    tale.start()
    tale.defer()
    tale.write(8 * BLOCK)
    tale.exit()
    tale.pivot()
    tale.write(8 * BLOCK, node=COPY, length=512)
    tale.exit_done()
    window = judged(tale, EXITING)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8 * BLOCK + 512, BLOCK - 512)], 512)


def test_each_device_makes_good_what_it_wrote_itself() -> None:
    tale = told()
    tale.start()
    tale.defer()
    tale.write(8 * BLOCK)
    tale.write(12 * BLOCK, blk=OTHER_DRIVE)
    tale.leave()
    tale.write(12 * BLOCK, node=COPY)
    tale.write(8 * BLOCK, node=COPY, blk=OTHER_DRIVE)
    window = judged(tale, EXITING)
    assert (window.lost, window.rewritten_bytes) == ([Extent(8 * BLOCK, BLOCK), Extent(12 * BLOCK, BLOCK)], 0)
    tale.write(12 * BLOCK, node=COPY, blk=OTHER_DRIVE)
    assert judged(tale, EXITING).lost == [Extent(8 * BLOCK, BLOCK)]


def test_two_windows_of_a_job_are_followed_each_by_itself() -> None:
    looking = rule(
        "open job_look(job) close job_deferred(job) forbid guest_submit(node)", subject="job", more=LOSS,
        name="looking-rule",
    )  # fmt: skip
    tale = told()
    tale.start()
    tale.look()
    tale.write(8 * BLOCK)
    tale.defer()
    tale.write(12 * BLOCK)
    tale.leave()
    tale.write(12 * BLOCK, node=COPY)
    found = {w.rule: (w.lost, w.rewritten_bytes) for w in scan(tale, looking, EXITING).windows}
    assert found == {looking.id: ([Extent(8 * BLOCK, BLOCK)], 0), EXITING.id: ([], BLOCK)}


# where requests name no device


@pytest.mark.parametrize(("vdev", "left"), [(VDEV, []), (OTHER_VDEV, [Extent(8 * BLOCK, BLOCK)])])
def test_what_is_taken_up_later_makes_good_only_where_one_device_is_known(vdev: int, left: list[Extent]) -> None:
    own = rule(proxies=["open job_look(job) close job_ended(job) forbid guest_request(node)"], subject="job", more=LOSS)
    tale = Tale()
    tale.take_up("read", 0, request=0x7E)
    tale.start()
    tale.look()
    tale.take_up("write", 8 * BLOCK, request=0x70)
    tale.say(f"block_job_cb bs 0x{DISK:x} job 0x{JOB:x} ret 0")
    tale.take_up("write", 8 * BLOCK, request=0x71, vdev=vdev)
    window = judged(tale, own)
    assert (window.severity, window.lost, window.rewritten_bytes) == (Severity.DATA_LOSS, left, BLOCK * (not left))
