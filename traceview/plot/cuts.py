"""Which part of a trace is drawn: between two times, around a window, of one AioContext."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import numpy as np

from traceview.errors import MissingEventsError, UnknownNameError, nearest
from traceview.events import NO_TIME, EventBatch
from traceview.scene import Call, Lane, LaneKind, RequestBar, Scene
from traceview.scene.build import AROUND

__all__ = ["of_context", "parse_duration", "records_between", "with_most_lanes"]

MOST_LANES = 60
"""A picture with more lanes would be too high to be looked at."""
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": 1_000_000_000}


def parse_duration(text: str) -> int:
    """Return a time span such as ``200us`` in ns; its unit is ns, us, µs, ms or s. Raises ValueError for other text."""
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ns|us|µs|μs|ms|s)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time span: expected one with its unit (ns, us, ms, s), such as 200us")
    return int(Decimal(match[1]) * _UNITS[match[2]])


def records_between(batches: Iterable[EventBatch], begin_ns: int, end_ns: int) -> tuple[int, int]:
    """Return the first and the last record to look at for what stands between two times of a trace's clock.

    These are those between the times and some around them, since what begins before may reach in. Raises
    MissingEventsError where no record stands there.
    """
    first, last = -1, -1
    for batch in batches:
        inside = np.flatnonzero((batch.ts_ns != NO_TIME) & (batch.ts_ns >= begin_ns) & (batch.ts_ns <= end_ns))
        if len(inside):
            first = first if first >= 0 else int(batch.record[inside[0]])
            last = int(batch.record[inside[-1]])
    if first < 0:
        raise MissingEventsError("no record that could be drawn stands between these times")
    return max(first - AROUND, 0), last + AROUND


def of_context(scene: Scene, name: str) -> Scene:
    """Return what an AioContext did: its dispatches and polls, what they stand in, and what stands in them.

    `name` is its name, or its pointer where the trace gives no name. Requests are those that were taken up, or are
    marked, while one of these calls ran; the bands are those of this context. Raises UnknownNameError if it did
    nothing in what is drawn.
    """
    whole = {i for i, lane in enumerate(scene.lanes) if lane.title == f"IOThread of {name}"}
    own = [c for c in scene.calls if c.title.endswith(f"({name})")]
    if not own and not whole:
        known = sorted({m[1] for c in scene.calls if (m := re.search(r"\((.+)\)$", c.title))})
        there = f"it has {', '.join(known)}" if known else "it has no call of any"
        raise UnknownNameError(f"nothing of AioContext {name!r} stands in this cut: {there}{nearest(name, known)}")

    own_spans = {lane: _Spans(c for c in own if c.lane == lane) for lane in {c.lane for c in own}}

    def within(lane: int, ns: int) -> bool:
        return lane in whole or (lane in own_spans and ns in own_spans[lane])

    ran = _Spans(own)
    kept = _family(scene.calls, {c.record for c in own})
    off = {i for i, x in enumerate(scene.lanes) if x.kind is LaneKind.STATE and x.title.startswith(f"{name}: ")}
    marked = {x.record for x in scene.letters}
    cut = replace(
        scene,
        calls=[c for c in scene.calls if c.lane in whole or c.record in kept],
        instants=[i for i in scene.instants if within(i.lane, i.ts_ns) or i.record in marked],
        bands=[b for b in scene.bands if b.lane in off],
        requests=_in_rows([r for r in scene.requests if r.begin_ns in ran or (r.record in marked and r.breaks)]),
    )
    records = {c.record for c in cut.calls}
    cut.arrows = [a for a in scene.arrows if a.to_record in records or (a.kind == "kick" and a.from_record in records)]
    return _without_empty_lanes(cut)


def with_most_lanes(scene: Scene) -> Scene:
    """Return a scene with as many lanes as a picture can have; its subtitle says how many were left out.

    Those that have a letter stay, then threads and disks, then what is on or off.
    """
    left_out = len(scene.lanes) - MOST_LANES
    if left_out <= 0:
        return scene
    lettered = {x.lane for x in scene.letters}
    order = sorted(range(len(scene.lanes)), key=lambda i: (i not in lettered, scene.lanes[i].kind is LaneKind.STATE, i))
    kept = set(order[:MOST_LANES])
    words = f"{left_out:,} of {len(scene.lanes):,} lanes are left out"
    return _without_empty_lanes(
        replace(
            scene,
            subtitle=f"{scene.subtitle} · {words}" if scene.subtitle else words,
            calls=[c for c in scene.calls if c.lane in kept],
            instants=[i for i in scene.instants if i.lane in kept],
            bands=[b for b in scene.bands if b.lane in kept],
            requests=[r for r in scene.requests if r.lane in kept],
            letters=[x for x in scene.letters if x.lane in kept],
        )
    )


class _Spans:
    """The times in which any of some calls ran."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in sorted((c.begin_ns, c.end_ns) for c in calls):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def __contains__(self, ns: int) -> bool:
        place = bisect_right(self._begins, ns) - 1
        return place >= 0 and ns <= self._ends[place]


def _family(calls: Iterable[Call], own: set[int]) -> set[int]:
    """Return the records of the calls in `own`, of those around them and of those in them."""
    kept: set[int] = set()
    around: dict[int, dict[int, Call]] = {}
    for call in sorted(calls, key=lambda c: c.record):
        stack = around.setdefault(call.lane, {})
        for depth in [d for d in stack if d >= call.depth]:
            del stack[depth]
        if call.record in own:
            kept.update(c.record for c in stack.values())
            kept.add(call.record)
        elif any(c.record in own for c in stack.values()):
            kept.add(call.record)
        stack[call.depth] = call
    return kept


def _in_rows(requests: list[RequestBar]) -> list[RequestBar]:
    """Return requests in the rows that are left when those without any are taken out."""
    used: dict[int, set[int]] = {}
    for request in requests:
        used.setdefault(request.lane, set()).add(request.row)
    places = {lane: {row: i for i, row in enumerate(sorted(rows))} for lane, rows in used.items()}
    return [replace(r, row=places[r.lane][r.row]) for r in requests]


def _without_empty_lanes(scene: Scene) -> Scene:
    """Return a scene without the lanes that have nothing in them, and with as many rows as are used."""
    used: dict[int, int] = {}
    parts = [(c.lane, c.depth) for c in scene.calls] + [(i.lane, i.depth) for i in scene.instants]
    parts += [(b.lane, 0) for b in scene.bands] + [(r.lane, r.row) for r in scene.requests]
    parts += [(x.lane, 0) for x in scene.letters]
    for lane, row in parts:
        used[lane] = max(used.get(lane, 0), row + 1)
    moved = {old: new for new, old in enumerate(sorted(used))}
    lanes: list[Lane] = [replace(scene.lanes[old], rows=used[old]) for old in sorted(used)]
    return replace(
        scene,
        lanes=lanes,
        calls=[replace(c, lane=moved[c.lane]) for c in scene.calls],
        instants=[replace(i, lane=moved[i.lane]) for i in scene.instants],
        bands=[replace(b, lane=moved[b.lane]) for b in scene.bands],
        requests=[replace(r, lane=moved[r.lane]) for r in scene.requests],
        letters=[replace(x, lane=moved[x.lane]) for x in scene.letters],
        arrows=[
            replace(a, from_lane=moved[a.from_lane], to_lane=moved[a.to_lane])
            for a in scene.arrows
            if a.from_lane in moved and a.to_lane in moved
        ],
    )
