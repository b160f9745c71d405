"""How much of what is in a store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from traceview.store.model import StoreStats
from traceview.store.queries import findings_by_id
from traceview.store.scans import release_name, release_order, scans_of
from traceview.store.tables import LetterRow, OccurrenceRow, RuleRow, ScanRow

__all__ = ["stats_of"]


def stats_of(session: Session) -> StoreStats:
    """Return the figures of a store; findings that were merged count for the one that has them."""
    findings = findings_by_id(session)
    return StoreStats(
        by_state=_counted(f.state.value for f in findings),
        by_rule=_counted(f.rule for f in findings),
        by_vm=_counted(vm for f in findings for vm in f.vms or ("",)),
        by_host=_counted(host for f in findings for host in f.hosts or ("",)),
        by_release=_by_release(session),
        scans=session.scalar(select(func.count()).where(ScanRow.finished_at.is_not(None))) or 0,
        unfinished=tuple(scans_of(session, unfinished=True)),
        occurrences=session.scalar(select(func.count()).select_from(OccurrenceRow)) or 0,
        outbox_pending=session.scalar(select(func.count()).where(LetterRow.delivered_at.is_(None))) or 0,
    )


def _counted(words: Iterable[str]) -> dict[str, int]:
    """Return how often each word is there, the most frequent first."""
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))


def _by_release(session: Session) -> dict[str, tuple[int, int]]:
    """Return the windows with a verdict and the violated ones by release.

    Of several scans of one trace, each rule has the one that judged most of it.
    """
    judged = RuleRow.windows - RuleRow.inconclusive
    place = func.row_number().over(
        partition_by=(ScanRow.digest, RuleRow.rule),
        order_by=(judged.desc(), ScanRow.finished_at.desc(), ScanRow.id, RuleRow.position),
    )
    ranked = (
        select(
            ScanRow.qemu,
            ScanRow.since,
            ScanRow.until,
            judged.label("windows"),
            RuleRow.violated,
            place.label("place"),
        )
        .join_from(RuleRow, ScanRow, RuleRow.scan_id == ScanRow.id)
        .subquery()
    )
    rows = session.execute(
        select(ranked.c.qemu, ranked.c.since, ranked.c.until, func.sum(ranked.c.windows), func.sum(ranked.c.violated))
        .where(ranked.c.place == 1)
        .group_by(ranked.c.qemu, ranked.c.since, ranked.c.until)
    )
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for qemu, since, until, windows, violated in rows:
        of_release = counts[release_name(qemu, since, until)]
        of_release[0] += int(windows)
        of_release[1] += int(violated)
    return {r: (counts[r][0], counts[r][1]) for r in sorted(counts, key=release_order)}
