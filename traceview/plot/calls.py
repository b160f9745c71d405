"""The lanes of threads and of what is on or off: calls nested by depth, records that take no time, bands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from matplotlib.patches import Rectangle

from traceview.plot.canvas import Canvas
from traceview.plot.text import drawable, fitting, text_width
from traceview.plot.theme import HATCHES, text_on
from traceview.scene import Call, Instant

__all__ = ["draw_bands", "draw_calls", "draw_instants", "draw_lanes"]

_THIN = 0.3
"""What is narrower on paper, in points, is drawn as one with its neighbours: it could not be told from them."""


def draw_lanes(canvas: Canvas) -> None:
    """Draw the title of each lane, and a line between it and the one above."""
    for number, (lane, place) in enumerate(zip(canvas.scene.lanes, canvas.layout.lanes, strict=True)):
        if number:
            y = place.top - canvas.size.font * 0.4
            canvas.axes.axhline(y, color=canvas.theme.grid, linewidth=0.4, zorder=0.5)
        title = fitting(drawable(lane.title), canvas.size.font, canvas.wide, "bold")
        canvas.write(
            canvas.left, (place.top + place.rows_top) / 2, title, f"lane-{number}",
            weight="bold", zorder=6,
        )  # fmt: skip


def draw_calls(canvas: Canvas) -> None:
    """Draw the calls as boxes, each a row below the one that it stands in, with as much of its name as fits."""
    lettered = {x.record for x in canvas.scene.letters}
    for call in _seen(canvas, canvas.scene.calls):
        colour = canvas.theme.calls[call.kind]
        top, height = canvas.row(call.lane, call.depth)
        x, width = canvas.x(call.begin_ns), (call.end_ns - call.begin_ns) / 1000
        box = Rectangle(
            (x, top), max(width, _THIN * canvas.per_point), height * 0.92, facecolor=colour,
            edgecolor=canvas.theme.paper, linewidth=0.3 if width > 3 * canvas.per_point else 0, zorder=2,
            gid=f"call-{call.record}",
        )  # fmt: skip
        canvas.axes.add_patch(box)
        inset = 1.5 + canvas.mark * 0.7 * (call.record in lettered)
        text = _name(call, canvas.size.font, width / canvas.per_point - inset - 1.5)
        if text and height * canvas.squeeze >= canvas.size.font:
            canvas.write(
                x + inset * canvas.per_point, top + height * 0.5, text, f"call-name-{call.record}",
                color=text_on(colour), zorder=5, fontsize=canvas.size.font * 0.95,
            )  # fmt: skip


def _seen(canvas: Canvas, calls: Iterable[Call]) -> Iterator[Call]:
    """Yield the calls but for those too narrow to be seen that stand where another of their row and kind is drawn."""
    thin = round(_THIN * canvas.per_point * 1000)  # whole: times of day in ns are too large for floats
    until: dict[tuple[int, int, str], int] = {}
    for call in sorted(calls, key=lambda c: c.begin_ns):
        key = call.lane, call.depth, call.kind
        if call.end_ns - call.begin_ns >= thin or call.begin_ns >= until.get(key, call.begin_ns):
            until[key] = max(call.end_ns, call.begin_ns + thin)
            yield call


def _name(call: Call, points: float, room: float) -> str:
    """Return the longest form of a call's name that fits, or ``""``."""
    title = drawable(call.title)
    inner = title.partition("(")[2].removesuffix(")")
    forms = {
        "iteration": [title, title.removeprefix("main_loop_wait "), title.removeprefix("main_loop_wait # ")],
        "dispatch": [title, f"dispatch {inner}", inner, "dispatch"],
        "poll": [title, "aio_poll", "poll"],
        "iohandler_poll": [title, "iohandler"],
        "bh": [title, "BH"],
        "notifier": [title, "notifier read", "notifier"],
        "exit": [title, "exit of job", "exit"],
    }.get(call.kind, [title])
    return next((f for f in forms if text_width(f, points) <= room), "")


