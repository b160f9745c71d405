"""Synthetic traces, written by hand: no QEMU ever wrote the lines below, only their forms are real.

A `Story` is told record by record and can be read as a log or as a simpletrace file. Pointers are small and invented;
each verb returns the line on which its record stands (its record number is one less).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.writers import MemorySource
from traceview.api import Trace
from traceview.events import EventBatch, Kind
from traceview.findings import Request, ScanResult, Window
from traceview.formats import format_by_id
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE
from traceview.source import DEFAULT_CHUNK
from traceview.vocabulary import MeaningTable, builtin

MAIN, IOHANDLER, IOTHREAD = 0xC1, 0xC2, 0xC3
"""AioContexts: qemu_aio_context, iohandler_ctx and that of an IOThread."""
DISK, COPY, FILTER, OTHER_DISK = 0xB1, 0xB2, 0xB3, 0xB4
"""Nodes: the mirrored one, the job's target, the filter that a job puts above the disk, a disk of no job."""
DRIVE, OTHER_DRIVE, OWN = 0xD1, 0xD2, 0xD9
"""BlockBackends: those of two guest devices, and one that a job has for itself."""
JOB, JOB2 = 0xA1, 0xA2
VDEV, OTHER_VDEV = 0xE1, 0xE2
VQ = 0xF1
BLOCK = 4096
FOUNDING = (EXIT_RULE, FINAL_DRAIN_RULE)
"""The two rules of LP 1570134, which most of what is told here is about."""

MAIN_THREAD, IO_THREAD = 1000, 1001
START_US = 1_600_000_000_000_000
STEP_US = 10


@dataclass(frozen=True)
class _Record:
    text: str
    tid: int
    us: int


@dataclass(frozen=True)
class _Drop:
    count: int


