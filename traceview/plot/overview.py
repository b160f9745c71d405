"""A whole trace in one picture: windows over time by verdict, how long they stood open, what the guest asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from traceview.events import NO_TIME
from traceview.findings import ScanResult, Verdict, Window
from traceview.plot.figure import style_axes
from traceview.plot.layout import COLUMN, Size
from traceview.plot.text import FAMILY, drawable, text_width, wrapped
from traceview.plot.theme import THEMES, Theme
from traceview.report.style import duration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["overview_figure", "request_times"]

_ORDER = (Verdict.VIOLATED, Verdict.INCONCLUSIVE, Verdict.GUARDED, Verdict.CLEAN)
_MARKERS = {Verdict.VIOLATED: "X", Verdict.INCONCLUSIVE: "^", Verdict.GUARDED: "s", Verdict.CLEAN: "o"}
_HATCHES = {Verdict.VIOLATED: "xxxx", Verdict.INCONCLUSIVE: "....", Verdict.GUARDED: "////", Verdict.CLEAN: ""}
_PLACES = 1200
"""Windows that open at the same one of so many places of the axis are drawn as one mark."""
_BINS = 120
"""The guest's requests are counted in so many spans of time."""

Times = npt.NDArray[np.int64]


def request_times(frames: Iterable[pd.DataFrame]) -> tuple[Times, Times]:
    """Return when guest reads and when changes (writes, discards …) began, in ns, from tables of requests.

    Those without a time are left out. The tables may come one by one; only the times are kept.
    """
    kinds: tuple[list[Times], list[Times]] = ([], [])
    for frame in frames:
        begun = frame["taken_up_ns"].fillna(frame["submitted_ns"])
        known = begun.notna().to_numpy()
        times = begun[known].to_numpy(dtype=np.int64)
        reads = (frame["op"][known] == "read").to_numpy()
        kinds[0].append(times[reads])
        kinds[1].append(times[~reads])
    none = np.empty(0, dtype=np.int64)
    reads_at, changes_at = (np.concatenate([none, *parts]) for parts in kinds)
    return reads_at, changes_at


def overview_figure(
    result: ScanResult, requests: tuple[Times, Times], *, title: str = "", size: Size = COLUMN,
    theme: Theme = THEMES["light"],
) -> Figure:  # fmt: skip
    """Return the overview of a scan of one trace; `requests` are those of `request_times`.

    Time runs in seconds from the first window or request; where the trace has no times, in records from its beginning,
    and what needs times says so.
    """
    font, line = size.font, size.line
    left = max(text_width(_row_name(result, v), font) for v in _ORDER) + font
    titles = wrapped(drawable(title, 300), font * 1.2, size.width_in * 72 - 2 * font, 2, "bold")
    notes = [text for part in _notes(result) for text in wrapped(part, font, size.width_in * 72 - 2 * font, 2)]
    panels = (font * 9, font * 11, font * 11)
    between = font * 5.4
    head = font + len(titles) * font * 1.6 + font * 2.6
    high = head + sum(panels) + 2 * between + font * 4 + len(notes) * line + font * 0.5
    wide = size.width_in * 72
    figure = Figure(figsize=(size.width_in, high / 72), facecolor=theme.paper)
    FigureCanvasAgg(figure)
    axes, y = [], high - head
    for panel in panels:
        y -= panel
        axes.append(figure.add_axes((left / wide, y / high, 1 - (left + font * 1.5) / wide, panel / high)))
        y -= between
    for number, text in enumerate(titles):
        at = 1 - (font + (number + 0.5) * font * 1.6) / high
        _write(figure, font / wide, at, text, f"title-{number}", theme.ink, fontsize=font * 1.2, weight="bold")
    for number, text in enumerate(notes):
        at = (font * 0.5 + (len(notes) - number - 0.5) * line) / high
        _write(figure, font / wide, at, text, f"note-{number}", theme.quiet, fontsize=font, style="italic")
    origin, span = _span(result.windows, requests)
    _draw_windows(axes[0], result, origin, size, theme)
    _draw_exposure(axes[1], result.windows, size, theme)
    _draw_rate(axes[2], requests, origin, span, size, theme)
    if span:
        for panel_axes in (axes[0], axes[2]):
            panel_axes.set_xlim(-span / 50e9, span * 1.02 / 1e9)
    return figure


def _write(figure: Figure, x: float, y: float, text: str, gid: str, colour: str, **how: Any) -> None:
    figure.text(x, y, text, gid=gid, color=colour, family=FAMILY, parse_math=False, va="center", **how)


def _notes(result: ScanResult) -> list[str]:
    unlisted = sum(c.unlisted for t in result.traces for c in t.coverage)
    return [f"{unlisted:,} more clean windows were counted and are not drawn"] if unlisted else []


def _row_name(result: ScanResult, verdict: Verdict) -> str:
    return f"{verdict.value} {result.count(verdict):,}"


def _span(windows: Sequence[Window], requests: tuple[Times, Times]) -> tuple[int, int]:
    """Return the first time of all and how many ns there are to the last; 0, 0 where there are no times."""
    marks = [m.ts_ns for w in windows for m in (w.open, w.close) if m is not None and m.ts_ns != NO_TIME]
    both = [int(t) for times in requests if len(times) for t in (times.min(), times.max())]
    known = marks + both
    return (min(known), max(max(known) - min(known), 1)) if known else (0, 0)


def _headed(axes: Axes, text: str, gid: str, size: Size, theme: Theme) -> None:
    style_axes(axes, size, theme)
    axes.set_title(text, loc="left", fontsize=size.font, weight="bold", color=theme.ink, family=FAMILY, gid=gid,
                   pad=size.font * 0.5)  # fmt: skip


