"""The path of a trace as other tools take it: relative to the folder of the run where it can be."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

__all__ = ["relative_path"]


def relative_path(path: str, root: Path | None) -> str:
    """Return a path without ``./`` and doubled slashes, and without `root` where it lies below that folder.

    Any other absolute path stays so; `root` is absolute, None where nobody knows it.
    """
    plain = PurePosixPath(path)
    if root is not None and plain.is_absolute() and plain.is_relative_to(root):
        plain = plain.relative_to(root)
    return str(plain)
