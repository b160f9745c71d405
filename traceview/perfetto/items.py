"""From a scene to tracks: one a thread or context, one a state, one a row of a disk's requests, one a finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from traceview.events import NO_TIME
from traceview.findings import Finding, Window
from traceview.perfetto.nesting import INSIDE, Field, Item
from traceview.scene import Arrow, LaneKind, Scene
from traceview.timeline.marks import Mark
from traceview.timeline.names import pointer

__all__ = ["Told", "Track", "tracks_of"]


@dataclass(frozen=True, slots=True)
class Told:
    """A window that has a track of its own, with its finding where it has one; `label` stands before its rule."""

    label: str
    window: Window
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """A track and what stands on it. `merges` says that it is shown as one with its neighbours of the same title."""

    title: str
    items: list[Item]
    merges: bool = False


def tracks_of(scene: Scene, told: Iterable[Told] = (), *, first_flow: int = 1) -> list[Track]:
    """Return the tracks of a scene, findings first, then lane by lane; flows are numbered from `first_flow` on."""
    lanes = _Lanes(scene)
    lanes.fill(first_flow)
    times = _Times(scene)
    findings = [_told_track(t, scene, times) for t in told]
    return [t for t in (*findings, *lanes.tracks()) if t.items]


class _Lanes:
    """Sorts the parts of a scene into tracks, and ties them by flows."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._rows: dict[tuple[int, int], list[Item]] = defaultdict(list)
        self._calls: dict[int, Item] = {}
        self._bars: dict[tuple[int, int], list[Item]] = defaultdict(list)

    def fill(self, first_flow: int) -> None:
        scene = self._scene
        for c in scene.calls:
            item = Item(c.begin_ns, c.end_ns, c.depth, c.record, c.title, c.kind, _placed(c.record, c.line))
            _cut(item, begin=c.cut_begin, end=c.cut_end)
            self._rows[c.lane, 0].append(item)
            if not c.cut_begin:
                self._calls[c.record] = item
        for i in scene.instants:
            fields = _placed(i.record, i.line)
            self._rows[i.lane, 0].append(Item(i.ts_ns, None, i.depth, i.record, i.title, "record", fields))
        for b in scene.bands:
            item = Item(b.begin_ns, b.end_ns, None, b.record, b.title, b.kind, _placed(b.record, 0))
            _cut(item, begin=b.cut_begin, end=b.cut_end)
            self._rows[b.lane, 0].append(item)
        row_of = {}
        for r in scene.requests:
            fields = {"op": r.op.label, "offset_bytes": r.offset_bytes, "length_bytes": r.length_bytes}
            item = Item(r.begin_ns, r.end_ns, 0, r.record, r.title, "request", fields | _placed(r.record, r.line))
            if r.breaks:
                item.fields["breaks_promise"] = True
            _cut(item, begin=False, end=r.cut_end)
            self._rows[r.lane, r.row].append(item)
            self._bars[r.lane, r.begin_ns].append(item)
            row_of[r.lane, r.record] = r.row
        for x in scene.letters:
            fields = _placed(x.record, x.line)
            item = Item(x.ts_ns, None, INSIDE, x.record, f"{x.letter} {x.title}", "letter", fields)
            self._rows[x.lane, row_of.get((x.lane, x.record), 0)].append(item)
        self._tie(first_flow)

    def _tie(self, flow: int) -> None:
        """Let each arrow be a flow, from the call or a point of its own to the call or request that it leads to."""
        points: dict[tuple[str, int], Item] = {}
        for a in self._scene.arrows:
            target = self._calls.get(a.to_record) if a.kind == "bh" else self._bar(a)
            if target is None or (target.begin_ns, target.record) <= (a.from_ns, a.from_record):
                continue  # the clocks of two threads disagree: a flow cannot go back
            source = self._calls.get(a.from_record) if a.kind == "kick" else None
            source = source or points.get((a.kind, a.from_record))
            if source is None:
                name = f"schedule {a.title}" if a.kind == "bh" else "kick"
                fields = _placed(a.from_record, 0)
                source = Item(a.from_ns, None, INSIDE, a.from_record, name, a.kind, fields)
                points[a.kind, a.from_record] = source
                self._rows[a.from_lane, 0].append(source)
            source.leads.append(flow)
            target.comes_from.append(flow)
            flow += 1

    def _bar(self, arrow: Arrow) -> Item | None:
        """Return the request that a kick led to. Requests that a device merges share a record, so time is the key."""
        bars = [b for b in self._bars.get((arrow.to_lane, arrow.to_ns), ()) if not b.comes_from]
        return next((b for b in bars if b.name == arrow.title), bars[0] if bars else None)

    def tracks(self) -> Iterator[Track]:
        """Yield the tracks in the order of lanes and rows."""
        for lane, row in sorted(self._rows):
            drawn = self._scene.lanes[lane]
            yield Track(drawn.title, self._rows[lane, row], merges=drawn.kind is LaneKind.DEVICE)


