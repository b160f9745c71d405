"""Where the findings store lies."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_store"]


def default_store() -> str:
    """Return the store that ``TRACEVIEW_STORE`` names, a path or a URL, or else the file in the user's data folder."""
    named = os.environ.get("TRACEVIEW_STORE")
    if named:
        return named
    import platformdirs  # noqa: PLC0415  (only where no store is named)

    return str(Path(platformdirs.user_data_dir("traceview", appauthor=False)) / "findings.sqlite")
