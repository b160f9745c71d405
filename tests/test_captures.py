"""Every full capture, held against the truth that was made from it by other means.

Each test takes one capture and runs over all that the folder holds, also over those added later. What a capture is
said to show comes from its truth.json alone; nothing is known of single captures here but the names in `QUIET`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import CapturePath, captures_folder
from tests.timeline.story import FOUNDING
from traceview.api import Trace, open
from traceview.events import ReadStats
from traceview.findings import Evidence, Request, ScanResult, Severity, Verdict, Window
from traceview.losses import Losses, LostExtent
from traceview.report.machine import scan_document
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, load_rules
from traceview.vocabulary import Meaning, Op, builtin

pytestmark = pytest.mark.captures

NONE = "no-captures"
"""The one parameter of a test where there is no capture of its kind (it is skipped)."""
Req = tuple[int, str, int, int]
"""Line, operation, offset and length in bytes."""

QUIET = (
    "qemu-2.6.50-fixed/mirror",
    "qemu-2.6.0-rc3/other-disk-busy",
    "qemu-4.1.0/mirror-iothread",
    "qemu-7.2.22/mirror-cancel-ready",
    "qemu-7.2.22/mirror-drive-vblk",
    "qemu-7.2.22/mirror-notimestamp",
    "qemu-7.2.22/mirror-throttled",
    "qemu-7.2.22/mirror-two-disks-idle",
    "qemu-7.2.22/stderr-mixed",
    "qemu-7.2.22/stream-backup-commit",
    "qemu-9.0.0/mirror-iothread",
    "qemu-9.0.0/mirror-vblk-noioeventfd",
    "qemu-9.0.0/quad-backends",
    "qemu-9.0.0/ust-log",
)
"""Captures of which the README of the captures says that nothing is to be found in them."""
CHOPPED = (
    "qemu-2.5.0/mirror-abort",
    "qemu-2.6.0-rc3/commit-abort",
    "qemu-4.1.0/mirror-vblk-noioeventfd",
    "qemu-7.2.22/stderr-mixed",
    "qemu-9.0.0/quad-backends",
)
"""Captures that are small enough to be read again in small pieces."""
SEEN_BY_GUEST = {"/dev/vda": "drive0", "/dev/vdb": "drive1"}
"""What the guest of an instrumented run calls the devices that the trace names."""


@cache
def truth_of(name: str) -> dict[str, Any]:
    folder = captures_folder()
    assert folder is not None
    content: dict[str, Any] = json.loads((folder / name / "truth.json").read_text(encoding="utf-8"))
    return content


def has_file(name: str, file: str) -> bool:
    folder = captures_folder()
    assert folder is not None
    return (folder / name / file).is_file() or (folder / name / f"{file}.xz").is_file()


@cache
def captures() -> tuple[str, ...]:
    folder = captures_folder()
    if folder is None:
        return ()
    names = (t.parent.relative_to(folder).as_posix() for t in folder.glob("*/*/truth.json"))
    return tuple(n for n in sorted(names) if has_file(n, "trace.log"))


def is_exact(name: str) -> bool:
    """Say whether a capture is of an instrumented build: only their truth counts the main loop's iterations."""
    return "main_loop_iterations" in truth_of(name)


ALL = captures()
INSTRUMENTED = tuple(n for n in ALL if is_exact(n))
STOCK = tuple(n for n in ALL if not is_exact(n))
BOTH_BACKENDS = tuple(n for n in ALL if has_file(n, "trace.bin"))
CANCELLED = tuple(
    n for n in INSTRUMENTED if truth_of(n)["windows"] and not any(w["pivoted"] for w in truth_of(n)["windows"])
)
NO_HIT = tuple(
    n
    for n in ALL
    if not any(
        w.get("requests") or w.get("before_open") or any(x["after_drained"] for x in w.get("executed", ()))
        for w in truth_of(n)["windows"]
    )
)


@dataclass(frozen=True)
class Scanned:
    """The scan of one capture's log, and what reading it met."""

    name: str
    truth: dict[str, Any]
    result: ScanResult
    stats: ReadStats

    def windows(self, rule: str) -> list[Window]:
        return [w for w in self.result.windows if w.rule == rule]

    @property
    def founding(self) -> list[Window]:
        """The windows that the truth knows: those of the two founding rules."""
        return [w for w in self.result.windows if w.rule in FOUNDING]


