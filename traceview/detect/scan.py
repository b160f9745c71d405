"""One pass over a trace: follow its jobs, take the windows as they close, judge them at the end."""

from __future__ import annotations

from collections.abc import Collection

from traceview.detect.anchors import ANCHORS, find_anchors
from traceview.detect.buffer import RowBuffer
from traceview.detect.candidates import Candidate, collect
from traceview.detect.extents import LossTracker
from traceview.detect.judge import Judge
from traceview.detect.unjudged import find_unjudged
from traceview.events import EventBatch, EventForm, ReadStats
from traceview.findings import Evidence, Extent, Finding, ScanResult, Severity, TraceSummary, Verdict, Window
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, rule_by_id
from traceview.timeline.devices import DeviceMap
from traceview.timeline.iterations import IterationCounter
from traceview.timeline.jobs import Job, JobTracker, Step
from traceview.timeline.names import NameTracker
from traceview.timeline.nesting import FRAME_MEANINGS
from traceview.vocabulary import Meaning, MeaningTable, Op, Row, Vocabulary

__all__ = ["SCAN_MEANINGS", "Scanner"]

_REQUESTS = (
    Meaning.SUBMIT, Meaning.REACH, Meaning.DEVICE_REQUEST, Meaning.NOTIFIER_READ, Meaning.QUEUE_NOTIFY,
)  # fmt: skip
SCAN_MEANINGS = frozenset((*ANCHORS, *_REQUESTS, *FRAME_MEANINGS))
"""What a scan decodes; everything else is only counted."""
WITNESS_MEANINGS = SCAN_MEANINGS | {
    Meaning.JOB_EXIT_BH,
    Meaning.DRAINED_BEGIN,
    Meaning.DRAINED,
    Meaning.DRAINED_END,
    Meaning.EXTERNAL_OFF,
    Meaning.EXTERNAL_ON,
    Meaning.BH_POLL,
    Meaning.BH_SCHEDULE,
    Meaning.REQUEST_DONE,
    Meaning.JOB_FLUSH,
    Meaning.DRAIN,
    Meaning.DMA_START,
}
"""What is decoded when the interleaving around a window is to be shown."""


