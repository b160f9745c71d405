r"""The undo file of a repair: what the bytes were that it overwrote.

The format, version 1; numbers are little-endian::

    "TVUNDO1\n", length u32, JSON in ASCII, digest                                      the header: `Origin`
    "REC:", offset u64, length u64, digest of the new bytes, crc u32, old bytes, digest   for each stretch
    "END.", 32 zeros, crc u32, digest                                                     where the repair has ended

A digest is BLAKE2b, 16 bytes long, of all that stands before it in its line above; the one of the new bytes is of what
the repair wrote in place of the old ones. The crc (CRC-32) is of the 36 bytes before it, so that no length is believed
that was not written.

A record is on the disk before the image is touched. So one that is cut short was never acted upon, and is left out.
Whatever else does not check is damage.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from traceview.errors import ImageError, UndoFileError
from traceview.findings import Extent

__all__ = ["Origin", "Saved", "UndoFile", "UndoWriter", "digest", "read_undo"]

_MAGIC = b"TVUNDO1\n"
_RECORD, _END = b"REC:", b"END."
_ITEM = struct.Struct("<4sQQ16s")
_CRC = struct.Struct("<I")
_ITEM_BYTES = _ITEM.size + _CRC.size
_LENGTH = struct.Struct("<I")
_DIGEST = 16
_MOST_HEADER = 1 << 20


def digest(*parts: bytes) -> bytes:
    """Return the BLAKE2b digest, 16 bytes long, of some bytes."""
    state = blake2b(digest_size=_DIGEST)
    for part in parts:
        state.update(part)
    return state.digest()


@dataclass(frozen=True, slots=True)
class Origin:
    """Which image an undo file is of: its absolute path, format and size in bytes; the source; when (ISO 8601, UTC)."""

    target: str
    format: str
    size: int
    source: str
    created: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A stretch that a repair overwrote.

    `extent` is where on the disk, `new_digest` that of what was written, `position` where the file has the old bytes.
    """

    extent: Extent
    new_digest: bytes
    position: int


