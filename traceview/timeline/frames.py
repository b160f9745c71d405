"""Timelines as pandas tables: one function a table, the unit in the column's name, absent values as NA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from traceview.events import NO_LINE, NO_THREAD, NO_TIME
from traceview.timeline.bhs import BottomHalf
from traceview.timeline.drains import DrainedSection
from traceview.timeline.jobs import Job
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker, pointer
from traceview.timeline.nesting import Nesting
from traceview.timeline.requests import GuestRequest
from traceview.vocabulary import Meaning, MeaningTable

__all__ = [
    "bhs_frame",
    "calls_frame",
    "drains_frame",
    "external_frame",
    "frame_of",
    "iterations_frame",
    "jobs_frame",
    "notifier_reads_frame",
    "requests_frame",
]


def _time(mark: Mark | None) -> int | None:
    return None if mark is None or mark.ts_ns == NO_TIME else mark.ts_ns


def _line(mark: Mark | None) -> int | None:
    return None if mark is None or mark.line == NO_LINE else mark.line


def _record(mark: Mark | None) -> int | None:
    return None if mark is None else mark.record


def _tid(mark: Mark) -> int | None:
    return None if mark.tid == NO_THREAD else mark.tid


def _span_us(first: Mark | None, last: Mark | None) -> float | None:
    if first is None or last is None:
        return None
    span = last.since_ns(first)
    return None if span is None else span / 1000


def _valid(text: str) -> str:
    """Return trace text with bytes that are no UTF-8 written out, which a table of text cannot hold."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def frame_of(rows: Iterable[tuple[Any, ...]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a table; `columns` maps names to pandas dtypes, None in a row is NA."""
    # Column by column: a detour over floats would lose the last digits of times in nanoseconds.
    lists: list[list[Any]] = [[] for _ in columns]
    for row in rows:
        for values, value in zip(lists, row, strict=True):
            values.append(_valid(value) if isinstance(value, str) else value)
    data = {n: pd.Series(v, dtype=t) for (n, t), v in zip(columns.items(), lists, strict=True)}
    return pd.DataFrame(data)


def requests_frame(requests: Iterable[GuestRequest], names: NameTracker) -> pd.DataFrame:
    """Return one row a guest request, in the order in which they began.

    `device` is the BlockBackend's name or pointer, else the device's pointer; `offset_bytes`, `length_bytes`; the
    steps as record numbers and, for people, `line`; `*_ns` are times of the trace's clock; `latency_us` runs from
    being taken up (or submitted) to completion.
    """
    columns = {
        "op": "str", "device": "str", "node": "str", "offset_bytes": "int64", "length_bytes": "int64", "line": "Int64",
        "tid": "Int64", "iteration": "int64", "kick_record": "Int64", "taken_up_record": "Int64",
        "submitted_record": "Int64", "completed_record": "Int64", "taken_up_ns": "Int64", "submitted_ns": "Int64",
        "completed_ns": "Int64", "latency_us": "Float64", "ret": "Int64",
    }  # fmt: skip
    rows = (
        (
            r.op.label, names.device(r.blk) if r.blk else pointer(r.device), pointer(r.node) if r.node else "",
            r.offset, r.length, _line(r.submitted or r.taken_up), _tid(r.first), r.first.iteration, _record(r.kick),
            _record(r.taken_up), _record(r.submitted), _record(r.completed if r.ret is not None else None),
            _time(r.taken_up), _time(r.submitted), _time(r.completed if r.ret is not None else None),
            _span_us(r.first, r.completed) if r.ret is not None else None, r.ret,
        )
        for r in requests
    )  # fmt: skip
    return frame_of(rows, columns)


def _last(job: Job) -> int | None:
    """Return the record at which what is known of a job ends."""
    return _record(job.exit_done or job.ended or job.switched or job.exit or job.start)


def jobs_frame(jobs: Iterable[Job], names: NameTracker) -> pd.DataFrame:
    """Return one row a job: its nodes and their files, the records of its steps, `ret`, whether the guest was moved."""
    columns = {
        "job": "str", "kind": "str", "node": "str", "node_image": "str", "target": "str",
        "target_image": "str", "start_record": "Int64",
        "last_look_record": "Int64", "before_drain_record": "Int64", "drained_record": "Int64",
        "deferred_record": "Int64", "exit_record": "Int64", "exit_done_record": "Int64", "completed_record": "Int64",
        "switched_record": "Int64", "start_ns": "Int64", "end_ns": "Int64", "ret": "Int64", "pivoted": "boolean",
    }  # fmt: skip
    rows = (
        (
            pointer(j.key), j.kind, pointer(j.node), names.image(j.node, _last(j)),
            pointer(j.target) if j.target else "", names.image(j.target, _last(j)), _record(j.start),
            _record(j.last_look), _record(j.before_drain), _record(j.drained), _record(j.deferred), _record(j.exit),
            _record(j.exit_done), _record(j.completed), _record(j.switched), _time(j.start),
            _time(j.exit_done or j.ended or j.exit or j.completed), j.ret, j.pivoted,
        )
        for j in jobs
    )  # fmt: skip
    return frame_of(rows, columns)


