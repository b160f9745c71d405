"""Reports, and the small results that they are made of here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from traceview.events import NO_TIME, Gap
from traceview.findings import (
    Evidence,
    Finding,
    Request,
    RuleCoverage,
    ScanResult,
    Severity,
    Shape,
    TraceSummary,
    Unjudged,
    Verdict,
    Window,
)
from traceview.rules import EXIT_RULE, load_rules
from traceview.timeline.marks import Mark
from traceview.vocabulary import Dating, Op

SAMPLES = ROOT / "sample-traces"
HOSTILE = "a\x1b[31m\r\nb\u202ec\u2028\udcff"
"""What must never reach a terminal as it stands: an escape, line ends, a bidirectional override, a lone byte."""
RAW = ("\x1b", "\r", "\n", "\u202e", "\u2028", "\udcff")


def sample(name: str, file: str = "trace.log") -> Path:
    """Return the path of a sample trace."""
    return SAMPLES / name / file


def mark(line: int, ts_us: int | None = 0, *, event: str = "mirror_exit", iteration: int = 7) -> Mark:
    """Return the point of a record, `ts_us` microseconds after an origin; None has no time."""
    ts = NO_TIME if ts_us is None else 1_000_000_000_000 + ts_us * 1000
    return Mark(line - 1, line, line * 80, ts, 4711, event, iteration)


def request(op: Op = Op.WRITE, *, at: Mark | None = None, **changes: Any) -> Request:
    """Return a guest request of one block."""
    plain = Request(op, 8192, 4096, 0xB1, "drive0", 0xA0, False, at or mark(12, 40, event="blk_aio_writev"))
    return replace(plain, **changes)


def window(*requests: Request, **changes: Any) -> Window:
    """Return the window of a mirror job between the lines 10 and 20, violated where it has requests."""
    plain = Window(
        rule=EXIT_RULE,
        evidence=Evidence.EXACT,
        verdict=Verdict.VIOLATED if requests else Verdict.CLEAN,
        reason="",
        job=0x10B,
        job_kind="mirror",
        node=0xA0,
        target=0xA1,
        pivoted=True,
        open=mark(10, event="block_job_defer_to_main_loop"),
        close=mark(20, 626),
        shape=Shape.CASE_1 if requests else None,
        shape_reason="",
        requests=list(requests),
        key=0x10B,
        opening="job_deferred",
        closing="job_exit",
        severities=load_rules()[EXIT_RULE].severities,
    )
    return replace(plain, **changes)


def summary(path: str = "vm.log", *, gaps: list[Gap] | None = None, unjudged: list[Unjudged] | None = None) -> Any:
    """Return what was read of a trace."""
    covered = [RuleCoverage(r.id, 1, 0, "", (), must_judge=r.must_judge) for r in load_rules()]
    return TraceSummary(path, "log", Dating(None, ""), 100, 0, 0, gaps or [], [], unjudged or [], coverage=covered)


def result(*windows: Window, trace: TraceSummary | None = None) -> ScanResult:
    """Return a scan of one trace, with a finding for each violated window."""
    findings = []
    for i, w in enumerate(windows):
        if w.verdict is Verdict.VIOLATED:
            rule = load_rules()[w.rule]
            severity = w.severity or Severity.BROKEN_PROMISE
            findings.append(
                Finding(w.rule, severity, i, rule.title, tuple(w.violating), rule.references, label=rule.label)
            )
    return ScanResult([trace or summary()], list(windows), findings)
