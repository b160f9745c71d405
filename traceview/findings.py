"""The records of a scan: windows with their verdicts, the requests in them, findings, and what could not be judged."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from traceview.errors import MissingEventsError
from traceview.events import Gap
from traceview.rules import Evidence, Outcome, Severity
from traceview.rules.coverage import RuleCoverage, Unjudged
from traceview.rules.model import SeverityClause, severity_of
from traceview.rules.standing import Standing
from traceview.source.rotated import Member
from traceview.timeline.lives import Life
from traceview.timeline.marks import Mark
from traceview.vocabulary import Dating, MeaningTable, Op

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "Evidence",
    "Extent",
    "Filed",
    "Finding",
    "Fingerprint",
    "Happening",
    "Picture",
    "RefusedLine",
    "Request",
    "RuleCoverage",
    "ScanResult",
    "Severity",
    "Shape",
    "Suppression",
    "TraceSummary",
    "Unjudged",
    "Verdict",
    "Window",
]


class Verdict(enum.StrEnum):
    """What a window comes to."""

    VIOLATED = "violated"
    GUARDED = "guarded"
    CLEAN = "clean"
    INCONCLUSIVE = "inconclusive"


class Shape(enum.StrEnum):
    """Which of the known interleavings of LP 1570134 let the requests in."""

    FIRST_DIAGRAM = "first-diagram"
    CASE_1 = "case-1"
    CASE_2 = "case-2"
    UNCLASSIFIED = "unclassified"


@dataclass(frozen=True, slots=True)
class Request:
    """One guest request in a window.

    `mark` is the record that hands it to the block layer; for a request that was `held_back` (taken up by the device
    and parked until after the window) the record at which the device took it up. `offset` and `length` are in bytes.
    `doubt` says why it may not stand in the window, or not be of this window's node: the record and the window's edge
    are of different threads, and their clocks disagree with the order of the file or are closer than the trace
    resolves; or the trace does not tell which of several devices made it.
    """

    op: Op
    offset: int
    length: int
    blk: int
    device: str
    node: int
    held_back: bool
    mark: Mark
    kick: Mark | None = None
    context: str = ""
    doubt: str = ""

    @property
    def certain(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.doubt


@dataclass(frozen=True, slots=True)
class Happening:
    """Something else than a guest request that breaks a window's promise; `text` is the record (trace text)."""

    mark: Mark
    text: str
    doubt: str = ""

    @property
    def certain(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.doubt


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of a disk, from `offset`, `length` long."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.length


@dataclass(slots=True)
class Window:
    """One window with its verdict; `open` is None where the trace begins inside it, `close` where it ends inside."""

    rule: str
    evidence: Evidence
    verdict: Verdict
    reason: str
    job: int
    job_kind: str
    node: int
    target: int
    pivoted: bool
    open: Mark | None
    close: Mark | None
    shape: Shape | None
    shape_reason: str
    requests: list[Request]
    ends_in_switch: bool = False
    """The trace ends where the switch to the target begins (an abort in it, or a cut): the guest may not be moved."""
    target_image: str = ""
    lost: list[Extent] = field(default_factory=list)
    """What was written in the window of a job that pivoted, less what the same device rewrote since."""
    rewritten_bytes: int = 0
    witness: MeaningTable | None = None
    """The records around the window, where the scan was asked to keep them."""
    trace: int = 0
    subject: str = "job"
    """What the window is about: job, node, blk, ctx, request, device, queue, coroutine or qemu."""
    key: int = 0
    """The pointer that names the subject; that of the job for a job."""
    happenings: list[Happening] = field(default_factory=list)
    """What else breaks the promise."""
    more: int = 0
    """How many requests and happenings were counted and are not listed."""
    severities: tuple[SeverityClause, ...] = ()
    """What the rule says of how bad it is."""
    about: str = ""
    """Where the clause holds by which the window is bounded."""
    opening: str = ""
    closing: str = ""
    """The words of the rule for its opening and its closing."""
    device_kind: str = ""
    """What kind of device made the first request that counts: ide, nvme, scsi, virtio-blk; ``""`` if not known."""
    life: int = 0
    """Which of the trace's lives it is of (`TraceSummary.lives`)."""

    @property
    def duration_ns(self) -> int | None:
        """How long the window stood open; None where an edge is missing or without time."""
        if self.open is None or self.close is None:
            return None
        return self.close.since_ns(self.open)

    @property
    def iterations(self) -> int | None:
        """How many calls of main_loop_wait the window touches; None where they were not traced."""
        if self.open is None or self.close is None or not self.open.iteration:
            return None
        return self.close.iteration - self.open.iteration + 1

    @property
    def violating(self) -> list[int]:
        """The indices of the requests that break the promise."""
        return [i for i, r in enumerate(self.requests) if not r.held_back]

    @property
    def severity(self) -> Severity | None:
        """How bad it is, or None if the window is not violated."""
        if self.verdict is not Verdict.VIOLATED:
            return None
        outcomes = set()
        if self.pivoted and not self.ends_in_switch:
            outcomes.add(Outcome.PIVOTED)
        if any(self.requests[i].op.changes_data for i in self.violating):
            outcomes.add(Outcome.CHANGED)
        return severity_of(self.severities, frozenset(outcomes))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By what a finding is known again, each key with the version of its algorithm (``v1-`` and 32 hexadecimal digits).

    `identity` is that of the bug: the same in another VM, build, format or cut of a trace. `group` is coarser: all that
    one rule finds. `instance` is this happening: in this trace, at these offsets. `older` are the identities by older
    algorithms, so that what was filed under them is found.
    """

    identity: str
    group: str
    instance: str
    older: tuple[str, ...] = ()

    @property
    def identities(self) -> tuple[str, ...]:
        """All identities, that of the newest algorithm first."""
        return (self.identity, *self.older)


@dataclass(frozen=True, slots=True)
class Suppression:
    """The line of a baseline file that covers a finding; `until` is a date (ISO 8601), ``""`` for no end."""

    source: str
    line: int
    reason: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class Filed:
    """Under which number a store of findings has a finding, and in which state (`traceview.store.TriageState`).

    `news` says why a team wants to hear of it (`traceview.store.Why`); ``""`` for one that it has heard of.
    """

    number: int
    state: str
    news: str = ""


class Picture(Protocol):
    """What draws a finding, and tells as a table what it draws."""

    def plot(self, ax: Axes | None) -> Axes:
        """Draw it, into a new figure for None."""
        ...

    def frame(self) -> pd.DataFrame:
        """Return what is drawn as a table."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A violated window, as something to act on. `window` is its index in `ScanResult.windows`.

    `requests` and `happenings` are the indices of those of the window that break the promise.

    `certain` is False where all that speaks for it is only possible: another disk's requests, perhaps, or an order of
    two threads that the trace does not resolve. `standing` is what is known of the release.
    """

    rule: str
    severity: Severity
    window: int
    title: str
    requests: tuple[int, ...]
    references: tuple[str, ...]
    label: str = ""
    certain: bool = True
    standing: Standing | None = None
    happenings: tuple[int, ...] = ()
    rule_version: int = 1
    fingerprint: Fingerprint | None = None
    """By what it is known again; every finding of a scan has one."""
    suppression: Suppression | None = None
    """What covers it, where a baseline does: it is told, and no reason to fail."""
    filed: Filed | None = None
    """Where a store has it, if the scan was recorded in one."""
    picture: Picture | None = field(default=None, compare=False, repr=False)
    """What draws it; a scan of a file gives each of its findings one."""

    @property
    def is_news(self) -> bool:
        """Whether a store says that a team wants to hear of it, and no baseline covers it."""
        return self.suppression is None and self.filed is not None and self.filed.news != ""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the interleaving around the finding; return the axes, which are those of a new figure for None.

        The trace is read anew. Raises MissingEventsError where it cannot be: the finding is of stdin, or of no trace.
        """
        return self._pictured().plot(ax)

    def frame(self) -> pd.DataFrame:
        """Return what `plot` draws as a table (columns: `traceview.scene.table.SCENE_COLUMNS`); raises the same."""
        return self._pictured().frame()

    def _pictured(self) -> Picture:
        if self.picture is None:
            raise MissingEventsError(
                f"{self.title}: cannot be drawn: its trace cannot be read anew; save it to a file and scan that"
            )
        return self.picture


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line whose event is known and whose text is of none of its forms; the grammar's explanation has a caret."""

    line: int
    byte_offset: int
    explanation: str


@dataclass(slots=True)
class TraceSummary:
    """What was read of one trace."""

    path: str
    format: str
    dating: Dating
    events: int
    other_lines: int
    refused_lines: int
    gaps: list[Gap]
    missing_events: list[str]
    unjudged: list[Unjudged]
    contexts: dict[int, str] = field(default_factory=dict)
    """The names of the AioContexts, by pointer."""
    refused: list[RefusedLine] = field(default_factory=list)
    """The first of the refused lines, explained."""
    coverage: list[RuleCoverage] = field(default_factory=list)
    """What each rule came to."""
    digest: str = ""
    """By what the trace is known again (`traceview.fingerprints.trace_digest`)."""
    host: str = ""
    vm: str = ""
    """Where it comes from, as far as whoever asked for the scan says so."""
    lives: list[Life] = field(default_factory=list)
    """The QEMUs that wrote it, in the order of their beginnings; none where it has no record that a scan reads."""
    members: list[Member] = field(default_factory=list)
    """The files that it lies in, where these are several, the oldest first."""
    notes: list[str] = field(default_factory=list)
    """Which limits were reached, so that something was not looked at (docs/limits.md)."""


@dataclass(slots=True)
class ScanResult:
    """The outcome of a scan over one or more traces."""

    traces: list[TraceSummary] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def count(self, verdict: Verdict) -> int:
        """Return the number of windows with a verdict."""
        return sum(w.verdict is verdict for w in self.windows)

    @property
    def inconclusive(self) -> bool:
        """Whether something that must be judged could not be: a window, or a rule as a whole."""
        return any(self.must_judge(w) for w in self.windows if w.verdict is Verdict.INCONCLUSIVE) or any(
            t.unjudged for t in self.traces
        )

    def must_judge(self, window: Window) -> bool:
        """Say whether a window is of a rule that must be judged."""
        return any(c.must_judge for c in self.traces[window.trace].coverage if c.rule == window.rule)

    def merge(self, other: ScanResult) -> None:
        """Add another result's traces, windows and findings behind one's own."""
        traces, windows = len(self.traces), len(self.windows)
        for window in other.windows:
            window.trace += traces
        self.traces += other.traces
        self.windows += other.windows
        self.findings += [replace(f, window=f.window + windows) for f in other.findings]