def declarations_of(name: str) -> Path | None:
    folder = captures_folder()
    assert folder is not None
    beside = (folder / name / "trace-events", (folder / name).parent / "trace-events")
    return next((p for p in beside if p.is_file()), None)


_SCANS: dict[str, Scanned] = {}


@pytest.fixture
def scanned(request: pytest.FixtureRequest, capture_path: CapturePath) -> Scanned:
    """Return the scan of the capture that a test is parametrised with, made once a session."""
    name: str = request.param
    if name == NONE:
        pytest.skip("the folder holds no capture of this kind")
    if name not in _SCANS:
        trace = open(capture_path(name, "trace.log"))
        result = trace.scan()
        _SCANS[name] = Scanned(name, truth_of(name), result, trace.stats)
    return _SCANS[name]


def each(names: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scanned", names or (NONE,), indirect=True)


def line(mark: Any) -> int | None:
    return None if mark is None else mark.line


def reached(window: Window) -> list[Req]:
    return [request_of(r) for r in window.requests if not r.held_back]


def request_of(request: Request) -> Req:
    return request.mark.line, request.op.label, request.offset, request.length


def told(requests: list[dict[str, Any]]) -> list[Req]:
    return [(r["line"], r["op"], r["offset"], r["bytes"]) for r in requests]


def violated(result: ScanResult) -> list[Window]:
    return [w for w in result.windows if w.verdict is Verdict.VIOLATED]


def changed(requests: list[dict[str, Any]]) -> bool:
    return any(r["op"] in ("write", "write_zeroes", "discard") for r in requests)


# instrumented builds


@each(INSTRUMENTED)
def test_each_exit_window_opens_and_closes_on_the_lines_of_the_truth(scanned: Scanned) -> None:
    windows = scanned.windows(EXIT_RULE)
    assert {w.evidence for w in windows} <= {Evidence.EXACT}
    expected = [(w["open_line"], w["close_line"]) for w in scanned.truth["windows"]]
    assert [(line(w.open), line(w.close)) for w in windows] == expected


@each(INSTRUMENTED)
def test_each_exit_window_holds_the_requests_of_the_truth_and_no_other(scanned: Scanned) -> None:
    assert [reached(w) for w in scanned.windows(EXIT_RULE)] == [told(w["requests"]) for w in scanned.truth["windows"]]


@each(INSTRUMENTED)
def test_job_node_and_device_of_each_window_are_those_of_the_truth(scanned: Scanned) -> None:
    for window, true in zip(scanned.windows(EXIT_RULE), scanned.truth["windows"], strict=True):
        assert (hex(window.job), hex(window.node)) == (true["job"], true["bs"])
        assert [r.device for r in window.requests if not r.held_back] == [r["blk"] for r in true["requests"]]


@each(INSTRUMENTED)
def test_each_window_has_the_shape_of_the_truth(scanned: Scanned) -> None:
    assert [w.shape for w in scanned.windows(EXIT_RULE)] == [w["shape"] for w in scanned.truth["windows"]]


@each(INSTRUMENTED)
def test_what_served_each_request_and_in_which_iteration_is_as_in_the_truth(scanned: Scanned) -> None:
    for window, true in zip(scanned.windows(EXIT_RULE), scanned.truth["windows"], strict=True):
        found = [(r.mark.iteration, r.context) for r in window.requests if not r.held_back]
        assert found == [(r["iteration"], r["context"]) for r in true["requests"]]
        assert window.open is not None
        assert window.open.iteration == true["open_iteration"]
        assert (window.close.iteration if window.close else None) == true["close_iteration"]


@each(INSTRUMENTED)
def test_each_job_pivots_as_in_the_truth(scanned: Scanned) -> None:
    assert [w.pivoted for w in scanned.windows(EXIT_RULE)] == [w["pivoted"] for w in scanned.truth["windows"]]


@each(INSTRUMENTED)
def test_a_window_is_violated_where_it_holds_requests_and_clean_elsewhere(scanned: Scanned) -> None:
    wanted = [Verdict.VIOLATED if w["requests"] else Verdict.CLEAN for w in scanned.truth["windows"]]
    assert [w.verdict for w in scanned.windows(EXIT_RULE)] == wanted


@each(INSTRUMENTED)
def test_only_writes_before_a_pivot_are_data_loss(scanned: Scanned) -> None:
    aborted = scanned.truth["ended_by"] == "SIGABRT"
    last = scanned.truth["windows"][-1]
    for window in scanned.founding:
        exit_rule = window.rule == EXIT_RULE
        opened = line(window.open if exit_rule else window.close)
        (true,) = [t for t in scanned.truth["windows"] if t["open_line"] == opened]
        requests = true["requests" if exit_rule else "before_open"]
        # only in a run that was aborted can the trace end in the switch, and only in that of its last job
        assert not window.ends_in_switch or (aborted and true is last)
        moved = true["pivoted"] and not window.ends_in_switch
        severity = Severity.DATA_LOSS if moved and changed(requests) else Severity.BROKEN_PROMISE
        assert window.severity is (severity if requests else None)


@each(INSTRUMENTED)
def test_the_second_door_opens_at_the_last_look_and_holds_what_came_before_the_deferral(scanned: Scanned) -> None:
    windows = {line(w.close): w for w in scanned.windows(FINAL_DRAIN_RULE)}
    for true in scanned.truth["windows"]:
        if true["last_dirty_check_line"] is None:
            continue
        window = windows.pop(true["open_line"])
        assert line(window.open) == true["last_dirty_check_line"]
        assert reached(window) == told(true["before_open"])
        assert window.verdict is (Verdict.VIOLATED if true["before_open"] else Verdict.CLEAN)
        assert window.pivoted == true["pivoted"]
    assert not windows


@each(INSTRUMENTED)
def test_lines_jobs_and_iterations_are_counted_as_in_the_truth(scanned: Scanned) -> None:
    names, truth = scanned.stats.names, scanned.truth
    assert scanned.stats.lines == truth["lines"]
    assert names["main_loop_wait"] == truth["main_loop_iterations"]
    assert names.get("mirror_exit_done", 0) == truth["jobs_completed"]


@each(tuple(n for n in ALL if "other_lines" in truth_of(n)))
def test_other_lines_are_as_many_as_the_truth_says(scanned: Scanned) -> None:
    assert scanned.stats.other_lines == scanned.truth["other_lines"]
    assert scanned.result.traces[0].other_lines == scanned.truth["other_lines"]


@each(CANCELLED)
def test_cancelled_jobs_break_promises_and_lose_nothing(scanned: Scanned) -> None:
    windows = violated(scanned.result)
    assert {w.severity for w in windows} == {Severity.BROKEN_PROMISE}
    assert not any(w.lost or w.rewritten_bytes for w in windows)
    assert not any(w.pivoted for w in scanned.result.windows)


# any build


@each(ALL)
def test_every_write_that_the_guest_saw_lost_is_named(scanned: Scanned) -> None:
    lost = scanned.truth["guest_reported_lost"]
    for report in lost:
        device = SEEN_BY_GUEST.get(report["device"]) if is_exact(scanned.name) else None
        assert any(
            r.offset <= report["offset"] < r.offset + r.length and device in (None, r.device)
            for w in violated(scanned.result)
            if w.pivoted
            for r in w.requests
            if r.op.changes_data and not r.held_back
        ), report


@each(ALL)
def test_every_write_that_the_guest_saw_lost_was_lost_when_it_read_it_back(scanned: Scanned) -> None:
    reports = scanned.truth["guest_reported_lost"]
    if not reports:
        return
    trace = open(scanned.result.traces[0].path)
    losses = trace.losses()
    reads = reads_of(trace)
    for report in reports:
        offset, device = report["offset"], SEEN_BY_GUEST.get(report["device"]) if is_exact(scanned.name) else None
        found = [e for e in losses.extents if e.extent.offset <= offset < e.extent.end and device in (None, e.device)]
        assert any(read_while_lost(e, losses, offset, reads) for e in found), report


@each(BOTH_BACKENDS)
def test_both_backends_lose_the_same(scanned: Scanned, capture_path: CapturePath) -> None:
    binary = open(capture_path(scanned.name, "trace.bin"), trace_events=declarations_of(scanned.name))
    texts, binaries = (
        [(e.device, e.extent, e.state, e.written.record) for e in t.losses().extents]
        for t in (open(scanned.result.traces[0].path), binary)
    )
    assert texts == binaries


def reads_of(trace: Trace) -> list[tuple[int, int, int]]:
    """Return all that guests read: record, first byte, last byte."""
    kinds = (Meaning.DEVICE_REQUEST, Meaning.DMA_START, Meaning.SUBMIT, Meaning.REACH)
    names = {name for name, event in builtin().events.items() if event.meaning in kinds}
    found = []
    for batch in trace.batches(names):
        table = builtin().interpret(batch)
        rows = np.flatnonzero(table.op == Op.READ)
        start, length = table.role("offset", rows), np.maximum(table.role("length", rows), 1)
        found += list(zip(*(c.tolist() for c in (table.record[rows], start, start + length - 1)), strict=True))
    return found


def read_while_lost(extent: LostExtent, losses: Losses, offset: int, reads: list[tuple[int, int, int]]) -> bool:
    """Say whether a byte was read after the switch and before it was written anew."""
    since = max(w.close.record for i in extent.windows if (w := losses.scan.windows[i]).close is not None)
    until = extent.made_good.record if extent.made_good is not None else sys.maxsize
    return any(since < record < until and first <= offset <= last for record, first, last in reads)


@each(ALL)
def test_findings_are_exactly_the_violated_windows(scanned: Scanned) -> None:
    result = scanned.result
    assert [f.window for f in result.findings] == [i for i, w in enumerate(result.windows) if w in violated(result)]
    for finding in result.findings:
        window = result.windows[finding.window]
        assert finding.severity is window.severity
        assert [window.requests[i].held_back for i in finding.requests] == [False] * len(reached(window))


@each(ALL)
def test_what_the_target_lacks_was_written_in_the_window(scanned: Scanned) -> None:
    for window in violated(scanned.result):
        written = {
            block
            for r in window.requests
            if r.op.changes_data and not r.held_back
            for block in range(r.offset, r.offset + r.length, 512)
        }
        lost = [b for e in window.lost for b in range(e.offset, e.end, 512)]
        if window.severity is Severity.DATA_LOSS:
            assert set(lost) <= written
            assert len(lost) == len(set(lost))
            assert 512 * len(lost) + window.rewritten_bytes == 512 * len(written)
        else:
            assert not lost


@each(tuple(n for n in ALL if n in QUIET))
def test_nothing_is_found_where_nothing_is_to_be_found(scanned: Scanned) -> None:
    assert scanned.name in NO_HIT
    assert not scanned.result.findings
    assert not violated(scanned.result)


@each(NO_HIT)
def test_nothing_is_found_where_the_truth_knows_of_no_request(scanned: Scanned) -> None:
    assert not scanned.result.findings


@each(ALL)
def test_all_records_of_a_capture_go_together(scanned: Scanned) -> None:
    assert scanned.result.traces[0].gaps == []


@each(ALL)
def test_no_window_is_left_unjudged_but_those_whose_end_the_trace_lacks(scanned: Scanned) -> None:
    unclosed = len(scanned.truth.get("unclosed", ()))
    open_ended = [w for w in scanned.founding if w.verdict is Verdict.INCONCLUSIVE]
    assert len(open_ended) == unclosed
    assert bool(scanned.result.traces[0].unjudged) == (not scanned.founding)
    assert all(w.close is None for w in scanned.result.windows if w.verdict is Verdict.INCONCLUSIVE)


# stock builds


@each(STOCK)
def test_each_stock_window_runs_from_the_drained_point_to_the_attachment(scanned: Scanned) -> None:
    windows = [w for w in scanned.founding if w.close is not None]
    assert {(w.rule, w.evidence) for w in windows} <= {(EXIT_RULE, Evidence.PROXY)}
    expected = [(w["drained_line"], w["attach_line"]) for w in scanned.truth["windows"]]
    assert [(line(w.open), line(w.close)) for w in windows] == expected


@each(STOCK)
def test_each_stock_job_moves_the_guest_from_and_to_the_nodes_of_the_truth(scanned: Scanned) -> None:
    windows = [w for w in scanned.founding if w.close is not None]
    for window, true in zip(windows, scanned.truth["windows"], strict=True):
        assert (hex(window.job), hex(window.node)) == (true["job"], true["source_bs"])
        assert (hex(window.target), window.pivoted) == (true["new_bs"], true["pivoted"])


@each(STOCK)
def test_what_is_found_are_the_requests_that_reached_the_node_after_the_drain(scanned: Scanned) -> None:
    windows = [w for w in scanned.founding if w.close is not None]
    for window, true in zip(windows, scanned.truth["windows"], strict=True):
        executed = [x for x in true["executed"] if x["after_drained"]]
        assert reached(window) == told(executed)
        assert {hex(r.blk) for r in window.requests} <= {true["blk"]}
        assert (window.verdict is Verdict.VIOLATED) == bool(executed)
    assert [w for w in violated(scanned.result) if w.close is None] == []


@each(STOCK)
def test_what_a_device_took_up_and_did_not_execute_is_held_back(scanned: Scanned) -> None:
    windows = [w for w in scanned.founding if w.close is not None]
    for window, true in zip(windows, scanned.truth["windows"], strict=True):
        # The truth lists the requests that virtio-blk took up, executed or not; a device takes one up before the
        # node sees it, so the executed ones are the last to be taken up before.
        dispatched = [d["line"] for d in true["dispatched"] if d["after_drained"]]
        for executed in (x for x in true["executed"] if x["after_drained"]):
            before = [at for at in dispatched if at < executed["line"]]
            if before:
                dispatched.remove(before[-1])
        held = [r.mark.line for r in window.requests if r.held_back and r.mark.event.startswith("virtio_blk")]
        assert held == dispatched
        if held:
            assert window.verdict is Verdict.GUARDED


# one run, two backends; one trace, any pieces

PLACES = ("line", "record", "byte_offset", "ts_ns", "duration_ns", "instance")
"""What two backends cannot share: the place in the file and the clock, and so the key of this happening."""


def without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_places(v) for k, v in value.items() if k not in PLACES}
    if isinstance(value, list):
        return [without_places(v) for v in value]
    return value


