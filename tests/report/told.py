"""What tests of the formats share: keys for findings made by hand, a baseline's line, a trace of everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from tests.report import mark, request, result, summary, window
from traceview.events import Gap
from traceview.findings import (
    Fingerprint,
    RefusedLine,
    RuleCoverage,
    ScanResult,
    Suppression,
    Unjudged,
    Verdict,
    Window,
)
from traceview.rules import EXIT_RULE
from traceview.vocabulary import Op

COVERS = Suppression("known.baseline", 3, "the hosts of rack 7 get the fix in March", "2027-03-31")


def xml(text: str | bytes) -> ElementTree.Element:
    """Return the top of a document that we wrote."""
    return ElementTree.fromstring(text)  # noqa: S314  (our own)


def keys(bug: int, happening: int = 0) -> Fingerprint:
    """Return the keys of a finding of some bug."""
    return Fingerprint(f"v1-{bug:032x}", f"v1-{bug // 10 + 1000:032x}", f"v1-{happening + 5000:032x}")


def known(scan: ScanResult, *bugs: int, **changes: Any) -> ScanResult:
    """Return a scan whose findings are of the given bugs (all of the first for none), each a happening of its own."""
    of = [*bugs, *([1] * (len(scan.findings) - len(bugs)))]
    findings = [replace(f, fingerprint=keys(of[i], i), **changes) for i, f in enumerate(scan.findings)]
    return ScanResult(scan.traces, scan.windows, findings)


def everything(path: str = "logs/vm.log") -> ScanResult:
    """Return a scan that has something of everything: one finding, what is open, what is blind, troubles."""
    trace = summary(
        path,
        gaps=[
            Gap("dropped", 3, 100, 4, 0, None, "records were dropped"),
            Gap("cut", 9, 400, 7, 0, 1, "the end is cut"),
        ],
        unjudged=[Unjudged("mirror-final-drain-guest-io", "no job looks", (("a", "b"), ("c",)))],
    )
    trace.refused_lines = 2
    trace.refused = [RefusedLine(5, 321, "mirror_exit bs {nil}\n            ^ expected a pointer")]
    trace.coverage = [
        RuleCoverage(EXIT_RULE, 3, 0, "", (), must_judge=True),
        RuleCoverage("external-off-kick", 2, 2, "", ()),
        RuleCoverage("drained-node-job-io", 0, 0, "not traced", (("bdrv_drained_begin",),), fell_short=True),
        RuleCoverage("blk-detached-under-io", 0, 0, "no window of it was opened", ()),
        RuleCoverage("instant-drain-guest-io", 0, 0, "windows of it are not judged: no times", (), fell_short=True),
        RuleCoverage("drained-node-guest-io", 0, 0, "another rule tells what its windows have", ()),
    ]
    trace.host, trace.vm, trace.digest = "rack7", "web-1", "d" * 32
    read = request(Op.READ, at=mark(11, 20, event="blk_aio_readv"))
    broken = window(read, request(context="iohandler_ctx"), request(held_back=True, device=""))
    return known(result(broken, unclear(), unclear(close=None), trace=trace))


def unclear(**changes: Any) -> Window:
    """Return a window that could not be judged."""
    return window(**{"verdict": Verdict.INCONCLUSIVE, "reason": "records were dropped in it", **changes})
