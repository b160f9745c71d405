"""Tables: what they hold, and that every format gives it back exactly and harmlessly."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import HOSTILE, RAW, mark, request, result, sample, window
from tests.writers import MemorySource, log_line
from traceview import Trace
from traceview.api import open as open_trace
from traceview.events import EventBatch
from traceview.formats import log
from traceview.report.known import TABLE_FORMATS
from traceview.report.tables import (
    EVENT_COLUMNS,
    WINDOW_COLUMNS,
    batch_frame,
    events_frame,
    text_table,
    windows_frame,
    write_frames,
)
from traceview.rules import FINAL_DRAIN_RULE
from traceview.timeline.frames import frame_of
from traceview.vocabulary import Op, builtin

CASE_1 = sample("lp1570134-case-1")


def written(frames: Sequence[pd.DataFrame], form: str) -> bytes:
    out = io.BytesIO()
    write_frames(frames, form, out)
    return out.getvalue()


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(c): str(t) for c, t in frame.dtypes.items()}


def batches_of(data: bytes) -> list[EventBatch]:
    trace = Trace(MemorySource(data), log.FORMAT, None, builtin())
    return list(trace.batches())


def frame_of_texts(*texts: str) -> pd.DataFrame:
    raw = [t.encode("utf-8", "surrogateescape") for t in texts]
    return events_frame(batches_of(b"".join(log_line("probe_text", t) + b"\n" for t in raw)))


# what tables hold


def test_a_windows_table_has_the_documented_columns_also_when_it_is_empty() -> None:
    for scan in (result(window(request())), result(), open_trace(CASE_1).scan()):
        assert dtypes(windows_frame(scan)) == WINDOW_COLUMNS


def test_a_row_of_the_windows_table_is_the_window() -> None:
    read, held = request(Op.READ, at=mark(13, 50)), request(held_back=True, at=mark(14, 60))
    row = windows_frame(result(window(request(), read, held))).iloc[0].to_dict()
    assert row == {
        "window": 0, "rule": "mirror-exit-guest-io", "verdict": "violated", "evidence": "exact", "shape": "case-1",
        "job": "0x10b", "node": "0xa0", "pivoted": True, "open_line": 10, "close_line": 20,
        "open_ns": 1_000_000_000_000, "duration_us": 626.0, "iterations": 1, "requests": 2, "held_back": 1,
        "written_bytes": 4096, "lost_bytes": 0, "reason": "", "trace": "vm.log",
    }  # fmt: skip


def test_what_a_window_does_not_have_is_na() -> None:
    open_ended = window(request(), open=mark(10, None, iteration=0), close=None, rule=FINAL_DRAIN_RULE)
    row = windows_frame(result(open_ended)).iloc[0]
    assert row["open_line"] == 10
    for column in ("close_line", "open_ns", "duration_us", "iterations"):
        assert row[column] is pd.NA


@pytest.mark.parametrize(
    ("name", "file"),
    [("lp1570134-case-1", "trace.log"), ("stock-7.2-mixed", "trace.log"), ("simpletrace-2.6", "trace.bin")],
)
def test_an_events_table_has_the_documented_columns(name: str, file: str) -> None:
    declared = sample(name, "trace-events") if file == "trace.bin" else None
    trace = open_trace(sample(name, file), trace_events=declared)
    assert dtypes(trace.events()) == EVENT_COLUMNS
    assert dtypes(events_frame(())) == EVENT_COLUMNS


def test_an_events_table_gives_every_line_back() -> None:
    frame = open_trace(CASE_1).events()
    columns = [frame[c].tolist() for c in ("tid", "ts_ns", "event", "text")]
    lines = [f"{t}@{ns // 10**9}.{ns % 10**9 // 1000:06}:{e} {text}\n" for t, ns, e, text in zip(*columns, strict=True)]
    assert "".join(lines) == CASE_1.read_text(encoding="utf-8")
    assert frame["line"].tolist() == list(range(1, len(lines) + 1))
    assert frame["byte_offset"].tolist() == [0, *np.cumsum([len(x) for x in lines])[:-1]]


def test_a_record_without_prefix_has_neither_time_nor_thread() -> None:
    frame = events_frame(batches_of(log_line("mirror_exit_probe", "x", prefix="bare") + b"\n"))
    assert frame[["ts_ns", "tid"]].isna().all(axis=None)
    assert frame["line"].tolist() == [1]


def test_a_record_of_a_binary_file_has_no_line() -> None:
    trace = open_trace(sample("simpletrace-2.6", "trace.bin"), trace_events=sample("simpletrace-2.6", "trace-events"))
    assert trace.events()["line"].isna().all()


def test_chosen_rows_of_a_batch_are_the_rows_of_its_table() -> None:
    (batch,) = batches_of(CASE_1.read_bytes())
    pd.testing.assert_frame_equal(batch_frame(batch, [5, 9]), batch_frame(batch).iloc[[5, 9]].reset_index(drop=True))


# every format gives them back


def nanosecond_frame() -> pd.DataFrame:
    """Return a table whose times would not survive a detour over floats."""
    data = frame_of_texts("a", "b", "c")
    data["ts_ns"] = pd.array([1_795_394_894_088_323_001, pd.NA, (1 << 62) + 1], dtype="Int64")
    return data


INTS = [c for c, t in EVENT_COLUMNS.items() if t != "str"]


def read_csv(raw: bytes, columns: dict[str, Any]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(raw), dtype=columns, keep_default_na=False, na_values={c: [""] for c in INTS})


@pytest.mark.parametrize("make", [nanosecond_frame, lambda: open_trace(CASE_1).events()])
def test_csv_gives_the_table_back_to_the_nanosecond(make: Any) -> None:
    frame = make()
    pd.testing.assert_frame_equal(read_csv(written([frame], "csv"), EVENT_COLUMNS), frame)


@pytest.mark.parametrize("make", [nanosecond_frame, lambda: open_trace(CASE_1).events()])
def test_jsonl_gives_the_table_back_to_the_nanosecond(make: Any) -> None:
    frame = make()
    rows = [json.loads(line) for line in written([frame], "jsonl").splitlines()]
    pd.testing.assert_frame_equal(frame_of((tuple(r.values()) for r in rows), EVENT_COLUMNS), frame)
    assert [list(r) for r in rows] == [list(EVENT_COLUMNS)] * len(frame)


@pytest.mark.parametrize("make", [nanosecond_frame, lambda: open_trace(CASE_1).events()])
def test_parquet_gives_the_table_back_to_the_nanosecond(make: Any) -> None:
    frame = make()
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(written([frame], "parquet"))), frame)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_windows_table_is_given_back_too(form: str) -> None:
    frame = windows_frame(open_trace(sample("second-door")).scan())
    raw = written([frame], form)
    if form == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(raw)), frame)
    elif form == "csv":
        pd.testing.assert_frame_equal(read_csv(raw, WINDOW_COLUMNS), frame)
    else:
        rows = [tuple(json.loads(line).values()) for line in raw.splitlines()]
        pd.testing.assert_frame_equal(frame_of(rows, WINDOW_COLUMNS), frame)


@pytest.mark.parametrize("form", TABLE_FORMATS)
def test_tables_one_after_the_other_are_one_table(form: str) -> None:
    frame = open_trace(CASE_1).events()
    parts = [frame.iloc[:0], frame.iloc[:400], frame.iloc[400:400], frame.iloc[400:]]
    if form == "parquet":
        back = pd.read_parquet(io.BytesIO(written(parts, form)))
        pd.testing.assert_frame_equal(back, frame)
    else:
        # Columns of text grow with what comes, so the rows may differ in blanks.
        assert written(parts, form).split() == written([frame], form).split()


@pytest.mark.parametrize("form", TABLE_FORMATS)
def test_writing_a_table_leaves_it_as_it_is(form: str) -> None:
    frame = frame_of_texts("=1+1", "caf\udce9")
    before = frame.copy(deep=True)
    written([frame], form)
    pd.testing.assert_frame_equal(frame, before)


def test_a_table_without_rows_has_its_heading() -> None:
    empty = events_frame(())
    assert written([empty], "csv").decode() == ",".join(EVENT_COLUMNS) + "\n"
    assert written([empty], "text").decode() == "record  line  byte_offset  ts_s  tid  event  text\n"
    assert written([empty], "jsonl") == b""


def test_a_parquet_file_without_rows_has_the_types_of_one_with_rows() -> None:
    schemas = [pq.read_schema(io.BytesIO(written([f], "parquet"))) for f in (events_frame(()), frame_of_texts("x"))]
    assert schemas[0].equals(schemas[1])
    assert pd.read_parquet(io.BytesIO(written([events_frame(())], "parquet"))).empty


# hostile text


def test_text_shows_hostile_characters_by_their_codes() -> None:
    lines = list(text_table([frame_of_texts(HOSTILE.replace("\n", ""))]))
    assert len(lines) == 2
    assert "a\\x1b[31m\\x0db\\u202ec\\u2028\\xff" in lines[1]
    assert not [x for x in lines if any(raw in x for raw in RAW)]


def test_csv_has_no_formula_and_nothing_that_steers_a_terminal() -> None:
    texts = ["=cmd|' /C calc'!A0", "@SUM(1)", "\x1b[2J", HOSTILE.replace("\n", "")]
    raw = written([frame_of_texts(*texts)], "csv").decode("utf-8")
    cells = [row["text"] for row in csv.DictReader(io.StringIO(raw))]
    assert cells[:3] == ["'=cmd|' /C calc'!A0", "'@SUM(1)", "\\x1b[2J"]
    assert not [c for c in "".join(cells) if not c.isprintable()]


def test_jsonl_is_ascii_and_any_reader_takes_it() -> None:
    raw = written([frame_of_texts("caf\udce9", "磁盘\u202e\x1b")], "jsonl")
    assert raw.isascii()
    first, second = (json.loads(line)["text"] for line in raw.splitlines())
    assert first == "caf\\xe9"  # no lone surrogate, which strict readers refuse
    assert second == "磁盘\u202e\x1b"


def test_parquet_writes_bytes_that_are_no_utf8_as_codes() -> None:
    back = pd.read_parquet(io.BytesIO(written([frame_of_texts("caf\udce9", "磁盘")], "parquet")))
    assert back["text"].tolist() == ["caf\\xe9", "磁盘"]


TRACE_TEXT = st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"").decode("utf-8", "surrogateescape"))


@given(st.lists(TRACE_TEXT, min_size=1, max_size=4))
def test_each_record_is_one_row_in_every_format_whatever_its_text(texts: list[str]) -> None:
    frame = frame_of_texts(*texts)
    count = len(frame)
    assert len(list(text_table([frame]))) == count + 1
    assert len(list(csv.reader(io.StringIO(written([frame], "csv").decode("utf-8"))))) == count + 1
    assert len(written([frame], "jsonl").splitlines()) == count


# text for people


def test_columns_are_aligned_though_the_first_table_is_empty_and_later_ones_are_wider() -> None:
    narrow, wide = frame_of_texts("x"), frame_of_texts("y", "z")
    wide["record"] = [1, 1_000_000]
    lines = list(text_table([events_frame(()), narrow, wide]))
    assert [line.split()[-1] for line in lines] == ["text", "x", "y", "z"]
    assert lines[0].index("event") == lines[1].index("probe_text")
    assert lines[2].index("probe_text") == lines[3].index("probe_text")


def test_times_are_shown_in_seconds_and_absent_values_as_a_dash() -> None:
    timed = events_frame(batches_of(log_line("probe_text", "x", ts_us=1_459_344_553_000_007) + b"\n"))
    bare = events_frame(batches_of(b"bare_probe \n"))
    heading, first, second = text_table([timed, bare])
    assert heading.split() == ["record", "line", "byte_offset", "ts_s", "tid", "event", "text"]
    assert first.split() == ["0", "1", "0", "1459344553.000007000", "4711", "probe_text", "x"]
    assert second.split() == ["0", "1", "0", "-", "-", "bare_probe", "-"]


def test_no_line_ends_in_blanks() -> None:
    lines = list(text_table([windows_frame(open_trace(CASE_1).scan())]))
    assert lines == [line.rstrip() for line in lines]
