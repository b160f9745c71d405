"""Which loop iteration, dispatch, poll or exit a record stands in: call frames rebuilt from begin and end events.

A thread's frames nest. Up to QEMU 3.1 the trace names the process only, so threads are told apart by context: what
is dispatched by the main loop belongs to the main thread, any other polled context to a thread of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from traceview.vocabulary import Meaning, MeaningTable, Row

__all__ = ["FRAME_MEANINGS", "IOHANDLER", "Frame", "Nesting", "build_nesting"]

IOHANDLER = "iohandler_ctx"
_MAIN_CONTEXTS = ("qemu_aio_context", IOHANDLER)
_OPENS = {
    Meaning.ITERATION: "iteration", Meaning.DISPATCH: "dispatch", Meaning.POLL: "poll",
    Meaning.IOHANDLER_POLL: "iohandler_poll", Meaning.BH_CALL: "bh", Meaning.JOB_EXIT: "exit",
}  # fmt: skip
_CLOSES = {
    Meaning.ITERATION_DONE: "iteration", Meaning.DISPATCH_DONE: "dispatch", Meaning.POLL_DONE: "poll",
    Meaning.JOB_EXIT_DONE: "exit",
}  # fmt: skip
FRAME_MEANINGS = (*_OPENS, *_CLOSES)
_SERVING = ("dispatch", "poll", "iohandler_poll")


@dataclass(slots=True)
class Frame:
    """One call: rows `first` to `last` (last None while it is open) of the table it was built from.

    `kind` is iteration, dispatch, poll, iohandler_poll, bh or exit; `key` the context, bottom half or job pointer.
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
    """The frames of a table, and for every row the innermost frame of its lane (None outside any)."""

    frames: list[Frame] = field(default_factory=list)
    inner: list[Frame | None] = field(default_factory=list)
    several_lanes: bool = False

    def serving(self, row: int) -> Frame | None:
        """Return the innermost dispatch, poll or iohandler poll that a row stands in."""
        frame = self.inner[row]
        while frame is not None and frame.kind not in _SERVING:
            frame = frame.parent
        return frame


def build_nesting(table: MeaningTable, contexts: Mapping[int, str]) -> Nesting:
    """Rebuild the frames of a table; `contexts` maps AioContext pointers to the names that the trace gives.

    A lane is 0 for the main thread of an unnamed process, the thread id where several threads show, or the context
    of an IOThread.
    """
    result = Nesting()
    stacks: dict[int, list[Frame]] = {}
    own = _own_thread_contexts(table, contexts)
    result.several_lanes = bool(own)
    in_own: set[int] = set()
    for i in range(len(table)):
        meaning = Meaning(int(table.meaning[i]))
        tid = int(table.tid[i])
        lane = tid
        row = table.row(i)
        ctx = row.role("ctx")
        if ctx in own and meaning in (Meaning.POLL, Meaning.POLL_DONE, Meaning.BH_POLL, Meaning.BH_CALL):
            lane = ctx
        elif in_own and meaning is Meaning.NOTIFIER_READ and row.event.endswith("aio_read"):
            lane = next(iter(in_own))
        stack = stacks.setdefault(lane, [])
        if meaning in _CLOSES:
            _close(stack, _CLOSES[meaning], _key(row, meaning), i)
            in_own.discard(lane) if lane in own and not stack else None
        kind = _OPENS.get(meaning)
        if kind is not None:
            if kind == "iteration":
                while stack:
                    stack.pop().last = i
            elif kind == "bh":
                _close_siblings(stack, i)
            frame = Frame(kind, _key(row, meaning), lane, i, len(stack), stack[-1] if stack else None)
            stack.append(frame)
            result.frames.append(frame)
            if lane in own:
                in_own.add(lane)
        result.inner.append(stack[-1] if stack else None)
    return result


def _own_thread_contexts(table: MeaningTable, contexts: Mapping[int, str]) -> set[int]:
    """Return the contexts that an IOThread of its own polls, as far as the table shows."""
    if len(np.unique(table.tid[table.where(Meaning.POLL, Meaning.DISPATCH)])) > 1:
        return set()  # the trace has thread ids: lanes are threads
    polled = {int(c) for c in np.unique(table.roles["ctx"][table.where(Meaning.POLL)])}
    dispatched = {int(c) for c in np.unique(table.roles["ctx"][table.where(Meaning.DISPATCH)])}
    main = {c for c, name in contexts.items() if name in _MAIN_CONTEXTS}
    return {c for c in polled - dispatched - main if main or dispatched}


def _key(row: Row, meaning: Meaning) -> int:
    if meaning in (Meaning.JOB_EXIT, Meaning.JOB_EXIT_DONE):
        return row.role("job")
    return row.role("bh") if meaning is Meaning.BH_CALL else row.role("ctx")


def _close(stack: list[Frame], kind: str, key: int, at: int) -> None:
    """End the innermost frame of that kind and key, and whatever is still open inside it."""
    for depth in range(len(stack) - 1, -1, -1):
        if stack[depth].kind == kind and (kind == "iteration" or stack[depth].key == key):
            for frame in stack[depth:]:
                frame.last = at
            del stack[depth:]
            return


def _close_siblings(stack: list[Frame], at: int) -> None:
    """End a bottom half that the next one of the same poll follows: QEMU does not trace a BH's end."""
    while stack and stack[-1].kind == "bh":
        stack.pop().last = at
