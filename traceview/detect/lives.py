"""Scans a trace to which several QEMUs write, or one after the other: each life is judged by a scanner of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from traceview.detect.scan import Scanner
from traceview.detect.whose import Ids, Whose, ids_of_dating, ids_of_format
from traceview.events import EventBatch, EventForm, Gap, ReadStats
from traceview.findings import RuleCoverage, ScanResult, TraceSummary, Unjudged, Verdict
from traceview.losses import Horizon, Losses
from traceview.releases import ReleaseRange, first_of, last_of
from traceview.rules import RuleSet
from traceview.timeline.lives import Life
from traceview.vocabulary import Dating, Vocabulary

__all__ = ["MAX_LIVES", "Banner", "LivesScanner"]

MAX_LIVES = 1000
"""So many lives of QEMU are told apart in one trace; what later ones did is not judged."""
MIXED = "several QEMUs write to the trace at once, and it does not tell which of them a thread is of"
THREADS = "its log is of a release that names threads, others in it of one that names processes"
_TRACE_ENDS = (("at the end of the trace", "when QEMU ended"), ("when the trace ended", "when QEMU ended"))
"""What is said of things that the trace's end cuts off, and what of those that the end of a life does."""


class Banner(Protocol):
    """What a reader saw of the beginning of a QEMU: the records before it, and its release (``""`` if not told)."""

    record: int
    release: str


@dataclass(slots=True)
class _Judged:
    """A life with its scanner, and what was met of it."""

    scanner: Scanner
    process: int | None = None
    by_id: bool = False
    first_record: int = 0
    last_record: int = 0
    records: int = 0
    forms: dict[int, EventForm] = field(default_factory=dict)


class LivesScanner:
    """Feed it the batches of one trace in order, then ask for the result, as of a `Scanner`.

    `make` makes the scanner of one life; `format_id` and `printed` are those of the trace's format; `banners` gives
    what a reader saw of the beginnings of QEMUs, as far as it has read; at most `most` lives are judged.
    """

    def __init__(
        self, vocabulary: Vocabulary, rules: RuleSet, make: Callable[[], Scanner], format_id: str, *,
        most: int = MAX_LIVES, printed: bool = True, banners: Callable[[], Sequence[Banner]] = tuple,
    ) -> None:  # fmt: skip
        self._make = make
        self._rules = rules
        self._most = most
        self._banners = banners
        self._whose = Whose(
            vocabulary, ids_of_format(format_id), most, text=printed,
            starts=lambda: [b.record for b in banners()],
        )  # fmt: skip
        self._first = make()
        self._lives: dict[int, _Judged] = {}
        self.losses = Losses()
        """What was lost, when all of the trace was read and it was asked for."""

    def wanted(self, name: str) -> bool:
        """Say whether the scan needs an event decoded."""
        return self._first.wanted(name)

    def feed(self, batch: EventBatch) -> None:
        """Take the next batch."""
        self._take(self._whose.feed(batch))

    def _take(self, parts: Iterable[tuple[int, EventBatch]]) -> None:
        for number, part in parts:
            life = self._lives.get(number)
            if life is None:
                scanner = self._make() if self._lives else self._first
                life = self._lives[number] = _Judged(scanner, first_record=int(part.record[0]))
            life.last_record = int(part.record[-1])
            life.records += len(part)
            for code in np.flatnonzero(np.bincount(part.code)).tolist():
                life.forms[id(part.forms[code])] = part.forms[code]
            life.scanner.feed(part)

    def finish(self, path: str, format_id: str, stats: ReadStats) -> ScanResult:
        """Judge all windows and return the result. `stats` are those of the reader, which is used up."""
        self._take(self._whose.finish())
        for number, life in self._lives.items():
            told = self._whose.registry.lives[number]
            life.process, life.by_id = told.process, told.by_id
        lives = sorted(self._lives.values(), key=lambda life: life.first_record)
        unmarked = [g for life in lives for g in life.scanner.unmarked(stats.gaps)]
        for gap in unmarked:
            stats.add_gap(gap)
        if unmarked:
            stats.gaps.sort(key=lambda gap: (gap.record, gap.byte_offset))
        if len(lives) < 2:
            result = self._first.finish(path, format_id, stats, self._released(lives[0]) if lives else None)
            self.losses = self._first.losses
        else:
            result = self._merged([self._judged(life, path, format_id, stats) for life in lives], lives, stats.gaps)
        (summary,) = result.traces
        last_begun = max((life.first_record for life in lives), default=0)
        summary.lives = [
            Life(life.process, life.first_record, life.last_record, life.by_id, life.last_record < last_begun)
            for life in lives
        ]
        for window in result.windows:
            if summary.lives and summary.lives[window.life].ended and window.close is None:
                window.reason = _ended(window.reason)
        if self._whose.registry.mixed:
            _doubt(result, MIXED)
        if self._whose.registry.beyond is not None:
            text = f"more than {self._most} lives of QEMU: what later ones did is not judged (--max-lives)"
            summary.notes = [*summary.notes, f"{text}, from record {self._whose.registry.beyond} on"]
            summary.unjudged = [*summary.unjudged, *(Unjudged(r.id, text, ()) for r in self._rules if r.must_judge)]
        return result

    def _judged(self, life: _Judged, path: str, format_id: str, stats: ReadStats) -> ScanResult:
        # Which events a life had is known of those only that were decoded: the reader counts them for the whole trace.
        names = dict.fromkeys((f.name for f in life.forms.values()), 1)
        # Where another life's clock begins, time may step.
        gaps = [g for g in stats.gaps if g.cause != "clock-jump" or life.first_record < g.record <= life.last_record]
        return life.scanner.finish(path, format_id, replace(stats, names=names, gaps=gaps), self._released(life))

    def _released(self, life: _Judged) -> Dating | None:
        """Return the release that the last banner before a life names."""
        before = [b for b in self._banners() if b.record <= life.first_record]
        if not before or not before[-1].release:
            return None
        return replace(Dating.given(before[-1].release), reason="named by the banner of its start")

    def _merged(self, results: list[ScanResult], lives: list[_Judged], gaps: list[Gap]) -> ScanResult:
        """Return the results of lives as that of one trace."""
        summaries = [r.traces[0] for r in results]
        ids = [ids_of_dating(s.dating) for s in summaries]
        if Ids.THREAD in ids and any(life.by_id for life in lives):
            for result, own in zip(results, ids, strict=True):
                if own is not Ids.PROCESS:
                    _doubt(result, THREADS)
        summary = replace(
            summaries[0], dating=_dating([s.dating for s in summaries]), gaps=gaps,
            missing_events=sorted({name for s in summaries for name in s.missing_events}),
            unjudged=_unjudged(summaries), contexts={k: v for s in summaries for k, v in s.contexts.items()},
            coverage=_coverage(summaries), notes=list(dict.fromkeys(n for s in summaries for n in s.notes)),
        )  # fmt: skip
        whole = ScanResult([summary])
        losses = Losses(whole)
        horizons: list[Horizon] = []
        for number, (result, life) in enumerate(zip(results, lives, strict=True)):
            first = len(whole.windows)
            for window in result.windows:
                window.life = number
            whole.windows += result.windows
            whole.findings += [replace(f, window=f.window + first) for f in result.findings]
            lost = life.scanner.losses
            losses.extents += [replace(e, windows=tuple(w + first for w in e.windows)) for e in lost.extents]
            horizons += lost.horizons if lost.extents or not horizons else []
        if horizons:
            # What is known of all extents is known until the first of the lives that lost some has ended.
            losses.horizons = [min(horizons, key=lambda h: h.last.record if h.last is not None else -1)]
            self.losses = losses
        return whole


