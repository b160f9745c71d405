"""traceview finds guest I/O in windows in which QEMU's block layer promised silence.

>>> import traceview
>>> trace = traceview.open("vm.log")  # doctest: +SKIP
>>> trace.scan().findings  # doctest: +SKIP

The names below are the library; they are imported when they are first used, so that importing traceview is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traceview.api import Trace, open
    from traceview.baseline import Baseline, read_baseline, write_baseline
    from traceview.errors import (
        BaselineError,
        DeclarationsMismatchError,
        DeclarationsNeededError,
        GrammarError,
        ImageError,
        ImageMapError,
        MissingEventsError,
        MissingPackageError,
        RepairRefusedError,
        RuleFileError,
        StoreError,
        TooManyRecordsError,
        TraceNotFoundError,
        TraceReadError,
        TraceviewError,
        TriageError,
        UndoFileError,
        UnknownFormatError,
        UnknownNameError,
        UnsupportedVersionError,
    )
    from traceview.findings import Evidence, Finding, Fingerprint, Request, ScanResult, Severity, Shape, Verdict, Window
    from traceview.fleet import find_traces, losses_all, scan_all
    from traceview.losses import Losses, LossState, LostExtent
    from traceview.rules import Rule, RuleSet, load_rules
    from traceview.selection import Selection
    from traceview.store import Store, TriageState, open_store
    from traceview.timeline import Timeline

__version__ = "0.1.0"

_HOMES = {
    "traceview.api": ("Trace", "open"),
    "traceview.baseline": ("Baseline", "read_baseline", "write_baseline"),
    "traceview.errors": (
        "BaselineError", "DeclarationsMismatchError", "DeclarationsNeededError", "GrammarError", "ImageError",
        "ImageMapError", "MissingEventsError", "MissingPackageError", "RepairRefusedError", "RuleFileError",
        "StoreError", "TooManyRecordsError", "TraceNotFoundError", "TraceReadError", "TraceviewError", "TriageError",
        "UndoFileError", "UnknownFormatError", "UnknownNameError", "UnsupportedVersionError",
    ),
    "traceview.findings": (
        "Evidence", "Finding", "Fingerprint", "Request", "ScanResult", "Severity", "Shape", "Verdict", "Window",
    ),
    "traceview.fleet": ("find_traces", "losses_all", "scan_all"),
    "traceview.losses": ("LossState", "Losses", "LostExtent"),
    "traceview.rules": ("Rule", "RuleSet", "load_rules"),
    "traceview.selection": ("Selection",),
    "traceview.store": ("Store", "TriageState", "open_store"),
    "traceview.timeline": ("Timeline",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Baseline", "BaselineError", "DeclarationsMismatchError", "DeclarationsNeededError", "Evidence", "Finding",
    "Fingerprint", "GrammarError", "ImageError", "ImageMapError", "LossState", "Losses", "LostExtent",
    "MissingEventsError", "MissingPackageError", "RepairRefusedError", "Request", "Rule", "RuleFileError", "RuleSet",
    "ScanResult", "Selection", "Severity", "Shape", "Store", "StoreError", "Timeline", "TooManyRecordsError", "Trace",
    "TraceNotFoundError", "TraceReadError", "TraceviewError", "TriageError", "TriageState", "UndoFileError",
    "UnknownFormatError", "UnknownNameError", "UnsupportedVersionError", "Verdict", "Window", "__version__",
    "find_traces", "load_rules", "losses_all", "open", "open_store", "read_baseline", "scan_all", "write_baseline",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'traceview' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
