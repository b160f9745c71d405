"""A scene as a figure of its own, or drawn into axes that are given."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from traceview.plot.calls import draw_bands, draw_calls, draw_instants, draw_lanes
from traceview.plot.canvas import Canvas
from traceview.plot.cuts import with_most_lanes
from traceview.plot.guest import dense_lanes, draw_requests
from traceview.plot.key import Block, above, below
from traceview.plot.layout import COLUMN, Size, lay_out
from traceview.plot.marks import draw_arrows, draw_letters, draw_window
from traceview.plot.text import FAMILY, text_width
from traceview.plot.theme import THEMES, Theme
from traceview.scene import Scene

__all__ = ["draw_scene", "scene_figure", "style_axes"]

_SIDE = 6.0
"""The margin of a figure, in points."""


def scene_figure(scene: Scene, *, size: Size = COLUMN, theme: Theme = THEMES["light"]) -> Figure:
    """Return a scene as a figure, as high as it needs. It belongs to nobody: pyplot does not know it."""
    scene = with_most_lanes(scene)
    layout = lay_out(scene, size)
    wide = size.width_in * 72 - 2 * _SIDE
    top, bottom = above(scene, size, wide), below(scene, layout, size, wide)
    high = layout.height + top.height + bottom.height + 2 * _SIDE
    figure = Figure(figsize=(size.width_in, high / 72), facecolor=theme.paper)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((
        _SIDE / (wide + 2 * _SIDE), (_SIDE + bottom.height) / high, wide / (wide + 2 * _SIDE), layout.height / high
    ))  # fmt: skip
    _draw(Canvas(axes, scene, layout, size, theme, wide, layout.height), top, bottom)
    return figure


def draw_scene(scene: Scene, ax: Axes | None = None, *, theme: Theme = THEMES["light"]) -> Axes:
    """Draw a scene into axes, or into those of a new figure; return them.

    Text is of the size that suits the width of the axes; the scene is stretched to their height. Title and key stand
    above and below them.
    """
    if ax is None:
        return scene_figure(scene, size=COLUMN, theme=theme).axes[0]
    figure = ax.get_figure(root=True)
    assert figure is not None, "axes that were taken off their figure cannot be drawn into"
    wide, high = (float(pixels) / figure.dpi * 72 for pixels in (ax.bbox.width, ax.bbox.height))
    scene = with_most_lanes(scene)
    size = Size.of_width(wide / 72)
    layout = lay_out(scene, size)
    top, bottom = above(scene, size, wide), below(scene, layout, size, wide)
    _draw(Canvas(ax, scene, layout, size, theme, wide, high), top, bottom)
    return ax


def _draw(canvas: Canvas, top: Block, bottom: Block) -> None:
    axes, layout = canvas.axes, canvas.layout
    axes.set_xlim(canvas.left, canvas.right)
    axes.set_ylim(layout.height, 0)
    style_axes(axes, canvas.size, canvas.theme)
    axes.set_yticks([])
    _label_time(canvas)
    draw_window(canvas)
    draw_lanes(canvas)
    draw_bands(canvas)
    draw_calls(canvas)
    draw_instants(canvas)
    draw_requests(canvas)
    left_out = draw_arrows(canvas)
    draw_letters(canvas)
    top.draw(axes, canvas.theme, canvas.size)
    bottom.draw(axes, canvas.theme, canvas.size, notes=_notes(canvas, left_out))


def style_axes(axes: Axes, size: Size, theme: Theme) -> None:
    """Give axes the colours and the text of pictures."""
    axes.set_facecolor(theme.paper)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=theme.quiet, linewidth=0.6)
    axes.tick_params(
        colors=theme.quiet, labelsize=size.font, labelcolor=theme.ink, length=size.font * 0.35, width=0.6,
        pad=size.font * 0.25, labelfontfamily=FAMILY,
    )  # fmt: skip


def _label_time(canvas: Canvas) -> None:
    """Label the axis of time: µs from (a), or from where the picture begins; records where there are no times."""
    scene, axes = canvas.scene, canvas.axes
    unit = "records" if scene.by_record else "µs"
    if any(x.letter == "(a)" for x in scene.letters):
        origin = "(a)"
    elif scene.by_record:
        origin = f"record {scene.origin_ns // 1000}"
    else:
        origin = f"{scene.origin_ns // 1_000_000_000}.{scene.origin_ns % 1_000_000_000:09d} s"
    axes.set_xlabel(
        f"{unit} from {origin}", fontsize=canvas.size.font, color=canvas.theme.ink, family=FAMILY,
        labelpad=canvas.size.font * 0.2, gid="time-axis",
    )  # fmt: skip
    locator = MaxNLocator(6 if canvas.size.font < 9 else 10, steps=[1, 2, 2.5, 5, 10], integer=scene.by_record)
    labels = {float(v): f"{v:,.10g}".replace("-", "−") for v in locator.tick_values(canvas.left, canvas.right)}
    shown = [v for v, text in labels.items() if _fits(canvas, v, text)]
    axes.set_xticks(shown, [labels[v] for v in shown])


def _fits(canvas: Canvas, x: float, text: str) -> bool:
    """Say whether a label below the axis stays within the figure's margins."""
    half = max(text_width(text, canvas.size.font) / 2 - _SIDE / 2, 0) * canvas.per_point
    return canvas.left <= x - half and x + half <= canvas.right


def _notes(canvas: Canvas, left_out: int) -> list[str]:
    notes = []
    if dense_lanes(canvas):
        count = sum(canvas.layout.lanes[r.lane].dense for r in canvas.scene.requests)
        notes.append(f"{count:,} requests, drawn as how many are on their way")
    if left_out:
        notes.append(f"{left_out:,} of {len(canvas.scene.arrows):,} arrows are left out")
    return notes
