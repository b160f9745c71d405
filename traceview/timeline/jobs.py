"""Mirror and active commit jobs, from start to exit: where each one is on its way to the switch of nodes.

Instrumented builds show the deferral and the exit themselves. On stock QEMU 2.12 and newer the job's drained point
(the first entry of its coroutine after the last mirror_before_drain) and the blk_root_attach of the device's
BlockBackend stand in for them. From 2.8 to 2.11 attachments are not traced: there the guest's requests show that its
BlockBackend is on another node. Up to 2.7 the job's last look at its bitmap and its block_job_cb stand in; the end of
its coroutine, where that is traced, is its deferral. In 2.12 and 3.0 the job tells that it is complete after the
switch, from 3.1 on before it. The pointers of mirror_* events, of job_* events and the opaque of the job's coroutine
are the same, and are recycled: a new start is a new job.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, Row

__all__ = ["MOST_JOBS", "Job", "JobTracker", "Step"]

MOST_JOBS = 1000
"""Jobs followed at once: the one that began first is taken for gone when another begins."""
_MOST_DEVICES = 256
"""BlockBackends that are remembered to have moved from one node to another: the last ones."""
_MOST_COROUTINES = 16 * MOST_JOBS
"""Coroutines of jobs that are known at once: the last ones."""

_LIVING = (Meaning.JOB_LOOK, Meaning.JOB_BEFORE_DRAIN, Meaning.JOB_DEFERRED, Meaning.JOB_EXIT)
"""What only a job that has not left yet can do."""
_QMP_COMPLETED = 5
"""BLOCK_JOB_COMPLETED among the monitor's events of 2.5 to 2.11 (qapi/event.json, in the order of the alphabet)."""
_WORK = (Meaning.JOB_LOOK, Meaning.JOB_ACTIVITY)


class Step(enum.Enum):
    """What a record did to a job."""

    DEFERRED = "deferred"
    EXITED = "exited"
    SWITCHED = "switched"
    MOVED_ON = "moved on"
    FINISHED = "finished"


@dataclass(slots=True)
class Job:
    """One job. Points are None until they are seen; `pivoted` is None until the trace tells."""

    key: int
    """The pointer that names the job."""
    kind: str = "mirror"
    start: Mark | None = None
    node: int = 0
    """The node that is mirrored, as the guest's BlockBackend had it before the job."""
    target: int = 0
    looks: int = 0
    last_look: Mark | None = None
    """The last look at the dirty bitmap, if it found the bitmap clean."""
    running: Mark | None = None
    """The first entry of its coroutine after its start."""
    working: Mark | None = None
    """The first time after its start that it looked at its bitmap or copied: it is set up."""
    before_drain: Mark | None = None
    drained: Mark | None = None
    left_coroutine: Mark | None = None
    """Where its coroutine ended: its exit has been deferred."""
    deferred: Mark | None = None
    exit: Mark | None = None
    pivot: Mark | None = None
    """Where the switch to the target begins (its event is traced at the entry of the function)."""
    exit_done: Mark | None = None
    completed: Mark | None = None
    switched: Mark | None = None
    moved_on: Mark | None = None
    """The first request of the guest's BlockBackend on another node, where attachments are not traced."""
    ended: Mark | None = None
    ret: int | None = None
    cancel_asked: bool = False
    complete_asked: bool = False
    to_switch: bool = False
    """Whether its exit was asked to move the guest (should_complete)."""
    pivoted: bool | None = None
    devices: dict[int, Mark | None] = field(default_factory=dict)
    """The guest's BlockBackends on the node (stock builds), with the point at which each was attached anew."""

    @property
    def left(self) -> bool:
        """Whether the job was seen to come to its exit or its switch: it will not run again."""
        return self.exit is not None or self.switched is not None or self.moved_on is not None

    @property
    def told_by_its_end(self) -> bool:
        """Whether nothing but its end is known of what it came to (stock builds to 2.11)."""
        return self.ended is not None and self.completed is None and self.exit is None and self.pivoted is None

    @property
    def presumed_to_pivot(self) -> bool:
        """Whether a job of which only the end is known must have moved the guest: a good end, and no cancel before it.

        A job that was asked to complete before it was cancelled completes (block/mirror.c: mirror_complete).
        """
        return self.told_by_its_end and self.ret == 0 and (self.complete_asked or not self.cancel_asked)


