"""Which image a disk is on, from job to job."""

from __future__ import annotations

from tests.timeline.story import COPY, DISK, JOB, OTHER_DISK, Story
from traceview.detect.moves import Moves, exchanges, now, replaces
from traceview.losses import Image
from traceview.releases import ReleaseRange
from traceview.timeline.jobs import Job
from traceview.timeline.names import NameTracker

NEW, OLD = ReleaseRange("2.6", "2.6"), ReleaseRange("2.2", "2.4")


def names(*opened: tuple[int, str]) -> NameTracker:
    """Return what is known when nodes were opened with files, at records 0, 1 and so on."""
    story, known = Story(), NameTracker()
    for node, file in opened:
        story.say(f'bdrv_open_common bs 0x{node:x} filename "{file}" flags 0x2002 format_name "raw"')
    for row in story.table().rows(story.table().record >= 0) if opened else ():
        known.feed(row)
    return known


def job(node: int, target: int, *, pivoted: bool = True) -> Job:
    return Job(JOB, node=node, target=target, pivoted=pivoted)


def test_the_target_of_one_job_is_the_source_of_the_next() -> None:
    moves = Moves()
    jobs = [job(DISK, COPY), job(COPY, OTHER_DISK), job(0xB9, 0xBA)]
    for record, each in enumerate(jobs, 10):
        moves.note(each, record, "")
    told = moves.told(names((DISK, "a"), (COPY, "b"), (OTHER_DISK, "c")), NEW)
    assert [(m.source, m.target) for m in told[:2]] == [
        (Image(DISK, "a"), Image(COPY, "b")), (Image(COPY, "b"), Image(OTHER_DISK, "c")),
    ]  # fmt: skip
    assert [now(told, m).file for m in told] == ["c", "c", ""]


def test_a_job_that_ends_on_its_source_moves_nothing() -> None:
    moves = Moves()
    for record, each in enumerate([job(DISK, COPY), job(COPY, OTHER_DISK, pivoted=False)], 10):
        moves.note(each, record, "")
    (move,) = moves.told(names(), NEW)
    assert now([move], move) == Image(COPY, "")


def test_a_node_that_is_opened_anew_has_another_file() -> None:
    moves = Moves()
    moves.note(job(DISK, COPY), 1, "")
    moves.note(job(COPY, DISK), 3, "")
    known = names((DISK, "a"), (COPY, "b"), (OTHER_DISK, "x"), (DISK, "c"))
    assert [(m.source.file, m.target.file) for m in moves.told(known, NEW)] == [("a", "b"), ("b", "c")]


def test_what_a_command_said_names_a_target_that_was_not_seen_to_be_opened() -> None:
    moves = Moves()
    moves.note(job(DISK, COPY), 5, "/img/new.img")
    (move,) = moves.told(names(), NEW)
    assert move.target == Image(COPY, "/img/new.img")


def test_where_nodes_are_exchanged_the_guests_keeps_its_address_and_has_the_targets_file() -> None:
    moves = Moves()
    moves.note(job(DISK, COPY), 10, "")
    moves.note(job(DISK, OTHER_DISK), 11, "")
    told = moves.told(names((DISK, "a"), (COPY, "b"), (OTHER_DISK, "c")), OLD)
    assert [(m.source.file, m.target.file) for m in told] == [("a", "b"), ("b", "c")]
    assert now(told, told[0]).file == "c"


def test_releases_exchange_nodes_to_2_4_and_replace_them_from_2_5_on() -> None:
    assert (exchanges(OLD), replaces(OLD)) == (True, False)
    assert (exchanges(NEW), replaces(NEW)) == (False, True)
    both = ReleaseRange("2.4", "2.6")
    assert (exchanges(both), replaces(both), exchanges(None), replaces(None)) == (False, False, False, False)
