"""Where one life of a QEMU ends in a trace and another begins: told by records, or by a banner that a reader saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from traceview.events import NO_THREAD, EventBatch, EventForm, Kind
from traceview.vocabulary import Meaning, Vocabulary

__all__ = ["MAIN_ONLY", "WATCHED", "Beginning", "Registry", "Stream"]

START_RECORDS = 512
"""So many records before the run state shows that a QEMU has begun, its first image may have been opened."""
MAIN_ONLY = frozenset((
    Meaning.JOB_START, Meaning.OTHER_JOB_START, Meaning.NODE_OPEN, Meaning.JOB_COMPLETE_ASKED,
    Meaning.JOB_FINALIZE_ASKED, Meaning.CONTEXT_NAME,
))  # fmt: skip
"""What only the main thread of a QEMU does: it opens images and takes QMP's commands. The ends of jobs are not among
them: that another thread runs one is a bug that rules look for."""
WATCHED = MAIN_ONLY | {Meaning.RUN_STATE}
"""The meanings by which lives are told apart; a scan decodes them."""
_FRESH = frozenset(("prelaunch", "preconfig"))
_OVER = "shutdown"
_MAIN_CONTEXT = "qemu_aio_context"


@dataclass(slots=True)
class Beginning:
    """A life as it was met first: its process (None where that is not told), and the number of its first record.

    `by_id` says whether its records are known by their process, so that they may alternate with those of others.
    """

    process: int | None
    first_record: int
    by_id: bool


class Registry:
    """The lives that were met in one trace, numbered as they were met, `most` at most.

    `starts` gives the records (as far as they were read) before which a reader saw a QEMU begin. `beyond` is the first
    record of a life too many. `mixed` says that the records of several QEMUs alternate where nothing tells which
    thread is whose.
    """

    def __init__(self, vocabulary: Vocabulary, most: int, starts: Callable[[], Sequence[int]]) -> None:
        self._vocabulary = vocabulary
        self.most = most
        self.starts = starts
        self.lives: list[Beginning] = []
        self.beyond: int | None = None
        self.mixed = False
        self._meanings: dict[int, Meaning | None] = {}
        """What the forms of the trace mean, of those that are watched, by id()."""

    def begin(self, process: int | None, record: int, *, by_id: bool) -> int:
        """Take in another life; return its number, or one that is negative where there are too many."""
        if len(self.lives) >= self.most:
            self.beyond = record if self.beyond is None else min(self.beyond, record)
            return -2
        self.lives.append(Beginning(process, record, by_id))
        return len(self.lives) - 1

    def name(self, life: int, process: int, *, by_id: bool = False) -> None:
        """Take note of the process of a life; by the number of its main thread Linux knows it, too."""
        if life >= 0:
            self.lives[life].process = process
            self.lives[life].by_id |= by_id

    def meaning(self, batch: EventBatch, row: int) -> Meaning | None:
        """Return what a record means, if lives are told apart by it."""
        return self._meaning_of(batch.forms[int(batch.code[row])])

    def watched_rows(self, batch: EventBatch, first: int) -> list[int]:
        """Return the rows from `first` on by which lives are told apart."""
        flags = np.array([self._meaning_of(f) is not None for f in batch.forms], dtype=np.bool_)
        return [int(r) + first for r in np.flatnonzero(flags[batch.code[first:]])] if len(flags) else []

    def _meaning_of(self, form: EventForm) -> Meaning | None:
        if id(form) not in self._meanings:
            event = self._vocabulary.events.get(form.name)
            told = event is not None and event.meaning in WATCHED and form.declared
            self._meanings[id(form)] = event.meaning if event is not None and told else None
        return self._meanings[id(form)]


class Stream:
    """The records of one process, or of all where processes are not told, cut where another life begins."""

    def __init__(self, registry: Registry, process: int | None, *, by_id: bool) -> None:
        self._registry = registry
        self._process = process
        self._by_id = by_id
        self.life = -1
        self._main: int | None = None
        self._mains: set[int] = set()
        self._state = ""
        self._state_at = -1
        """The record that told it."""
        self._named = False
        self._begun = -1
        """The first record of the life."""
        self._starts_taken = 0
        self._held: EventBatch | None = None
        self._looked = 0
        """How many of the records that are held were looked at."""

    def feed(self, batch: EventBatch) -> Iterator[tuple[int, EventBatch]]:
        """Yield the records of a batch, each life's apart, with its number; those that may begin another life later."""
        if self._held is not None:
            batch = EventBatch.concat([self._held, batch])
            self._held = None
        at = 0
        for row in self._looked_at(batch):
            cut = self._begins_at(batch, at, row)
            if cut is not None:
                if cut > at:
                    yield from self._give(batch, at, cut)
                at = cut
                self._begin(batch, cut, row)
            self._learn(batch, row)
        hold = self._first_open(batch, at, len(batch))
        if hold is not None:
            self._held = batch.take(slice(hold, None))
            self._looked = len(batch) - hold
        else:
            self._looked = 0
            hold = len(batch)
        if hold > at:
            yield from self._give(batch, at, hold)

    def is_of(self, process: int) -> None:
        """Take note that all of its records are of one process, by whose id others are told apart from them."""
        self._process, self._by_id = process, True
        self._registry.name(self.life, process, by_id=True)

    def finish(self) -> Iterator[tuple[int, EventBatch]]:
        """Yield what is still held when the trace ends."""
        held, self._held = self._held, None
        self._looked = 0
        if held is not None:
            yield from self._give(held, 0, len(held))

    def _give(self, batch: EventBatch, first: int, last: int) -> Iterator[tuple[int, EventBatch]]:
        if self.life < 0:
            self.life = self._registry.begin(self._process, int(batch.record[first]), by_id=self._by_id)
            self._begun = int(batch.record[first])
        whole = first == 0 and last == len(batch)
        yield self.life, batch if whole else batch.take(slice(first, last))

    def _looked_at(self, batch: EventBatch) -> list[int]:
        """Return the rows, not yet looked at, that may tell of a beginning."""
        rows = self._registry.watched_rows(batch, self._looked)
        starts = self._registry.starts()
        if not self._by_id and self._starts_taken < len(starts):
            places = np.searchsorted(batch.record, np.array(starts[self._starts_taken :], dtype=np.int64)).tolist()
            rows = sorted({*rows, *(p for p in places if self._looked <= p < len(batch))})
        return rows

    def _begins_at(self, batch: EventBatch, at: int, row: int) -> int | None:
        """Return the row at which another life begins, as `row` shows; None where it shows none."""
        if self._by_banner(int(batch.record[row])):
            return row if row > at or self.life >= 0 else None
        meaning = self._registry.meaning(batch, row)
        thread = int(batch.tid[row])
        if meaning in MAIN_ONLY and not self._by_id and self._other_main(thread):
            return row
        if meaning is Meaning.NODE_OPEN and self._state == _OVER:
            return row
        if meaning is Meaning.CONTEXT_NAME and self._named and _string(batch, row, "name") == _MAIN_CONTEXT:
            return row
        if meaning is Meaning.RUN_STATE and self._state:
            before = _string(batch, row, "current_state_str")
            if before in _FRESH and before != self._state:
                first = self._first_open(batch, at, row)
                return first if first is not None else row
        return None

    def _by_banner(self, record: int) -> bool:
        """Say whether a reader saw another QEMU begin at a record, or before it and behind those that were met."""
        if self._by_id:
            return False
        starts = self._registry.starts()
        taken = self._starts_taken
        while self._starts_taken < len(starts) and starts[self._starts_taken] <= record:
            self._starts_taken += 1
        return self._starts_taken > taken and starts[self._starts_taken - 1] > self._begun

    def _other_main(self, thread: int) -> bool:
        if thread == NO_THREAD or self._main in (None, thread):
            return False
        if thread in self._mains:
            self._registry.mixed = True
        return not self._registry.mixed

    def _begin(self, batch: EventBatch, row: int, shown_by: int) -> None:
        """Take note that a life begins at a row; nothing of the one before is known of it."""
        self.life = -1
        self._begun = int(batch.record[row])
        self._main, self._state, self._named = None, "", False
        self._process = self._process if self._by_id else None
        for between in self._registry.watched_rows(batch, row):
            if between < shown_by:
                self._learn(batch, between)

    def _learn(self, batch: EventBatch, row: int) -> None:
        meaning = self._registry.meaning(batch, row)
        thread = int(batch.tid[row])
        if meaning in MAIN_ONLY and thread != NO_THREAD and self._main is None:
            self._main = thread
            self._mains.add(thread)
            if not self._by_id:
                self._process = thread
                self._registry.name(self.life, thread)
        if meaning is Meaning.CONTEXT_NAME and _string(batch, row, "name") == _MAIN_CONTEXT:
            self._named = True
        elif meaning is Meaning.RUN_STATE:
            self._state = _string(batch, row, "new_state_str") or self._state
            self._state_at = int(batch.record[row])

    def _first_open(self, batch: EventBatch, at: int, last: int) -> int | None:
        """Return the row before `last`, near it and from `at` on, at which a life may turn out to have begun.

        That is where the first image is opened since the run state was told; None where none is, or it never was.
        """
        if not self._state:
            return None
        first = max(at, last - START_RECORDS, int(np.searchsorted(batch.record, self._state_at, side="right")))
        opens = (r for r in self._registry.watched_rows(batch, first) if r < last)
        return next((r for r in opens if self._registry.meaning(batch, r) is Meaning.NODE_OPEN), None)


def _string(batch: EventBatch, row: int, name: str) -> str:
    """Return the text of a record's argument; ``""`` where it has none of that name."""
    form = batch.forms[int(batch.code[row])]
    slot = form.slot(name)
    if slot < 0 or form.args[slot].kind is not Kind.STRING:
        return ""
    return batch.strings[int(batch.args[row, slot])]