def _placed(record: int, line: int) -> dict[str, Field]:
    """Return where a record stands; binary traces have no lines."""
    return {"line": line, "record": record} if line else {"record": record}


def _cut(item: Item, *, begin: bool, end: bool) -> None:
    if begin:
        item.fields["cut_begin"] = True
    if end:
        item.fields["cut_end"] = True


class _Times:
    """When the marks of a window are, as the scene has it."""

    def __init__(self, scene: Scene) -> None:
        self._by_record = scene.by_record
        self._known = {c.record: c.begin_ns for c in scene.calls if not c.cut_begin}
        self._known |= {i.record: i.ts_ns for i in scene.instants}
        self._known |= {x.record: x.ts_ns for x in scene.letters}

    def at(self, mark: Mark) -> int | None:
        if mark.record in self._known:
            return self._known[mark.record]
        if self._by_record:
            return mark.record * 1000
        return mark.ts_ns if mark.ts_ns != NO_TIME else None


def _told_track(told: Told, scene: Scene, times: _Times) -> Track:
    window, finding = told.window, told.finding
    title = f"{told.label} {window.rule}"
    begin = times.at(window.open) if window.open is not None else None
    end = times.at(window.close) if window.close is not None else None
    if (begin is not None and begin > scene.end_ns) or (end is not None and end < scene.begin_ns):
        return Track(title, [])
    fields = _window_fields(window)
    if finding is not None:
        fields |= {"severity": finding.severity.value, "certain": finding.certain}
    first = window.open or window.close
    name = finding.title if finding is not None else title
    # Its record is the lowest of all on the track, so that it stands around them.
    whole = Item(
        max(scene.begin_ns if begin is None else begin, scene.begin_ns),
        min(scene.end_ns if end is None else end, scene.end_ns), 0, first.record if first is not None else 0, name,
        "window", fields,
    )  # fmt: skip
    _cut(whole, begin=begin is None or begin < scene.begin_ns, end=end is None or end > scene.end_ns)
    return Track(title, [whole, *(i for i in _points(told, times) if scene.begin_ns <= i.begin_ns <= scene.end_ns)])


def _window_fields(window: Window) -> dict[str, Field]:
    fields: dict[str, Field] = {
        "rule": window.rule, "verdict": window.verdict.value, "evidence": window.evidence.value,
        window.subject: pointer(window.key or window.job),
    }  # fmt: skip
    if window.node:
        fields["node"] = pointer(window.node)
    if window.shape is not None:
        fields["shape"] = window.shape.value
    if window.reason:
        fields["reason"] = window.reason
    if window.lost:
        fields["lost_bytes"] = sum(e.length for e in window.lost)
    for edge, mark in (("open", window.open), ("close", window.close)):
        if mark is not None:
            fields |= {f"{edge}_{k}": v for k, v in _placed(mark.record, mark.line).items()}
    return fields


def _points(told: Told, times: _Times) -> Iterator[Item]:
    """Yield (a), every (b) and (c) of a window, as far as they have times."""
    window = told.window
    judged: dict[str, Field] = {"rule": window.rule, "verdict": window.verdict.value}
    if told.finding is not None:
        judged["severity"] = told.finding.severity.value
    marks: list[tuple[str, Mark, str, dict[str, Field]]] = []
    if window.open is not None:
        marks.append(("(a)", window.open, window.open.event, {}))
    for i in window.violating:
        request = window.requests[i]
        fields: dict[str, Field] = {
            "op": request.op.label, "offset_bytes": request.offset, "length_bytes": request.length,
            "device": request.device,
        }  # fmt: skip
        if request.doubt:
            fields["doubt"] = request.doubt
        words = f"guest {request.op.label.replace('_', ' ')} {request.length} B at {request.offset}"
        marks.append(("(b)", request.mark, words, fields))
    marks += [("(b)", h.mark, h.text, {"doubt": h.doubt} if h.doubt else {}) for h in window.happenings]
    if window.close is not None:
        marks.append(("(c)", window.close, window.close.event, {}))
    for letter, mark, words, fields in marks:
        ts = times.at(mark)
        if ts is not None:
            placed: dict[str, Field] = {"event": mark.event, "byte_offset": mark.byte_offset}
            placed |= _placed(mark.record, mark.line)
            yield Item(ts, None, INSIDE, mark.record, f"{letter} {words}", "letter", placed | fields | judged)
