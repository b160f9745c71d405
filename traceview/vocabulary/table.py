"""Batches of events read as meanings: the table that timelines and detection work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from traceview.events import EventBatch, EventForm, Int64Array, StringTable
from traceview.vocabulary.binding import Binding
from traceview.vocabulary.meanings import Meaning, Op

__all__ = ["Mask", "MeaningTable", "Row"]

Mask = npt.NDArray[np.bool_]


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

    `batch` holds the records themselves. `meaning` and `op` (int16) hold `Meaning` and `Op`. `roles` maps each role to
    an int64 column (0 where a record does not have it, -1 for a string), made on demand. `iteration` (int64) is the
    number of main_loop_wait calls seen so far, 0 before the first or without them.
    """

    __slots__ = ("_binding", "batch", "iteration", "meaning", "op", "roles")

    def __init__(self, batch: EventBatch, binding: Binding, iteration: Int64Array | None = None) -> None:
        self.batch = batch
        self._binding = binding
        self.meaning = binding.meanings(batch)
        self.op = binding.ops(batch)
        self.iteration = np.zeros(len(batch), dtype=np.int64) if iteration is None else iteration
        self.roles = Roles(batch, binding)

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
        chosen = np.zeros(max(Meaning) + 1, dtype=np.bool_)
        chosen[list(meanings)] = True
        return chosen[self.meaning]

    def seen(self) -> set[tuple[Meaning, Op]]:
        """Return the meanings that occur, each with its operation."""
        return self._binding.seen(self.batch, self.op)

    def role(self, name: str, rows: Int64Array) -> Int64Array:
        """Return a role of the given rows alone, which is cheaper than the whole column."""
        return self._binding.role(self.batch, name, rows)

    def take(self, rows: Mask | Int64Array | slice) -> MeaningTable:
        """Return the table of the chosen rows."""
        return MeaningTable(self.batch.take(rows), self._binding, self.iteration[rows])

    def between(self, first: int, last: int) -> MeaningTable:
        """Return the rows whose record number is from `first` to `last`, both included."""
        a, b = np.searchsorted(self.record, [first, last + 1])
        return self.take(slice(int(a), int(b)))

    def row(self, index: int) -> Row:
        """Return one row."""
        return Row(self, int(index))

    def rows(self, mask: Mask) -> Iterable[Row]:
        """Yield the rows of a mask, in order."""
        return (Row(self, int(i)) for i in np.flatnonzero(mask))

    @classmethod
    def concat(cls, tables: Sequence[MeaningTable]) -> MeaningTable:
        """Return the rows of tables of one trace, one after the other. Raises ValueError for none."""
        if not tables:
            raise ValueError("concat needs at least one table")
        if len(tables) == 1:
            return tables[0]
        batch = EventBatch.concat([t.batch for t in tables])
        return cls(batch, tables[0]._binding, np.concatenate([t.iteration for t in tables]))


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a table."""

    table: MeaningTable
    index: int

    @property
    def meaning(self) -> Meaning:
        """What the record says."""
        return Meaning(int(self.table.meaning[self.index]))

    @property
    def op(self) -> Op:
        """The operation, `Op.NONE` where there is none."""
        return Op(int(self.table.op[self.index]))

    @property
    def event(self) -> str:
        """The event's name."""
        return self._form.name

    @property
    def _form(self) -> EventForm:
        batch = self.table.batch
        return batch.forms[int(batch.code[self.index])]

    @property
    def record(self) -> int:
        """The place among all records of the trace, from 0."""
        return int(self.table.batch.record[self.index])

    @property
    def line(self) -> int:
        """The line, from 1; 0 in binary files."""
        return int(self.table.batch.line[self.index])

    @property
    def byte_offset(self) -> int:
        """Where the record begins in the file."""
        return int(self.table.batch.byte_offset[self.index])

    @property
    def ts_ns(self) -> int:
        """The time in ns, `NO_TIME` where absent."""
        return int(self.table.batch.ts_ns[self.index])

    @property
    def tid(self) -> int:
        """Process or thread id, `NO_THREAD` where absent."""
        return int(self.table.batch.tid[self.index])

    @property
    def iteration(self) -> int:
        """The number of main_loop_wait calls so far; 0 where none was traced."""
        return int(self.table.iteration[self.index])

    def role(self, name: str) -> int:
        """Return a role as int64 (0 where the record does not have it)."""
        return int(self.table.roles[name][self.index])

    def string(self, name: str) -> str:
        """Return a string role, ``""`` where the record does not have it (trace text, not escaped)."""
        value = self.role(name)
        return self.table.strings[value] if value >= 0 else ""

    def text(self) -> str:
        """Return the record as the log backend would write it, without prefix (trace text, not escaped)."""
        return self.table.batch.text(self.index)
