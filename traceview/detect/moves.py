"""Which image each disk is on: from job to job, as each moves it from its source to its target."""

from __future__ import annotations

from dataclasses import dataclass

from traceview.losses import Image
from traceview.releases import ReleaseRange, first_of, last_of
from traceview.timeline.jobs import Job
from traceview.timeline.names import NameTracker

__all__ = ["Move", "Moves", "exchanges", "now", "replaces"]

_REPLACES = "2.5"
"""From here on the guest is moved to another node (bdrv_replace_in_backing_chain); before, the two nodes exchange what
they are (bdrv_swap, block.c), so that the guest's keeps its address."""


@dataclass(slots=True)
class Move:
    """One switch: its record, and the images on both sides of it. `exchanged` where nodes keep their addresses."""

    job: Job
    record: int
    source: Image
    target: Image
    exchanged: bool = False

    @property
    def node(self) -> int:
        """The node that the guest is on behind it."""
        return self.source.node if self.exchanged else self.target.node


class Moves:
    """The switches of one trace in their order."""

    def __init__(self) -> None:
        self._noted: list[tuple[Job, int, str]] = []

    def note(self, job: Job, record: int, target_file: str) -> None:
        """Take a switch; `target_file` is what a command said of the target, ``""`` for nothing."""
        self._noted.append((job, record, target_file))

    def told(self, names: NameTracker, releases: ReleaseRange | None) -> list[Move]:
        """Return the switches to other images, of a trace that QEMU of some releases can have written."""
        exchanging = exchanges(releases)
        moves: list[Move] = []
        at_node: dict[int, tuple[str, str]] = {}
        """By node that was exchanged: the file it was opened with, and the one that it has become."""
        for job, record, target_file in self._noted:
            if not (job.pivoted or job.presumed_to_pivot):
                continue
            opened = names.image(job.node, record)
            before, became = at_node.get(job.node, ("", ""))
            source = became if became and before == opened else opened
            target = names.image(job.target, record) or target_file
            moves.append(Move(job, record, Image(job.node, source), Image(job.target, target), exchanging))
            if exchanging:
                at_node[job.node] = opened, target
        return moves


def exchanges(releases: ReleaseRange | None) -> bool:
    """Say whether all of some releases exchange nodes where newer ones replace one."""
    return releases is not None and releases.until is not None and last_of(releases.until) < first_of(_REPLACES)


def replaces(releases: ReleaseRange | None) -> bool:
    """Say whether all of some releases replace nodes by others."""
    return releases is not None and releases.since is not None and first_of(releases.since) >= first_of(_REPLACES)


def now(moves: list[Move], move: Move) -> Image:
    """Return the image that the disk of a move is on when the trace ends: later jobs may have moved it on."""
    last = move
    for later in moves[moves.index(move) + 1 :]:
        if later.job.node == last.node:
            last = later
    return last.target
