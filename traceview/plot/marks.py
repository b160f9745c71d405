"""(a), (b) and (c), and the arrows from what was scheduled or kicked to what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.patches import FancyArrowPatch

from traceview.plot.canvas import Canvas
from traceview.plot.labels import Label, gathered, place
from traceview.plot.text import text_width
from traceview.scene import Arrow

__all__ = ["MOST_ARROWS", "draw_arrows", "draw_letters", "draw_window"]

MOST_ARROWS = 40
"""More arrows than these would hide what they point at."""


def draw_window(canvas: Canvas) -> None:
    """Shade the window."""
    if canvas.scene.window_ns is None:
        return
    begin, end = canvas.scene.window_ns
    left, right = max(canvas.x(begin), canvas.left), min(canvas.x(end), canvas.right)
    if left < right:
        canvas.axes.axvspan(left, right, facecolor=canvas.theme.window, linewidth=0, zorder=0, gid="window")


def draw_letters(canvas: Canvas) -> None:
    """Mark the points of the window where they stand, and label them in the row above all lanes.

    A line leads from each label to its mark. Points of one letter too close together for a label each have one label,
    which says how many they are.
    """
    scene, theme, points = canvas.scene, canvas.theme, canvas.size.font * 1.25
    if not scene.letters:
        return
    spots = [
        (canvas.x(x.ts_ns), canvas.middle(x.lane, canvas.row_of(x.lane, x.record, x.ts_ns))) for x in scene.letters
    ]

    def measure(text: str) -> float:
        return text_width(text, points, "bold")

    wishes = [
        Label(x.letter, spots[i][0] / canvas.per_point, measure(x.letter), i) for i, x in enumerate(scene.letters)
    ]
    gap = points * 0.6
    left, right = canvas.left / canvas.per_point, canvas.right / canvas.per_point
    labels = gathered(wishes, gap, right - left, measure)
    _draw_marks(canvas, spots, {x.item for x in labels})
    low = canvas.layout.labels
    for label, middle in zip(labels, place(labels, left, right, gap), strict=True):
        x, y = spots[label.item]
        at = middle * canvas.per_point
        canvas.write(
            at, low * 0.4, label.text, f"label-{label.item}", ha="center", weight="bold", fontsize=points, zorder=8
        )
        canvas.axes.plot(
            [at, x, x], [low * 0.75, low, y], color=theme.quiet, linewidth=0.6, linestyle=(0, (1, 1.2)), zorder=1,
            gid=f"leader-{label.item}",
        )  # fmt: skip


def _draw_marks(canvas: Canvas, spots: Sequence[tuple[float, float]], labelled: set[int]) -> None:
    """Mark the points; in lanes that show a density only those with a label, for the density shows the others."""
    scene, theme = canvas.scene, canvas.theme
    dense = {i for i, place in enumerate(canvas.layout.lanes) if place.dense}
    for letter in dict.fromkeys(x.letter for x in scene.letters):
        own = [
            spots[i] for i, x in enumerate(scene.letters)
            if x.letter == letter and (x.lane not in dense or i in labelled)
        ]  # fmt: skip
        # Marks closer together than they could be told apart are one.
        seen = {(round(x / canvas.per_point * 2), y): (x, y) for x, y in reversed(own)}
        canvas.axes.plot(
            [x for x, _ in seen.values()], [y for _, y in seen.values()], marker="o" if letter == "(b)" else "D",
            markersize=canvas.mark, zorder=7, markerfacecolor=theme.paper, markeredgecolor=theme.ink,
            markeredgewidth=0.9, linestyle="none", clip_on=False, gid=f"marks-{letter[1]}",
        )  # fmt: skip


def draw_arrows(canvas: Canvas) -> int:
    """Draw the arrows, solid from kicks and dashed from schedulings; return how many are left out.

    Those that lead to what breaks the promise come first, then those that stand nearest to the window.
    """
    chosen = list(_chosen(canvas))
    for arrow in chosen:
        ends = _ends(canvas, arrow)
        kick = arrow.kind == "kick"
        canvas.axes.add_patch(
            FancyArrowPatch(
                *ends, arrowstyle="-|>", connectionstyle="arc3,rad=0" if kick else "arc3,rad=-0.25", shrinkA=0,
                shrinkB=0, mutation_scale=canvas.size.font * (0.6 if kick else 0.9), linewidth=0.45 if kick else 0.8,
                zorder=4, linestyle="-" if kick else (0, (3, 1.5)), color=canvas.theme.ink,
                gid=f"arrow-{arrow.kind}-{arrow.from_record}-{arrow.to_record}",
            )
        )  # fmt: skip
    return len(canvas.scene.arrows) - len(chosen)


def _chosen(canvas: Canvas) -> Iterator[Arrow]:
    scene = canvas.scene
    breaking = {(r.lane, r.begin_ns) for r in scene.requests if r.breaks}
    begin, end = scene.window_ns or (scene.begin_ns, scene.end_ns)

    def rank(arrow: Arrow) -> tuple[bool, int]:
        return (arrow.to_lane, arrow.to_ns) not in breaking, max(begin - arrow.to_ns, arrow.from_ns - end, 0)

    dense = {i for i, place in enumerate(canvas.layout.lanes) if place.dense}
    drawn = [a for a in scene.arrows if a.to_lane not in dense]
    yield from sorted(drawn, key=rank)[:MOST_ARROWS]


def _ends(canvas: Canvas, arrow: Arrow) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where an arrow begins and ends."""
    scene = canvas.scene
    top, height = canvas.row(arrow.from_lane, canvas.row_of(arrow.from_lane, arrow.from_record, arrow.from_ns))
    if arrow.kind == "kick":
        at = arrow.to_lane, arrow.to_ns, arrow.title
        bars = (r.row for r in scene.requests if (r.lane, r.begin_ns, r.title) == at)
        to = canvas.middle(arrow.to_lane, next(bars, 0))
        return (canvas.x(arrow.from_ns), top + height * 0.92), (canvas.x(arrow.to_ns), to)
    end = canvas.middle(arrow.to_lane, canvas.row_of(arrow.to_lane, arrow.to_record, arrow.to_ns))
    return (canvas.x(arrow.from_ns), top + height / 2), (canvas.x(arrow.to_ns), end)
