"""The lanes of disks: guest requests as bars, or, where they are many, how many of them are on their way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Rectangle

from traceview.plot.canvas import Canvas
from traceview.scene import RequestBar

__all__ = ["dense_lanes", "draw_requests", "on_their_way"]

_STEPS = 1500
"""A density has at most so many steps: about as many as a slide has pixels."""

Counts = npt.NDArray[np.int64]


def dense_lanes(canvas: Canvas) -> list[int]:
    """Return the lanes that show how many requests are on their way instead of each of them."""
    return [i for i, place in enumerate(canvas.layout.lanes) if place.dense]


def draw_requests(canvas: Canvas) -> None:
    """Draw the requests of all disks: writes filled, reads hollow, those that break the promise in their own colour."""
    dense = set(dense_lanes(canvas))
    for bar in canvas.scene.requests:
        if bar.lane not in dense:
            _draw_bar(canvas, bar)
    for lane in sorted(dense):
        _draw_density(canvas, lane, [r for r in canvas.scene.requests if r.lane == lane])


def _draw_bar(canvas: Canvas, bar: RequestBar) -> None:
    theme = canvas.theme
    colour = theme.breaks if bar.breaks else theme.request
    top, height = canvas.row(bar.lane, bar.row)
    inset = height * 0.16
    least = 1.2 * canvas.per_point
    canvas.axes.add_patch(
        Rectangle(
            (canvas.x(bar.begin_ns), top + inset), max((bar.end_ns - bar.begin_ns) / 1000, least), height - 2 * inset,
            facecolor=colour if bar.op.changes_data else theme.paper, edgecolor=colour, linewidth=0.6,
            zorder=3 if bar.breaks else 2, gid=f"request-{bar.record}",
        )
    )  # fmt: skip


def _draw_density(canvas: Canvas, lane: int, bars: Sequence[RequestBar]) -> None:
    """Draw how many requests are on their way, and before them how many of those break the promise."""
    place, theme = canvas.layout.lanes[lane], canvas.theme
    times, counts = on_their_way(bars)
    most = max(int(counts.max(initial=0)), 1)
    breaking = on_their_way([b for b in bars if b.breaks])
    for name, colour, (at, count) in (("all", theme.pale, (times, counts)), ("breaking", theme.breaks, breaking)):
        if len(at):
            x = (at - canvas.scene.origin_ns) / 1000
            canvas.axes.fill_between(
                x, place.bottom, place.bottom - count / most * place.row, step="post", color=colour, linewidth=0,
                zorder=2, gid=f"density-{name}-{lane}",
            )  # fmt: skip
    canvas.write(
        canvas.right, (place.top + place.rows_top) / 2, f"up to {most} at once",
        f"density-scale-{lane}", ha="right", color=theme.quiet, zorder=6,
    )  # fmt: skip


def on_their_way(bars: Sequence[RequestBar]) -> tuple[Counts, Counts]:
    """Return times (ns) and how many of the bars are on their way from each of them on.

    There are at most `_STEPS` times; where there would be more, each stands for the most that were on their way until
    the next one.
    """
    begins = np.array([b.begin_ns for b in bars], dtype=np.int64)
    ends = np.array([b.end_ns for b in bars], dtype=np.int64)
    times = np.concatenate([begins, ends])
    steps = np.repeat(np.array([1, -1], dtype=np.int64), len(bars))
    order = np.lexsort((steps < 0, times))  # where one ends as another begins, both are on their way
    times, counts = times[order], np.cumsum(steps[order])
    if len(times) <= _STEPS:
        return times, counts
    # From the first on: times of day in ns are too large for floats.
    edges = times[0] + np.linspace(0, int(times[-1] - times[0]), _STEPS).astype(np.int64)
    first = np.searchsorted(times, edges[:-1], side="left")
    before = np.concatenate([[0], counts])[first]
    within = np.maximum.reduceat(counts, np.minimum(first, len(counts) - 1))
    empty = first == np.append(first[1:], len(times))
    return edges, np.append(np.where(empty, before, np.maximum(before, within)), counts[-1])
