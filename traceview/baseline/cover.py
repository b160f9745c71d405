"""Which findings the lines of a baseline cover, and what use each line is of."""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import translate
from pathlib import Path

from traceview.baseline.lines import Line, parse_lines
from traceview.errors import BaselineError
from traceview.findings import Finding, ScanResult, Suppression
from traceview.timeline.names import pointer

__all__ = ["Baseline", "LineState", "LineUse", "read_baseline"]

_MOST_BYTES = 4 << 20
"""Tens of thousands of lines; what is larger is no baseline but some other file."""

_WILDCARD = re.compile(r"[*?[]")


class LineState(enum.StrEnum):
    """Of what use a line was in a scan."""

    USED = "used"
    UNUSED = "unused"
    """No finding matches it."""
    EXPIRED = "expired"
    """Its last day is over: it covers nothing."""


@dataclass(frozen=True, slots=True)
class LineUse:
    """What came of one line: its number in the file, its text (untrusted), how many findings match it, its state.

    Matches are counted whether another line covers the finding first or not; those of an expired line are what it
    would have covered.
    """

    line: int
    text: str
    matches: int
    state: LineState


@dataclass(frozen=True, slots=True)
class Baseline:
    """The lines of a baseline file, in its order; `path` is what findings that they cover name as their source."""

    path: str
    lines: tuple[Line, ...]

    def apply(self, result: ScanResult, *, today: date) -> list[LineUse]:
        """Set `suppression` on the findings that a line covers, and return the use of each line, in their order.

        The first line that matches and has not expired covers a finding. What is covered already stays as it is.
        """
        matches = [0] * len(self.lines)
        for place, fitting in enumerate(self.matching(result)):
            for i in fitting:
                matches[i] += 1
            covering = next((self.lines[i] for i in fitting if not self.lines[i].expired(today)), None)
            finding = result.findings[place]
            if covering is not None and finding.suppression is None:
                result.findings[place] = replace(finding, suppression=self._suppression(covering))
        return [
            LineUse(line.number, line.text, count, _state(line, count, today))
            for line, count in zip(self.lines, matches, strict=True)
        ]

    def matching(self, result: ScanResult) -> list[list[int]]:
        """Return for each finding which of `lines` match it (their indices), expired ones, too."""
        matchers = [_matcher(line) for line in self.lines]
        # Baselines are long lists of identities: a line is looked at where the first of its plain names fits.
        plain: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        wild: list[int] = []
        for i, line in enumerate(self.lines):
            name = next((p for p in line.patterns if not _WILDCARD.search(p[1])), None)
            (wild if name is None else plain[name]).append(i)
        found = []
        for finding in result.findings:
            names = _names(finding, result)
            near = (i for key, texts in names.items() for text in texts for i in plain.get((key, text), ()))
            found.append(sorted(i for i in (*wild, *near) if matchers[i](names)))
        return found

    def _suppression(self, line: Line) -> Suppression:
        until = line.until.isoformat() if line.until is not None else ""
        return Suppression(self.path, line.number, line.reason, until)


def read_baseline(path: str | Path) -> Baseline:
    """Return the baseline that a file holds.

    Raises BaselineError for a file that cannot be read, with what is wrong in all of its lines.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as e:
        raise BaselineError([f"{path}: the baseline cannot be read: {e.strerror}"]) from e
    return baseline_of(content, str(path))


def baseline_of(content: bytes, path: str) -> Baseline:
    """Return the baseline that a file's bytes make up; raises BaselineError."""
    if len(content) > _MOST_BYTES:
        raise BaselineError([f"{path}: larger than {_MOST_BYTES >> 20} MiB: this is no baseline file"])
    # Names of files and devices need not be UTF-8. In traces such bytes are read the same way, so that they match.
    return Baseline(path, tuple(parse_lines(content.decode("utf-8-sig", "surrogateescape"), path)))


_Names = dict[str, frozenset[str]]
"""What a finding goes by, for each key: one of them must match."""


def _names(finding: Finding, result: ScanResult) -> _Names:
    window = result.windows[finding.window]
    trace = result.traces[window.trace]
    requests = [window.requests[i] for i in finding.requests]
    fingerprint = finding.fingerprint
    return {
        "rule": frozenset([finding.rule]),
        "device": frozenset([*(r.device for r in requests), *(pointer(r.blk) for r in requests if r.blk)]),
        "image": frozenset([window.target_image]),
        "vm": frozenset([trace.vm]),
        "host": frozenset([trace.host]),
        "identity": frozenset(fingerprint.identities if fingerprint is not None else ()),
        "group": frozenset([fingerprint.group] if fingerprint is not None else ()),
        "trace": frozenset([trace.path]),
    }


def _matcher(line: Line) -> Callable[[_Names], bool]:
    tests = [(key, _test(pattern)) for key, pattern in line.patterns]
    return lambda names: all(test(names[key]) for key, test in tests)


def _test(pattern: str) -> Callable[[frozenset[str]], bool]:
    if not _WILDCARD.search(pattern):
        return lambda names: pattern in names
    matches = re.compile(translate(pattern)).match
    return lambda names: any(matches(name) for name in names)


def _state(line: Line, matches: int, today: date) -> LineState:
    if line.expired(today):
        return LineState.EXPIRED
    return LineState.USED if matches else LineState.UNUSED
