"""What violated windows of jobs cost: which bytes the target lacks, and which the job has copied after all."""

from __future__ import annotations

from collections.abc import Iterator

from traceview.detect.candidates import Candidate
from traceview.detect.extents import (
    ANY_DEVICE,
    LossTracker,
    common_extents,
    copied_by_jobs,
    merge_extents,
    written_by_guests,
)
from traceview.findings import Extent, Request, Window
from traceview.timeline.jobs import Job
from traceview.timeline.marks import Mark
from traceview.vocabulary import MeaningTable

__all__ = ["Accounts"]


class Accounts:
    """Follows the windows of one trace, by their index, from their closing on."""

    def __init__(self) -> None:
        self._losses: LossTracker[int] = LossTracker(written_by_guests)
        self._copies: LossTracker[tuple[int, int]] = LossTracker(copied_by_jobs)
        self._of_job: dict[int, list[tuple[int, Candidate]]] = {}
        self._switched: dict[int, int] = {}
        """By the id() of each job that has moved the guest, or come to its end: the record of it."""

    def take(self, index: int, candidate: Candidate) -> None:
        """Take a window that has just closed."""
        job = candidate.job
        self._of_job.setdefault(id(job), []).append((index, candidate))
        if candidate.clause.excuse_copied:
            for request, _, _ in candidate.submitted:
                record, extent = request.mark.record, Extent(request.offset, request.length)
                self._copies.watch((index, record), job.key, record, [extent])
        if id(job) in self._switched:
            # A window in the switch itself: what is written after it reaches the target.
            self._watch(index, candidate, candidate.end_record)

    def moved(self, job: Job, record: int) -> bool:
        """Follow what a job's windows lost, from behind the record of its switch on; return whether that is news.

        What the guest writes to the old source after a window is as lost as what it wrote inside: only from the switch
        on do its writes reach the target.
        """
        if id(job) in self._switched:
            return False
        self._switched[id(job)] = record
        for index, candidate in self._of_job.get(id(job), []):
            self._watch(index, candidate, record)
        return True

    def switch(self, job: Job) -> int | None:
        """Return the record of a job's switch, None where it was not seen."""
        return self._switched.get(id(job))

    def finished(self, job: Job, record: int) -> None:
        """Note that a job is gone at a record: what copies under its pointer from there on is another."""
        self._copies.stop(job.key, record)

    def _watch(self, index: int, candidate: Candidate, since_record: int) -> None:
        written: dict[int, list[Extent]] = {}
        for blk, extent in _changes(candidate):
            written.setdefault(blk, []).append(extent)
        for blk, extents in written.items():
            self._losses.watch(index, blk, since_record, extents)

    def feed(self, table: MeaningTable) -> None:
        """Take the next table of the trace (also the one in which a window was just closed)."""
        self._losses.feed(table)
        self._copies.feed(table)

    def excused(self, index: int, candidate: Candidate) -> set[int]:
        """Return the records of a window's requests whose bytes the job has copied later."""
        if not candidate.clause.excuse_copied:
            return set()
        return {r.mark.record for r, _, _ in candidate.submitted if not self._not_copied(index, candidate, r)}

    def _not_copied(self, index: int, candidate: Candidate, request: Request) -> list[Extent]:
        return self._copies.left((index, request.mark.record), candidate.job.key)

    def lost(self, index: int, candidate: Candidate, blk: int) -> tuple[list[Extent], list[tuple[Extent, Mark]]]:
        """Return what a BlockBackend wrote in a window and the target lacks, and what was made good, with the write.

        Without what the job has copied after all, where that excuses.
        """
        left, made_good = self._losses.left(index, blk), self._losses.made_good(index, blk)
        if self.switch(candidate.job) is None:
            left = merge_extents(e for b, e in _changes(candidate) if b == blk)
        if candidate.clause.excuse_copied:
            changes = [r for r, _, _ in candidate.submitted if r.blk == blk and r.op.changes_data]
            lacked = merge_extents(e for r in changes for e in self._not_copied(index, candidate, r))
            left = common_extents(left, lacked)
            made_good = [(e, mark) for piece, mark in made_good for e in common_extents([piece], lacked)]
        return left, made_good

    def write_into(self, window: Window, index: int, candidate: Candidate, *, one_device: bool) -> None:
        """Write into a window what its job's target still lacks. `one_device` where no other disk can be meant."""
        for blk in {window.requests[i].blk for i in window.violating}:
            left, made_good = self.lost(index, candidate, blk)
            if blk == ANY_DEVICE and not one_device:
                # Whoever wrote there later may have been another disk.
                mine = [window.requests[i] for i in window.violating if window.requests[i].op.changes_data]
                left, made_good = merge_extents(Extent(r.offset, r.length) for r in mine), []
            window.lost += left
            window.rewritten_bytes += sum(e.length for e, _ in made_good)


def _changes(candidate: Candidate) -> Iterator[tuple[int, Extent]]:
    """Yield what may have changed data in a window, with its BlockBackend."""
    for request in [r for r, _, _ in candidate.submitted] + [r for _, r in candidate.nodeless]:
        if request.op.changes_data:
            yield request.blk, Extent(request.offset, request.length)