@dataclass
class Story:
    """A trace in the making; `tid` is whose records follow."""

    tid: int = MAIN_THREAD
    told: list[_Record | _Drop] = field(default_factory=list)
    us: int = 0
    lines: int = 0

    def say(self, text: str, *, tid: int | None = None, us: int | None = None) -> int:
        """Add a record, ten microseconds after the last one or at `us`; return its line."""
        self.us = self.us + STEP_US if us is None else us
        self.told.append(_Record(text, self.tid if tid is None else tid, self.us))
        self.lines += 1
        return self.lines

    def lose(self, count: int = 1) -> None:
        """Let the writer drop records (shown by simpletrace only)."""
        self.told.append(_Drop(count))

    # what an instrumented build tells

    def cast(self) -> Story:
        self.say(f"aio_context_name ctx 0x{MAIN:x} name qemu_aio_context")
        self.say(f"aio_context_name ctx 0x{IOHANDLER:x} name iohandler_ctx")
        self.say(f"blk_attach blk 0x{DRIVE:x} name drive0 bs 0x{DISK:x}")
        self.say(f"blk_attach blk 0x{OTHER_DRIVE:x} name drive1 bs 0x{OTHER_DISK:x}")
        self.say(f"blk_attach blk 0x{OWN:x} name  bs 0x{DISK:x}")
        return self

    def warm_up(self) -> Story:
        """Let the guest read and write once, so that the trace is known to show both."""
        self.read(0x7FFF0000)
        self.write(0x7FFF0000)
        return self

    def start(self, job: int = JOB, node: int = DISK) -> int:
        return self.say(f"mirror_start bs 0x{node:x} s 0x{job:x} opaque (nil)")

    def look(self, job: int = JOB, dirty: int = 0) -> int:
        return self.say(f"mirror_before_sleep s 0x{job:x} dirty count {dirty} synced 1 delay 0ns")

    def copy(self, job: int = JOB, offset: int = 0) -> int:
        return self.say(f"mirror_one_iteration s 0x{job:x} offset {offset} bytes 65536")

    def defer(self, job: int = JOB, node: int = DISK) -> int:
        return self.say(f"block_job_defer_to_main_loop bs 0x{node:x} job 0x{job:x} fn 0x99")

    def exit(self, job: int = JOB, node: int = DISK, ret: int = 0, *, pivots: bool = True) -> int:
        return self.say(f"mirror_exit bs 0x{node:x} job 0x{job:x} ret {ret} should_complete {pivots:d}")

    def pivot(self, node: int = DISK, target: int = COPY) -> int:
        return self.say(f"bdrv_replace_in_backing_chain old 0x{node:x} new 0x{target:x}")

    def exit_done(self, job: int = JOB, node: int = DISK) -> int:
        return self.say(f"mirror_exit_done bs 0x{node:x} job 0x{job:x}")

    def leave(self, job: int = JOB, node: int = DISK, *, pivots: bool = True) -> int:
        """Tell an exit from beginning to end; return the line of its beginning."""
        line = self.exit(job, node, pivots=pivots)
        if pivots:
            self.pivot(node)
        self.exit_done(job, node)
        return line

    def submit(
        self, op: str, offset: int = 0, *, blk: int = DRIVE, node: int = DISK, length: int = BLOCK, request: int = 0,
        tid: int | None = None, us: int | None = None,
    ) -> int:  # fmt: skip
        """Hand a request to the block layer; `op` is preadv, pwritev or pwrite_zeroes."""
        pointer = f"0x{request:x}" if request else "(nil)"
        text = f"blk_aio_{op} blk 0x{blk:x} bs 0x{node:x} offset {offset} bytes {length} opaque {pointer}"
        return self.say(text, tid=tid, us=us)

    def write(self, offset: int = 0, *, blk: int = DRIVE, node: int = DISK, length: int = BLOCK) -> int:
        return self.submit("pwritev", offset, blk=blk, node=node, length=length)

    def read(self, offset: int = 0, *, blk: int = DRIVE, node: int = DISK) -> int:
        return self.submit("preadv", offset, blk=blk, node=node)

    def kick(self, vdev: int = VDEV) -> int:
        return self.say(f"virtio_queue_host_notifier_read vdev 0x{vdev:x} vq 0x{VQ:x} n 0")

    def take_up(self, op: str, offset: int, *, request: int = 0x77, vdev: int = VDEV, tid: int | None = None) -> int:
        """Let the device take up a request of one block; `op` is read or write."""
        text = (
            f"virtio_blk_handle_{op} vdev 0x{vdev:x} req 0x{request:x} sector {offset // 512} nsectors {BLOCK // 512}"
        )
        return self.say(text, tid=tid)

    def iteration(self) -> int:
        return self.say("main_loop_wait nonblocking 0")

    def dispatch(self, ctx: int) -> int:
        return self.say(f"aio_ctx_dispatch ctx 0x{ctx:x}")

    def dispatch_done(self, ctx: int) -> int:
        return self.say(f"aio_ctx_dispatch_done ctx 0x{ctx:x}")

    def poll(self, ctx: int) -> int:
        return self.say(f"aio_poll ctx 0x{ctx:x} blocking 1")

    def poll_done(self, ctx: int) -> int:
        return self.say(f"aio_poll_done ctx 0x{ctx:x} progress 1")

    # what a stock build tells

    def attach(self, blk: int = DRIVE, node: int = DISK, child: int = 0x51) -> int:
        return self.say(f"blk_root_attach child 0x{child:x} blk 0x{blk:x} bs 0x{node:x}")

    def detach(self, blk: int = DRIVE, node: int = DISK, child: int = 0x51) -> int:
        return self.say(f"blk_root_detach child 0x{child:x} blk 0x{blk:x} bs 0x{node:x}")

    def move(self, old: int, new: int, blk: int = DRIVE, child: int = 0x51) -> int:
        """Move a BlockBackend from one node to another; return the line of its attachment."""
        self.detach(blk, old, child)
        return self.attach(blk, new, child)

    def before_drain(self, job: int = JOB, dirty: int = 0) -> int:
        return self.say(f"mirror_before_drain s 0x{job:x} dirty count {dirty}")

    def enter(self, job: int = JOB) -> int:
        return self.say(f"qemu_aio_coroutine_enter ctx 0x{MAIN:x} from 0x1 to 0x2 opaque 0x{job:x}")

    def completed(self, job: int = JOB, ret: int = 0) -> int:
        return self.say(f"job_completed job 0x{job:x} ret {ret}")

    def concluded(self, job: int = JOB, ret: int = 0) -> int:
        text = f"job_state_transition job 0x{job:x} (ret: {ret}) attempting allowed transition (pending-->concluded)"
        return self.say(text)

    def reach(
        self, op: str, offset: int = 0, *, blk: int = DRIVE, node: int = FILTER, flags: int = 0, tid: int | None = None
    ) -> int:
        """Let a request reach a node; `op` is preadv or pwritev."""
        text = f"blk_co_{op} blk 0x{blk:x} bs 0x{node:x} offset {offset} bytes {BLOCK} flags 0x{flags:x}"
        return self.say(text, tid=tid)

    def stock_job(self, job: int = JOB) -> Story:
        """Tell a stock trace up to the point at which a mirror job on the disk is ready to end."""
        self.attach()
        self.reach("preadv", 0x7FFF0000, node=DISK)
        self.reach("pwritev", 0x7FFF0000, node=DISK)
        self.move(DISK, FILTER)
        self.start(job)
        return self

    # reading it

    def log(self, *, prefix: bool = True) -> bytes:
        """Return the story as a log, with or without time and thread."""
        out = []
        for item in self.told:
            assert isinstance(item, _Record), "a log does not show what its writer dropped"
            second, micro = divmod(START_US + item.us, 1_000_000)
            out.append(f"{item.tid}@{second}.{micro:06d}:{item.text}\n" if prefix else f"{item.text}\n")
        return "".join(out).encode()

    def simpletrace(self, *, first_ns: int = 0) -> bytes:
        """Return the story as a simpletrace file of version 4, its clock beginning at `first_ns`."""
        plain = Story(told=[t for t in self.told if isinstance(t, _Record)])
        (batch,) = plain.trace().batches()
        assert len(batch) == len(plain.told), "a line of the story is of no known form"
        out = [struct.pack("<QQQ", (1 << 64) - 1, 0xF2B177CB0AA429B4, 4)]
        for number, form in enumerate(batch.forms):
            name = form.name.encode()
            out.append(struct.pack("<QQI", 0, number, len(name)) + name)
        row = 0
        for item in self.told:
            if isinstance(item, _Drop):
                out.append(struct.pack("<QQQIIQ", 1, (1 << 64) - 2, first_ns, 32, 0, item.count))
                continue
            arguments = _arguments(batch, row)
            head = (1, int(batch.code[row]), first_ns + item.us * 1000, 24 + len(arguments), item.tid)
            out.append(struct.pack("<QQQII", *head) + arguments)
            row += 1
        return b"".join(out)

    def trace(self, *, prefix: bool = True, chunk_bytes: int = DEFAULT_CHUNK) -> Trace:
        """Open the story as a log."""
        return trace_of(self.log(prefix=prefix), chunk_bytes=chunk_bytes)

    def binary(self, *, first_ns: int = 0) -> Trace:
        """Open the story as a simpletrace file."""
        return trace_of(self.simpletrace(first_ns=first_ns), "simpletrace")

    def scan(self, rules: Iterable[str] | None = FOUNDING) -> ScanResult:
        """Scan the story as a log, by the two founding rules unless others are asked for (None: all of the pack)."""
        return self.trace().scan(rules)

    def table(self) -> MeaningTable:
        """Return the story's records with their meanings."""
        return MeaningTable.concat([builtin().interpret(b) for b in self.trace().batches()])


