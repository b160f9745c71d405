"""simpletrace binary files, versions 2, 3 and 4 (QEMU 1.2 to 9.0: trace/simple.c, scripts/simpletrace.py).

Header: u64 ~0, u64 magic, u64 version. A record is u64 event, u64 ts_ns, u32 length (with these 24 bytes), u32 pid
(reserved in version 2), then 8 bytes an argument, or u32 length and bytes for a string. In version 4 each item has a
u64 type before it: 0 maps an id to a name, 1 is a record. Integers are in the byte order of the host.

Here are the header and the reading; `simpletrace_walk` takes records one by one, `simpletrace_compiled` the plain ones
of large files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from traceview.compiled import PADDING, SIMPLETRACE, kernel_for
from traceview.errors import DeclarationsNeededError, UnsupportedVersionError
from traceview.events import NO_LINE, NO_TIME, EventBatch, Gap, ReadStats
from traceview.formats.base import BATCH_ROWS, FormatInfo, FormsOf, Wanted, note_cut
from traceview.formats.declarations import Declarations
from traceview.formats.order import Order
from traceview.formats.simpletrace_walk import RecordWalker
from traceview.source import ByteSource
from traceview.source.ahead import ReadAhead

if TYPE_CHECKING:
    from traceview.formats.simpletrace_compiled import CompiledRecords

__all__ = ["FORMAT", "SimpletraceReader"]

MAGIC = 0xF2B177CB0AA429B4
HEADER_ID = (1 << 64) - 1
FILE_HEADER = 24
_WRITERS = {0: "QEMU 0.14 to 1.1", 1: "no released QEMU (a development tree between 1.1 and 1.2)"}
_RELEASES = {2: "1.2 to 2.0", 3: "2.1 to 2.7", 4: "2.8 and newer"}


def _byte_order(head: bytes) -> str | None:
    for order in ("<", ">"):
        if len(head) >= 16 and struct.unpack_from(f"{order}QQ", head) == (HEADER_ID, MAGIC):
            return order
    return None


def score(head: bytes) -> float:
    """Return 1.0 for the simpletrace magic in either byte order, else 0.0."""
    return 1.0 if _byte_order(head) else 0.0


class SimpletraceReader:
    """Reads one simpletrace file.

    Raises UnsupportedVersionError for versions 0, 1 and above 4, DeclarationsNeededError for version 2 or 3 without
    declarations; `batches` raises DeclarationsMismatchError where records cannot be what was declared.

    With more than one of `jobs`, a thread reads some blocks of a file ahead: only one, as where a record begins is
    known from the one before it.
    """

    def __init__(self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, jobs: int = 1) -> None:
        self.stats = ReadStats()
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        self._jobs = jobs
        head = source.head()
        order = _byte_order(head)
        if order is None:
            raise UnsupportedVersionError(f"{source.name}: not a simpletrace file: its first 16 bytes lack the magic")
        self._order = order
        self.version = struct.unpack_from(f"{order}Q", head, 16)[0] if len(head) >= FILE_HEADER else 4
        self._check_version()

    def _check_version(self) -> None:
        name, version = self._source.name, self.version
        if version in _WRITERS or version > 4:
            writer = _WRITERS.get(version, "a QEMU newer than this traceview")
            raise UnsupportedVersionError(
                f"{name}: simpletrace version {version}, written by {writer}; traceview reads versions 2, 3 and 4 "
                f"(QEMU 1.2 and newer). Read it with that release's scripts/simpletrace.py"
            )
        if version < 4 and self._declarations is None:
            installed = "share/qemu/trace-events (2.2 to 2.6) or share/qemu/trace-events-all (from 2.7)"
            raise DeclarationsNeededError(
                f"{name}: simpletrace version {version} (QEMU {_RELEASES[version]}) numbers its events by the build's "
                f"declarations file: give it with --trace-events FILE. QEMU installs it as {installed}; before 2.2 it "
                f"is only in the source tree. It must be of the very build that wrote the trace"
            )

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        runs = self._runs(wanted)
        # A pipe may be silent for long, and whoever stops early would have to wait for it.
        if self._jobs > 1 and self._source.size() is not None:
            runs = _made_ahead(self._source, runs)
        for run in runs:
            yield from run

    def _runs(self, wanted: Wanted) -> Iterator[list[EventBatch]]:
        """Yield, block after block, the batches that have become full."""
        stats = self.stats
        walker = RecordWalker(
            self._source.name, self.version, self._order, self._forms_of, self._declarations, wanted, stats
        )
        order = Order(stats)
        for _ in self._walk(walker):
            yield list(order.watch(walker.builder.flush())) if len(walker.builder) >= BATCH_ROWS else []
        yield list(order.watch(walker.builder.flush()))
        order.finish()
        for event in (*walker.replaced, *walker.events.values()):
            if event.count:
                stats.names[event.name] = stats.names.get(event.name, 0) + event.count
                if not event.layouts:
                    stats.unknown_names.add(event.name)

    def _walk(self, walker: RecordWalker) -> Iterator[None]:
        """Take block after block, compiled from where that is worth it on; yield after each."""
        stats = self.stats
        size = self._source.size() or 0
        compiled: CompiledRecords | None = None
        buffer = bytearray(self._source.chunk_bytes + PADDING)
        base = filled = 0
        at = FILE_HEADER
        with self._source.reading() as read_into:
            while True:
                if filled == len(buffer) - PADDING:  # an item that is longer than the buffer
                    buffer += bytes(filled)
                with memoryview(buffer) as view:
                    got = read_into(view[filled : len(buffer) - PADDING])
                if not got:
                    break
                stats.bytes_read += got
                filled += got
                if filled < FILE_HEADER and not base:
                    continue
                if compiled is None:
                    compiled = _compiled_records(walker, self._order, max(size, stats.bytes_read))
                at = (compiled or walker).walk(buffer, at, filled, base)
                first = max(walker.needed(base + at) - base, 0)
                walker.keep(buffer, first)
                base += first
                filled -= first
                at -= first
                buffer[:filled] = buffer[first : first + filled]
                yield
        if compiled is not None:
            compiled.finish()
        if base:
            at = walker.finish(buffer, at, filled, base)
            base += at
            filled -= at
        note_cut(self._source, stats, base + filled)
        if filled and not self._source.cut:
            place = "a record" if base else "its header"
            text = f"the file ends {filled} bytes into {place}"
            stats.add_gap(Gap("cut", stats.records, base, NO_LINE, NO_TIME, 1, text, filled))


def _made_ahead(source: ByteSource, runs: Iterator[list[EventBatch]]) -> Iterator[list[EventBatch]]:
    """Yield what there is, made by a thread; the source's `on_bytes` is called in the caller's thread all the same."""
    tell = source.on_bytes
    counts: list[int] = []
    source.on_bytes = counts.append if tell is not None else None
    try:
        with ReadAhead(lambda: next(runs, None)) as ahead:
            while (run := ahead.take()) is not None:
                while tell is not None and counts:
                    tell(counts.pop())
                yield run
    finally:
        source.on_bytes = tell


def _compiled_records(walker: RecordWalker, order: str, size: int) -> CompiledRecords | None:
    """Return the compiled path for a file of at least `size` bytes, or None where there is none that is worth it.

    There is none for the other byte order: such files come from hosts that are rarely traced.
    """
    function = kernel_for(SIMPLETRACE, size) if order == "<" else None
    if function is None:
        return None
    from traceview.formats.simpletrace_compiled import CompiledRecords as Records  # noqa: PLC0415

    return Records(walker, function)


FORMAT = FormatInfo(
    id="simpletrace",
    title="simpletrace binary, versions 2 to 4",
    releases="1.2 to 9.0",
    clock="monotonic nanoseconds, not wall time",
    thread="process id (versions 3 and 4), none (version 2)",
    loss="marked by the writer (dropped records); the tail after a crash is lost without a mark",
    reference="QEMU trace/simple.c, scripts/simpletrace.py",
    score=score,
    make=SimpletraceReader,
    printed=False,
    resolution_ns=100,
)
