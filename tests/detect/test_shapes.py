"""Which interleaving let a request in, and why it is none of the known ones. The traces are synthetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.timeline.story import (
    DISK,
    FILTER,
    IO_THREAD,
    IOHANDLER,
    IOTHREAD,
    MAIN,
    VDEV,
    VQ,
    Story,
    exits,
    instrumented,
    stock,
)
from traceview.api import open
from traceview.findings import Shape, Window

SAMPLES = Path(__file__).resolve().parents[2] / "sample-traces"


def waiting() -> Story:
    """Tell a trace up to the point at which a job has deferred its exit from a dispatch of the main context."""
    story = instrumented()
    story.start()
    story.iteration()
    story.dispatch(MAIN)
    story.defer()
    story.dispatch_done(MAIN)
    return story


def window_of(story: Story) -> Window:
    story.iteration()
    story.dispatch(MAIN)
    story.leave()
    (window,) = exits(story.scan())
    return window


def found(story: Story) -> tuple[Shape | None, str, list[str]]:
    window = window_of(story)
    return window.shape, window.shape_reason, [r.context for r in window.requests]


def served(story: Story, ctx: int, act: Callable[[], int]) -> None:
    story.dispatch(ctx)
    act()
    story.dispatch_done(ctx)


def test_the_first_diagram_is_a_request_from_qemu_iohandler_poll_in_the_same_iteration() -> None:
    story = waiting()
    story.say("qemu_iohandler_poll ret 1")
    story.kick()
    story.write()
    assert found(story) == (Shape.FIRST_DIAGRAM, "", ["qemu_iohandler_poll"])


def test_case_1_is_a_request_from_iohandler_ctx_in_the_same_iteration() -> None:
    story = waiting()
    served(story, IOHANDLER, story.write)
    assert found(story) == (Shape.CASE_1, "", ["iohandler_ctx"])


def test_case_2_is_a_request_from_iohandler_ctx_in_the_next_iteration() -> None:
    story = waiting()
    story.iteration()
    served(story, IOHANDLER, story.write)
    assert found(story) == (Shape.CASE_2, "", ["iohandler_ctx"])


def test_what_a_nested_poll_of_another_context_served_inside_the_dispatch_is_not_case_1() -> None:
    story = waiting()
    story.dispatch(IOHANDLER)
    story.poll(MAIN)
    story.write()
    story.poll_done(MAIN)
    story.dispatch_done(IOHANDLER)
    assert found(story) == (Shape.UNCLASSIFIED, "poll of qemu_aio_context served it", ["qemu_aio_context"])


def test_after_a_nested_poll_the_dispatch_around_it_serves_again() -> None:
    story = waiting()
    story.dispatch(IOHANDLER)
    story.poll(MAIN)
    story.poll_done(MAIN)
    story.write()
    story.dispatch_done(IOHANDLER)
    assert found(story)[0] is Shape.CASE_1


def test_the_shape_of_a_window_is_that_of_its_first_request_that_counts() -> None:
    story = waiting()
    served(story, IOHANDLER, lambda: story.write(blk=0xD9))  # the job's own
    story.iteration()
    served(story, IOHANDLER, story.write)
    served(story, MAIN, story.read)
    window = window_of(story)
    assert (window.shape, len(window.requests)) == (Shape.CASE_2, 2)


def test_a_window_without_requests_has_no_shape() -> None:
    assert found(waiting()) == (None, "", [])


# what has no known shape, and why


def test_two_iterations_later() -> None:
    story = waiting()
    story.iteration()
    story.iteration()
    served(story, IOHANDLER, story.write)
    assert found(story) == (Shape.UNCLASSIFIED, "iohandler_ctx served it 2 iterations later", ["iohandler_ctx"])


def test_qemu_iohandler_poll_of_the_next_iteration() -> None:
    story = waiting()
    story.iteration()
    story.say("qemu_iohandler_poll ret 1")
    story.write()
    assert found(story)[:2] == (Shape.UNCLASSIFIED, "qemu_iohandler_poll of another iteration served it")


def test_a_dispatch_of_the_main_context() -> None:
    story = waiting()
    served(story, MAIN, story.write)
    assert found(story) == (Shape.UNCLASSIFIED, "dispatch of qemu_aio_context served it", ["qemu_aio_context"])


def test_a_nested_poll_of_iohandler_ctx() -> None:
    story = waiting()
    story.poll(IOHANDLER)
    story.write()
    story.poll_done(IOHANDLER)
    assert found(story)[:2] == (Shape.UNCLASSIFIED, "poll of iohandler_ctx served it")


def test_a_context_without_name() -> None:
    story = waiting()
    served(story, 0xCC, story.write)
    assert found(story)[:2] == (Shape.UNCLASSIFIED, "the trace does not name the context 0xcc that served it")


def nameless() -> Story:
    """Tell what `waiting` does as a trace whose beginning, with the names of the contexts, was cut off."""
    story = waiting()
    story.told = [t for t in story.told if "aio_context_name" not in getattr(t, "text", "")]
    return story


def test_where_the_names_are_cut_off_the_two_contexts_of_the_main_loop_are_told_by_what_runs_in_them() -> None:
    story = nameless()
    served(story, IOHANDLER, story.write)
    assert found(story) == (Shape.CASE_1, "", ["iohandler_ctx"])


def test_what_the_context_of_the_jobs_exit_serves_is_not_taken_for_iohandler_ctx() -> None:
    story = nameless()
    served(story, MAIN, story.write)
    assert found(story)[0] is Shape.UNCLASSIFIED


def test_what_is_dispatched_outside_the_main_loop_gives_no_names() -> None:
    story = instrumented()
    story.told = [t for t in story.told if "aio_context_name" not in getattr(t, "text", "")]
    story.start()
    story.defer()
    served(story, IOHANDLER, story.write)
    window = window_of(story)
    assert [r.context for r in window.requests] != ["iohandler_ctx"]


def test_no_dispatch_at_all() -> None:
    story = waiting()
    story.write()
    assert found(story) == (Shape.UNCLASSIFIED, "the request stands in no dispatch of the main loop", [""])


def test_a_vcpu_thread_with_an_id_of_its_own() -> None:
    story = waiting()
    story.dispatch(IOHANDLER)
    story.submit("pwritev", tid=4711)
    assert found(story)[:2] == (Shape.UNCLASSIFIED, "the request stands in no dispatch of the main loop")


def test_main_loop_wait_that_was_not_traced() -> None:
    story = instrumented()
    story.start()
    story.defer()
    served(story, IOHANDLER, story.write)
    story.leave()
    (window,) = exits(story.scan())
    assert (window.shape, window.shape_reason) == (Shape.UNCLASSIFIED, "main_loop_wait was not traced")


def test_main_loop_wait_that_was_first_traced_inside_the_window() -> None:
    story = instrumented()
    story.start()
    story.defer()
    story.iteration()
    served(story, IOHANDLER, story.write)
    assert found(story)[:2] == (Shape.UNCLASSIFIED, "main_loop_wait was not traced")


def test_a_stock_build() -> None:
    story = stock()
    story.before_drain()
    story.enter()
    story.reach("pwritev")
    story.completed()
    story.move(FILTER, DISK)
    (window,) = exits(story.scan())
    assert window.shape is Shape.UNCLASSIFIED
    assert window.shape_reason == "stock builds do not trace what dispatched the request"


def dataplane(tid: int) -> Window:
    """Return the window in which an IOThread, whose records carry `tid`, serves a request."""
    story = instrumented()
    story.say(f"aio_context_name ctx 0x{IOTHREAD:x} name iothread0")
    story.start()
    story.iteration()
    story.dispatch(MAIN)
    story.defer()
    story.dispatch_done(MAIN)
    main, story.tid = story.tid, tid
    story.poll(IOTHREAD)
    story.say(f"virtio_queue_host_notifier_aio_read vdev 0x{VDEV:x} vq 0x{VQ:x} n 0")
    story.write()
    story.poll_done(IOTHREAD)
    story.tid = main
    return window_of(story)


def test_an_iothread_that_shares_the_id_of_its_process() -> None:
    window = dataplane(tid=1000)
    assert window.shape is Shape.UNCLASSIFIED
    assert window.shape_reason == "an IOThread (iothread0) served it"
    assert window.requests[0].context == "iothread0"


def test_an_iothread_with_an_id_of_its_own() -> None:
    window = dataplane(tid=IO_THREAD)
    assert window.shape is Shape.UNCLASSIFIED
    assert window.shape_reason == "poll of iothread0 served it"
    assert window.requests[0].context == "iothread0"


def test_a_sample_of_each_shape_shows_it() -> None:
    for folder, shape in (
        ("lp1570134-first-diagram", Shape.FIRST_DIAGRAM),
        ("lp1570134-case-1", Shape.CASE_1),
        ("lp1570134-case-2", Shape.CASE_2),
    ):
        windows = exits(open(SAMPLES / folder / "trace.log").scan())
        assert {w.shape for w in windows if w.requests} == {shape}


def test_each_request_of_a_window_says_what_served_it() -> None:
    story = waiting()
    served(story, IOHANDLER, story.write)
    served(story, MAIN, story.read)
    assert [r.context for r in window_of(story).requests] == ["iohandler_ctx", "qemu_aio_context"]
