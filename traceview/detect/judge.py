"""From a window of a job and its requests to a verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from traceview.detect.buffer import MAX_RECORDS
from traceview.detect.candidates import Candidate, shape_of
from traceview.detect.needs import Namer, Seen, lacking
from traceview.events import NO_THREAD, NO_TIME, Gap
from traceview.findings import Evidence, Request, Verdict, Window
from traceview.releases import ReleaseRange
from traceview.rules import Need, Pattern, WindowClause
from traceview.timeline.devices import DeviceMap
from traceview.timeline.marks import Mark
from traceview.timeline.names import NameTracker, pointer
from traceview.timeline.ownership import Ownership
from traceview.vocabulary import Meaning

__all__ = ["DISORDER", "UNBOUNDED", "Judge", "Known", "doubt_of_order", "other_release", "words_of"]

ORDER = "its order against the window's edge is not certain"
DISORDER = "records may have changed places around it: time steps back"
UNBOUNDED = "its window has no end in the trace: what ended it may be missing"
DEVICE = "the trace does not tell which of several devices made it"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a trace when all of it has been read.

    `seen` are the meanings that occurred, each with its operation; `resolution_ns` how finely the trace tells time,
    `last_record` the last record of the main loop, a device or a job.
    """

    namer: Namer
    names: NameTracker
    devices: DeviceMap
    ownership: Ownership
    seen: Seen
    gaps: Sequence[Gap]
    resolution_ns: int
    last_record: int
    lossy: str = ""
    """Why records may be missing without a mark, ``""`` where none is."""

    def device_kind(self, requests: Iterable[Request]) -> str:
        """Return the kind of the device that made the first request of which it is known; ``""`` for none.

        A request's own record tells it, or what the device took up for the same BlockBackend, or the kick.
        """
        kind_of = self.namer.vocabulary.device_of
        for request in requests:
            kick = request.kick.event if request.kick is not None else ""
            kind = kind_of(request.mark.event) or kind_of(self.devices.event_of(request.blk)) or kind_of(kick)
            if kind:
                return kind
        return ""

    def gap_between(self, first: int, last: int) -> Gap | None:
        """Return the first gap behind record `first`, up to and with `last`."""
        return next((g for g in self.gaps if g.between(first, last)), None)

    def disordered(self, first: int, last: int) -> bool:
        """Say whether records from behind `first` up to `last` may stand in another order than they were written."""
        return any(g.cause == "clock-jump" and g.between(first, last) for g in self.gaps)


def doubt_of_order(mark: Mark, edges: Iterable[Mark | None], resolution_ns: int) -> str:
    """Return what speaks against a record standing where it does against a window's edges, or ``""``."""
    known = [e for e in edges if e is not None]
    return "" if all(_ordered(mark, e, resolution_ns) for e in known) else ORDER


def _ordered(mark: Mark, edge: Mark, resolution_ns: int) -> bool:
    """Say whether the order of two records is beyond doubt: of one thread, or well apart and in that order."""
    if mark.tid == edge.tid and mark.tid != NO_THREAD:
        return True
    if NO_TIME in (mark.ts_ns, edge.ts_ns):
        return mark.tid == edge.tid
    apart = mark.ts_ns - edge.ts_ns
    return apart > resolution_ns if mark.record > edge.record else -apart > resolution_ns


