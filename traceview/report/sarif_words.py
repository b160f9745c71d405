"""Text as SARIF 2.1.0 takes it: messages in which nothing is a placeholder or a link, and the keys of property bags."""

from __future__ import annotations

from traceview.report.escape import printable

__all__ = ["message", "sarif_text"]

MOST_CHARS = 4000
"""What a message may be long; what is read of a trace is cut shorter before it comes here."""


def sarif_text(text: str) -> str:
    """Return text as a plain text message has it (sections 3.11.5 and 3.11.6): of braces two, of links none.

    Paragraphs stay apart; all else that could steer a terminal is escaped.
    """
    lines = (printable(line, limit=MOST_CHARS) for line in text.split("\n"))
    return "\n".join(lines).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def message(text: str) -> dict[str, str]:
    """Return a message object of plain text, which is not empty."""
    return {"text": sarif_text(text) or "(none)"}
