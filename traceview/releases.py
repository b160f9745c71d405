"""QEMU release numbers, and ranges of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Moment", "ReleaseRange", "first_of", "last_of", "parse_release", "release_key"]

Moment = tuple[int, int, int, int]
"""A point in QEMU's history that compares: major, minor, micro, release candidate (`_FINAL` for the release)."""

_FINAL = 99
_LAST_STABLE = 49
"""x.y.50 and above are what became the next release (QEMU's VERSION file)."""
_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-rc(\d+))?")


def release_key(release: str) -> tuple[int, ...]:
    """Return a release such as ``2.12`` as numbers that compare. Raises ValueError for other text."""
    return tuple(int(part) for part in release.split("."))


def parse_release(text: str) -> str:
    """Return a release as people write it (``7.2``, ``v7.2.22``, ``2.6.0-rc3``) without a leading v.

    What a distribution puts behind it (``7.2.22 (Debian 1:7.2+dfsg-7)``) is left out. Raises ValueError for other text.
    """
    match = re.match(rf"\s*v?({_RELEASE.pattern})(?=$|[\s(+~-])", text)
    if match is None:
        raise ValueError(f"{text!r} is no release of QEMU: expected one such as 7.2, 7.2.22 or 2.6.0-rc3")
    return match[1]


def first_of(release: str) -> Moment:
    """Return the first moment that a release stands for: ``2.6`` begins with 2.6.0-rc0."""
    major, minor, micro, candidate = _parts(release)
    return major, minor, micro or 0, candidate if candidate is not None else 0 if micro is None else _FINAL


def last_of(release: str) -> Moment:
    """Return the last moment that a release stands for: ``2.6`` goes on through its stable releases."""
    major, minor, micro, candidate = _parts(release)
    return major, minor, _LAST_STABLE if micro is None else micro, _FINAL if candidate is None else candidate


def _parts(release: str) -> tuple[int, int, int | None, int | None]:
    match = _RELEASE.fullmatch(release)
    if match is None:
        raise ValueError(f"{release!r} is no release of QEMU")
    major, minor, micro, candidate = match.groups()
    return int(major), int(minor), int(micro) if micro else None, int(candidate) if candidate else None


@dataclass(frozen=True, slots=True)
class ReleaseRange:
    """From one release to another, both included; None where it is open."""

    since: str | None
    until: str | None

    def overlaps(self, since: str, until: str) -> bool:
        """Say whether a release from `since` to `until` lies in the range."""
        below = self.until is not None and first_of(since) > last_of(self.until)
        above = self.since is not None and last_of(until) < first_of(self.since)
        return not (below or above)

    def narrowed(self, since: str, until: str) -> ReleaseRange:
        """Return the part of the range that lies between `since` and `until` (it may be empty)."""
        first = since if self.since is None else max(self.since, since, key=release_key)
        last = until if self.until is None else min(self.until, until, key=release_key)
        return ReleaseRange(first, last)

    @property
    def empty(self) -> bool:
        """Whether no release is left."""
        return self.since is not None and self.until is not None and release_key(self.since) > release_key(self.until)

    def __str__(self) -> str:
        if self.since == self.until:
            return self.since or "any release"
        return f"{self.since or 'the first'} to {self.until or 'today'}"
