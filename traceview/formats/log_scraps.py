"""Tells what is left of a damaged record from the text of other writers."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["begins_like_a_record", "holds_arguments", "is_garbage", "near_names", "words_of"]

_BEGINNING = re.compile(rb"\d{1,10}@\d")
"""Nobody but the log backend begins a line so."""
_ARGUMENT = re.compile(rb"[a-z]\w* (?:0x[0-9a-f]|-?[0-9]|\(nil\)|\")")
_WORD = re.compile(rb"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]*) ")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NO_TEXT = bytes(c for c in (*range(32), 127) if c not in b"\a\b\t\n\v\f\r\x1b")
"""What no terminal is sent."""
FEWEST_NO_TEXT, NO_TEXT_IN = 8, 8
"""A line that has so many bytes that are no text, and one in so many, was never written as one."""
LONGEST_NAME = 100
"""QEMU's longest event name, up to 9.0, has 52 letters."""
WITHIN = 64
"""A record's prefix is shorter than this."""


def begins_like_a_record(line: bytes) -> bool:
    """Say whether a line that is no record begins with what is left of a record's prefix."""
    return _BEGINNING.match(line) is not None


def holds_arguments(text: bytes) -> bool:
    """Say whether what stands behind a record is the rest of another one: a line is torn there."""
    return _ARGUMENT.search(text) is not None


def is_garbage(line: bytes) -> bool:
    """Say whether a line is no text at all, as where other bytes stand in the place of records."""
    text = line.translate(None, _NO_TEXT)
    no_text = len(line) - len(text.decode("utf-8", "ignore").encode())
    return no_text >= max(FEWEST_NO_TEXT, len(line) // NO_TEXT_IN)


def words_of(line: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what could be the name of an event behind a damaged prefix, each with the text behind it."""
    for match in _WORD.finditer(line, 0, WITHIN):
        if match.start():
            yield match[1], line[match.end() :]


def near_names(name: str) -> list[str]:
    """Return all names that differ from `name` in one letter; none for what is too long to be one."""
    found: list[str] = []
    if len(name) > LONGEST_NAME:
        return found
    for i, letter in enumerate(name):
        before, after = name[:i], name[i + 1 :]
        found += [before + other + after for other in _LETTERS if other != letter]
    return found
