"""Everything that traceview raises on purpose.

::

    TraceviewError
    ├── TraceNotFoundError       (also FileNotFoundError)  no such file, or a directory without traces
    ├── TraceReadError           (also OSError)            the bytes cannot be had: refused, or too large to unpack
    ├── UnknownFormatError       (also ValueError)         no format recognises the first bytes
    ├── UnsupportedVersionError  (also ValueError)         a simpletrace version that cannot be read
    ├── DeclarationsNeededError  (also ValueError)         simpletrace 2 and 3 without --trace-events
    ├── DeclarationsMismatchError(also ValueError)         the declarations are of another build
    ├── GrammarError             (also ValueError)         text that a grammar refuses
    ├── RuleFileError            (also ValueError)         a rule file that makes no sense
    ├── UnknownNameError         (also LookupError)        an event, rule, format or finding that is not there
    ├── MissingEventsError       (also LookupError)        a table asked of a trace that lacks its events
    ├── MissingPackageError      (also ImportError)        a package of an extra that is not installed
    ├── ImageMapError            (also ValueError)         no output of qemu-img map, or one that cannot be read
    ├── ImageError               (also OSError)            an image that cannot be opened, read or written
    ├── UndoFileError            (also ValueError)         no undo file of a repair, or a damaged one
    ├── RepairRefusedError       (also RuntimeError)       a repair that would do harm, or might
    ├── BaselineError            (also ValueError)         a baseline file that makes no sense
    ├── StoreError               (also OSError)            a store of findings that cannot be opened, read or written
    ├── TriageError              (also ValueError)         a change of a stored finding that is refused
    └── TooManyRecordsError      (also ValueError)         more of a trace than can be held at once

Each message says which file, where in it, what was expected, what was found, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BaselineError",
    "DeclarationsMismatchError",
    "DeclarationsNeededError",
    "GrammarError",
    "ImageError",
    "ImageMapError",
    "MissingEventsError",
    "MissingPackageError",
    "RepairRefusedError",
    "RuleFileError",
    "StoreError",
    "TooManyRecordsError",
    "TraceNotFoundError",
    "TraceReadError",
    "TraceviewError",
    "TriageError",
    "UndoFileError",
    "UnknownFormatError",
    "UnknownNameError",
    "UnsupportedVersionError",
    "nearest",
]


class TraceviewError(Exception):
    """Root of every error that traceview raises on purpose."""


class TraceNotFoundError(TraceviewError, FileNotFoundError):
    """A path that does not exist, or a directory in which no file is a trace."""


class TraceReadError(TraceviewError, OSError):
    """The operating system would not give the bytes of a trace, or unpacking them would take too much memory."""


class UnknownFormatError(TraceviewError, ValueError):
    """No trace format recognises the first bytes of a file."""


class UnsupportedVersionError(TraceviewError, ValueError):
    """A simpletrace file of a version that traceview does not read."""


class DeclarationsNeededError(TraceviewError, ValueError):
    """A simpletrace file of version 2 or 3, whose ids mean nothing without declarations."""


class DeclarationsMismatchError(TraceviewError, ValueError):
    """Records that cannot be what the given declarations say: the file is of another build."""


class GrammarError(TraceviewError, ValueError):
    """Text that one of the grammars refuses; the message carries the place and a caret."""


class RuleFileError(TraceviewError, ValueError):
    """A rule file that makes no sense. `complaints` has what is wrong, place by place, as the message has it."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(self.complaints))


class BaselineError(TraceviewError, ValueError):
    """A baseline file that makes no sense. `complaints` has what is wrong, place by place, as the message has it."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(self.complaints))


class UnknownNameError(TraceviewError, LookupError):
    """A name that is not known; the message offers the nearest one that is."""


class MissingEventsError(TraceviewError, LookupError):
    """A table was asked for that the events of this trace cannot fill."""


class MissingPackageError(TraceviewError, ImportError):
    """A package that only some commands need, and that is not installed; the message names the extra that has it."""


class ImageMapError(TraceviewError, ValueError):
    """A file that is no output of ``qemu-img map --output=json``, or cannot be read."""


class ImageError(TraceviewError, OSError):
    """An image of a disk that cannot be opened, read or written, by us or by QEMU's tools."""


class UndoFileError(TraceviewError, ValueError):
    """A file that is no undo file of a repair, or one that is damaged."""


class RepairRefusedError(TraceviewError, RuntimeError):
    """A repair, or a step of one, that is not done because it would do harm, or might."""


class StoreError(TraceviewError, OSError):
    """A store of findings that cannot be opened, read or written, or that a newer traceview made."""


class TriageError(TraceviewError, ValueError):
    """A change of a stored finding, or a setting of triage, that is refused; the message says what it would take."""


class TooManyRecordsError(TraceviewError, ValueError):
    """More records were asked for than can be held at once; the message says how to ask for less."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to `name`, or ``""`` if none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