def _arguments(batch: EventBatch, row: int) -> bytes:
    form = batch.forms[int(batch.code[row])]
    out = b""
    for slot, arg in enumerate(form.args):
        value = int(batch.args[row, slot])
        if arg.kind is Kind.STRING:
            text = batch.strings[value].encode()
            out += struct.pack("<I", len(text)) + text
        else:
            out += struct.pack("<q", value)
    return out


def trace_of(data: bytes, form: str = "log", *, chunk_bytes: int = DEFAULT_CHUNK) -> Trace:
    """Open bytes as a trace."""
    return Trace(MemorySource(data, chunk_bytes=chunk_bytes, name="synthetic"), format_by_id(form), None, builtin())


def instrumented() -> Story:
    """Begin the trace of an instrumented build: the names, and guest I/O of both kinds."""
    return Story().cast().warm_up()


def stock() -> Story:
    """Begin the trace of a stock build, with a mirror job that is ready to end."""
    return Story().stock_job()


def exits(result: ScanResult) -> list[Window]:
    """Return the windows between the deferral (or the drained point) and the switch."""
    return [w for w in result.windows if w.rule == EXIT_RULE]


def drains(result: ScanResult) -> list[Window]:
    """Return the windows between the last look at the dirty bitmap and the deferral."""
    return [w for w in result.windows if w.rule == FINAL_DRAIN_RULE]


def edges(window: Window) -> tuple[int | None, int | None]:
    """Return the lines of a window's opening and closing."""
    return window.open.line if window.open else None, window.close.line if window.close else None


def lines(requests: list[Request]) -> list[int]:
    """Return the lines of requests."""
    return [r.mark.line for r in requests]
