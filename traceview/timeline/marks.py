"""A point of a trace, kept after its rows are gone."""

from __future__ import annotations

from dataclasses import dataclass

from traceview.events import NO_TIME
from traceview.vocabulary import Row

__all__ = ["Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where and when one record stands; `line` is 0 in binary files, `ts_ns` is `NO_TIME` where absent."""

    record: int
    line: int
    byte_offset: int
    ts_ns: int
    tid: int
    event: str
    iteration: int

    @classmethod
    def of(cls, row: Row) -> Mark:
        """Return the point of a row."""
        return cls(row.record, row.line, row.byte_offset, row.ts_ns, row.tid, row.event, row.iteration)

    def since_ns(self, earlier: Mark) -> int | None:
        """Return the time from an earlier point to this one, or None where either has no time."""
        if NO_TIME in (self.ts_ns, earlier.ts_ns):
            return None
        return self.ts_ns - earlier.ts_ns
