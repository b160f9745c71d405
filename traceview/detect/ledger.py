"""From violated windows to lost extents: what each disk lacks, byte by byte, and what of it is not certain."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from traceview.detect.accounts import Accounts
from traceview.detect.buffer import RowBuffer
from traceview.detect.candidates import Candidate
from traceview.detect.extents import ANY_DEVICE
from traceview.detect.in_flight import InFlight
from traceview.detect.judge import Known
from traceview.detect.moves import Moves, now, replaces
from traceview.detect.pending import LOOK_BACK
from traceview.events import Gap, Int64Array
from traceview.findings import Extent, Request, Verdict, Window
from traceview.losses import Image, LossState, LostExtent
from traceview.releases import ReleaseRange, first_of
from traceview.timeline.jobs import Job
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.timeline.qmp import QmpFiles
from traceview.vocabulary import MeaningTable

__all__ = ["Judged", "Ledger"]

Judged = tuple[int, Candidate, Window]
"""A candidate with its index among them, and the window that it has become."""
_KEPT, _LEFT, _MADE_GOOD = range(3)


@dataclass(slots=True)
class _Group:
    """The windows in which one job left behind what one BlockBackend wrote."""

    job: Job
    blk: int
    members: list[Judged] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Change:
    """A request that changed data in a window, as the index of its candidate, and the number of its window."""

    request: Request
    index: int
    window: int
    rule: str
    doubt: str


class Ledger:
    """Follows what the windows of one trace cost, beside the accounts; `extents` tells it when the trace is read."""

    def __init__(self, accounts: Accounts, names: NameTracker) -> None:
        self.last: Mark | None = None
        """The last record that was taken."""
        self._accounts = accounts
        self._names = names
        self._in_flight = InFlight()
        self._moves = Moves()
        self._files = QmpFiles()
        self._targets: dict[int, str] = {}
        """By the id() of a job, the file that it was told to copy to."""

    def command(self, text: str) -> None:
        """Take a command to the monitor."""
        self._files.feed(text)

    def started(self, job: Job) -> None:
        """Take the start of a job."""
        self._targets[id(job)] = self._files.target_of_next()

    def moved(self, job: Job, record: int) -> None:
        """Take the switch of a job."""
        self._moves.note(job, record, self._targets.get(id(job), ""))

    def take(self, index: int, candidate: Candidate, buffer: RowBuffer) -> None:
        """Take a window that has just closed."""
        changes = [r for r, _, _ in candidate.submitted if r.op.changes_data]
        changes += [r for _, r in candidate.nodeless if r.op.changes_data]
        if changes:
            rows = buffer.between(min(r.mark.record for r in changes) - LOOK_BACK, candidate.end_record)
            assert rows is not None, "the buffer holds the window's requests"
            self._in_flight.watch(index, changes, rows)

    def feed(self, table: MeaningTable) -> None:
        """Take the next table (also the one in which a window was just closed)."""
        self._in_flight.feed(table)
        self.last = Mark.at(table, len(table) - 1)

    def extents(self, judged: Iterable[Judged], windows: Sequence[Window], known: Known) -> list[LostExtent]:
        """Return what was lost, by disk, job and place. `windows` are those of the scan, by which they are counted."""
        numbers = {id(w): i for i, w in enumerate(windows)}
        groups: dict[tuple[int, int], _Group] = {}
        for index, candidate, window in judged:
            if window.verdict is Verdict.VIOLATED and id(window) in numbers and (window.pivoted or window.reason):
                for blk in sorted({r.blk for r in _changes_of(window)}):
                    group = groups.setdefault((id(candidate.job), blk), _Group(candidate.job, blk))
                    group.members.append((index, candidate, window))
        found = [e for group in groups.values() for e in self._of_group(group, numbers, known)]
        return sorted(found, key=lambda e: (e.device, e.windows[0], e.extent.offset))

    def _of_group(self, group: _Group, numbers: dict[int, int], known: Known) -> Iterator[LostExtent]:
        job, blk = group.job, group.blk
        changes = sorted(
            (
                _Change(r, index, numbers[id(window)], window.rule, "" if _was_moved(window) else window.reason)
                for index, _, window in group.members
                for r in _changes_of(window)
                if r.blk == blk
            ),
            key=lambda c: c.request.mark.record,
        )
        left: list[Extent] = []
        made_good: list[tuple[Extent, Mark]] = []
        for index, candidate, _ in group.members:
            more_left, more_good = self._accounts.lost(index, candidate, blk)
            left += more_left
            made_good += more_good
        if blk == ANY_DEVICE and not known.ownership.one_device:
            # Whoever wrote there later may have been another disk.
            left, made_good = [Extent(c.request.offset, c.request.length) for c in changes], []
        switch = self._accounts.switch(job)
        hidden = known.gap_between(switch, sys.maxsize) if switch is not None else None
        has, lacks, at_last = self._images(job, known, sure=not any(w.ends_in_switch for _, _, w in group.members))
        doubts = [self._doubt(c, job, switch, known) or _hidden(hidden) for c in changes]
        for piece in _pieces(changes, doubts, left, made_good):
            own, reason, state = [changes[i] for i in piece.changes], "", LossState.REWRITTEN
            if piece.made_good is None:
                reason = doubts[piece.changes[0]]
                state = LossState.UNCERTAIN if reason else LossState.LOST
            yield LostExtent(
                trace=0, device=own[0].request.device, blk=blk, extent=piece.extent, state=state, reason=reason,
                ops=tuple(sorted({c.request.op for c in own})), rules=tuple(dict.fromkeys(c.rule for c in own)),
                windows=tuple(sorted({c.window for c in own})), job=job.key, job_kind=job.kind, has=has, lacks=lacks,
                now=at_last, written=own[0].request.mark, made_good=piece.made_good,
            )  # fmt: skip

    def _images(self, job: Job, known: Known, *, sure: bool) -> tuple[Image, Image, Image]:
        """Return the image that has what a job lost, the one that lacks it, and the one that the disk is on now."""
        moves = self._moves.told(known.names, known.namer.releases)
        move = next((m for m in moves if m.job is job), None)
        if move is None:
            target = known.names.image(job.target) or self._targets.get(id(job), "")
            return Image(job.node, known.names.image(job.node)), Image(job.target, target), Image(0, "")
        return move.source, move.target, now(moves, move) if sure else Image(0, "")

    def _doubt(self, change: _Change, job: Job, switch: int | None, known: Known) -> str:
        """Say why it is not certain that a request's bytes are on the source and nowhere else, or nothing."""
        request = change.request
        if request.doubt or change.doubt:
            return request.doubt or change.doubt
        ending = self._in_flight.ending(change.index, request.mark.record)
        if not self._in_flight.traced:
            return "the ends of requests are not traced: it may have been in flight at the switch"
        if not ending.known:
            return "the trace does not tell which end is its own: it may have been in flight at the switch"
        if ending.mark is None:
            return "in flight at the switch, and not seen to end"
        if ending.failed:
            return "it ended with an error"
        if switch is not None and ending.mark.record > switch:
            # A node's request that is on its way stays with the node, unless that becomes another under it.
            if request.node != job.node:
                return "in flight at the switch, and the trace does not tell at which node"
            if not _replaced(job, known):
                return "in flight at the switch, where QEMU exchanged the two nodes"
        return ""


