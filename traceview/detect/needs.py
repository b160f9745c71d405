"""What a rule needs traced, held against what a trace has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from traceview.releases import ReleaseRange, first_of
from traceview.rules import Evidence, Need, WindowClause
from traceview.vocabulary import EventMeaning, Meaning, Op, Vocabulary

__all__ = ["Namer", "Seen", "lacking", "nearest_clause"]

Seen = set[tuple[Meaning, Op]]
"""The meanings that occurred in a trace, each with its operation."""


def lacking(needs: Iterable[Need], seen: Seen) -> list[Need]:
    """Return the needs that no record of the trace meets."""
    return [n for n in needs if not any(m in n.meanings and n.op in (Op.NONE, op) for m, op in seen)]


@dataclass(frozen=True, slots=True)
class Namer:
    """Names the events that a trace would have needed; `releases` are those that can have written it, None for any."""

    vocabulary: Vocabulary
    releases: ReleaseRange | None = None

    def names(self, need: Need, evidence: Evidence) -> tuple[str, ...]:
        """Return the events any of which meets a need: for stand-ins stock ones, of the trace's releases if any are."""
        events = self._meeting(need)
        stock = [e for e in events if e.releases is not None]
        if stock and evidence is Evidence.PROXY:
            events = [e for e in stock if self._has(e)] or stock
        return tuple(e.name for e in events)

    def throughout(self, need: Need) -> bool:
        """Say whether an event that meets a need is there in all releases that can have written the trace."""
        span = self.releases
        if span is None or span.since is None:
            return False
        known = [e.releases for e in self._meeting(need) if e.releases is not None]
        return any(first_of(since) <= first_of(span.since) and span.overlaps(since, until) for since, until in known)

    def _meeting(self, need: Need) -> list[EventMeaning]:
        return [e for e in self.vocabulary.events.values() if e.meaning in need.meanings and e.can(need.op)]

    def _has(self, event: EventMeaning) -> bool:
        return self.releases is None or event.releases is None or self.releases.overlaps(*event.releases)


def nearest_clause(clauses: Iterable[WindowClause], seen: Seen) -> WindowClause:
    """Return the clause of which a trace lacks least; of as good ones the first. Raises ValueError for none."""
    return min(clauses, key=lambda c: len(lacking(c.needs, seen)))
