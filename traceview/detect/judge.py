"""From a window and its requests to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from traceview.detect.buffer import MAX_RECORDS
from traceview.detect.candidates import Candidate, shape_of
from traceview.detect.needs import Seen, lacking, names_of
from traceview.events import NO_THREAD, NO_TIME, Gap
from traceview.findings import Evidence, Request, Verdict, Window
from traceview.rules import rule_by_id
from traceview.timeline.devices import DeviceMap
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.vocabulary import Meaning, Vocabulary

__all__ = ["Judge"]


class Judge:
    """Judges the windows of one trace, when all of it has been read.

    `seen` are the meanings that occurred, each with its operation; `resolution_ns` how finely the trace tells time,
    `last_record` the last record of the main loop, a device or a job.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        names: NameTracker,
        devices: DeviceMap,
        seen: Seen,
        gaps: Sequence[Gap],
        resolution_ns: int,
        last_record: int,
    ) -> None:
        self._last_record = last_record
        self._vocabulary = vocabulary
        self._names = names
        self._devices = devices
        self._seen = seen
        self._gaps = gaps
        self._resolution_ns = resolution_ns

    def judge(self, candidate: Candidate) -> Window:
        """Return the window with its verdict."""
        job = candidate.job
        requests = [self._named(r, candidate) for r, _, _ in candidate.submitted if self._guest(r, candidate)]
        requests += self._held_back(candidate)
        requests.sort(key=lambda r: r.mark.record)
        gap = self._gap_inside(candidate)
        if candidate.close is None and gap is not None:  # the close may be among the lost records
            requests = [r for r in requests if r.mark.record < gap.record]
        counted = [r for r in requests if not r.held_back]
        verdict, reason = self._verdict(candidate, requests, counted)
        shape, shape_reason = shape_of(candidate, counted)
        return Window(
            rule=candidate.rule, evidence=candidate.evidence, verdict=verdict, reason=reason, job=job.key,
            job_kind=job.kind, node=job.node, target=job.target, pivoted=bool(job.pivoted), open=candidate.open,
            close=candidate.close, shape=shape, shape_reason=shape_reason, requests=requests,
            ends_in_switch=self._ends_in_switch(candidate),
            target_image=self._names.images.get(job.target, ""), witness=candidate.witness,
        )  # fmt: skip

    def _verdict(self, candidate: Candidate, requests: list[Request], counted: list[Request]) -> tuple[Verdict, str]:
        job = candidate.job
        sure_of_opening = candidate.evidence is Evidence.EXACT or job.completed is not None
        if counted and sure_of_opening:
            unknown = self._unknown_switch(candidate)
            return Verdict.VIOLATED, f"{unknown}: whether the guest was moved is not known" if unknown else ""
        missing = self.missing(candidate)
        if missing:
            return Verdict.INCONCLUSIVE, f"not traced: {', '.join(' or '.join(names) for names in missing)}"
        if candidate.open is None:
            return Verdict.INCONCLUSIVE, "its opening is not in the trace"
        if not candidate.bounded:
            return Verdict.INCONCLUSIVE, f"it spans more than {MAX_RECORDS} records"
        gap = self._gap_inside(candidate)
        if gap is not None:
            return Verdict.INCONCLUSIVE, f"records are missing inside it ({gap.text})"
        if candidate.close is None:
            return Verdict.INCONCLUSIVE, self._unclosed(candidate)
        if requests:
            return Verdict.GUARDED, f"{len(requests)} held back until after the window"
        return Verdict.CLEAN, ""

    def _unknown_switch(self, candidate: Candidate) -> str:
        """Say why it is not known whether the job moved the guest, or nothing if it is."""
        job = candidate.job
        if self._ends_in_switch(candidate):
            return "the trace ends in the switch to the target"
        if candidate.close is None:
            return self._unclosed(candidate)
        if job.pivoted:
            return ""
        if self._gap_after(candidate):
            return "records are missing after the window"
        if candidate.evidence is Evidence.EXACT and job.exit_done is None:
            return "the end of its exit is not in the trace"
        if job.pivoted is None:
            return "the job's start is not in the trace"
        if job.to_switch and job.ret == 0 and not any(meaning is Meaning.PIVOT for meaning, _ in self._seen):
            return "the switch itself was not traced"
        return ""

    @staticmethod
    def _unclosed(candidate: Candidate) -> str:
        return "its end is not in the trace" if candidate.ended else "still open at the end of the trace"

    def _gap_inside(self, candidate: Candidate) -> Gap | None:
        """Return the first gap between the window's opening and the last record that can lie in it."""
        if candidate.open is None:
            return None
        opened = candidate.open.record
        return next((g for g in self._gaps if g.between(opened, candidate.end_record)), None)

    def _ends_in_switch(self, candidate: Candidate) -> bool:
        """Say whether the main loop is never heard of again after the switch began, as when QEMU aborts in it."""
        pivot = candidate.job.pivot
        return pivot is not None and candidate.job.exit_done is None and self._last_record <= pivot.record

    def _gap_after(self, candidate: Candidate) -> bool:
        last = candidate.job.exit_done
        until = last.record if last is not None else candidate.end_record
        return any(g.between(candidate.end_record, until) for g in self._gaps)

    def missing(self, candidate: Candidate) -> list[tuple[str, ...]]:
        """Return, for each need of the window's rule that never occurred in the trace, the events that meet it."""
        needs = rule_by_id(candidate.rule).needs[candidate.evidence.value]
        # A job that began before the trace did is judged all the same.
        lacked = [n for n in lacking(needs, self._seen) if n.meaning is not Meaning.JOB_START]
        return [names_of(self._vocabulary, n, candidate.evidence) for n in lacked]

    def _guest(self, request: Request, candidate: Candidate) -> bool:
        """Say whether a guest's device made a request, and not a job on its own behalf."""
        if candidate.evidence is Evidence.PROXY:
            return True  # only the device's BlockBackends were looked at
        name = self._names.blks.get(request.blk)
        return name != "" or self._devices.serves_device(request.blk)

    def _held_back(self, candidate: Candidate) -> list[Request]:
        """Return what devices of the window's node took up in it and did not submit before its end."""
        blks = set(candidate.job.devices) if candidate.evidence is Evidence.PROXY else set()
        if candidate.evidence is Evidence.EXACT:
            blks = {r.blk for r, _, _ in candidate.submitted}
        held = []
        for device, request in candidate.taken_up:
            blk = self._devices.blk_of(device)
            if blk is not None and blk in blks:
                named = replace(request, blk=blk, device=self._names.device(blk), node=candidate.job.node)
                held.append(self._timed(named, candidate))
        return held

    def _named(self, request: Request, candidate: Candidate) -> Request:
        return self._timed(replace(request, device=self._names.device(request.blk)), candidate)

    def _timed(self, request: Request, candidate: Candidate) -> Request:
        edges = [m for m in (candidate.open, candidate.close) if m is not None]
        return replace(request, certain=all(self._ordered(request.mark, edge) for edge in edges))

    def _ordered(self, mark: Mark, edge: Mark) -> bool:
        """Say whether the order of two records is beyond doubt: of one thread, or well apart and in that order."""
        if mark.tid == edge.tid and mark.tid != NO_THREAD:
            return True
        if NO_TIME in (mark.ts_ns, edge.ts_ns):
            return mark.tid == edge.tid
        apart = mark.ts_ns - edge.ts_ns
        return apart > self._resolution_ns if mark.record > edge.record else -apart > self._resolution_ns
