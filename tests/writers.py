"""The project's own writers of trace files, made from the descriptions in docs/formats.md and from nothing else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
from collections.abc import Callable, Mapping, Sequence

import zstandard

from traceview.source import ByteSource

PREFIXES = ("bare", "epoch", "iso", "named", "iso_named")
"""The generations of what stands before an event's name in the log backend's line."""

Value = int | bytes
"""An argument as it is written: a number, or the bytes of a string."""

_MAGIC = 0xF2B177CB0AA429B4
_HEADER_ID = (1 << 64) - 1
_DROPPED_ID = (1 << 64) - 2


class MemorySource(ByteSource):
    """Bytes that are already there, read like those of a file."""

    def __init__(
        self, data: bytes, *, chunk_bytes: int = 1 << 20, max_bytes: int | None = None, name: str = "memory"
    ) -> None:
        super().__init__(name, chunk_bytes=chunk_bytes, max_bytes=max_bytes)
        self._data = data

    def _open(self) -> io.BytesIO:
        return io.BytesIO(self._data)


def log_line(
    name: str, text: bytes | str, *, prefix: str = "epoch", thread: int = 4711, ts_us: int = 1_459_344_553_123_456
) -> bytes:
    """Return one record as the log backend writes it, without the end of the line."""
    seconds, micros = divmod(ts_us, 1_000_000)
    clock = f"{_iso_second(seconds)}.{micros:06}Z"
    head = {
        "bare": "",
        "epoch": f"{thread}@{seconds}.{micros:06}:",
        "iso": f"{clock} ",
        "named": f"qemu-system-x86_64({thread}:CPU 0/KVM): ",
        "iso_named": f"{clock} qemu-system-x86_64({thread}:main): ",
    }[prefix]
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return f"{head}{name} ".encode() + raw


def _iso_second(seconds: int) -> str:
    """Return a time as date and time of day, by the civil calendar (no library of the code under test)."""
    days, rest = divmod(seconds, 86_400)
    z = days + 719_468
    era, day_of_era = divmod(z, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


class SimpletraceWriter:
    """Writes a simpletrace file of version 2, 3 or 4 (the header of any) in either byte order.

    `items` are the places of all items after the header, (first byte, byte after the last), in the order in which
    they were written.
    """

    def __init__(self, version: int = 4, *, order: str = "<") -> None:
        self.version = version
        self.order = order
        self.items: list[tuple[int, int]] = []
        self._out = bytearray(self._pack("QQQ", _HEADER_ID, _MAGIC, version))

    @property
    def data(self) -> bytes:
        """The file so far."""
        return bytes(self._out)

    def mapping(self, number: int, name: str) -> None:
        """Say which event an id stands for (version 4)."""
        raw = name.encode()
        self._item(self._pack("QQI", 0, number, len(raw)) + raw)

    def mappings(self, names: Mapping[int, str]) -> None:
        """Map several ids."""
        for number, name in names.items():
            self.mapping(number, name)

    def record(self, number: int, values: Sequence[Value] = (), *, ts_ns: int = 1_000, pid: int = 77) -> None:
        """Write a record; its third word is the process id, reserved in version 2."""
        body = b"".join(
            self._pack("Q", v % (1 << 64)) if isinstance(v, int) else self._pack("I", len(v)) + v for v in values
        )
        self.raw_record(number, body, ts_ns=ts_ns, pid=pid)

    def raw_record(
        self, number: int, body: bytes, *, ts_ns: int = 1_000, pid: int = 77, length: int | None = None
    ) -> None:
        """Write a record with a body as it is, and if need be with a wrong length."""
        size = 24 + len(body) if length is None else length
        kind = self._pack("Q", 1) if self.version == 4 else b""
        third = 0 if self.version == 2 else pid
        self._item(kind + self._pack("QQII", number, ts_ns, size, third) + body)

    def dropped(self, count: int, *, ts_ns: int = 2_000) -> None:
        """Write the mark that QEMU leaves where it had to drop records."""
        self.raw_record(_DROPPED_ID, self._pack("Q", count), ts_ns=ts_ns)

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._out += data

    def _item(self, data: bytes) -> None:
        self.items.append((len(self._out), len(self._out) + len(data)))
        self._out += data

    def _pack(self, layout: str, *values: int) -> bytes:
        return struct.pack(self.order + layout, *values)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "xz": lzma.compress, "zstd": _zstd, "bzip2": bz2.compress,
}  # fmt: skip
"""Compresses bytes: a gzip member, an xz or bzip2 stream, a zstd frame."""
