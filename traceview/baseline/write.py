"""Writes what a scan found into a baseline file, so that the next scan tells of nothing but what is new."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from datetime import date
from pathlib import Path

from traceview.baseline.cover import baseline_of
from traceview.baseline.lines import Line
from traceview.errors import BaselineError
from traceview.findings import Finding, ScanResult

__all__ = ["write_baseline"]

_HEAD = (
    "# Findings that are known, as traceview scan --baseline reads them: one pattern a line, each with its reason.\n"
)


def write_baseline(path: str | Path, result: ScanResult, *, reason: str, today: date | None = None) -> int:
    """Add a line to a baseline file for each identity of a result that no line covers; return how many were added.

    What is in the file stays as it is, and in front. A finding that has a `suppression` is covered; so is one that a
    line of the file matches, unless `today` is given and the line has expired by then. The file is replaced as a whole,
    or not at all. Raises BaselineError for a file that makes no sense or cannot be written, and for a reason that is
    not one line of text.
    """
    target = Path(os.path.realpath(path))
    before = _content(target)
    known = baseline_of(before or b"", str(path))
    reason = _checked(reason)
    added: dict[str, str] = {}
    for finding, fitting in zip(result.findings, known.matching(result), strict=True):
        covered = finding.suppression is not None or any(
            today is None or not known.lines[i].expired(today) for i in fitting
        )
        if finding.fingerprint is not None and not covered:
            identity = finding.fingerprint.identity
            added.setdefault(identity, f"# {_comment(finding, result)}\n{_line(identity, reason).text}\n")
    if added or before is None:
        head = _HEAD.encode() if before is None else before
        gap = b"\n" if head and not head.endswith(b"\n") else b""
        _replace(target, head + gap + "".join(added.values()).encode("utf-8", "surrogateescape"))
    return len(added)


def _line(identity: str, reason: str) -> Line:
    return Line((("identity", identity),), reason)


def _checked(reason: str) -> str:
    """Return a reason as a line will have it, after making sure that it is read as it is meant."""
    line = _line("v1-0", reason.strip())
    try:
        read = baseline_of(line.text.encode("utf-8", "surrogateescape"), "the lines to be written").lines
    except UnicodeEncodeError:
        read = ()
    if read != (line,):
        raise BaselineError([f"the reason for a baseline's lines must be one line of text; this is none: {reason!r}"])
    return line.reason


def _comment(finding: Finding, result: ScanResult) -> str:
    requests = result.windows[finding.window].requests
    devices = sorted({requests[i].device for i in finding.requests})
    where = f", device {', '.join(map(_shown, devices))}" if devices else ""
    return f"{_shown(finding.rule)}{where}: {_shown(finding.title)}"


def _shown(name: str) -> str:
    """Return a name on one line and without what could steer a terminal: a guest may have chosen it."""
    return repr(name)[1:-1]


def _content(target: Path) -> bytes | None:
    """Return what a file holds, None for one that is not there."""
    try:
        if not stat.S_ISREG(target.stat().st_mode):
            raise BaselineError([f"{target}: no regular file: a baseline is not written there"])
        return target.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as e:
        raise BaselineError([f"{target}: the baseline cannot be read: {e.strerror}"]) from e


def _replace(target: Path, content: bytes) -> None:
    # Not tempfile's: the file of a team is to be readable as far as its umask, or the file's own mode, says.
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except OSError as e:
        raise BaselineError([f"{target}: the baseline cannot be written: {e.strerror}"]) from e
    finally:
        with suppress(OSError):  # it is the target by now, or was never made
            part.unlink(missing_ok=True)
