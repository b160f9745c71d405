"""The instrumented captures, cut down to the events that upstream had in that release.

What is left of a trace is what a stock build would have written. The same lost writes must be named from it, by
stand-ins, and a build without the bug stays silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import pytest

from tests.conftest import CapturePath
from tests.test_captures import INSTRUMENTED, NONE, STOCK, request_of, told, truth_of
from tests.timeline.story import FOUNDING, trace_of
from traceview.findings import Evidence, ScanResult, Severity, Verdict
from traceview.releases import release_key
from traceview.rules import EXIT_RULE
from traceview.vocabulary import builtin
from traceview.vocabulary.dating import known_spans

pytestmark = pytest.mark.captures

RELEASE = {"2.4.0": "2.4", "2.5.0": "2.5", "2.6.50": "2.7"}
"""The release whose events a capture is cut down to, by what the build calls itself; 2.6 for all others."""
RECORD = re.compile(rb"\d+@\d+\.\d+:(\w+) ")
REACHED = (b"blk_co_preadv", b"blk_co_pwritev")
SILENT = ("qemu-2.6.50-fixed/mirror",)
"""The build that has the fix."""


@cache
def had(name: str, release: str) -> bool:
    """Say whether a release had an event."""
    event = builtin().events.get(name)
    span = known_spans().get(name) or (event.releases if event is not None else ("1.0", "9.0"))
    return span is not None and release_key(span[0]) <= release_key(release) <= release_key(span[1])


def cut(log: bytes, release: str, without: tuple[bytes, ...] = ()) -> bytes:
    kept = []
    for line in log.splitlines(keepends=True):
        record = RECORD.match(line)
        if record is None or (had(record[1].decode(), release) and record[1] not in without):
            kept.append(line)
    return b"".join(kept)


@dataclass(frozen=True)
class Scanned:
    """A capture that was cut down, and its scan."""

    name: str
    result: ScanResult


_SCANS: dict[tuple[str, str, tuple[bytes, ...]], Scanned] = {}


def scan_of(name: str, capture_path: CapturePath, release: str, without: tuple[bytes, ...] = ()) -> Scanned:
    """Return the scan of a capture that is cut down, made once a session."""
    if name == NONE:
        pytest.skip("the folder holds no capture of this kind")
    key = (name, release, without)
    if key not in _SCANS:
        log = cut(capture_path(name, "trace.log").read_bytes(), release, without)
        _SCANS[key] = Scanned(name, trace_of(log).scan(FOUNDING))
    return _SCANS[key]


@pytest.fixture
def scanned(request: pytest.FixtureRequest, capture_path: CapturePath) -> Scanned:
    name: str = request.param
    release = RELEASE.get(truth_of(name)["qemu"], "2.6") if name != NONE else ""
    return scan_of(name, capture_path, release)


def each(names: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scanned", names or (NONE,), indirect=True)


@each(INSTRUMENTED)
def test_every_write_that_the_guest_saw_lost_is_named_from_stock_events(scanned: Scanned) -> None:
    for report in truth_of(scanned.name)["guest_reported_lost"]:
        named = [
            (window, request)
            for window in scanned.result.windows
            if window.verdict is Verdict.VIOLATED and window.severity is Severity.DATA_LOSS
            for request in window.requests
            if request.op.changes_data and request.offset <= report["offset"] < request.offset + request.length
        ]
        assert named, report


@each(INSTRUMENTED)
def test_all_windows_are_bounded_by_stand_ins(scanned: Scanned) -> None:
    assert scanned.result.windows
    assert {w.evidence for w in scanned.result.windows} == {Evidence.PROXY}
    assert all(w.about for w in scanned.result.windows)


@each(INSTRUMENTED)
def test_a_request_is_certain_where_its_node_is_told_and_possible_where_several_disks_can_be_meant(
    scanned: Scanned,
) -> None:
    for finding in scanned.result.findings:
        window = scanned.result.windows[finding.window]
        counted = [window.requests[i] for i in finding.requests]
        for request in counted:
            # All these guests have two disks, and only from 2.10 on does virtio-blk say which of them it is.
            assert request.certain == (not request.mark.event.startswith("virtio_blk_handle"))
        assert finding.certain == any(r.certain for r in counted)


@each(tuple(n for n in INSTRUMENTED if n == "qemu-2.6.0-rc3/other-disk-busy"))
def test_what_may_have_been_the_other_disk_is_never_certain(scanned: Scanned) -> None:
    assert all(not f.certain for f in scanned.result.findings)


@pytest.mark.parametrize("name", [n for n in INSTRUMENTED if n in SILENT] or [NONE])
@pytest.mark.parametrize("without", [(), REACHED], ids=["reached", "taken up"])
def test_the_build_that_has_the_fix_stays_silent(
    name: str, without: tuple[bytes, ...], capture_path: CapturePath
) -> None:
    scanned = scan_of(name, capture_path, "2.7", without)
    assert scanned.result.findings == []
    assert {w.verdict for w in scanned.result.windows} <= {Verdict.CLEAN, Verdict.GUARDED}


@pytest.mark.parametrize("name", [n for n in STOCK if n.startswith("qemu-4.1.0/")] or [NONE])
def test_what_4_1_shows_is_still_found_with_the_events_of_2_11(name: str, capture_path: CapturePath) -> None:
    scanned = scan_of(name, capture_path, "2.11")
    truth = truth_of(name)
    # A job in whose drain QEMU aborts has no switch to lose anything by: the truth knows nothing of its requests.
    violated = [w for w in scanned.result.windows if w.verdict is Verdict.VIOLATED and w.close is not None]
    assert all(w.severity is Severity.BROKEN_PROMISE for w in scanned.result.windows if w.close is None and w.requests)
    found = sorted(request_of(r)[1:] for w in violated for r in w.requests if not r.held_back)
    executed = [told([x for x in w["executed"] if x["after_drained"]]) for w in truth["windows"]]
    assert found == sorted(r[1:] for requests in executed for r in requests)
    assert {(w.rule, w.evidence) for w in scanned.result.windows} <= {(EXIT_RULE, Evidence.PROXY)}
