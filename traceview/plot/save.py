"""A figure as the bytes of a file: the same for the same figure, at any time and place."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from traceview.errors import UnknownNameError
from traceview.plot.text import FONT

__all__ = ["PICTURE_TYPES", "picture_bytes"]

PICTURE_TYPES = ("png", "svg", "pdf")
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and edited
    "font.sans-serif": [FONT, "Verdana", "Arial"],  # for those who read an SVG without the font
    "svg.hashsalt": "traceview",
    "pdf.fonttype": 42,
    "hatch.linewidth": 0.6,
    "path.simplify": True,
}
_MOST_PIXELS = 60_000
"""matplotlib draws PNGs of less than 65,536 dots a side."""
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "traceview"},
    "svg": {"Date": None, "Creator": "traceview"},
    "pdf": {"CreationDate": None, "Creator": "traceview", "Producer": None},
}


def picture_bytes(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file of a kind (png, svg, pdf).

    PNGs have 300 dots an inch, 200 if they are wide, and fewer where they would be too large to be written. Raises
    UnknownNameError for another kind.
    """
    if kind not in PICTURE_TYPES:
        raise UnknownNameError(f"pictures are {', '.join(PICTURE_TYPES)}, not {kind!r}")
    out = io.BytesIO()
    wide, high = figure.get_size_inches()
    dots = min(300 if wide < 6 else 200, _MOST_PIXELS / max(wide, high))
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(out, format=kind, dpi=dots, facecolor=figure.get_facecolor(), metadata=_METADATA[kind])
    return out.getvalue()
