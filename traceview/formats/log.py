"""The log backend's text ("stderr" up to QEMU 2.5): from bytes to complete lines; `log_lines` makes records of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from traceview.events import EventBatch, Gap, ReadStats
from traceview.formats.base import BATCH_ROWS, FormatInfo, FormsOf, Wanted, note_cut
from traceview.formats.declarations import Declarations
from traceview.formats.log_grammar import scanner
from traceview.formats.log_lines import LineReader, is_likely_name
from traceview.source import ByteSource

if TYPE_CHECKING:
    from traceview.formats.log_compiled import CompiledLines

__all__ = ["FORMAT", "LogReader"]

MAX_LINE = 1 << 24
"""A line longer than this is no record; it is passed over without being held in memory."""
COMPILED_FROM = 8 << 20
"""The part of a log before this byte is read by the Python path: small logs need not wait for the compiled one."""


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
    """Reads one log. Never raises for what stands in the file: it is counted, kept apart, or marked as a gap."""

    def __init__(self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None) -> None:
        self.stats = ReadStats()
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        self._compiled: CompiledLines | None = None
        self._interpreted = os.environ.get("TRACEVIEW_COMPILED") == "0"

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        lines = LineReader(self._forms_of, self._declarations, wanted, self.stats)
        carry, base = b"", 0
        skipping = False
        for chunk in self._source.chunks():
            self.stats.bytes_read += len(chunk)
            buffer = carry + chunk
            end = buffer.rfind(b"\n") + 1
            if skipping:
                first = buffer.find(b"\n") + 1
                if not first:
                    base, carry = base + len(buffer), b""
                    continue
                base, buffer, end, skipping = base + first, buffer[first:], end - first, False
            if end > MAX_LINE:
                self._block(lines, buffer[:end], base)
            elif end:
                self._take(lines, buffer[:end], base)
            carry, base = buffer[end:], base + end
            if len(carry) > MAX_LINE:
                self._too_long(base)
                base, carry, skipping = base + len(carry), b"", True
            if len(lines.builder) >= BATCH_ROWS:
                yield from lines.builder.flush()
        if carry:
            lines.take_unfinished(carry, base)
        note_cut(self._source, self.stats, base + len(carry))
        yield from lines.builder.flush()
        self.stats.names = {n.decode("ascii"): e.count for n, e in lines.events.items() if e.count}
        self.stats.unknown_names = {n for n in self.stats.names if not lines.events[n.encode()].plans}

    def _take(self, lines: LineReader, block: bytes, base: int) -> None:
        """Take complete lines, compiled where the log is large enough to be worth it."""
        if self._compiled is None and base >= COMPILED_FROM and not self._interpreted:
            self._compiled = _compiled_lines(lines)
            self._interpreted = self._compiled is None
        if self._compiled is None:
            lines.take_lines(block, base)
            return
        self._compiled.take(block, base)
        if not self._compiled.worth_it:
            self._compiled, self._interpreted = None, True

    def _block(self, lines: LineReader, block: bytes, base: int) -> None:
        """Take complete lines of which some may be too long."""
        taken = at = 0
        while at < len(block):
            end = block.index(b"\n", at) + 1
            if end - 1 - at > MAX_LINE:
                if at > taken:
                    self._take(lines, block[taken:at], base + taken)
                self._too_long(base + at)
                taken = end
            at = end
        if taken < len(block):
            self._take(lines, block[taken:], base + taken)

    def _too_long(self, base: int) -> None:
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        text = f"a line of more than {MAX_LINE} bytes was passed over"
        stats.add_gap(Gap("unreadable", stats.records, base, stats.lines, stats.last_ts_ns, None, text))


def _compiled_lines(lines: LineReader) -> CompiledLines | None:
    """Return the compiled path for a log, or None where Numba is not installed."""
    try:
        from traceview.formats.log_compiled import CompiledLines as Lines  # noqa: PLC0415  (slow to import)
    except ImportError:
        return None
    return Lines(lines)


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
