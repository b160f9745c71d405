"""Blocks of log lines through the compiled kernel; what it leaves goes to the Python path of `formats.log_lines`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from traceview.events import NO_TIME
from traceview.formats.clock import STEP_NS
from traceview.formats.log_blocks import Block
from traceview.formats.log_kernel import CHECKED, STRING_SHIFT, UNKNOWN
from traceview.formats.log_tables import Go, TableBuilder

if TYPE_CHECKING:
    from traceview.formats.log_lines import LineReader

__all__ = ["CompiledLines"]

GIVE_UP_AFTER = 1 << 20
"""Bytes after which a log of which the kernel takes less than half is left to the Python path."""
MOST_JOBS = 8
"""More threads would only wait for what follows them, each with a block in its hands."""
MOST_NAMES = 4096
"""Beyond so many names new ones are not looked out for: they are words of some other output."""


class CompiledLines:
    """Takes the blocks of one log for a `LineReader`. The records that come out are those of the Python path.

    Blocks may be scanned ahead by several threads (`ahead`); they are taken in their order (`take`).
    """

    def __init__(self, reader: LineReader, function: Callable[..., int]) -> None:
        self._reader = reader
        self._builder = TableBuilder(function)
        self._careful = False
        self._taken = self._left = 0
        self.worth_it = True
        """Whether the kernel takes most of what it is given."""

    def ahead(self, blocks: Iterable[Block], jobs: int) -> Iterator[tuple[Block, Go | None]]:
        """Yield blocks in order, each with what was found in it by threads that scan ahead.

        There is one thread less than `jobs` (and `MOST_JOBS`): the caller's has the rest of the work, and scans, too,
        where it would wait. With one job, `take` scans.
        """
        jobs = min(jobs, MOST_JOBS)
        if jobs < 2:
            yield from ((block, None) for block in blocks)
            return
        with ThreadPoolExecutor(jobs - 1, thread_name_prefix="traceview") as pool:
            scanned: deque[tuple[Block, Future[Go]]] = deque()
            for block in blocks:
                if not self.worth_it:
                    yield from self._all(scanned)
                    yield block, None
                    continue
                scanned.append((block, pool.submit(self._go(), block, 0)))
                if len(scanned) > jobs:
                    yield self._first(scanned)
            yield from self._all(scanned)

    def _all(self, scanned: deque[tuple[Block, Future[Go]]]) -> Iterator[tuple[Block, Go]]:
        while scanned:
            yield self._first(scanned)

    def _first(self, scanned: deque[tuple[Block, Future[Go]]]) -> tuple[Block, Go]:
        """Take the first block out, with what was found in it; scan another that waits for a thread meanwhile."""
        first, found = scanned.popleft()
        if not found.done():
            for place, (block, waiting) in enumerate(scanned):
                if waiting.cancel():
                    here: Future[Go] = Future()
                    here.set_result(self._go()(block, 0))
                    scanned[place] = block, here
                    break
        return first, found.result()

    def _go(self) -> Callable[[Block, int], Go]:
        """Return what looks at the lines of a block from a place on; what it finds may end before the block does."""
        learn = len(self._builder.names) < MOST_NAMES
        return partial(self._builder.tables().scan, learn=learn, careful=self._careful)

    def take(self, block: Block, go: Go | None = None) -> None:
        """Take the lines of a block, of which `go` has seen the first."""
        self._learn()
        reader = self._reader
        at = begun = reader.resume(block.buffer, block.size, block.base)
        go = go if at == 0 else None
        while at < block.size:
            go = go or self._go()(block, at)
            if self._begins_with_a_step(go, at):
                place = self._by_hand(block, at)
            else:
                place = self._merge(block, go, at)
                if go.status == UNKNOWN and place == go.end:
                    place = self._by_hand(block, place)
            if place == at:  # too little follows to tell a copy
                break
            at, go = place, None
            self._learn()
        reader.end_block(block.buffer, at, block.size, block.base)
        self._taken += block.size - begun
        if self._taken > GIVE_UP_AFTER:
            self.worth_it = self._taken >= 2 * self._left
            self._taken = self._left = 0

    def _begins_with_a_step(self, go: Go, at: int) -> bool:
        """Say whether the first line was taken by the kernel, and its time is not what the Python path lets pass."""
        last = self._reader.stats.last_ts_ns
        if last == NO_TIME or not go.records or (len(go.stops) and go.stops[0, 0] == at):
            return False
        return not last <= go.first_ts_ns <= last + STEP_NS

    def _by_hand(self, block: Block, at: int) -> int:
        """Give the line at `at` to the Python path; return where to go on."""
        end = block.line_end(at)
        self._left += end - at
        return self._reader.take_part(block.buffer, at, end, block.size, block.base)

    def _merge(self, block: Block, go: Go, begin: int) -> int:
        """Put the records of one go from `begin` on and those of its stops into the reader, in order.

        Returns where to go on: where the go ended, or before, where the Python path has passed over more than a line.
        """
        reader, stats = self._reader, self._reader.stats
        self._careful = go.careful
        met = [(records, b"%d" % thread) for thread, records in go.threads.tolist()]
        record_base, line_base = stats.records, stats.lines
        self._intern(block, go)
        go.place += block.base
        go.line += line_base + 1
        numbered = given = taken = 0
        for place, row, before, line, time in go.stops.tolist():
            go.record[numbered:row] += record_base
            numbered = row
            if before:
                self._begun(go)
            reader.threads.update(name for records, name in met if records < before)
            if before > taken:  # else the last time is that of the stop before
                stats.last_ts_ns = time
                taken = before
            stats.records, stats.lines = record_base + before, line_base + line
            run, held = reader.builder.close(), len(reader.builder)
            reached = self._by_hand(block, place)
            record_base = stats.records - before
            if len(reader.builder) > held or reached != block.line_end(place):  # what was found before goes before that
                self._give(go, given, row, run)
                given = row
            if reached != block.line_end(place):
                if place > begin:
                    self._count(self._go()(Block(block.buffer, place, block.base), begin))
                return reached
        go.record[numbered:] += record_base
        self._give(go, given, len(go.code), reader.builder.close())
        if go.records:
            self._begun(go)
        reader.threads.update(name for _, name in met)
        stats.records, stats.lines = record_base + go.records, line_base + go.lines
        if go.records > taken:
            stats.last_ts_ns = go.last_ts_ns
        self._count(go)
        return go.end

    def _count(self, go: Go) -> None:
        """Add the records that a go took to those of their events."""
        for code in np.flatnonzero(go.counts).tolist():
            self._reader.events[self._builder.names[code]].count += int(go.counts[code])

    def _begun(self, go: Go) -> None:
        """Note that the first record of a go was taken: what stands before it is read as if it were not there."""
        reader = self._reader
        reader.prefixed = True
        if reader.stats.first_ts_ns == NO_TIME:
            reader.stats.first_ts_ns = go.first_ts_ns

    def _give(self, go: Go, first: int, last: int, run: int) -> None:
        if first < last:
            rows = slice(first, last)
            self._reader.builder.extend(
                go.code[rows], go.record[rows], go.line[rows], go.place[rows], go.ts_ns[rows], go.tid[rows],
                go.args[rows], run,
            )  # fmt: skip

    def _intern(self, block: Block, go: Go) -> None:
        """Put the strings of a go's records into the table of strings."""
        intern = self._reader.builder.strings.intern
        for code, slots in self._builder.strings.items():
            for i in np.flatnonzero(go.code == code).tolist():
                for slot in slots:
                    packed = int(go.args[i, slot])
                    at, size = packed >> STRING_SHIFT, packed & ((1 << STRING_SHIFT) - 1)
                    go.args[i, slot] = intern(bytes(block.buffer[at : at + size]))

    def _learn(self) -> None:
        """Give the kernel the names that the Python path has met."""
        for name in list(self._reader.events)[len(self._builder.names) :]:
            event = self._reader.events[name]
            codes = event.code if event.wanted else [CHECKED] * len(event.plans)
            forms = [(p.form, c) for p, c in zip(event.plans, codes, strict=False)] if event.checked else None
            self._builder.add(name, forms)
