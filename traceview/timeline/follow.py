"""One pass over the tables of a trace, in which all that a timeline knows learns from each record."""

from __future__ import annotations

from traceview.timeline.devices import DeviceMap
from traceview.timeline.iterations import IterationCounter
from traceview.timeline.jobs import Job, JobTracker, Step
from traceview.timeline.names import NameTracker
from traceview.timeline.reached import ReachedNodes
from traceview.timeline.requests import GuestRequest, RequestBuilder
from traceview.vocabulary import MeaningTable

__all__ = ["Follower"]


class Follower:
    """Feed it the tables of one trace, in order. `names` is what pointers are called so far, or were called before."""

    def __init__(self, names: NameTracker | None = None) -> None:
        self.names = names if names is not None else NameTracker()
        self._devices = DeviceMap()
        self._jobs = JobTracker()
        self._iterations = IterationCounter()
        self._reached = ReachedNodes()
        self._requests = RequestBuilder(self.names, self._devices)

    def feed(self, table: MeaningTable) -> tuple[list[GuestRequest], list[Job]]:
        """Take the next table and number its iterations; return the requests and the jobs that are complete."""
        self._iterations.number(table)
        return self.feed_numbered(table)

    def feed_numbered(self, table: MeaningTable) -> tuple[list[GuestRequest], list[Job]]:
        """Take the next table, whose iterations are numbered."""
        for row in table.rows(table.where(*NameTracker.MEANINGS)):
            self.names.feed(row)
        self._devices.feed(table)
        ended: list[Job] = []
        rows, changes = table.where(*JobTracker.MEANINGS), self._reached.feed(table)
        for row in table.rows(rows if changes is None else rows | changes):
            ended += [job for step, job in self._jobs.feed(row) if step is Step.FINISHED]
        return list(self._requests.feed(table)), ended

    def finish(self) -> tuple[list[GuestRequest], list[Job]]:
        """Return the requests and jobs that the trace leaves incomplete."""
        return list(self._requests.finish()), list(self._jobs.finish())
