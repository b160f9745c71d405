"""Finds out that records are missing, or stand there once more, from what the others say: no format numbers its lines.

What is taken up is done before its pointer is taken up again; what a job's next state follows is the state that it had
last. A trace in which that is so time and again, and once is not, lacks a record between the two that do not go
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from traceview.events import MAX_GAPS, Gap, Int64Array, StringTable
from traceview.timeline.names import pointer
from traceview.vocabulary import Meaning, MeaningTable

__all__ = ["MOST_FOLLOWED", "Continuity"]

MOST_FOLLOWED = 1 << 16
"""Of so many pointers of one kind it is known what came last."""
FEWEST_AGREEING = 3
"""So many things that do not go together can be of one cause; fewer may each have their own."""
_WHY = ": a record is missing in between, or stands there once more"
_WHY_MANY = ": records are missing in between, or stand there once more"
_OFTEN, _RARE = 20, 4
"""What is seen by the thousand must have been kept so many times as often as it was broken, and what is rare."""
_JOB_FREED, _JOB_MADE = "null", "undefined"
_ENDING = ("waiting", "pending", "aborting", "concluded", _JOB_FREED)
"""What a job goes through at its end: of what stands before it in its life, no window's edge is one."""


@dataclass(frozen=True, slots=True)
class _Turns:
    """Two meanings that take turns for each pointer in a role.

    They are held to it where it was so at least `trusted` times as often as it was not.
    """

    first: Meaning
    second: Meaning
    role: str
    trusted: int


_TURNS = (
    _Turns(Meaning.DEVICE_REQUEST, Meaning.REQUEST_DONE, "request", _OFTEN),
    _Turns(Meaning.DMA_START, Meaning.DMA_DONE, "request", _OFTEN),
    _Turns(Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, "child", _RARE),
    _Turns(Meaning.JOB_START, Meaning.JOB_EXIT_DONE, "job", _RARE),
    _Turns(Meaning.JOB_DEFERRED, Meaning.JOB_EXIT, "job", _RARE),
    _Turns(Meaning.JOB_EXIT, Meaning.JOB_EXIT_DONE, "job", _RARE),
)


@dataclass(slots=True)
class _Breaks:
    """How often what goes together did (`kept`) and did not (`broken`); the first of the latter, as gaps."""

    kept: int = 0
    broken: int = 0
    gaps: list[Gap] = field(default_factory=list)

    def add(self, table: MeaningTable, row: int, before: int, text: str) -> None:
        """Note that a row does not go together with the record `before` it."""
        self.broken += 1
        if len(self.gaps) <= MAX_GAPS:
            self.gaps.append(_gap(table, row, before, text))

    def trusted(self, times: int) -> list[Gap]:
        """Return the gaps, none where it was not kept `times` as often as it was broken."""
        return self.gaps if self.broken * times <= self.kept else []


