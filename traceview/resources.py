"""Where the data files that travel with the package lie."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
"""The folder of the package."""


@cache
def grammar_text(name: str) -> str:
    """Return the text of ``grammars/<name>.lark``.

    An installed wheel carries the grammars inside the package; a checkout keeps them at its top level.
    """
    for folder in (PACKAGE / "grammars", PACKAGE.parent / "grammars"):
        path = folder / f"{name}.lark"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"grammar {name!r} is not in this installation of traceview")


def data_text(name: str) -> str:
    """Return the text of a data file, by its path in the package (``report/page/page.css``)."""
    return (PACKAGE / name).read_text(encoding="utf-8")


def data_files(room: str, suffix: str) -> list[Path]:
    """Return the data files of a room (``vocabulary``, ``rules``), sorted by name."""
    return sorted((PACKAGE / room).glob(f"*{suffix}"))
