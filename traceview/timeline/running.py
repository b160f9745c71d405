"""In which AioContext each thread runs: by aio_poll and dispatch where they are traced, else by the coroutines."""

from __future__ import annotations

import numpy as np

from traceview.events import Int64Array, distinct
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["RunningContexts"]

_ENTERED = (Meaning.DISPATCH, Meaning.POLL)
_LEFT = (Meaning.DISPATCH_DONE, Meaning.POLL_DONE)


class RunningContexts:
    """Follows the threads of one trace: ask `of` a table, then `note` it, table by table.

    A context is polled from within a handler of another (or of itself), so what a thread runs in is the innermost of
    those it has entered and not left. Stock builds trace none of that (`aio_poll`, `aio_ctx_dispatch`): there a thread
    runs in the context for which it entered a coroutine last (``qemu_aio_coroutine_enter``, util/qemu-coroutine.c, 2.9
    and newer).
    """

    MEANINGS = frozenset((*_ENTERED, *_LEFT, Meaning.COROUTINE_ENTER))

    def __init__(self) -> None:
        self._entered: dict[int, list[int]] = {}
        """For each thread whose polls and dispatches are traced, the contexts it is in."""
        self._last: dict[int, int] = {}
        """For each thread, the context of the coroutine it entered last."""

    def of(self, table: MeaningTable, rows: Int64Array) -> Int64Array:
        """Return the context that the thread of each row runs in there; 0 where that is not known. Shape: as `rows`."""
        out = np.zeros(len(rows), dtype=np.int64)
        for thread in distinct(table.tid[rows]):
            own = table.tid[rows] == thread
            steps = _Steps(table, thread, self._entered.get(thread))
            told = rows[own] >= steps.first
            out[own] = np.where(
                told, steps.at(rows[own]), 0 if told.all() else self._by_coroutine(table, thread, rows[own])
            )
        return out

    def note(self, table: MeaningTable) -> None:
        """Remember where the threads are at the end of a table."""
        told = np.flatnonzero(table.where(*_ENTERED, *_LEFT))
        for thread in distinct(table.tid[told]):
            self._entered[thread] = _Steps(table, thread, self._entered.get(thread)).left_open()
        entered = np.flatnonzero(table.where(Meaning.COROUTINE_ENTER))
        ctx = table.role("ctx", entered)
        entered, ctx = entered[ctx != 0], ctx[ctx != 0]
        # Of the entries of one thread the last one stays.
        self._last |= zip(table.tid[entered].tolist(), ctx.tolist(), strict=True)

    def _by_coroutine(self, table: MeaningTable, thread: int, rows: Int64Array) -> Int64Array:
        entered = np.flatnonzero(table.where(Meaning.COROUTINE_ENTER) & (table.tid == thread))
        ctx = table.role("ctx", entered)
        entered, ctx = entered[ctx != 0], ctx[ctx != 0]
        known = np.concatenate(([self._last.get(thread, 0)], ctx))
        return np.asarray(known[np.searchsorted(entered, rows)])


class _Steps:
    """The entries and exits of one thread in one table; `before` are the contexts that it was in when it began."""

    def __init__(self, table: MeaningTable, thread: int, before: list[int] | None) -> None:
        rows = np.flatnonzero(table.where(*_ENTERED, *_LEFT) & (table.tid == thread))
        enters = table.where(*_ENTERED)[rows]
        self.first = 0 if before is not None else int(rows[0]) if len(rows) else len(table)
        """The first row at which it is known that the thread's polls and dispatches are traced."""
        self._before = before or []
        self._rows: Int64Array = rows
        depth = len(self._before) + np.cumsum(np.where(enters, 1, -1))
        # A trace that begins in mid-run leaves what it has not seen entered: there is nothing below 0.
        self._depth: Int64Array = depth - np.minimum.accumulate(np.minimum(depth, 0))
        self._enters: Int64Array = np.flatnonzero(enters)
        self._ctx: Int64Array = table.role("ctx", rows[self._enters])

    def at(self, rows: Int64Array) -> Int64Array:
        """Return the innermost context at each row."""
        place = np.searchsorted(self._rows, rows)
        depths = np.concatenate(([len(self._before)], self._depth))[place]
        out = np.zeros(len(rows), dtype=np.int64)
        for depth in distinct(depths):
            if depth:
                asked = depths == depth
                out[asked] = self._innermost(depth, place[asked])
        return out

    def _innermost(self, depth: int, place: Int64Array) -> Int64Array:
        """Return the context entered last to a depth, before each place."""
        to_depth = self._depth[self._enters] == depth
        entries, ctx = self._enters[to_depth], self._ctx[to_depth]
        before = self._before[depth - 1] if depth <= len(self._before) else 0
        return np.asarray(np.concatenate(([before], ctx))[np.searchsorted(entries, place)])

    def left_open(self) -> list[int]:
        """Return the contexts that the thread is in when the table ends, the innermost last."""
        deepest = int(self._depth[-1]) if len(self._depth) else len(self._before)
        entered = dict(enumerate(self._before, 1))
        # Of the entries to one depth the last one stays.
        entered |= zip(self._depth[self._enters].tolist(), self._ctx.tolist(), strict=True)
        return [entered.get(depth, 0) for depth in range(1, deepest + 1)]
