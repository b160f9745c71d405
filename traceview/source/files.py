"""The files of a directory."""

from __future__ import annotations

import os
from pathlib import Path

from traceview.errors import TraceNotFoundError

__all__ = ["find_files"]


def find_files(path: str | Path) -> list[Path]:
    """Return the regular files below a directory, sorted; hidden files and folders are passed over.

    Links to folders are not followed. Raises `TraceNotFoundError` if the path is not there.
    """
    root = Path(path)
    if not os.path.exists(root):  # unlike Path.exists, it takes any refusal for "no"
        raise TraceNotFoundError(f"{root}: no such file or directory")
    if not root.is_dir():
        return [root]
    found = []
    for folder, dirs, files in os.walk(root):
        dirs[:] = sorted(d for d in dirs if not d.startswith("."))
        found += [p for f in files if not f.startswith(".") and (p := Path(folder, f)).is_file()]
    return sorted(found)
