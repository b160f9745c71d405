"""What the sample traces must show, and that they are real lines of the captures, untouched."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.timeline.story import FOUNDING
from traceview.api import open
from traceview.findings import Evidence, Extent, ScanResult, Severity, Shape, Verdict, Window
from traceview.fleet import find_traces, scan_all
from traceview.report.machine import scan_document
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample-traces"
CUT = runpy.run_path(str(SAMPLES / "cut.py"))
CAPTURES = Path(os.environ.get("TRACEVIEW_CAPTURES", ROOT.parent / "shared" / "captures"))

BLOCK = 4096
"""What the guest of all captures reads and writes at a time."""

Req = tuple[str, int, int]
"""Operation, offset and length in bytes."""


@dataclass(frozen=True)
class Seen:
    """A window as a scan must see it; `opened` and `closed` are lines of the sample, counted from 1."""

    rule: str
    opened: int
    closed: int
    verdict: Verdict = Verdict.CLEAN
    shape: Shape | None = None
    severity: Severity | None = None
    evidence: Evidence = Evidence.EXACT
    pivoted: bool = True
    requests: tuple[Req, ...] = ()
    held_back: tuple[Req, ...] = ()


def drain(opened: int, closed: int, *, pivoted: bool = True) -> Seen:
    """Return a clean window between the last look at the dirty bitmap and the deferral."""
    return Seen(FINAL_DRAIN_RULE, opened, closed, pivoted=pivoted)


def switch(opened: int, closed: int, evidence: Evidence = Evidence.EXACT, *, pivoted: bool = True) -> Seen:
    """Return a clean window between the deferral (or the drained point) and the switch of nodes."""
    return Seen(EXIT_RULE, opened, closed, evidence=evidence, pivoted=pivoted)


def blocks(*ops: tuple[str, int]) -> tuple[Req, ...]:
    """Return requests of one block each."""
    return tuple((op, offset, BLOCK) for op, offset in ops)


def lost_in_drain(opened: int, closed: int, *ops: tuple[str, int]) -> Seen:
    """Return a window before the deferral in which writes were lost."""
    return Seen(FINAL_DRAIN_RULE, opened, closed, Verdict.VIOLATED, None, Severity.DATA_LOSS, requests=blocks(*ops))


def parked(opened: int, closed: int, *ops: tuple[str, int]) -> Seen:
    """Return a window of a stock build in which all requests had to wait."""
    return Seen(
        EXIT_RULE, opened, closed, Verdict.GUARDED, evidence=Evidence.PROXY, held_back=blocks(*ops)
    )  # fmt: skip


EXPECTED = {
    "lp1570134-first-diagram": [
        drain(294, 295),
        switch(295, 306),
        drain(790, 791),
        Seen(
            EXIT_RULE, 791, 844, Verdict.VIOLATED, Shape.FIRST_DIAGRAM, Severity.DATA_LOSS,
            requests=blocks(
                ("write", 3657728), ("write", 9236480), ("write", 13656064), ("write", 16551936),
                ("read", 495616), ("read", 4927488), ("read", 8159232), ("write", 11919360),
            ),
        ),
        drain(1265, 1266),
        switch(1266, 1277),
    ],
    "lp1570134-case-1": [
        drain(338, 347),
        Seen(
            EXIT_RULE, 347, 371, Verdict.VIOLATED, Shape.CASE_1, Severity.DATA_LOSS,
            requests=blocks(
                ("write", 9486336), ("write", 16130048), ("read", 4370432), ("write", 1183744),
                ("write", 3162112), ("write", 7266304), ("write", 11390976), ("write", 13332480),
            ),
        ),
        drain(702, 711),
        switch(711, 716),
        drain(1000, 1009),
        switch(1009, 1014),
    ],
    "lp1570134-case-2": [
        drain(304, 313),
        Seen(
            EXIT_RULE, 313, 323, Verdict.VIOLATED, Shape.CASE_2, Severity.DATA_LOSS,
            requests=blocks(("write", 10903552)),
        ),
        drain(643, 652),
        switch(652, 657),
    ],
    "second-door": [
        lost_in_drain(263, 284, ("write", 10776576)),
        switch(284, 289),
        lost_in_drain(458, 479, ("write", 12992512)),
        switch(479, 484),
        lost_in_drain(672, 693, ("write", 2670592)),
        switch(693, 698),
    ],
    "workaround": [
        Seen(
            FINAL_DRAIN_RULE, 120, 164, Verdict.VIOLATED, None, Severity.BROKEN_PROMISE,
            requests=blocks(("read", 409600)),
        ),
        switch(164, 174),
    ],
    "cancelled": [
        drain(460, 461, pivoted=False),
        Seen(
            EXIT_RULE, 461, 517, Verdict.VIOLATED, Shape.FIRST_DIAGRAM, Severity.BROKEN_PROMISE, pivoted=False,
            requests=blocks(
                ("write", 11018240), ("read", 16654336), ("write", 3231744), ("write", 5734400),
                ("write", 13889536), ("read", 9601024), ("write", 1257472), ("read", 6746112),
            ),
        ),
        drain(1040, 1041, pivoted=False),
        switch(1041, 1052, pivoted=False),
    ],
    "other-disk-busy": [drain(300, 358), switch(358, 369), drain(743, 760), switch(760, 780)],
    "abort": [
        drain(331, 339),
        switch(339, 349),
        drain(785, 793),
        Seen(
            EXIT_RULE, 793, 856, Verdict.VIOLATED, Shape.CASE_1, Severity.BROKEN_PROMISE,
            requests=blocks(
                ("write", 4788224), ("read", 876544), ("write", 13774848), ("write", 15417344),
                ("read", 3063808), ("write", 7766016), ("write", 9265152), ("write", 10715136),
            ),
        ),
    ],
    "fixed": [drain(585, 600), switch(600, 610), drain(990, 1005), switch(1005, 1015)],
    "stock-4.1-ide-lost-write": [
        Seen(
            EXIT_RULE, 269, 317, Verdict.VIOLATED, Shape.UNCLASSIFIED, Severity.DATA_LOSS, Evidence.PROXY,
            requests=blocks(("write", 28901376)),
        ),
        switch(489, 508, Evidence.PROXY),
        switch(599, 609, Evidence.PROXY),
    ],
    "stock-9.0-parked": [
        parked(256, 280, ("write", 2863104), ("write", 389120), ("write", 4087808)),
        parked(534, 558, ("write", 2920448), ("write", 3477504), ("write", 634880)),
        parked(830, 860, ("read", 430080), ("read", 3432448), ("read", 1404928), ("read", 2555904)),
    ],
    "stock-7.2-mixed": [switch(519, 534, Evidence.PROXY), switch(732, 747, Evidence.PROXY)],
    "simpletrace-2.6": [
        drain(238, 247),
        switch(247, 252),
        lost_in_drain(512, 533, ("write", 5701632)),
        switch(533, 538),
        lost_in_drain(
            838, 880,
            ("write", 9691136), ("read", 4923392), ("write", 811008), ("write", 2686976), ("write", 6881280),
            ("write", 11898880), ("write", 13946880), ("write", 15249408),
        ),
        switch(880, 885),
    ],
}  # fmt: skip


def log_of(sample: str) -> Path:
    return SAMPLES / sample / "trace.log"


def lines_of(sample: str) -> list[bytes]:
    return log_of(sample).read_bytes().split(b"\n")


def line_of(sample: str, number: int) -> bytes:
    return lines_of(sample)[number - 1]


def window_opened_at(result: ScanResult, line: int, rule: str = EXIT_RULE) -> Window:
    (window,) = [w for w in result.windows if w.rule == rule and w.open is not None and w.open.line == line]
    return window


def seen(window: Window) -> Seen:
    assert window.open is not None
    assert window.close is not None
    requests = [((r.op.label, r.offset, r.length), r.held_back) for r in window.requests]
    return Seen(
        window.rule, window.open.line, window.close.line, window.verdict, window.shape, window.severity,
        window.evidence, window.pivoted, tuple(r for r, held in requests if not held),
        tuple(r for r, held in requests if held),
    )  # fmt: skip


def test_the_expectations_cover_every_sample() -> None:
    assert {p.parent.name for p in SAMPLES.glob("*/trace.log")} == set(EXPECTED)


@pytest.mark.parametrize("sample", EXPECTED)
def test_a_sample_shows_what_it_is_there_for(sample: str) -> None:
    result = scan_all([log_of(sample)], rules=FOUNDING)
    assert [seen(w) for w in result.windows] == EXPECTED[sample]


@pytest.mark.parametrize("sample", EXPECTED)
def test_nothing_in_a_sample_is_left_unjudged(sample: str) -> None:
    result = scan_all([SAMPLES / sample])
    assert not result.inconclusive
    for trace in result.traces:
        assert (trace.gaps, trace.refused_lines, trace.unjudged) == ([], 0, [])


def test_a_folder_of_samples_holds_the_cut_traces_and_nothing_else_that_looks_like_one() -> None:
    assert find_traces(SAMPLES) == sorted(SAMPLES / cut.sample for cut in CUT["CUTS"])


def test_a_block_that_the_guest_rewrote_on_the_target_is_not_lost_any_more() -> None:
    window = window_opened_at(scan_all([log_of("lp1570134-case-1")], rules=FOUNDING), 347)
    rewritten = 11390976
    assert b"blk_aio_writev" in line_of("lp1570134-case-1", 870)
    assert f"sector_num {rewritten // 512} ".encode() in line_of("lp1570134-case-1", 870)
    offsets = sorted(r.offset for r in window.requests if r.op.label == "write" and r.offset != rewritten)
    assert window.lost == [Extent(offset, BLOCK) for offset in offsets]
    assert window.rewritten_bytes == BLOCK


def test_a_cancelled_job_lacks_nothing() -> None:
    window = window_opened_at(scan_all([log_of("cancelled")], rules=FOUNDING), 461)
    assert b"should_complete 0" in line_of("cancelled", 517)
    assert (window.lost, window.rewritten_bytes) == ([], 0)


def test_the_other_disk_is_read_within_the_window_and_the_mirrored_one_is_not() -> None:
    drive0, drive1 = b"blk 0x560cdd0c8e90 ", b"blk 0x560cdd0ddae0 "
    lines = lines_of("other-disk-busy")
    for drive, name in ((drive0, b"drive0"), (drive1, b"drive1")):
        assert any(b"blk_attach " + drive + b"name " + name in line for line in lines)
    opened, closed = 760, 780
    submitted = [line for line in lines[opened : closed - 1] if b":blk_aio_" in line]
    assert [drive1 in line for line in submitted] == [True]


def test_the_trace_of_an_abort_ends_in_the_assertion_and_in_no_exit() -> None:
    lines = lines_of("abort")
    assert lines[-1] == b""
    assert b"Assertion" in lines[-2]
    assert not any(b"mirror_exit_done" in line for line in lines[856:])


def test_a_record_that_begins_in_mid_line_is_read_and_other_output_is_counted() -> None:
    sample = "stock-7.2-mixed"
    trace = open(log_of(sample))
    at_154 = [
        batch.forms[int(batch.code[i])].name for batch in trace.batches() for i in (batch.line == 154).nonzero()[0]
    ]
    assert line_of(sample, 154).startswith(b"/ # ")
    assert at_154 == ["virtio_queue_notify"]
    assert line_of(sample, 6) == b"CPU Reset (CPU 0)"
    assert trace.stats.records + trace.stats.other_lines == len(lines_of(sample)) - 1
    # two register dumps of 28 lines, ten lines of the guest's console before line 154 and one behind it
    assert trace.stats.other_lines == 2 * 28 + 10 + 1


def without_places(value: Any) -> Any:
    """Return a scan without what two backends cannot share: place, clock, and so the key of this happening."""
    places = ("line", "record", "byte_offset", "ts_ns", "duration_ns", "instance")
    if isinstance(value, dict):
        return {k: without_places(v) for k, v in value.items() if k not in places}
    if isinstance(value, list):
        return [without_places(v) for v in value]
    return value


def test_the_log_and_the_binary_of_one_run_give_the_same_windows_and_requests() -> None:
    folder = SAMPLES / "simpletrace-2.6"
    log = scan_all([folder / "trace.log"])
    binary = scan_all([folder / "trace.bin"], trace_events=folder / "trace-events")
    assert [t.format for t in log.traces + binary.traces] == ["log", "simpletrace"]
    assert log.traces[0].events == binary.traces[0].events
    for part in ("windows", "findings", "summary"):
        assert without_places(scan_document(log)[part]) == without_places(scan_document(binary)[part])


def test_record_n_of_the_binary_is_line_n_of_the_log() -> None:
    folder = SAMPLES / "simpletrace-2.6"
    log, binary = open(folder / "trace.log"), open(folder / "trace.bin", trace_events=folder / "trace-events")
    names = [
        [batch.forms[int(code)].name for batch in trace.batches() for code in batch.code] for trace in (log, binary)
    ]
    assert names[0] == names[1]
    assert [n for batch in log.batches() for n in batch.line] == list(range(1, len(names[0]) + 1))


def test_samples_stay_small() -> None:
    sizes = {p: p.stat().st_size for p in SAMPLES.rglob("*") if p.is_file()}
    assert max(sizes.values()) < 500_000
    assert sum(sizes.values()) < 5_000_000


def test_the_readme_has_a_section_and_a_place_for_the_output_of_each_sample() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `(.+)`$", readme, re.MULTILINE) == list(EXPECTED)
    marker = r"<!-- output: traceview scan sample-traces/(.+) -->\n```text\n"
    assert re.findall(marker, readme) == list(EXPECTED)


def test_a_cut_beyond_the_end_of_a_capture_is_an_error() -> None:
    assert list(CUT["take"]([b"a", b"b", b"c"], ((1, 1), (3, 3)))) == [b"a", b"c"]
    with pytest.raises(ValueError, match="ends before number 4"):
        list(CUT["take"]([b"a", b"b", b"c"], ((2, 4),)))


def cut_into(captures: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SAMPLES / "cut.py"), str(captures), "--into", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_cutting_where_no_captures_are_names_the_file_that_is_missing(tmp_path: Path) -> None:
    done = cut_into(tmp_path, tmp_path)
    assert done.returncode == 1
    assert str(tmp_path / "qemu-2.4.0" / "mirror" / "trace.log") in done.stderr


needs_captures = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the full captures are not here")


@pytest.mark.captures
@needs_captures
def test_cutting_the_captures_again_gives_the_same_bytes(tmp_path: Path) -> None:
    done = cut_into(CAPTURES, tmp_path)
    assert done.returncode == 0, done.stderr
    again = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    wanted = [cut.sample for cut in CUT["CUTS"]] + list(CUT["COPIES"])
    assert again == {Path(name): (SAMPLES / name).read_bytes() for name in wanted}


def capture_lines(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Return the number that each line of a sample has in the capture."""
    return [n for first, last in ranges for n in range(first, last + 1)]


