"""Which requests have ended: by the pointer that they were handed over with, or by their place on the disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, pieces
from tests.detect.ruled import Tale
from tests.timeline.story import BLOCK, DISK, DRIVE
from traceview.detect.in_flight import Ending, InFlight
from traceview.findings import Request
from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, MeaningTable, Op

HANDED_OVER = (Meaning.SUBMIT, Meaning.REACH)


def requests(table: MeaningTable) -> list[Request]:
    """Return what was handed over or reached a node, as the windows of jobs have it."""
    return [
        Request(row.op, row.role("offset"), row.role("length"), DRIVE, "", DISK, False, Mark.of(row))
        for row in table.rows(table.where(*HANDED_OVER))
    ]


def endings(tale: Tale, cuts: list[int] | None = None, closed: int | None = None) -> list[Ending]:
    """Return the ends of all requests of a story, whose window closes at a row (by default at its end)."""
    table, flight = tale.table(), InFlight()
    around = table.take(slice(closed))
    flight.watch(0, requests(around), around)
    for part in pieces(table, cuts or []):
        flight.feed(part)
    return [flight.ending(0, r.mark.record) for r in requests(around)]


def ends(tale: Tale) -> list[int | None]:
    """Return the lines on which the requests of a story end."""
    return [e.mark.line if e.mark is not None else None for e in endings(tale)]


def test_a_request_ends_where_its_pointer_is_done() -> None:
    tale = Tale()
    tale.submit("pwritev", request=0x71)
    tale.submit("pwritev", BLOCK, request=0x72)
    tale.done(0x73)
    line = tale.done(0x72)
    tale.answered(0x72)
    assert ends(tale) == [None, line]


def test_a_request_that_reaches_its_node_is_known_by_what_the_device_took_up_there_last() -> None:
    tale = Tale()
    tale.take_up("write", 0, request=0x70)
    tale.take_up("write", 0, request=0x71)
    tale.take_up("read", 0, request=0x72)
    tale.take_up("write", BLOCK, request=0x73)
    tale.reach("pwritev", 0)
    for other in (0x70, 0x72, 0x73):
        tale.done(other)
    assert ends(tale) == [None]
    line = tale.done(0x71)
    assert ends(tale) == [line]


def test_a_merged_request_has_ended_when_all_that_it_carries_has() -> None:
    tale = Tale()
    tale.take_up("write", 0, request=0x71)
    tale.take_up("write", BLOCK, request=0x72)
    tale.say(f"blk_co_pwritev blk 0x{DRIVE:x} bs 0x{DISK:x} offset 0 bytes {2 * BLOCK} flags 0x0")
    tale.done(0x71)
    assert ends(tale) == [None]
    line = tale.done(0x72)
    assert ends(tale) == [line]


def test_a_transfer_of_an_ide_disk_is_known_by_where_it_begins() -> None:
    tale = Tale()
    tale.say(f"dma_blk_io dbs=0x71 bs=0x{DRIVE:x} offset={BLOCK} to_dev=1")
    tale.reach("pwritev", BLOCK)
    line = tale.say("dma_complete dbs=0x71 ret=0 cb=0x1")
    assert ends(tale) == [line]


def test_what_nobody_is_seen_to_take_up_has_an_end_that_is_not_known() -> None:
    tale = Tale()
    tale.reach("pwritev", 0)
    tale.done(0x71)
    (ending,) = endings(tale)
    assert (ending.known, ending.mark) == (False, None)


def test_an_end_with_an_error_is_told() -> None:
    tale = Tale()
    tale.submit("pwritev", request=0x71)
    tale.say("virtio_blk_rw_complete vdev 0xe1 req 0x71 ret -5")
    (ending,) = endings(tale)
    assert ending.failed
    assert ending.mark is not None


def test_a_pointer_that_is_taken_up_anew_is_another_requests() -> None:
    tale = Tale()
    tale.submit("pwritev", request=0x71)
    tale.take_up("write", BLOCK, request=0x71)
    tale.done(0x71)
    assert ends(tale) == [None]


def test_whether_ends_are_traced_at_all_is_known_when_one_was_seen() -> None:
    flight = InFlight()
    tale = Tale()
    tale.submit("pwritev", request=0x71)
    flight.feed(tale.table())
    before = flight.traced
    tale.done(0x79)
    flight.feed(tale.table())
    assert [before, flight.traced] == [False, True]
    assert flight.ending(0, 0) == Ending(0)


acts = st.lists(st.tuples(st.sampled_from(["submit", "take up", "done"]), st.integers(1, 3)), min_size=1, max_size=25)


@given(acts, any_cuts(25), st.integers(1, 25))
def test_requests_end_where_a_plain_walk_says(acts: list[tuple[str, int]], cuts: list[int], closed: int) -> None:
    tale = Tale()
    expected: dict[int, int | None] = {}
    waiting: dict[int, int] = {}
    for act, pointer in acts:
        request = 0x70 + pointer
        match act:
            case "submit":
                waiting[request] = line = tale.submit("pwritev", request=request)
                expected[line] = None
            case "take up":
                tale.take_up("write", 0, request=request)
                waiting.pop(request, None)
            case _:
                line = tale.done(request)
                if request in waiting:
                    expected[waiting.pop(request)] = line
    found = endings(tale, cuts, closed)
    inside = [end for line, end in expected.items() if line <= closed]
    assert [e.mark.line if e.mark is not None else None for e in found] == inside
    assert all(r.op is Op.WRITE for r in requests(tale.table()))
