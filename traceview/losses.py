"""What was lost, byte by byte: which extents of which disk, in which image they still are, and what is not certain."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from traceview.events import Gap
from traceview.findings import Extent, ScanResult
from traceview.timeline.marks import Mark
from traceview.vocabulary import Op

__all__ = ["Horizon", "Image", "LossState", "Losses", "LostExtent"]


class LossState(enum.StrEnum):
    """What became of bytes that a job left behind on its source, as far as the trace runs."""

    LOST = "lost"
    """The image that the guest is on lacks them."""
    UNCERTAIN = "uncertain"
    """It may lack them: `LostExtent.reason` says what the trace does not tell."""
    REWRITTEN = "rewritten"
    """The guest has written there since: what the old image has is older."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a disk: the node (BDS) of it, 0 where not known, and its file as the trace names it, or ``""``.

    The file's name is trace text: escape it where it is shown.
    """

    node: int
    file: str


@dataclass(frozen=True, slots=True)
class LostExtent:
    """Bytes of one disk that violated windows of one job left on its source.

    `ops` are the operations that changed them, `windows` the indices of the windows in the scan, `written` the first
    record of them. The image `has` has the bytes; `lacks` is the job's target, which does not; `now` is the image that
    the disk is on when the trace ends, which later jobs have copied from `lacks`.
    """

    trace: int
    device: str
    """The device's name, or its BlockBackend's pointer."""
    blk: int
    """The BlockBackend, 0 where the trace does not show it."""
    extent: Extent
    state: LossState
    reason: str
    ops: tuple[Op, ...]
    rules: tuple[str, ...]
    windows: tuple[int, ...]
    job: int
    job_kind: str
    has: Image
    lacks: Image
    now: Image
    written: Mark
    made_good: Mark | None = None
    """The record of the write that made them good, where they were rewritten."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Until when it is known what was rewritten: the last record of a trace (None for none), or a gap before it."""

    last: Mark | None
    gap: Gap | None = None


@dataclass(slots=True)
class Losses:
    """What one or more traces lost. `horizons` has one for each trace of the `scan`."""

    scan: ScanResult = field(default_factory=ScanResult)
    extents: list[LostExtent] = field(default_factory=list)
    horizons: list[Horizon] = field(default_factory=list)

    def of(self, *states: LossState) -> Iterator[LostExtent]:
        """Yield the extents in some states."""
        return (e for e in self.extents if e.state in states)

    def merge(self, other: Losses) -> None:
        """Add what another trace lost behind one's own."""
        traces, windows = len(self.scan.traces), len(self.scan.windows)
        self.scan.merge(other.scan)
        self.extents += [
            replace(e, trace=e.trace + traces, windows=tuple(w + windows for w in e.windows)) for e in other.extents
        ]
        self.horizons += other.horizons
