"""What rules came to in a trace, and what it could not judge."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RuleCoverage", "Unjudged"]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A rule that the trace cannot judge, or not for all jobs.

    `events` are the ones to enable: for each need that is not met, the events any of which meets it.
    """

    rule: str
    reason: str
    events: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """What one rule came to in a trace.

    `windows` is how many windows it had (`unlisted` of them clean and not listed one by one); where there were none, or
    some were left out, `reason` says why, and `events` are those to enable.
    """

    rule: str
    windows: int
    unlisted: int
    reason: str
    events: tuple[tuple[str, ...], ...]
    must_judge: bool = False
    """Whether the scan is inconclusive where something of it could not be judged."""
    fell_short: bool = False
    """Whether the trace could not show all that the rule asks: no window means nothing then, and no finding little."""
