"""Makes trace text safe to show: a guest or a file name may have chosen it."""

from __future__ import annotations

import unicodedata

__all__ = ["printable", "spreadsheet_cell", "valid_text"]

_RISKY_CELL = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # the wide forms count as well
# Cc control, Cf format (bidirectional overrides), Cs surrogate (bytes that are no UTF-8), Co/Cn private and unassigned,
# Zl/Zp line and paragraph separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, limit: int = 500) -> str:
    r"""Return `text` with everything that could steer a terminal written as ``\xNN`` or ``\uNNNN``, cut to `limit`."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if unicodedata.category(c) not in _UNSAFE else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def valid_text(text: str) -> str:
    r"""Return `text` with bytes that were no UTF-8 written as ``\xNN``: what JSON and Parquet readers accept."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def spreadsheet_cell(text: str) -> str:
    """Return `text` such that a spreadsheet takes it for text and never for a formula."""
    safe = printable(text, limit=100_000)
    return f"'{safe}" if safe.lstrip().startswith(_RISKY_CELL) else safe
