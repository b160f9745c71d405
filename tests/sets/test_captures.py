"""Real traces in several files, or several in one file, have the very findings that they have alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CaptureBytes
from tests.sets import PACKERS, dated, numbered, rotate, split_by_thread
from tests.sets.test_rotation import without_files
from tests.timeline.story import trace_of
from traceview.findings import ScanResult
from traceview.fleet import scan_all

pytestmark = pytest.mark.captures

Told = tuple[str, str, str, int | None, int | None, int, int]


def told(result: ScanResult, life: int | None = None) -> Counter[Told]:
    """Return what the windows come to, by the times of their edges, so that it does not matter where they stand."""
    return Counter(
        (
            w.rule, w.verdict.value, w.reason.replace("when QEMU ended", "at the end of the trace"),
            w.open.ts_ns if w.open else None, w.close.ts_ns if w.close else None, len(w.requests), len(w.happenings),
        )
        for w in result.windows
        if life is None or w.life == life
    )  # fmt: skip


@pytest.mark.parametrize(
    "capture",
    ["qemu-2.5.0/mirror-abort", "qemu-2.6.0-rc3/commit-abort", "qemu-7.2.22/stderr-mixed", "qemu-9.0.0/ust-log"],
)
@pytest.mark.parametrize("name", [numbered, dated])
def test_cut_anywhere(capture: str, name: Callable[[int], str], capture_bytes: CaptureBytes, tmp_path: Path) -> None:
    log = capture_bytes(capture, "trace.log")
    chance = random.Random(capture)  # noqa: S311  (the same cuts in each run)
    cuts = chance.sample(range(1, log.count(b"\n")), chance.randint(1, 4))
    rotate(tmp_path / "cut", log, cuts, name, [chance.randrange(len(PACKERS)) for _ in range(5)])
    (tmp_path / "vm.log").write_bytes(log)
    result, whole = scan_all([tmp_path / "cut"]), scan_all([tmp_path / "vm.log"])
    assert without_files(result) == without_files(whole)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("qemu-2.6.0-rc3/commit-abort", "qemu-2.5.0/mirror-abort"),
        ("qemu-4.1.0/mirror-vblk-noioeventfd", "qemu-9.0.0/quad-backends"),
        ("qemu-7.2.22/mirror-ide", "qemu-7.2.22/mirror-throttled"),
        ("qemu-7.2.22/mirror-throttled", "qemu-2.6.0-rc3/commit-abort"),
    ],
)
def test_one_behind_the_other(one: str, other: str, capture_bytes: CaptureBytes) -> None:
    logs = [capture_bytes(c, "trace.log") for c in (one, other)]
    result = trace_of(b"".join(logs)).scan()
    alone = [trace_of(log).scan() for log in logs]
    assert len(result.traces[0].lives) == 2
    assert [told(result, life) for life in (0, 1)] == [told(a) for a in alone]
    assert _identities(result) == _identities(*alone)


def test_without_prefixes_too(capture_bytes: CaptureBytes) -> None:
    log = capture_bytes("qemu-7.2.22/mirror-notimestamp", "trace.log")
    result, alone = trace_of(log * 2).scan(), trace_of(log).scan()
    assert [told(result, life) for life in (0, 1)] == [told(alone)] * 2


def test_at_once_with_other_processes(capture_bytes: CaptureBytes) -> None:
    names = ("qemu-2.6.0-rc3/commit-abort", "qemu-2.5.0/mirror-abort")
    logs = [capture_bytes(c, "trace.log") for c in names]
    # The clock is one where they write at once: the second is told at the time of the first.
    firsts = [int(log[log.index(b"@") + 1 : log.index(b"@") + 11]) for log in logs]
    shift = firsts[0] - firsts[1]
    moved = b"".join(_later(line, shift) for line in logs[1].splitlines(keepends=True))
    chance = random.Random(0)  # noqa: S311
    lines = [logs[0].splitlines(keepends=True), moved.splitlines(keepends=True)]
    order = [0] * len(lines[0]) + [1] * len(lines[1])
    order = sorted(order, key=lambda _: chance.random())
    left = [iter(each) for each in lines]
    turns: list[bytes] = [next(left[i]) for i in order]
    turns.sort(key=_stamp)
    mixed = b"".join(turns)
    result = trace_of(mixed).scan()
    alone = [trace_of(logs[0]).scan(), trace_of(moved).scan()]
    first = {life.process: n for n, life in enumerate(result.traces[0].lives)}
    assert len(first) == 2
    for log, own in zip(logs, alone, strict=True):
        at = log.index(b"@")
        process = int(log[log.rfind(b"\n", 0, at) + 1 : at])
        assert told(result, first[process]) == told(own)
    assert _identities(result) == _identities(*alone)


def _later(line: bytes, seconds: int) -> bytes:
    before, at, rest = line.partition(b"@")
    return b"%b@%d%b" % (before, int(rest[:10]) + seconds, rest[10:]) if at and before.isdigit() else line


def _stamp(line: bytes) -> bytes:
    before, at, rest = line.partition(b"@")
    return rest[:17] if at and before.isdigit() else b""


def _identities(*results: ScanResult) -> Counter[str]:
    return Counter(f.fingerprint.identity for r in results for f in r.findings if f.fingerprint is not None)


@pytest.mark.parametrize(
    "capture",
    ["qemu-7.2.22/mirror-ide", "qemu-7.2.22/mirror-throttled", "qemu-7.2.22/stderr-mixed", "qemu-9.0.0/mirror-iothread",
     "qemu-9.0.0/mirror-vblk-noioeventfd", "qemu-9.0.0/quad-backends"],
)  # fmt: skip
def test_a_file_a_thread(capture: str, capture_bytes: CaptureBytes, tmp_path: Path) -> None:
    log = capture_bytes(capture, "trace.log")
    paths = split_by_thread(tmp_path, log)
    assert len(paths) > 2
    result, whole = scan_all([tmp_path]), trace_of(log).scan()
    assert len(result.traces) == 1
    assert result.traces[0].events == whole.traces[0].events
    assert told(result) == told(whole)
    assert _identities(result) == _identities(whole)
