"""What the rules of the pack say of real traces: each window that the text has is judged, and few are violated.

The windows are counted in the text by the records that end them (or begin them, where they may last to its end).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT, CapturePath
from tests.rules.pack.cases import coverage_of, quiet_windows
from tests.timeline.story import FOUNDING
from traceview.api import open
from traceview.findings import ScanResult, Verdict
from traceview.rules import EXIT_RULE, builtin_rules

NESTED = "job-exit-in-anothers-exit"
FOREIGN = "job-exit-on-foreign-thread"
NEVER_ENDS = "drained-section-never-ends"
OTHERS = [r.id for r in builtin_rules() if r.id not in FOUNDING]

EXITS = {NESTED: r"\bmirror_exit_done ", "mirror-exit-request-in-flight": r"\bmirror_exit "}
KICKS = {"external-off-kick": r"\baio_enable_external .* external_disable_cnt 0$"}
SECTIONS = dict.fromkeys(
    ["drained-node-guest-io", "drained-node-request-in-flight", NEVER_ENDS],
    r"\bbdrv_drained_end .* quiesce_counter 0$",
)
ENDS = {NESTED: r"-->concluded\)", FOREIGN: r"-->created\)", "blk-detached-under-io": r"\bblk_root_detach "}
MIRRORS = {"mirror-exit-request-in-flight": r"\bjob_completed ", "mirror-start-guest-write": r"\bmirror_start "}
WAITS = {
    "guest-request-parked-for-good": r"\bvirtio_blk_handle_(?:read|write) ",
    "scheduled-coroutine-never-runs": r"\baio_co_schedule ",
}
"""Rules by the records by which their windows are counted; those of `WAITS` may be open at the end."""

SAMPLES = {
    "lp1570134-first-diagram": EXITS,
    "lp1570134-case-1": EXITS | KICKS,
    "lp1570134-case-2": EXITS | KICKS,
    "second-door": EXITS | KICKS,
    "cancelled": EXITS,
    "other-disk-busy": EXITS | KICKS | SECTIONS,
    "stock-4.1-ide-lost-write": ENDS,
    "stock-7.2-mixed": ENDS | MIRRORS | WAITS,
    "stock-9.0-parked": ENDS | MIRRORS | WAITS,
}
CAPTURES = {
    "qemu-2.6.0-rc3/other-disk-busy": EXITS | KICKS | SECTIONS,
    "qemu-2.6.50-fixed/mirror": EXITS | KICKS | SECTIONS,
    "qemu-4.1.0/mirror-iothread": ENDS | MIRRORS | WAITS,
    "qemu-4.1.0/mirror-ide-verify": ENDS | MIRRORS,
    "qemu-7.2.22/mirror-drive-vblk": ENDS | MIRRORS | WAITS,
    "qemu-7.2.22/stream-backup-commit": ENDS | WAITS,
    "qemu-9.0.0/mirror-iothread": ENDS | MIRRORS | WAITS,
    "qemu-9.0.0/mirror-vblk-noioeventfd": ENDS | MIRRORS | WAITS,
}


def check_all_quiet(path: Path, rules: dict[str, str]) -> None:
    """Check that all windows of some rules are there and quiet, and that none of the pack's finds anything."""
    text = path.read_text(encoding="utf-8", errors="replace")
    result = open(path).scan()
    assert {f.rule for f in result.findings} <= set(FOUNDING)
    for rule, record in rules.items():
        count = len(re.findall(record, text, re.MULTILINE))
        assert 0 < quiet_windows(result, rule) <= count, rule
        assert rule in WAITS or quiet_windows(result, rule) == count, rule


@pytest.mark.parametrize("name", SAMPLES)
def test_all_windows_of_a_sample_are_quiet_but_those_of_the_founding_rules(name: str) -> None:
    check_all_quiet(ROOT / "sample-traces" / name / "trace.log", SAMPLES[name])


@pytest.mark.captures
@pytest.mark.parametrize("name", CAPTURES)
def test_all_windows_of_a_capture_are_quiet_but_those_of_the_founding_rules(
    name: str, capture_path: CapturePath
) -> None:
    check_all_quiet(capture_path(name, "trace.log"), CAPTURES[name])


def test_where_qemu_aborts_the_windows_that_it_leaves_open_are_inconclusive() -> None:
    result = open(ROOT / "sample-traces" / "abort" / "trace.log").scan()
    (violated,) = result.findings
    assert violated.rule == EXIT_RULE
    left_open = [w for w in result.windows if w.close is None and w.rule in OTHERS]
    assert {NESTED, NEVER_ENDS, "external-off-kick", "drained-node-request-in-flight"} == {w.rule for w in left_open}
    assert {(w.verdict, w.reason) for w in left_open} == {(Verdict.INCONCLUSIVE, "still open at the end of the trace")}


def exits_with_others_inside(text: str) -> set[str]:
    """Return the times at which those exits of jobs begin in which another job's exit begins."""
    found: set[str] = set()
    running: dict[str, str] = {}
    for when, event, job in re.findall(r"@(\S+?):(mirror_exit(?:_done)?) bs \w+ job (\w+)", text):
        if event == "mirror_exit":
            found.update(running.values())
            running[job] = when
        else:
            del running[job]
    return found


def seconds(result: ScanResult, window: int) -> str:
    opened = result.windows[window].open
    assert opened is not None
    second, rest = divmod(opened.ts_ns, 10**9)
    return f"{second}.{rest // 1000:06d}"


@pytest.mark.captures
def test_two_mirrors_at_once_run_their_exits_inside_each_other_as_far_as_one_thread_can_tell(
    capture_path: CapturePath,
) -> None:
    path = capture_path("qemu-2.6.0-rc3/two-mirrors", "trace.log")
    result = open(path).scan([NESTED])
    nested = exits_with_others_inside(path.read_text(encoding="utf-8"))
    assert len(nested) == len(result.findings) == 21
    assert {seconds(result, f.window) for f in result.findings} == nested
    assert not any(f.certain for f in result.findings)
    assert {h.doubt for w in result.windows for h in w.happenings} == {"the trace does not tell threads apart"}
    assert quiet_windows(result, NESTED) == 80 - 21


@pytest.mark.captures
def test_a_capture_without_times_and_threads_does_not_tell_in_which_thread_a_job_ends(
    capture_path: CapturePath,
) -> None:
    trace = open(capture_path("qemu-7.2.22/mirror-notimestamp", "trace.log"))
    covered = coverage_of(trace.scan(), FOREIGN)
    assert (covered.windows, covered.unlisted) == (0, 0)
    assert covered.reason == "windows of it are not judged: the trace does not tell threads apart"
    assert trace.scan([FOREIGN]).inconclusive
