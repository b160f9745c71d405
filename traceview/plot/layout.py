"""Where the lanes of a scene stand, and how high they are: in points, from the top down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from traceview.scene import LaneKind, Scene

__all__ = ["COLUMN", "SLIDE", "WIDTHS", "LanePlace", "Layout", "Size", "lay_out"]

MOST_BARS = 400
"""So many requests are drawn one by one, in all lanes together; more are drawn as how many are on their way."""
_MOST_ROWS = 48
"""Nor are they drawn one by one where more than so many are on their way at once: the bars would be too thin."""
_MOST_DEPTH = 40
"""Calls nested deeper than so many share the last row."""
_DENSE_ROWS = 8
"""A density is as high as so many rows of requests."""


@dataclass(frozen=True, slots=True)
class Size:
    """How wide a picture is, in inches, and how large its text, in points; all else follows from these."""

    width_in: float
    font: float

    @classmethod
    def of_width(cls, width_in: float) -> Size:
        """Return the size for a width: text of 6 pt in the column of a paper, of 11 pt on a slide."""
        share = (width_in - COLUMN.width_in) / (SLIDE.width_in - COLUMN.width_in)
        return cls(width_in, COLUMN.font + (SLIDE.font - COLUMN.font) * min(max(share, 0.0), 1.0))

    @property
    def line(self) -> float:
        """How high a line of text is, in points."""
        return self.font * 1.35


COLUMN = Size(3.4, 6.0)
"""One column of a paper."""
SLIDE = Size(10.0, 11.0)
"""A slide."""
WIDTHS = {"column": COLUMN, "slide": SLIDE}


@dataclass(frozen=True, slots=True)
class LanePlace:
    """Where a lane stands: its title at `top`, its rows from `rows_top` on, each `row` points high.

    A `dense` lane has one row: how many requests are on their way.
    """

    top: float
    rows_top: float
    row: float
    rows: int
    dense: bool = False

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.rows_top + self.row * self.rows


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all lanes; `labels` is the height of the row of labels above them, `height` that of all."""

    labels: float
    lanes: tuple[LanePlace, ...]
    height: float


def lay_out(scene: Scene, size: Size) -> Layout:
    """Give each lane of a scene its place. A scene with many requests has dense lanes for them."""
    font = size.font
    labels = font * 2.4
    bars = Counter(r.lane for r in scene.requests)
    many = len(scene.requests) > MOST_BARS
    top, places = labels, []
    for number, lane in enumerate(scene.lanes):
        row, rows, dense = font * 1.6, min(lane.rows, _MOST_DEPTH), False
        if lane.kind is LaneKind.STATE:
            row, rows = font * 0.9, 1
        elif lane.kind is LaneKind.DEVICE and bars[number]:
            dense = many or lane.rows > _MOST_ROWS
            rows = lane.rows
            row = font * (0.9 if lane.rows <= 4 else 0.75 if lane.rows <= 24 else 0.5)
            if dense:
                row, rows = font * _DENSE_ROWS, 1
        place = LanePlace(top, top + size.line, row, rows, dense)
        places.append(place)
        top = place.bottom + font * 0.8
    return Layout(labels, tuple(places), top)
