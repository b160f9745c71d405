"""A scene as the JSON that the page's script draws: short rows, each text once, and no more than fits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from traceview.report.escape import printable
from traceview.scene import Scene

__all__ = ["PARTS", "script_json", "timeline_document"]

PARTS = ("call", "instant", "band", "request", "letter", "arrow")
"""The parts of a scene, by the number that an item has for its own."""
_CALL, _INSTANT, _BAND, _REQUEST, _LETTER, _ARROW = range(len(PARTS))
_CUT_BEGIN, _CUT_END, _BREAKS = 1, 2, 4
_LONGEST_TEXT = 160
_ROW_BYTES = 20
"""What the brackets and commas of an item take, at the least."""


class _Item(NamedTuple):
    """One thing that is drawn; times are ns from the scene's origin, `to_lane` is an arrow's, else the lane."""

    part: int
    kind: str
    lane: int
    row: int
    begin: int
    end: int
    title: str
    record: int
    line: int
    flags: int
    to_lane: int

    def importance(self, window: tuple[int, int]) -> tuple[int, int, int]:
        """Return a key that is small for what must not be left out."""
        inside = self.begin <= window[1] and self.end >= window[0]
        rank = 0 if self.part == _LETTER or self.flags & _BREAKS else 1 if self.part == _BAND else 2 if inside else 3
        return rank, self.row, -(self.end - self.begin)


def timeline_document(scene: Scene, most_bytes: int) -> dict[str, Any]:
    """Return what the script needs to draw a scene, in about `most_bytes` of JSON.

    Times are whole ns from the scene's origin (record numbers times 1000 where it has no times). `items` are rows of
    part (`PARTS`), kind, lane, row, begin, length, title, record, line, flags (1 begins earlier, 2 ends later, 4 breaks
    the promise) and an arrow's other lane; kind and title are indices into `texts`. What does not fit is the least
    telling: `total` counts all of them. Text of the trace is made harmless to readers, and still is no HTML.
    """
    origin = scene.origin_ns
    window = scene.window_ns or (scene.begin_ns, scene.end_ns)
    items = sorted(_items(scene), key=lambda item: item.importance((window[0] - origin, window[1] - origin)))
    texts: dict[str, int] = {}
    kept: list[_Item] = []
    left = most_bytes
    for item in items:
        size = _ROW_BYTES + sum(len(str(v)) for v in item if isinstance(v, int))
        size += sum(8 + len(json.dumps(t)) for t in {item.kind, item.title} if t not in texts)
        if size > left:
            break
        left -= size
        for text in (item.kind, item.title):
            texts.setdefault(text, len(texts))
        kept.append(item)
    kept.sort(key=lambda item: (item.begin, item.record))
    return {
        "span": [scene.begin_ns - origin, scene.end_ns - origin],
        "window": [scene.window_ns[0] - origin, scene.window_ns[1] - origin] if scene.window_ns else None,
        "by_record": scene.by_record,
        "lanes": [[lane.kind.value, _text(lane.title), lane.rows] for lane in scene.lanes],
        "texts": list(texts),
        "items": [_row(item, texts) for item in kept],
        "total": len(items),
    }


def _row(item: _Item, texts: dict[str, int]) -> list[int]:
    row = [
        item.part, texts[item.kind], item.lane, item.row, item.begin, item.end - item.begin, texts[item.title],
        item.record, item.line, item.flags,
    ]  # fmt: skip
    return [*row, item.to_lane] if item.part == _ARROW else row


def _items(scene: Scene) -> Iterator[_Item]:
    zero = scene.origin_ns

    def item(
        part: int, kind: str, lane: int, row: int, begin: int, end: int, title: str, record: int, line: int,
        flags: int = 0, to_lane: int = -1,
    ) -> _Item:  # fmt: skip
        return _Item(part, kind, lane, row, begin - zero, end - zero, _text(title), record, line, flags, to_lane)

    for c in scene.calls:
        flags = _CUT_BEGIN * c.cut_begin | _CUT_END * c.cut_end
        yield item(_CALL, c.kind, c.lane, c.depth, c.begin_ns, c.end_ns, c.title, c.record, c.line, flags)
    for i in scene.instants:
        yield item(_INSTANT, "record", i.lane, i.depth, i.ts_ns, i.ts_ns, i.title, i.record, i.line)
    for b in scene.bands:
        flags = _CUT_BEGIN * b.cut_begin | _CUT_END * b.cut_end
        yield item(_BAND, b.kind, b.lane, 0, b.begin_ns, b.end_ns, b.title, b.record, 0, flags)
    for r in scene.requests:
        flags = _CUT_END * r.cut_end | _BREAKS * r.breaks
        yield item(_REQUEST, r.op.label, r.lane, r.row, r.begin_ns, r.end_ns, r.title, r.record, r.line, flags)
    for x in scene.letters:
        yield item(_LETTER, x.letter, x.lane, 0, x.ts_ns, x.ts_ns, x.title, x.record, x.line)
    for a in scene.arrows:
        yield item(_ARROW, a.kind, a.from_lane, 0, a.from_ns, a.to_ns, a.title, a.from_record, 0, 0, a.to_lane)


def _text(text: str) -> str:
    return printable(text, limit=_LONGEST_TEXT)


def script_json(parts: Iterable[Any] | dict[str, Any]) -> str:
    """Return JSON that can stand in a ``<script>`` element: no character of it can end the element or begin another."""
    text = json.dumps(parts, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
