"""Which loop iteration, dispatch, poll or exit a record stands in: call frames rebuilt from begin and end events.

A thread's frames nest. Up to QEMU 3.1 the trace names the process only, so threads are told apart by context: what
the main loop dispatches belongs to the main thread, any other polled context to an IOThread of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from traceview.vocabulary import Meaning, MeaningTable, Row

__all__ = ["FRAME_MEANINGS", "IOHANDLER", "MAIN", "Frame", "Nesting", "build_nesting"]

IOHANDLER = "iohandler_ctx"
MAIN = "qemu_aio_context"
_MAIN_CONTEXTS = (MAIN, IOHANDLER)
_OPENS = {
    Meaning.ITERATION: "iteration", Meaning.DISPATCH: "dispatch", Meaning.POLL: "poll",
    Meaning.IOHANDLER_POLL: "iohandler_poll", Meaning.BH_CALL: "bh", Meaning.NOTIFIER_READ: "notifier",
    Meaning.JOB_EXIT: "exit",
}  # fmt: skip
_CLOSES = {
    Meaning.ITERATION_DONE: "iteration", Meaning.DISPATCH_DONE: "dispatch", Meaning.POLL_DONE: "poll",
    Meaning.JOB_EXIT_DONE: "exit",
}  # fmt: skip
FRAME_MEANINGS = (*_OPENS, *_CLOSES)
_SERVING = ("dispatch", "poll", "iohandler_poll")
_ENDLESS = ("bh", "notifier")
"""Calls whose end QEMU does not trace: the next of them, or the end of what holds them, ends them."""
_IN_NOTIFIER = (
    Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.REACH, Meaning.QUEUE_NOTIFY, Meaning.NODE_AIO, Meaning.NODE_IO,
)  # fmt: skip
_BESIDE_NOTIFIER = (*_IN_NOTIFIER, Meaning.BH_SCHEDULE, Meaning.DMA_START, Meaning.COROUTINE_ENTER)
"""What does not end the read of a notifier; a worker thread may schedule a bottom half at any time."""
_OF_CONTEXT = (Meaning.POLL, Meaning.POLL_DONE, Meaning.BH_POLL, Meaning.BH_CALL)


@dataclass(slots=True)
class Frame:
    """One call: rows `first` to `last` (last None while it is open) of the table it was built from.

    `kind` is iteration, dispatch, poll, iohandler_poll, bh, notifier or exit; `key` the pointer of the context, bottom
    half, device or job.
    """

    kind: str
    key: int
    lane: int
    first: int
    depth: int
    parent: Frame | None
    last: int | None = None


@dataclass(slots=True)
class Nesting:
    """The frames of a table, and for every row the innermost frame of its lane (None outside any).

    A lane is the thread (or process) id of the trace, or the context pointer of an IOThread that shares its id.
    """

    frames: list[Frame] = field(default_factory=list)
    inner: list[Frame | None] = field(default_factory=list)

    def serving(self, row: int) -> Frame | None:
        """Return the innermost dispatch, poll or iohandler poll that a row stands in."""
        frame = self.inner[row]
        while frame is not None and frame.kind not in _SERVING:
            frame = frame.parent
        return frame


def build_nesting(table: MeaningTable, contexts: Mapping[int, str]) -> Nesting:
    """Rebuild the frames of a table; `contexts` maps AioContext pointers to the names that the trace gives."""
    result = Nesting()
    stacks: dict[int, list[Frame]] = {}
    lanes = _Lanes(_own_thread_contexts(table, contexts))
    for i in range(len(table)):
        row = table.row(i)
        meaning = row.meaning
        lane = lanes.of(row, meaning)
        stack = stacks.setdefault(lane, [])
        if meaning in _CLOSES:
            _close(stack, _CLOSES[meaning], _key(row, meaning), i)
        elif stack and stack[-1].kind == "notifier" and meaning not in _BESIDE_NOTIFIER:
            stack.pop().last = i
        kind = _OPENS.get(meaning)
        if kind is not None:
            if kind == "iteration":
                _end_all(stack, i)
            elif kind in _ENDLESS:
                while stack and stack[-1].kind in _ENDLESS:
                    stack.pop().last = i
            frame = Frame(kind, _key(row, meaning), lane, i, len(stack), stack[-1] if stack else None)
            stack.append(frame)
            result.frames.append(frame)
        result.inner.append(stack[-1] if stack else None)
    return result


class _Lanes:
    """Tells which lane a record belongs to."""

    def __init__(self, own: set[int]) -> None:
        self._own = own
        self._polling = 0
        self._requests_of = 0
        """The IOThread whose notifier was read last, or 0 if it was the main thread's."""

    def of(self, row: Row, meaning: Meaning) -> int:
        if not self._own:
            return row.tid
        if meaning in _OF_CONTEXT and row.role("ctx") in self._own:
            self._polling = row.role("ctx")
            return self._polling
        if meaning is Meaning.NOTIFIER_READ:
            # Dataplane has a handler of its own name; without it, the IOThread is not in play.
            self._requests_of = self._polling if row.event.endswith("aio_read") else 0
        if self._requests_of and (meaning is Meaning.NOTIFIER_READ or meaning in _IN_NOTIFIER):
            return self._requests_of
        return row.tid


def _own_thread_contexts(table: MeaningTable, contexts: Mapping[int, str]) -> set[int]:
    """Return the contexts that IOThreads poll under the id of their process, as far as the table shows."""
    seen: dict[int, set[int]] = {Meaning.POLL: set(), Meaning.DISPATCH: set()}
    threads = set()
    for meaning, tid, ctx in zip(table.values("meaning"), table.values("tid"), table.values("ctx"), strict=True):
        if meaning in seen:
            threads.add(tid)
            seen[meaning].add(ctx)
    if len(threads) > 1:
        return set()  # the trace has thread ids: lanes are threads
    polled, dispatched = seen[Meaning.POLL], seen[Meaning.DISPATCH]
    main = {c for c, name in contexts.items() if name in _MAIN_CONTEXTS}
    return polled - dispatched - main if main or dispatched else set()


def _key(row: Row, meaning: Meaning) -> int:
    match meaning:
        case Meaning.JOB_EXIT | Meaning.JOB_EXIT_DONE:
            return row.role("job")
        case Meaning.BH_CALL:
            return row.role("bh")
        case Meaning.NOTIFIER_READ:
            return row.role("device")
        case _:
            return row.role("ctx")


def _close(stack: list[Frame], kind: str, key: int, at: int) -> None:
    """End the innermost frame of that kind and key, and whatever is still open inside it."""
    for depth in range(len(stack) - 1, -1, -1):
        if stack[depth].kind == kind and (kind == "iteration" or stack[depth].key == key):
            inner = stack[depth:]
            del stack[depth:]
            _end_all(inner, at)
            return


def _end_all(frames: list[Frame], at: int) -> None:
    for frame in frames:
        frame.last = at
    frames.clear()