class UndoWriter:
    """Writes an undo file, which must not be there yet. Raises ImageError where it cannot be written.

    It holds what a guest has on its disk: nobody else may read it.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        self.path = path
        with self._refusals():
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        header = json.dumps(asdict(origin)).encode("ascii")
        body = _MAGIC + _LENGTH.pack(len(header)) + header
        try:
            self._append(body + digest(body))
            self._sync_folder()
        except ImageError:
            self.close()
            raise

    def save(self, extent: Extent, old: bytes, new: bytes) -> None:
        """Keep the old bytes of an extent, into which `new` is about to be written. Raises ImageError."""
        item = _item(_RECORD, extent.offset, len(old), digest(new))
        self._append(item + old + digest(item, old))

    def finish(self) -> None:
        """Note that all that was saved has been overwritten completely. Raises ImageError."""
        item = _item(_END, 0, 0, bytes(_DIGEST))
        self._append(item + digest(item))

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        with self._refusals():
            while left:
                left = left[os.write(self._fd, left) :]
            os.fsync(self._fd)

    def _sync_folder(self) -> None:
        """Have the file's name reach the disk, too."""
        with self._refusals():
            folder = os.open(self.path.absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as e:
            raise ImageError(f"{self.path}: is there already, and no undo file is ever overwritten") from e
        except OSError as e:
            raise ImageError(f"{self.path}: the undo file cannot be written: {e.strerror or e}") from e


def _item(kind: bytes, offset: int, length: int, new_digest: bytes) -> bytes:
    item = _ITEM.pack(kind, offset, length, new_digest)
    return item + _CRC.pack(zlib.crc32(item))


class UndoFile:
    """An undo file that has been read and found whole; `finished` unless the repair was ended before its end.

    `records` are in the order in which the stretches were overwritten: they are put back from the last to the first.
    """

    def __init__(self, path: Path, file: BinaryIO, origin: Origin, records: list[Saved], *, finished: bool) -> None:
        self.path = path
        self.origin = origin
        self.records = records
        self.finished = finished
        self._file = file

    def old_bytes(self, saved: Saved) -> bytes:
        """Return what was there before. Raises UndoFileError where the file has changed since it was read."""
        self._file.seek(saved.position)
        item = _item(_RECORD, saved.extent.offset, saved.extent.length, saved.new_digest)
        old = self._file.read(saved.extent.length)
        if digest(item, old) != self._file.read(_DIGEST):
            raise UndoFileError(f"{self.path}: has changed while it was read")
        return old


@contextmanager
def read_undo(path: Path) -> Iterator[UndoFile]:
    """Open an undo file and check all of it.

    Raises UndoFileError for what is none, or is damaged, and ImageError for a file that cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as e:
        raise ImageError(f"{path}: cannot be read: {e.strerror or e}") from e
    with file:
        try:
            size = os.fstat(file.fileno()).st_size
            origin = _read_origin(path, file, size)
            records, finished = _read_records(path, file, size)
        except OSError as e:
            raise ImageError(f"{path}: cannot be read: {e.strerror or e}") from e
        yield UndoFile(path, file, origin, records, finished=finished)


def _read_origin(path: Path, file: BinaryIO, size: int) -> Origin:
    """Read the header. One that is cut short is none: nothing was overwritten yet."""
    start = file.read(len(_MAGIC) + _LENGTH.size)
    if not start.startswith(_MAGIC):
        cut = _MAGIC.startswith(start)
        raise UndoFileError(f"{path}: {'is empty or cut short' if cut else 'is no undo file'}: expected one that "
                            "traceview repair --execute wrote")  # fmt: skip
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    header = file.read(min(length, _MOST_HEADER))
    found = file.read(_DIGEST)
    if len(start) + length + _DIGEST > size:
        raise UndoFileError(f"{path}: is cut short before its first record: nothing was overwritten, or it is damaged")
    if found != digest(start, header):
        raise UndoFileError(f"{path}: its header is damaged")
    try:
        origin = Origin(**json.loads(header))
    except (ValueError, TypeError) as e:
        raise UndoFileError(f"{path}: its header is none that this traceview knows: {e}") from e
    texts = (origin.target, origin.format, origin.source, origin.created)
    if not isinstance(origin.size, int) or not all(isinstance(t, str) and "\0" not in t for t in texts):
        raise UndoFileError(f"{path}: its header is none that this traceview knows: a value is of another kind")
    return origin


def _read_records(path: Path, file: BinaryIO, size: int) -> tuple[list[Saved], bool]:
    records: list[Saved] = []
    while (position := file.tell()) < size:
        item = file.read(_ITEM_BYTES)
        if len(item) < _ITEM_BYTES:
            return records, False
        kind, offset, length, new_digest = _ITEM.unpack(item[: _ITEM.size])
        whole = kind in (_RECORD, _END) and _CRC.unpack(item[_ITEM.size :])[0] == zlib.crc32(item[: _ITEM.size])
        if whole and file.tell() + length + _DIGEST > size:
            return records, False
        at = file.tell()
        if not whole or digest(item, file.read(length)) != file.read(_DIGEST):
            last = not whole or file.tell() == size
            if last and _never_reached_the_disk(file, size):
                return records, False
            raise UndoFileError(f"{path}: the record at byte {position} is damaged: nothing was put back")
        if kind == _END:
            if file.tell() != size:
                raise UndoFileError(f"{path}: goes on behind its end, at byte {file.tell()}: nothing was put back")
            return records, True
        records.append(Saved(Extent(offset, length), new_digest, at))
    return records, False


def _never_reached_the_disk(file: BinaryIO, size: int) -> bool:
    """Say whether the end of the file is what a power failure leaves of an append: zeros, where a digest should be."""
    file.seek(max(0, size - _DIGEST))
    return not any(file.read(_DIGEST))
