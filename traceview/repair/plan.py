"""What a repair would copy, and why that is safe or not."""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from traceview.errors import UnknownNameError
from traceview.events import NO_TIME
from traceview.findings import Extent
from traceview.losses import Losses, LossState, LostExtent
from traceview.repair.compare import Difference, compare
from traceview.repair.naming import Related, choose_device, holder, relate
from traceview.repair.pair import Pair

__all__ = ["Choice", "Plan", "Step", "make_plan"]

_FIRST_DATE_NS = 946_684_800 * 10**9
"""The year 2000: times before it are no time of day, but that of some other clock."""


class Choice(enum.StrEnum):
    """What is to be done with a lost extent."""

    COPY = "copy"
    """It is lost and nothing speaks against copying it, or it is forced."""
    SAME = "same"
    """Both images have the same bytes there: nothing is to be done."""
    REWRITTEN = "rewritten"
    """The guest has written there since: the source has older bytes, which are never copied."""
    UNSAFE = "unsafe"
    """It cannot be shown that copying it does no harm; it is left unless forced."""
    ELSEWHERE = "elsewhere"
    """Another image has it, not this source."""
    IMPOSSIBLE = "impossible"
    """These images do not have it, or it cannot be written there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One lost extent, what is to be done with it, and why (trace text).

    `difference` is None where none was looked for; `forced` tells what is copied in spite of the reasons.
    """

    lost: LostExtent
    choice: Choice
    reasons: tuple[str, ...] = ()
    difference: Difference | None = None
    forced: bool = False


@dataclass(slots=True)
class Plan:
    """What a repair would do. `obstacles` say why nothing may be written now, `notes` what is good to know."""

    steps: list[Step]
    obstacles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, *choices: Choice) -> Iterator[Step]:
        """Yield the steps with some choices."""
        return (s for s in self.steps if s.choice in choices)

    @property
    def to_copy(self) -> list[Step]:
        """What would be copied now: nothing while there are obstacles."""
        return [] if self.obstacles else list(self.of(Choice.COPY))

    @property
    def left(self) -> list[Step]:
        """What the target may lack still when all of `to_copy` is copied."""
        open_ones = [Choice.UNSAFE, Choice.ELSEWHERE, Choice.IMPOSSIBLE]
        return list(self.of(*open_ones, *([Choice.COPY] if self.obstacles else [])))


def make_plan(losses: Losses, pair: Pair, *, device: str | None = None, force: Collection[int] = ()) -> Plan:
    """Say what a repair of `pair` would do; both images are read where bytes are lost, none is written.

    `device` is the disk that the images are of, which need not be said where the trace tells. `force` are the offsets,
    in bytes, of unsafe extents that are to be copied nevertheless.

    Raises UnknownNameError for a device or an offset that is not there, RepairRefusedError where several disks can be
    meant, ImageError where an image cannot be read.
    """
    chosen = choose_device(losses.extents, pair.source.path, pair.target.path, device)
    related = relate(chosen, pair.source.path, pair.target.path)
    overtaken = _overtaken(chosen)
    steps = [_step(r, pair, force, overtaken=o) for r, o in zip(related, overtaken, strict=True)]
    _require_known(force, steps)
    return Plan(steps, list(pair.obstacles), list(_notes(losses, steps, pair)))


def _step(related: Related, pair: Pair, force: Collection[int], *, overtaken: str) -> Step:
    lost = related.lost
    if lost.state is LossState.REWRITTEN:
        return Step(lost, Choice.REWRITTEN)
    if related.elsewhere:
        return Step(lost, Choice.ELSEWHERE, (f"{related.elsewhere} has it: run again with that as --source",))
    refusal = pair.source.refusal(lost.extent) or pair.target.refusal(lost.extent)
    if refusal:
        return Step(lost, Choice.IMPOSSIBLE, (refusal,))
    differs = compare(pair.source, pair.target, lost.extent)
    if not differs.count:
        return Step(lost, Choice.SAME, difference=differs)
    reasons = [*pair.doubts, *related.doubts]
    if lost.state is LossState.UNCERTAIN:
        reasons.insert(0, lost.reason or "the trace does not tell whether it is lost")
    if overtaken:
        reasons.append(overtaken)
    forced = bool(reasons) and lost.extent.offset in force
    choice = Choice.UNSAFE if reasons and not forced else Choice.COPY
    return Step(lost, choice, tuple(reasons), differs, forced)


def _require_known(force: Collection[int], steps: Sequence[Step]) -> None:
    """Raise UnknownNameError for an offset at which there is nothing to force."""
    for offset in force:
        there = [s for s in steps if s.lost.extent.offset == offset]
        if not there:
            near = min((s.lost.extent.offset for s in steps), key=lambda o: (abs(o - offset), o), default=None)
            hint = f"; the nearest begins at {near}" if near is not None else ""
            raise UnknownNameError(f"--force {offset}: no lost extent begins there{hint}")
        if not any(s.choice in (Choice.COPY, Choice.SAME) for s in there):
            why = there[0].reasons or ("the guest has written there since: the source has older bytes",)
            raise UnknownNameError(f"--force {offset}: cannot be copied, forced or not: {why[0]}")


class _Covered:
    """The bytes of extents, as intervals that do not touch, in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, extent: Extent) -> None:
        first, last = bisect_left(self._ends, extent.offset), bisect_right(self._starts, extent.end)
        start = min([extent.offset, *self._starts[first:last][:1]])
        end = max([extent.end, *self._ends[first:last][-1:]])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def meets(self, extent: Extent) -> bool:
        at = bisect_right(self._ends, extent.offset)
        return at < len(self._starts) and self._starts[at] < extent.end


def _overtaken(extents: Sequence[LostExtent]) -> list[str]:
    """Say of each extent whether bytes of it were lost again later, and are in another image; ``""`` if not."""
    said = [""] * len(extents)
    later: dict[Hashable, _Covered] = {}
    for i in sorted(range(len(extents)), key=lambda i: (extents[i].trace, extents[i].written.record), reverse=True):
        lost = extents[i]
        if lost.state is LossState.REWRITTEN:
            continue
        here = holder(lost)
        for image, covered in later.items():
            if image != here and covered.meets(lost.extent):
                said[i] = "bytes of it were lost again later, and another image has the newer ones"
        later.setdefault(here, _Covered()).add(lost.extent)
    return said


def _notes(losses: Losses, steps: Sequence[Step], pair: Pair) -> Iterator[str]:
    """Yield what the trace cannot know: what was done after its end, and what its scan could not judge."""
    if losses.scan.inconclusive:
        yield "the scan could not judge everything: more may be lost than is listed (traceview scan tells what)"
    traces = sorted({s.lost.trace for s in steps if s.choice is Choice.COPY})
    if len(traces) > 1:
        yield "several traces: what one of them lost may have been rewritten in a later one, which is not looked for"
    written = pair.target.path.stat().st_mtime
    for trace in traces:
        last = losses.horizons[trace].last
        if last is None or last.ts_ns == NO_TIME or last.ts_ns < _FIRST_DATE_NS:
            yield "the trace has no time of day: whether the guest ran on after its end cannot be told"
        elif written > last.ts_ns / 1e9 + 1:
            yield (
                f"the trace ends at {_utc(last.ts_ns / 1e9)} and the target was written at {_utc(written)}: if the "
                "guest ran on, it may have rewritten some of these bytes"
            )


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
