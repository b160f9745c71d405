"""Findings as GitLab's report of code quality, which merge requests and pipelines show.

Its format: an array of issues with ``description``, ``check_name``, ``fingerprint``, ``severity`` and ``location``. Two
reports are compared by fingerprints, so the first finding of a bug has the bug's own (its identity, without the
version), and any further one a digest of the bug and of where it happened.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from traceview.findings import Finding, ScanResult, Severity
from traceview.fingerprints import digest_of
from traceview.report.escape import printable
from traceview.report.facts import breaking_mark, headline
from traceview.report.paths import relative_path
from traceview.report.style import file_and_line

__all__ = ["gitlab_json"]

_SEVERITIES = {Severity.DATA_LOSS: "critical", Severity.BROKEN_PROMISE: "major"}


def gitlab_json(result: ScanResult, *, root: Path | None = None) -> str:
    """Return the findings that no baseline covers, in ASCII.

    Paths below `root` (absolute, or None) are told relative to it. A place in a binary trace is its first line.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    told = [f for f in result.findings if f.suppression is None]
    return json.dumps([_issue(result, f, _fingerprint(f, seen), root) for f in told], indent=1)


def _issue(result: ScanResult, finding: Finding, fingerprint: str, root: Path | None) -> dict[str, Any]:
    window = result.windows[finding.window]
    path, line = file_and_line(result.traces[window.trace], breaking_mark(finding, window))
    return {
        "description": headline(finding),
        "check_name": finding.rule,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": printable(relative_path(path, root)),
            "lines": {"begin": line or 1},
        },
    }


def _fingerprint(finding: Finding, seen: Counter[tuple[str, ...]]) -> str:
    """Return a fingerprint that no finding had before: `seen` counts them by identity, and by instance."""
    known = finding.fingerprint
    identity = known.identity.partition("-")[2] if known is not None else digest_of(finding.rule)
    instance = known.instance if known is not None else ""
    seen[identity,] += 1
    if seen[identity,] == 1:
        return identity
    seen[identity, instance] += 1
    return digest_of(identity, instance, str(seen[identity, instance]))
