"""A store with what the samples hold, for the commands of ``traceview triage``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.cli import SAMPLES
from traceview.fleet import scan_all
from traceview.rules import load_rules
from traceview.store import Store, open_store
from traceview.triage import Recorder

NIGHT = datetime(2026, 11, 20, 3, 12, tzinfo=UTC)
SAMPLE_NAMES = ("lp1570134-case-1", "lp1570134-case-2", "stock-4.1-ide-lost-write", "second-door", "fixed")
COMMAND_LINE = "/usr/bin/qemu-system-x86_64 -name guest=shop -m 4G"


def recorded(where: Path | str, *paths: Path, vm: str | None = None, webhooks: tuple[str, ...] = ()) -> Store:
    """Record scans in a store, as a nightly job does, and return it."""
    store = open_store(where, clock=lambda: NIGHT)
    rules = load_rules(plugins=False)
    with store.run(host="hyper-1", webhooks=webhooks) as run:
        recorder = Recorder(store, run, rules, "0.1.0")
        scan_all(paths, rules=rules, host="hyper-1", vm=vm, on_trace=recorder.begin, on_result=recorder.take)
    return store


def copied_to(folder: Path) -> Path:
    """Return the file of a store in a test's own folder, with what the samples hold.

    Finding 1 is of case 1, 2 of case 2, 3 of stock QEMU 4.1 (IDE), 4 of the second door. It is made once a session,
    beside the folders of its tests.
    """
    whole = folder.parent / "triaged.sqlite"
    if not whole.exists():
        recorded(whole, *(SAMPLES / name / "trace.log" for name in SAMPLE_NAMES))
    target = folder / "findings.sqlite"
    with closing(sqlite3.connect(whole)) as made, closing(sqlite3.connect(target)) as copy:
        made.backup(copy)
    return target
