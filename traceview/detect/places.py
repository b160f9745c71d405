"""Where the records of a result stand, where its trace lies in several files; and what is not known of their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from traceview.findings import ScanResult, Verdict, Window
from traceview.formats.merged import ThreadsSource
from traceview.losses import Horizon, Losses
from traceview.source import ByteSource
from traceview.source.rotated import Member, RotatedSource
from traceview.timeline.marks import Mark

__all__ = ["placed", "unsure_of_order"]

UNSURE = "its edge has the time of a record of another thread, so that their order is not known"


def placed(source: ByteSource, result: ScanResult, losses: Losses) -> None:
    """Give the points of a result, and of what was lost, the file and the line in it at which they stand.

    The result is of one trace, whose summary is told of its files. Where it lies in one file there is nothing to do.
    """
    words: Callable[[Mark], str]
    if isinstance(source, RotatedSource):
        result.traces[0].members = [
            Member(p.path, p.first_line, p.first_byte) for p in source.parts if p.begins >= 0
        ] + [Member(path, left_out=why) for path, why in source.left_out.items()]
        words = _in_rotated(source)
    elif isinstance(source, ThreadsSource):
        result.traces[0].members = [Member(part.path, thread=thread) for thread, part in source.parts.items()]
        words = _in_threads(source)
    else:
        return

    def put(mark: Mark) -> Mark:
        return replace(mark, place=words(mark))

    for window in result.windows:
        _put_in(window, put)
    losses.extents = [
        replace(e, written=put(e.written), made_good=put(e.made_good) if e.made_good is not None else None)
        for e in losses.extents
    ]
    losses.horizons = [
        Horizon(put(h.last) if h.last is not None else None, h.gap) for h in losses.horizons
    ]  # fmt: skip


def _in_rotated(source: RotatedSource) -> Callable[[Mark], str]:
    def words(mark: Mark) -> str:
        path, line = source.place(mark.line, mark.byte_offset)
        return f"{_name(path)} line {line}"

    return words


def _in_threads(source: ThreadsSource) -> Callable[[Mark], str]:
    def words(mark: Mark) -> str:
        part = source.parts.get(mark.tid)
        where = f"line {mark.line}" if mark.line else f"byte {mark.byte_offset}"
        return where if part is None else f"{_name(part.path)} {where}"

    return words


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _put_in(window: Window, put: Callable[[Mark], Mark]) -> None:
    window.open = put(window.open) if window.open is not None else None
    window.close = put(window.close) if window.close is not None else None
    window.requests = [
        replace(r, mark=put(r.mark), kick=put(r.kick) if r.kick is not None else None) for r in window.requests
    ]
    window.happenings = [replace(h, mark=put(h.mark)) for h in window.happenings]


def unsure_of_order(source: ByteSource, result: ScanResult) -> None:
    """Call no window clean at whose edge it is not known which of two threads' records came first."""
    if not isinstance(source, ThreadsSource) or not len(source.ties):
        return
    for window in result.windows:
        edges = [m.record for m in (window.open, window.close) if m is not None]
        if window.verdict in (Verdict.CLEAN, Verdict.GUARDED) and np.isin(edges, source.ties).any():
            window.verdict, window.reason = Verdict.INCONCLUSIVE, UNSURE
