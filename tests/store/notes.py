"""Scans and findings as a store is told of them, made up for the tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from traceview.store import JudgedRule, News, ScanNote, SeenFinding, Store

RULE = "mirror-exit-guest-io"
LOSS, BROKEN = "data-loss", "broken-promise"


class Clock:
    """A clock that stands, until a test moves it."""

    def __init__(self, now: datetime = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


def key(*words: object) -> str:
    """Return a key as fingerprints are, the same for the same words."""
    return "v1-" + hashlib.sha256(repr(words).encode()).hexdigest()[:32]


def judged(
    rule: str = RULE, *, windows: int = 10, violated: int = 0, inconclusive: int = 0, version: int = 1
) -> JudgedRule:
    clean = windows - violated - inconclusive
    return JudgedRule(rule, version, windows, violated, 0, clean, inconclusive, "" if windows else "events are missing")


def note(trace: str = "vm.log", **changes: Any) -> ScanNote:
    """Return a scan of a trace; traces of different names are different ones."""
    given: dict[str, Any] = {
        "trace": f"/var/log/qemu/{trace}",
        "digest": key("trace", trace),
        "format": "log",
        "host": "hv1",
        "vm": "web-3",
        "qemu": "",
        "since": "2.6",
        "until": "2.6",
        "options": {"rules": ["all"], "qemu": None},
        "traceview": "0.1.0",
        "events": 1000,
        "other_lines": 7,
        "gaps": 0,
        "inconclusive": False,
        "command_line": "traceview scan /var/log/qemu",
        "rules": (judged(violated=1),),
    }
    release = changes.pop("release", None)
    if release is not None:
        given |= {"since": release, "until": release, "qemu": release}
    return ScanNote(**given | changes)


def seen(bug: str = "bug", place: object = 1, **changes: Any) -> SeenFinding:
    """Return a finding: `bug` is what it is known by; the same bug in the same place is the same instance."""
    given: dict[str, Any] = {
        "identities": (key("identity", bug),),
        "group": key("group", RULE),
        "instance": key("instance", bug, place),
        "rule": RULE,
        "rule_version": 1,
        "title": "guest I/O after the job left",
        "label": "LP 1570134",
        "severity": LOSS,
        "certain": True,
        "device_kind": "virtio-blk",
        "shape": "case-1",
        "lost_bytes": 4096,
        "document": {"finding": {"rule": RULE}, "window": {"id": 0, "place": repr(place)}},
        "interleaving": f"main_loop_wait # 1 ({bug} {place})",
    }
    return SeenFinding(**given | changes)


def scan(store: Store, *findings: SeenFinding, trace: str = "vm.log", **changes: Any) -> list[News]:
    """Record one trace in a run of its own that ends, and return the news."""
    with store.run(host="hv1") as run:
        return run.record(note(trace, **changes), findings)


def whys(news: Sequence[News]) -> list[tuple[str, str]]:
    """Return what the news are: why, and the severity."""
    return [(n.why.value, n.occurrence.severity) for n in news]
