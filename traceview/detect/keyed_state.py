"""One window whose subject is a pointer, as it is followed: what stands in it is kept up to `MOST_KEPT`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from traceview.detect.pending import Pending
from traceview.events import NO_TIME
from traceview.findings import Happening, Request
from traceview.rules import Rule, WindowClause
from traceview.timeline.marks import Mark

__all__ = ["Kept", "KeyedWindow"]

T = TypeVar("T")

MOST_KEPT = 1000
"""Requests of one window that are kept, and happenings; more are counted."""
FEW_KEPT = 10
"""How many of them are kept of a window in any case, however many others are open."""


class Kept(Generic[T]):
    """The first `MOST_KEPT` of some things, in `items`, and how many `more` there were."""

    __slots__ = ("items", "more", "most")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.more = 0
        self.most = MOST_KEPT

    @property
    def room(self) -> int:
        """How many more are kept."""
        return self.most - len(self.items)

    def keep(self, items: Iterable[T], count: int) -> None:
        """Take the next of them, of which there are `count`, and `items` those for which there is room."""
        before = len(self.items)
        self.items.extend(items)
        self.more += count - (len(self.items) - before)


@dataclass(slots=True)
class KeyedWindow:
    """One window. `roles` are those of its opening that something inside is compared with."""

    rule: Rule
    clause: WindowClause
    key: int
    open: Mark
    roles: dict[str, int]
    close: Mark | None = None
    requests: Kept[Request] = field(default_factory=Kept)
    submitted: Kept[Request] = field(default_factory=Kept)
    """Requests as they were handed over, of which reaching the node counts where that is traced."""
    happened: Kept[Happening] = field(default_factory=Kept)
    held: int = 0
    """How many records show that a guard was put to the test."""
    ran: int = 0
    """How many records had to be in some thread or context."""
    untold: int = 0
    """Of how many of them the trace does not tell it."""
    progress_ns: int = NO_TIME
    """When what the window may starve was last seen, or the window opened."""
    starved_ns: int = 0
    """The longest that nothing of it was seen."""
    depth: int = 1
    pending: Pending | None = None
    """What was on its way when it opened, where that must not end inside."""

    def limit(self, most: int) -> None:
        """Keep no more than `most` of what stands in it, but `FEW_KEPT` in any case, and `MOST_KEPT` at the most."""
        for kept in (self.requests, self.submitted, self.happened):
            kept.most = min(MOST_KEPT, max(FEW_KEPT, most))

    @property
    def broken(self) -> bool:
        """Whether something that is forbidden stands in it."""
        return bool(self.requests.items or self.submitted.items or self.happened.items)
