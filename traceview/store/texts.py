"""Values as a database and JSON accept them: text of traces may have bytes that neither takes."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

__all__ = ["plain", "storable"]

_UNFIT = re.compile("[\0\ud800-\udfff]")


T = TypeVar("T")


def storable(value: T) -> T:
    r"""Return `value`, and what is inside it, without what PostgreSQL or UTF-8 have no place for.

    Bytes that were no UTF-8, halves of surrogate pairs and NUL characters are written as ``\xNN`` and ``\uNNNN``.
    Lists, tuples, mappings and dataclasses are walked.
    """
    made: Any = value
    if isinstance(value, enum.Enum):
        return value
    if isinstance(value, str):
        made = "".join(map(_character, value)) if _UNFIT.search(value) else value
    elif isinstance(value, Mapping):
        made = {storable(k): storable(v) for k, v in value.items()}
    elif isinstance(value, list):
        made = [storable(v) for v in value]
    elif isinstance(value, tuple):
        made = tuple(storable(v) for v in value)
    elif is_dataclass(value) and not isinstance(value, type):
        made = replace(value, **{f.name: storable(getattr(value, f.name)) for f in fields(value)})
    return made  # type: ignore[no-any-return]


def _character(char: str) -> str:
    if not _UNFIT.match(char):
        return char
    code = ord(char)
    # Python stands U+DC80 to U+DCFF for the bytes of a name that is no UTF-8.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}" if code else "\\x00"


def plain(value: Any) -> Any:
    """Return `value` as JSON has words for it: times in UTC (``2026-01-31T00:00:00Z``), days, words, lists."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
