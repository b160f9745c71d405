"""Text that a trace, a file name or a person chose, as Markdown that means nothing but itself.

Trackers read more into a text than Markdown does: names and numbers behind a sign become mentions and references
(``@name``, ``#1``, ``!1``, ``~label``), and GitLab obeys lines that begin with a slash. They leave code alone, so what
could mean something to them is put into code, sign by sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from traceview.report.escape import printable

__all__ = ["code", "fenced", "link", "prose"]

_LONGEST_LINE = 2000
# References of GitLab and GitHub, entities, shortcodes, addresses (``https:``, ``mailto:``, ``www.``, ``GH-1``).
_SIGNS = re.compile(r"[@#!~%$^&:]+(?=[^\s`])|\.(?<=www\.)|-(?<=g[hl]-)(?=\d)", re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*{}\[\]<>|~$^&#@]|(?<![^\W_])_|_(?![^\W_]))")
_ADDRESS = re.compile(r"https?://[\w.~:/?#@!$&'()*+,;=%-]+", re.ASCII)


def prose(text: str, limit: int = 500) -> str:
    """Return text as it stands in a sentence: one line, no markup, no mention, no reference, no link."""
    safe = printable(text, limit)
    parts = []
    end = 0
    for sign in _SIGNS.finditer(safe):
        parts += [_MARKUP.sub(r"\\\1", safe[end : sign.start()]), f"`{sign[0]}`"]
        end = sign.end()
    return "".join((*parts, _MARKUP.sub(r"\\\1", safe[end:])))


def code(text: str, limit: int = 500) -> str:
    """Return text as code in a sentence; ``""`` for none."""
    safe = printable(text, limit)
    if not safe.strip():
        return ""
    fence = "`" * (_longest_run(safe) + 1)
    pad = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def fenced(lines: Iterable[str], indent: str = "") -> Iterator[str]:
    """Yield lines as a block of code that nothing in them can end; `indent` puts it into the item of a list."""
    # GitLab has taken commands out of blocks whose fence is longer than three: no line begins with a slash.
    safe = [f" {text}" if text.startswith("/") else text for text in (printable(x, _LONGEST_LINE) for x in lines)]
    fence = "`" * max(3, _longest_run("\n".join(safe)) + 1)
    yield f"{indent}{fence}text"
    yield from (f"{indent}{line}".rstrip() for line in safe)
    yield f"{indent}{fence}"


def link(address: str) -> str:
    """Return an address of the web as a link, any other text as code."""
    return f"<{address}>" if _ADDRESS.fullmatch(address) else code(address)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