class JobTracker:
    """Follows jobs record by record."""

    MEANINGS = (
        Meaning.JOB_START, Meaning.JOB_IS_COMMIT, Meaning.JOB_LOOK, Meaning.JOB_ACTIVITY, Meaning.JOB_BEFORE_DRAIN,
        Meaning.JOB_DEFERRED, Meaning.JOB_EXIT, Meaning.JOB_EXIT_DONE, Meaning.PIVOT, Meaning.JOB_ENDED,
        Meaning.JOB_COMPLETED, Meaning.JOB_STATE, Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, Meaning.COROUTINE_ENTER,
        Meaning.COROUTINE_END, Meaning.JOB_CANCEL_ASKED, Meaning.JOB_COMPLETE_ASKED, Meaning.QMP_EVENT,
    )  # fmt: skip

    def __init__(self) -> None:
        self.running: dict[int, Job] = {}
        self._exits: dict[int, list[Job]] = {}
        """The jobs that are in their exit, by thread: exits nest, and a log may hold several processes."""
        self.coroutines: dict[int, int] = {}
        """The coroutines of running jobs, each with its job."""
        self.subject: Job | None = None
        """The job that the last record was about."""
        self._commits: set[int] = set()
        self._detached: dict[int, tuple[int, int]] = {}
        self._node_of: dict[int, int] = {}
        self._moved: dict[int, tuple[int, list[int]]] = {}
        self._node_before: dict[int, int] = {}
        """The node that a BlockBackend's requests reached before the present one, where no attachment tells."""
        self._of_jobs: set[int] = set()
        self._blks_on: dict[int, dict[int, None]] = {}
        """By node, the BlockBackends that were ever known to be on it."""
        self.left_out = 0
        """How many jobs were taken for gone, as too many others had begun."""
        self._detached_seen = False
        self._told: list[Job] = []
        """Jobs that the monitor told to be complete, until a request shows where the guest is."""

    def feed(self, row: Row) -> Iterator[tuple[Step, Job]]:
        """Take a record of one of `MEANINGS`, in file order; yield what it did.

        Of requests it takes those that reach another node than before (`ReachedNodes`).
        """
        self.subject = None
        match row.meaning:
            case Meaning.ROOT_DETACH:
                self._detached_seen = True
                self._node_of.pop(row.role("blk"), None)
                self._detached[row.role("child")] = (row.role("blk"), row.role("node"))
                return
            case Meaning.ROOT_ATTACH:
                yield from self._attach(row)
                return
            case Meaning.PIVOT:
                exits = self._exits.get(row.tid)
                if exits:
                    job = self.subject = exits[-1]
                    job.pivoted, job.target, job.pivot = True, row.role("target"), Mark.of(row)
                return
            case Meaning.JOB_IS_COMMIT:
                self._commits.add(row.role("job"))
                return
            case Meaning.JOB_START:
                yield from self._start(row, Mark.of(row))
                return
            case Meaning.REACH:
                yield from self._reach(row)
                return
            case Meaning.QMP_EVENT:
                if row.role("count") == _QMP_COMPLETED and not self._detached_seen:
                    yield from self._told_complete(Mark.of(row))
                return
            case Meaning.COROUTINE_ENTER:
                self._enter(row)
                return
            case Meaning.COROUTINE_END:
                key = self.coroutines.pop(row.role("coroutine"), None)
                job_or_none = self.subject = self.running.get(key) if key is not None else None
                if job_or_none is not None:
                    job_or_none.left_coroutine = Mark.of(row)
                return
            case Meaning.JOB_CANCEL_ASKED | Meaning.JOB_COMPLETE_ASKED:
                job_or_none = self.subject = self.running.get(row.role("job"))
                if job_or_none is not None:
                    job_or_none.cancel_asked |= row.meaning is Meaning.JOB_CANCEL_ASKED
                    job_or_none.complete_asked |= (
                        row.meaning is Meaning.JOB_COMPLETE_ASKED and not job_or_none.cancel_asked
                    )
                return
            case _:
                yield from self._progress(row)

    @property
    def notes(self) -> list[str]:
        """What the limits left out, in words."""
        words = f"{self.left_out} jobs were not followed to their end: more than {MOST_JOBS} ran at once"
        return [words] if self.left_out else []

    def finish(self) -> Iterator[Job]:
        """Yield the jobs that the trace leaves unfinished, in the order of their start."""
        yield from self.running.values()
        self.running = {}

    def _put(self, blk: int, node: int) -> None:
        """Note which node a BlockBackend is on."""
        self._node_of[blk] = node
        self._blks_on.setdefault(node, {})[blk] = None

    def _make_room(self) -> Iterator[tuple[Step, Job]]:
        """Take the job that began first for gone, where there are too many."""
        if len(self.running) >= MOST_JOBS:
            self.left_out += 1
            yield from self._finished(next(iter(self.running.values())))

    def _enter(self, row: Row) -> None:
        job = self.subject = self.running.get(row.role("job"))
        if job is None:
            return
        if row.role("coroutine"):
            self.coroutines[row.role("coroutine")] = job.key
            if len(self.coroutines) > _MOST_COROUTINES:
                del self.coroutines[next(iter(self.coroutines))]
        if job.start is not None and job.running is None:
            job.running = Mark.of(row)
        if job.before_drain and not job.drained:
            job.drained = Mark.of(row)

    def _start(self, row: Row, mark: Mark) -> Iterator[tuple[Step, Job]]:
        key, node = row.role("job"), row.role("node")
        old = self.running.get(key)
        if old is not None:
            yield from self._finished(old)
        job = Job(key, start=mark, node=node)
        if key in self._commits:
            self._commits.discard(key)
            job.kind = "commit"
        top, blks = self._moved.get(node, (0, []))
        # Before the job starts, QEMU puts its filter above the node: the guest's BlockBackends move there.
        job.devices = {b: None for b in blks if self._node_of.get(b) == top}
        if not job.devices:
            # Where attachments are not traced, the filter may have been reached already.
            job.devices = {
                b: None
                for b in self._blks_on.get(node, ())
                if b in self._node_of
                and node in (self._node_of[b], self._node_before.get(b))
                and b not in self._of_jobs
            }
        yield from self._make_room()
        self.running[key] = self.subject = job
        if row.role("coroutine"):
            self.coroutines[row.role("coroutine")] = key

    def _progress(self, row: Row) -> Iterator[tuple[Step, Job]]:
        key = row.role("job")
        job = self.running.get(key)
        if row.meaning is Meaning.JOB_STATE and row.string("state") not in ("concluded", "null"):
            self.subject = job
            return
        if job is not None and job.left and row.meaning in _LIVING:
            yield from self._finished(job)  # the pointer is another job's, whose start was not traced
            job = None
        if job is None:
            if row.meaning not in _LIVING:
                return  # of another kind of job, or of one whose end alone is seen
            yield from self._make_room()
            job = self.running[key] = Job(key)
        self.subject = job
        mark = Mark.of(row)
        if job.start is not None and job.working is None and row.meaning in _WORK:
            job.working = mark
        match row.meaning:
            case Meaning.JOB_LOOK:
                job.looks += 1
                job.last_look = mark if row.role("count") == 0 else None
                self._copies_on(job)
            case Meaning.JOB_ACTIVITY:
                self._copies_on(job)
            case Meaning.JOB_BEFORE_DRAIN:
                self._copies_on(job)
                job.before_drain = mark
            case Meaning.JOB_DEFERRED:
                job.deferred, job.node = mark, row.role("node")
                yield Step.DEFERRED, job
            case Meaning.JOB_EXIT:
                job.exit, job.node, job.ret = mark, row.role("node"), row.role("ret")
                job.pivoted, job.to_switch = False, row.role("flags") != 0
                self._exits.setdefault(row.tid, []).append(job)
                yield Step.EXITED, job
            case Meaning.JOB_EXIT_DONE:
                job.exit_done = mark
                yield from self._finished(job)
            case Meaning.JOB_ENDED:
                job.ended, job.ret = mark, row.role("ret")
                if job.exit is None:
                    job.node = job.node or row.role("node")
                    yield from self._finished(job)
            case Meaning.JOB_COMPLETED:
                yield from self._complete(job, mark, row.role("ret"))
            case Meaning.JOB_STATE:
                job.ended = mark
                yield from self._finished(job)
            case _:
                pass

    def _attach(self, row: Row) -> Iterator[tuple[Step, Job]]:
        child, blk, node = row.role("child"), row.role("blk"), row.role("node")
        before = self._detached.pop(child, None)
        self._put(blk, node)
        if before is None or before[0] != blk:
            return
        old = before[1]
        top, blks = self._moved.get(old, (0, []))
        if top == node:
            blks.append(blk)
            del blks[:-_MOST_DEVICES]
        else:
            self._moved[old] = (node, [blk])
        mark = Mark.of(row)
        for job in list(self.running.values()):
            if job.switched is not None or (job.completed is None and job.drained is None):
                continue
            if not job.devices and job.completed is not None:
                job.devices[blk] = None  # the trace began after the job: the first to be attached is the device's
            if blk in job.devices and job.devices[blk] is None:
                job.devices[blk] = mark
                job.target = node
                job.pivoted = node != job.node if job.node else None
                if job.completed is not None and all(job.devices.values()):
                    job.switched = mark
                    yield Step.SWITCHED, job

    def _reach(self, row: Row) -> Iterator[tuple[Step, Job]]:
        """Take a request that reaches another node than the last one of its BlockBackend (QEMU 2.8 to 2.11)."""
        blk, node, mark = row.role("blk"), row.role("node"), Mark.of(row)
        before = self._node_of.get(blk)
        self._put(blk, node)
        if before is None:
            if self.running:
                self._of_jobs.add(blk)  # a job's own, as far as one can tell
            return
        self._node_before[blk] = before
        for job in self._told:
            if blk in job.devices:
                job.target, job.pivoted = node, node != job.node
        self._told = [j for j in self._told if blk not in j.devices]
        for job in list(self.running.values()):
            # Before its end, it is only the job's filter that comes to stand between BlockBackend and node.
            if blk in job.devices and job.drained is not None and job.switched is None:
                job.moved_on, job.target, job.pivoted = mark, node, node != job.node
                yield Step.MOVED_ON, job
                yield from self._finished(job)

    def _told_complete(self, mark: Mark) -> Iterator[tuple[Step, Job]]:
        """Take the monitor's word that a job is complete; it names none, so that only one may be at its end."""
        at_end = [j for j in self.running.values() if j.drained is not None and j.completed is None]
        if len(at_end) == 1:
            (job,) = at_end
            job.moved_on = job.ended = mark
            job.ret = 0
            self._told.append(job)
            yield Step.MOVED_ON, job
            yield from self._finished(job)

    def _complete(self, job: Job, mark: Mark, ret: int) -> Iterator[tuple[Step, Job]]:
        """Note that a job tells that it is complete: before the switch, or after it (QEMU 2.12 and 3.0)."""
        job.completed, job.ret = mark, ret
        moved = [m for m in job.devices.values() if m is not None]
        if moved and len(moved) == len(job.devices) and job.switched is None:
            job.switched = max(moved, key=lambda m: m.record)
            yield Step.SWITCHED, job

    def _copies_on(self, job: Job) -> None:
        """Note that a job is not at its end: what looked like it was no more than a try."""
        job.before_drain = job.drained = None
        if job.completed is None and any(job.devices.values()):
            job.devices = dict.fromkeys(job.devices)
            job.target, job.pivoted = 0, None

    def _finished(self, job: Job) -> Iterator[tuple[Step, Job]]:
        if job.exit is not None:
            exits = {tid: [j for j in jobs if j is not job] for tid, jobs in self._exits.items()}
            self._exits = {tid: jobs for tid, jobs in exits.items() if jobs}
        if self.running.get(job.key) is job:
            del self.running[job.key]
            self.coroutines = {co: key for co, key in self.coroutines.items() if key != job.key}
            yield Step.FINISHED, job
