"""The states of a finding, and what moves it from one to another: functions of values, without a database.

::

    new ──────► confirmed ──► known(fixed in X) ──► fixed      by people; known → fixed by a scan that brings evidence
     │              │             │                   │
     │              │             └──► regressed ◄────┘        by a scan: seen in a release that has the fix
     └──────────────┴──► ignored(reason, until) ──► new        by a scan: seen after that day, or worse than ever

People set any state but ``regressed``, and back to ``new``. Releases are compared as `traceview.rules.standing` does:
a release without its third number stands for all of its series, so ``2.6`` carries what was fixed in 2.6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from traceview.errors import TriageError
from traceview.releases import ReleaseRange, first_of, last_of, parse_release
from traceview.rules import Severity
from traceview.store.model import TriageState, Why

__all__ = ["Outcome", "Sight", "Status", "after_evidence", "after_sight", "asked", "carries", "rank", "surely_older"]


@dataclass(frozen=True, slots=True)
class Status:
    """A state with what belongs to it."""

    state: TriageState = TriageState.NEW
    fixed_in: str = ""
    reason: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """A finding as one scan saw it, occurrences aside that a baseline covers.

    `severity` is the worst of what is new to the store, `heard` the worst that was told before (``""``: nothing was),
    `worst` the worst that was recorded before. `fresh` is False where the scan tells more of an occurrence that was
    told before, and brings no other. `since` and `until` are the releases that may have written the trace.
    """

    severity: str
    heard: str
    worst: str
    fresh: bool
    since: str | None
    until: str | None
    day: date


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status that comes of something, why that is news (None: it is none), and what the history says of it."""

    status: Status
    why: Why | None = None
    text: str = ""


def rank(severity: str) -> int:
    """Return a number that grows with the severity, 0 for ``""``. Raises ValueError for a word that is none."""
    return Severity(severity).rank if severity else 0


def carries(fixed_in: str, since: str | None) -> bool:
    """Say whether what was written by `since` or a newer release surely has the fix."""
    return since is not None and first_of(since) >= first_of(fixed_in)


def surely_older(fixed_in: str, until: str | None) -> bool:
    """Say whether what was written by `until` or an older release surely lacks the fix."""
    return until is not None and last_of(until) < first_of(fixed_in)


def after_sight(status: Status, sight: Sight) -> Outcome:
    """Return what comes of a finding that is seen (again)."""
    if status.state is TriageState.NEW and not sight.heard:
        return Outcome(status, Why.NEW)
    if sight.fresh and _has_come_back(status, sight):
        text = f"seen in {_releases(sight)}, which {_should_have(status, sight)}"
        return Outcome(replace(status, state=TriageState.REGRESSED), Why.REGRESSED, text)
    before = sight.heard or sight.worst
    worse = rank(sight.severity) > rank(before)
    if status.state is not TriageState.IGNORED:
        return Outcome(status, Why.WORSE if worse else None)
    if worse:
        return Outcome(Status(), Why.WORSE, f"no longer ignored: it became {sight.severity}, from {before}")
    if sight.fresh and status.until is not None and sight.day > status.until:
        return Outcome(Status(), Why.REOPENED, f"no longer ignored: it was until {status.until}, and is seen again")
    return Outcome(status)


def _has_come_back(status: Status, sight: Sight) -> bool:
    if status.state is TriageState.KNOWN:
        return bool(status.fixed_in) and carries(status.fixed_in, sight.since)
    return status.state is TriageState.FIXED and not (
        bool(status.fixed_in) and surely_older(status.fixed_in, sight.until)
    )


def _releases(sight: Sight) -> str:
    if sight.since is None and sight.until is None:
        return "a release that is not known"
    return f"QEMU {ReleaseRange(sight.since, sight.until)}"


def _should_have(status: Status, sight: Sight) -> str:
    if not status.fixed_in:
        return "may have the fix: no release is known that brought it"
    has = "has" if carries(status.fixed_in, sight.since) else "may have"
    return f"{has} the fix of {status.fixed_in}"


def after_evidence(status: Status, figures: str) -> Outcome:
    """Return what comes of a known finding that stayed away for long enough; `figures` say how long."""
    return Outcome(replace(status, state=TriageState.FIXED), text=figures)


def asked(
    status: Status, state: TriageState, *, fixed_in: str = "", reason: str = "", until: date | None = None, day: date
) -> Status:
    """Return the status that a person asks for; raises TriageError where there is none such.

    A `fixed_in` is for known and fixed (which falls back on the one there is), `until` for ignored. Whether there is
    evidence for fixed is for the caller to ask.
    """
    if state is TriageState.REGRESSED:
        raise TriageError(
            "regressed is what a scan makes of a finding that it sees in a release with the fix: "
            "set it to confirmed or known, or back to new"
        )
    if fixed_in and state not in (TriageState.KNOWN, TriageState.FIXED):
        raise TriageError(f"a release with the fix belongs to known and fixed, not to {state}: leave out {fixed_in!r}")
    if until is not None and state is not TriageState.IGNORED:
        raise TriageError(f"a last day belongs to ignored, not to {state}: leave out {until}")
    if until is not None and until < day:
        raise TriageError(f"ignored until {until}, which has passed (it is {day}): name a day to come, or none")
    reason = reason.strip()
    if state is TriageState.IGNORED and not reason:
        raise TriageError("ignored needs a reason: say why nothing is to be done")
    release = _release(fixed_in) if fixed_in else ""
    if state is TriageState.FIXED:
        release = release or status.fixed_in
        if not release:
            raise TriageError("fixed needs the first release that has the fix: name it, as in 7.2 or 2.6.0-rc4")
    return Status(state, release, reason, until)


def _release(text: str) -> str:
    try:
        return parse_release(text)
    except ValueError as error:
        raise TriageError(f"fixed in {error} (a commit belongs into a note)") from error