@each(BOTH_BACKENDS)
def test_log_and_simpletrace_of_one_run_give_the_same_windows_requests_and_verdicts(
    scanned: Scanned, capture_path: CapturePath
) -> None:
    trace = open(capture_path(scanned.name, "trace.bin"), trace_events=declarations_of(scanned.name))
    assert trace.format.id == "simpletrace"
    # Only the log tells the threads of a process apart.
    threadless = [r.id for r in load_rules() if not any(c.executor and c.executor.role == "thread" for c in r.windows)]
    log = scan_document(open(capture_path(scanned.name, "trace.log")).scan(threadless))
    binary = scan_document(trace.scan(threadless))
    assert log["windows"]
    for part in ("windows", "findings", "summary"):
        assert without_places(binary[part]) == without_places(log[part])


@each(BOTH_BACKENDS)
def test_version_4_needs_no_declarations(scanned: Scanned, capture_path: CapturePath) -> None:
    path = capture_path(scanned.name, "trace.bin")
    with path.open("rb") as file:
        version = int.from_bytes(file.read(24)[16:], "little")
    if version < 4:
        pytest.skip(f"this file is of version {version}")
    declared = open(path, trace_events=declarations_of(scanned.name)).scan()
    assert scan_document(open(path).scan()) == scan_document(declared)


@pytest.mark.parametrize("chunk_bytes", [4096, 65537])
@each(tuple(n for n in ALL if n in CHOPPED))
def test_the_size_of_the_pieces_that_are_read_changes_nothing(
    scanned: Scanned, chunk_bytes: int, capture_path: CapturePath
) -> None:
    trace = open(capture_path(scanned.name, "trace.log"), chunk_bytes=chunk_bytes)
    assert scan_document(trace.scan()) == scan_document(scanned.result)


@each(tuple(n for n in BOTH_BACKENDS if n in CHOPPED))
def test_nor_does_it_in_a_binary_trace(scanned: Scanned, capture_path: CapturePath) -> None:
    path, declared = capture_path(scanned.name, "trace.bin"), declarations_of(scanned.name)
    whole = open(path, trace_events=declared, chunk_bytes=path.stat().st_size).scan()
    pieces = open(path, trace_events=declared, chunk_bytes=4096).scan()
    assert scan_document(pieces) == scan_document(whole)
