"""Several files of one QEMU, one a thread (``-d tid``), merged by time into one stream of records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from traceview.events import NO_TIME, EventBatch, EventForm, Int64Array, Kind, ReadStats, StringTable
from traceview.formats.base import FormatInfo, FormsOf, Wanted
from traceview.formats.declarations import Declarations, forms_for
from traceview.source import ByteSource

__all__ = ["MergedReader", "ThreadsSource"]

MOST_TIES = 100_000
"""So many records whose order is not known are remembered."""
MOST_HELD = 1 << 20
"""So many records of one time in one file are held until it is known that no more follow."""
_LATE = int(np.iinfo(np.int64).max)


class ThreadsSource(ByteSource):
    """The files of the threads of one QEMU: `parts`, by thread. It is called by the name of the first.

    After a reading `ties` are the records that have the same time as one of another thread, so that which of them came
    first is not known.
    """

    def __init__(self, parts: dict[int, ByteSource]) -> None:
        self.parts = dict(sorted(parts.items()))
        first = next(iter(self.parts.values()))
        super().__init__(first.path, chunk_bytes=first.chunk_bytes)
        self.once = False
        self.ties: Int64Array = np.zeros(0, dtype=np.int64)

    def size(self) -> int | None:
        """Return the size of all files together on the disk, in bytes."""
        sizes = [p.size() for p in self.parts.values()]
        return None if None in sizes else sum(s for s in sizes if s is not None)

    def head(self) -> bytes:
        """Return the first bytes of the first thread's file. Raises as `chunks` does."""
        first = next(iter(self.parts.values()))
        head = first.head()
        self._compression = first.compression
        return head


@dataclass(slots=True)
class _Thread:
    """The reading of one file: what of it is read and waits to be merged."""

    name: str
    stats: ReadStats
    batches: Iterator[EventBatch]
    rows: EventBatch | None = None
    keys: Int64Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """The times of `rows`; never less than one before, as the order within a file is certain."""
    over: bool = False
    clock: int = NO_TIME
    codes: list[int] = field(default_factory=list)
    """For each form of the file, the number that it has in the whole."""
    texts: list[int] = field(default_factory=list)
    """For each string of the file, the number that it has in the whole."""
    places: Int64Array = field(default_factory=lambda: np.full(1, -1, dtype=np.int64))
    """Of the last record that was merged and those merged now: the number in the whole."""
    own: Int64Array = field(default_factory=lambda: np.full(1, -1, dtype=np.int64))
    """Their numbers in the file."""
    gaps_taken: set[int] = field(default_factory=set)
    """Those gaps of the file that were taken, by id()."""


