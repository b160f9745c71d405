"""What the findings store takes and gives: plain records without a database in them.

All times are UTC. Severities are the words of `traceview.rules.Severity`. Texts come from traces and from people: make
them printable before a terminal sees them.
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

__all__ = [
    "Absence",
    "HistoryEntry",
    "JudgedRule",
    "Letter",
    "News",
    "ScanNote",
    "SeenFinding",
    "StoreStats",
    "StoredFinding",
    "StoredOccurrence",
    "StoredScan",
    "TriageState",
    "Why",
]


class TriageState(enum.StrEnum):
    """What is known of a finding, and what is to be done about it."""

    NEW = "new"
    """Seen, and nobody has looked at it."""
    CONFIRMED = "confirmed"
    """Somebody has looked at it: it is a bug."""
    KNOWN = "known"
    """A bug that is known; `fixed_in` names the first release that has the fix, if there is one."""
    IGNORED = "ignored"
    """Nothing is to be done, for a reason, for good or until a day."""
    FIXED = "fixed"
    """It stays away in the releases that carry the fix."""
    REGRESSED = "regressed"
    """It was seen in a release that should carry the fix."""


class Why(enum.StrEnum):
    """Why a finding is news."""

    NEW = "new"
    REGRESSED = "regressed"
    REOPENED = "reopened"
    """It was ignored until a day that has passed."""
    WORSE = "worse"
    """Its severity rose above any that was seen before: a broken promise became data loss."""


@dataclass(frozen=True, slots=True)
class JudgedRule:
    """What one rule came to in a scan.

    `windows` counts all windows, the clean ones that are not listed as well. Where it is 0 the rule was not judged, and
    `reason` says why.
    """

    rule: str
    version: int
    windows: int
    violated: int
    guarded: int
    clean: int
    inconclusive: int
    reason: str

    @property
    def judged(self) -> int:
        """How many windows got a verdict."""
        return self.windows - self.inconclusive


@dataclass(frozen=True, slots=True)
class SeenFinding:
    """One finding of a scan, as the store takes it.

    `identities` are the keys under which the store may know it, that of the newest algorithm first. `instance` is
    unique for one happening in one trace. `document` has the finding and its window as the scan's JSON has them,
    `interleaving` the call tree as plain text. `suppressed` is the reason of the baseline's line that covers it: such a
    finding is recorded and is no news.
    """

    identities: tuple[str, ...]
    group: str
    instance: str
    rule: str
    rule_version: int
    title: str
    label: str
    severity: str
    certain: bool
    device_kind: str
    shape: str
    lost_bytes: int
    document: dict[str, Any]
    interleaving: str = ""
    suppressed: str = ""


@dataclass(frozen=True, slots=True)
class ScanNote:
    """One trace that was scanned.

    `digest` names the trace and stays the same while the trace grows. `since` and `until` are the releases that may
    have written it, None where that end is not known; `qemu` is what is told of the release, ``""`` if nothing is.
    """

    trace: str
    digest: str
    format: str
    host: str
    vm: str
    qemu: str
    since: str | None
    until: str | None
    options: dict[str, Any]
    traceview: str
    events: int
    other_lines: int
    gaps: int
    inconclusive: bool
    command_line: str
    rules: tuple[JudgedRule, ...]

    @property
    def key(self) -> str:
        """A digest that is equal for two scans of one trace, as long as it was then, that ask the same."""
        asked = {
            "digest": self.digest,
            "events": self.events,
            "other_lines": self.other_lines,
            "options": self.options,
            "traceview": self.traceview,
            "rules": sorted([r.rule, r.version] for r in self.rules),
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredScan:
    """A scan in the store. `finished_at` is None for one that was begun and not recorded; its note is mostly empty."""

    id: str
    run: str
    note: ScanNote
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding in the store, with what all its occurrences come to.

    `identity` is that of the newest algorithm, the first of `identities`; those of findings merged into this one stand
    behind its own. `severity` is the worst seen, `lost_bytes` the most of one occurrence, `certain` whether any was.
    `traces` counts the traces that it was seen in. `merged_into` is the finding that has taken this one in.
    """

    id: int
    identity: str
    identities: tuple[str, ...]
    group: str
    rule: str
    rule_version: int
    title: str
    label: str
    severity: str
    certain: bool
    device_kind: str
    shape: str
    state: TriageState
    fixed_in: str
    reason: str
    until: date | None
    first_seen: datetime
    last_seen: datetime
    occurrences: int
    traces: int
    vms: tuple[str, ...]
    hosts: tuple[str, ...]
    releases: tuple[str, ...]
    links: tuple[str, ...]
    merged_into: int | None
    lost_bytes: int


@dataclass(frozen=True, slots=True)
class StoredOccurrence:
    """One occurrence of a finding; `seen_at` is when it was first recorded, `scan` the scan that tells most of it.

    `interleaving` is kept where it tells more than the store had: with the first occurrence, with one that is worse
    than all before it, and with one that is news.
    """

    instance: str
    severity: str
    certain: bool
    seen_at: datetime
    lost_bytes: int
    scan: StoredScan
    document: dict[str, Any]
    interleaving: str
    suppressed: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Something that happened to a finding; `what` is ``seen``, ``state``, ``note``, ``link`` or ``merge``.

    `who` is ``scan`` for what no person did.
    """

    at: datetime
    who: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class News:
    """A finding of which a team wants to hear, why, and the occurrence that makes it news."""

    why: Why
    finding: StoredFinding
    occurrence: StoredOccurrence


@dataclass(frozen=True, slots=True)
class Absence:
    """Whether a finding stays away in the releases that surely carry the fix (`fixed_in`, ``""`` if none is known).

    `scans` are the traces of such releases in which its rule had windows with a verdict, `windows` those windows,
    `seen_again` its occurrences there. `needed` is how many windows without it make it 95% sure that it is gone, from
    the rate at which it was seen in the windows of other releases.
    """

    fixed_in: str
    scans: int
    windows: int
    needed: int
    seen_again: int
    enough: bool


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What is in a store. Findings are counted by state, rule, VM and host; ``""`` stands for what is not known.

    `by_release` has the windows with a verdict and how many of them are violated; a trace scanned several times
    counts once. `unfinished` are the scans that were begun and not recorded.
    """

    by_state: dict[str, int]
    by_rule: dict[str, int]
    by_vm: dict[str, int]
    by_host: dict[str, int]
    by_release: dict[str, tuple[int, int]]
    scans: int
    unfinished: tuple[StoredScan, ...]
    occurrences: int
    outbox_pending: int


@dataclass(frozen=True, slots=True)
class Letter:
    """News on its way to a URL; `payload` is JSON text, `attempts` counts the tries so far."""

    id: str
    url: str
    payload: str
    created_at: datetime
    attempts: int
    next_try_at: datetime
    last_error: str
    delivered_at: datetime | None
