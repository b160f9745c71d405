"""QEMU release numbers, and ranges of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ReleaseRange", "release_key"]


def release_key(release: str) -> tuple[int, ...]:
    """Return a release such as ``2.12`` as numbers that compare. Raises ValueError for other text."""
    return tuple(int(part) for part in release.split("."))


@dataclass(frozen=True, slots=True)
class ReleaseRange:
    """From one release to another, both included; None where it is open."""

    since: str | None
    until: str | None

    def overlaps(self, since: str, until: str) -> bool:
        """Say whether a release from `since` to `until` lies in the range."""
        below = self.until is not None and release_key(since) > release_key(self.until)
        above = self.since is not None and release_key(until) < release_key(self.since)
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
