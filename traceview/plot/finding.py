"""A finding's picture and its table; nothing is read or imported before one of them is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from traceview.findings import Finding, Window
from traceview.report.style import SEVERITY_WORDS, duration, shape_words
from traceview.rules import Evidence
from traceview.scene import Scene

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["ScenePicture", "finding_words", "window_words"]


@dataclass(frozen=True, slots=True)
class ScenePicture:
    """What `Finding.plot` and `Finding.frame` ask: `scene` makes the scene by reading the trace anew."""

    scene: Callable[[], Scene]

    def plot(self, ax: Axes | None) -> Axes:
        """Draw the scene, into a new figure for None."""
        from traceview.plot.figure import draw_scene  # noqa: PLC0415  (matplotlib is slow to import)

        return draw_scene(self.scene(), ax)

    def frame(self) -> pd.DataFrame:
        """Return the scene as a table."""
        from traceview.scene.table import scene_frame  # noqa: PLC0415  (pandas is slow to import)

        return scene_frame(self.scene())


def finding_words(finding: Finding, window: Window) -> tuple[str, str]:
    """Return the title and the subtitle of a finding's picture."""
    possible = "" if finding.certain else "POSSIBLE "
    return finding.title, f"{possible}{SEVERITY_WORDS[finding.severity]} · {window_words(window)[1]}"


def window_words(window: Window, number: int | None = None) -> tuple[str, str]:
    """Return the title and the subtitle of a window's picture; `number` is its id in the table of windows."""
    name = "window" if number is None else f"window {number}"
    parts = [f"window {duration(window.duration_ns)}"]
    words = shape_words(window)
    if words and window.evidence is Evidence.EXACT:
        parts.append(words)
    return f"{window.rule}: {name}, {window.verdict}", " · ".join(parts)
