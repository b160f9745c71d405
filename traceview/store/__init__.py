"""What scans found, over months and machines: which findings are new, which are known, which are gone.

`open_store` gives a `Store`; everything it takes and gives is in `traceview.store.model`. What needs a database is
imported when it is first used, so that the words of the store can be had without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from traceview.store.model import (
    Absence,
    HistoryEntry,
    JudgedRule,
    Letter,
    News,
    ScanNote,
    SeenFinding,
    StoredFinding,
    StoredOccurrence,
    StoredScan,
    StoreStats,
    TriageState,
    Why,
)
from traceview.store.place import default_store

if TYPE_CHECKING:
    from traceview.store.front import Run, Store, open_store

__all__ = [
    "Absence",
    "HistoryEntry",
    "JudgedRule",
    "Letter",
    "News",
    "Run",
    "ScanNote",
    "SeenFinding",
    "Store",
    "StoreStats",
    "StoredFinding",
    "StoredOccurrence",
    "StoredScan",
    "TriageState",
    "Why",
    "default_store",
    "open_store",
]

_WITH_DATABASE = ("Run", "Store", "open_store")


def __getattr__(name: str) -> Any:
    if name not in _WITH_DATABASE:
        raise AttributeError(f"module 'traceview.store' has no attribute {name!r}")
    return getattr(import_module("traceview.store.front"), name)
