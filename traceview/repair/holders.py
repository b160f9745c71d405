"""Who has an image open for writing, for the QEMUs (before 2.10), and all others, that take no locks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["writers_of"]

PROC = Path("/proc")


def writers_of(path: Path, proc: Path = PROC) -> list[str]:
    """Name the other processes that have a file open for writing, as far as we may look (root may everywhere).

    There are none where the system has no ``/proc`` of Linux's kind.
    """
    try:
        wanted = path.stat()
    except OSError:
        return []
    return [
        f"process {pid} ({_name(proc / pid)}) has it open for writing"
        for pid in _processes(proc)
        if any(_writes(proc / pid, fd, wanted) for fd in _listed(proc / pid / "fd"))
    ]


def _processes(proc: Path) -> Iterator[str]:
    return (pid for pid in sorted(_listed(proc)) if pid.isdigit() and int(pid) != os.getpid())


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it has ended meanwhile, or is not ours to look at
        return []


def _writes(process: Path, fd: str, wanted: os.stat_result) -> bool:
    try:
        if not os.path.samestat(os.stat(process / "fd" / fd), wanted):
            return False
        lines = (process / "fdinfo" / fd).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), 0)
    return flags & os.O_ACCMODE != os.O_RDONLY


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return "?"
