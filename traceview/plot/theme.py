"""How pictures look: colours as data.

The hues are those of Okabe and Ito ("Color Universal Design", https://jfly.uni-koeln.de/color/), which people with any
kind of colour blindness tell apart; nothing is told by its colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.colors import to_rgb

from traceview.errors import UnknownNameError, nearest

__all__ = ["HATCHES", "THEMES", "Theme", "contrast", "text_on", "theme_by_name"]


@dataclass(frozen=True)
class Theme:
    """The colours of a picture.

    `calls` has those of calls by `Call.kind`, `bands` by `Band.kind`, `verdicts` by verdict; `request`
    and `breaks` are those of requests (writes are filled, reads hollow), `pale` that of a density of requests behind
    the ones that break the promise.
    """

    name: str
    paper: str
    ink: str
    quiet: str
    """Text and lines that stand back."""
    grid: str
    window: str
    """The shade behind a window; opaque, so that what lies on it keeps its colour."""
    calls: Mapping[str, str]
    bands: Mapping[str, str]
    request: str
    breaks: str
    pale: str
    verdicts: Mapping[str, str]


_LIGHT = Theme(
    name="light", paper="#ffffff", ink="#1a1a1a", quiet="#5c5c5c", grid="#dddddd", window="#fcefbf",
    calls={
        "iteration": "#d9d9d9", "dispatch": "#56b4e9", "poll": "#f0e442", "iohandler_poll": "#9ad0ef",
        "bh": "#cc79a7", "notifier": "#009e73", "exit": "#4d4d4d",
    },
    bands={"drained": "#e69f00", "external-off": "#0072b2", "gap": "#b3261e"},
    request="#0072b2", breaks="#d55e00", pale="#94b6cb",
    verdicts={"violated": "#d55e00", "guarded": "#0072b2", "clean": "#009e73", "inconclusive": "#cc79a7"},
)  # fmt: skip
_DARK = Theme(
    name="dark", paper="#16181d", ink="#f2f2f2", quiet="#b4b4b4", grid="#3a3d45", window="#39341f",
    calls={
        "iteration": "#5b5f69", "dispatch": "#56b4e9", "poll": "#f0e442", "iohandler_poll": "#9ad0ef",
        "bh": "#cc79a7", "notifier": "#14b88a", "exit": "#e4e4e4",
    },
    bands={"drained": "#e69f00", "external-off": "#56b4e9", "gap": "#ff8a80"},
    request="#56b4e9", breaks="#f0762b", pale="#44566b",
    verdicts={"violated": "#f0762b", "guarded": "#56b4e9", "clean": "#14b88a", "inconclusive": "#cc79a7"},
)  # fmt: skip
HATCHES: Mapping[str, str] = {"drained": "////", "external-off": "\\\\\\\\", "gap": "xxxx"}
"""How bands are hatched, by their kind."""
THEMES: Mapping[str, Theme] = {t.name: t for t in (_LIGHT, _DARK)}


def theme_by_name(name: str) -> Theme:
    """Return a theme. Raises UnknownNameError for a name that is none."""
    if name not in THEMES:
        raise UnknownNameError(f"there is no theme {name!r}: light or dark{nearest(name, THEMES)}")
    return THEMES[name]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2.1 reckons it (4.5 and more is readable)."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def text_on(colour: str) -> str:
    """Return black or white, whichever is read more easily on a colour."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, colour))
