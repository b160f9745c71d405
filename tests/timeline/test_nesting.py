"""Call frames from begin and end events: what each record stands in. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import DISK, IO_THREAD, IOHANDLER, IOTHREAD, JOB, JOB2, MAIN, OTHER_DISK, VDEV, VQ, Story
from traceview.timeline.nesting import Frame, Nesting, build_nesting

NAMES = {MAIN: "qemu_aio_context", IOHANDLER: "iohandler_ctx", IOTHREAD: "iothread0"}


def nesting(story: Story, names: Mapping[int, str] = NAMES) -> Nesting:
    return build_nesting(story.table(), names)


def path(frame: Frame | None) -> list[str]:
    """Return the kinds of a frame and what it stands in, from the outside in."""
    kinds: list[str] = []
    while frame is not None:
        kinds.insert(0, frame.kind)
        frame = frame.parent
    return kinds


def where(story: Story, line: int, names: Mapping[int, str] = NAMES) -> list[str]:
    return path(nesting(story, names).inner[line - 1])


def aio_read(story: Story) -> int:
    return story.say(f"virtio_queue_host_notifier_aio_read vdev 0x{VDEV:x} vq 0x{VQ:x} n 0")


def call_bh(story: Story, ctx: int = MAIN) -> int:
    return story.say(f"aio_bh_call ctx 0x{ctx:x} bh 0x31 cb 0x99")


def test_calls_nest() -> None:
    story = Story()
    story.iteration()
    story.dispatch(MAIN)
    story.poll(IOHANDLER)
    inside = story.write()
    story.poll_done(IOHANDLER)
    after = story.write()
    story.dispatch_done(MAIN)
    outside = story.write()
    assert where(story, inside) == ["iteration", "dispatch", "poll"]
    assert where(story, after) == ["iteration", "dispatch"]
    assert where(story, outside) == ["iteration"]


def test_a_frame_knows_its_first_and_last_row_depth_and_key() -> None:
    story = Story()
    story.iteration()
    first = story.dispatch(MAIN)
    story.write()
    last = story.dispatch_done(MAIN)
    frame = nesting(story).frames[1]
    assert (frame.kind, frame.key, frame.depth, frame.lane) == ("dispatch", MAIN, 1, 1000)
    assert (frame.first, frame.last) == (first - 1, last - 1)


def test_a_record_before_any_call_stands_in_none() -> None:
    story = Story()
    line = story.write()
    assert nesting(story).inner[line - 1] is None
    assert nesting(story).serving(line - 1) is None


def test_the_next_iteration_ends_everything_in_the_last_one() -> None:
    story = Story()
    story.iteration()
    story.dispatch(MAIN)
    second = story.iteration()
    frames = nesting(story).frames
    assert [f.last for f in frames] == [second - 1, second - 1, None]
    assert where(story, second) == ["iteration"]


def test_an_iteration_can_end_by_its_own_event() -> None:
    story = Story()
    story.iteration()
    story.dispatch(MAIN)
    story.say("main_loop_wait_done ret 0")
    outside = story.write()
    assert where(story, outside) == []


def test_the_end_of_an_outer_call_ends_the_inner_ones() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.poll(IOHANDLER)
    ended = story.dispatch_done(MAIN)
    assert [f.last for f in nesting(story).frames] == [ended - 1, ended - 1]
    assert where(story, ended) == []


def test_an_end_without_beginning_ends_nothing() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.dispatch_done(IOHANDLER)
    story.poll_done(MAIN)
    inside = story.write()
    assert where(story, inside) == ["dispatch"]


def test_an_end_closes_the_innermost_call_of_its_context() -> None:
    story = Story()
    story.poll(MAIN)
    story.poll(MAIN)
    story.poll_done(MAIN)
    inside = story.write()
    assert where(story, inside) == ["poll"]
    assert [f.last is None for f in nesting(story).frames] == [True, False]


def test_a_bottom_half_lasts_until_the_next_one_or_the_end_of_what_holds_it() -> None:
    story = Story()
    story.dispatch(MAIN)
    call_bh(story)
    first = story.write()
    second_call = call_bh(story)
    story.dispatch_done(MAIN)
    after = story.write()
    assert where(story, first) == ["dispatch", "bh"]
    assert where(story, second_call) == ["dispatch", "bh"]  # not one in the other
    assert where(story, after) == []


def test_a_notifier_lasts_while_requests_come_out_of_it() -> None:
    story = Story()
    story.dispatch(IOHANDLER)
    story.kick()
    story.take_up("write", 0)
    inside = story.write()
    story.poll(MAIN)
    after = story.write()
    assert where(story, inside) == ["dispatch", "notifier"]
    assert where(story, after) == ["dispatch", "poll"]


def test_what_serves_a_record_is_the_dispatch_or_poll_around_it() -> None:
    story = Story()
    story.iteration()
    story.dispatch(IOHANDLER)
    story.kick()
    line = story.write()
    serving = nesting(story).serving(line - 1)
    assert serving is not None
    assert (serving.kind, serving.key) == ("dispatch", IOHANDLER)


def test_qemu_iohandler_poll_serves_until_the_iteration_ends() -> None:
    story = Story()
    story.iteration()
    story.say("qemu_iohandler_poll ret 1")
    line = story.write()
    story.iteration()
    later = story.write()
    found = nesting(story)
    served, after = found.serving(line - 1), found.serving(later - 1)
    assert served is not None
    assert (served.kind, after) == ("iohandler_poll", None)


def test_an_exit_stands_in_the_exit_of_another_job() -> None:
    story = Story()
    story.exit(JOB, DISK)
    story.poll(MAIN)
    inner = story.exit(JOB2, OTHER_DISK)
    story.exit_done(JOB2, OTHER_DISK)
    between = story.write()
    story.exit_done(JOB, DISK)
    after = story.write()
    assert where(story, inner) == ["exit", "poll", "exit"]
    assert where(story, between) == ["exit", "poll"]
    assert where(story, after) == []


# threads


def test_threads_with_ids_have_stacks_of_their_own() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.tid = IO_THREAD
    story.poll(IOTHREAD)
    there = story.write()
    story.tid = 1000
    here = story.write()
    assert where(story, there) == ["poll"]
    assert where(story, here) == ["dispatch"]


def shared() -> Story:
    """Begin a trace in which an IOThread bears the id of its process."""
    story = Story()
    story.dispatch(MAIN)
    story.poll(IOTHREAD)
    return story


def test_an_iothread_that_shares_the_id_of_its_process_is_known_by_the_context_it_polls() -> None:
    story = shared()
    here = story.write()
    polled = nesting(story).frames[1]
    assert (polled.lane, polled.depth, polled.parent) == (IOTHREAD, 0, None)
    assert where(story, here) == ["dispatch"]


def test_what_comes_out_of_its_notifier_is_the_iothreads() -> None:
    story = shared()
    aio_read(story)
    there = story.write()
    story.kick()
    here = story.write()
    assert where(story, there) == ["poll", "notifier"]
    assert where(story, here) == ["dispatch", "notifier"]


def test_its_bottom_halves_are_its_own() -> None:
    story = shared()
    there = call_bh(story, IOTHREAD)
    here = call_bh(story, MAIN)
    assert where(story, there) == ["poll", "bh"]
    assert where(story, here) == ["dispatch", "bh"]


def test_a_nested_poll_of_a_main_context_is_no_iothread() -> None:
    story = Story()
    story.dispatch(IOHANDLER)
    story.poll(MAIN)
    inside = story.write()
    assert where(story, inside) == ["dispatch", "poll"]


def test_a_context_that_is_dispatched_is_no_iothread_though_it_has_no_name() -> None:
    story = Story()
    story.dispatch(MAIN)
    story.poll(MAIN)
    inside = story.write()
    assert where(story, inside, {}) == ["dispatch", "poll"]


def test_without_names_and_dispatches_nothing_is_known_of_iothreads() -> None:
    story = Story()
    story.poll(IOTHREAD)
    inside = story.write()
    assert [f.lane for f in nesting(story, {}).frames] == [1000]
    assert where(story, inside, {}) == ["poll"]


# against a plain stack

ACTS = st.lists(st.tuples(st.booleans(), st.sampled_from([MAIN, IOHANDLER])), max_size=20)


@given(ACTS)
def test_calls_are_what_a_plain_stack_says(acts: list[tuple[bool, int]]) -> None:
    story = Story()
    story.iteration()
    stack: list[int] = []
    expected = [0]
    for opens, ctx in acts:
        if opens:
            story.poll(ctx)
            stack.append(ctx)
        else:
            story.poll_done(ctx)
            if ctx in stack:
                while stack.pop() != ctx:
                    pass
        expected.append(len(stack))
    found = nesting(story)
    depths = [frame.depth if frame is not None else -1 for frame in found.inner]
    assert depths == expected
    for frame in found.frames:
        assert frame.last is None or frame.last >= frame.first
        assert frame.parent is None or frame.parent.depth == frame.depth - 1
