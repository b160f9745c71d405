"""Whole scans at once, and scans that are killed: nothing that was found is lost, and what is new is told."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli import COMMAND, IN_OWN_PROCESS
from tests.disguise import disguised
from tests.store.conftest import NewPlace
from tests.test_fingerprints import SHAPES, around_the_bug
from traceview.store import Store, open_store

SCANNERS = 10
TRACES = 4
"""How many traces each scanner has."""


def vm_log(folder: Path, name: str, seed: int) -> Path:
    """Write the trace of a VM, in which one of the founding bug's shapes happened."""
    path = folder / f"{name}.log"
    path.write_bytes(disguised(*around_the_bug(SHAPES[seed % len(SHAPES)]), seed))
    return path


def scanner(place: str, paths: Sequence[Path], host: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "scan", *map(str, paths), "--rule", "mirror-exit-guest-io", "--store", place, "--fail-on", "new",
         "--host", host],
        env=IN_OWN_PROCESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def counts(store: Store) -> Counter[str]:
    return Counter({f.shape: f.occurrences for f in store.findings()})


def test_ten_scanners_at_once_lose_nothing_and_tell_each_bug_once(new_place: NewPlace, tmp_path: Path) -> None:
    place = new_place()
    logs = {
        f"hyper-{n}": [vm_log(tmp_path, f"vm-{n}-{t}", n * TRACES + t) for t in range(TRACES)] for n in range(SCANNERS)
    }
    running = {host: scanner(place, paths, host) for host, paths in logs.items()}
    told = 0
    for process in running.values():
        out, err = process.communicate(timeout=120)
        assert process.returncode in (0, 1), err.decode()
        told += out.count(b": seen for the first time")
    store = open_store(place)
    assert sum(counts(store).values()) == SCANNERS * TRACES
    assert told == len(store.findings()) == len(SHAPES)
    assert len(store.scans()) == SCANNERS * TRACES
    assert store.stats().unfinished == ()
    seen = Counter(o.scan.note.host for f in store.findings() for o in store.occurrences(f.id))
    assert seen == Counter(dict.fromkeys(logs, TRACES))


@pytest.mark.parametrize("seed", range(2))
def test_a_scan_that_is_killed_is_completed_by_the_next_one_which_tells_what_is_new(
    seed: int, new_place: NewPlace, tmp_path: Path
) -> None:
    paths = [vm_log(tmp_path, f"vm-{n:02}", n) for n in range(12)]
    whole_place, place = new_place(), new_place()
    whole = scanner(whole_place, paths, "hyper-1")
    out, _ = whole.communicate(timeout=120)
    assert whole.returncode == 1
    killed = scanner(place, paths, "hyper-1")
    store = open_store(place)
    enough = random.Random(seed).randrange(1, 9)  # noqa: S311  (no secret)
    deadline = time.monotonic() + 60
    while len([s for s in store.scans() if s.finished_at]) < enough:
        assert killed.poll() is None
        assert time.monotonic() < deadline
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    recorded = [s for s in store.scans() if s.finished_at]
    assert 0 < len(recorded) < len(paths)
    again = scanner(place, paths, "hyper-1")
    completed, err = again.communicate(timeout=120)
    assert again.returncode == 1, err.decode()
    assert completed.count(b": seen for the first time") == out.count(b": seen for the first time")
    assert counts(store) == counts(open_store(whole_place))
    assert len(store.scans()) == len(paths)
    assert store.stats().unfinished == ()
    quiet = scanner(place, paths, "hyper-1")
    quiet.communicate(timeout=120)
    assert quiet.returncode == 0
