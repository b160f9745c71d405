"""Records that are missing, or stand there twice, are told by those that do not go together without them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import JOB, Story, instrumented
from traceview.api import Trace
from traceview.events import Gap
from traceview.findings import ScanResult, Verdict
from traceview.timeline.continuity import Continuity

REQUEST = 0x7F00
LONG = 30


def busy(rounds: int = LONG, *, requests: int = 1) -> Story:
    """Return a story in which a device takes requests up and is done with them, one after the other."""
    story = instrumented()
    for n in range(rounds):
        for i in range(requests):
            story.say(f"virtio_blk_handle_write req 0x{REQUEST + 16 * i:x} sector {8 * n} nsectors 8")
        for i in range(requests):
            story.say(f"virtio_blk_rw_complete req 0x{REQUEST + 16 * i:x} ret 0")
    return story


def scanned(story: Story, *, without: tuple[int, ...] = (), twice: tuple[int, ...] = ()) -> ScanResult:
    """Return the scan of a story's log without some of its lines, and with others once more (all from 1)."""
    lines = story.log().splitlines(keepends=True)
    kept = [line * (1 + (n in twice)) for n, line in enumerate(lines, 1) if n not in without]
    return trace_of(b"".join(kept)).scan()


def trace_of(data: bytes) -> Trace:
    from tests.robustness.oracle import read  # noqa: PLC0415  (it opens bytes as a user would a file)

    return read(data, None)


def gaps(result: ScanResult) -> list[Gap]:
    (trace,) = result.traces
    return trace.gaps


def first_of(story: Story, text: str, *, behind: int = 0) -> int:
    """Return the first line, behind some line, that holds a text."""
    lines = story.log().decode().splitlines()
    return next(n for n, line in enumerate(lines, 1) if n > behind and text in line)


def test_what_goes_together_has_no_gap() -> None:
    assert gaps(scanned(busy(requests=3))) == []


@pytest.mark.parametrize("event", ["virtio_blk_handle_write", "virtio_blk_rw_complete"])
def test_a_record_that_is_missing_is_told_by_its_counterpart(event: str) -> None:
    story = busy()
    missing = first_of(story, event, behind=20)
    (gap,) = gaps(scanned(story, without=(missing,)))
    assert (gap.cause, gap.count, gap.first, gap.record) == ("missing", None, missing - 1, missing - 1)
    assert "twice in a row: a record is missing in between, or stands there once more" in gap.text
    assert f"0x{REQUEST:x}" in gap.text


def test_a_record_that_stands_there_twice_is_told() -> None:
    story = busy()
    twice = first_of(story, "virtio_blk_rw_complete", behind=20)
    result = scanned(story, twice=(twice,))
    assert [(g.cause, g.record) for g in gaps(result)] == [("missing", twice)]


def test_the_first_records_of_a_pointer_may_lack_their_counterparts() -> None:
    assert gaps(scanned(busy(requests=3), without=(1, 2, 3))) == []


def test_where_it_never_was_so_nothing_is_told() -> None:
    story = busy()
    completions = tuple(n for n, line in enumerate(story.log().splitlines(), 1) if b"complete" in line)
    assert gaps(scanned(story, without=completions[::2])) == []


def test_a_stretch_that_was_cut_out_is_one_gap_at_its_place() -> None:
    story = busy(requests=8)
    begin = first_of(story, "virtio_blk_rw_complete", behind=80) + 4
    (gap,) = gaps(scanned(story, without=tuple(range(begin, begin + 6))))
    assert gap.first <= begin - 1 <= gap.record
    assert gap.reach <= 16, "no further than the records around the cut"
    assert "more such" in gap.text


def test_several_places_that_no_cut_explains_are_told_each() -> None:
    story = busy()
    first = first_of(story, "handle_write", behind=10)
    second = first_of(story, "handle_write", behind=30)
    assert [g.record for g in gaps(scanned(story, without=(first, second)))] == [first - 1, second - 2]


def jobs(count: int) -> Story:
    story = instrumented()
    for _ in range(count):
        story.start()
        story.look()
        story.defer()
        story.leave()
    return story


def test_a_job_that_begins_anew_and_never_left_lacks_its_exit() -> None:
    story = jobs(6)
    behind = first_of(story, "mirror_start", behind=first_of(story, "mirror_start") + 3)
    left = first_of(story, "block_job_defer_to_main_loop", behind=behind) + 1
    end = first_of(story, "mirror_start", behind=left) - 1
    result = scanned(story, without=tuple(range(left, end + 1)))
    assert {g.cause for g in gaps(result)} == {"missing"}
    assert any(f"0x{JOB:x}" in g.text for g in gaps(result))


