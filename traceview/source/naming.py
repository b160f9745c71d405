"""What names say of files that belong together: the siblings of a rotated log, the threads of one trace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Rotated", "rotated_groups", "rotated_name", "thread_groups"]

MOST_DIGITS = 7
"""No thread has a longer number: PID_MAX_LIMIT of Linux is 4194304."""
_PACKED = re.compile(r"\.(gz|xz|zst|bz2)\Z", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<base>.+)\.(?P<number>\d{1,4})", re.DOTALL)
_OLD = re.compile(r"(?P<base>.+)\.old", re.IGNORECASE | re.DOTALL)
_DATED = re.compile(
    r"(?P<base>.+?)[-._]?(?P<date>\d{4}-\d{2}-\d{2}|\d{8}(?:\d{2}(?:\d{2}(?:\d{2})?)?)?)"
    r"(?P<end>\.(?:log|txt|trace))?",
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip
_NUMBER = re.compile(rf"(?<!\d)\d{{2,{MOST_DIGITS}}}(?!\d)")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a name says: of which log (``vm.log``) it is, how old it is (larger is older), and its number, if any."""

    base: str
    age: tuple[int, float]
    number: int | None = None


def rotated_name(name: str) -> Rotated:
    """Return what the name of a file says of rotation, by the ways of logrotate.

    ``vm.log`` is the newest, ``vm.log.0`` or ``vm.log.old``, ``vm.log.1``, ``vm.log.2.gz`` … are older and older;
    ``vm.log-20261128``, ``vm.log-2026112803``, ``vm-20261128.log`` have the day (and hour) at which they ended, or
    seconds since 1970.
    """
    plain = _PACKED.sub("", name)
    if match := _NUMBERED.fullmatch(plain):
        number = int(match["number"])
        return Rotated(match["base"], (1, float(number)), number)
    if match := _OLD.fullmatch(plain):
        return Rotated(match["base"], (1, 0.5))
    if (match := _DATED.fullmatch(plain)) and (moment := _moment(match["date"])) is not None:
        return Rotated(match["base"] + (match["end"] or ""), (2, -moment))
    return Rotated(plain, (0, 0.0))


def _moment(text: str) -> float | None:
    """Return a time in seconds since 1970 as names have it, None for digits that are none."""
    digits = text.replace("-", "")
    for form, length in (("%Y%m%d", 8), ("%Y%m%d%H", 10), ("%Y%m%d%H%M", 12), ("%Y%m%d%H%M%S", 14)):
        if len(digits) == length and digits[:2] in ("19", "20"):
            try:
                return datetime.strptime(digits, form).replace(tzinfo=UTC).timestamp()
            except ValueError:
                continue
    return float(digits) if len(digits) == 10 else None


def rotated_groups(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield the files that are one rotated log by their names, the oldest first.

    Files of different folders are of different logs. A log with one file is none of them.
    """
    groups: dict[tuple[Path, str], list[tuple[Rotated, Path]]] = {}
    for path in paths:
        told = rotated_name(path.name)
        groups.setdefault((path.parent, told.base), []).append((told, path))
    for members in groups.values():
        if len(members) > 1:
            members.sort(key=lambda m: (m[0].age, m[1].name), reverse=True)
            yield [path for _, path in members]


def thread_groups(paths: Iterable[Path]) -> Iterator[dict[int, Path]]:
    """Yield the files whose names differ in one number only, by that number: threads, perhaps (``-d tid``)."""
    groups: dict[tuple[Path, str, str], dict[int, Path]] = {}
    for path in paths:
        for match in _NUMBER.finditer(path.name):
            key = (path.parent, path.name[: match.start()], path.name[match.end() :])
            groups.setdefault(key, {}).setdefault(int(match[0]), path)
    yield from (group for group in groups.values() if len(group) > 1)