def told(truth: dict[str, Any]) -> dict[tuple[str, int], Any]:
    """Return what a capture's truth.json tells of its windows, by rule and line of opening, as `retold` has it."""
    windows: dict[tuple[str, int], Any] = {}
    for w in truth["windows"]:
        if "open_line" in w:
            exact = [(r["line"], r["op"], r["offset"], r["bytes"]) for r in w["requests"]]
            before = [(r["line"], r["op"], r["offset"], r["bytes"]) for r in w["before_open"]]
            pivoted = w["pivoted"]
            windows[EXIT_RULE, w["open_line"]] = (w["close_line"], pivoted, w["shape"], exact, [])
            windows[FINAL_DRAIN_RULE, w["last_dirty_check_line"]] = (w["open_line"], pivoted, None, before, [])
        else:
            executed = [(r["line"], r["op"], r["offset"], r["bytes"]) for r in w["executed"]]
            shape = "unclassified" if executed else None
            held = [r["line"] for r in w["dispatched"]]
            windows[EXIT_RULE, w["drained_line"]] = (w["attach_line"], w["pivoted"], shape, executed, held)
    return windows


def retold(window: Window, numbers: list[int]) -> Any:
    """Return what a scan of a sample says of a window, with the lines of the capture."""
    assert window.close is not None
    exact = [(numbers[r.mark.line - 1], r.op.label, r.offset, r.length) for r in window.requests if not r.held_back]
    held = [numbers[r.mark.line - 1] for r in window.requests if r.held_back]
    return numbers[window.close.line - 1], window.pivoted, window.shape, exact, held


@pytest.mark.captures
@needs_captures
@pytest.mark.parametrize("sample", EXPECTED)
def test_a_window_of_a_sample_is_what_the_truth_of_the_whole_capture_tells(sample: str) -> None:
    (cut,) = [c for c in CUT["CUTS"] if c.sample == f"{sample}/trace.log"]
    truth = told(json.loads((CAPTURES / cut.capture).with_name("truth.json").read_text(encoding="utf-8")))
    numbers = capture_lines(cut.ranges)
    result = scan_all([log_of(sample)], rules=FOUNDING)
    assert result.windows
    for window in result.windows:
        assert window.open is not None
        assert retold(window, numbers) == truth[window.rule, numbers[window.open.line - 1]]
