"""Locks on an image: QEMU's own, so that no QEMU works on it while we do, and one of ours, for a second traceview.

QEMU 2.10 and newer lock bytes of the file (block/file-posix.c: ``raw_apply_lock_bytes``, ``raw_check_lock_bytes``).
Whoever has a permission locks byte 100 + its number, shared; whoever lets nobody else have one, byte 200 + its number.
Before it goes on, each looks whether somebody has locked the byte that contradicts. The locks belong to the open file
(Linux: OFD locks), so that those of one process contradict each other, too.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from traceview.errors import ImageError, RepairRefusedError
from traceview.repair.holders import writers_of

__all__ = ["READER", "WRITER", "Claim", "ImageLock", "Permission", "Use", "use_of"]


class Permission(enum.IntFlag):
    """What one may do with an image (``BLK_PERM_*``; QEMU 2.10 to 9.0 have these at the same numbers)."""

    CONSISTENT_READ = 1
    WRITE = 2
    WRITE_UNCHANGED = 4
    RESIZE = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """What one wants to do with an image, and what nobody else may do meanwhile."""

    takes: Permission
    keeps_out: Permission


READER = Claim(Permission.CONSISTENT_READ, Permission.WRITE | Permission.RESIZE)
WRITER = Claim(Permission.CONSISTENT_READ | Permission.WRITE, Permission.WRITE | Permission.RESIZE)
"""Reading is let be: so do QEMU's devices, and qemu-img with ``-U`` needs it."""

_TAKEN, _KEPT_OUT = 100, 200
_OURS = 400
"""A byte that no QEMU asks for. NFS makes a lock on all bytes of flock (flock(2)), which would keep qemu-img out: where
that shows, this byte is locked instead."""
_FLOCK = "hhqqi4x"
"""The fields of ``struct flock``: type, whence, start, length, process (0 for locks of open files)."""
_NO_LOCKS = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def _numbers(permissions: Permission) -> Iterator[int]:
    return (p.bit_length() - 1 for p in Permission if p in permissions)


def _lock_byte(fd: int, kind: int, byte: int) -> None:
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, byte, 1, 0))


def _is_locked(fd: int, byte: int) -> bool:
    """Say whether another open file has locked a byte."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    kind: int = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


def _in_the_way(fd: int, claim: Claim) -> str:
    """Say what another QEMU does, or keeps from being done, that contradicts a claim; ``""`` for nothing."""
    if any(_is_locked(fd, _TAKEN + n) for n in _numbers(claim.keeps_out)):
        return "a QEMU (or another traceview) has it open for writing"
    if any(_is_locked(fd, _KEPT_OUT + n) for n in _numbers(claim.takes)):
        return "a QEMU (or another traceview) reads it and lets nobody write"
    return ""


@dataclass(frozen=True, slots=True)
class Use:
    """What contradicts a claim on an image, or why that cannot be told; ``""`` for nothing."""

    obstacle: str = ""
    doubt: str = ""


def use_of(path: Path, claim: Claim) -> Use:
    """Ask who uses an image, without keeping anybody from it. Raises ImageError if it cannot be opened."""
    writers = writers_of(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise ImageError(f"{path}: cannot be opened: {e.strerror or e}") from e
    try:
        reason = "; ".join(writers) or _in_the_way(fd, claim)
    except OSError as e:
        return Use(doubt=_no_locks(path, e))
    finally:
        os.close(fd)
    return Use(f"{path}: is in use: {reason}; stop that first" if reason else "")


class ImageLock:
    """The locks on one image while it is worked on, and how to step aside with QEMU's.

    `doubt` says why it cannot be known whether a QEMU uses the image; ``""`` where it can. Raises ImageError if the
    file cannot be opened, RepairRefusedError if it is in use.
    """

    def __init__(self, path: Path, claim: Claim) -> None:
        self.path = path
        self.doubt = ""
        self._claim = claim
        # Two open files: what qemu-img inherits must not have QEMU's locks, which would then outlast our letting go.
        self._fd = self._ours = -1
        flags = os.O_RDWR if Permission.WRITE in claim.takes else os.O_RDONLY
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._ours = os.open(path, flags | os.O_CLOEXEC)
            self._take_ours()
            self._take()
        except RepairRefusedError:
            self.release()
            raise
        except OSError as e:
            self.release()
            raise ImageError(f"{path}: cannot be locked: {e.strerror or e}") from e

    def _take_ours(self) -> None:
        writes = Permission.WRITE in self._claim.takes
        try:
            fcntl.flock(self._ours, (fcntl.LOCK_EX if writes else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            if _is_locked(self._fd, _OURS):
                fcntl.flock(self._ours, fcntl.LOCK_UN)
                _lock_byte(self._ours, fcntl.F_WRLCK if writes else fcntl.F_RDLCK, _OURS)
        except BlockingIOError as e:
            raise RepairRefusedError(
                f"{self.path}: is in use: another traceview, or a qemu-img that one has left behind, works on it; "
                "wait for that to end"
            ) from e
        except OSError as e:
            if e.errno not in _NO_LOCKS:
                raise
            self.doubt = _no_locks(self.path, e)

    def _take(self) -> None:
        try:
            for byte in self._bytes():
                _lock_byte(self._fd, fcntl.F_RDLCK, byte)
            reason = _in_the_way(self._fd, self._claim)
        except OSError as e:
            if e.errno not in _NO_LOCKS:
                raise
            self.doubt = _no_locks(self.path, e)
            return
        if reason:
            self._let_go()
            raise RepairRefusedError(f"{self.path}: is in use: {reason}; stop that first")

    def _let_go(self) -> None:
        for byte in self._bytes():
            _lock_byte(self._fd, fcntl.F_UNLCK, byte)

    def _bytes(self) -> list[int]:
        taken = [_TAKEN + n for n in _numbers(self._claim.takes)]
        return taken + [_KEPT_OUT + n for n in _numbers(self._claim.keeps_out)]

    @contextmanager
    def aside(self) -> Iterator[tuple[int, ...]]:
        """Let go of QEMU's locks while a qemu-img takes them, and take them again.

        Gives the file descriptors that it is to inherit: our lock then lasts until it ends, even if we are killed.
        Raises RepairRefusedError if another QEMU was faster.
        """
        if self.doubt:
            yield (self._ours,)
            return
        self._let_go()
        try:
            yield (self._ours,)
        finally:
            self._take()

    def release(self) -> None:
        """Let go of all locks."""
        for fd in (self._fd, self._ours):
            if fd >= 0:
                with suppress(OSError):
                    os.close(fd)
        self._fd = self._ours = -1


def _no_locks(path: Path, error: OSError) -> str:
    return f"whether a QEMU uses {path.name} cannot be told: no locks there ({error.strerror or error})"
