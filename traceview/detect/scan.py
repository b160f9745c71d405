"""One pass over a trace: follow its jobs, take the windows as they close, judge them at the end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from traceview.detect.accounts import Accounts
from traceview.detect.anchors import ANCHORS, find_anchors
from traceview.detect.beginnings import WATCHED
from traceview.detect.buffer import RowBuffer
from traceview.detect.candidates import Candidate, collect
from traceview.detect.in_flight import ENDS
from traceview.detect.job_windows import JobWindow, JobWindows
from traceview.detect.judge import Judge, Known
from traceview.detect.judge_keyed import NO_TIMES, KeyedJudge
from traceview.detect.keyed_windows import KeyedWindows
from traceview.detect.ledger import Judged, Ledger
from traceview.detect.needs import Namer, Seen
from traceview.detect.pending import LOOK_BACK
from traceview.detect.telling import findings_of, told_once
from traceview.detect.unjudged import Jobs, cover, find_unjudged
from traceview.events import EventBatch, EventForm, Gap, ReadStats, distinct
from traceview.findings import ScanResult, Severity, TraceSummary, Verdict
from traceview.fingerprints import fingerprinted, trace_digest
from traceview.losses import Horizon, Losses, LostExtent
from traceview.rules import RuleSet
from traceview.timeline.continuity import Continuity
from traceview.timeline.devices import DeviceMap
from traceview.timeline.iterations import IterationCounter
from traceview.timeline.jobs import Job, JobTracker, Step
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker
from traceview.timeline.nesting import FRAME_MEANINGS
from traceview.timeline.ownership import Ownership
from traceview.timeline.reached import ReachedNodes
from traceview.vocabulary import Dating, Meaning, MeaningTable, Row, Vocabulary

__all__ = ["SCAN_MEANINGS", "Scanner"]

_REQUESTS = (
    Meaning.SUBMIT, Meaning.REACH, Meaning.DEVICE_REQUEST, Meaning.NOTIFIER_READ, Meaning.QUEUE_NOTIFY,
)  # fmt: skip
SCAN_MEANINGS = frozenset((*ANCHORS, *_REQUESTS, *FRAME_MEANINGS, *Continuity.MEANINGS))
"""What every scan decodes, beside what its rules speak of; everything else is only counted."""
WITNESS_MEANINGS = frozenset({
    Meaning.JOB_EXIT_BH, Meaning.DRAINED_BEGIN, Meaning.DRAINED, Meaning.DRAINED_END, Meaning.EXTERNAL_OFF,
    Meaning.EXTERNAL_ON, Meaning.BH_POLL, Meaning.BH_SCHEDULE, Meaning.REQUEST_DONE, Meaning.JOB_FLUSH, Meaning.DRAIN,
    Meaning.DMA_START,
})  # fmt: skip
"""What is decoded, too, when the interleaving around a window is to be shown."""
LOSS_MEANINGS = frozenset((*ENDS, Meaning.DMA_START, Meaning.QMP_COMMAND))
"""What is decoded, too, when lost extents are to be told."""
_SWITCHES = (Step.SWITCHED, Step.MOVED_ON)


class Scanner:
    """Feed it the batches of one trace in order, then ask for the result.

    With `keep_witness` the records around each window that has requests are kept with it; with `keep_losses` it can
    tell the lost extents, too. `qemu` is the release that wrote the trace, where the user knows it.
    """

    def __init__(
        self, vocabulary: Vocabulary, rules: RuleSet, *, keep_witness: bool = False, keep_losses: bool = False,
        qemu: Dating | None = None,
    ) -> None:  # fmt: skip
        self._vocabulary = vocabulary
        self._rules = rules
        self._keep_witness = keep_witness
        self._qemu = qemu
        # What tells lives apart is decoded in every scan, so that all of them date the trace alike.
        self._meanings = SCAN_MEANINGS | WATCHED | rules.meanings | (WITNESS_MEANINGS if keep_witness else frozenset())
        self._meanings |= LOSS_MEANINGS if keep_losses else frozenset()
        self._continuity = Continuity()
        self._names = NameTracker()
        self._jobs = JobTracker()
        self._devices = DeviceMap()
        self._ownership = Ownership()
        self._iterations = IterationCounter()
        self._reached = ReachedNodes()
        self._seen: Seen = set()
        self._windows = JobWindows([r for r in rules if r.of_jobs])
        self._bounding = self._windows.meanings.difference(ANCHORS)
        self._bounding |= {Meaning.QMP_COMMAND} if keep_losses else frozenset()
        self._every_look = self._windows.every_look
        counting = frozenset().union(*(c.counting for r in self._windows.rules for c in r.windows))
        self._buffer = RowBuffer(counting)
        self._keyed = KeyedWindows(rules, self._buffer)
        self._accounts = Accounts()
        self._ledger = Ledger(self._accounts, self._names) if keep_losses else None
        self._candidates: list[Candidate] = []
        self._standing: dict[int, JobWindow] = {}
        """Of the candidates, those that do not close, by their index."""
        self._ended: list[Job] = []
        self._forms: dict[int, EventForm] = {}
        self._last_record = 0
        self.losses = Losses()
        """What was lost, when all of the trace was read and it was asked for."""
        self._threads: set[int] = set()

    def wanted(self, name: str) -> bool:
        """Say whether the scan needs an event decoded."""
        event = self._vocabulary.events.get(name)
        return event is not None and event.meaning in self._meanings

    def feed(self, batch: EventBatch) -> None:
        """Take the next batch."""
        table = self._vocabulary.interpret(batch)
        if not len(table):
            return
        # Records that only some scans decode (worker threads' among them) must not change a verdict.
        own = next((i for i in range(len(table) - 1, -1, -1) if int(table.meaning[i]) in SCAN_MEANINGS), None)
        if own is not None:
            self._last_record = int(table.record[own])
        self._note_seen(batch, table)
        if len(self._threads) < 2:
            self._threads.update(distinct(table.tid))
        self._iterations.number(table)
        self._continuity.feed(table)
        self._devices.feed(table)
        self._ownership.feed(table)
        self._buffer.append(table)
        anchors = find_anchors(
            table, self._jobs.running, self._jobs.coroutines, self._bounding, every_look=self._every_look
        )
        changes = self._reached.feed(table)
        for row in table.rows(anchors if changes is None else anchors | changes):
            self._anchor(row)
        self._accounts.feed(table)
        if self._ledger is not None:
            self._ledger.feed(table)
        self._keyed.feed(table)
        retain = self._windows.retain_from()
        # A window may open at the very next record, in the iteration that has begun.
        needed = self._last_record if retain is None else min(self._last_record, retain)
        self._buffer.trim(self._buffer.iteration_start(needed - LOOK_BACK))

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
        if row.meaning is Meaning.QMP_COMMAND and self._ledger is not None:
            self._ledger.command(row.text())
            return
        steps = list(self._jobs.feed(row))
        if row.meaning is Meaning.JOB_START and self._ledger is not None and self._jobs.subject is not None:
            self._ledger.started(self._jobs.subject)
        if self._jobs.subject is None and not steps:
            return
        for window in self._windows.feed(row, self._jobs.subject, steps):
            self._take(window, row.record)
        if row.meaning is Meaning.PIVOT and self._jobs.subject is not None:
            self._moved(self._jobs.subject, row.record)
        for step, job in steps:
            if step in _SWITCHES:
                # A request that shows the switch by reaching the target is the first of those that do.
                self._moved(job, row.record - (row.meaning is Meaning.REACH))
            if step is Step.FINISHED:
                if job.exit is not None or job.told_by_its_end:
                    self._moved(job, row.record)
                self._accounts.finished(job, row.record)
                self._ended.append(job)

    def _moved(self, job: Job, record: int) -> None:
        """Take the switch of a job to its target, as far as it is known where that is."""
        if self._accounts.moved(job, record) and self._ledger is not None:
            self._ledger.moved(job, record)

    def _take(self, window: JobWindow, record: int) -> None:
        """Take a window in, which closes or ends at a record."""
        job = window.job
        until: int | None = record
        if window.ended and job.exit_done is None and job.ended is None:
            until = None  # only a new start of the same pointer shows that the job is gone: nobody knows since when
        candidate = Candidate(
            window.rule, window.clause, job, window.open, window.close, confirmed=window.confirmed, ended=window.ended
        )
        collect(candidate, self._buffer, self._names, last_record=until, keep_witness=self._keep_witness)
        if window.close is None:
            self._standing[len(self._candidates)] = window
        self._accounts.take(len(self._candidates), candidate)
        if self._ledger is not None:
            self._ledger.take(len(self._candidates), candidate, self._buffer)
        self._candidates.append(candidate)

    def unmarked(self, known: Sequence[Gap]) -> list[Gap]:
        """Return the gaps that follow from what was fed, as far as none of the `known` ones tells of them."""
        return self._continuity.gaps(known)

    def finish(self, path: str, format_id: str, stats: ReadStats, qemu: Dating | None = None) -> ScanResult:
        """Judge all windows and return the result.

        `stats` are those of the reader, which is used up; `qemu` is the release that wrote the trace, by its own words.
        """
        running = list(self._jobs.finish())
        for last in self._windows.finish(running):
            self._take(last, self._last_record)
        self._keyed.finish()
        dating = self._qemu or qemu or self._vocabulary.date(stats.names, self._forms.values(), text=stats.printed)
        known = Known(
            Namer(self._vocabulary, dating.span), self._names, self._devices, self._ownership, self._seen, stats.gaps,
            stats.resolution_ns, self._last_record, stats.lossy,
        )  # fmt: skip
        passed_over: dict[str, str] = {}
        judged_jobs, needed = self._judged(Judge(known), passed_over)
        windows = [w for _, _, w in judged_jobs]
        keyed = KeyedJudge(known, self._keyed.last_ns, tells_threads=len(self._threads) > 1)
        clean = self._keyed.unlisted(stats.gaps, self._seen, dating.span)
        if stats.lossy:
            passed_over |= dict.fromkeys((rule for rule, _ in clean), f"windows of it are not judged: {stats.lossy}")
            clean = Counter()
        keyed_windows, unlisted = keyed.judge_all(self._keyed.windows, clean)
        passed_over |= dict.fromkeys(self._keyed.untimed(), f"windows of it are not judged: {NO_TIMES}")
        beyond = {**self._windows.too_many(), **self._keyed.too_many()}
        passed_over |= beyond
        notes = [f"{rule}: {reason}" for rule, reason in beyond.items()] + self._jobs.notes
        opened = {w.rule for w in (*windows, *keyed_windows)}
        windows = told_once(windows + keyed_windows, self._rules)
        judged: dict[str, set[int]] = {}
        for _, candidate in self._counted():
            judged.setdefault(candidate.rule.id, set()).add(id(candidate.job))
        counts = Counter(w.rule for w in windows)
        for rule in (*unlisted, *(w.rule for w in windows)):
            judged.setdefault(rule, set()).add(0)
        unjudged = find_unjudged(known.namer, self._rules, Jobs(self._ended, running), judged, self._seen)
        needed += [names for u in unjudged for names in u.events]
        covered = {r.id: (counts[r.id] + unlisted[r.id], unlisted[r.id]) for r in self._rules}
        summary = TraceSummary(
            path=path, format=format_id, dating=dating, events=stats.records,
            other_lines=stats.other_lines, refused_lines=stats.refused_count, gaps=stats.gaps,
            missing_events=sorted({name for names in needed for name in names}),
            unjudged=unjudged, contexts=self._names.contexts, digest=trace_digest(stats.head, stats.first_ts_ns),
            coverage=cover(known.namer, self._rules, covered, keyed.passed_over | passed_over, opened, self._seen),
            notes=notes,
        )  # fmt: skip
        result = ScanResult([summary], windows, findings_of(windows, self._rules, dating))
        result.findings = fingerprinted(result, self._vocabulary)
        if self._ledger is not None:
            extents = self._ledger.extents(judged_jobs, windows, known)
            self.losses = Losses(result, extents, [_horizon(self._ledger.last, extents, stats.gaps)])
        return result

    def _counted(self) -> list[tuple[int, Candidate]]:
        """Return the candidates, with their index, without the windows that do not close and are not to be told."""
        chosen = {id(w) for w in self._windows.chosen(self._standing.values(), self._seen)}
        passed_over = {i for i, w in self._standing.items() if id(w) not in chosen}
        return [(i, c) for i, c in enumerate(self._candidates) if i not in passed_over]

    def _judged(self, judge: Judge, passed_over: dict[str, str]) -> tuple[list[Judged], list[tuple[str, ...]]]:
        """Return the windows of jobs with their verdicts, and the events that some would have needed.

        Those that the trace cannot show, of rules that need not be judged, are passed over.
        """
        windows: list[Judged] = []
        needed: list[tuple[str, ...]] = []
        for index, candidate in self._counted():
            window = judge.judge(candidate, self._accounts.excused(index, candidate))
            if window.severity is Severity.DATA_LOSS:
                self._accounts.write_into(window, index, candidate, one_device=self._ownership.one_device)
            inconclusive = window.verdict is Verdict.INCONCLUSIVE
            missing = judge.missing(candidate) if inconclusive else []
            blind = inconclusive and (missing or not candidate.clause.holds_in(judge.releases))
            if blind and not candidate.rule.must_judge:
                passed_over[candidate.rule.id] = f"windows of it are not judged: {window.reason}"
                continue
            needed += missing
            windows.append((index, candidate, window))
        return windows, needed


def _horizon(last: Mark | None, extents: Iterable[LostExtent], gaps: Iterable[Gap]) -> Horizon:
    """Return until when it is known what was rewritten."""
    first = min((e.written.record for e in extents), default=None)
    return Horizon(last, next((g for g in gaps if first is not None and g.between(first, sys.maxsize)), None))
