"""Batches of events read as meanings: the table that timelines and detection work on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from traceview.events import EventBatch, Int64Array, StringTable, distinct
from traceview.vocabulary.binding import Binding
from traceview.vocabulary.meanings import ROLES, Meaning, Op

__all__ = ["Mask", "MeaningTable", "Row"]

Mask = npt.NDArray[np.bool_]
Ops = npt.NDArray[np.uint8]

_MEANINGS = tuple(Meaning(i) for i in range(max(Meaning) + 1))
_OPS = tuple(Op(i) for i in range(max(Op) + 1))
_OWN = frozenset(("meaning", "op", "iteration"))


class Roles:
    """The roles of a table as int64 columns, each made when it is first asked for."""

    __slots__ = ("_batch", "_binding", "_columns")

    def __init__(self, batch: EventBatch, binding: Binding) -> None:
        self._batch = batch
        self._binding = binding
        self._columns: dict[str, Int64Array] = {}

    def __getitem__(self, role: str) -> Int64Array:
        column = self._columns.get(role)
        if column is None:
            column = self._columns[role] = self._binding.role(self._batch, role)
        return column


class MeaningTable:
    """Records with what they mean, in file order; one row a record.

    `batch` holds the records themselves. `meaning` and `op` (uint8) hold `Meaning` and `Op`. `roles` maps each role to
    an int64 column (0 where a record does not have it, -1 for a string), made on demand. `iteration` (int64) is the
    number of main_loop_wait calls seen so far, 0 before the first or without them. `found` is for those who look for
    the same rows again and again.
    """

    __slots__ = ("_binding", "_handed_over", "_lists", "batch", "found", "iteration", "meaning", "op", "roles")

    def __init__(
        self, batch: EventBatch, binding: Binding, iteration: Int64Array | None = None, op: Ops | None = None
    ) -> None:
        self.batch = batch
        self._binding = binding
        self.meaning = binding.meanings(batch)
        self.op = binding.ops(batch) if op is None else op
        self.iteration = np.zeros(len(batch), dtype=np.int64) if iteration is None else iteration
        self.roles = Roles(batch, binding)
        self._lists: dict[str, list[int]] = {}
        self._handed_over: tuple[Int64Array, Int64Array, list[int]] | None = None
        self.found: dict[Hashable, Int64Array] = {}

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def record(self) -> Int64Array:
        """The place of each row among all records of the trace."""
        return self.batch.record

    @property
    def tid(self) -> Int64Array:
        """The process or thread id of each row."""
        return self.batch.tid

    @property
    def strings(self) -> StringTable:
        """The strings that string roles point into."""
        return self.batch.strings

    def where(self, *meanings: Meaning) -> Mask:
        """Return the mask of the rows that have one of the meanings."""
        if len(meanings) == 1:
            return np.asarray(self.meaning == meanings[0])
        return self._binding.having(meanings)[self.batch.code]

    def handed_over(self) -> tuple[Int64Array, Int64Array, list[int]]:
        """Return the rows of requests that are handed to the block layer, their BlockBackends, and these once each."""
        if self._handed_over is None:
            rows = np.flatnonzero(self.where(Meaning.SUBMIT, Meaning.REACH))
            blks = self.role("blk", rows)
            self._handed_over = rows, blks, distinct(blks)
        return self._handed_over

    def codes(self) -> list[int]:
        """Return the codes of the forms that occur."""
        return np.flatnonzero(np.bincount(self.batch.code)).tolist()

    def seen(self, code: int) -> set[tuple[Meaning, Op]]:
        """Return what the records of one form mean, each meaning with its operation."""
        return self._binding.seen(self.batch, code, self.op)

    def is_fixed(self, code: int) -> bool:
        """Say whether all records of a form mean the same."""
        return self._binding.is_fixed(code)

    def role(self, name: str, rows: Int64Array) -> Int64Array:
        """Return a role of the given rows alone, which is cheaper than the whole column."""
        return self._binding.role(self.batch, name, rows)

    def take(self, rows: Mask | Int64Array | slice) -> MeaningTable:
        """Return the table of the chosen rows."""
        return MeaningTable(self.batch.take(rows), self._binding, self.iteration[rows], self.op[rows])

    def between(self, first: int, last: int) -> MeaningTable:
        """Return the rows whose record number is from `first` to `last`, both included."""
        a, b = np.searchsorted(self.record, [first, last + 1])
        return self.take(slice(int(a), int(b)))

    def row(self, index: int) -> Row:
        """Return one row."""
        return Row(self, int(index), int(index))

    def rows(self, mask: Mask) -> Iterable[Row]:
        """Yield the rows of a mask, in order."""
        chosen = np.flatnonzero(mask)
        if 4 * len(chosen) > len(self):
            yield from (Row(self, index, index) for index in chosen.tolist())
        elif len(chosen):
            few = self.take(chosen)  # what is asked of rows one by one is made for these alone
            yield from (Row(few, place, index) for place, index in enumerate(chosen.tolist()))

    def values(self, column: str) -> list[int]:
        """Return a column as Python numbers: one of the batch, of the table, or a role."""
        values = self._lists.get(column)
        if values is None:
            array = self.roles[column] if column in ROLES else getattr(self if column in _OWN else self.batch, column)
            values = self._lists[column] = array.tolist()
        return values

    @classmethod
    def concat(cls, tables: Sequence[MeaningTable]) -> MeaningTable:
        """Return the rows of tables of one trace, one after the other. Raises ValueError for none."""
        if not tables:
            raise ValueError("concat needs at least one table")
        if len(tables) == 1:
            return tables[0]
        batch = EventBatch.concat([t.batch for t in tables])
        iteration, op = (np.concatenate([getattr(t, c) for t in tables]) for c in ("iteration", "op"))
        return cls(batch, tables[0]._binding, iteration, op)


class Row:
    """One record of a table. `index` is its place in the table that was asked for it."""

    __slots__ = ("_place", "_table", "index")

    def __init__(self, table: MeaningTable, place: int, index: int) -> None:
        self._table = table
        self._place = place
        self.index = index

    @property
    def meaning(self) -> Meaning:
        """What the record says."""
        return _MEANINGS[self._table.values("meaning")[self._place]]

    @property
    def op(self) -> Op:
        """The operation, `Op.NONE` where there is none."""
        return _OPS[self._table.values("op")[self._place]]

    @property
    def event(self) -> str:
        """The event's name."""
        table = self._table
        return table.batch.forms[table.values("code")[self._place]].name

    @property
    def record(self) -> int:
        """The place among all records of the trace, from 0."""
        return self._table.values("record")[self._place]

    @property
    def line(self) -> int:
        """The line, from 1; 0 in binary files."""
        return self._table.values("line")[self._place]

    @property
    def byte_offset(self) -> int:
        """Where the record begins in the file."""
        return self._table.values("byte_offset")[self._place]

    @property
    def ts_ns(self) -> int:
        """The time in ns, `NO_TIME` where absent."""
        return self._table.values("ts_ns")[self._place]

    @property
    def tid(self) -> int:
        """Process or thread id, `NO_THREAD` where absent."""
        return self._table.values("tid")[self._place]

    @property
    def iteration(self) -> int:
        """The number of main_loop_wait calls so far; 0 where none was traced."""
        return self._table.values("iteration")[self._place]

    def role(self, name: str) -> int:
        """Return a role as int64 (0 where the record does not have it)."""
        return self._table.values(name)[self._place]

    def string(self, name: str) -> str:
        """Return a string role, ``""`` where the record does not have it (trace text, not escaped)."""
        value = self.role(name)
        return self._table.strings[value] if value >= 0 else ""

    def text(self) -> str:
        """Return the record as the log backend would write it, without prefix (trace text, not escaped)."""
        return self._table.batch.text(self._place)