class MergedReader:
    """Reads the files of the threads together.

    The order is by time, as each record tells it; records of one time are in the order of the threads' numbers. A
    record's number is its place in that order, among the events that are known. Lines and byte offsets are those of
    its own file.
    """

    def __init__(
        self, info: FormatInfo, source: ThreadsSource, forms_of: FormsOf, declarations: Declarations | None,
        jobs: int = 1,
    ) -> None:  # fmt: skip
        self.stats = ReadStats()
        self._info = info
        self._source = source
        self._forms_of = forms_of
        self._declarations = declarations
        self._jobs = jobs
        self._forms: list[EventForm] = []
        self._numbers: dict[EventForm, int] = {}
        self._strings = StringTable()
        self._merged = 0

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in the order of time."""
        threads = [self._begun(source, wanted) for source in self._source.parts.values()]
        self._source.ties = np.zeros(0, dtype=np.int64)
        while (taken := self._next(threads)) is not None:
            merged, whose, keys = taken
            first = self._merged
            self._merged += len(merged)
            for thread, rows in zip(threads, whose, strict=True):
                thread.own = np.concatenate([thread.own[-1:], merged.record[rows]])
                thread.places = np.concatenate([thread.places[-1:], rows + first])
                self._take_gaps(thread, ended=False)
            merged.record = np.arange(first, self._merged, dtype=np.int64)
            self._note_times(merged)
            self._note_ties(first, whose, keys)
            chosen = np.array([wanted(f.name) for f in self._forms], dtype=np.bool_)
            mask = chosen[merged.code]
            if mask.any():
                yield merged.take(mask)
        self._finish(threads)

    def _begun(self, source: ByteSource, wanted: Wanted) -> _Thread:
        source.on_bytes = self._source.on_bytes
        reader = self._info.make(source, self._forms_of, self._declarations, self._jobs)
        known = lambda name: wanted(name) or bool(forms_for(name, self._declarations, self._forms_of))  # noqa: E731
        return _Thread(source.name, reader.stats, reader.batches(known))

    def _next(self, threads: list[_Thread]) -> tuple[EventBatch, list[Int64Array], Int64Array] | None:
        """Return the next records in order, for each thread their places, and the times by which they are ordered.

        Returns None at the end.
        """
        while True:
            for thread in threads:
                if thread.rows is None and not thread.over:
                    self._read(thread)
            holding = [t for t in threads if t.rows is not None]
            if not holding:
                return None
            # What comes in a file from its last time on is not known yet.
            until = min((int(t.keys[-1]) for t in holding if not t.over), default=_LATE)
            counts = [
                len(t.keys) if t.over and until == _LATE else int(np.searchsorted(t.keys, until, side="left"))
                for t in holding
            ]
            late = [t for t in holding if not t.over and int(t.keys[-1]) == until]
            if not any(counts):
                full = [i for i, t in enumerate(holding) if len(t.keys) >= MOST_HELD and t in late]
                if not full:
                    for thread in late:
                        self._read(thread)
                    continue
                counts[full[0]] = len(holding[full[0]].keys)
            return self._sorted(threads, {id(t): n for t, n in zip(holding, counts, strict=True)})

    def _sorted(
        self, threads: list[_Thread], counts: dict[int, int]
    ) -> tuple[EventBatch, list[Int64Array], Int64Array]:
        parts: list[EventBatch] = []
        keys: list[Int64Array] = []
        whose: list[Int64Array] = []
        for index, thread in enumerate(threads):
            count = counts.get(id(thread), 0)
            if count and thread.rows is not None:
                parts.append(thread.rows.take(slice(0, count)))
                keys.append(thread.keys[:count])
                whose.append(np.full(count, index, dtype=np.int64))
                left = count < len(thread.keys)
                thread.rows = thread.rows.take(slice(count, None)) if left else None
                thread.keys = thread.keys[count:]
        all_keys = np.concatenate(keys)
        order = np.argsort(all_keys, kind="stable")
        owners = np.concatenate(whose)[order]
        merged = EventBatch.concat(parts).take(order)
        return merged, [np.flatnonzero(owners == i) for i in range(len(threads))], all_keys[order]

    def _read(self, thread: _Thread) -> None:
        """Read the next records of a file behind those that wait, with the forms and strings of the whole."""
        batch = next(thread.batches, None)
        if batch is None:
            thread.over = True
            return
        for form in batch.forms[len(thread.codes) :]:
            if form not in self._numbers:
                self._numbers[form] = len(self._forms)
                self._forms.append(form)
            thread.codes.append(self._numbers[form])
        for i in range(len(thread.texts), len(batch.strings)):
            thread.texts.append(self._strings.intern(batch.strings[i].encode("utf-8", "surrogateescape")))
        args, texts = batch.args.copy(), np.array(thread.texts, dtype=np.int64)
        for code in np.flatnonzero(np.bincount(batch.code)).tolist():
            slots = [i for i, a in enumerate(batch.forms[code].args) if a.kind is Kind.STRING]
            if slots:
                cells = np.ix_(batch.code == code, slots)
                args[cells] = texts[args[cells]]
        codes = np.array(thread.codes, dtype=np.int64)[batch.code]
        rows = replace(batch, forms=self._forms, strings=self._strings, code=codes, args=args)
        keys = np.maximum.accumulate(np.maximum(batch.ts_ns, thread.clock))
        thread.clock = int(keys[-1])
        thread.rows = rows if thread.rows is None else EventBatch.concat([thread.rows, rows])
        thread.keys = np.concatenate([thread.keys, keys])

    def _take_gaps(self, thread: _Thread, *, ended: bool) -> None:
        """Take those gaps of a file behind which something of it was merged; all that are left where it has `ended`.

        Something is missing anywhere between the last record before a gap and the first one behind it.
        """
        for gap in thread.stats.gaps:
            if id(gap) in thread.gaps_taken:
                continue
            behind = int(np.searchsorted(thread.own, gap.record))
            if behind == len(thread.own) and not ended:
                continue
            before = max(int(np.searchsorted(thread.own, gap.first)) - 1, 0)
            place = int(thread.places[behind]) if behind < len(thread.own) else self._merged
            reach = max(place - int(thread.places[before]) - 1, 0)
            thread.gaps_taken.add(id(gap))
            self.stats.add_gap(replace(gap, record=max(place, 0), reach=reach, text=f"{thread.name}: {gap.text}"))

    def _note_times(self, merged: EventBatch) -> None:
        told = merged.ts_ns[merged.ts_ns != NO_TIME]
        if len(told):
            if self.stats.first_ts_ns == NO_TIME:
                self.stats.first_ts_ns = int(told[0])
            self.stats.last_ts_ns = int(told[-1])

    def _note_ties(self, first: int, whose: list[Int64Array], keys: Int64Array) -> None:
        """Remember the records that have the time of one of another thread."""
        if len(self._source.ties) >= MOST_TIES:
            return
        owners = np.zeros(len(keys), dtype=np.int64)
        for index, rows in enumerate(whose):
            owners[rows] = index
        begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        mixed = np.minimum.reduceat(owners, begins) != np.maximum.reduceat(owners, begins)
        tied = np.flatnonzero(np.repeat(mixed, np.diff(np.append(begins, len(keys)))))
        if len(tied):
            self._source.ties = np.concatenate([self._source.ties, tied + first])

    def _finish(self, threads: list[_Thread]) -> None:
        stats = self.stats
        for thread in threads:
            self._take_gaps(thread, ended=True)
            own = thread.stats
            stats.records += own.records
            stats.lines += own.lines
            stats.other_lines += own.other_lines
            stats.refused_count += own.refused_count
            stats.refused += own.refused
            stats.unknown_names |= own.unknown_names
            stats.bytes_read += own.bytes_read
            for name, count in own.names.items():
                stats.names[name] = stats.names.get(name, 0) + count
        stats.gaps.sort(key=lambda g: g.record)
