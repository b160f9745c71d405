"""Batches of events read as meanings: the table that timelines and detection work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from traceview.events import EventBatch, EventForm, Int64Array, StringTable
from traceview.vocabulary.meanings import ROLES, Meaning, Op

__all__ = ["Mask", "MeaningTable", "Row"]

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class MeaningTable:
    """Records with what they mean, in file order; one row a record.

    `meaning` and `op` (int16) hold `Meaning` and `Op`; `code`, `record`, `line`, `byte_offset`, `ts_ns`, `tid` and
    `args` are those of `EventBatch`; `roles` maps each role to an int64 column (0 where a record does not have it);
    `iteration` (int64) is the number of main_loop_wait calls seen so far, 0 before the first or without them.
    """

    forms: Sequence[EventForm]
    strings: StringTable
    code: npt.NDArray[np.int32]
    record: Int64Array
    line: Int64Array
    byte_offset: Int64Array
    ts_ns: Int64Array
    tid: Int64Array
    args: Int64Array
    meaning: npt.NDArray[np.int16]
    op: npt.NDArray[np.int16]
    iteration: Int64Array
    roles: dict[str, Int64Array]

    def __len__(self) -> int:
        return len(self.code)

    def where(self, *meanings: Meaning) -> Mask:
        """Return the mask of the rows that have one of the meanings."""
        if len(meanings) == 1:
            return np.asarray(self.meaning == meanings[0])
        return np.isin(self.meaning, [int(m) for m in meanings])

    def take(self, rows: Mask | Int64Array | slice) -> MeaningTable:
        """Return the table of the chosen rows."""
        return MeaningTable(
            self.forms, self.strings, self.code[rows], self.record[rows], self.line[rows], self.byte_offset[rows],
            self.ts_ns[rows], self.tid[rows], self.args[rows], self.meaning[rows], self.op[rows],
            self.iteration[rows], {name: column[rows] for name, column in self.roles.items()},
        )  # fmt: skip

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

    def batch(self) -> EventBatch:
        """Return the same records as plain events."""
        return EventBatch(
            self.forms,
            self.strings,
            self.code,
            self.record,
            self.line,
            self.byte_offset,
            self.ts_ns,
            self.tid,
            self.args,
        )

    @classmethod
    def concat(cls, tables: Sequence[MeaningTable]) -> MeaningTable:
        """Return the rows of tables of one trace, one after the other. Raises ValueError for none."""
        if not tables:
            raise ValueError("concat needs at least one table")
        if len(tables) == 1:
            return tables[0]
        width = max(t.args.shape[1] for t in tables)

        def column(name: str) -> Int64Array:
            return np.concatenate([getattr(t, name) for t in tables])

        args = [np.pad(t.args, ((0, 0), (0, width - t.args.shape[1]))) for t in tables]
        return cls(
            tables[0].forms, tables[0].strings, np.concatenate([t.code for t in tables]), column("record"),
            column("line"), column("byte_offset"), column("ts_ns"), column("tid"), np.concatenate(args),
            np.concatenate([t.meaning for t in tables]), np.concatenate([t.op for t in tables]),
            column("iteration"), {r: np.concatenate([t.roles[r] for t in tables]) for r in ROLES},
        )  # fmt: skip


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
        return self.table.forms[int(self.table.code[self.index])]

    @property
    def record(self) -> int:
        """The place among all records of the trace, from 0."""
        return int(self.table.record[self.index])

    @property
    def line(self) -> int:
        """The line, from 1; 0 in binary files."""
        return int(self.table.line[self.index])

    @property
    def byte_offset(self) -> int:
        """Where the record begins in the file."""
        return int(self.table.byte_offset[self.index])

    @property
    def ts_ns(self) -> int:
        """The time in ns, `NO_TIME` where absent."""
        return int(self.table.ts_ns[self.index])

    @property
    def tid(self) -> int:
        """Process or thread id, `NO_THREAD` where absent."""
        return int(self.table.tid[self.index])

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
        form = self._form
        return f"{form.name} {form.render(self.table.args[self.index].tolist(), self.table.strings)}"
