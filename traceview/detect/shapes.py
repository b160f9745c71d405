"""Which known interleaving of LP 1570134 let a request in (DESIGN: docs/architecture.md, "the three shapes")."""

from __future__ import annotations

import numpy as np

from traceview.findings import Shape
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.timeline.nesting import IOHANDLER, MAIN, Frame, Nesting
from traceview.vocabulary import Mask, MeaningTable, Row

__all__ = ["classify", "name_main_contexts"]


def name_main_contexts(
    rows: MeaningTable, nesting: Nesting, requests: Mask, closed: Mark, names: NameTracker
) -> None:  # fmt: skip
    """Name the two contexts that the main loop dispatches, where the trace lost their names (it was cut, say).

    QEMU's main loop has two AioContexts as sources (util/main-loop.c: qemu_init_main_loop). A job leaves its coroutine
    and exits in one of them, qemu_aio_context; what the main loop dispatches from another is iohandler_ctx's.
    """
    place = int(np.searchsorted(rows.record, closed.record))
    if place >= len(rows):
        return
    main = nesting.serving(place)
    if main is None or not main.key or not _in_main_loop(main):
        return
    for row in np.flatnonzero(requests).tolist():
        frame = nesting.serving(row)
        if frame is None or frame.kind != "dispatch" or frame.lane != main.lane or frame.key == main.key:
            continue
        if _in_main_loop(frame) and not {frame.key, main.key} & names.contexts.keys():
            names.contexts |= {main.key: MAIN, frame.key: IOHANDLER}


def _in_main_loop(frame: Frame) -> bool:
    outer: Frame | None = frame
    while outer is not None and outer.kind != "iteration":
        outer = outer.parent
    return outer is not None


def classify(row: Row, opened: Mark, nesting: Nesting, names: NameTracker, *, exact: bool) -> tuple[Shape, str, str]:
    """Return the shape of one request, the reason where it has none, and what served it.

    `row` is the request's row in the table that `nesting` was built from, `opened` the window's opening (a).
    """
    if not exact:
        return Shape.UNCLASSIFIED, "stock builds do not trace what dispatched the request", ""
    if not row.iteration or not opened.iteration:
        return Shape.UNCLASSIFIED, "main_loop_wait was not traced", ""
    frame = nesting.serving(row.index)
    if frame is None:
        return Shape.UNCLASSIFIED, "the request stands in no dispatch of the main loop", ""
    if frame.kind == "iohandler_poll":
        if row.iteration == opened.iteration:
            return Shape.FIRST_DIAGRAM, "", "qemu_iohandler_poll"
        return Shape.UNCLASSIFIED, "qemu_iohandler_poll of another iteration served it", "qemu_iohandler_poll"
    context = names.context(frame.key)
    if frame.lane != row.tid:
        return Shape.UNCLASSIFIED, f"an IOThread ({context}) served it", context
    if frame.key not in names.contexts:
        return Shape.UNCLASSIFIED, f"the trace does not name the context {context} that served it", context
    if context != IOHANDLER or frame.kind != "dispatch":
        return Shape.UNCLASSIFIED, f"{frame.kind} of {context} served it", context
    apart = row.iteration - opened.iteration
    if apart == 0:
        return Shape.CASE_1, "", context
    if apart == 1:
        return Shape.CASE_2, "", context
    return Shape.UNCLASSIFIED, f"{IOHANDLER} served it {apart} iterations later", context
