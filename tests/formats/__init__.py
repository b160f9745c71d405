"""What the tests of the formats share: reading bytes into rows that are easy to compare."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tests.writers import MemorySource
from traceview.events import EventBatch, ReadStats
from traceview.formats import log, simpletrace
from traceview.formats.base import FormatInfo, FormsOf
from traceview.formats.declarations import Declarations, parse_declaration
from traceview.vocabulary import builtin


@dataclass(frozen=True)
class Record:
    """One row of a batch, with its arguments by name."""

    name: str
    record: int
    line: int
    byte_offset: int
    ts_ns: int
    tid: int
    values: dict[str, int | str]
    text: str


@dataclass(frozen=True)
class Reading:
    """All that a reader gave."""

    records: list[Record]
    stats: ReadStats

    @property
    def names(self) -> list[str]:
        return [r.name for r in self.records]

    @property
    def texts(self) -> list[str]:
        return [r.text for r in self.records]


def rows(batch: EventBatch) -> list[Record]:
    """Return the rows of a batch."""
    return [
        Record(
            batch.forms[batch.code[i]].name, int(batch.record[i]), int(batch.line[i]), int(batch.byte_offset[i]),
            int(batch.ts_ns[i]), int(batch.tid[i]), batch.values(i), batch.text(i),
        )
        for i in range(len(batch))
    ]  # fmt: skip


def read(
    info: FormatInfo,
    data: bytes,
    *,
    wanted: Collection[str] | Callable[[str], bool] = lambda _name: True,
    chunk_bytes: int = 1 << 20,
    declarations: Declarations | None = None,
    forms_of: FormsOf | None = None,
    jobs: int = 1,
) -> Reading:
    """Read bytes with one format."""
    choose = wanted if callable(wanted) else wanted.__contains__
    source = MemorySource(data, chunk_bytes=chunk_bytes)
    reader = info.make(source, forms_of or builtin().forms_of, declarations, jobs)
    records = [row for batch in reader.batches(choose) for row in rows(batch)]
    return Reading(records, reader.stats)


def read_log(
    data: bytes,
    *,
    wanted: Collection[str] | Callable[[str], bool] = lambda _name: True,
    chunk_bytes: int = 1 << 20,
    declarations: Declarations | None = None,
    jobs: int = 1,
) -> Reading:
    """Read a log."""
    return read(log.FORMAT, data, wanted=wanted, chunk_bytes=chunk_bytes, declarations=declarations, jobs=jobs)


def read_simpletrace(
    data: bytes,
    *,
    wanted: Collection[str] | Callable[[str], bool] = lambda _name: True,
    chunk_bytes: int = 1 << 20,
    declarations: Declarations | None = None,
) -> Reading:
    """Read a simpletrace file."""
    return read(simpletrace.FORMAT, data, wanted=wanted, chunk_bytes=chunk_bytes, declarations=declarations)


def declared(*lines: str) -> Declarations:
    """Return declarations, one a line."""
    return Declarations([d for line in lines for d in parse_declaration(line, "here")], "trace-events")
