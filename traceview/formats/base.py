"""What every trace format offers: a reader that turns the bytes of a source into batches of wanted events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from traceview.events import MANY, EventBatch, EventForm, Gap, ReadStats
from traceview.formats.declarations import Declarations
from traceview.formats.log_grammar import explain as explain_log
from traceview.source import ByteSource
from traceview.source.raw import Unread

__all__ = ["BATCH_ROWS", "Explain", "FormatInfo", "FormsOf", "Reader", "Wanted", "note_cut"]

BATCH_ROWS = 1 << 14
"""A reader hands out a batch when it holds this many rows, or when the source is at its end."""

Explain = Callable[[bytes, Sequence[EventForm]], str]
"""Says of a line and the forms of its event why it is refused, with a caret (trace text inside)."""
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
    """Note as gaps that the source ended before the trace did, at `byte_offset`, and what it could not read before.

    Where the bytes before may be wrong, too, the gap is the whole trace, as no record of it can be trusted.
    """
    if source.damaged:
        text = f"{source.cut}; what was unpacked before may be wrong, too"
        stats.gaps.insert(0, Gap(MANY, 0, 0, min(stats.lines, 1), stats.first_ts_ns, None, text))
    elif source.cut:
        place = (stats.records, byte_offset, stats.lines, stats.last_ts_ns)
        stats.add_gap(Gap(source.cause, *place, None, source.cut, source.missing))
    for unread in source.unread:
        _note_unread(unread, stats)


def _note_unread(unread: Unread, stats: ReadStats) -> None:
    """Tell a disk error: where a reader met the zeros that stand for what could not be read, it is the same gap."""
    end = unread.at + unread.size
    text = f"{unread.size} bytes at {unread.at} could not be read: {unread.why}"
    met = False
    for i, gap in enumerate(stats.gaps):
        last = gap.end_byte_offset
        if last is not None and gap.byte_offset < end and last > unread.at:
            stats.gaps[i] = replace(gap, cause="disk-error", text=text)
            met = True
    if not met:  # nobody knows between which records they stand
        stats.gaps.insert(0, Gap(MANY, 0, unread.at, min(stats.lines, 1), stats.first_ts_ns, None, text, unread.size))


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
    explain: Explain = explain_log
    """Says why a line of a known event is refused, with a caret."""
    printed: bool = True
    """Whether arguments stand in it as the printf format of their event prints them: their spelling tells releases."""
    resolution_ns: int = 1000
    """How finely it tells time: two threads' records that are no further apart have no certain order."""