def draw_instants(canvas: Canvas) -> None:
    """Draw records that take no time as strokes, with their event's name where nothing stands in its way."""
    scene, font = canvas.scene, canvas.size.font
    taken: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for call in scene.calls:
        taken[call.lane, call.depth].append((canvas.x(call.begin_ns), canvas.x(call.end_ns)))
    lettered = {x.record for x in scene.letters}
    reach = canvas.mark * 0.7 * canvas.per_point
    for instant in scene.instants:
        x, half = canvas.x(instant.ts_ns), reach * (instant.record in lettered)
        taken[instant.lane, instant.depth].append((x - half, x + half))
    for letter in scene.letters:
        x = canvas.x(letter.ts_ns)
        taken[letter.lane, canvas.row_of(letter.lane, letter.record, letter.ts_ns)].append((x - reach, x + reach))
    drawn: set[tuple[int, int, int]] = set()
    for instant in sorted(scene.instants, key=lambda i: (i.record not in lettered, i.ts_ns)):
        x = canvas.x(instant.ts_ns)
        spot = instant.lane, instant.depth, int(x / (canvas.per_point * _THIN))
        if spot in drawn and instant.record not in lettered:
            continue
        drawn.add(spot)
        top, height = canvas.row(instant.lane, instant.depth)
        stroke = Rectangle(
            (x - 0.4 * canvas.per_point, top), 0.8 * canvas.per_point, height * 0.92, facecolor=canvas.theme.ink,
            linewidth=0, zorder=3, gid=f"instant-{instant.record}",
        )  # fmt: skip
        canvas.axes.add_patch(stroke)
        if height * canvas.squeeze >= font:
            half = reach * (instant.record in lettered)
            _write_instant(canvas, instant, x, half, top + height * 0.5, taken[instant.lane, instant.depth])


def _write_instant(
    canvas: Canvas, instant: Instant, x: float, half: float, y: float, taken: list[tuple[float, float]]
) -> None:  # fmt: skip
    """Write an event's name to the right or to the left of its stroke, if it fits there; `half` is half its mark."""
    points = canvas.size.font * 0.9
    name = drawable(instant.title.partition(" ")[0])
    width, gap = text_width(name, points) * canvas.per_point, 3 * canvas.per_point
    for left in (x + half + gap, x - half - gap - width):
        right = left + width
        inside = left >= canvas.left and right <= canvas.right
        if inside and not any(a < right + gap / 2 and b > left - gap / 2 for a, b in taken):
            taken.append((left, right))
            canvas.write(left, y, name, f"instant-name-{instant.record}", fontsize=points, zorder=5)
            return


def draw_bands(canvas: Canvas) -> None:
    """Draw what is on for a while: drained sections, disabled external events, gaps, each hatched in its own way."""
    for number, band in enumerate(canvas.scene.bands):
        top, height = canvas.row(band.lane, 0)
        colour = canvas.theme.bands[band.kind]
        box = Rectangle(
            (canvas.x(band.begin_ns), top), (band.end_ns - band.begin_ns) / 1000, height,
            facecolor=canvas.theme.paper, edgecolor=colour, hatch=HATCHES[band.kind],
            linewidth=0.7, zorder=2, gid=f"band-{number}",
        )  # fmt: skip
        canvas.axes.add_patch(box)
    _write_gaps(canvas)


def _write_gaps(canvas: Canvas) -> None:
    """Write the cause and size of each gap behind its band, where the one before it leaves room."""
    points = canvas.size.font * 0.9
    free = canvas.left
    for number, band in enumerate(canvas.scene.bands):
        left = canvas.x(band.end_ns)
        words = drawable(band.title.removeprefix("gap: ").partition(":")[0])
        width = text_width(words, points) * canvas.per_point
        if left + width > canvas.x(canvas.scene.end_ns):
            left = canvas.x(band.begin_ns) - width
        if band.kind == "gap" and left >= free:
            top, height = canvas.row(band.lane, 0)
            canvas.write(left, top + height / 2, words, f"gap-{number}", fontsize=points, zorder=5)
            free = left + width
