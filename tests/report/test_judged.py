"""What was not judged: rules that traces fell short of, windows that stayed open, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from tests.report import result, sample, window
from tests.report.told import everything, unclear
from traceview.findings import Verdict
from traceview.fleet import scan_all
from traceview.report.judged import enable_words, not_judged, open_windows
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE


def test_rules_that_must_be_judged_come_first_and_each_is_told_once() -> None:
    told = [(n.rule, n.must_judge) for n in not_judged(everything().traces[0])]
    assert told == [
        (FINAL_DRAIN_RULE, True), ("drained-node-job-io", False), ("instant-drain-guest-io", False),
    ]  # fmt: skip


def coverage_of(path: Path, lines: list[bytes]) -> tuple[dict[str, str], set[str]]:
    """Return why rules had no window in a trace of some lines, and those of them that were not judged."""
    path.write_bytes(b"".join(lines))
    (trace,) = scan_all([path]).traces
    return {c.rule: c.reason for c in trace.coverage if not c.windows}, {n.rule for n in not_judged(trace)}


def test_a_rule_whose_windows_another_rule_tells_was_judged(tmp_path: Path) -> None:
    lines = sample("lp1570134-case-1").read_bytes().splitlines(keepends=True)
    start = [line for line in lines[:341] if b"mirror_start" in line][-1]
    begun = b"14885@1795394131.894774:bdrv_drained_begin bs 0x5634320b8340 quiesce_counter 1\n"
    ended = b"14885@1795394131.895405:bdrv_drained_end bs 0x5634320b8340 quiesce_counter 0\n"
    reasons, blind = coverage_of(
        tmp_path / "vm.log", [start, *lines[341:344], begun, *lines[344:371], ended, *lines[371:380]]
    )
    assert reasons["drained-node-guest-io"] == "another rule tells what its windows have"
    assert "drained-node-guest-io" not in blind
    assert reasons["drained-node-job-io"] == "not traced"
    assert "drained-node-job-io" in blind


def test_a_rule_of_which_no_window_was_opened_was_judged(tmp_path: Path) -> None:
    log = b"""\
1@1.000001:aio_disable_external ctx 0x1 external_disable_cnt 2
1@1.000002:aio_ctx_dispatch ctx 0x1
1@1.000002:virtio_queue_host_notifier_read vdev 0x2 vq 0x3 n 0
1@1.000003:aio_enable_external ctx 0x1 external_disable_cnt 1
"""
    reasons, blind = coverage_of(tmp_path / "vm.log", log.splitlines(keepends=True))
    assert reasons["external-off-kick"] == "no window of it was opened"
    assert "external-off-kick" not in blind


def test_a_rule_that_needs_times_is_not_judged_by_a_trace_without(tmp_path: Path) -> None:
    bare = tmp_path / "bare.log"
    bare.write_bytes(re.sub(rb"(?m)^\d+@[\d.]+:", b"", sample("stock-9.0-parked").read_bytes()))
    (trace,) = scan_all([bare]).traces
    told = {n.rule: n.reason for n in not_judged(trace)}
    assert told["guest-request-parked-for-good"].startswith("windows of it are not judged: ")


def test_inconclusive_windows_of_one_reason_are_together() -> None:
    scan = result(unclear(), window(), unclear(close=None), unclear(reason="another"))
    groups = open_windows(scan, 0)
    told = [(g.rule, g.reason, len(g.windows)) for g in groups]
    assert told == [(EXIT_RULE, "records were dropped in it", 2), (EXIT_RULE, "another", 1)]
    assert all(w.verdict is Verdict.INCONCLUSIVE for g in groups for w in g.windows)


def test_events_to_enable_are_told_in_words() -> None:
    assert enable_words((("a", "b"), ("c",))) == "enable: a or b, c"
    assert enable_words(()) == ""
