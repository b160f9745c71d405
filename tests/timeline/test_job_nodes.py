"""On which node each job works, as its start says; pointers of jobs are used again and again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, every_cut, pieces
from tests.timeline.story import COPY, DISK, JOB, JOB2, OTHER_DISK, Story
from traceview.timeline.job_nodes import JobNodes
from traceview.vocabulary import Meaning


def stream(story: Story, job: int, node: int) -> int:
    return story.say(f"stream_start bs 0x{node:x} base 0x{COPY:x} s 0x{job:x}")


def nodes(story: Story, cuts: Iterable[int] = ()) -> list[int]:
    """Return the node of the job of each look, in order; the story is cut before the given rows."""
    known = JobNodes()
    found: list[int] = []
    for part in pieces(story.table(), cuts):
        found += known.of(part, np.flatnonzero(part.where(Meaning.JOB_LOOK))).tolist()
        known.note(part)
    return found


def of_all_cuts(story: Story) -> list[int]:
    """Return the same, which any cut must give."""
    found = nodes(story)
    assert all(nodes(story, cuts) == found for cuts in every_cut(story))
    return found


def test_a_job_works_on_the_node_that_its_start_names() -> None:
    story = Story()
    story.start(JOB, DISK)
    story.start(JOB2, OTHER_DISK)
    for job in (JOB2, JOB, JOB2):
        story.look(job)
    assert of_all_cuts(story) == [OTHER_DISK, DISK, OTHER_DISK]


def test_jobs_that_are_no_mirrors_name_their_node_too() -> None:
    story = Story()
    stream(story, JOB, OTHER_DISK)
    story.look(JOB)
    assert of_all_cuts(story) == [OTHER_DISK]


def test_a_job_whose_start_was_not_seen_works_on_no_known_node() -> None:
    story = Story()
    story.look(JOB)
    story.start(JOB2, DISK)
    story.look(JOB)
    assert of_all_cuts(story) == [0, 0]


def test_a_pointer_is_of_the_job_that_started_with_it_last() -> None:
    story = Story()
    story.look()
    for node in (DISK, OTHER_DISK, COPY):
        story.start(JOB, node)
        story.look()
        story.look()
    stream(story, JOB, DISK)
    story.look()
    assert of_all_cuts(story) == [0, DISK, DISK, OTHER_DISK, OTHER_DISK, COPY, COPY, DISK]


def test_nothing_is_asked_and_nothing_is_answered() -> None:
    story = Story()
    story.start()
    assert JobNodes().of(story.table(), np.zeros(0, dtype=np.int64)).tolist() == []


acts = st.lists(
    st.tuples(st.sampled_from(["start", "look"]), st.sampled_from([JOB, JOB2]), st.sampled_from([DISK, OTHER_DISK])),
    max_size=30,
)


@given(acts, any_cuts(30))
def test_the_nodes_of_jobs_are_those_that_a_plain_walk_finds(acts: list[tuple[str, int, int]], cuts: list[int]) -> None:
    story = Story()
    story.iteration()  # so that there is a table
    known: dict[int, int] = {}
    expected = []
    for act, job, node in acts:
        if act == "start":
            story.start(job, node)
            known[job] = node
        else:
            story.look(job)
            expected.append(known.get(job, 0))
    assert nodes(story, cuts) == expected
