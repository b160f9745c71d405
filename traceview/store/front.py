"""A store as its users hold it. Each method is one transaction; the modules beside this one say what is done in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from traceview.store import changes, outbox
from traceview.store.absence import absence_of
from traceview.store.changes import Hand
from traceview.store.engine import Database, open_database
from traceview.store.exporting import export
from traceview.store.family import finding_row, root_of
from traceview.store.importing import import_document
from traceview.store.migrate import bring_up_to_date
from traceview.store.model import (
    Absence,
    HistoryEntry,
    Letter,
    StoredFinding,
    StoredOccurrence,
    StoredScan,
    StoreStats,
    TriageState,
)
from traceview.store.queries import by_reference, chosen, findings_by_id, history_of, occurrences_of
from traceview.store.run import Run
from traceview.store.scans import scans_of
from traceview.store.stats import stats_of

__all__ = ["Run", "Store", "open_store"]


def _now() -> datetime:
    return datetime.now(UTC)


def open_store(where: str | Path, *, clock: Callable[[], datetime] = _now) -> Store:
    """Return the store at a path, which is made with its folder on first use, or in a ``postgresql://`` database.

    It is brought up to date where an older traceview made it. `clock` gives the time of what is written.

    Raises StoreError where it cannot be opened, is no store, or is one of a newer traceview, MissingPackageError where
    the driver of PostgreSQL is not installed.
    """
    database = open_database(where)
    bring_up_to_date(database)
    return Store(database, clock)


class Store:
    """What scans found, with what people know of it. Several processes may use one store at the same time.

    Methods raise StoreError where the database fails. Those that take a finding take its number; one that was merged
    stands for the finding that it was merged into. UnknownNameError: there is no such finding.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def run(self, *, host: str, webhooks: Sequence[str] = ()) -> Run:
        """Return a run to record scans in; `webhooks` are the URLs that its news are to be sent to."""
        return Run(self._database, self._clock, host, webhooks)

    def findings(
        self,
        *,
        states: Collection[TriageState] | None = None,
        rule: str | None = None,
        vm: str | None = None,
        host: str | None = None,
        severity: str | None = None,
        since: datetime | None = None,
        merged: bool = False,
    ) -> list[StoredFinding]:
        """Return the findings that fit all filters, those first that somebody has to look at.

        New and regressed ones stand first, then confirmed, known, ignored and fixed; of one state the worse, then those
        seen last. `rule` may have wildcards, `since` is when it was seen last; `merged` adds those that were merged,
        with what is their own.
        """
        with self._database.reading() as session:
            return chosen(
                session, states=states, rule=rule, vm=vm, host=host, severity=severity, since=since, merged=merged
            )

    def finding(self, ref: str) -> StoredFinding:
        """Return the finding that a person means: ``12``, ``#12``, an identity or 6 and more characters of one."""
        with self._database.reading() as session:
            return by_reference(session, ref)

    def occurrences(self, finding: int, *, limit: int | None = None) -> list[StoredOccurrence]:
        """Return its occurrences: the worst first, of one severity those with an interleaving, then the newest."""
        with self._database.reading() as session:
            return occurrences_of(session, finding, limit)

    def history(self, finding: int) -> list[HistoryEntry]:
        """Return what happened to it, the oldest first."""
        with self._database.reading() as session:
            return history_of(session, finding)

    def scans(self, *, limit: int | None = None) -> list[StoredScan]:
        """Return the scans, the newest first."""
        with self._database.reading() as session:
            return scans_of(session, limit=limit)

    def set_state(
        self,
        finding: int,
        state: TriageState,
        *,
        fixed_in: str = "",
        reason: str = "",
        until: date | None = None,
        who: str = "",
    ) -> StoredFinding:
        """Give it another state, and return it as it is then.

        `fixed_in` is the first release that has the fix (known, fixed), `until` the last day for which it is ignored.
        Raises TriageError where the state is not for people to set, lacks what it needs, or lacks evidence (fixed).
        """
        with self._database.writing() as session:
            hand = self._hand(who)
            root = changes.set_state(session, finding, state, hand, fixed_in=fixed_in, reason=reason, until=until)
            return findings_by_id(session, [root])[0]

    def note(self, finding: int, text: str, *, who: str = "") -> None:
        """Write a note into its history; raises TriageError for an empty one."""
        with self._database.writing() as session:
            hand = self._hand(who)
            changes.note(session, finding, text, hand)

    def link(self, finding: int, url: str, *, who: str = "") -> None:
        """Add a web page that tells more of it; raises TriageError for what is none."""
        with self._database.writing() as session:
            hand = self._hand(who)
            changes.link(session, finding, url, hand)

    def merge(self, finding: int, into: int, *, who: str = "") -> StoredFinding:
        """Make it one with another of its rule, and return that, with all that is known of both. Raises TriageError."""
        with self._database.writing() as session:
            hand = self._hand(who)
            root = changes.merge(session, finding, into, hand)
            return findings_by_id(session, [root])[0]

    def absence(self, finding: int) -> Absence:
        """Return whether it stays away in the releases that carry its fix."""
        with self._database.reading() as session:
            row = root_of(session, finding_row(session, finding))
            return absence_of(session, row.id, row.fixed_in)

    def stats(self) -> StoreStats:
        """Return how much of what is in the store."""
        with self._database.reading() as session:
            return stats_of(session)

    def export(self) -> dict[str, Any]:
        """Return the whole store as plain data for JSON, in an order of its own, without the outbox."""
        with self._database.reading() as session:
            return export(session)

    def import_(self, document: dict[str, Any]) -> dict[str, int]:
        """Add what an export has and the store lacks; return how much that is, by kind. Twice the same adds nothing.

        Of a finding that both have, the state that was set last stays. Raises StoreError for what is no export.
        """
        with self._database.writing() as session:
            return import_document(session, document)

    def due(self, *, limit: int) -> list[Letter]:
        """Claim up to `limit` letters whose time has come; nobody else is given them for 5 minutes."""
        with self._database.writing() as session:
            return outbox.due(session, limit, self._clock())

    def delivered(self, letter: Letter) -> None:
        """Note that a letter has arrived."""
        with self._database.writing() as session:
            outbox.delivered(session, letter.id, self._clock())

    def failed(self, letter: Letter, error: str, next_try: datetime) -> None:
        """Note that a letter has not arrived, why, and when it is to be tried again."""
        with self._database.writing() as session:
            outbox.failed(session, letter.id, error, next_try)

    def hurry(self) -> None:
        """Let the time of all letters come that have not arrived, as a person asks for who will not wait."""
        with self._database.writing() as session:
            outbox.hurry(session, self._clock())

    def outbox(self) -> list[Letter]:
        """Return the letters that have not arrived, the oldest first."""
        with self._database.reading() as session:
            return outbox.pending(session)

    def _hand(self, who: str) -> Hand:
        return Hand(who, self._clock())
