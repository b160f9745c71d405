"""Whether a rule's promise is known to break in a release: affected, fixed, or neither."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from traceview.releases import Moment, ReleaseRange, first_of, last_of
from traceview.rules.model import Affected

__all__ = ["Standing", "State", "standing"]

_END: Moment = (1 << 30, 0, 0, 0)
_BEGINNING: Moment = (0, 0, 0, 0)


class State(enum.StrEnum):
    """What is known of a release."""

    AFFECTED = "affected"
    PARTLY = "partly-affected"
    """Some of the releases that can have written the trace are known to be affected, others are not."""
    FIXED = "fixed"
    UNLISTED = "not-a-known-bug"
    UNKNOWN = "release-not-known"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the release that wrote a trace, with respect to one rule; `facts` are for a person."""

    state: State
    facts: str

    @property
    def words(self) -> str:
        """The facts, and what to do about a finding that they do not explain."""
        unexplained = self.state in (State.FIXED, State.UNLISTED)
        return f"{self.facts}: not a known bug, report it" if unexplained else self.facts


def standing(affected: Sequence[Affected], releases: ReleaseRange | None) -> Standing:
    """Return what is known of a range of releases (None where a trace does not tell its release)."""
    if not affected:
        return Standing(State.UNLISTED, "no release is known to be affected")
    if releases is None:
        known = ", ".join(f"{a.since} until {a.until}" if a.until else f"{a.since} and newer" for a in affected)
        return Standing(State.UNKNOWN, f"the release is not known (--qemu tells it); known to be affected: {known}")
    first = first_of(releases.since) if releases.since else _BEGINNING
    last = last_of(releases.until) if releases.until else _END
    name = _name(releases)
    whole = [a for a in affected if first_of(a.since) <= first and (a.until is None or last < first_of(a.until))]
    if whole:
        return Standing(State.AFFECTED, f"QEMU {name} is known to be affected{_fixes(whole, '; fixed ')}")
    some = [a for a in affected if first_of(a.since) <= last and (a.until is None or first < first_of(a.until))]
    if some:
        return Standing(State.PARTLY, f"QEMU {name} may be affected{_fixes(some, '; fixed ')}")
    if all(a.until is not None and first_of(a.until) <= first for a in affected):
        return Standing(State.FIXED, f"QEMU {name} has the known fixes{_fixes(affected, ', ')}")
    return Standing(State.UNLISTED, f"QEMU {name} is not known to be affected")


def _name(releases: ReleaseRange) -> str:
    if releases.since is None and releases.until is not None:
        return f"{releases.until} or older"
    if releases.until is None and releases.since is not None:
        return f"{releases.since} or newer"
    return str(releases)


def _fixes(affected: Sequence[Affected], before: str) -> str:
    fixes = [f"in {a.until} by {a.fix}" for a in affected if a.until is not None]
    return before + ", ".join(fixes) if fixes else ""
