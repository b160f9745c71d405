"""Which records a user asks for: by event, time, thread or pointer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from fnmatch import translate
from functools import cached_property

import numpy as np
import numpy.typing as npt

from traceview.events import NO_TIME, EventBatch, Kind

__all__ = ["Selection", "parse_moment"]


def parse_moment(text: str) -> tuple[bool, int]:
    """Read a time in seconds: ``1459344553.123456`` on the trace's clock, ``+2.5`` after its first record.

    Returns whether it is relative, and nanoseconds. Raises ValueError for other text.
    """
    relative = text.startswith("+")
    try:
        ns = Decimal(text.removeprefix("+")) * 1_000_000_000
    except DecimalException as e:  # no number, or one too large to reckon with
        raise ValueError(f"{text!r} is no time: expected seconds such as 1459344553.123456, or +2.5") from e
    if not ns.is_finite():
        raise ValueError(f"{text!r} is no time")
    return relative, int(ns)


@dataclass(frozen=True)
class Selection:
    """A choice of records; what is None or empty does not limit.

    `events` are names or patterns with ``*`` and ``?``; `since` and `until` as `parse_moment` gives them, both
    included; `tid` is the process or thread id; `pointer` any pointer argument.
    """

    events: tuple[str, ...] = ()
    since: tuple[bool, int] | None = None
    until: tuple[bool, int] | None = None
    tid: int | None = None
    pointer: int | None = None

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return re.compile("|".join(translate(e) for e in self.events)) if self.events else None

    def wanted(self, name: str) -> bool:
        """Say whether records of an event can be chosen."""
        return self._pattern is None or self._pattern.match(name) is not None

    def unmatched(self, names: dict[str, int]) -> list[str]:
        """Return the plain names and patterns that no event of the trace has."""
        return [e for e in self.events if not any(re.match(translate(e), n) for n in names)]

    def mask(self, batch: EventBatch, first_ts_ns: int) -> npt.NDArray[np.bool_]:
        """Return the mask of the chosen rows; `first_ts_ns` is the time of the trace's first record."""
        mask = np.ones(len(batch), dtype=np.bool_)
        if self._pattern is not None:
            codes = [c for c, f in enumerate(batch.forms) if self.wanted(f.name)]
            mask &= np.isin(batch.code, codes)
        if self.since is not None or self.until is not None:
            mask &= batch.ts_ns != NO_TIME
        if self.since is not None:
            mask &= batch.ts_ns >= _absolute(self.since, first_ts_ns)
        if self.until is not None:
            mask &= batch.ts_ns <= _absolute(self.until, first_ts_ns)
        if self.tid is not None:
            mask &= batch.tid == self.tid
        if self.pointer is not None:
            mask &= self._has_pointer(batch)
        return mask

    def _has_pointer(self, batch: EventBatch) -> npt.NDArray[np.bool_]:
        assert self.pointer is not None
        value = np.array(self.pointer, dtype=np.uint64).astype(np.int64)
        found = np.zeros(len(batch), dtype=np.bool_)
        for code, form in enumerate(batch.forms):
            slots = [i for i, a in enumerate(form.args) if a.kind is Kind.POINTER]
            if slots:
                rows = batch.code == code
                found[rows] = (batch.args[np.ix_(rows, slots)] == value).any(axis=1)
        return found


def _absolute(moment: tuple[bool, int], first_ts_ns: int) -> int:
    relative, ns = moment
    return first_ts_ns + ns if relative else ns
