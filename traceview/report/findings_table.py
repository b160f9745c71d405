"""The findings of a scan as a table, for spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from traceview.events import NO_LINE, NO_TIME
from traceview.findings import Finding, ScanResult
from traceview.report.escape import valid_text
from traceview.report.facts import breaking_mark
from traceview.report.paths import relative_path
from traceview.timeline.frames import frame_of
from traceview.timeline.marks import Mark
from traceview.timeline.names import pointer

__all__ = ["FINDING_COLUMNS", "findings_frame"]

FINDING_COLUMNS = {
    "finding": "int64", "identity": "str", "group": "str", "instance": "str", "rule": "str", "rule_version": "int64",
    "severity": "str", "certain": "bool", "title": "str", "trace": "str", "host": "str", "vm": "str", "qemu": "str",
    "known": "str", "evidence": "str", "shape": "str", "subject": "str", "subject_pointer": "str", "job_kind": "str",
    "node": "str", "target": "str", "device": "str", "device_kind": "str", "line": "Int64", "byte_offset": "Int64",
    "time_ns": "Int64", "open_line": "Int64", "open_ns": "Int64", "close_line": "Int64", "close_ns": "Int64",
    "duration_us": "Float64", "iterations": "Int64", "requests": "int64", "happenings": "int64",
    "written_bytes": "int64", "lost_bytes": "int64", "lost_extents": "int64", "rewritten_bytes": "int64",
    "suppressed": "bool", "suppressed_by": "str", "suppression_reason": "str", "references": "str",
}  # fmt: skip
"""Columns of `findings_frame`.

`finding` is the number that ``traceview show --finding`` takes; `identity`, `group` and `instance` are the keys by
which it is known again. `line` (from 1, absent in binary traces), `byte_offset` and `time_ns` are those of the record
that broke the promise, `open_*` and `close_*` those of the window's edges, absent where the trace begins or ends
inside; times are of the trace's own clock, absent where it has none. `requests` and `happenings` count what broke the
promise and is listed; `written_bytes` is what its writes were long. `known` is the standing of the release. Several
`device` names are apart by commas, `references` by `` | ``. Text that is not known is empty."""


def findings_frame(result: ScanResult, *, root: Path | None = None) -> pd.DataFrame:
    """Return one row a finding, in the order of the scan, with `FINDING_COLUMNS`.

    Paths below `root` (absolute, or None) are told relative to it.
    """
    return frame_of([_row(result, n, f, root) for n, f in enumerate(result.findings, 1)], FINDING_COLUMNS)


def _row(result: ScanResult, number: int, finding: Finding, root: Path | None) -> tuple[object, ...]:
    window = result.windows[finding.window]
    trace = result.traces[window.trace]
    counted = [window.requests[i] for i in finding.requests]
    mark = breaking_mark(finding, window)
    keys = finding.fingerprint
    covered = finding.suppression
    return (
        number, *((keys.identity, keys.group, keys.instance) if keys is not None else ("", "", "")),
        finding.rule, finding.rule_version, finding.severity.value, finding.certain, valid_text(finding.title),
        valid_text(relative_path(trace.path, root)), valid_text(trace.host), valid_text(trace.vm),
        trace.dating.text or "", finding.standing.state.value if finding.standing is not None else "",
        window.evidence.value, window.shape.value if window.shape is not None else "", window.subject,
        pointer(window.key), window.job_kind, pointer(window.node), pointer(window.target),
        _together(r.device for r in counted), window.device_kind, *_place(mark), _line(window.open),
        _time(window.open), _line(window.close), _time(window.close),
        None if window.duration_ns is None else window.duration_ns / 1000, window.iterations, len(counted),
        len(finding.happenings), sum(r.length for r in counted if r.op.changes_data),
        sum(e.length for e in window.lost), len(window.lost), window.rewritten_bytes, covered is not None,
        valid_text(f"{covered.source}:{covered.line}") if covered is not None else "",
        valid_text(covered.reason) if covered is not None else "", " | ".join(finding.references),
    )  # fmt: skip


def _together(devices: Iterable[str]) -> str:
    return ", ".join(valid_text(d) for d in sorted(set(devices)))


def _place(mark: Mark | None) -> tuple[int | None, int | None, int | None]:
    return _line(mark), mark.byte_offset if mark is not None else None, _time(mark)


def _line(mark: Mark | None) -> int | None:
    return None if mark is None or mark.line == NO_LINE else mark.line


def _time(mark: Mark | None) -> int | None:
    return None if mark is None or mark.ts_ns == NO_TIME else mark.ts_ns