def _labelled(axes: Axes, text: str, size: Size, theme: Theme) -> None:
    axes.set_xlabel(text, fontsize=size.font, color=theme.ink, family=FAMILY, labelpad=size.font * 0.2)


def _draw_windows(axes: Axes, result: ScanResult, origin: int, size: Size, theme: Theme) -> None:
    """Draw each window as a line from its opening to its closing, with a mark where it opens, in its verdict's row."""
    _headed(axes, "Windows by verdict", "windows", size, theme)
    timed = origin > 0
    for row, verdict in enumerate(_ORDER):
        spans = [_edges(w, origin) for w in result.windows if w.verdict is verdict]
        known = np.array([s for s in spans if s is not None], dtype=np.float64).reshape(-1, 2)
        if not len(known):
            continue
        width = max(float(known.max() - known.min()), 1e-9)
        _, first = np.unique(np.round(known[:, 0] / width * _PLACES), return_index=True)
        known = known[first]
        colour = theme.verdicts[verdict.value]
        axes.hlines(
            np.full(len(known), row), known[:, 0], known[:, 1], colors=colour, linewidth=size.font * 0.25,
            gid=f"spans-{verdict.value}",
        )  # fmt: skip
        axes.plot(
            known[:, 0], np.full(len(known), row), linestyle="none", marker=_MARKERS[verdict], color=colour,
            markersize=size.font * 0.7, markeredgewidth=0, gid=f"opened-{verdict.value}", zorder=3,
        )  # fmt: skip
    axes.set_ylim(len(_ORDER) - 0.5, -0.5)
    axes.set_yticks(range(len(_ORDER)), [_row_name(result, v) for v in _ORDER])
    axes.tick_params(axis="y", length=0)
    _labelled(axes, "s from the first of them" if timed else "record", size, theme)


def _edges(window: Window, origin: int) -> tuple[float, float] | None:
    """Return where a window begins and ends on the axis: seconds, or records where there are no times."""
    first, last = window.open or window.close, window.close or window.open
    if first is None or last is None:
        return None
    if not origin:
        return float(first.record), float(last.record)
    if NO_TIME in (first.ts_ns, last.ts_ns):
        return None
    return (first.ts_ns - origin) / 1e9, (max(last.ts_ns, first.ts_ns) - origin) / 1e9


def _draw_exposure(axes: Axes, windows: Sequence[Window], size: Size, theme: Theme) -> None:
    """Draw how many windows stood open for how long, on a logarithmic axis, piled up by verdict."""
    _headed(axes, "How long windows stood open", "exposure", size, theme)
    spans = {v: [w.duration_ns / 1000 for w in windows if w.verdict is v and w.duration_ns] for v in _ORDER}
    spans = {v: s for v, s in spans.items() if s}
    if not spans:
        _absent(axes, "no window whose length is known", size, theme)
        return
    every = np.concatenate([np.array(s) for s in spans.values()])
    low, high = np.floor(np.log10(every.min()) * 4) / 4, np.ceil(np.log10(every.max()) * 4 + 1e-9) / 4
    edges = np.logspace(low, max(high, low + 0.5), round((max(high, low + 0.5) - low) * 4) + 1)
    edges[0], edges[-1] = min(edges[0], every.min()), max(edges[-1], every.max())
    below = np.zeros(len(edges) - 1)
    for verdict, lengths in spans.items():
        count = np.histogram(lengths, edges)[0]
        bars = axes.bar(
            edges[:-1], count, np.diff(edges), bottom=below, align="edge", facecolor=theme.verdicts[verdict.value],
            edgecolor=theme.paper, linewidth=0.4, hatch=_HATCHES[verdict], label=verdict.value,
        )  # fmt: skip
        for number, bar in enumerate(bars):
            bar.set_gid(f"exposure-{verdict.value}-{number}")
        below += count
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: duration(round(value * 1000))))
    axes.minorticks_off()
    _counted(axes)
    key = axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=len(spans), fontsize=size.font, frameon=False,
        labelcolor=theme.ink, borderaxespad=0, handlelength=1.2, columnspacing=1, handletextpad=0.5,
        prop={"family": FAMILY, "size": size.font},
    )  # fmt: skip
    key.set_gid("verdicts")


def _draw_rate(
    axes: Axes, requests: tuple[Times, Times], origin: int, span: int, size: Size, theme: Theme
) -> None:  # fmt: skip
    """Draw how many requests a second the guest began: changes as an area, reads as a line upon it."""
    _headed(axes, "Guest requests a second", "rate", size, theme)
    reads, changes = requests
    if not len(reads) and not len(changes):
        _absent(axes, "no guest request with a time", size, theme)
        return
    edges = np.linspace(0, max(span, 1) / 1e9, _BINS + 1)
    rates = [np.histogram((t - origin) / 1e9, edges)[0] / np.diff(edges) for t in (changes, reads)]
    axes.stairs(rates[0], edges, fill=True, color=theme.pale, label="writes, discards", gid="rate-changes")
    axes.stairs(rates[1], edges, color=theme.request, linewidth=size.font * 0.14, label="reads", gid="rate-reads")
    axes.set_ylim(bottom=0)
    _counted(axes)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=theme.ink, borderaxespad=0,
        handlelength=1.2, columnspacing=1, handletextpad=0.5, prop={"family": FAMILY, "size": size.font},
    )  # fmt: skip
    _labelled(axes, "s from the first of them", size, theme)


def _counted(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.10g}"))


def _absent(axes: Axes, text: str, size: Size, theme: Theme) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=theme.quiet, family=FAMILY,
              fontsize=size.font, gid="absent")  # fmt: skip
