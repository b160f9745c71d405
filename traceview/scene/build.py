"""From a run of records to a scene: what stands around a window, lane by lane."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from traceview.events import NO_THREAD, NO_TIME, Gap
from traceview.findings import Window
from traceview.scene.gaps import GAP_LANE, gap_bands
from traceview.scene.model import (
    Arrow,
    Band,
    Call,
    Instant,
    Lane,
    LaneKind,
    Letter,
    RequestBar,
    Scene,
)
from traceview.timeline import Timeline
from traceview.timeline.bhs import bottom_halves
from traceview.timeline.drains import drained_sections
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker, pointer
from traceview.timeline.nesting import Frame
from traceview.timeline.requests import GuestRequest
from traceview.vocabulary import Meaning

__all__ = ["AROUND", "MARGIN", "build_scene", "records_around"]

P = TypeVar("P", Call, Band)

AROUND = 2000
"""How many records before and behind a window are looked at: for requests that end behind it, say."""
MARGIN = 0.25
"""How much is drawn before and behind a window, as a share of its length."""
_LEAST_NS = 20_000
"""At least so much is drawn on both sides of a window."""
_INSTANTS = (
    Meaning.JOB_START, Meaning.JOB_LOOK, Meaning.JOB_BEFORE_DRAIN, Meaning.JOB_DEFERRED, Meaning.JOB_EXIT_BH,
    Meaning.PIVOT, Meaning.JOB_COMPLETED, Meaning.JOB_STATE, Meaning.JOB_ENDED, Meaning.ROOT_DETACH,
    Meaning.ROOT_ATTACH, Meaning.COROUTINE_END, Meaning.JOB_CANCEL_ASKED, Meaning.JOB_COMPLETE_ASKED,
    Meaning.GRAPH_LOCKED, Meaning.GRAPH_UNLOCKED,
)  # fmt: skip
_CALLED = {
    "iteration": "main_loop_wait", "dispatch": "aio_ctx_dispatch", "poll": "aio_poll",
    "iohandler_poll": "qemu_iohandler_poll", "bh": "BH", "notifier": "notifier read", "exit": "exit of job",
}  # fmt: skip


def build_scene(
    timeline: Timeline, window: Window | None = None, *, title: str = "", subtitle: str = "",
    span_ns: tuple[int, int] | None = None, gaps: Sequence[Gap] = (),
) -> Scene:  # fmt: skip
    """Return the scene of a run of records, around a window or of all of them, with the `gaps` of the trace.

    `span_ns` is what to draw, by the trace's clock; by default the window with a margin. Calls, bands and requests that
    reach beyond it are cut at its edges.
    """
    return _Builder(timeline, window, gaps).scene(title, subtitle, span_ns)


def records_around(window: Window | None) -> tuple[int, int]:
    """Return the first and the last record to look at for what stands around a window; all for None."""
    marks = [m.record for m in (window.open, window.close) if m is not None] if window is not None else []
    if not marks or window is None or window.close is None:
        return (max(min(marks) - AROUND, 0) if marks else 0), sys.maxsize
    return max(min(marks) - AROUND, 0), max(marks) + AROUND


class _Clock:
    """When records are, lane by lane: never earlier than the record before; by their number where there is no time."""

    def __init__(self, timeline: Timeline) -> None:
        table = timeline.table
        times = table.batch.ts_ns.tolist()
        self.by_record = all(t == NO_TIME for t in times)
        lanes = [frame.lane if frame is not None else tid for frame, tid in _lanes(timeline)]
        last: dict[int, int] = {}
        self._at: dict[int, int] = {}
        for record, ts, lane in zip(table.record.tolist(), times, lanes, strict=True):
            now = record * 1000 if self.by_record else ts
            last[lane] = max(now, last.get(lane, now)) if now != NO_TIME else last.get(lane, 0)
            self._at[record] = last[lane]

    def at(self, mark: Mark) -> int:
        """Return the time of a record, by its lane's order where it is among those drawn."""
        known = self._at.get(mark.record)
        if known is not None:
            return known
        return mark.record * 1000 if self.by_record or mark.ts_ns == NO_TIME else mark.ts_ns

    def span(self) -> tuple[int, int]:
        """Return the first and the last time of all."""
        known = [t for t in self._at.values() if t]
        return (min(known), max(known)) if known else (0, 0)


