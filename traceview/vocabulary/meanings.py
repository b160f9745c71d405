"""What an event can mean to the block layer, and the roles that its arguments can play in that."""

from __future__ import annotations

import enum

__all__ = ["ROLES", "STRING_ROLES", "Meaning", "Op"]


class Meaning(enum.IntEnum):
    """What a record says. The vocabulary's TOML files name these in lower case."""

    NOTHING = 0
    # jobs
    JOB_START = enum.auto()
    JOB_IS_COMMIT = enum.auto()
    JOB_LOOK = enum.auto()  # the job looked at its dirty bitmap: `count` dirty chunks
    JOB_ACTIVITY = enum.auto()  # the job copies, so it is not at its end
    JOB_COPIED = enum.auto()
    JOB_FLUSH = enum.auto()
    JOB_BEFORE_DRAIN = enum.auto()
    JOB_DEFERRED = enum.auto()  # (a) of LP 1570134
    JOB_EXIT_BH = enum.auto()
    JOB_EXIT = enum.auto()  # (c) of LP 1570134
    JOB_EXIT_DONE = enum.auto()
    PIVOT = enum.auto()  # what used the node `node` uses `target` from here on
    JOB_ENDED = enum.auto()
    JOB_COMPLETED = enum.auto()
    JOB_STATE = enum.auto()
    JOB_COMPLETE_ASKED = enum.auto()
    JOB_CANCEL_ASKED = enum.auto()
    JOB_FINALIZE_ASKED = enum.auto()
    JOB_STEP = enum.auto()  # a job that is no mirror reads or writes
    OTHER_JOB_START = enum.auto()
    # devices
    NOTIFIER_READ = enum.auto()
    QUEUE_NOTIFY = enum.auto()
    DEVICE_REQUEST = enum.auto()  # the device model took a guest request up
    REQUESTS_MERGED = enum.auto()
    REQUEST_DONE = enum.auto()
    REQUEST_ANSWERED = enum.auto()
    DMA_START = enum.auto()
    DMA_DONE = enum.auto()
    TMF_START = enum.auto()
    TMF_DONE = enum.auto()
    SCSI_COMMAND = enum.auto()
    SCSI_ANSWERED = enum.auto()
    BUS_DRAINED = enum.auto()
    BUS_DRAINED_END = enum.auto()
    DATAPLANE_START = enum.auto()
    DATAPLANE_STOP = enum.auto()
    NOTIFIER_ATTACHED = enum.auto()
    NOTIFIER_DETACHED = enum.auto()
    INTERRUPT = enum.auto()
    # BlockBackends and nodes
    BLK_NAMED = enum.auto()
    ROOT_ATTACH = enum.auto()
    ROOT_DETACH = enum.auto()
    NODE_OPEN = enum.auto()
    SUBMIT = enum.auto()  # a request is handed to the block layer (blk_aio_*)
    REACH = enum.auto()  # a request reaches the node (blk_co_p*)
    NODE_AIO = enum.auto()  # the same by bdrv_aio_*, with the request's pointer (QEMU to 2.9)
    NODE_IO = enum.auto()
    # exports
    CLIENT_REQUEST = enum.auto()  # a client of an NBD export is about to send a request
    CLIENT_DETACHED = enum.auto()
    CLIENT_ATTACHED = enum.auto()
    # loops and contexts
    CONTEXT_NAME = enum.auto()
    ITERATION = enum.auto()
    ITERATION_DONE = enum.auto()
    LOOP_SLEEP = enum.auto()
    DISPATCH = enum.auto()
    DISPATCH_DONE = enum.auto()
    IOHANDLER_POLL = enum.auto()
    POLL = enum.auto()
    POLL_DONE = enum.auto()
    BH_POLL = enum.auto()
    BH_CALL = enum.auto()
    BH_SCHEDULE = enum.auto()
    EXTERNAL_OFF = enum.auto()
    EXTERNAL_ON = enum.auto()
    DRAINED_BEGIN = enum.auto()
    DRAINED = enum.auto()
    DRAINED_END = enum.auto()
    DRAIN = enum.auto()
    DRAIN_ALL = enum.auto()
    CTX_ATTACHED = enum.auto()
    CTX_DETACHED = enum.auto()
    GRAPH_LOCKED = enum.auto()
    GRAPH_UNLOCKED = enum.auto()
    COROUTINE_ENTER = enum.auto()
    COROUTINE_END = enum.auto()
    COROUTINE_SCHEDULE = enum.auto()
    COROUTINE_SCHEDULE_BH = enum.auto()
    BUSY_POLL = enum.auto()
    BUSY_POLL_DONE = enum.auto()
    # what stands beside
    QMP_COMMAND = enum.auto()
    QMP_RESPONSE = enum.auto()
    QMP_EVENT = enum.auto()
    WORKER_SUBMIT = enum.auto()
    WORKER_DONE = enum.auto()
    FILE_IO = enum.auto()
    RUN_STATE = enum.auto()
    VM_STATE = enum.auto()
    VM_STOPPED = enum.auto()


class Op(enum.IntEnum):
    """The operation of a request."""

    NONE = 0
    READ = 1
    WRITE = 2
    WRITE_ZEROES = 3
    DISCARD = 4
    FLUSH = 5

    @property
    def label(self) -> str:
        """The name in machine formats: ``read``, ``write``, ``write_zeroes``, ``discard``, ``flush``."""
        return self.name.lower()

    @property
    def changes_data(self) -> bool:
        """Whether the guest's data is other than before when the request is done."""
        return self in (Op.WRITE, Op.WRITE_ZEROES, Op.DISCARD)


STRING_ROLES = ("name", "image", "state", "state_before")
"""Roles whose value is an index into the string table."""
ROLES = (
    "node", "target", "blk", "job", "ctx", "bh", "cb", "child", "device", "queue", "request", "coroutine",
    "offset", "length", "count", "ret", "flags", "running", *STRING_ROLES,
)  # fmt: skip
"""Every role: host addresses as int64 of the same bits, offset and length in bytes, the rest as traced."""
