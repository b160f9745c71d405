"""What a rule needs traced, held against what a trace has."""

from __future__ import annotations

from collections.abc import Iterable

from traceview.findings import Evidence
from traceview.rules import Need
from traceview.vocabulary import Meaning, Op, Vocabulary

__all__ = ["Seen", "lacking", "names_of"]

Seen = set[tuple[Meaning, Op]]
"""The meanings that occurred in a trace, each with its operation."""


def lacking(needs: Iterable[Need], seen: Seen) -> list[Need]:
    """Return the needs that no record of the trace meets."""
    return [n for n in needs if not any(m is n.meaning and n.op in (Op.NONE, op) for m, op in seen)]


def names_of(vocabulary: Vocabulary, need: Need, evidence: Evidence) -> tuple[str, ...]:
    """Return the events any of which meets a need: stock ones for stand-ins, where there are some."""
    events = [e for e in vocabulary.events.values() if e.meaning is need.meaning and need.op in (Op.NONE, e.op)]
    stock = tuple(e.name for e in events if e.releases is not None)
    return stock if stock and evidence is Evidence.PROXY else tuple(e.name for e in events)
