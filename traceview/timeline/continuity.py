"""Finds out that records are missing, or stand there once more, from what the others say: no format numbers its lines.

What is taken up is done before its pointer is taken up again; what a job's next state follows is the state that it had
last. A trace in which that is so time and again, and once is not, lacks a record between the two that do not go
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

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
    _Turns(Meaning.DEVICE_REQUEST, Meaning.REQUEST_DONE, "request", 20),
    _Turns(Meaning.DMA_START, Meaning.DMA_DONE, "request", 20),
    _Turns(Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, "child", 4),
    _Turns(Meaning.JOB_START, Meaning.JOB_EXIT_DONE, "job", 4),
    _Turns(Meaning.JOB_DEFERRED, Meaning.JOB_EXIT, "job", 4),
    _Turns(Meaning.JOB_EXIT, Meaning.JOB_EXIT_DONE, "job", 4),
)


@dataclass(slots=True)
class _Followed:
    """What is known of one kind of turns: by pointer, which of both came last and its record; breaks, as gaps."""

    last: dict[int, tuple[bool, int]]
    breaks: list[Gap]
    kept: int = 0
    broken: int = 0
    both: int = 0
    """Bits for the meanings that were met."""


class Continuity:
    """Feed it the tables of one QEMU in order, then ask for the gaps that nothing marks."""

    MEANINGS = frozenset((*(t.first for t in _TURNS), *(t.second for t in _TURNS), Meaning.JOB_STATE, Meaning.REACH))

    def __init__(self) -> None:
        self._followed = [_Followed({}, []) for _ in _TURNS]
        self._states: dict[int, tuple[str, int]] = {}
        """By job, the state that it came to last, and the record that says so."""
        self._state_breaks = _Followed({}, [])
        self._nodes: dict[int, tuple[int, int, int]] = {}
        """By BlockBackend, the meaning, the node and the record of the last record that tells its node."""
        self._node_breaks = _Followed({}, [])

    def feed(self, table: MeaningTable) -> None:
        """Take the next table."""
        for turns, followed in zip(_TURNS, self._followed, strict=True):
            rows = np.flatnonzero(table.where(turns.first, turns.second))
            if len(rows):
                self._take(table, rows, turns, followed)
        self._take_nodes(table)
        states = table.where(Meaning.JOB_STATE)
        if states.any():
            self._take_states(table, np.flatnonzero(states))

    def _take(self, table: MeaningTable, rows: Int64Array, turns: _Turns, followed: _Followed) -> None:
        keys = table.role(turns.role, rows)
        rows, keys = rows[keys != 0], keys[keys != 0]
        if not len(rows):
            return
        order = np.argsort(keys, kind="stable")
        rows, keys = rows[order], keys[order]
        ends, records = table.meaning[rows] == turns.second, table.record[rows]
        followed.both |= (2 if ends.any() else 0) | (0 if ends.all() else 1)
        again = keys[1:] == keys[:-1]
        wrong = again & (ends[1:] == ends[:-1])
        followed.kept += int(np.count_nonzero(again & ~wrong))
        for i in np.flatnonzero(wrong).tolist():
            self._break(table, int(rows[i + 1]), int(records[i]), turns, followed)
        firsts = np.flatnonzero(np.concatenate(([True], ~again)))
        lasts = np.append(firsts[1:] - 1, len(rows) - 1)
        last = followed.last
        for first, end in zip(firsts.tolist(), lasts.tolist(), strict=True):
            key = int(keys[first])
            before = last.pop(key, None)
            if before is not None and before[0] == bool(ends[first]):
                self._break(table, int(rows[first]), before[1], turns, followed)
            elif before is not None:
                followed.kept += 1
            last[key] = bool(ends[end]), int(records[end])
        while len(last) > MOST_FOLLOWED:
            del last[next(iter(last))]

    def _break(self, table: MeaningTable, row: int, before: int, turns: _Turns, followed: _Followed) -> None:
        key, event = int(table.role(turns.role, np.array([row]))[0]), table.batch.forms[int(table.batch.code[row])].name
        followed.broken += 1
        if len(followed.breaks) <= MAX_GAPS:
            text = f"{event} of {pointer(key)} twice in a row"
            followed.breaks.append(_gap(table, row, before, text))

    def _take_nodes(self, table: MeaningTable) -> None:
        """Hold the node of each BlockBackend's requests, and that which it leaves, against the one it came to."""
        rows = np.flatnonzero(table.where(Meaning.ROOT_ATTACH, Meaning.ROOT_DETACH, Meaning.REACH))
        blks, nodes = table.role("blk", rows), table.role("node", rows)
        told = (blks != 0) & (nodes != 0)
        rows, blks, nodes = rows[told], blks[told], nodes[told]
        order = np.argsort(blks, kind="stable")
        rows, blks, nodes = rows[order], blks[order], nodes[order]
        meanings, records = table.meaning[rows], table.record[rows]
        attached, left = meanings == Meaning.ROOT_ATTACH, meanings == Meaning.ROOT_DETACH
        again = blks[1:] == blks[:-1]
        wrong = again & ~attached[1:] & ((nodes[1:] != nodes[:-1]) | left[:-1])
        self._node_breaks.kept += int(np.count_nonzero(again & attached[:-1] & ~attached[1:] & ~wrong))
        for i in np.flatnonzero(wrong).tolist():
            self._node_break(table, int(rows[i + 1]), int(blks[i]), int(records[i]))
        firsts = np.flatnonzero(np.concatenate(([True], ~again))) if len(rows) else rows
        lasts = np.append(firsts[1:] - 1, len(rows) - 1)
        for first, end in zip(firsts.tolist(), lasts.tolist(), strict=True) if len(rows) else ():
            blk = int(blks[first])
            before = self._nodes.pop(blk, None)
            if before is not None and not attached[first]:
                if before[1] != int(nodes[first]) or before[0] == Meaning.ROOT_DETACH:
                    self._node_break(table, int(rows[first]), blk, before[2])
                else:
                    self._node_breaks.kept += before[0] == Meaning.ROOT_ATTACH
            self._nodes[blk] = int(meanings[end]), int(nodes[end]), int(records[end])
        while len(self._nodes) > MOST_FOLLOWED:
            del self._nodes[next(iter(self._nodes))]

    def _node_break(self, table: MeaningTable, row: int, blk: int, before: int) -> None:
        self._node_breaks.broken += 1
        if len(self._node_breaks.breaks) <= MAX_GAPS:
            text = f"BlockBackend {pointer(blk)} is on another node than it was attached to"
            self._node_breaks.breaks.append(_gap(table, row, before, text))

    def _take_states(self, table: MeaningTable, rows: Int64Array) -> None:
        strings = table.strings
        jobs, befores, afters = (table.role(role, rows).tolist() for role in ("job", "state_before", "state"))
        for row, job, old, new in zip(rows.tolist(), jobs, befores, afters, strict=True):
            before, after = _text(strings, old), _text(strings, new)
            known = self._states.pop(job, None)
            record = int(table.record[row])
            if not (before and after):
                continue
            if known is not None and known[0] in _ENDING:
                expected = _JOB_MADE if known[0] == _JOB_FREED else known[0]
                if before == expected:
                    self._state_breaks.kept += 1
                else:
                    self._state_breaks.broken += 1
                    text = f"job {pointer(job)} goes from {before} to {after}, and was {known[0]}"
                    self._state_breaks.breaks.append(_gap(table, row, known[1], text))
            self._states[job] = after, record
            if len(self._states) > MOST_FOLLOWED:
                del self._states[next(iter(self._states))]

    def gaps(self, known: Sequence[Gap]) -> list[Gap]:
        """Return what is missing, as far as none of the `known` gaps tells of it."""
        found: list[Gap] = []
        for turns, followed in zip(_TURNS, self._followed, strict=True):
            if followed.both == 3 and followed.broken * turns.trusted <= followed.kept:
                found += followed.breaks
        for followed in (self._state_breaks, self._node_breaks):
            if followed.broken * 4 <= followed.kept:
                found += followed.breaks
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
    text += _WHY
    place = (record, int(batch.byte_offset[row]), int(batch.line[row]), int(batch.ts_ns[row]))
    return Gap("missing", *place, None, text, None, record - before - 1)


def _text(strings: StringTable, value: int) -> str:
    return strings[value] if value >= 0 else ""
