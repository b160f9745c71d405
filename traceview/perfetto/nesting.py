"""What stands on one track, such that it nests: an end for every beginning, no overlap, times that never step back.

Perfetto keeps a stack a track: an end closes the slice that was begun last. So an order that is nearly right is wrong.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

__all__ = ["DEEPEST", "INSIDE", "Event", "Field", "Item", "Phase", "nested"]

Field = int | str | bool
"""What an annotation can hold."""
INSIDE = 1 << 30
"""The depth of what stands inside of whatever is open."""
DEEPEST = 256
"""More slices are not open at once on a track (drained sections without traced ends pile up); the rest are instants."""


class Phase(enum.Enum):
    """What an event does to its track."""

    BEGIN = "begin"
    END = "end"
    INSTANT = "instant"


@dataclass(slots=True)
class Item:
    """A slice, or an instant where `end_ns` is None.

    `depth` counts the slices around it; None lets it lie inside of whatever lasts longer. `leads` and `comes_from` are
    the ids of the flows that begin and end here.
    """

    begin_ns: int
    end_ns: int | None
    depth: int | None
    record: int
    name: str
    category: str
    fields: dict[str, Field]
    leads: list[int] = field(default_factory=list)
    comes_from: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Event:
    """What is written of an item. `order` is the last record of the track up to here: it sorts equal times."""

    phase: Phase
    ts_ns: int
    order: int
    item: Item


def nested(items: Iterable[Item]) -> Iterator[Event]:
    """Yield the events of one track.

    Of two slices that overlap, the one of greater or equal depth ends where the next begins; a slice never outlasts
    the one around it. Slices of no length nest as their depths say, whatever their times.
    """
    stack: list[tuple[int, Item]] = []
    order = -1

    def close(until: int | None = None) -> Event:
        end, item = stack.pop()
        return Event(Phase.END, end if until is None else min(end, until), order, item)

    for item in sorted(items, key=lambda i: (i.begin_ns, i.record)):
        now = item.begin_ns
        while stack and stack[-1][0] < now:
            yield close()
        while stack and _is_over(*stack[-1], item):
            yield close(now)
        order = max(order, item.record)
        if item.end_ns is None or len(stack) >= DEEPEST:
            yield Event(Phase.INSTANT, now, order, replace(item, end_ns=None))
            continue
        end = max(item.end_ns, now)
        stack.append((min(end, stack[-1][0]) if stack else end, item))
        yield Event(Phase.BEGIN, now, order, item)
    while stack:
        yield close()


def _is_over(end: int, open_item: Item, item: Item) -> bool:
    """Say whether an open slice has to end where an item begins."""
    if item.depth is None or open_item.depth is None:
        return item.depth != INSIDE and end <= item.begin_ns
    if open_item.depth < item.depth:
        return False
    return item.end_ns is not None or end <= item.begin_ns
