"""Whose a record is: which life of which QEMU wrote it, where several write to one trace.

What tells it depends on what the trace's thread column holds (`Ids`):

- *processes* (simpletrace, syslog, logs up to QEMU 3.1): each id is a QEMU. Records of id 0, which simpletrace has
  before QEMU knows its own, are of whoever is named next.
- *threads* (logs from 4.0, ftrace, LTTng): two ids that both do what only a main thread does are two QEMUs. What other
  threads do is told by its place: it is of the QEMU that began last.
- *either* (logs whose release is not told): undecided from the second id on, until a record tells the release, for
  `HELD_RECORDS` at most; then they are threads.

In all of them a life ends where a reader saw another begin (libvirt's banner), where the main context is made a second
time, and where the run state is that of a QEMU that has just begun without having become so.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from traceview.detect.beginnings import Registry, Stream
from traceview.events import NO_THREAD, EventBatch, EventForm, Int64Array
from traceview.releases import first_of, last_of
from traceview.vocabulary import Dating, Vocabulary

__all__ = ["HELD_RECORDS", "Ids", "Whose", "ids_of_dating", "ids_of_format"]

HELD_RECORDS = 1 << 17
"""How many records wait for one that tells whether ids are of processes or of threads."""
NAMELESS_RECORDS = 1 << 12
"""So many records of process 0 one after the other wait for one that names their process."""
_PROCESSES_UNTIL, _THREADS_FROM = "3.1", "4.0"


class Ids(enum.Enum):
    """What the thread column of a trace holds."""

    PROCESS = "process"
    THREAD = "thread"
    EITHER = "either"


_IDS = {
    "simpletrace": Ids.PROCESS, "simpletrace-text": Ids.PROCESS, "syslog": Ids.PROCESS, "journald": Ids.PROCESS,
    "stap": Ids.PROCESS, "log": Ids.EITHER, "libvirt": Ids.EITHER,
}  # fmt: skip


def ids_of_format(format_id: str) -> Ids:
    """Return what the thread column of a format holds."""
    return _IDS.get(format_id, Ids.THREAD)


def ids_of_dating(dating: Dating) -> Ids | None:
    """Return what ids are in logs of some releases; None where both can be."""
    span = dating.span
    if span is not None and span.until is not None and last_of(span.until) <= last_of(_PROCESSES_UNTIL):
        return Ids.PROCESS
    if span is not None and span.since is not None and first_of(span.since) >= first_of(_THREADS_FROM):
        return Ids.THREAD
    return None


class Whose:
    """Tells the records of one trace apart by the lives that wrote them, numbered in the order of their beginnings.

    `ids` is what its thread column holds, `text` whether it is text; `starts` and `most` are those of the `registry`.
    Records of lives too many are left out.
    """

    def __init__(
        self, vocabulary: Vocabulary, ids: Ids, most: int, *, text: bool = True,
        starts: Callable[[], Sequence[int]] = tuple,
    ) -> None:  # fmt: skip
        self._vocabulary = vocabulary
        self._ids = ids
        self._text = text
        self.registry = Registry(vocabulary, most, starts)
        self._whole = Stream(self.registry, None, by_id=False)
        self._streams: dict[int, Stream] = {}
        self._first_id: int | None = None
        self._forms: dict[int, EventForm] = {}
        """Those of the records up to the second id, by id()."""
        self._held: list[EventBatch] = []
        self._held_rows = 0
        self._last_id = NO_THREAD

    def feed(self, batch: EventBatch) -> Iterator[tuple[int, EventBatch]]:
        """Yield the records of a batch, each life's apart; some may come later, with those of another batch."""
        if self._ids is Ids.EITHER:
            yield from self._undecided(batch)
        elif self._ids is Ids.PROCESS:
            yield from self._by_process(batch)
        else:
            yield from self._kept(self._whole.feed(batch))

    def finish(self) -> Iterator[tuple[int, EventBatch]]:
        """Yield what is still held when the trace ends."""
        if self._ids is Ids.EITHER and self._held:
            yield from self._decided(self._dated() or Ids.THREAD, self._taken())
        if self._ids is Ids.PROCESS and self._held:
            yield from self._of_process(0, self._taken())
        for stream in (self._whole, *self._streams.values()):
            yield from self._kept(stream.finish())

    @staticmethod
    def _kept(parts: Iterable[tuple[int, EventBatch]]) -> Iterator[tuple[int, EventBatch]]:
        return ((life, part) for life, part in parts if life >= 0)

    def _undecided(self, batch: EventBatch) -> Iterator[tuple[int, EventBatch]]:
        """Take records of which it is not known whether their ids are of processes or of threads."""
        if not self._held:
            second = self._second_id(batch)
            if second:
                before = batch.take(slice(0, second))
                for _ in self._new_forms(before):
                    pass
                yield from self._kept(self._whole.feed(before))
            if second == len(batch):
                return
            batch = batch.take(slice(second, None))
            known = self._dated()
            if known is not None:
                yield from self._decided(known, batch)
                return
        room = HELD_RECORDS - self._held_rows
        batch, rest = batch.take(slice(0, room)), batch.take(slice(room, None))
        self._held.append(batch)
        self._held_rows += len(batch)
        # One form after the other, as they were met: where the batch ends must not tell.
        told = (known for _ in self._new_forms(batch) if (known := self._dated()) is not None)
        known = next(told, Ids.THREAD if self._held_rows == HELD_RECORDS else None)
        if known is not None:
            yield from self._decided(known, self._taken())
            if len(rest):
                yield from self.feed(rest)

    def _second_id(self, batch: EventBatch) -> int:
        """Return the first row of another id than that of the first record; the number of rows if there is none."""
        ids = batch.tid
        if self._first_id is None:
            named = np.flatnonzero(ids != NO_THREAD)
            if not len(named):
                return len(batch)
            self._first_id = int(ids[named[0]])
        others = np.flatnonzero((ids != NO_THREAD) & (ids != self._first_id))
        return int(others[0]) if len(others) else len(batch)

    def _new_forms(self, batch: EventBatch) -> Iterator[EventForm]:
        """Take in the forms that were not met before, one by one, in the order of their first records."""
        codes = [c for c in np.flatnonzero(np.bincount(batch.code)).tolist() if id(batch.forms[c]) not in self._forms]
        for code in sorted(codes, key=lambda c: int(np.argmax(batch.code == c))):
            self._forms[id(batch.forms[code])] = batch.forms[code]
            yield batch.forms[code]

    def _dated(self) -> Ids | None:
        """Return what ids are in the releases that can have written the records met; None where both can be."""
        names = {f.name for f in self._forms.values()}
        return ids_of_dating(self._vocabulary.date(names, self._forms.values(), text=self._text))

    def _decided(self, ids: Ids, batch: EventBatch) -> Iterator[tuple[int, EventBatch]]:
        """Go on with what is known now; what was met before is of one process."""
        self._ids = ids
        if ids is Ids.PROCESS and self._first_id is not None:
            first, self._whole = self._whole, Stream(self.registry, None, by_id=False)
            first.is_of(self._first_id)
            self._streams[self._first_id] = first
            self._last_id = self._first_id
        yield from self.feed(batch)

    def _taken(self) -> EventBatch:
        held, self._held, self._held_rows = self._held, [], 0
        return held[0] if len(held) == 1 else EventBatch.concat(held)

    def _by_process(self, batch: EventBatch) -> Iterator[tuple[int, EventBatch]]:
        if self._held:
            self._held.append(batch)
            batch = self._taken()
        ids = batch.tid
        nameless = len(batch)
        if (ids <= 0).any():
            ids, nameless = self._named_ids(ids)
        if nameless < len(batch):
            self._held = [batch.take(slice(nameless, None))]
            batch, ids = batch.take(slice(0, nameless)), ids[:nameless]
        if not len(batch):
            return
        self._last_id = int(ids[-1])
        if (ids == ids[0]).all():
            yield from self._of_process(int(ids[0]), batch)
            return
        order = np.argsort(ids, kind="stable")
        bounds = np.flatnonzero(np.diff(ids[order])) + 1
        runs = sorted(np.split(order, bounds), key=lambda rows: int(rows[0]))
        for rows in runs:
            process = int(ids[rows[0]])
            if process in self._streams or len(self.registry.lives) < self.registry.most:
                yield from self._of_process(process, batch.take(rows))
            else:
                self.registry.begin(process, int(batch.record[rows[0]]), by_id=True)

    def _named_ids(self, ids: Int64Array) -> tuple[Int64Array, int]:
        """Return whose records are, of id 0 the next one's, without id the last one's; and from where that is open."""
        named, places, size = ids.copy(), np.arange(len(ids)), len(ids)
        following = np.minimum.accumulate(np.where(ids > 0, places, 2 * size + NAMELESS_RECORDS)[::-1])[::-1]
        zeros = np.flatnonzero(ids == 0)
        told = zeros[following[zeros] - zeros <= NAMELESS_RECORDS]
        named[told] = ids[following[told]]
        before = np.maximum.accumulate(np.where(named != NO_THREAD, places, -1))
        without = np.flatnonzero(named == NO_THREAD)
        named[without] = np.where(before[without] >= 0, named[before[without]], self._last_id)
        still_open = zeros[(following[zeros] >= size) & (zeros >= size - NAMELESS_RECORDS)]
        return named, int(still_open[0]) if len(still_open) else size

    def _of_process(self, process: int, batch: EventBatch) -> Iterator[tuple[int, EventBatch]]:
        stream = self._streams.get(process)
        if stream is None:
            told = process if process != NO_THREAD else None
            stream = self._streams[process] = Stream(self.registry, told, by_id=told is not None)
        yield from self._kept(stream.feed(batch))
