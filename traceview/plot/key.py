"""What stands above and below a picture: its title, what (a), (b) and (c) are, what the colours mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D, Affine2DBase, ScaledTranslation, Transform

from traceview.plot.layout import Layout, Size
from traceview.plot.marks import MOST_ARROWS
from traceview.plot.text import FAMILY, drawable, text_width, wrapped
from traceview.plot.theme import HATCHES, Theme
from traceview.report.style import duration
from traceview.scene import Letter, Scene

__all__ = ["Block", "Swatch", "above", "below"]

_CALL_WORDS = {
    "iteration": "main_loop_wait", "dispatch": "aio_ctx_dispatch", "poll": "aio_poll",
    "iohandler_poll": "qemu_iohandler_poll", "bh": "BH", "notifier": "notifier read", "exit": "exit of a job",
}  # fmt: skip
_BAND_WORDS = {"drained": "drained", "external-off": "external events off", "gap": "gap in the trace"}
_NOTES = 2
"""So many lines are kept free for notes that are known only when all is drawn."""


@dataclass(frozen=True, slots=True)
class Swatch:
    """A colour of the key, by what it is of: a call, a band or a request, with its kind."""

    part: str
    kind: str
    words: str

    def patch(self, theme: Theme) -> dict[str, Any]:
        """Return how its patch looks."""
        if self.part == "call":
            return {"facecolor": theme.calls[self.kind], "linewidth": 0}
        if self.part == "band":
            hatch = HATCHES[self.kind] + HATCHES[self.kind][:2]
            return {"facecolor": theme.paper, "edgecolor": theme.bands[self.kind], "hatch": hatch, "linewidth": 0.6}
        if self.part == "window":
            return {"facecolor": theme.window, "edgecolor": theme.grid, "linewidth": 0.4}
        colour = {"read": theme.request, "write": theme.request, "pale": theme.pale}.get(self.kind, theme.breaks)
        hollow = self.kind in ("read", "breaking read")
        return {"facecolor": theme.paper if hollow else colour, "edgecolor": colour, "linewidth": 0.7}


@dataclass(frozen=True)
class Block:
    """Lines of text, and a key, at the upper or lower edge of axes. Places are in points from the axes' left corner.

    `lines` are (y, text, gid, how it looks); `swatches` are (x, y, swatch); `notes_at` is where notes begin.
    """

    edge: int
    height: float
    lines: Sequence[tuple[float, str, str, dict[str, Any]]] = ()
    swatches: Sequence[tuple[float, float, Swatch]] = ()
    notes_at: float = 0.0

    def draw(self, axes: Axes, theme: Theme, size: Size, notes: Sequence[str] = ()) -> None:
        """Draw it."""
        where = self._transform(axes)
        for y, text, gid, how in self.lines:
            _write(axes, where, 0.0, y, text, gid, size, {"color": theme.ink, **how})
        for number, (x, y, swatch) in enumerate(self.swatches):
            box = Rectangle(
                (x, y - size.font * 0.4), size.font * 1.3, size.font * 0.8, transform=where, clip_on=False,
                gid=f"key-{number}", **swatch.patch(theme),
            )  # fmt: skip
            axes.add_patch(box)
            at = x + size.font * 1.7
            _write(axes, where, at, y, swatch.words, f"key-words-{number}", size, {"color": theme.ink})
        for number, note in enumerate(notes):
            y = self.notes_at - number * size.line
            _write(axes, where, 0.0, y, note, f"note-{number}", size, {"color": theme.quiet, "style": "italic"})

    def _transform(self, axes: Axes) -> Transform:
        figure = axes.get_figure(root=True)
        assert figure is not None
        corner = ScaledTranslation(0, self.edge, cast(Affine2DBase, axes.transAxes))
        return Affine2D().scale(1 / 72) + figure.dpi_scale_trans + corner


def _write(
    axes: Axes, where: Transform, x: float, y: float, text: str, gid: str, size: Size, how: dict[str, Any]
) -> None:  # fmt: skip
    style = {"fontsize": size.font, "va": "center", **how}
    axes.text(x, y, text, transform=where, family=FAMILY, parse_math=False, clip_on=False, gid=gid, **style)


def above(scene: Scene, size: Size, wide: float) -> Block:
    """Return the title and the subtitle of a picture `wide` points wide."""
    large = size.font * 1.2
    titles = wrapped(drawable(scene.title, 400), large, wide, 3, "bold")
    subtitles = wrapped(drawable(scene.subtitle, 400), size.font, wide, 3)
    height = len(titles) * large * 1.3 + len(subtitles) * size.line + (size.font * 0.5 if titles or subtitles else 0)
    lines: list[tuple[float, str, str, dict[str, Any]]] = []
    y = height
    for number, text in enumerate(titles):
        lines.append((y - large * 0.65, text, f"title-{number}", {"fontsize": large, "weight": "bold"}))
        y -= large * 1.3
    for number, text in enumerate(subtitles):
        lines.append((y - size.line / 2, text, f"subtitle-{number}", {}))
        y -= size.line
    return Block(1, height, lines)


def below(scene: Scene, layout: Layout, size: Size, wide: float) -> Block:
    """Return what stands below the axis of time: what the letters are, the key, and room for notes."""
    y = -size.font * 3.3  # ticks, their labels, the axis' label
    lines: list[tuple[float, str, str, dict[str, Any]]] = []
    y -= size.font * 0.4
    for number, text in enumerate(_letter_lines(scene)):
        for part, line in enumerate(wrapped(text, size.font, wide, 2)):
            lines.append((y - size.line / 2, line, f"point-{number}-{part}", {}))
            y -= size.line
    y -= size.font * 0.4
    swatches: list[tuple[float, float, Swatch]] = []
    x, step = 0.0, size.font * 1.5
    for swatch in _swatches(scene, layout):
        width = size.font * 1.7 + text_width(swatch.words, size.font)
        if x and x + width > wide:
            x, y = 0.0, y - step
        swatches.append((x, y - step / 2, swatch))
        x += width + size.font * 1.2
    y -= step if swatches else 0
    notes = _NOTES if any(p.dense for p in layout.lanes) else int(len(scene.arrows) > MOST_ARROWS)
    return Block(0, -y + notes * size.line, lines, swatches, notes_at=y - size.line / 2)


def _letter_lines(scene: Scene) -> Iterator[str]:
    """Yield what each letter stands for; of several of one kind the first, and how many follow."""
    for letter in ("(a)", "(b)", "(c)"):
        points = [x for x in scene.letters if x.letter == letter]
        if points:
            more = f"; {len(points) - 1} more" if len(points) > 1 else ""
            yield f"{letter} {drawable(points[0].title, 120)}{_when(scene, points[0])}{more}"


def _when(scene: Scene, point: Letter) -> str:
    span = point.ts_ns - scene.origin_ns
    if point.letter == "(a)" or not any(x.letter == "(a)" for x in scene.letters):
        return ""
    if scene.by_record:
        return f", {span // 1000:+d} records"
    return f", {'+' if span > 0 else ''}{duration(span)}"


def _swatches(scene: Scene, layout: Layout) -> Iterator[Swatch]:
    """Yield the colours that the picture has."""
    kinds = {c.kind for c in scene.calls}
    yield from (Swatch("call", kind, words) for kind, words in _CALL_WORDS.items() if kind in kinds)
    bands = {b.kind for b in scene.bands}
    yield from (Swatch("band", kind, words) for kind, words in _BAND_WORDS.items() if kind in bands)
    if scene.window_ns is not None:
        yield Swatch("window", "window", "window")
    dense = [r for r in scene.requests if layout.lanes[r.lane].dense]
    bars = [r for r in scene.requests if not layout.lanes[r.lane].dense]
    for kind, changes in (("read", False), ("write", True)):
        if any(r.op.changes_data is changes and not r.breaks for r in bars):
            yield Swatch("request", kind, kind)
        if any(r.op.changes_data is changes and r.breaks for r in bars):
            yield Swatch("request", f"breaking {kind}", f"{kind} in the window")
    if dense:
        yield Swatch("request", "pale", "requests on their way")
    if any(r.breaks for r in dense):
        yield Swatch("request", "breaking", "of these, in the window")
