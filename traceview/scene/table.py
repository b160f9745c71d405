"""A scene as a pandas table: every picture has its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from traceview.scene.model import Scene
from traceview.timeline.frames import frame_of

__all__ = ["SCENE_COLUMNS", "scene_frame"]

SCENE_COLUMNS = {
    "part": "str", "kind": "str", "lane": "str", "depth": "int64", "title": "str", "begin_ns": "int64",
    "end_ns": "int64", "begin_us": "float64", "duration_us": "float64", "record": "int64", "line": "int64",
}  # fmt: skip


def scene_frame(scene: Scene) -> pd.DataFrame:
    """Return what a scene draws, one row a part, in the order of its beginning.

    Columns (`SCENE_COLUMNS`): `part` (call, instant, band, request, letter, arrow), `kind`, `lane`, `depth`, `title`,
    `begin_ns`, `end_ns` (as `begin_ns` for what takes no time), `begin_us` (from the origin), `duration_us`, `record`,
    and `line` (from 1; 0 in binary traces).
    """
    rows = sorted(_rows(scene), key=lambda row: (row[5], row[9]))
    return frame_of(rows, SCENE_COLUMNS)


def _rows(scene: Scene) -> Iterator[tuple[Any, ...]]:
    def row(
        part: str, kind: str, lane: int, depth: int, title: str, begin: int, end: int, record: int, line: int
    ) -> tuple[Any, ...]:
        span = (begin - scene.origin_ns) / 1000, (end - begin) / 1000
        return part, kind, scene.lanes[lane].title, depth, title, begin, end, *span, record, line

    for c in scene.calls:
        yield row("call", c.kind, c.lane, c.depth, c.title, c.begin_ns, c.end_ns, c.record, c.line)
    for i in scene.instants:
        yield row("instant", "", i.lane, i.depth, i.title, i.ts_ns, i.ts_ns, i.record, i.line)
    for b in scene.bands:
        yield row("band", b.kind, b.lane, 0, b.title, b.begin_ns, b.end_ns, b.record, 0)
    for r in scene.requests:
        yield row("request", r.op.label, r.lane, r.row, r.title, r.begin_ns, r.end_ns, r.record, r.line)
    for x in scene.letters:
        yield row("letter", x.letter, x.lane, 0, x.title, x.ts_ns, x.ts_ns, x.record, x.line)
    for a in scene.arrows:
        yield row("arrow", a.kind, a.from_lane, 0, a.title, a.from_ns, a.to_ns, a.from_record, 0)
