"""Lost extents, byte by byte: held against disks that are written, copied and switched in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, every_cut
from tests.detect.ruled import Tale, told
from tests.detect.test_scan import Cut
from tests.timeline.story import BLOCK, COPY, DISK, DRIVE, JOB, OTHER_DISK, OTHER_DRIVE, VDEV, Story
from traceview.api import Trace
from traceview.detect import Scanner
from traceview.findings import Extent
from traceview.losses import Losses, LossState, LostExtent
from traceview.rules import EXIT_RULE, load_rules
from traceview.vocabulary import Dating, Op, builtin

REPLACED, EXCHANGED = "2.6", "2.4"
"""Releases that replace the guest's node, and that exchange two nodes."""
LOST, UNCERTAIN, REWRITTEN = LossState.LOST, LossState.UNCERTAIN, LossState.REWRITTEN


def losses(story: Story | Trace, *, qemu: str | None = REPLACED, cuts: Iterable[int] = ()) -> Losses:
    """Return what a story lost, cut as asked."""
    trace = story if isinstance(story, Trace) else story.trace()
    rules = load_rules(plugins=False).losing()
    scanner = Scanner(builtin(), rules, keep_losses=True, qemu=Dating.given(qemu) if qemu else None)
    for piece in Cut(trace, list(cuts)).pieces([n for n in builtin().events if scanner.wanted(n)]):
        scanner.feed(piece)
    scanner.finish(trace.path, trace.format.id, trace.stats)
    return scanner.losses


def extents(story: Story | Trace, *, qemu: str | None = REPLACED) -> list[LostExtent]:
    return losses(story, qemu=qemu).extents


def states(found: Iterable[LostExtent]) -> list[tuple[int, int, LossState]]:
    return [(e.extent.offset, e.extent.length, e.state) for e in found]


def write(tale: Tale, offset: int, *, request: int, node: int = DISK, op: str = "pwritev", done: bool = True) -> int:
    """Write a block, and end at once unless told otherwise."""
    line = tale.submit(op, offset, node=node, request=request)
    if done:
        tale.done(request)
    return line


def before_exit() -> Tale:
    """Tell the trace of a job that has left its coroutine."""
    tale = told()
    tale.start()
    tale.look()
    tale.defer()
    return tale


# against disks in memory


@dataclass
class Disks:
    """Images as maps from block to the write that is on it; `images` from the first source to the last target."""

    images: list[dict[int, int]] = field(default_factory=lambda: [{}])
    seen: dict[int, int] = field(default_factory=dict)
    """By block, the last write of the guest."""

    def lacking(self) -> set[int]:
        """Return the blocks of which the guest's disk does not have what the guest wrote last."""
        return {block for block, number in self.seen.items() if self.images[-1].get(block) != number}

    def holder(self, block: int) -> int:
        """Return the last image that has what the guest wrote last."""
        return max(i for i, image in enumerate(self.images) if image.get(block) == self.seen[block])


Acts = list[tuple[str, int, int]]
"""Operation, block, and how many blocks."""
phases = st.lists(
    st.tuples(st.sampled_from(["write", "write", "pwrite_zeroes"]), st.integers(0, 7), st.integers(1, 3)),
    max_size=4,
)
jobs = st.lists(st.tuples(phases, phases, phases, phases, st.booleans()), max_size=4)
NODES = [DISK, COPY, 0xB5, 0xB6, 0xB7]


@given(jobs, phases, any_cuts(60))
def test_what_is_lost_is_what_the_guests_image_does_not_have(
    jobs: list[tuple[Acts, Acts, Acts, Acts, bool]], after: Acts, cuts: list[int]
) -> None:
    tale, disks, number, node = told(), Disks(), 0, 0

    def writes(acts: Acts, copied_to: dict[int, int] | None = None) -> None:
        nonlocal number
        for op, block, count in acts:
            number += 1
            verb = "pwritev" if op == "write" else op
            tale.submit(verb, block * BLOCK, node=NODES[node], length=count * BLOCK, request=0x1000 + number)
            tale.done(0x1000 + number)
            for b in range(block, block + count):
                disks.images[-1][b] = disks.seen[b] = number
                if copied_to is not None:
                    copied_to[b] = number

    for early, before_look, behind_look, in_exit, pivots in jobs:
        writes(early)
        tale.start(JOB, NODES[node])
        target: dict[int, int] = dict(disks.images[-1])
        writes(before_look, target)  # dirty, and copied by the last look
        tale.look(JOB)
        writes(behind_look)
        tale.defer(JOB, NODES[node])
        writes(in_exit)
        tale.exit(JOB, NODES[node], pivots=pivots)
        if pivots:
            tale.pivot(NODES[node], NODES[node + 1])
        tale.exit_done(JOB, NODES[node])
        if pivots:
            disks.images.append(target)
            node += 1
    writes(after)
    found = losses(tale, cuts=cuts).extents
    lost = {b for e in found if e.state is LOST for b in blocks(e)}
    assert lost == disks.lacking()
    for e in found:
        assert e.state in (LOST, REWRITTEN)
        for b in blocks(e) if e.state is LOST else ():
            assert NODES.index(e.has.node) == disks.holder(b)
            assert NODES.index(e.now.node) == len(disks.images) - 1
    assert sum(len(blocks(e)) for e in found if e.state is LOST) == len(lost), "no byte is told twice"