def test_a_window_in_which_a_record_is_missing_is_not_clean() -> None:
    story = busy()
    story.start()
    story.look()
    story.defer()
    story.say(f"virtio_blk_handle_write req 0x{REQUEST:x} sector 800 nsectors 8")
    story.say(f"virtio_blk_rw_complete req 0x{REQUEST:x} ret 0")
    story.leave()
    whole = scanned(story)
    missing = first_of(story, "sector 800")
    part = scanned(story, without=(missing,))
    assert gaps(whole) == []
    windows = [w for w in part.windows if w.rule == "mirror-exit-guest-io"]
    assert [w.verdict for w in windows] == [Verdict.INCONCLUSIVE]
    assert "records are missing inside it" in windows[0].reason


def state(old: str, new: str, job: int = 0x77) -> str:
    return f"job_state_transition job 0x{job:x} (ret: 0) attempting allowed transition ({old}-->{new})"


LIFE = ("undefined", "created", "running", "ready", "waiting", "pending", "concluded", "null")


def lives(count: int) -> Story:
    story = Story()
    for _ in range(count):
        for old, new in itertools.pairwise(LIFE):
            story.say(state(old, new))
    return story


def test_a_job_that_goes_through_its_life_again_and_again_has_no_gap() -> None:
    assert gaps(scanned(lives(4))) == []


def test_a_step_at_the_end_of_a_job_that_is_missing_is_told() -> None:
    story = lives(4)
    missing = first_of(story, "(pending-->concluded)", behind=8)
    (gap,) = gaps(scanned(story, without=(missing,)))
    assert (gap.cause, gap.record) == ("missing", missing - 1)
    assert gap.text.startswith("job 0x77 goes from concluded to null, and was pending")


def test_a_step_that_no_window_rests_on_may_be_missing() -> None:
    story = lives(4)
    missing = first_of(story, "(running-->ready)", behind=8)
    assert gaps(scanned(story, without=(missing,))) == []


BLK, OLD, NEW = 0xB1, 0xD1, 0xD2


def moved(moves: int) -> Story:
    """Return a story in which a BlockBackend is moved from node to node and back, and makes requests on each."""
    story = Story()
    for n in range(moves):
        node, before = (OLD, NEW) if n % 2 else (NEW, OLD)
        if n:
            story.say(f"blk_root_detach child 0x{0xC0 + n - 1:x} blk 0x{BLK:x} bs 0x{before:x}")
        story.say(f"blk_root_attach child 0x{0xC0 + n:x} blk 0x{BLK:x} bs 0x{node:x}")
        for offset in range(3):
            story.say(f"blk_co_pwritev blk 0x{BLK:x} bs 0x{node:x} offset {4096 * offset} bytes 4096 flags 0x0")
    return story


def test_a_request_on_a_node_that_its_blockbackend_never_came_to_lacks_the_move() -> None:
    story = moved(9)
    assert gaps(scanned(story)) == []
    move = first_of(story, "blk_root_detach", behind=20)
    (gap,) = gaps(scanned(story, without=(move, move + 1)))
    assert (gap.cause, gap.first, gap.record) == ("missing", move - 1, move - 1)
    assert gap.text.startswith(f"BlockBackend 0x{BLK:x} is on another node than it was attached to")


def test_where_no_move_is_traced_a_node_may_be_another_one() -> None:
    story = moved(9)
    moves = tuple(n for n, line in enumerate(story.log().splitlines(), 1) if b"blk_root" in line)
    assert gaps(scanned(story, without=moves)) == []


@given(st.sets(st.integers(1, 200), max_size=8), st.sets(st.integers(1, 140), max_size=5))
def test_what_is_missing_does_not_depend_on_how_the_records_come(cuts: set[int], without: set[int]) -> None:
    lines = (busy(12, requests=2).log() + moved(8).log() + lives(3).log()).splitlines(keepends=True)
    data = b"".join(line for n, line in enumerate(lines) if n not in without)
    trace = trace_of(data)
    (batch,) = trace.batches(trace.vocabulary.events.__contains__)
    whole, parts = Continuity(), Continuity()
    whole.feed(trace.vocabulary.interpret(batch))
    edges = [0, *sorted(c for c in cuts if c < len(batch)), len(batch)]
    for first, last in itertools.pairwise(edges):
        parts.feed(trace.vocabulary.interpret(batch.take(slice(first, last))))
    assert parts.gaps([]) == whole.gaps([])
