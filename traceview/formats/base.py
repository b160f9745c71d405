"""What every trace format offers: a reader that turns the bytes of a source into batches of wanted events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from traceview.events import MANY, EventBatch, EventForm, Gap, ReadStats
from traceview.formats.declarations import Declarations
from traceview.source import ByteSource

__all__ = ["BATCH_ROWS", "FormatInfo", "FormsOf", "Reader", "Wanted", "note_cut"]

BATCH_ROWS = 1 << 14
"""A reader hands out a batch when it holds this many rows, or when the source is at its end."""

Wanted = Callable[[str], bool]
"""Says of an event's name whether its records are to be decoded; all others are only counted."""
FormsOf = Callable[[str], Sequence[EventForm]]
"""Returns the forms that an event is known to have, the newest first; none for an unknown event."""


class Reader(Protocol):
    """Reads one source, once. `stats` grows with the batches and is complete when they are used up."""

    stats: ReadStats

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in file order."""
        ...


class MakeReader(Protocol):
    """Builds a reader; with more than one of `jobs`, so many threads may read ahead of what is asked for."""

    def __call__(
        self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, jobs: int = 1
    ) -> Reader:
        """Return the reader."""
        ...


def note_cut(source: ByteSource, stats: ReadStats, byte_offset: int) -> None:
    """Note as a gap that the source ended before the trace did, at `byte_offset`; nothing where it did not.

    Where the bytes before may be wrong, too, the gap is the whole trace, as no record of it can be trusted.
    """
    if source.damaged:
        text = f"{source.cut}; what was unpacked before may be wrong, too"
        stats.gaps.insert(0, Gap(MANY, 0, 0, min(stats.lines, 1), stats.first_ts_ns, None, text))
    elif source.cut:
        stats.add_gap(Gap("cut", stats.records, byte_offset, stats.lines, stats.last_ts_ns, None, source.cut))


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """One format: how to know it and how to read it.

    `lossy` says why records of the format may be missing without a mark, ``""`` where none is: what follows from it for
    verdicts is the same for all formats. `score` says of a file's first bytes how sure it is (0.0 no, 1.0 certain);
    `make` builds the reader, and raises DeclarationsNeededError or UnsupportedVersionError where it cannot.
    """

    id: str
    title: str
    releases: str
    clock: str
    thread: str
    loss: str
    reference: str
    score: Callable[[bytes], float]
    make: MakeReader
    lossy: str = ""
