"""What the parts of a picture are drawn upon: the axes, and how far apart things are on paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text

from traceview.plot.layout import Layout, Size
from traceview.plot.text import FAMILY
from traceview.plot.theme import Theme
from traceview.scene import Scene

__all__ = ["Canvas"]


@dataclass(frozen=True)
class Canvas:
    """A scene on its way into axes: x is µs from the scene's origin, y points from the top of the layout.

    `wide` and `high` are how wide and high the axes are on paper, in points.
    """

    axes: Axes
    scene: Scene
    layout: Layout
    size: Size
    theme: Theme
    wide: float
    high: float

    def x(self, ns: int) -> float:
        """Return where a time stands, in µs (or records, where the trace has no times) from the origin."""
        return (ns - self.scene.origin_ns) / 1000

    @property
    def per_point(self) -> float:
        """How many µs a point on paper is wide."""
        return max(self.scene.end_ns - self.scene.begin_ns, 1) / 1000 / self.wide

    @property
    def squeeze(self) -> float:
        """How high a point of the layout is on paper: less than 1 in axes that are too low for it."""
        return self.high / self.layout.height

    @property
    def left(self) -> float:
        """The left edge, in µs."""
        return self.x(self.scene.begin_ns)

    @property
    def right(self) -> float:
        """The right edge, in µs."""
        return max(self.x(self.scene.end_ns), self.left + 0.001)

    def row(self, lane: int, row: int) -> tuple[float, float]:
        """Return the top and the height of a row of a lane."""
        place = self.layout.lanes[lane]
        return place.rows_top + place.row * min(row, place.rows - 1), place.row

    @cached_property
    def _rows(self) -> dict[tuple[int, int], int]:
        """The rows in which records are drawn, by lane and record."""
        scene = self.scene
        rows = {(c.lane, c.record): c.depth for c in scene.calls}
        rows.update({(i.lane, i.record): i.depth for i in scene.instants})
        rows.update({(r.lane, r.record): r.row for r in scene.requests})
        return rows

    def row_of(self, lane: int, record: int, ns: int) -> int:
        """Return the row of a record in a lane, or that of the innermost call around it if it is not drawn itself."""
        known = self._rows.get((lane, record))
        if known is not None:
            return known
        around = (c.depth for c in self.scene.calls if c.lane == lane and c.begin_ns <= ns <= c.end_ns)
        return max(around, default=0)

    def middle(self, lane: int, row: int) -> float:
        """Return the middle of a row of a lane."""
        top, height = self.row(lane, row)
        return top + height / 2

    @property
    def mark(self) -> float:
        """How wide the mark of a letter is, in points."""
        return self.size.font * 0.55

    def write(self, x: float, y: float, text: str, gid: str, **how: Any) -> Text:
        """Write a text that the font can show; what looks like TeX in it stays as it is."""
        style = {"fontsize": self.size.font, "color": self.theme.ink, "va": "center", "ha": "left", **how}
        return self.axes.text(x, y, text, gid=gid, family=FAMILY, parse_math=False, clip_on=False, **style)
