"""Timelines: iterations, dispatches, bottom halves, drained sections, kicks, requests, jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING

from traceview.errors import MissingEventsError
from traceview.events import EventBatch
from traceview.timeline.follow import Follower
from traceview.timeline.iterations import IterationCounter
from traceview.timeline.jobs import Job
from traceview.timeline.names import NameTracker
from traceview.timeline.nesting import Nesting, build_nesting
from traceview.timeline.requests import GuestRequest
from traceview.vocabulary import Meaning, MeaningTable, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Timeline"]


class Timeline:
    """The timeline of a run of records, as tables made when they are asked for.

    `table` holds the records; `names` what pointers are called; `guest_requests` the requests that began in them.
    Each property is a pandas DataFrame described in `traceview.timeline.frames`; it raises MissingEventsError where
    the trace lacks the events that fill it.
    """

    def __init__(self, table: MeaningTable, names: NameTracker, requests: list[GuestRequest], jobs: list[Job]) -> None:
        self.table = table
        self.names = names
        self.guest_requests = requests
        self._jobs = jobs

    @classmethod
    def build(
        cls,
        vocabulary: Vocabulary,
        batches: Iterable[EventBatch],
        first_record: int = 0,
        last_record: int | None = None,
    ) -> Timeline:
        """Read the batches of a trace from its beginning and keep the records of the given range."""
        follower = Follower()
        last = last_record if last_record is not None else (1 << 62)
        tables: list[MeaningTable] = []
        requests: list[GuestRequest] = []
        ended: list[Job] = []
        empty: MeaningTable | None = None
        for batch in batches:
            # What comes after the range must not be told: where a batch ends is nobody's business.
            table = vocabulary.interpret(batch).between(0, last)
            empty = table.take(slice(0, 0))
            if not len(table):
                break
            complete, gone = follower.feed(table)
            ended += gone
            requests += [r for r in complete if first_record <= r.first.record <= last]
            if first_record <= int(table.record[-1]):
                tables.append(table.between(first_record, last))
        complete, gone = follower.finish()
        ended += gone
        requests += [r for r in complete if first_record <= r.first.record <= last]
        if empty is None:
            raise MissingEventsError("the trace has no event that a timeline is made of")
        ended.sort(key=lambda j: j.start.record if j.start else 0)
        return cls(MeaningTable.concat(tables) if tables else empty, follower.names, requests, ended)

    @classmethod
    def around(
        cls, vocabulary: Vocabulary, batches: Iterable[EventBatch], first_record: int, last_record: int
    ) -> Timeline:
        """Keep the records of a range, and look at these alone: before them only names and iterations are learned.

        That is much faster than `build` where the range lies deep in a trace, and leaves out what began before it.
        """
        for _, timeline in cls.each_around(vocabulary, batches, [[(first_record, last_record)]]):
            return timeline
        raise MissingEventsError(f"the trace has no record from {first_record} to {last_record} with a meaning")

    @classmethod
    def each_around(
        cls, vocabulary: Vocabulary, batches: Iterable[EventBatch], wanted: Sequence[Sequence[tuple[int, int]]]
    ) -> Iterator[tuple[int, Timeline]]:
        """Keep the records of many timelines in one pass, as `around` does of one.

        Each of `wanted` is the ranges of one timeline, in order and apart. Yields its index and the timeline once the
        last of its ranges is read, so that no more is held than is open; where no record has a meaning there is none.
        """
        names, iterations = NameTracker(), IterationCounter()
        kept: dict[int, list[MeaningTable]] = {index: [] for index in range(len(wanted))}
        for batch in batches:
            table = vocabulary.interpret(batch)
            iterations.number(table)
            for row in table.rows(table.where(*NameTracker.MEANINGS)):
                names.feed(row)
            for index, parts in kept.items():
                parts += [part for span in wanted[index] if len(part := table.between(*span))]
            at = int(table.record[-1]) if len(table) else -1
            for index in [i for i in kept if at > wanted[i][-1][1]]:
                yield from cls._of(index, kept.pop(index), names)
            if not kept:
                return
        for index, parts in kept.items():
            yield from cls._of(index, parts, names)

    @classmethod
    def _of(cls, index: int, parts: list[MeaningTable], names: NameTracker) -> Iterator[tuple[int, Timeline]]:
        if not parts:
            return
        own = deepcopy(names)  # it is taught the names of its records once more, in their order
        table, follower = MeaningTable.concat(parts), Follower(own)
        requests, jobs = follower.feed_numbered(table)
        more_requests, more_jobs = follower.finish()
        yield index, cls(table, own, requests + more_requests, jobs + more_jobs)

    @cached_property
    def nesting(self) -> Nesting:
        """Which call each record stands in."""
        return build_nesting(self.table, self.names.contexts)

    def _require(self, *meanings: Meaning) -> None:
        if not self.table.where(*meanings).any():
            names = ", ".join(m.name.lower() for m in meanings)
            raise MissingEventsError(
                f"no event of the trace means any of: {names}; traceview formats says what to trace"
            )

    @property
    def requests(self) -> pd.DataFrame:
        """One row a guest request."""
        from traceview.timeline.frames import requests_frame  # noqa: PLC0415  (pandas is slow to import)

        self._require(Meaning.DEVICE_REQUEST, Meaning.SUBMIT, Meaning.REACH)
        return requests_frame(self.guest_requests, self.names)

    @property
    def jobs(self) -> pd.DataFrame:
        """One row a mirror or active commit job."""
        from traceview.timeline.frames import jobs_frame  # noqa: PLC0415

        return jobs_frame(self._jobs, self.names)

    @property
    def iterations(self) -> pd.DataFrame:
        """One row a call of main_loop_wait."""
        from traceview.timeline.frames import iterations_frame  # noqa: PLC0415

        self._require(Meaning.ITERATION)
        return iterations_frame(self.table, self.nesting)

    @property
    def dispatches(self) -> pd.DataFrame:
        """One row a dispatch, nested aio_poll or qemu_iohandler_poll."""
        from traceview.timeline.frames import calls_frame  # noqa: PLC0415

        self._require(Meaning.DISPATCH, Meaning.POLL, Meaning.IOHANDLER_POLL)
        return calls_frame(self.table, self.nesting, self.names)

    @property
    def bhs(self) -> pd.DataFrame:
        """One row a run of a bottom half."""
        from traceview.timeline.bhs import bottom_halves  # noqa: PLC0415
        from traceview.timeline.frames import bhs_frame  # noqa: PLC0415

        self._require(Meaning.BH_SCHEDULE, Meaning.BH_CALL)
        return bhs_frame(bottom_halves(self.table), self.names)

    @property
    def drains(self) -> pd.DataFrame:
        """One row a drained section."""
        from traceview.timeline.drains import drained_sections  # noqa: PLC0415
        from traceview.timeline.frames import drains_frame  # noqa: PLC0415

        self._require(Meaning.DRAINED_BEGIN)
        return drains_frame(drained_sections(self.table))

    @property
    def external(self) -> pd.DataFrame:
        """One row a change of whether a context serves external events."""
        from traceview.timeline.frames import external_frame  # noqa: PLC0415

        self._require(Meaning.EXTERNAL_OFF, Meaning.EXTERNAL_ON)
        return external_frame(self.table, self.names)

    @property
    def notifier_reads(self) -> pd.DataFrame:
        """One row a host notifier read."""
        from traceview.timeline.frames import notifier_reads_frame  # noqa: PLC0415

        self._require(Meaning.NOTIFIER_READ)
        return notifier_reads_frame(self.table, self.nesting, self.names)
