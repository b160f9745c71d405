"""Whether a finding stays away in the releases that carry its fix: the evidence for ``fixed``.

Windows of a rule are trials. In other releases the finding was seen in a share p of them; after n windows without it in
releases with the fix, chance alone explains its absence with probability (1-p)^n. At 5% that counts as gone.
"""

from __future__ import annotations

import math

from sqlalchemy import case, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from traceview.store.family import members
from traceview.store.model import Absence
from traceview.store.states import carries
from traceview.store.tables import FindingRow, OccurrenceRow, RuleRow, ScanRow

__all__ = ["absence_of", "figures", "windows_needed"]

CHANCE = 0.05


def windows_needed(seen: int, windows: int) -> int:
    """Return how many windows without a finding are enough, if elsewhere `seen` of `windows` had it; at least 1."""
    if not 0 < seen < windows:
        return 1  # it was in every window, or nothing is known of how often it is in one
    return max(1, math.ceil(math.log(CHANCE) / math.log1p(-seen / windows)))


def figures(absence: Absence) -> str:
    """Return the figures in words."""
    scans = "1 trace" if absence.scans == 1 else f"{absence.scans} traces"
    times = "once" if absence.seen_again == 1 else f"{absence.seen_again} times"
    again = f"seen {times} there" if absence.seen_again else "not seen there"
    return f"{absence.windows} of {absence.needed} windows needed, in {scans} of releases with the fix; {again}"


def absence_of(session: Session, finding: int, fixed_in: str) -> Absence:
    """Return the evidence that a finding (not a merged one) is gone since a release, ``""`` if none has the fix."""
    ids = members(session, finding)
    having = _releases_with(session, fixed_in)
    seen, again = _seen(session, ids, having)
    (others, _), (windows, scans) = _judged(session, ids, having)
    needed = windows_needed(seen - again, others)
    return Absence(fixed_in, scans, windows, needed, again, enough=not again and windows >= needed)


def _releases_with(session: Session, fixed_in: str) -> list[str]:
    """Return the first releases of scans that surely carry the fix, as they were noted."""
    if not fixed_in:
        return []
    noted = session.scalars(select(ScanRow.since).where(ScanRow.since.is_not(None)).distinct())
    return [since for since in noted if since is not None and carries(fixed_in, since)]


def _seen(session: Session, ids: list[int], having: list[str]) -> tuple[int, int]:
    """Return how many occurrences there are, and how many of them in traces of releases with the fix."""
    mine = OccurrenceRow.finding_id.in_(ids)
    seen = session.scalar(select(func.count()).select_from(OccurrenceRow).where(mine)) or 0
    # That a trace is of such a release may have become known with a later scan of it.
    other = aliased(ScanRow)
    again = session.scalar(
        select(func.count(OccurrenceRow.instance.distinct()))
        .join(ScanRow, OccurrenceRow.scan_id == ScanRow.id)
        .join(other, other.digest == ScanRow.digest)
        .where(mine, other.since.in_(having))
    )
    return seen, again or 0


def _judged(session: Session, ids: list[int], having: list[str]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the windows with a verdict of the findings' rule, and in how many traces: in other releases, in `having`.

    Only the versions of the rule that saw the findings count. Of several scans of one trace, which may have grown, the
    one that judged most stands for all.
    """
    kinds = select(FindingRow.rule, FindingRow.rule_version).where(FindingRow.id.in_(ids))
    judged = RuleRow.windows - RuleRow.inconclusive
    traces = (
        select(
            func.max(judged).label("windows"),
            func.max(case((ScanRow.since.in_(having), 1), else_=0)).label("having"),
        )
        .join_from(RuleRow, ScanRow, RuleRow.scan_id == ScanRow.id)
        .where(tuple_(RuleRow.rule, RuleRow.version).in_(kinds), judged > 0)
        .group_by(ScanRow.digest)
        .subquery()
    )
    rows = session.execute(select(traces.c.having, func.sum(traces.c.windows), func.count()).group_by(traces.c.having))
    counts = {bool(has): (int(windows), number) for has, windows, number in rows}
    return counts.get(False, (0, 0)), counts.get(True, (0, 0))
