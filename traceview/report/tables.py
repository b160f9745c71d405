"""Tables for people and programs: windows and events as pandas frames, and frames as text, CSV, JSONL or Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import pandas as pd

from traceview.events import NO_LINE, NO_THREAD, NO_TIME, EventBatch
from traceview.findings import ScanResult
from traceview.report.escape import printable, spreadsheet_cell, valid_text
from traceview.timeline.frames import frame_of
from traceview.timeline.names import pointer

__all__ = [
    "EVENT_COLUMNS",
    "WINDOW_COLUMNS",
    "Writable",
    "batch_frame",
    "events_frame",
    "text_table",
    "windows_frame",
    "write_frames",
]

WINDOW_COLUMNS = {
    "window": "int64", "rule": "str", "verdict": "str", "evidence": "str", "shape": "str", "job": "str", "node": "str",
    "pivoted": "bool", "open_line": "Int64", "close_line": "Int64", "open_ns": "Int64", "duration_us": "Float64",
    "iterations": "Int64", "requests": "int64", "held_back": "int64", "written_bytes": "int64", "lost_bytes": "int64",
    "reason": "str", "trace": "str",
}  # fmt: skip
"""Columns of `windows_frame`: `open_line` and `close_line` from 1 (absent in binary traces), times absent where the
trace has none, `requests` those that break the promise, `held_back` those that came and had to wait."""

EVENT_COLUMNS = {
    "record": "int64", "line": "Int64", "byte_offset": "int64", "ts_ns": "Int64", "tid": "Int64", "event": "str",
    "text": "str",
}  # fmt: skip
"""Columns of `events_frame`: `record` from 0 among all records, `line` from 1, `ts_ns` in ns of the trace's own
clock, `tid` the process or thread id, `text` the arguments as the log backend writes them, but for bytes that are no
UTF-8: pandas takes none, so they are written as ``\\xNN``."""


class Writable(Protocol):
    """What tables can be written to: a binary file, or whatever takes bytes like one."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""
        ...


def windows_frame(result: ScanResult) -> pd.DataFrame:
    """Return one row a window, in the order of the trace."""
    rows = []
    for i, w in enumerate(result.windows):
        counted = [w.requests[k] for k in w.violating]
        rows.append((
            i, w.rule, w.verdict.value, w.evidence.value, w.shape.value if w.shape else "", pointer(w.job),
            pointer(w.node), w.pivoted, _known(w.open.line if w.open else NO_LINE, NO_LINE),
            _known(w.close.line if w.close else NO_LINE, NO_LINE), _known(w.open.ts_ns if w.open else NO_TIME, NO_TIME),
            None if w.duration_ns is None else w.duration_ns / 1000, w.iterations, len(counted),
            len(w.requests) - len(counted), sum(r.length for r in counted if r.op.changes_data),
            sum(e.length for e in w.lost), valid_text(w.reason), valid_text(result.traces[w.trace].path),
        ))  # fmt: skip
    return frame_of(rows, WINDOW_COLUMNS)


def _known(value: int, absent: int) -> int | None:
    return None if value == absent else value


def batch_frame(batch: EventBatch, rows: Iterable[int] | None = None) -> pd.DataFrame:
    """Return a batch, or the chosen rows of it, as a table with `EVENT_COLUMNS`."""
    index = np.arange(len(batch)) if rows is None else np.asarray(list(rows), dtype=np.int64)
    names = [batch.forms[c].name for c in batch.code[index]]
    texts = [valid_text(batch.text(int(i))[len(n) + 1 :]) for i, n in zip(index, names, strict=True)]
    frame = pd.DataFrame({
        "record": batch.record[index],
        "line": pd.array(batch.line[index], dtype="Int64"),
        "byte_offset": batch.byte_offset[index],
        "ts_ns": pd.array(batch.ts_ns[index], dtype="Int64"),
        "tid": pd.array(batch.tid[index], dtype="Int64"),
        "event": names,
        "text": texts,
    }).astype({"event": "str", "text": "str"})  # fmt: skip
    for column, absent in (("line", NO_LINE), ("ts_ns", NO_TIME), ("tid", NO_THREAD)):
        frame.loc[frame[column] == absent, column] = pd.NA
    return frame