def _replaced(job: Job, known: Known) -> bool:
    """Say whether the guest was moved to another node, which the release tells, or what the switch is traced by."""
    event = known.namer.vocabulary.events.get(job.pivot.event) if job.pivot is not None else None
    since = min((since for since, _, _ in event.places), key=first_of, default=None) if event is not None else None
    return replaces(known.namer.releases) or (since is not None and replaces(ReleaseRange(since, None)))


def _was_moved(window: Window) -> bool:
    return window.pivoted and not window.ends_in_switch and not window.reason


def _changes_of(window: Window) -> Iterator[Request]:
    return (window.requests[i] for i in window.violating if window.requests[i].op.changes_data)


def _hidden(gap: Gap | None) -> str:
    return f"records are missing after the switch ({gap.text}): it may have been rewritten" if gap is not None else ""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes that have one fate. `changes` are their last writers, by number and in order, all of one doubt."""

    extent: Extent
    changes: tuple[int, ...]
    made_good: Mark | None


def _pieces(
    changes: Sequence[_Change], doubts: Sequence[str], left: list[Extent], made_good: list[tuple[Extent, Mark]]
) -> Iterator[_Piece]:
    """Yield what was changed and not copied, in stretches of one fate; of several changes the last one counts."""
    requests = [Extent(c.request.offset, c.request.length) for c in changes]
    parts = [*requests, *left, *(e for e, _ in made_good)]
    edges: Int64Array = np.unique(np.array([x for e in parts for x in (e.offset, e.end)], dtype=np.int64))
    writer, fate, mark = (np.full(max(len(edges) - 1, 0), value) for value in (-1, _KEPT, -1))

    def paint(column: Int64Array, extent: Extent, value: int) -> None:
        a, b = np.searchsorted(edges, [extent.offset, extent.end])
        column[a:b] = value

    for i, extent in enumerate(requests):
        paint(writer, extent, i)
    for i, (extent, _) in reversed(list(enumerate(made_good))):
        paint(fate, extent, _MADE_GOOD)
        paint(mark, extent, i)
    for extent in left:
        paint(fate, extent, _LEFT)
    fate[writer < 0] = _KEPT  # of a request that another rule tells of
    start, marks = 0, [m for _, m in made_good]

    def kind(i: int) -> tuple[object, ...]:
        good = marks[mark[i]].record if fate[i] == _MADE_GOOD else -1
        return int(fate[i]), good, doubts[writer[i]] if fate[i] == _LEFT else ""

    for i in range(1, len(writer) + 1):
        if i < len(writer) and kind(i) == kind(start):
            continue
        if fate[start] != _KEPT:
            own = tuple(sorted(set(writer[start:i].tolist())))
            extent = Extent(int(edges[start]), int(edges[i] - edges[start]))
            yield _Piece(extent, own, marks[mark[start]] if fate[start] == _MADE_GOOD else None)
        start = i
