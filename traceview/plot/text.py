"""Text in pictures: what of a trace's text a font can show, how wide it is, and what of it fits."""

from __future__ import annotations

from functools import cache

from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import text_to_path

from traceview.report.escape import printable

__all__ = ["FAMILY", "FONT", "drawable", "fitting", "text_width", "wrapped"]

FONT = "DejaVu Sans"
"""It comes with matplotlib, so text is as wide on every machine."""
FAMILY = [FONT, "sans-serif"]
"""What text is drawn in; the second is for those who read an SVG without the first."""


def drawable(text: str, limit: int = 200) -> str:
    r"""Return trace text made harmless and cut, with what the font cannot show written as ``\uNNNN``."""
    known = _glyphs()
    return "".join(c if ord(c) in known else f"\\u{ord(c):04x}" for c in printable(text, limit=limit))


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(FT2Font(findfont(FontProperties(family=FONT))).get_charmap())


def text_width(text: str, points: float, weight: str = "normal") -> float:
    """Return how wide a line of text is, in points."""
    return sum(_advance(c, weight) for c in text) * points


@cache
def _advance(char: str, weight: str) -> float:
    """Return how wide a character is, as a share of the font's size."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        char, FontProperties(family=FONT, size=100, weight=weight), False
    )
    return float(width) / 100


def fitting(text: str, points: float, room: float, weight: str = "normal") -> str:
    """Return as much of a text as fits into `room` points, with … where it was cut; ``""`` if nothing does."""
    if text_width(text, points, weight) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + "…", points, weight) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def wrapped(text: str, points: float, room: float, most: int, weight: str = "normal") -> list[str]:
    """Return a text as at most so many lines, none wider than `room` points; what is left over is cut with …."""
    lines: list[str] = []
    line = ""
    words = text.split()
    for i, word in enumerate(words):
        longer = f"{line} {word}" if line else word
        if not line or text_width(longer, points, weight) <= room:
            line = longer
            continue
        if len(lines) == most - 1:
            line = " ".join((line, *words[i:]))
            break
        lines.append(line)
        line = word
    return [fitting(x, points, room, weight) for x in (*lines, line) if x]