def events_frame(batches: Iterable[EventBatch]) -> pd.DataFrame:
    """Return all records of the batches as one table with `EVENT_COLUMNS`."""
    frames = [batch_frame(b) for b in batches]
    if frames:
        return pd.concat(frames, ignore_index=True)
    return frame_of((), EVENT_COLUMNS)


def write_frames(frames: Iterable[pd.DataFrame], form: str, out: Writable) -> None:
    """Write tables of the same columns one after the other, in one of `TABLE_FORMATS`.

    Text and CSV make trace text harmless; JSONL escapes it to ASCII; Parquet keeps it as it is.
    """
    if form == "parquet":
        _write_parquet(frames, out)
        return
    if form == "text":
        for line in text_table(frames):
            out.write(line.encode("utf-8", "backslashreplace") + b"\n")
        return
    for number, frame in enumerate(frames):
        for line in _lines(frame, form, first=number == 0):
            out.write(line.encode("utf-8", "backslashreplace") + b"\n")


def _lines(frame: pd.DataFrame, form: str, *, first: bool) -> Iterator[str]:
    if form == "csv":
        buffer = io.StringIO()
        safe = frame.assign(**{c: frame[c].map(spreadsheet_cell) for c in _text_columns(frame)})
        safe.to_csv(buffer, index=False, header=first, lineterminator="\n")
        yield from buffer.getvalue().splitlines()
        return
    columns = list(frame.columns)
    for values in frame.astype(object).itertuples(index=False, name=None):
        cells = [None if pd.isna(v) else v for v in values]
        yield json.dumps(dict(zip(columns, cells, strict=True)))


def _text_columns(frame: pd.DataFrame) -> list[str]:
    # Up to pandas 2 text columns are of dtype object.
    return [str(c) for c, t in frame.dtypes.items() if isinstance(t, pd.StringDtype) or pd.api.types.is_object_dtype(t)]


def text_table(frames: Iterable[pd.DataFrame]) -> Iterator[str]:
    """Yield tables of the same columns as aligned text under one heading.

    Columns are as wide as the first table with rows needs, and grow with later ones. Times (``*_ns``) are shown in
    seconds; trace text is made harmless.
    """
    heading: list[str] = []
    widths: list[int] = []
    right: list[bool] = []
    headed = False
    for frame in frames:
        shown = {str(c): [_cell(str(c), v) for v in frame[c].astype(object)] for c in frame.columns}
        if not widths:
            heading = [c.removesuffix("_ns") + "_s" if c.endswith("_ns") else c for c in shown]
            widths = [len(h) for h in heading]
            right = [t.kind in "iuf" for t in frame.dtypes]
        if frame.empty:
            continue
        widths = [max(w, *map(len, cells)) for w, cells in zip(widths, shown.values(), strict=True)]
        if not headed:
            yield _aligned(heading, widths, right)
            headed = True
        for cells in zip(*shown.values(), strict=True):
            yield _aligned(cells, widths, right)
    if not headed:
        yield _aligned(heading, widths, right)


def _aligned(cells: Iterable[str], widths: list[int], right: list[bool]) -> str:
    padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
    return "  ".join(padded).rstrip()


def _cell(column: str, value: object) -> str:
    if value is None or value is pd.NA:
        return "-"
    if column.endswith("_ns"):
        seconds, ns = divmod(int(str(value)), 1_000_000_000)
        return f"{seconds}.{ns:09d}"
    if isinstance(value, float):
        return f"{value:.1f}"
    return printable(str(value), limit=2000) if value != "" else "-"


def _write_parquet(frames: Iterable[pd.DataFrame], out: Writable) -> None:
    import pyarrow as pa  # noqa: PLC0415  (only for this format, and slow to import)
    import pyarrow.parquet as pq  # noqa: PLC0415

    writer: pq.ParquetWriter | None = None
    try:
        for frame in frames:
            if writer is None:
                schema = pa.Schema.from_pandas(frame, preserve_index=False)
                for name in _text_columns(frame):  # an empty table has no text to tell the type by
                    schema = schema.set(schema.get_field_index(name), pa.field(name, pa.large_string()))
                writer = pq.ParquetWriter(out, schema)
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
    finally:
        if writer is not None:
            writer.close()
