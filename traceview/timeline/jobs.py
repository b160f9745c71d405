"""Mirror and active commit jobs, from start to exit: where each one is on its way to the switch of nodes.

Instrumented builds show the deferral and the exit themselves. On stock QEMU 2.12 and newer the job's drained point
(the first entry of its coroutine after the last mirror_before_drain) and the blk_root_attach of the device's
BlockBackend stand in for them. The pointers of mirror_* events, of job_* events and the opaque of the job's
coroutine are the same (QEMU 2.12 and newer), and are recycled: a new start is a new job.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, Row

__all__ = ["Job", "JobTracker", "Step"]

_LIVING = (Meaning.JOB_LOOK, Meaning.JOB_BEFORE_DRAIN, Meaning.JOB_DEFERRED, Meaning.JOB_EXIT)
"""What only a job that has not left yet can do."""


class Step(enum.Enum):
    """What a record did to a job."""

    DEFERRED = "deferred"
    EXITED = "exited"
    SWITCHED = "switched"
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
    before_drain: Mark | None = None
    drained: Mark | None = None
    deferred: Mark | None = None
    exit: Mark | None = None
    pivot: Mark | None = None
    """Where the switch to the target begins (its event is traced at the entry of the function)."""
    exit_done: Mark | None = None
    completed: Mark | None = None
    switched: Mark | None = None
    ended: Mark | None = None
    ret: int | None = None
    to_switch: bool = False
    """Whether its exit was asked to move the guest (should_complete)."""
    pivoted: bool | None = None
    devices: dict[int, Mark | None] = field(default_factory=dict)
    """The guest's BlockBackends on the node (stock builds), with the point at which each was attached anew."""

    @property
    def left(self) -> bool:
        """Whether the job was seen to come to its exit or its switch: it will not run again."""
        return self.exit is not None or self.switched is not None

    @property
    def retain_from(self) -> int | None:
        """The first record that a window of this job may need, or None."""
        if self.left:
            return None
        marks = [m.record for m in (self.last_look, self.before_drain, self.deferred) if m is not None]
        return min(marks) if marks else None


class JobTracker:
    """Follows jobs record by record."""

    MEANINGS = (
        Meaning.JOB_START, Meaning.JOB_IS_COMMIT, Meaning.JOB_LOOK, Meaning.JOB_ACTIVITY, Meaning.JOB_BEFORE_DRAIN,
        Meaning.JOB_DEFERRED, Meaning.JOB_EXIT, Meaning.JOB_EXIT_DONE, Meaning.PIVOT, Meaning.JOB_ENDED,
        Meaning.JOB_COMPLETED, Meaning.JOB_STATE, Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, Meaning.COROUTINE_ENTER,
    )  # fmt: skip

    def __init__(self) -> None:
        self.running: dict[int, Job] = {}
        self._exits: dict[int, list[Job]] = {}
        """The jobs that are in their exit, by thread: exits nest, and a log may hold several processes."""
        self._commits: set[int] = set()
        self._detached: dict[int, tuple[int, int]] = {}
        self._node_of: dict[int, int] = {}
        self._moved: dict[int, tuple[int, list[int]]] = {}

    def feed(self, row: Row) -> Iterator[tuple[Step, Job]]:
        """Take a record of one of `MEANINGS`, in file order; yield what it did."""
        match row.meaning:
            case Meaning.ROOT_DETACH:
                self._node_of.pop(row.role("blk"), None)
                self._detached[row.role("child")] = (row.role("blk"), row.role("node"))
                return
            case Meaning.ROOT_ATTACH:
                yield from self._attach(row)
                return
            case Meaning.PIVOT:
                exits = self._exits.get(row.tid)
                if exits:
                    job = exits[-1]
                    job.pivoted, job.target, job.pivot = True, row.role("target"), Mark.of(row)
                return
            case Meaning.JOB_IS_COMMIT:
                self._commits.add(row.role("job"))
                return
            case Meaning.JOB_START:
                yield from self._start(row, Mark.of(row))
                return
            case Meaning.COROUTINE_ENTER:
                job_or_none = self.running.get(row.role("job"))
                if job_or_none and job_or_none.before_drain and not job_or_none.drained:
                    job_or_none.drained = Mark.of(row)
                return
            case _:
                yield from self._progress(row)

    def finish(self) -> Iterator[Job]:
        """Yield the jobs that the trace leaves unfinished, in the order of their start."""
        yield from self.running.values()
        self.running = {}

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
            job.devices = {b: None for b, n in self._node_of.items() if n == node}
        self.running[key] = job

    def _progress(self, row: Row) -> Iterator[tuple[Step, Job]]:
        if row.meaning is Meaning.JOB_STATE and row.string("state") not in ("concluded", "null"):
            return
        key = row.role("job")
        job = self.running.get(key)
        if job is not None and job.left and row.meaning in _LIVING:
            yield from self._finished(job)  # the pointer is another job's, whose start was not traced
            job = None
        if job is None:
            if row.meaning not in _LIVING:
                return  # of another kind of job, or of one whose end alone is seen
            job = self.running[key] = Job(key)
        mark = Mark.of(row)
        match row.meaning:
            case Meaning.JOB_LOOK:
                job.looks += 1
                job.last_look = mark if row.role("count") == 0 else None
                job.before_drain = job.drained = None
            case Meaning.JOB_ACTIVITY:
                job.before_drain = job.drained = None
            case Meaning.JOB_BEFORE_DRAIN:
                job.before_drain, job.drained = mark, None
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
                    yield from self._finished(job)
            case Meaning.JOB_COMPLETED:
                job.completed, job.ret = mark, row.role("ret")
            case Meaning.JOB_STATE:
                job.ended = mark
                yield from self._finished(job)
            case _:
                pass

    def _attach(self, row: Row) -> Iterator[tuple[Step, Job]]:
        child, blk, node = row.role("child"), row.role("blk"), row.role("node")
        before = self._detached.pop(child, None)
        self._node_of[blk] = node
        if before is None or before[0] != blk:
            return
        old = before[1]
        top, blks = self._moved.get(old, (0, []))
        if top == node:
            blks.append(blk)
        else:
            self._moved[old] = (node, [blk])
        mark = Mark.of(row)
        for job in list(self.running.values()):
            if job.completed is None or job.switched is not None:
                continue
            if not job.devices:  # the trace began after the job: the first to be attached is the device's
                job.devices[blk] = None
            if blk in job.devices and job.devices[blk] is None:
                job.devices[blk] = mark
                job.target = node
                job.pivoted = node != job.node if job.node else None
                if all(job.devices.values()):
                    job.switched = mark
                    yield Step.SWITCHED, job

    def _finished(self, job: Job) -> Iterator[tuple[Step, Job]]:
        for tid, exits in self._exits.items():
            self._exits[tid] = [j for j in exits if j is not job]
        if self.running.get(job.key) is job:
            del self.running[job.key]
            yield Step.FINISHED, job
