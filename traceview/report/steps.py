"""The interleaving of a finding as a short list of steps: its points, the calls they stand in, what is beside them.

A step is a record with the context that ran it. Where a scan kept the records around a window, they are told; else the
window's own points are all that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from traceview.detect.witness import surroundings
from traceview.events import NO_THREAD
from traceview.findings import Finding, Window
from traceview.report.escape import printable
from traceview.report.text import closing_words, opening_words, request_words
from traceview.timeline.marks import Mark
from traceview.timeline.names import pointer
from traceview.timeline.nesting import IOHANDLER, MAIN, Frame, Nesting, build_nesting
from traceview.vocabulary import Meaning, MeaningTable, Row

__all__ = ["MOST_STEPS", "Interleaving", "Step", "interleaving", "served_by"]

MOST_STEPS = 50
"""Steps of one finding: what a person reads, and what the viewers of SARIF bear."""
MOST_POINTS = 30
"""Of them, those that the rule speaks of; the others show what is around."""
NEAR = 3
"""How many records before and after a point are shown while there is room, where not all of them fit."""
MOST_ROWS = 20_000
"""Of more records than that only those near the first points are looked at."""
MOST_COUNTERS = 8
"""Counters told at one step, those that changed last."""
_CLOSERS = (Meaning.DISPATCH_DONE, Meaning.POLL_DONE, Meaning.ITERATION_DONE, Meaning.JOB_EXIT_DONE)
_MAIN, _UNKNOWN, _HANDLER_POLL = "main-loop", "qemu", "qemu_iohandler_poll"
_MAIN_LOOP = ("iteration", "iohandler_poll")
_QUIESCE = ("node", "bs", "quiesce_counter", ("quiesce_counter", "quiesce"))
_EXTERNAL = ("ctx", "ctx", "external_disable_cnt", ("external_disable_cnt", "cnt"))
_DIRTY = ("job", "job", "dirty_chunks", ("cnt",))
_COUNTERS = {
    Meaning.DRAINED_BEGIN: _QUIESCE, Meaning.DRAINED_END: _QUIESCE, Meaning.EXTERNAL_OFF: _EXTERNAL,
    Meaning.EXTERNAL_ON: _EXTERNAL, Meaning.JOB_LOOK: _DIRTY, Meaning.JOB_BEFORE_DRAIN: _DIRTY,
}  # fmt: skip
"""Records that tell a counter: the role of what it belongs to, the word for that, its name, the argument it may be."""


@dataclass(frozen=True, slots=True)
class Step:
    """One record of an interleaving; `words` and `context` are printable.

    `letter` is (a), (b) or (c) where the rule speaks of it, ``""`` elsewhere; `frames` says that it is a call in which
    such a record stands. `counters` is what is known there of counters, by name.
    """

    mark: Mark
    words: str
    context: str
    depth: int = 0
    letter: str = ""
    frames: bool = False
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interleaving:
    """The steps of a finding in the order of the trace; `left_out` is how many of the records around are not told."""

    steps: tuple[Step, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Point:
    letter: str
    mark: Mark
    words: str
    context: str = ""


def interleaving(finding: Finding, window: Window, contexts: Mapping[int, str]) -> Interleaving:
    """Return the steps of a finding; `contexts` names the AioContexts of its trace by their pointers."""
    points = list(_points(finding, window))
    table = window.witness
    if table is not None and len(table) > MOST_ROWS:
        table = surroundings(window, [table])
    if table is None:
        chosen = points[:MOST_STEPS]
        return Interleaving(tuple(sorted(map(_bare, chosen), key=_place)), len(points) - len(chosen))
    return _Chooser(table, points, contexts).interleaving()


def served_by(context: str) -> str:
    """Return what served a request (`Request.context`) as steps name it, made printable; ``""`` where it is not known.

    Two contexts are the main loop's own.
    """
    if not context:
        return ""
    if context == _HANDLER_POLL:
        return f"{_MAIN}/{context}"
    return f"{_MAIN}/aio:{context}" if context in (MAIN, IOHANDLER) else f"aio:{printable(context)}"


def _place(step: Step) -> int:
    return step.mark.record


def _bare(point: _Point) -> Step:
    return Step(point.mark, f"{point.letter} {point.words}", point.context or _UNKNOWN, letter=point.letter)


def _points(finding: Finding, window: Window) -> Iterator[_Point]:
    """Yield what the rule speaks of, what matters most first."""
    if window.open is not None:
        yield _Point("(a)", window.open, opening_words(window))
    if window.close is not None:
        yield _Point("(c)", window.close, closing_words(window))
    at_edges = {m.record for m in (window.open, window.close) if m is not None}
    requests = [window.requests[i] for i in finding.requests]
    requests.sort(key=lambda r: not r.op.changes_data)  # a write says more than a read: it is what is lost
    for request in requests:
        if request.mark.record not in at_edges:
            yield _Point("(b)", request.mark, request_words(request), served_by(request.context))
    for happening in (window.happenings[i] for i in finding.happenings):
        if happening.mark.record not in at_edges:
            doubt = f" (possible: {happening.doubt})" if happening.doubt else ""
            yield _Point("(b)", happening.mark, printable(happening.text + doubt, limit=160))


class _Chooser:
    """Chooses from the records around a window."""

    def __init__(self, table: MeaningTable, points: list[_Point], contexts: Mapping[int, str]) -> None:
        self._table = table
        self._contexts = contexts
        self._nesting = build_nesting(table, contexts)
        self._names = _ContextNames(table, self._nesting, contexts)
        self._row_of = {int(record): row for row, record in enumerate(table.record)}
        self._points = points
        spoken = {p.mark.record for p in points}
        closers = table.where(*_CLOSERS).tolist()
        self._telling = [
            not closes or record in spoken for closes, record in zip(closers, table.record.tolist(), strict=True)
        ]
        """Which rows can be a step: the end of a call says nothing of its own."""

    def interleaving(self) -> Interleaving:
        shown = self._points[:MOST_POINTS]
        rows, frames = self._rows(shown)
        counters = self._counters(rows)
        letters = {p.mark.record: p for p in shown}
        steps = [
            self._step(row, letters.get(int(self._table.record[row])), frames=row in frames, counters=counters[row])
            for row in sorted(rows)
        ]
        steps += [_bare(p) for p in shown if p.mark.record not in self._row_of]
        beside = sum(p.mark.record not in self._row_of for p in self._points)
        return Interleaving(tuple(sorted(steps, key=_place)), sum(self._telling) + beside - len(steps))

    def _rows(self, shown: list[_Point]) -> tuple[set[int], set[int]]:
        """Return the rows to show, and those of them that are calls around a point."""
        spoken = [self._row_of[p.mark.record] for p in shown if p.mark.record in self._row_of]
        room = MOST_STEPS - sum(p.mark.record not in self._row_of for p in shown)
        rows = set(spoken[:room])
        frames: set[int] = set()
        for row in spoken:
            around = {f.first for f in _outward(self._nesting.inner[row])}
            if len(rows | around) <= room:
                rows |= around
                frames |= around
        fits = sum(self._telling) <= room
        for distance in range(1, (len(self._table) if fits else NEAR) + 1):
            for row in spoken:
                for near in (row - distance, row + distance):
                    if 0 <= near < len(self._table) and len(rows) < room and self._telling[near]:
                        rows.add(near)
        return rows, frames

    def _step(self, index: int, point: _Point | None, *, frames: bool, counters: Mapping[str, int]) -> Step:
        row = self._table.row(index)
        frame = self._nesting.inner[index]
        own = frame is not None and frame.first == index
        words = f"{point.letter} {point.words}" if point is not None else self._words(row, frame if own else None)
        return Step(
            Mark.of(row), words, self._names.of(index), depth=frame.depth + (not own) if frame is not None else 0,
            letter=point.letter if point is not None else "", frames=frames, counters=counters,
        )  # fmt: skip

    def _words(self, row: Row, frame: Frame | None) -> str:
        if frame is not None and frame.kind == "iteration":
            return f"main_loop_wait # {row.iteration}"
        if frame is not None and frame.key in self._contexts:
            return f"{row.event} ({printable(self._contexts[frame.key])})"
        return printable(row.text(), limit=160)

    def _counters(self, rows: Iterable[int]) -> dict[int, Mapping[str, int]]:
        """Return what is known of counters at each of some rows, from all the records before it."""
        wanted = set(rows)
        known: dict[str, int] = {}
        told: dict[int, Mapping[str, int]] = {}
        telling = set(self._table.where(*_COUNTERS).nonzero()[0].tolist())
        for index in sorted(wanted | telling):
            if index in telling:
                for name, value in self._told_at(index):
                    known.pop(name, None)  # so that it stands last
                    known[name] = value
            if index in wanted:
                told[index] = dict(list(known.items())[-MOST_COUNTERS:])
        return told

    def _told_at(self, index: int) -> Iterator[tuple[str, int]]:
        row = self._table.row(index)
        role, word, name, arguments = _COUNTERS[row.meaning]
        for argument, value in self._table.batch.values(index).items():
            if argument in arguments and isinstance(value, int):
                yield f"{name} of {word} {pointer(row.role(role))}", value


class _ContextNames:
    """Says what ran each row of a table: the thread as far as it is known, and the AioContext that it served."""

    def __init__(self, table: MeaningTable, nesting: Nesting, contexts: Mapping[int, str]) -> None:
        self._tids = table.values("tid")
        self._nesting = nesting
        self._contexts = contexts
        self._one_id = len(set(self._tids)) == 1
        loops = {f.lane for f in nesting.frames if f.kind in _MAIN_LOOP}
        self._main = loops or {f.lane for f in nesting.frames if contexts.get(f.key) in (MAIN, IOHANDLER)}

    def of(self, row: int) -> str:
        frame = self._nesting.inner[row]
        serving = self._nesting.serving(row)
        thread = self._thread(self._tids[row], frame)
        if serving is None:
            return thread
        if serving.kind == "iohandler_poll":
            return f"{thread}/{_HANDLER_POLL}"
        name = self._contexts.get(serving.key)
        return f"{thread}/aio:{printable(name) if name is not None else pointer(serving.key)}"

    def _thread(self, tid: int, frame: Frame | None) -> str:
        if frame is not None and frame.lane in self._main:
            return _MAIN
        if frame is not None and frame.lane != tid:
            return "iothread"
        # Where all records have the id of the process, whose stands outside of all calls is not known.
        return _UNKNOWN if self._one_id or tid == NO_THREAD else f"thread:{tid}"


def _outward(frame: Frame | None) -> Iterator[Frame]:
    while frame is not None:
        yield frame
        frame = frame.parent
