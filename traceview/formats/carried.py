"""Traces whose lines carry what the log backend prints, ``NAME FMT``, behind a prefix that others put before it.

A *carrier* says what such a line looks like: one regular expression, read off the format's grammar, and what its groups
mean. What stands behind the prefix is decoded by the plans of the event, as the log's is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from traceview.events import NO_THREAD, EventBatch, ReadStats
from traceview.formats.base import BATCH_ROWS, FormsOf, MakeReader, Reader, Wanted, note_cut
from traceview.formats.builder import BatchBuilder
from traceview.formats.declarations import Declarations
from traceview.formats.log_blocks import Blocks, Fault
from traceview.formats.log_events import is_likely_name
from traceview.formats.order import Order
from traceview.source import ByteSource, ReadInto

__all__ = [
    "NAME", "PREFIXED", "TEXT", "CarriedReader", "Carrier", "Lines", "Loss", "MakeLines",
    "ended", "read_lines", "read_source", "reader_of", "share_of_records", "thread_of",
]  # fmt: skip

NAME, TEXT = "name_NAME", "value_TEXT"
"""The groups of a carrier's expressions that hold the event's name and what stands behind the name and a blank."""
PREFIXED = ("prefix_THREAD", "prefix_SECONDS", "prefix_MICROSECONDS")
"""The groups of the log backend's own prefix, where a carrier's line has it before the name."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a line says of records that are missing: how many (None: not known), and where else before the line.

    `reach` is how many of the records before the line have come since the last place where nothing was missing.
    """

    text: str
    count: int | None = None
    reach: int = 0


class Carrier(Protocol):
    """What the lines of one trace look like. It is made for one reading, and may keep what earlier lines said."""

    line: re.Pattern[bytes]
    """Matches a whole line that may be a record, in multi-line mode; groups `NAME` and `TEXT`."""
    inside: re.Pattern[bytes]
    """Finds the prefix, the name and the blank behind it in the middle of a line; the same groups but `TEXT`."""
    hints: tuple[bytes, ...]
    """What begins in the middle of a line holds one of these."""
    sure_start: bool
    """Whether what stands before a line's beginning, in the middle of another, cannot be taken for a part of it."""
    cut_from: int
    """A record's ``NAME FMT`` of so many bytes may have been cut."""
    lossless: bool
    """Whether no record is missing without a mark: then a damaged line is looked for what it may have been."""

    def moment(self, match: re.Match[bytes], record: int, glued: bool) -> tuple[int, int]:
        """Return time (ns) and thread of a record by its prefix in `match`; `glued` if it stands behind other text."""
        ...

    def strand(self, match: re.Match[bytes]) -> bytes | None:
        """Return what the record belongs to of which all lines stand in the order of their times, None for nothing."""
        ...

    def spread(self, match: re.Match[bytes], text: bytes) -> tuple[bytes, int]:
        """Return what QEMU wrote behind the name, and for how many records the line stands; 0 for cut ones."""
        ...

    def loss(self, line: bytes, records: int) -> Loss | None:
        """Return what a line that is no record says of missing ones, where it does; `records` were read before it."""
        ...

    def suspect(self, line: bytes) -> bool:
        """Say whether a line that is no record must have been one before it was damaged."""
        ...


class Lines(Protocol):
    """Takes the lines of a text, block by block."""

    builder: BatchBuilder

    @property
    def stats(self) -> ReadStats:
        """What was met so far."""
        ...

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        ...

    def take_fault(self, fault: Fault) -> None:
        """Take what is no line."""
        ...

    def take_unfinished(self, line: bytes, base: int) -> None:
        """Take the last line, which lacks its end."""
        ...

    def finish(self) -> None:
        """Take the end, and leave in `stats` what names were met; it may be called again for what came since."""
        ...


MakeLines = Callable[[FormsOf, Declarations | None, Wanted, ReadStats], Lines]
"""Makes what takes the lines of one reading."""


class CarriedReader:
    """Reads one trace by its lines. Never raises for what stands in the file."""

    def __init__(
        self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, make_lines: MakeLines,
        stats: ReadStats,
    ) -> None:  # fmt: skip
        self.stats = stats
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        self._make_lines = make_lines

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        lines = self._make_lines(self._forms_of, self._declarations, wanted, self.stats)
        return read_source(self._source, lines)


def reader_of(make_lines: MakeLines, make_stats: Callable[[], ReadStats] = ReadStats) -> MakeReader:
    """Return what builds the readers of a format of lines; there is no work for other threads in them."""

    def make(source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, jobs: int = 1) -> Reader:  # noqa: ARG001
        return CarriedReader(source, forms_of, declarations, make_lines, make_stats())

    return make


def read_source(source: ByteSource, lines: Lines) -> Iterator[EventBatch]:
    """Give a source's lines to `lines`, and yield what it collects; what changed places is told (`Order`)."""
    order = Order(lines.stats)
    with source.reading() as read_into:
        batches = read_lines(read_into, source.chunk_bytes, lines, lambda at: note_cut(source, lines.stats, at))
        yield from order.watch(batches)
    order.finish()


def read_lines(
    read_into: ReadInto, block_bytes: int, lines: Lines, at_end: Callable[[int], None]
) -> Iterator[EventBatch]:
    """Give all lines to `lines`, and yield what it collects; `at_end` is told where the bytes end."""
    stats = lines.stats
    blocks = Blocks(read_into, block_bytes)
    for block in blocks:
        for fault in block.faults:
            lines.take_fault(fault)
        lines.take_lines(bytes(block.buffer[: block.size]), block.base)
        blocks.free(block)
        stats.bytes_read = blocks.bytes_read
        if len(lines.builder) >= BATCH_ROWS:
            yield from lines.builder.flush()
    yield from ended(blocks, lines, at_end)


def ended(blocks: Blocks, lines: Lines, at_end: Callable[[int], None]) -> Iterator[EventBatch]:
    """Give to `lines` what stands behind the last of all blocks, and yield what it has then; `at_end` is told where."""
    for fault in blocks.faults:
        lines.take_fault(fault)
    if blocks.rest:
        lines.take_unfinished(blocks.rest, blocks.rest_at)
    lines.finish()
    at_end(blocks.bytes_read)
    lines.stats.bytes_read = blocks.bytes_read
    yield from lines.builder.flush()


def share_of_records(head: bytes, line: re.Pattern[bytes]) -> tuple[int, int]:
    """Return how many of a head's lines are records of a carrier, by the looks of the event's name, and of how many."""
    lines: Sequence[bytes] = head.split(b"\n")[:-1] or [head]
    matches = (line.match(each) for each in lines)
    return sum(m is not None and is_likely_name(m[NAME]) for m in matches), len(lines)


def thread_of(group: bytes | None) -> int:
    """Return the number of a process or thread, NO_THREAD for none."""
    return NO_THREAD if group is None else int(group)
