"""Gathers what is wrong with one rule file, so that its author learns of all of it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from traceview.rules.complaints import Complaint, clause_example
from traceview.rules.syntax import Place, Value

__all__ = ["Critic"]

T = TypeVar("T")


class Critic:
    """What is wrong with a file so far. `text` is the file's, `source` is how complaints call it."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.complaints: list[Complaint] = []
        self._text = text

    def complain(
        self, place: Place, message: str, *, expected: Sequence[str] = (), known: Sequence[str] = (), wrong: str = "",
        example: str = "",
    ) -> None:  # fmt: skip
        """Note a complaint; the nearest of the `known` names (or the `expected` ones) to `wrong` is told with it."""
        self.complaints.append(
            Complaint(
                self.source, place.line, place.column, place.length, message, self._text, expected=expected,
                known=known or expected, wrong=wrong, example=example,
            )
        )  # fmt: skip

    def one_of(self, value: Value, known: Mapping[str, T], what: str) -> T | None:
        """Return what a name stands for, or complain of it as an unknown `what`."""
        found = known.get(value.text)
        if found is None:
            example = clause_example(what.split(maxsplit=1)[0])
            self.complain(
                value.place, f"unknown {what} {value.text!r}", expected=list(known), wrong=value.text, example=example
            )
        return found
