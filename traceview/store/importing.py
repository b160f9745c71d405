"""What another store exported, added to this one: each thing once, however often and in whatever order it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from traceview.releases import first_of
from traceview.rules import Severity
from traceview.store.document import Part
from traceview.store.exporting import EXPORT_VERSION
from traceview.store.family import finding_row, in_batches, known_as, members, root_of
from traceview.store.model import TriageState
from traceview.store.sights import add_identities, new_finding_id, tell_anew, tells_more
from traceview.store.tables import (
    FindingRow,
    HistoryRow,
    LinkRow,
    OccurrenceRow,
    RuleRow,
    RunRow,
    ScanRow,
)

__all__ = ["import_document"]

_KINDS = ("scans", "findings", "identities", "occurrences", "retold", "history", "links", "states", "merges")
_MOST = 1_000_000_000
"""The largest number of a finding, of a rule's version: both databases have room for it, and for those after it."""


def import_document(session: Session, document: Any) -> dict[str, int]:
    """Add what is not there; return how much that is, by kind.

    ``retold`` are occurrences that were there and of which the document tells more, ``states`` those of findings that
    were set later there. Nothing of it is news. Raises StoreError for what is no export.
    """
    whole = Part(document)
    if whole.number("schema_version") != EXPORT_VERSION:
        raise whole.refused("schema_version", f"{EXPORT_VERSION}, which is what this traceview exports")
    return _Import(session, whole).counts()


class _Import:
    """One import: what the ids of the document are in this store."""

    def __init__(self, session: Session, whole: Part) -> None:
        self._session = session
        self._counts = dict.fromkeys(_KINDS, 0)
        self._runs = {part.text("id"): part for part in whole.parts("runs")}
        self._scan_ids: dict[str, str] = {}
        self._findings: dict[int, FindingRow] = {}
        for part in whole.parts("scans"):
            self._scan(part)
        findings = whole.parts("findings")
        self._next = max([new_finding_id(session) - 1, *(f.number("id", most=_MOST) for f in findings)]) + 1
        for part in findings:
            self._finding(part)
        for part in findings:
            self._merge(part)

    def counts(self) -> dict[str, int]:
        """Return how much was added."""
        return self._counts

    def _scan(self, part: Part) -> None:
        scan, key, finished = part.text("id"), part.text_or_none("key"), part.time_or_none("finished_at")
        if (key is None) != (finished is None):
            raise part.refused("key", "a key for a scan that is finished, and for no other")
        local = self._session.scalar(select(ScanRow).where(ScanRow.key == key)) if key is not None else None
        local = local or self._session.get(ScanRow, scan)
        if local is not None and (local.finished_at is not None or finished is None):
            self._scan_ids[scan] = local.id
            self._run(part, add=False)
            return
        digest, started = part.text("digest"), part.time("started_at")
        since = select(ScanRow.id).where(
            ScanRow.digest == digest, ScanRow.finished_at.is_not(None), ScanRow.started_at >= started
        )
        if finished is None and self._session.scalar(since.limit(1)) is not None:
            return  # another scan of that trace has finished since
        if local is not None:
            self._session.delete(local)
            self._session.flush()
        self._session.add(_scan_row(part, self._run(part, add=True)))
        self._session.flush()
        self._session.add_all(_rule_row(scan, i, rule) for i, rule in enumerate(part.parts("rules")))
        self._scan_ids[scan] = scan
        self._counts["scans"] += 1

    def _run(self, scan: Part, *, add: bool) -> str:
        """Return the id of a scan's run; write the run where it is to be added, and that it has ended."""
        part = self._runs.get(scan.text("run"))
        if part is None:
            raise scan.refused("run", "the id of one of the runs")
        run, ended = scan.text("run"), part.time_or_none("ended_at")
        row = self._session.get(RunRow, run)
        if row is None and add:
            host, started = part.text("host"), part.time("started_at")
            self._session.add(RunRow(id=run, host=host, started_at=started, ended_at=ended))
            self._session.flush()
        elif row is not None and row.ended_at is None:
            row.ended_at = ended
        return run

    def _finding(self, part: Part) -> None:
        identities, occurrences = part.texts("identities"), part.parts("occurrences")
        if not identities:
            raise part.refused("identities", "one or more")
        if not occurrences:
            raise part.refused("occurrences", "one or more")
        row = self._known(identities, [o.text("instance") for o in occurrences])
        if row is None:
            row = self._new(part)
        elif row.decided_at < part.time("decided_at"):
            _decide(row, part)
            self._counts["states"] += 1
        self._session.flush()
        self._findings[part.number("id")] = row
        self._counts["identities"] += add_identities(self._session, row, identities)
        self._links(row, part.parts("links"))
        self._history(row, part.parts("history"))
        self._occurrences(row, occurrences)

    def _known(self, identities: Collection[str], instances: Collection[str]) -> FindingRow | None:
        """Return the finding that is known under one of the identities, or to which one of the instances belongs.

        What happened once is the same finding, by whatever algorithm it was named.
        """
        known = known_as(self._session, identities)
        for batch in in_batches(instances) if known is None else ():
            owner = select(func.min(OccurrenceRow.finding_id)).where(OccurrenceRow.instance.in_(batch))
            known = known or self._session.scalar(owner)
        return None if known is None else finding_row(self._session, known)

    def _new(self, part: Part) -> FindingRow:
        """Add a finding, with its number if no other has that, or else one that no other has in either store."""
        number = part.number("id", most=_MOST)
        if number == 0 or self._session.get(FindingRow, number) is not None:
            number, self._next = self._next, self._next + 1
        row = FindingRow(
            id=number,
            group_key=part.text("group"),
            rule=part.text("rule"),
            rule_version=part.number("rule_version", most=_MOST),
            title=part.text("title"),
            label=part.text("label"),
            device_kind=part.text("device_kind"),
            shape=part.text("shape"),
            merged_into=None,
        )
        _decide(row, part)
        self._session.add(row)
        self._counts["findings"] += 1
        return row

    def _links(self, row: FindingRow, links: list[Part]) -> None:
        for part in links:
            url = part.text("url")
            if self._session.get(LinkRow, (row.id, url)) is None:
                self._session.add(LinkRow(finding_id=row.id, url=url, at=part.time("at")))
                self._session.flush()
                self._counts["links"] += 1

    def _history(self, row: FindingRow, history: list[Part]) -> None:
        entries = select(HistoryRow.at, HistoryRow.who, HistoryRow.what, HistoryRow.text)
        there = Counter(tuple(e) for e in self._session.execute(entries.where(HistoryRow.finding_id == row.id)))
        for part in history:
            entry = (part.time("at"), part.text("who"), part.text("what"), part.text("text"))
            if there[entry]:
                there[entry] -= 1
                continue
            at, who, what, text = entry
            self._session.add(HistoryRow(finding_id=row.id, at=at, who=who, what=what, text=text))
            self._counts["history"] += 1

    def _occurrences(self, row: FindingRow, occurrences: list[Part]) -> None:
        known: dict[str, OccurrenceRow] = {}
        for batch in in_batches([o.text("instance") for o in occurrences]):
            rows = self._session.scalars(select(OccurrenceRow).where(OccurrenceRow.instance.in_(batch)))
            known |= {r.instance: r for r in rows}
        for part in occurrences:
            scan = self._scan_ids.get(part.text("scan"))
            if scan is None:
                raise part.refused("scan", "the id of one of the scans")
            seen = _occurrence_row(part, row.id, scan)
            there = known.get(seen.instance)
            if there is None:
                self._session.add(seen)
                known[seen.instance] = seen
                self._counts["occurrences"] += 1
            elif tells_more(there, seen):
                tell_anew(there, scan, seen)
                self._counts["retold"] += 1

    def _merge(self, part: Part) -> None:
        if part.is_null("merged_into"):
            return
        target = self._findings.get(part.number("merged_into"))
        if target is None:
            raise part.refused("merged_into", "the id of one of the findings")
        row, root = self._findings[part.number("id")], root_of(self._session, target)
        if row.merged_into is None and row.id != root.id:
            for member in members(self._session, row.id):
                finding_row(self._session, member).merged_into = root.id
            self._session.flush()
            self._counts["merges"] += 1


