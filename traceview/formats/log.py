"""The log backend's text ("stderr" up to QEMU 2.5): from bytes to complete lines; `log_lines` makes records of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from traceview.compiled import LOG, kernel_for
from traceview.events import EventBatch, ReadStats
from traceview.formats.base import BATCH_ROWS, FormatInfo, FormsOf, Wanted, note_cut
from traceview.formats.carried import ended
from traceview.formats.declarations import Declarations
from traceview.formats.log_blocks import Blocks
from traceview.formats.log_grammar import scanner
from traceview.formats.log_lines import LineReader, is_likely_name
from traceview.formats.order import Order
from traceview.source import ByteSource

if TYPE_CHECKING:
    from traceview.formats.log_compiled import CompiledLines

__all__ = ["FORMAT", "LogReader"]


def score(head: bytes) -> float:
    """Return how sure it is that `head` is the log backend's: by the share of its lines that are records."""
    lines = head.split(b"\n")[:-1] or [head]
    prefixed = bare = 0
    for line in lines:
        match = scanner().line.match(line)
        if match is None:
            prefixed += scanner().embedded.search(line) is not None
        elif match.start(scanner().name) > 0:
            prefixed += 1
        else:
            bare += is_likely_name(match[scanner().name])
    if prefixed:
        return 0.3 + 0.6 * prefixed / len(lines)
    return 0.1 + 0.5 * bare / len(lines) if bare else 0.0


class LogReader:
    """Reads one log. Never raises for what stands in the file: it is counted, kept apart, or marked as a gap.

    With more than one of `jobs`, other threads scan blocks ahead of this one.
    """

    def __init__(self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, jobs: int = 1) -> None:
        self.stats = ReadStats()
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        self._jobs = jobs

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        lines = LineReader(self._forms_of, self._declarations, wanted, self.stats)
        order = Order(self.stats)
        with self._source.reading() as read_into:
            blocks = Blocks(read_into, self._source.chunk_bytes)
            for _ in self._taken(lines, blocks):
                self.stats.bytes_read = blocks.bytes_read
                if len(lines.builder) >= BATCH_ROWS:
                    yield from order.watch(lines.builder.flush())
        yield from order.watch(ended(blocks, lines, lambda at: note_cut(self._source, self.stats, at)))
        order.finish()

    def _taken(self, lines: LineReader, blocks: Blocks) -> Iterator[None]:
        """Take block after block, compiled from where that is worth it on; yield after each."""
        size = self._source.size() or 0
        remaining = iter(blocks)
        for block in remaining:
            compiled = _compiled_lines(lines, max(size, block.base))
            following = ((block, None),) if compiled is None else compiled.ahead(chain((block,), remaining), self._jobs)
            for each, go in following:
                for fault in each.faults:
                    lines.take_fault(fault)
                if compiled is not None and compiled.worth_it:
                    compiled.take(each, go)
                else:
                    lines.take_lines(bytes(each.buffer[: each.size]), each.base)
                blocks.free(each)
                yield


def _compiled_lines(lines: LineReader, size: int) -> CompiledLines | None:
    """Return the compiled path for a log of at least `size` bytes, or None where there is none that is worth it."""
    function = kernel_for(LOG, size)
    if function is None:
        return None
    from traceview.formats.log_compiled import CompiledLines as Lines  # noqa: PLC0415

    return Lines(lines, function)


FORMAT = FormatInfo(
    id="log",
    title='log backend text ("stderr" up to 2.5)',
    releases="1.0 to 9.0",
    clock="wall clock in microseconds, taken before the line is written; none where the prefix is absent",
    thread="process id (2.3 to 3.1), thread id (from 4.0), none where the prefix is absent",
    loss="none by itself; lines of other writers mix in",
    reference="QEMU scripts/tracetool/backend/log.py, util/log.c",
    score=score,
    make=LogReader,
)
