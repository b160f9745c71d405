"""Errors in rule files, told like a good compiler's: place, caret, what was expected, the nearest name, an example."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from traceview.errors import RuleFileError
from traceview.resources import data_files

__all__ = ["Complaint", "clause_example", "clauses", "refuse"]

_MOST_EXPECTED = 12


@cache
def clauses() -> dict[str, dict[str, str]]:
    """Return what each clause of the language says, and how one is written (``clauses.toml``)."""
    (path,) = data_files("rules", "clauses.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def clause_example(name: str) -> str:
    """Return an example of a clause, ``""`` for a name that is none."""
    return clauses().get(name, {}).get("example", "")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with a rule file. `line` and `column` count from 1, `length` is that of the caret."""

    source: str
    line: int
    column: int
    length: int
    message: str
    text: str = field(repr=False)
    expected: Sequence[str] = ()
    example: str = ""
    known: Sequence[str] = ()
    wrong: str = ""

    @property
    def nearest(self) -> str:
        """The known name nearest to the wrong one, or ``""``."""
        close = difflib.get_close_matches(self.wrong, list(self.known), n=1) if self.wrong else []
        return close[0] if close else ""

    def lines(self) -> list[str]:
        """Return the complaint as lines for a person."""
        where = self.text.split("\n")[self.line - 1] if self.line else ""
        margin = f"{self.line:>5} | "
        # A tab keeps its width, so that the caret stands below what it means.
        indent = "".join("\t" if c == "\t" else " " for c in where[: self.column - 1])
        caret = "^" * max(1, min(self.length, len(where) - self.column + 1))
        out = [f"{self.source}:{self.line}:{self.column}: {self.message}"]
        if self.line:
            out += [f"{margin}{where}", f"{' ' * (len(margin) - 2)}| {indent}{caret}"]
        if self.expected:
            out.append(f"  expected: {_listed(self.expected)}")
        if self.nearest:
            out.append(f"  did you mean {self.nearest}?")
        if self.example:
            out.append(f"  example: {self.example}")
        return out


def _listed(names: Sequence[str]) -> str:
    more = f", … ({len(names) - _MOST_EXPECTED} more)" if len(names) > _MOST_EXPECTED else ""
    return ", ".join(names[:_MOST_EXPECTED]) + more


def refuse(complaints: Iterable[Complaint]) -> RuleFileError:
    """Return the error that tells of all complaints."""
    return RuleFileError("\n".join(c.lines()) for c in complaints)
