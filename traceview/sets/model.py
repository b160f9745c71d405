"""What a trace lies in: one file, or several."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from traceview.source.naming import rotated_name

__all__ = ["Kind", "TraceSet"]


class Kind(enum.Enum):
    """How the files of a trace belong together."""

    FILE = "file"
    ROTATED = "rotated"
    THREADS = "threads"
    UNORDERED = "unordered"
    """One file of a thread of several, whose order against the others is not known."""


@dataclass(frozen=True, slots=True)
class TraceSet:
    """The files of one trace: of a rotated log the oldest first, of threads in the order of their numbers.

    `threads` are these numbers. `before` has, by the place of a file among the `paths`, what is to be said of the joint
    before it, as cause and text of a gap; `left_out` are files that are not read, with the reasons. `timed` says
    whether the records of a rotated log have times.
    """

    kind: Kind
    paths: tuple[Path, ...]
    threads: tuple[int, ...] = ()
    before: dict[int, tuple[str, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    timed: bool = False

    @property
    def path(self) -> Path:
        """The file by whose name the trace goes: the newest of a rotated log, that of the first thread."""
        return self.paths[-1] if self.kind is Kind.ROTATED else self.paths[0]

    @property
    def named(self) -> Path:
        """The path whose name tells the VM: that of a thread without its number, of a rotated log without its age."""
        if self.kind is Kind.ROTATED:
            return self.path.with_name(rotated_name(self.path.name).base)
        if not self.threads:
            return self.path
        stem = self.path.name.replace(str(self.threads[0]), "", 1)
        for mark in ("-.", "_.", ".."):
            stem = stem.replace(mark, ".")
        return self.path.with_name(stem.strip("-_.") or self.path.name)