class Judge:
    """Judges the windows of the jobs of one trace."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._missing: dict[int, list[tuple[str, ...]]] = {}
        """By the id() of a clause, what of its windows was not traced."""

    @property
    def releases(self) -> ReleaseRange | None:
        """The releases that can have written the trace."""
        return self._known.namer.releases

    def judge(self, candidate: Candidate, excused: Collection[int] = ()) -> Window:
        """Return the window with its verdict; `excused` are the records of requests that did no harm."""
        job, known = candidate.job, self._known
        requests = [self._named(r, candidate) for r, _, _ in candidate.submitted if self._guest(r, candidate)]
        harmless = len(requests)
        requests = [r for r in requests if r.mark.record not in excused]
        harmless -= len(requests)
        requests += self._nodeless(candidate)
        requests += self._held_back(candidate)
        requests.sort(key=lambda r: r.mark.record)
        happenings = [replace(h, doubt=self._doubt_of_order(h.mark, candidate)) for h in candidate.happened]
        gap = self._gap_inside(candidate)
        if candidate.close is None and gap is not None:  # the close may be among the lost records
            requests = [r for r in requests if r.mark.record < gap.first]
            happenings = [h for h in happenings if h.mark.record < gap.first]
        doubt = self._doubt_of_records(candidate, gap)
        if doubt:
            requests = [replace(r, doubt=r.doubt or doubt) for r in requests]
            happenings = [replace(h, doubt=h.doubt or doubt) for h in happenings]
        counted = [r for r in requests if not r.held_back]
        verdict, reason = self._verdict(candidate, requests, broken=bool(counted or happenings))
        if verdict is Verdict.CLEAN and harmless:
            reason = f"{harmless} copied by the job later"
        shape, shape_reason = shape_of(candidate, counted)
        return Window(
            rule=candidate.rule.id, evidence=candidate.evidence, verdict=verdict, reason=reason, job=job.key,
            job_kind=job.kind, node=job.node, target=job.target, pivoted=bool(job.pivoted) or job.presumed_to_pivot,
            open=candidate.open, close=candidate.close, shape=shape, shape_reason=shape_reason, requests=requests,
            ends_in_switch=self._ends_in_switch(candidate),
            target_image=known.names.image(job.target, candidate.end_record), witness=candidate.witness, subject="job",
            key=job.key, happenings=happenings, severities=candidate.rule.severities, about=candidate.clause.about,
            opening=words_of(candidate.clause.open), closing=words_of(candidate.clause.close),
            device_kind=known.device_kind(counted),
        )  # fmt: skip

    def _verdict(self, candidate: Candidate, requests: list[Request], *, broken: bool) -> tuple[Verdict, str]:
        # Without a mark of it the closing may be missing, and what seems to stand inside stands behind.
        bounded = candidate.close is not None or not self._known.lossy
        if broken and bounded and (candidate.confirmed or not candidate.clause.confirm):
            return Verdict.VIOLATED, self._doubt(candidate)
        missing = self.missing(candidate)
        if missing:
            return Verdict.INCONCLUSIVE, f"not traced: {', '.join(' or '.join(names) for names in missing)}"
        if not candidate.clause.holds_in(self._known.namer.releases):
            return Verdict.INCONCLUSIVE, other_release(candidate.clause)
        if candidate.open is None:
            return Verdict.INCONCLUSIVE, "its opening is not in the trace"
        if not candidate.bounded:
            return Verdict.INCONCLUSIVE, f"it spans more than {MAX_RECORDS} records"
        gap = self._gap_inside(candidate)
        if gap is not None:
            return Verdict.INCONCLUSIVE, f"records are missing inside it ({gap.text})"
        if candidate.close is None:
            return Verdict.INCONCLUSIVE, self._unclosed(candidate)
        if self._known.lossy:
            return Verdict.INCONCLUSIVE, self._known.lossy
        if requests and not broken:
            return Verdict.GUARDED, f"{len(requests)} held back until after the window"
        return Verdict.CLEAN, ""

    def _doubt(self, candidate: Candidate) -> str:
        """Say what is not known of a violated window, or nothing."""
        unknown = self._unknown_switch(candidate)
        if unknown:
            return f"{unknown}: whether the guest was moved is not known"
        if candidate.job.presumed_to_pivot:
            return "the switch is not traced: the job ended well and no cancel was seen, so the guest was moved"
        return ""

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
            return "" if job.told_by_its_end else "the job's start is not in the trace"
        if job.to_switch and job.ret == 0 and not any(meaning is Meaning.PIVOT for meaning, _ in self._known.seen):
            return "the switch itself was not traced"
        return ""

    @staticmethod
    def _unclosed(candidate: Candidate) -> str:
        return "its end is not in the trace" if candidate.ended else "still open at the end of the trace"

    def _gap_inside(self, candidate: Candidate) -> Gap | None:
        """Return the first gap between the window's opening and the last record that can lie in it."""
        if candidate.open is None:
            return None
        return self._known.gap_between(candidate.open.record, candidate.end_record)

    def _ends_in_switch(self, candidate: Candidate) -> bool:
        """Say whether the main loop is never heard of again after the switch began, as when QEMU aborts in it."""
        pivot = candidate.job.pivot
        return pivot is not None and candidate.job.exit_done is None and self._known.last_record <= pivot.record

    def _doubt_of_records(self, candidate: Candidate, gap: Gap | None) -> str:
        """Say why it is in doubt whether what stands in a window does, where a gap is in it or no end; or nothing."""
        if candidate.close is None and self._stands_in_for_another(candidate):
            return UNBOUNDED
        if gap is None or candidate.open is None:
            return ""
        if self._known.disordered(candidate.open.record, candidate.end_record):
            return DISORDER
        # Where the edges themselves are among what is missing, others stand in for them that are further apart.
        return f"records are missing inside its window ({gap.text})" if candidate.evidence is Evidence.PROXY else ""

    def _stands_in_for_another(self, candidate: Candidate) -> bool:
        """Say whether a clause that comes first lacks but what ends it, and the releases of the trace all have that."""
        clauses = [c for c in candidate.rule.windows if c.evidence is Evidence.PROXY]
        if candidate.clause not in clauses:
            return False
        for clause in clauses[: clauses.index(candidate.clause)]:
            ending = {m for p in (*clause.close, *clause.confirm) for m in p.word.meanings}
            lacked = [n for n in self._lacking(clause) if n not in self._lacking(candidate.clause)]
            if lacked and all(ending.issuperset(n.meanings) and self._known.namer.throughout(n) for n in lacked):
                return True
        return False

    def _gap_after(self, candidate: Candidate) -> bool:
        last = candidate.job.exit_done
        until = last.record if last is not None else candidate.end_record
        return self._known.gap_between(candidate.end_record, until) is not None

    def missing(self, candidate: Candidate) -> list[tuple[str, ...]]:
        """Return, for each need of the window's clause that never occurred in the trace, the events that meet it."""
        clause = candidate.clause
        known = self._missing.get(id(clause))
        if known is None:
            lacked = self._lacking(clause)
            known = self._missing[id(clause)] = [self._known.namer.names(n, clause.evidence) for n in lacked]
        return known

    def _lacking(self, clause: WindowClause) -> list[Need]:
        # A job that began before the trace did is judged all the same.
        return [n for n in lacking(clause.needs, self._known.seen) if Meaning.JOB_START not in n.meanings]

    def _guest(self, request: Request, candidate: Candidate) -> bool:
        """Say whether a guest's device made a request, and not a job on its own behalf."""
        if candidate.evidence is Evidence.PROXY:
            return True  # only the device's BlockBackends, or what devices took up, were looked at
        name = self._known.names.blks.get(request.blk)
        return name != "" or self._known.devices.serves_device(request.blk)

    def _nodeless(self, candidate: Candidate) -> list[Request]:
        """Return what devices took up, where the trace never shows which node that reaches."""
        sure = self._known.ownership.one_device
        return [
            replace(
                r, device=pointer(device) if device else "a device", node=candidate.job.node if sure else 0,
                doubt=self._doubt_of_order(r.mark, candidate) if sure else DEVICE,
            )
            for device, r in candidate.nodeless
            if r.op not in self._known.ownership.followed
        ]  # fmt: skip

    def _held_back(self, candidate: Candidate) -> list[Request]:
        """Return what devices of the window's node took up in it and did not submit before its end."""
        blks = set(candidate.job.devices) if candidate.evidence is Evidence.PROXY else set()
        if candidate.evidence is Evidence.EXACT:
            blks = {r.blk for r, _, _ in candidate.submitted}
        held = []
        for device, request in candidate.taken_up:
            blk = self._known.devices.blk_of(device)
            if blk is not None and blk in blks:
                held.append(
                    replace(
                        request, blk=blk, device=self._known.names.device(blk), node=candidate.job.node,
                        doubt=self._doubt_of_order(request.mark, candidate),
                    )
                )  # fmt: skip
        return held

    def _named(self, request: Request, candidate: Candidate) -> Request:
        device = self._known.names.device(request.blk) if request.blk else self._known.names.node(request.node)
        return replace(request, device=device, doubt=self._doubt_of_order(request.mark, candidate))

    def _doubt_of_order(self, mark: Mark, candidate: Candidate) -> str:
        return doubt_of_order(mark, (candidate.open, candidate.close), self._known.resolution_ns)


def other_release(clause: WindowClause) -> str:
    """Return why windows of a clause are not judged, where the trace may be of a release of which it is not true."""
    return f"it holds for QEMU {clause.holds}, and the trace may be of another"


def words_of(patterns: Iterable[Pattern]) -> str:
    """Return the words of some patterns."""
    return " or ".join(p.word.name for p in patterns)