def _ended(text: str) -> str:
    for trace, life in _TRACE_ENDS:
        text = text.replace(trace, life)
    return text


def _dating(datings: Sequence[Dating]) -> Dating:
    """Return the releases that can have written a trace, from those that can have written its lives."""
    first = datings[0]
    if all(d.span == first.span for d in datings):
        return first
    spans = [d.span for d in datings if d.span is not None]
    reason = "several QEMUs wrote it: " + ", ".join(dict.fromkeys(d.text or "of any release" for d in datings))
    if len(spans) < len(datings):
        return Dating(None, reason)
    since = [s.since for s in spans]
    until = [s.until for s in spans]
    span = ReleaseRange(
        None if None in since else min((s for s in since if s), key=first_of),
        None if None in until else max((u for u in until if u), key=last_of),
    )
    return Dating(span, reason, any(d.own_tracepoints for d in datings))


def _unjudged(summaries: Sequence[TraceSummary]) -> list[Unjudged]:
    """Return what the lives could not judge; what several could not, for one reason, is told once."""
    counts: Counter[Unjudged] = Counter(u for s in summaries for u in s.unjudged)
    return [
        u if count == len(summaries) else replace(u, reason=f"in {count} of {len(summaries)} lives: {u.reason}")
        for u, count in counts.items()
    ]


def _coverage(summaries: Sequence[TraceSummary]) -> list[RuleCoverage]:
    """Return what each rule came to in all lives together."""
    merged = []
    for of_lives in zip(*(s.coverage for s in summaries), strict=True):
        reasons = dict.fromkeys(c.reason for c in of_lives if c.reason)
        merged.append(
            replace(
                of_lives[0], windows=sum(c.windows for c in of_lives), unlisted=sum(c.unlisted for c in of_lives),
                reason=next(iter(reasons), ""), events=tuple(dict.fromkeys(e for c in of_lives for e in c.events)),
                fell_short=any(c.fell_short for c in of_lives),
            )
        )  # fmt: skip
    return merged


def _doubt(result: ScanResult, reason: str) -> None:
    """Call nothing clean: threads of one QEMU may have been taken for those of another."""
    for window in result.windows:
        if window.verdict in (Verdict.CLEAN, Verdict.GUARDED):
            window.verdict, window.reason = Verdict.INCONCLUSIVE, reason
    for summary in result.traces:
        summary.coverage = [
            replace(c, windows=c.windows - c.unlisted, unlisted=0, reason=c.reason or reason) for c in summary.coverage
        ]