def _scan_row(part: Part, run: str) -> ScanRow:
    return ScanRow(
        id=part.text("id"),
        run_id=run,
        key=part.text_or_none("key"),
        trace=part.text("trace"),
        digest=part.text("digest"),
        format=part.text("format"),
        host=part.text("host"),
        vm=part.text("vm"),
        qemu=part.text("qemu"),
        since=_release(part, "since"),
        until=_release(part, "until"),
        options=part.mapping("options"),
        traceview=part.text("traceview"),
        events=part.number("events"),
        other_lines=part.number("other_lines"),
        gaps=part.number("gaps"),
        inconclusive=part.truth("inconclusive"),
        command_line=part.text("command_line"),
        started_at=part.time("started_at"),
        finished_at=part.time_or_none("finished_at"),
    )


def _rule_row(scan: str, position: int, part: Part) -> RuleRow:
    return RuleRow(
        scan_id=scan,
        position=position,
        rule=part.text("rule"),
        version=part.number("version", most=_MOST),
        windows=part.number("windows"),
        violated=part.number("violated"),
        guarded=part.number("guarded"),
        clean=part.number("clean"),
        inconclusive=part.number("inconclusive"),
        reason=part.text("reason"),
    )


def _occurrence_row(part: Part, finding: int, scan: str) -> OccurrenceRow:
    return OccurrenceRow(
        instance=part.text("instance"),
        finding_id=finding,
        scan_id=scan,
        severity=part.word("severity", Severity, " or ".join(Severity)).value,
        certain=part.truth("certain"),
        seen_at=part.time("seen_at"),
        lost_bytes=part.number("lost_bytes"),
        suppressed=part.text("suppressed"),
        document=part.mapping("document"),
        interleaving=part.text("interleaving"),
    )


def _decide(row: FindingRow, part: Part) -> None:
    """Give a finding the state that it has in the document."""
    row.state = part.word("state", TriageState, ", ".join(TriageState)).value
    row.fixed_in = _release(part, "fixed_in") or ""
    row.reason, row.until, row.decided_at = part.text("reason"), part.day_or_none("until"), part.time("decided_at")


def _release(part: Part, name: str) -> str | None:
    """Return a release that compares, or None or ``""`` where the document has that."""
    text = part.text_or_none(name)
    if text:
        part.word(name, first_of, "a release as 7.2, 7.2.22 or 2.6.0-rc3")
    return text
