"""What a trace tells: which events it has, which rules they can judge, and what the others lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from traceview.detect.judge import other_release
from traceview.detect.needs import Namer, Seen, lacking, nearest_clause
from traceview.events import EventBatch, EventForm, ReadStats, distinct
from traceview.rules import Rule, WindowClause
from traceview.vocabulary import Dating, Meaning, Vocabulary

__all__ = ["Tellable", "TellableRule", "Teller"]


@dataclass(frozen=True, slots=True)
class TellableRule:
    """Whether a trace can judge a rule: by `clause`, or nearly by it, but for the events in `lacks`.

    `lacks` has, for each need that no record meets, the events any of which would. `reason` is what else stands
    against it.
    """

    rule: Rule
    clause: WindowClause
    lacks: tuple[tuple[str, ...], ...]
    reason: str = ""

    @property
    def can(self) -> bool:
        """Whether nothing is lacking."""
        return not (self.lacks or self.reason)


@dataclass(frozen=True, slots=True)
class Tellable:
    """What a trace tells. `events` are the known ones with how often they occur, `unknown` those with no meaning."""

    path: str
    dating: Dating
    events: dict[str, int]
    meanings: dict[Meaning, int]
    unknown: dict[str, int]
    rules: tuple[TellableRule, ...]


class Teller:
    """Feed it the batches of one trace, then ask what the trace tells."""

    def __init__(self, vocabulary: Vocabulary, qemu: Dating | None = None) -> None:
        self._vocabulary = vocabulary
        self._qemu = qemu
        self._seen: Seen = set()
        self._forms: dict[int, EventForm] = {}
        self._threads: set[int] = set()

    def feed(self, batch: EventBatch) -> None:
        """Take the next batch."""
        table = self._vocabulary.interpret(batch)
        for code in table.codes():
            self._seen |= table.seen(code)
            self._forms[code] = batch.forms[code]
        if len(self._threads) < 2:
            self._threads.update(distinct(table.tid))

    def finish(self, path: str, stats: ReadStats, rules: Iterable[Rule]) -> Tellable:
        """Return what the trace tells. `stats` are those of the reader, which is used up."""
        dating = self._qemu or self._vocabulary.date(stats.names, self._forms.values(), text=stats.printed)
        namer = Namer(self._vocabulary, dating.span)
        known = {n: c for n, c in stats.names.items() if n in self._vocabulary.events}
        meanings: Counter[Meaning] = Counter()
        for name, count in known.items():
            meanings[self._vocabulary.events[name].meaning] += count
        order = [n for n in self._vocabulary.events if n in known]
        return Tellable(
            path, dating, {n: known[n] for n in order}, dict(meanings),
            {n: c for n, c in stats.names.items() if n not in known},
            tuple(self._rule(rule, namer) for rule in rules),
        )  # fmt: skip

    def _rule(self, rule: Rule, namer: Namer) -> TellableRule:
        holding = [c for c in rule.windows if c.holds_in(namer.releases)]
        clause = nearest_clause(holding or rule.windows, self._seen)
        lacks = tuple(namer.names(n, clause.evidence) for n in lacking(clause.needs, self._seen))
        by_thread = clause.executor is not None and clause.executor.role == "thread" and clause.executor.same
        reason = "the trace does not tell threads apart" if by_thread and len(self._threads) < 2 else ""
        if not holding:
            reason = other_release(clause)
        return TellableRule(rule, clause, lacks, reason)
