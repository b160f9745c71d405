"""What a store gives back, small: a finding, an occurrence of it with the document of a real scan, its scan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.report import request, result, window
from traceview.findings import Window
from traceview.report.machine import scan_document
from traceview.rules import EXIT_RULE, load_rules
from traceview.store.model import (
    HistoryEntry,
    ScanNote,
    StoredFinding,
    StoredOccurrence,
    StoredScan,
    StoreStats,
    TriageState,
)

FIRST = datetime(2026, 11, 20, 3, 12, tzinfo=UTC)
LAST = datetime(2026, 11, 28, 3, 10, 30, tzinfo=UTC)
IDENTITY, INSTANCE = f"v1-{'ab' * 16}", f"v1-{'cd' * 16}"
RULE = load_rules()[EXIT_RULE]
TREE = "\n".join((
    "    main_loop_wait # 166                     line 342     -16 µs",
    "(a)     block_job_defer_to_main_loop         line 347       0 µs",
    "(b)       blk_aio_writev                     line 354     +43 µs",
    "(c)     mirror_exit                          line 371    +626 µs",
))  # fmt: skip


def finding(**changes: Any) -> StoredFinding:
    """Return a finding that was seen three times in two VMs."""
    plain = StoredFinding(
        id=3, identity=IDENTITY, identities=(IDENTITY,), group=f"v1-{'ef' * 16}", rule=EXIT_RULE, rule_version=1,
        title=RULE.title, label=RULE.label, severity="data-loss", certain=True, device_kind="virtio-blk",
        shape="case-1", state=TriageState.NEW, fixed_in="", reason="", until=None, first_seen=FIRST, last_seen=LAST,
        occurrences=3, traces=2, vms=("vm1", "vm2"), hosts=("host1",), releases=("2.6",), links=(), merged_into=None,
        lost_bytes=4096,
    )  # fmt: skip
    return replace(plain, **changes)


def note(**changes: Any) -> ScanNote:
    """Return the note of a scan of QEMU 2.6's trace."""
    plain = ScanNote(
        trace="/logs/vm1.log", digest="d1", format="log", host="host1", vm="vm1", qemu="2.6", since="2.6", until="2.6",
        options={}, traceview="0.1.0", events=100, other_lines=0, gaps=0, inconclusive=False, command_line="", rules=(),
    )  # fmt: skip
    return replace(plain, **changes)


def document(found: Window | None = None) -> dict[str, Any]:
    """Return the finding and the window of a scan, as its JSON has them."""
    whole = scan_document(result(found if found is not None else window(request())))
    return {"finding": whole["findings"][0], "window": whole["windows"][0]}


def scan(of: ScanNote | None = None, **changes: Any) -> StoredScan:
    """Return a scan that has ended."""
    return replace(StoredScan("s1", "r1", of if of is not None else note(), FIRST, LAST), **changes)


def occurrence(of: ScanNote | None = None, **changes: Any) -> StoredOccurrence:
    """Return an occurrence, with its call tree."""
    plain = StoredOccurrence(
        instance=INSTANCE, severity="data-loss", certain=True, seen_at=FIRST, lost_bytes=4096, scan=scan(of),
        document=document(), interleaving=TREE, suppressed="",
    )  # fmt: skip
    return replace(plain, **changes)


def entry(what: str = "note", text: str = "the customer was told", who: str = "eva") -> HistoryEntry:
    """Return an entry of a finding's history."""
    return HistoryEntry(LAST, who, what, text)


def stats(**changes: Any) -> StoreStats:
    """Return the figures of a store with three findings."""
    plain = StoreStats(
        by_state={"new": 2, "known": 1}, by_rule={EXIT_RULE: 2, "drained-node-guest-io": 1}, by_vm={"vm1": 3, "": 1},
        by_host={"host1": 3}, by_release={"2.6": (1200, 3), "10.0": (5, 0), "": (7, 1)}, scans=12, unfinished=(),
        occurrences=9, outbox_pending=0,
    )  # fmt: skip
    return replace(plain, **changes)
