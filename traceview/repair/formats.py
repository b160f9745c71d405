"""Which format an image is in: as the user says, or by its first bytes where a guest cannot do harm with these.

A guest writes the first bytes of a raw image. It can make one look like any format, and some formats name other files
of the host, which would then be read as if they were part of the disk. So only what can stand alone is believed.
"""

from __future__ import annotations

import re
from pathlib import Path

from traceview.errors import ImageError

__all__ = ["RAW", "format_of"]

RAW = "raw"
QCOW2 = "qcow2"
_HEAD = 128
_MAGIC = (
    (0, b"QFI\xfb\0\0\0\1", "qcow"),
    (0, b"QFI\xfb", QCOW2),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"conectix", "vpc"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
)
"""Where a format's magic stands, the magic, and QEMU's name for the format (7.0: block/*.c, crypto/block-luks.c)."""
_QCOW2_DATA_FILE = 1 << 2
"""The incompatible feature of a qcow2 image whose data is in another file (QEMU 4.0: docs/interop/qcow2.txt)."""


def format_of(path: Path, told: str | None, option: str) -> str:
    """Return the format of an image, as QEMU calls it.

    `told` is what the user says, who must know best; None looks at the first bytes. What has none of the known magics
    is raw. `option` is the option that tells it, for the messages.

    Raises ImageError for a name that no format can have, a file that cannot be read, and one that looks like a format
    that is not believed by looks alone.
    """
    if told is not None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", told):
            raise ImageError(f"{option}: {told!r} is no format: expected raw, qcow2, or another that qemu-img knows")
        return told
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as e:
        raise ImageError(f"{path}: cannot be read: {e.strerror or e}") from e
    found = next((name for at, magic, name in _MAGIC if head[at:].startswith(magic)), RAW)
    others = _named_files(head) if found == QCOW2 else "may name other files"
    if found != RAW and others:
        raise ImageError(
            f"{path}: begins like {found} and {others}. A guest can write such bytes into a raw image, to have other "
            f"files of this host read: say what it is, {option} {found} or {option} raw"
        )
    return found


def _named_files(head: bytes) -> str:
    """Say what other files a qcow2 image names; ``""`` for none."""
    version = int.from_bytes(head[4:8], "big")
    if int.from_bytes(head[8:16], "big"):
        return "names a backing file"
    if version >= 3 and int.from_bytes(head[72:80], "big") & _QCOW2_DATA_FILE:
        return "names a file for its data"
    return ""
