"""One life of a QEMU, of those that wrote a trace."""

from __future__ import annotations

from dataclasses import dataclass

from traceview.events import EventBatch

__all__ = ["Life"]


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a QEMU: from its first record to its last one that a scan reads.

    `process` is its id, None where the trace does not tell it. With `by_id` its records are known by that id, and
    those of other lives may stand between them. `ended` says that another life began after its last record.
    """

    process: int | None
    first_record: int
    last_record: int
    by_id: bool = False
    ended: bool = False

    def take(self, batch: EventBatch) -> EventBatch:
        """Return the records of a batch that are of this life (those without an id beside them, where ids tell)."""
        own = (batch.record >= self.first_record) & (batch.record <= self.last_record)
        if self.by_id:
            own &= (batch.tid == self.process) | (batch.tid <= 0)
        return batch if own.all() else batch.take(own)