def blocks(extent: LostExtent) -> range:
    return range(extent.extent.offset // BLOCK, extent.extent.end // BLOCK)


# what is told of an extent


def test_an_extent_is_told_with_its_job_its_images_and_its_first_write() -> None:
    tale = told()
    tale.say(f'bdrv_open_common bs 0x{DISK:x} filename "/img/old.img" flags 0x2002 format_name "raw"')
    tale.say(f'bdrv_open_common bs 0x{COPY:x} filename "/img/new.img" flags 0x2002 format_name "raw"')
    tale.start()
    tale.look()
    tale.defer()
    line = write(tale, 0, request=0x71)
    write(tale, BLOCK, request=0x72, op="pwrite_zeroes")
    tale.leave()
    last = tale.iteration()
    found = losses(tale)
    (e,) = found.extents
    assert (e.device, e.blk, e.extent, e.state, e.reason) == ("drive0", DRIVE, Extent(0, 2 * BLOCK), LOST, "")
    assert e.ops == (Op.WRITE, Op.WRITE_ZEROES)
    assert (e.has.file, e.lacks.file, e.now.file) == ("/img/old.img", "/img/new.img", "/img/new.img")
    assert (e.has.node, e.lacks.node, e.job, e.job_kind) == (DISK, COPY, JOB, "mirror")
    assert (e.written.line, e.made_good) == (line, None)
    assert [found.scan.windows[w].rule for w in e.windows] == list(e.rules) == [EXIT_RULE]
    assert found.horizons[0].last is not None
    assert (found.horizons[0].last.line, found.horizons[0].gap) == (last, None)


def test_what_is_rewritten_is_told_apart_with_the_write_that_did_it() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    write(tale, BLOCK, request=0x72)
    tale.leave()
    line = write(tale, BLOCK, request=0x73, node=COPY)
    write(tale, BLOCK, request=0x74, node=COPY)
    kept, rewritten = extents(tale)
    assert states([kept, rewritten]) == [(0, BLOCK, LOST), (BLOCK, BLOCK, REWRITTEN)]
    assert rewritten.made_good is not None
    assert rewritten.made_good.line == line


def test_what_is_written_inside_the_exit_before_the_switch_rewrites_nothing() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    tale.exit()
    write(tale, 0, request=0x72)
    tale.pivot()
    tale.exit_done()
    assert states(extents(tale)) == [(0, BLOCK, LOST)]


def test_what_is_copied_faithfully_is_lost_from_the_next_image_too() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    tale.leave()
    tale.start(JOB, COPY)
    tale.look()
    tale.defer(JOB, COPY)
    write(tale, BLOCK, request=0x72, node=COPY)
    tale.exit(JOB, COPY)
    tale.pivot(COPY, OTHER_DISK)
    tale.exit_done(JOB, COPY)
    first, second = extents(tale)
    assert [(e.has.node, e.lacks.node, e.now.node) for e in (first, second)] == [
        (DISK, COPY, OTHER_DISK), (COPY, OTHER_DISK, OTHER_DISK),
    ]  # fmt: skip


@pytest.mark.parametrize("op", ["pwrite_zeroes", "pdiscard"])
def test_zeroes_and_discards_count(op: str) -> None:
    tale = before_exit()
    if op == "pdiscard":
        tale.say(f"blk_aio_pdiscard blk 0x{DRIVE:x} bs 0x{DISK:x} offset 0 bytes {BLOCK} opaque 0x71")
        tale.done(0x71)
    else:
        write(tale, 0, request=0x71, op=op)
    tale.leave()
    assert states(extents(tale)) == [(0, BLOCK, LOST)]


@pytest.mark.parametrize("pivots", [True, False])
def test_reads_lose_nothing_nor_do_jobs_that_end_on_their_source(pivots: bool) -> None:
    tale = before_exit()
    tale.read(0) if pivots else write(tale, 0, request=0x71)
    tale.leave(pivots=pivots)
    assert extents(tale) == []


# what is not certain


def test_a_write_that_has_not_ended_when_the_trace_does_is_not_certain() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    tale.leave()
    tale.done(0x79)
    (e,) = extents(tale)
    assert (e.state, e.reason) == (UNCERTAIN, "in flight at the switch, and not seen to end")


def in_flight_at_the_switch() -> Tale:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    tale.leave()
    tale.done(0x71)
    return tale


def test_a_write_that_ends_behind_the_switch_stays_with_its_node() -> None:
    tale = in_flight_at_the_switch()
    assert states(extents(tale)) == [(0, BLOCK, LOST)]
    assert states(extents(tale, qemu=None)) == [(0, BLOCK, LOST)]  # the switch is that of newer releases


def test_where_nodes_are_exchanged_under_it_nobody_knows_where_it_went() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    tale.exit()
    tale.say(f"bdrv_swap bs_new 0x{COPY:x} bs_old 0x{DISK:x}")
    tale.exit_done()
    tale.done(0x71)
    (e,) = extents(tale, qemu=EXCHANGED)
    assert (e.state, e.reason) == (UNCERTAIN, "in flight at the switch, where QEMU exchanged the two nodes")


def test_a_pointer_that_is_used_anew_hides_the_end() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    tale.leave()
    write(tale, 8 * BLOCK, request=0x71, node=COPY)
    (e,) = extents(tale)
    assert (e.state, e.reason) == (UNCERTAIN, "in flight at the switch, and not seen to end")


def test_a_write_that_fails_is_not_certain() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    tale.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x71 ret -5")
    tale.leave()
    (e,) = extents(tale)
    assert (e.state, e.reason) == (UNCERTAIN, "it ended with an error")


def test_where_no_ends_are_traced_every_write_may_have_been_in_flight() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    tale.leave()
    (e,) = extents(tale)
    assert (e.state, e.reason) == (
        UNCERTAIN, "the ends of requests are not traced: it may have been in flight at the switch",
    )  # fmt: skip


def test_where_records_are_missing_behind_the_switch_it_may_have_been_rewritten() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    write(tale, BLOCK, request=0x72)
    tale.leave()
    write(tale, 0, request=0x73, node=COPY)
    tale.iteration()
    tale.lose(3)
    tale.iteration()
    found = losses(tale.binary())
    rewritten, hidden = found.extents
    assert (rewritten.state, hidden.state) == (REWRITTEN, UNCERTAIN)
    assert hidden.reason.startswith("records are missing after the switch")
    assert found.horizons[0].gap is not None


def test_a_trace_that_ends_in_the_switch_does_not_tell_whether_anything_is_lost() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    tale.exit()
    tale.pivot()
    (e,) = extents(tale)
    assert e.state is UNCERTAIN
    assert e.reason.startswith("the trace ends in the switch")
    assert (e.now.node, e.now.file) == (0, "")


def test_writes_of_one_extent_that_are_not_equally_certain_are_told_apart() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    write(tale, BLOCK, request=0x72, done=False)
    write(tale, 2 * BLOCK, request=0x73)
    tale.leave()
    assert states(extents(tale)) == [(0, BLOCK, LOST), (BLOCK, BLOCK, UNCERTAIN), (2 * BLOCK, BLOCK, LOST)]


def test_of_two_writes_to_one_place_the_last_one_counts() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71, done=False)
    write(tale, 0, request=0x72)
    tale.leave()
    assert states(extents(tale)) == [(0, BLOCK, LOST)]