class Scanner:
    """Feed it the batches of one trace in order, then ask for the result.

    `rules` are the ids of the rules to judge by. With `keep_witness` the records around each
    window that has requests are kept with it.
    """

    def __init__(self, vocabulary: Vocabulary, rules: Collection[str], *, keep_witness: bool = False) -> None:
        self._vocabulary = vocabulary
        self._rules = rules
        self._keep_witness = keep_witness
        self._names = NameTracker()
        self._jobs = JobTracker()
        self._devices = DeviceMap()
        self._iterations = IterationCounter()
        self._buffer = RowBuffer()
        self._losses = LossTracker()
        self._candidates: list[Candidate] = []
        self._of_job: dict[int, list[int]] = {}
        self._ended: list[Job] = []
        self._seen: set[tuple[Meaning, Op]] = set()
        self._forms: dict[int, EventForm] = {}
        self._last_record = 0

    def wanted(self, name: str) -> bool:
        """Say whether the scan needs an event decoded."""
        event = self._vocabulary.events.get(name)
        return event is not None and event.meaning in (WITNESS_MEANINGS if self._keep_witness else SCAN_MEANINGS)

    def feed(self, batch: EventBatch) -> None:
        """Take the next batch."""
        table = self._vocabulary.interpret(batch)
        if not len(table):
            return
        # Records that only a witness has (worker threads' among them) must not change a verdict.
        own = next((i for i in range(len(table) - 1, -1, -1) if int(table.meaning[i]) in SCAN_MEANINGS), None)
        if own is not None:
            self._last_record = int(table.record[own])
        self._note_seen(batch, table)
        self._iterations.number(table)
        self._devices.feed(table)
        self._buffer.append(table)
        for row in table.rows(find_anchors(table, self._jobs.running)):
            self._anchor(row)
        self._losses.feed(table)
        retain = [j.retain_from for j in self._jobs.running.values()]
        # A window may open at the very next record, in the iteration that has begun.
        needed = [self._last_record, *(r for r in retain if r is not None)]
        self._buffer.trim(self._buffer.iteration_start(min(needed)))

    def _note_seen(self, batch: EventBatch, table: MeaningTable) -> None:
        for code in table.codes():
            form = batch.forms[code]
            if id(form) not in self._forms or not table.is_fixed(code):
                self._seen |= table.seen(code)
                self._forms[id(form)] = form

    def _anchor(self, row: Row) -> None:
        if row.meaning in NameTracker.MEANINGS:
            self._names.feed(row)
            return
        for step, job in self._jobs.feed(row):
            match step:
                case Step.DEFERRED if job.last_look is not None:
                    self._take(FINAL_DRAIN_RULE, Evidence.EXACT, job)
                case Step.EXITED:
                    self._take(EXIT_RULE, Evidence.EXACT, job)
                case Step.SWITCHED if job.deferred is None and job.exit is None:
                    if job.drained is not None or job.ret == 0:  # else it was cancelled before its final drain
                        self._take(EXIT_RULE, Evidence.PROXY, job)
                case Step.FINISHED:
                    self._finished(job, row.record)
                case _:
                    pass

    def _finished(self, job: Job, record: int) -> None:
        self._ended.append(job)
        if job.left:
            return
        # Where only a new start of the same pointer shows that a job is gone, it is not known how long its window was.
        until = record if job.exit_done is not None or job.ended is not None else None
        if job.deferred is not None:
            self._take(EXIT_RULE, Evidence.EXACT, job, until, ended=True)
        elif job.completed is not None and job.drained is not None and job.ret == 0:
            self._take(EXIT_RULE, Evidence.PROXY, job, until, ended=True)

    def _take(self, rule: str, evidence: Evidence, job: Job, until: int | None = None, *, ended: bool = False) -> None:
        """Take a window in; one that does not close reaches up to the record `until`, if that is known."""
        if rule == FINAL_DRAIN_RULE:
            opened, closed = job.last_look, job.deferred
        elif evidence is Evidence.EXACT:
            opened, closed = job.deferred, job.exit
        else:
            opened, closed = job.drained, job.switched
        if rule in self._rules:
            candidate = Candidate(rule, evidence, job, opened, closed, ended=ended)
            collect(candidate, self._buffer, self._names, last_record=until, keep_witness=self._keep_witness)
            self._of_job.setdefault(id(job), []).append(len(self._candidates))
            self._candidates.append(candidate)
        # What the guest writes to the old source after the window is as lost as what it wrote inside: only from the
        # switch on do its writes reach the target.
        if rule == EXIT_RULE and closed is not None:
            for index in self._of_job.get(id(job), []):
                self._watch(index, self._candidates[index], closed.record)

    def _watch(self, index: int, candidate: Candidate, since_record: int) -> None:
        written: dict[int, list[Extent]] = {}
        for request, _, _ in candidate.submitted:
            if request.op.changes_data:
                written.setdefault(request.blk, []).append(Extent(request.offset, request.length))
        for blk, extents in written.items():
            self._losses.watch(index, blk, since_record, extents)

    def finish(self, path: str, format_id: str, stats: ReadStats) -> ScanResult:
        """Judge all windows and return the result. `stats` are those of the reader, which is used up."""
        running = list(self._jobs.finish())
        for job in running:
            if job.deferred is not None and job.exit is None:
                self._take(EXIT_RULE, Evidence.EXACT, job, self._last_record)
            elif job.drained is not None and job.deferred is None and not job.left:
                self._take(EXIT_RULE, Evidence.PROXY, job, self._last_record)
        resolution = 100 if format_id == "simpletrace" else 1000
        judge = Judge(
            self._vocabulary, self._names, self._devices, self._seen, stats.gaps, resolution, self._last_record
        )
        windows = []
        for index, candidate in enumerate(self._candidates):
            window = judge.judge(candidate)
            if window.severity is Severity.DATA_LOSS:
                self._account(index, window)
            windows.append(window)
        unjudged = [
            u
            for u in find_unjudged(self._vocabulary, self._ended, running, self._candidates, self._seen)
            if u.rule in self._rules
        ]
        release, reason = self._vocabulary.release(stats.names, self._forms.values(), text=format_id != "simpletrace")
        needed = [names for u in unjudged for names in u.events]
        needed += [
            names
            for candidate, window in zip(self._candidates, windows, strict=True)
            if window.verdict is Verdict.INCONCLUSIVE
            for names in judge.missing(candidate)
        ]
        missing = sorted({name for names in needed for name in names})
        summary = TraceSummary(
            path=path, format=format_id, release=release, release_reason=reason, events=stats.records,
            other_lines=stats.other_lines, refused_lines=stats.refused_count, gaps=stats.gaps, missing_events=missing,
            unjudged=unjudged, contexts=self._names.contexts,
        )  # fmt: skip
        windows.sort(key=_place)
        findings = [_finding(i, w) for i, w in enumerate(windows) if w.verdict is Verdict.VIOLATED]
        return ScanResult([summary], windows, findings)

    def _account(self, index: int, window: Window) -> None:
        """Write into a window what its job's target still lacks."""
        for blk in {window.requests[i].blk for i in window.violating}:
            left, rewritten = self._losses.left(index, blk)
            window.lost += left
            window.rewritten_bytes += rewritten


def _finding(index: int, window: Window) -> Finding:
    rule = rule_by_id(window.rule)
    severity = window.severity
    assert severity is not None
    devices = sorted({window.requests[i].device for i in window.violating})
    title = f"{window.job_kind} job {hex(window.job % (1 << 64))} on {', '.join(devices)}: {rule.title}"
    return Finding(window.rule, severity, index, title, tuple(window.violating), rule.references)


def _place(window: Window) -> int:
    first = window.open or window.close
    return first.record if first is not None else 0
