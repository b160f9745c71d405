"""A run of a scanner over some traces, as those hold it who scan."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from traceview.store import runs
from traceview.store.engine import Database
from traceview.store.model import News, ScanNote, SeenFinding
from traceview.store.record import check, record
from traceview.store.runs import Begun, Runner

__all__ = ["Run"]


class Run:
    """Records scans. Leaving it (it is a context manager) says that its news have been told.

    After an exception, or where the process is killed, it never ends: what it made news is told again by the run that
    records the same trace next. Methods raise StoreError where the database fails.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], host: str, webhooks: Sequence[str]) -> None:
        self.id = str(uuid.uuid4())
        self._database = database
        self._clock = clock
        self._runner = Runner(self.id, host, clock(), tuple(webhooks))
        self._begun: dict[str, Begun] = {}

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            with self._database.writing() as session:
                runs.end(session, self._runner, self._clock())

    def begin(self, trace: str, digest: str, options: dict[str, Any]) -> None:
        """Write that a trace is being scanned; until it is recorded, `Store.stats` tells of it."""
        with self._database.writing() as session:
            self._begun[digest] = runs.begin(session, self._runner, trace, digest, options, self._clock())

    def record(self, note: ScanNote, seen: Sequence[SeenFinding]) -> list[News]:
        """Record one trace, in one transaction, and return what of it is to be told: first what killed runs left.

        A scan that is recorded already changes nothing. Raises ValueError for a severity or a release that is none.
        """
        check(note, seen)
        with self._database.writing() as session:
            news = record(session, self._runner, note, seen, self._begun.get(note.digest), self._clock())
        self._begun.pop(note.digest, None)
        return news