# several disks, stock builds, cuts


def test_each_disk_is_told_by_itself() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    tale.submit("pwritev", 0, blk=OTHER_DRIVE, node=OTHER_DISK, request=0x72)
    tale.leave()
    tale.submit("pwritev", 0, blk=OTHER_DRIVE, node=OTHER_DISK, request=0x73)
    assert [(e.device, *s) for e, s in zip(extents(tale), states(extents(tale)), strict=True)] == [
        ("drive0", 0, BLOCK, LOST)
    ]


def test_a_stock_build_tells_the_end_by_the_place_of_what_the_device_took_up() -> None:
    tale = Tale()
    tale.stock_job()
    tale.look()
    tale.before_drain()
    tale.enter()
    for request, offset, ends in ((0x71, 0, True), (0x72, BLOCK, False)):
        tale.take_up("write", offset, request=request)
        tale.reach("pwritev", offset)
        if ends:
            tale.done(request)
    tale.completed()
    tale.move(0xB3, COPY)
    tale.concluded()
    (sure, open_) = extents(tale, qemu="7.2")
    assert states([sure, open_]) == [(0, BLOCK, LOST), (BLOCK, BLOCK, UNCERTAIN)]


def test_it_does_not_matter_how_the_trace_is_cut() -> None:
    tale = before_exit()
    write(tale, 0, request=0x71)
    write(tale, BLOCK, request=0x72, done=False)
    tale.exit()
    write(tale, 0, request=0x73)
    tale.pivot()
    tale.done(0x72)
    tale.exit_done()
    write(tale, BLOCK, request=0x74, node=COPY)
    whole = losses(tale)
    assert len(whole.extents) == 2
    for cuts in every_cut(tale):
        found = losses(tale, cuts=cuts)
        assert (found.extents, found.horizons) == (whole.extents, whole.horizons)
