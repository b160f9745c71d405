"""Findings as a table: one row each, the columns that are documented, safe for spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq

from tests.conftest import ROOT
from tests.report import HOSTILE, RAW, SAMPLES, mark, request, result, sample, summary, window
from tests.report.told import COVERS, everything, keys, known
from traceview.findings import Extent, Happening, ScanResult
from traceview.fleet import scan_all
from traceview.report.findings_table import FINDING_COLUMNS, findings_frame
from traceview.report.tables import write_frames
from traceview.vocabulary import Op


def written(frame: pd.DataFrame, form: str) -> bytes:
    out = io.BytesIO()
    write_frames([frame], form, out)
    return out.getvalue()


def only(scan: ScanResult) -> dict[str, object]:
    frame = findings_frame(scan)
    assert len(frame) == 1
    return {str(c): frame[c].iloc[0] for c in frame.columns}


def test_the_columns_are_those_that_are_documented_and_have_their_types() -> None:
    for frame in (findings_frame(everything()), findings_frame(ScanResult())):
        assert {str(c): str(t) for c, t in frame.dtypes.items()} == FINDING_COLUMNS


def test_a_row_tells_a_finding() -> None:
    row = only(everything())
    told = {
        "finding": 1, "identity": keys(1).identity, "rule": "mirror-exit-guest-io", "severity": "data-loss",
        "trace": "logs/vm.log", "host": "rack7", "vm": "web-1", "shape": "case-1", "job_kind": "mirror",
        "subject_pointer": "0x10b", "device": "drive0", "line": 12, "open_line": 10, "close_line": 20,
        "duration_us": 626.0, "requests": 2, "written_bytes": 4096, "suppressed": False,
    }  # fmt: skip
    assert {name: row[name] for name in told} == told


def test_what_was_lost_is_in_bytes() -> None:
    lost = [Extent(0, 512), Extent(4096, 1024)]
    row = only(known(result(window(request(), lost=lost, rewritten_bytes=2048))))
    assert [row[c] for c in ("lost_bytes", "lost_extents", "rewritten_bytes")] == [1536, 2, 2048]


def test_what_is_not_known_is_absent_and_not_a_number() -> None:
    broken = window(request(Op.FLUSH, at=mark(0, None), device=""), open=None, close=None, shape=None)
    frame = findings_frame(result(broken))
    absent = [c for c in frame.columns if pd.isna(frame[c].iloc[0])]
    assert absent == ["line", "time_ns", "open_line", "open_ns", "close_line", "close_ns", "duration_us", "iterations"]
    assert frame["identity"].iloc[0] == ""


def test_a_finding_of_happenings_alone_counts_them() -> None:
    scan = known(result(window(request(), happenings=[Happening(mark(13), "aio_notify"), Happening(mark(14), "x")])))
    scan.findings = [replace(f, requests=(), happenings=(0, 1)) for f in scan.findings]
    row = only(scan)
    assert (row["requests"], row["happenings"], row["line"]) == (0, 2, 13)


def test_a_suppressed_finding_says_by_what() -> None:
    row = only(known(result(window(request())), suppression=COVERS))
    told = (row["suppressed"], row["suppressed_by"], row["suppression_reason"])
    assert told == (True, "known.baseline:3", COVERS.reason)


def test_csv_is_read_back_and_is_safe_for_spreadsheets() -> None:
    scan = known(result(window(request(device="=1+1")), trace=summary("+cmd|x.log")), title="@SUM(1)")
    (row,) = csv.DictReader(io.StringIO(written(findings_frame(scan), "csv").decode()))
    assert (row["device"], row["trace"], row["title"]) == ("'=1+1", "'+cmd|x.log", "'@SUM(1)")
    assert list(row) == list(FINDING_COLUMNS)


def test_hostile_text_is_harmless_in_csv_and_valid_in_parquet() -> None:
    scan = known(result(window(request(device=HOSTILE)), trace=summary(HOSTILE)), title=HOSTILE)
    frame = findings_frame(scan)
    text = written(frame, "csv").decode()
    assert not [raw for raw in RAW if raw in text and raw != "\n"]
    table = pq.read_table(io.BytesIO(written(frame, "parquet")))
    assert table.column("title").to_pylist() == [HOSTILE.replace("\udcff", "\\xff")]


def test_parquet_keeps_the_types_with_and_without_rows() -> None:
    schemas = [
        pq.read_schema(io.BytesIO(written(findings_frame(scan), "parquet"))) for scan in (everything(), ScanResult())
    ]
    assert schemas[0].names == list(FINDING_COLUMNS)
    assert schemas[0].equals(schemas[1])


def test_every_finding_of_the_samples_is_a_row() -> None:
    scan = scan_all([SAMPLES])
    frame = findings_frame(scan, root=ROOT)
    assert list(frame["finding"]) == list(range(1, len(scan.findings) + 1))
    assert frame["identity"].str.fullmatch("v1-[0-9a-f]{32}").all()
    assert not frame["trace"].str.startswith("/").any()
    (binary,) = [findings_frame(scan_all([sample("simpletrace-2.6", "trace.bin")], trace_events=sample(
        "simpletrace-2.6", "trace-events")))]  # fmt: skip
    assert binary["line"].isna().all()
    assert (binary["byte_offset"] > 0).all()