class _Followers:
    """Finds, for rows of a pointer each, the row before of the same pointer, be it of an earlier table."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, ...]] = {}

    def pair(self, keys: Int64Array, *columns: Int64Array) -> tuple[Int64Array, list[Int64Array]]:
        """Return the places of rows that have one before, and the columns of those before; shapes: as many places."""
        order = np.argsort(keys, kind="stable")
        keys, sorted_columns = keys[order], [c[order] for c in columns]
        again = np.zeros(len(keys), dtype=np.bool_)
        again[1:] = keys[1:] == keys[:-1]
        before = [np.concatenate((c[:1], c[:-1])) for c in sorted_columns]
        firsts = np.flatnonzero(~again)
        lasts = np.append(firsts[1:], len(keys)) - 1
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True) if len(keys) else ():
            key = int(keys[first])
            known = self._last.pop(key, None)
            if known is not None:
                again[first] = True
                for column, value in zip(before, known, strict=True):
                    column[first] = value
            self._last[key] = tuple(int(c[last]) for c in sorted_columns)
        while len(self._last) > MOST_FOLLOWED:
            del self._last[next(iter(self._last))]
        return order[again], [c[again] for c in before]


class Continuity:
    """Feed it the tables of one QEMU in order, then ask for the gaps that nothing marks."""

    MEANINGS = frozenset((*(t.first for t in _TURNS), *(t.second for t in _TURNS), Meaning.JOB_STATE, Meaning.REACH))

    def __init__(self) -> None:
        self._turns = [(turns, _Followers(), _Breaks()) for turns in _TURNS]
        self._nodes, self._node_breaks = _Followers(), _Breaks()
        self._state_breaks = _Breaks()
        self._states: dict[int, tuple[str, int]] = {}
        """By job, the state that it came to last, and the record that says so."""
        self._seen: set[Meaning] = set()

    def feed(self, table: MeaningTable) -> None:
        """Take the next table."""
        for turns, followers, breaks in self._turns:
            rows = np.flatnonzero(table.where(turns.first, turns.second))
            if len(rows):
                self._take_turns(table, rows, turns, followers, breaks)
        rows = np.flatnonzero(table.where(Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, Meaning.REACH))
        if len(rows):
            self._take_nodes(table, rows)
        rows = np.flatnonzero(table.where(Meaning.JOB_STATE))
        if len(rows):
            self._take_states(table, rows)

    def _take_turns(
        self, table: MeaningTable, rows: Int64Array, turns: _Turns, followers: _Followers, breaks: _Breaks
    ) -> None:
        keys = table.role(turns.role, rows)
        rows, keys = rows[keys != 0], keys[keys != 0]
        meanings = table.meaning[rows].astype(np.int64)
        self._seen |= {m for m in (turns.first, turns.second) if (meanings == m).any()}
        places, (before, records) = followers.pair(keys, meanings, table.record[rows])
        wrong = meanings[places] == before
        breaks.kept += int(np.count_nonzero(~wrong))
        for i in np.flatnonzero(wrong).tolist():
            row = int(rows[places[i]])
            event = table.batch.forms[int(table.batch.code[row])].name
            breaks.add(table, row, int(records[i]), f"{event} of {pointer(int(keys[places[i]]))} twice in a row")

    def _take_nodes(self, table: MeaningTable, rows: Int64Array) -> None:
        """Hold the node of each BlockBackend's requests, and that which it leaves, against the one it came to."""
        blks, nodes = table.role("blk", rows), table.role("node", rows)
        told = (blks != 0) & (nodes != 0)
        rows, blks, nodes = rows[told], blks[told], nodes[told]
        meanings = table.meaning[rows].astype(np.int64)
        places, (before, was_on, records) = self._nodes.pair(blks, meanings, nodes, table.record[rows])
        stays = meanings[places] != Meaning.ROOT_ATTACH
        wrong = stays & ((nodes[places] != was_on) | (before == Meaning.ROOT_DETACH))
        self._node_breaks.kept += int(np.count_nonzero(stays & ~wrong & (before == Meaning.ROOT_ATTACH)))
        for i in np.flatnonzero(wrong).tolist():
            text = f"BlockBackend {pointer(int(blks[places[i]]))} is on another node than it was attached to"
            self._node_breaks.add(table, int(rows[places[i]]), int(records[i]), text)

    def _take_states(self, table: MeaningTable, rows: Int64Array) -> None:
        strings = table.strings
        jobs, befores, afters = (table.role(role, rows).tolist() for role in ("job", "state_before", "state"))
        for row, job, old, new in zip(rows.tolist(), jobs, befores, afters, strict=True):
            before, after = _text(strings, old), _text(strings, new)
            known = self._states.pop(job, None)
            if not (before and after):
                continue
            if known is not None and known[0] in _ENDING:
                if before == (_JOB_MADE if known[0] == _JOB_FREED else known[0]):
                    self._state_breaks.kept += 1
                else:
                    text = f"job {pointer(job)} goes from {before} to {after}, and was {known[0]}"
                    self._state_breaks.add(table, row, known[1], text)
            self._states[job] = after, int(table.record[row])
            if len(self._states) > MOST_FOLLOWED:
                del self._states[next(iter(self._states))]

    def gaps(self, known: Sequence[Gap]) -> list[Gap]:
        """Return what is missing, as far as none of the `known` gaps tells of it."""
        found = self._state_breaks.trusted(_RARE) + self._node_breaks.trusted(_RARE)
        for turns, _, breaks in self._turns:
            if {turns.first, turns.second} <= self._seen:
                found = found + breaks.trusted(turns.trusted)
        found = [g for g in found if not any(k.between(g.first - 1, g.record) for k in known)]
        return [gap for together in _overlapping(found) for gap in _explained(together)]


def _overlapping(gaps: Iterable[Gap]) -> Iterator[list[Gap]]:
    """Yield the gaps that lie together, in order."""
    together: list[Gap] = []
    reached = -1
    for gap in sorted(gaps, key=lambda g: g.first):
        if together and gap.first > reached:
            yield together
            together = []
        together.append(gap)
        reached = max(reached, gap.record)
    if together:
        yield together


def _explained(together: list[Gap]) -> list[Gap]:
    """Return one gap where one place explains all of several, as where a stretch was cut out; else all of them."""
    first, nearest = max(g.first for g in together), min(together, key=lambda g: g.record)
    if len(together) < FEWEST_AGREEING or first > nearest.record:
        return together
    text = nearest.text.replace(_WHY, f", and {len(together) - 1} more such{_WHY_MANY}")
    return [replace(nearest, text=text, reach=nearest.record - first)]


def _gap(table: MeaningTable, row: int, before: int, text: str) -> Gap:
    batch = table.batch
    record = int(batch.record[row])
    place = (record, int(batch.byte_offset[row]), int(batch.line[row]), int(batch.ts_ns[row]))
    return Gap("missing", *place, None, text + _WHY, None, record - before - 1)


def _text(strings: StringTable, value: int) -> str:
    return strings[value] if value >= 0 else ""
