"""A point of a trace, kept after its rows are gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traceview.events import NO_TIME, Int64Array
from traceview.vocabulary import MeaningTable, Row

__all__ = ["Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where and when one record stands; `line` is 0 in binary files, `ts_ns` is `NO_TIME` where absent.

    `place` is where it stands in words, where the trace lies in several files (trace text: file names are in it).
    """

    record: int
    line: int
    byte_offset: int
    ts_ns: int
    tid: int
    event: str
    iteration: int
    place: str = ""

    @classmethod
    def of(cls, row: Row) -> Mark:
        """Return the point of a row."""
        return cls(row.record, row.line, row.byte_offset, row.ts_ns, row.tid, row.event, row.iteration)

    @classmethod
    def at(cls, table: MeaningTable, row: int) -> Mark:
        """Return the point of one row of a table, at little cost where no other row is asked for."""
        b = table.batch
        return cls(
            int(b.record[row]), int(b.line[row]), int(b.byte_offset[row]), int(b.ts_ns[row]), int(b.tid[row]),
            b.forms[int(b.code[row])].name, int(table.iteration[row]),
        )  # fmt: skip

    @classmethod
    def all_at(cls, table: MeaningTable, rows: Int64Array) -> Iterator[Mark]:
        """Yield the points of several rows."""
        b = table.batch
        columns = (b.record, b.line, b.byte_offset, b.ts_ns, b.tid, b.code, table.iteration)
        for record, line, byte_offset, ts_ns, tid, code, iteration in zip(
            *(c[rows].tolist() for c in columns), strict=True
        ):
            yield cls(record, line, byte_offset, ts_ns, tid, b.forms[code].name, iteration)

    def since_ns(self, earlier: Mark) -> int | None:
        """Return the time from an earlier point to this one, or None where either has no time."""
        if NO_TIME in (self.ts_ns, earlier.ts_ns):
            return None
        return self.ts_ns - earlier.ts_ns