def iterations_frame(table: MeaningTable, nesting: Nesting) -> pd.DataFrame:
    """Return one row a call of main_loop_wait; it ends with its own event or with the next call."""
    columns = {
        "iteration": "int64", "tid": "Int64", "first_record": "int64", "last_record": "Int64", "ts_ns": "Int64",
        "duration_us": "Float64",
    }  # fmt: skip
    rows = []
    for frame in nesting.frames:
        if frame.kind == "iteration":
            first = Mark.of(table.row(frame.first))
            last = Mark.of(table.row(frame.last)) if frame.last is not None else None
            rows.append(
                (first.iteration, _tid(first), first.record, _record(last), _time(first), _span_us(first, last))
            )
    return frame_of(rows, columns)


def calls_frame(table: MeaningTable, nesting: Nesting, names: NameTracker) -> pd.DataFrame:
    """Return one row a dispatch, aio_poll or qemu_iohandler_poll, with its context and nesting depth."""
    columns = {
        "kind": "str", "ctx": "str", "context": "str", "tid": "Int64", "depth": "int64", "iteration": "int64",
        "first_record": "int64", "last_record": "Int64", "ts_ns": "Int64", "duration_us": "Float64",
    }  # fmt: skip
    rows = []
    for frame in nesting.frames:
        if frame.kind in ("dispatch", "poll", "iohandler_poll"):
            first = Mark.of(table.row(frame.first))
            last = Mark.of(table.row(frame.last)) if frame.last is not None else None
            rows.append((
                frame.kind, pointer(frame.key) if frame.key else "", names.contexts.get(frame.key, ""), _tid(first),
                frame.depth, first.iteration, first.record, _record(last), _time(first), _span_us(first, last),
            ))  # fmt: skip
    return frame_of(rows, columns)


def bhs_frame(halves: Iterable[BottomHalf], names: NameTracker) -> pd.DataFrame:
    """Return one row a run (or pending schedule) of a bottom half; `delay_us` runs from schedule to call."""
    columns = {
        "bh": "str", "cb": "str", "ctx": "str", "context": "str", "scheduled_record": "Int64",
        "called_record": "Int64", "scheduled_ns": "Int64", "called_ns": "Int64", "delay_us": "Float64",
        "iterations": "Int64",
    }  # fmt: skip
    rows = (
        (
            pointer(b.bh), pointer(b.cb), pointer(b.ctx), names.contexts.get(b.ctx, ""), _record(b.scheduled),
            _record(b.called), _time(b.scheduled), _time(b.called), _span_us(b.scheduled, b.called),
            b.called.iteration - b.scheduled.iteration if b.called and b.scheduled else None,
        )
        for b in halves
    )  # fmt: skip
    return frame_of(rows, columns)


def drains_frame(sections: Iterable[DrainedSection]) -> pd.DataFrame:
    """Return one row a drained section of a node; `quiesce_counter` is its value after the begin."""
    columns = {
        "node": "str", "quiesce_counter": "int64", "begin_record": "int64", "drained_record": "Int64",
        "end_record": "Int64", "begin_ns": "Int64", "drain_us": "Float64", "duration_us": "Float64",
    }  # fmt: skip
    rows = (
        (
            pointer(s.node), s.count, s.begin.record, _record(s.drained), _record(s.end), _time(s.begin),
            _span_us(s.begin, s.drained), _span_us(s.begin, s.end),
        )
        for s in sections
    )  # fmt: skip
    return frame_of(rows, columns)


def external_frame(table: MeaningTable, names: NameTracker) -> pd.DataFrame:
    """Return one row a change of a context's external_disable_cnt, with the count after it."""
    columns = {"ctx": "str", "context": "str", "record": "int64", "ts_ns": "Int64", "disabled_count": "int64"}
    rows = [
        (pointer(r.role("ctx")), names.contexts.get(r.role("ctx"), ""), r.record, _time(Mark.of(r)), r.role("count"))
        for r in table.rows(table.where(Meaning.EXTERNAL_OFF, Meaning.EXTERNAL_ON))
    ]
    return frame_of(rows, columns)


def notifier_reads_frame(table: MeaningTable, nesting: Nesting, names: NameTracker) -> pd.DataFrame:
    """Return one row a host notifier read, with the context that served it."""
    columns = {
        "device": "str", "queue": "str", "served_by": "str", "tid": "Int64", "iteration": "int64", "record": "int64",
        "ts_ns": "Int64",
    }  # fmt: skip
    rows = []
    for r in table.rows(table.where(Meaning.NOTIFIER_READ)):
        frame = nesting.serving(r.index)
        served = "" if frame is None else names.context(frame.key) if frame.key else "qemu_iohandler_poll"
        mark = Mark.of(r)
        rows.append((
            pointer(r.role("device")), pointer(r.role("queue")), served, _tid(mark), mark.iteration, mark.record,
            _time(mark),
        ))  # fmt: skip
    return frame_of(rows, columns)
