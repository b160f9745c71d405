"""Requests that were on their way when a window opened: begun before it, at its node, and not done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.detect.ruled import Tale, of_all_cuts, rule, told
from tests.timeline.story import BLOCK, COPY, DISK, DRIVE, JOB, OTHER_DISK, OTHER_DRIVE
from traceview.detect.pending import Pending
from traceview.findings import Verdict, Window
from traceview.rules import Rule

Q, OTHER = 0x70, 0x71
"""Two requests."""


def pending(tale: Tale, request: int = Q, *, node: int = DISK, blks: tuple[int, ...] = ()) -> bool:
    return request in Pending(tale.table(), node, blks).requests


def dma_start(tale: Tale, request: int, offset: int = 0, *, blk: int = DRIVE, write: bool = True) -> int:
    return tale.say(f"dma_blk_io dbs=0x{request:x} bs=0x{blk:x} offset={offset} to_dev={write:d}")


def dma_done(tale: Tale, request: int) -> int:
    return tale.say(f"dma_complete dbs=0x{request:x} ret=0 cb=0x1")


# whether a request had reached the node


def test_a_request_that_was_handed_over_to_the_node_is_on_its_way() -> None:
    tale = Tale()
    tale.submit("pwritev", request=Q)
    assert pending(tale)
    assert not pending(tale, node=OTHER_DISK)
    assert not pending(tale, OTHER)


def test_a_request_that_is_only_taken_up_is_parked_and_not_on_its_way() -> None:
    tale = Tale()
    tale.take_up("write", BLOCK, request=Q)
    assert not pending(tale, blks=(DRIVE,))


@pytest.mark.parametrize("end", [Tale.done, Tale.answered])
def test_a_request_that_is_done_is_not_on_its_way(end: Callable[[Tale, int], int]) -> None:
    tale = Tale()
    tale.submit("pwritev", request=Q)
    end(tale, OTHER)
    assert pending(tale)
    end(tale, Q)
    assert not pending(tale)
    tale.submit("pwritev", request=Q)  # the pointer is another request's from here on
    assert pending(tale)


def test_a_request_without_pointer_at_the_node_is_found_by_its_place() -> None:
    tale = Tale()
    tale.take_up("write", BLOCK, request=Q)
    tale.reach("pwritev", BLOCK, node=DISK)
    assert pending(tale)
    assert not pending(tale, node=OTHER_DISK)


def test_what_reaches_any_node_by_the_windows_blockbackend_is_on_its_way() -> None:
    tale = Tale()
    tale.take_up("write", BLOCK, request=Q)
    tale.reach("pwritev", BLOCK, node=OTHER_DISK)
    assert pending(tale, blks=(OTHER_DRIVE, DRIVE))
    assert not pending(tale, blks=(OTHER_DRIVE,))


@pytest.mark.parametrize(
    ("op", "offset", "on_its_way"),
    [
        ("pwritev", BLOCK, True),
        ("preadv", BLOCK, False),
        ("pwritev", BLOCK - 512, False),
        ("pwritev", BLOCK + 512, False),
        ("pwritev", 2 * BLOCK, False),
    ],
)
def test_only_a_record_of_its_operation_that_covers_its_place_is_its_own(
    op: str, offset: int, on_its_way: bool
) -> None:
    tale = Tale()
    tale.take_up("write", BLOCK, request=Q)
    tale.reach(op, offset, node=DISK)
    assert pending(tale) == on_its_way


def test_a_request_is_on_its_way_by_what_it_was_merged_into() -> None:
    tale = Tale()
    tale.take_up("write", 2 * BLOCK, request=Q)
    tale.say(f"blk_co_pwritev blk 0x{DRIVE:x} bs 0x{DISK:x} offset {BLOCK} bytes {4 * BLOCK} flags 0x0")
    assert pending(tale)


def test_what_reached_the_node_before_the_request_was_taken_up_is_anothers() -> None:
    tale = Tale()
    tale.reach("pwritev", BLOCK, node=DISK)
    tale.take_up("write", BLOCK, request=Q)
    assert not pending(tale)


def test_a_transfer_is_known_by_its_own_state() -> None:
    tale = Tale()
    dma_start(tale, Q, BLOCK)
    assert not pending(tale)
    tale.reach("pwritev", BLOCK, node=DISK)
    assert pending(tale)
    dma_done(tale, Q)
    assert not pending(tale)


def test_of_nothing_that_was_seen_nothing_is_on_its_way() -> None:
    assert Pending(None, DISK, ()).requests == set()


# in windows: a claim that nothing is on its way is belied by what ends after it

OF_NODE = rule(
    "claim drained(node) until drained_end(node) disprove guest_done(node)", template="counter-says-idle"
)  # fmt: skip
OF_JOB = rule(
    "claim job_deferred(job) until job_exit(job) disprove guest_done(node)", subject="job",
    template="counter-says-idle",
)  # fmt: skip
EDGES: dict[str, tuple[Rule, Callable[[Tale], object], Callable[[Tale], object]]] = {
    "node": (OF_NODE, lambda t: t.drained(), lambda t: t.end()),
    "job": (OF_JOB, lambda t: t.defer(), lambda t: t.leave(pivots=False)),
}
both = pytest.mark.parametrize("kind", sorted(EDGES))


def belied(kind: str, before: Callable[[Tale], object], within: Callable[[Tale], object]) -> Window:
    """Return the window in a story of which only what comes just before it and inside it is told."""
    own, opens, closes = EDGES[kind]
    tale = told()
    tale.take_up("write", 0x7FFF0000, request=0x7F)
    tale.done(0x7F)
    tale.start()
    before(tale)
    opens(tale)
    within(tale)
    closes(tale)
    (window,) = of_all_cuts(tale, own)
    return window


def lines(window: Window) -> list[str]:
    return [h.text.split()[0] for h in window.happenings]


@both
def test_a_request_that_was_handed_over_before_the_claim_and_ends_after_it_belies_it(kind: str) -> None:
    window = belied(kind, lambda t: t.submit("pwritev", request=Q), lambda t: t.done(Q))
    assert (window.verdict, lines(window)) == (Verdict.VIOLATED, ["virtio_blk_rw_complete"])
    assert window.happenings[0].text.endswith(f"req 0x{Q:x} ret 0")


@both
def test_an_end_that_is_told_twice_belies_it_once(kind: str) -> None:
    def ends(tale: Tale) -> None:
        tale.done(Q)
        tale.answered(Q)

    assert lines(belied(kind, lambda t: t.submit("pwritev", request=Q), ends)) == ["virtio_blk_rw_complete"]


@both
def test_an_end_belies_it_though_another_request_begins_with_that_pointer_later(kind: str) -> None:
    def ends(tale: Tale) -> None:
        tale.done(Q)
        tale.submit("pwritev", request=Q)
        tale.done(Q)

    window = belied(kind, lambda t: t.submit("pwritev", request=Q), ends)
    assert lines(window) == ["virtio_blk_rw_complete"]


@both
def test_a_request_that_begins_and_ends_after_the_claim_does_not_belie_it(kind: str) -> None:
    def whole(tale: Tale) -> None:
        tale.submit("pwritev", request=Q)
        tale.done(Q)

    assert belied(kind, lambda t: t.submit("pwritev", request=OTHER), whole).verdict is Verdict.CLEAN


@both
def test_a_request_of_another_node_does_not_belie_it(kind: str) -> None:
    window = belied(
        kind, lambda t: t.submit("pwritev", blk=OTHER_DRIVE, node=OTHER_DISK, request=Q), lambda t: t.done(Q)
    )
    assert window.verdict is Verdict.CLEAN


@both
def test_a_request_of_which_only_the_end_is_seen_does_not_belie_it(kind: str) -> None:
    assert belied(kind, lambda t: t.look(JOB), lambda t: t.done(Q)).verdict is Verdict.CLEAN


@pytest.mark.parametrize(("filling", "verdict"), [(3, Verdict.VIOLATED), (4, Verdict.CLEAN)])
@both
def test_how_far_back_a_request_is_looked_for_is_bounded(
    kind: str, filling: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("keyed", "candidates"):
        monkeypatch.setattr(f"traceview.detect.{module}.LOOK_BACK", 4)

    def before(tale: Tale) -> None:
        tale.submit("pwritev", request=Q)
        for _ in range(filling):
            tale.iteration()

    assert belied(kind, before, lambda t: t.done(Q)).verdict is verdict


@pytest.mark.parametrize(("node", "verdict"), [(DISK, Verdict.VIOLATED), (COPY, Verdict.CLEAN)])
def test_a_request_on_its_way_to_the_jobs_source_is_told_from_one_to_its_target(node: int, verdict: Verdict) -> None:
    window = belied("job", lambda t: t.submit("pwritev", node=node, request=Q), lambda t: t.done(Q))
    assert window.verdict is verdict