def _lanes(timeline: Timeline) -> Iterable[tuple[Frame | None, int]]:
    return zip(timeline.nesting.inner, timeline.table.tid.tolist(), strict=True)


class _Builder:
    """Gathers the parts of one scene."""

    def __init__(self, timeline: Timeline, window: Window | None, gaps: Sequence[Gap] = ()) -> None:
        self._timeline = timeline
        self._gaps = gaps
        self._table = timeline.table
        self._names: NameTracker = timeline.names
        self._window = window
        self._clock = _Clock(timeline)
        self._lanes: dict[tuple[LaneKind, int | str], int] = {}
        self._titles: list[Lane] = []
        self._row_of = {record: i for i, record in enumerate(self._table.record.tolist())}
        self._bars: dict[int, RequestBar] = {}
        """By the id() of a guest's request, how it is drawn: several may share the record that hands them over."""
        self._threads = [t for t in dict.fromkeys(self._table.tid.tolist()) if t != NO_THREAD]

    def scene(self, title: str, subtitle: str, span_ns: tuple[int, int] | None) -> Scene:
        begin, end = span_ns if span_ns is not None else self._span()
        shaded = self._shaded()
        scene = Scene(title, subtitle, shaded[0] if shaded else begin, begin, end, shaded, self._clock.by_record)
        calls = [self._call(f) for f in self._timeline.nesting.frames]
        scene.calls = [_clipped(c, begin, end) for c in calls if c.begin_ns <= end and c.end_ns >= begin]
        rows = self._table.rows(self._table.where(*_INSTANTS))
        instants = [self._instant(Mark.of(row), row.text()) for row in rows]
        scene.instants = [i for i in instants if begin <= i.ts_ns <= end]
        bands = [*self._missing((begin, end)), *self._drained(end), *self._external_off(end)]
        scene.bands = [_clipped(b, begin, end) for b in bands if b.begin_ns <= end and b.end_ns >= begin]
        scene.requests = self._requests(begin, end)
        scene.letters = [x for x in self._letters(scene.requests) if begin <= x.ts_ns <= end]
        scene.arrows = [a for a in (*self._bh_arrows(), *self._kick_arrows()) if begin <= a.from_ns and a.to_ns <= end]
        return self._with_lanes_in_order(scene)

    # what is drawn

    def _span(self) -> tuple[int, int]:
        first, last = self._clock.span()
        shaded = self._shaded()
        if shaded is None:
            return first, last
        margin = max(int((shaded[1] - shaded[0]) * MARGIN), _LEAST_NS)
        return max(first, shaded[0] - margin), min(last, shaded[1] + margin)

    def _shaded(self) -> tuple[int, int] | None:
        window = self._window
        if window is None or (window.open is None and window.close is None):
            return None
        first, last = self._clock.span()
        begin = self._clock.at(window.open) if window.open is not None else first
        end = self._clock.at(window.close) if window.close is not None else last
        return begin, max(begin, end)

    # lanes

    def _lane(self, kind: LaneKind, key: int | str, title: str) -> int:
        known = self._lanes.get((kind, key))
        if known is None:
            known = self._lanes[kind, key] = len(self._titles)
            self._titles.append(Lane(kind, title))
        return known

    def _thread(self, lane: int) -> int:
        if lane in self._names.contexts or lane > 1 << 32:  # a context: an IOThread that shares its process's id
            return self._lane(LaneKind.THREAD, lane, f"IOThread of {self._names.context(lane)}")
        kind = "thread" if len(self._threads) > 1 else "process"
        return self._lane(LaneKind.THREAD, lane, "QEMU" if lane == NO_THREAD else f"{kind} {lane}")

    def _place(self, mark: Mark) -> tuple[int, int]:
        """Return the lane and the depth of a record."""
        row = self._row_of.get(mark.record)
        frame = self._timeline.nesting.inner[row] if row is not None else None
        if frame is None:
            return self._thread(mark.tid), 0
        return self._thread(frame.lane), frame.depth + (frame.first != row)

    def _with_lanes_in_order(self, scene: Scene) -> Scene:
        """Sort the lanes that have something in them: threads, what is on or off, disks; and count their rows."""
        used: dict[int, int] = defaultdict(int)
        parts: Sequence[tuple[int, int]] = [
            *((c.lane, c.depth) for c in scene.calls), *((i.lane, i.depth) for i in scene.instants),
            *((b.lane, 0) for b in scene.bands), *((r.lane, r.row) for r in scene.requests),
            *((x.lane, 0) for x in scene.letters),
        ]  # fmt: skip
        for lane, row in parts:
            used[lane] = max(used[lane], row + 1)
        order = sorted(used, key=lambda i: (list(LaneKind).index(self._titles[i].kind), i))
        moved = {old: new for new, old in enumerate(order)}
        scene.lanes = [replace(self._titles[i], rows=used[i]) for i in order]
        scene.calls = [replace(c, lane=moved[c.lane]) for c in scene.calls]
        scene.instants = [replace(i, lane=moved[i.lane]) for i in scene.instants]
        scene.bands = [replace(b, lane=moved[b.lane]) for b in scene.bands]
        scene.requests = [replace(r, lane=moved[r.lane]) for r in scene.requests]
        scene.letters = [replace(x, lane=moved[x.lane]) for x in scene.letters]
        scene.arrows = [
            replace(a, from_lane=moved[a.from_lane], to_lane=moved[a.to_lane])
            for a in scene.arrows
            if a.from_lane in moved and a.to_lane in moved
        ]
        return scene

    # parts

    def _mark(self, row: int) -> Mark:
        return Mark.at(self._table, row)

    def _call(self, frame: Frame) -> Call:
        first = self._mark(frame.first)
        end = self._clock.at(self._mark(frame.last)) if frame.last is not None else self._clock.span()[1]
        name = _CALLED[frame.kind]
        if frame.kind == "iteration":
            name = f"{name} # {first.iteration}"
        elif frame.kind in ("dispatch", "poll"):
            name = f"{name} ({self._names.context(frame.key)})"
        elif frame.key:
            name = f"{name} {pointer(frame.key)}"
        begin = self._clock.at(first)
        return Call(
            self._thread(frame.lane), frame.depth, frame.kind, name, begin, max(begin, end), first.record, first.line,
            cut_end=frame.last is None,
        )  # fmt: skip

    def _instant(self, mark: Mark, text: str) -> Instant:
        lane, depth = self._place(mark)
        return Instant(lane, depth, text, self._clock.at(mark), mark.record, mark.line)

    def _missing(self, span_ns: tuple[int, int]) -> Iterable[Band]:
        """Yield where the trace is known to lack something."""
        lane = self._lane(LaneKind.STATE, GAP_LANE, GAP_LANE) if self._gaps else 0
        records = self._table.record.tolist()
        return gap_bands(self._gaps, records, lambda row: self._clock.at(self._mark(row)), span_ns, lane)

    def _drained(self, end_ns: int) -> Iterable[Band]:
        sections = list(drained_sections(self._table))
        anew: dict[int, list[Mark]] = defaultdict(list)
        for section in sections:
            if section.count <= 1:
                anew[section.node].append(section.begin)
        for section in sections:
            # Where ends are not traced (QEMU 2.6), the node's next first section shows that this one has ended.
            later = [m for m in anew[section.node] if m.record > section.begin.record]
            last = section.end or (later[0] if later else None)
            lane = self._lane(LaneKind.STATE, section.node, f"{self._names.node(section.node)} drained")
            begin = self._clock.at(section.begin)
            end = self._clock.at(last) if last is not None else max(end_ns, begin)
            yield Band(
                lane, "drained", f"drained section {section.count}", begin, max(begin, end), section.begin.record,
                cut_end=section.end is None,
            )  # fmt: skip

    def _external_off(self, end_ns: int) -> Iterable[Band]:
        """Yield the times in which contexts serve no external events: from the first disabling to the last enabling."""
        off: dict[int, Mark] = {}
        for row in self._table.rows(self._table.where(Meaning.EXTERNAL_OFF, Meaning.EXTERNAL_ON)):
            ctx, mark = row.role("ctx"), Mark.of(row)
            if row.meaning is Meaning.EXTERNAL_OFF:
                off.setdefault(ctx, mark)
            elif row.role("count") == 0 and ctx in off:
                yield self._external(ctx, off.pop(ctx), mark, end_ns)
        for ctx, mark in off.items():
            yield self._external(ctx, mark, None, end_ns)

    def _external(self, ctx: int, first: Mark, last: Mark | None, end_ns: int) -> Band:
        lane = self._lane(LaneKind.STATE, f"external {ctx}", f"{self._names.context(ctx)}: external events off")
        begin = self._clock.at(first)
        end = self._clock.at(last) if last is not None else max(end_ns, begin)
        return Band(
            lane, "external-off", "external events off", begin, max(begin, end), first.record, cut_end=last is None
        )

    def _requests(self, begin: int, end: int) -> list[RequestBar]:
        breaking = set()
        if self._window is not None:
            breaking = {self._window.requests[i].mark.record for i in self._window.violating}
        busy: dict[int, list[int]] = defaultdict(list)
        bars = []
        for request in self._timeline.guest_requests:
            bar = self._bar(request, breaking, end)
            if bar.begin_ns > end or bar.end_ns < begin:
                continue
            # The first row in which nothing is on its way any more.
            rows = busy[bar.lane]
            row = next((i for i, until in enumerate(rows) if until < bar.begin_ns), len(rows))
            rows[row:] = [bar.end_ns, *rows[row + 1 :]]
            drawn = replace(bar, row=row, begin_ns=max(bar.begin_ns, begin), end_ns=min(bar.end_ns, end))
            self._bars[id(request)] = drawn
            bars.append(drawn)
        return bars

    def _bar(self, request: GuestRequest, breaking: set[int], end_ns: int) -> RequestBar:
        device = self._names.device(request.blk) if request.blk else pointer(request.device)
        lane = self._lane(LaneKind.DEVICE, request.blk or request.device, device)
        first = request.first
        begin = self._clock.at(first)
        done = request.completed if request.ret is not None else None
        end = self._clock.at(done) if done is not None else max(end_ns, begin)
        marks = [m for m in (request.taken_up, request.submitted) if m is not None]
        title = f"{request.op.label.replace('_', ' ')} {request.length} B at {request.offset}"
        return RequestBar(
            lane, 0, request.op, title, request.offset, request.length, begin, max(begin, end),
            (request.submitted or first).record, (request.submitted or first).line,
            breaks=any(m.record in breaking for m in marks), cut_end=done is None,
        )  # fmt: skip

    def _letters(self, bars: Iterable[RequestBar]) -> Iterable[Letter]:
        window = self._window
        if window is None:
            return
        if window.open is not None:
            yield self._letter("(a)", window.open, window.open.event)
        for i in window.violating:
            request = window.requests[i]
            lane = next((b.lane for b in bars if b.record == request.mark.record), None)
            words = f"guest {request.op.label.replace('_', ' ')} {request.length} B at {request.offset}"
            yield self._letter("(b)", request.mark, words, lane)
        for happening in window.happenings:
            yield self._letter("(b)", happening.mark, happening.text)
        if window.close is not None:
            yield self._letter("(c)", window.close, window.close.event)

    def _letter(self, letter: str, mark: Mark, title: str, lane: int | None = None) -> Letter:
        place = self._place(mark)[0] if lane is None else lane
        return Letter(letter, place, self._clock.at(mark), title, mark.record, mark.line)

    def _bh_arrows(self) -> Iterable[Arrow]:
        for half in bottom_halves(self._table):
            if half.scheduled is not None and half.called is not None:
                yield self._arrow("bh", half.scheduled, half.called, f"BH {pointer(half.bh)}")

    def _kick_arrows(self) -> Iterable[Arrow]:
        for request in self._timeline.guest_requests:
            bar = self._bars.get(id(request))
            if request.kick is not None and bar is not None:
                arrow = self._arrow("kick", request.kick, request.first, bar.title)
                yield replace(arrow, to_lane=bar.lane)

    def _arrow(self, kind: str, first: Mark, last: Mark, title: str) -> Arrow:
        begin = self._clock.at(first)
        return Arrow(
            kind, self._place(first)[0], begin, self._place(last)[0], max(begin, self._clock.at(last)), title,
            first.record, last.record,
        )  # fmt: skip


def _clipped(part: P, begin: int, end: int) -> P:
    """Return a part that lasts, without what of it lies outside of what is drawn."""
    return replace(
        part, begin_ns=max(part.begin_ns, begin), end_ns=min(part.end_ns, end),
        cut_begin=part.begin_ns < begin, cut_end=part.cut_end or part.end_ns > end,
    )  # fmt: skip
