"""The parts of a picture, as plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from traceview.vocabulary import Op

__all__ = ["Arrow", "Band", "Call", "Instant", "Lane", "LaneKind", "Letter", "RequestBar", "Scene"]


class LaneKind(enum.StrEnum):
    """What a lane is of."""

    THREAD = "thread"
    """A thread or process, or an IOThread told by its context: calls nest in it."""
    STATE = "state"
    """Something that is on or off: a node that is drained, a context without external events, gaps of the trace."""
    DEVICE = "device"
    """A guest's disk: its requests."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane. `title` is trace text; `rows` is how many rows of calls, or of requests at once, it has at the most."""

    kind: LaneKind
    title: str
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """A call that lasts: an iteration, a dispatch, a poll, a bottom half, the read of a notifier, a job's exit.

    `lane` is an index into the scene's; `depth` counts the calls around it. `cut_begin` and `cut_end` say that it began
    before what is drawn, or ends behind it.
    """

    lane: int
    depth: int
    kind: str
    title: str
    begin_ns: int
    end_ns: int
    record: int
    line: int
    cut_begin: bool = False
    cut_end: bool = False


@dataclass(frozen=True, slots=True)
class Instant:
    """A record of a job or of the block graph that takes no time."""

    lane: int
    depth: int
    title: str
    ts_ns: int
    record: int
    line: int


@dataclass(frozen=True, slots=True)
class Band:
    """A time in which a node is drained, a context serves no external events, or the trace lacks something.

    `kind` is drained, external-off or gap.
    """

    lane: int
    kind: str
    title: str
    begin_ns: int
    end_ns: int
    record: int
    cut_begin: bool = False
    cut_end: bool = False


@dataclass(frozen=True, slots=True)
class RequestBar:
    """A guest's request, from being taken up (or handed over) to its completion; `row` is its place in the lane.

    `breaks` says that it stands in the window and breaks its promise; `cut_end` that its end is not drawn.
    """

    lane: int
    row: int
    op: Op
    title: str
    offset_bytes: int
    length_bytes: int
    begin_ns: int
    end_ns: int
    record: int
    line: int
    breaks: bool = False
    cut_end: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """(a), (b) or (c): a point of the window."""

    letter: str
    lane: int
    ts_ns: int
    title: str
    record: int
    line: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """What led to what: a bottom half's scheduling to its run (`bh`), a kick to its request (`kick`)."""

    kind: str
    from_lane: int
    from_ns: int
    to_lane: int
    to_ns: int
    title: str
    from_record: int
    to_record: int


@dataclass(slots=True)
class Scene:
    """What is drawn between `begin_ns` and `end_ns`; 0 of the axis is at `origin_ns`.

    `window_ns` is the window that is shaded, None for none. With `by_record` the trace has no times: all "ns" are
    record numbers times 1000.
    """

    title: str
    subtitle: str
    origin_ns: int
    begin_ns: int
    end_ns: int
    window_ns: tuple[int, int] | None = None
    by_record: bool = False
    lanes: list[Lane] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    instants: list[Instant] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    requests: list[RequestBar] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
