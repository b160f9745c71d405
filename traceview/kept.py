"""What one run leaves to the next: files in the user's cache folder, each of them whole or not there at all.

The folder is the one that ``TRACEVIEW_CACHE_DIR`` names, or the user's own. One that cannot be written is no error:
what would be kept is made anew in each run.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["cache_folder", "keep", "kept"]

_MAGIC = b"traceview 1\n"


def cache_folder() -> Path:
    """Return the folder that files are kept in."""
    named = os.environ.get("TRACEVIEW_CACHE_DIR")
    if named:
        return Path(named)
    import platformdirs  # noqa: PLC0415  (only where there is something to load)

    return Path(platformdirs.user_cache_dir("traceview", appauthor=False))


def kept(name: str) -> bytes | None:
    """Return what was kept under a name, or None if nothing was, or if the file is cut or damaged."""
    try:
        content = (cache_folder() / name).read_bytes()
    except OSError:
        return None
    head, _, rest = content.partition(b"\n\n")
    return rest if head == _head(rest) else None


def keep(name: str, rest: bytes) -> None:
    """Keep bytes under a name; runs that do so at the same time do not see each other's halves."""
    path = cache_folder() / name
    with suppress(OSError):  # a folder that cannot be written, a full disk: the next run does the work again
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(_head(rest) + b"\n\n" + rest)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise


def _head(rest: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(rest).hexdigest().encode()
