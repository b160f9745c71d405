"""In which AioContext each thread runs, held against a stack for each thread, however the trace is cut."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, every_cut, pieces
from tests.timeline.story import IO_THREAD, IOHANDLER, IOTHREAD, MAIN, MAIN_THREAD, Story
from traceview.timeline.running import RunningContexts
from traceview.vocabulary import Meaning

OWN, OTHER = MAIN_THREAD, IO_THREAD


def enter_coroutine(story: Story, ctx: int, *, tid: int = OWN) -> int:
    return story.say(f"qemu_aio_coroutine_enter ctx 0x{ctx:x} from 0x1 to 0x2 opaque 0x3", tid=tid)


def ask(story: Story, *, tid: int = OWN) -> int:
    """Tell a record of which it is asked where it runs."""
    return story.reach("preadv", tid=tid)


def contexts(story: Story, cuts: Iterable[int] = ()) -> list[int]:
    """Return the context of each record that is asked for, in order; the story is cut before the given rows."""
    running = RunningContexts()
    found: list[int] = []
    for part in pieces(story.table(), cuts):
        found += running.of(part, np.flatnonzero(part.where(Meaning.REACH))).tolist()
        running.note(part)
    return found


def asked(story: Story) -> list[int]:
    """Return the same, which any cut must give."""
    found = contexts(story)
    assert all(contexts(story, cuts) == found for cuts in every_cut(story))
    return found


# builds that trace polls and dispatches


def test_a_thread_runs_in_the_context_that_it_entered_last_and_has_not_left() -> None:
    story = Story()
    ask(story)
    story.dispatch(MAIN)
    ask(story)
    story.poll(IOTHREAD)
    ask(story)
    story.poll_done(IOTHREAD)
    ask(story)
    story.dispatch_done(MAIN)
    ask(story)
    assert asked(story) == [0, MAIN, IOTHREAD, MAIN, 0]


def test_a_context_may_be_polled_from_within_itself() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.poll(MAIN)
    story.poll_done(MAIN)
    ask(story)
    assert asked(story) == [MAIN]


def test_each_thread_has_its_own() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.say(f"aio_poll ctx 0x{IOTHREAD:x} blocking 1", tid=OTHER)
    for tid in (OWN, OTHER, 7):
        ask(story, tid=tid)
    story.say(f"aio_poll_done ctx 0x{IOTHREAD:x} progress 1", tid=OTHER)
    for tid in (OWN, OTHER):
        ask(story, tid=tid)
    assert asked(story) == [MAIN, IOTHREAD, 0, MAIN, 0]


def test_what_a_trace_has_not_seen_entered_is_left_for_nothing() -> None:
    story = Story()
    for _ in range(3):
        story.poll_done(IOTHREAD)
    ask(story)
    story.dispatch(MAIN)
    ask(story)
    story.dispatch_done(MAIN)
    story.dispatch_done(MAIN)
    story.poll(IOHANDLER)
    ask(story)
    assert asked(story) == [0, MAIN, IOHANDLER]


def test_a_record_that_enters_does_not_run_in_what_it_enters() -> None:
    story = Story()
    for _ in range(2):
        story.poll(IOTHREAD)
        story.dispatch(MAIN)
    table = story.table()
    assert RunningContexts().of(table, np.arange(4)).tolist() == [0, IOTHREAD, MAIN, IOTHREAD]


def test_coroutines_say_nothing_of_a_thread_whose_polls_are_traced() -> None:
    story = Story()
    story.poll(MAIN)
    enter_coroutine(story, IOTHREAD)
    ask(story)
    story.poll_done(MAIN)
    ask(story)
    assert asked(story) == [MAIN, 0]


# stock builds


def test_where_no_polls_are_traced_a_thread_runs_where_it_entered_a_coroutine_last() -> None:
    story = Story()
    ask(story)
    enter_coroutine(story, MAIN)
    ask(story)
    ask(story, tid=OTHER)
    enter_coroutine(story, IOTHREAD, tid=OTHER)
    ask(story, tid=OTHER)
    enter_coroutine(story, IOHANDLER)
    ask(story)
    ask(story, tid=OTHER)
    assert asked(story) == [0, MAIN, 0, IOTHREAD, IOHANDLER, IOTHREAD]


def test_an_entry_that_names_no_context_changes_nothing() -> None:
    story = Story()
    enter_coroutine(story, MAIN)
    story.say("qemu_coroutine_enter from 0x1 to 0x2 opaque 0x3")  # QEMU to 2.8
    enter_coroutine(story, 0)
    ask(story)
    assert asked(story) == [MAIN]


def test_threads_may_be_traced_each_in_its_way() -> None:
    story = Story()
    story.poll(MAIN)
    enter_coroutine(story, IOTHREAD, tid=OTHER)
    for tid in (OWN, OTHER):
        ask(story, tid=tid)
    assert asked(story) == [MAIN, IOTHREAD]


@pytest.mark.parametrize("rows", [0, 3])
def test_the_answer_has_the_shape_of_the_question(rows: int) -> None:
    story = Story()
    for _ in range(rows):
        ask(story)
    story.iteration()
    assert RunningContexts().of(story.table(), np.arange(rows)).shape == (rows,)


# against a plain stack

INSTRUMENTED, STOCK = (1, 2), (3, 4)
"""Threads whose polls are traced, from their first record on, and threads of which only coroutines are known."""
steps = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "leave", "coroutine", "ask", "ask"]),
        st.sampled_from([*INSTRUMENTED, *STOCK]),
        st.sampled_from([MAIN, IOHANDLER, IOTHREAD]),
    ),
    max_size=60,
)


@given(steps, st.booleans(), any_cuts(65))
def test_where_threads_run_is_what_a_plain_stack_says(
    steps: list[tuple[str, int, int]], mid_run: bool, cuts: list[int]
) -> None:
    story = Story()
    stacks: dict[int, list[int]] = {}
    last: dict[int, int] = {}
    expected: list[int] = []
    for tid in INSTRUMENTED:
        if mid_run:  # the trace begins in a poll, of which only the end is seen
            story.say(f"aio_poll_done ctx 0x{MAIN:x} progress 1", tid=tid)
        else:
            story.say(f"aio_poll ctx 0x{MAIN:x} blocking 1", tid=tid)
            stacks[tid] = [MAIN]
    for step, tid, ctx in steps:
        stack = stacks.setdefault(tid, [])
        match step:
            case "enter" if tid in INSTRUMENTED:
                story.say(f"aio_ctx_dispatch ctx 0x{ctx:x}", tid=tid)
                stack.append(ctx)
            case "leave" if tid in INSTRUMENTED:
                story.say(f"aio_ctx_dispatch_done ctx 0x{ctx:x}", tid=tid)
                del stack[-1:]
            case "coroutine":
                enter_coroutine(story, ctx, tid=tid)
                last[tid] = ctx
            case _:
                ask(story, tid=tid)
                expected.append((stack[-1] if stack else 0) if tid in INSTRUMENTED else last.get(tid, 0))
    assert contexts(story, cuts) == expected
