"""From the text of a baseline file to its lines, and from a line to its text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from traceview.errors import BaselineError
from traceview.resources import grammar_text
from traceview.rules.complaints import Complaint

__all__ = ["KEYS", "Line", "parse_lines"]

KEYS = ("rule", "device", "image", "vm", "host", "identity", "group", "trace")
"""What a line can hold a pattern against."""
_WORDS = (*KEYS, "until", "reason")
_EXPECTED = {
    "KEY": [f"{key}:" for key in KEYS], "_UNTIL": ["until:"], "_REASON": ["reason:"], "VALUE": ["a value"],
    "STRING": ["text in double quotes"], "DATE": ["a date such as 2027-03-31"], "TEXT": ["the reason, as text"],
    "COMMENT": ["a comment (#)"],
}  # fmt: skip
"""What the grammar's terminals are called where one of them was expected; blanks are told where nothing else was."""
_EXAMPLE = "rule:mirror-* vm:web-* until:2027-03-31 reason: the hosts of rack 7 get the fix in March"
_MOST_COMPLAINTS = 100
"""A file with more of them is no baseline, and telling them all takes as long as the file is large."""
_WORD = re.compile(r'"|[^\s:]+:?|.')
_KEY_INSIDE = re.compile(rf"(?<!\S)({'|'.join(_WORDS)}):(?=\S)")
_ALL_WILD = re.compile(r"[*?]+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that covers findings: all `patterns` (key and pattern of `fnmatch.fnmatchcase`) must match.

    It covers to the end of the day `until`, or for good. `number` is where it stands in its file, from 1.
    """

    patterns: tuple[tuple[str, str], ...]
    reason: str
    until: date | None = None
    number: int = field(default=0, compare=False)

    @property
    def text(self) -> str:
        """The line as a file has it, without the end of the line."""
        until = [f"until:{self.until.isoformat()}"] if self.until is not None else []
        return " ".join([*(f"{key}:{_quoted(p)}" for key, p in self.patterns), *until, f"reason: {self.reason}"])

    def expired(self, today: date) -> bool:
        """Say whether its last day is over."""
        return self.until is not None and self.until < today


def _quoted(pattern: str) -> str:
    if pattern and not pattern.startswith('"') and not re.search(r"\s", pattern):
        return pattern
    return '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_lines(text: str, source: str) -> list[Line]:
    """Return the lines of a file that cover findings. `source` is what messages call the file.

    Raises BaselineError with what is wrong in all lines: place, caret, what was expected, the nearest key.
    """
    lines: list[Line] = []
    complaints: list[str] = []
    written = text.split("\n")
    for number in range(1, len(written) + 1):
        reader = _LineReader(written, number, source)
        line = reader.read()
        if line is not None:
            lines.append(line)
        complaints += ("\n".join(c.lines()) for c in reader.complaints)
        if len(complaints) >= _MOST_COMPLAINTS:
            complaints.append(f"{source}: no more is told of what else is wrong in it: is it a baseline file?")
            break
    if complaints:
        raise BaselineError(complaints)
    return lines


@cache
def _grammar() -> Lark:
    return Lark(grammar_text("baseline"), parser="lalr", maybe_placeholders=False)


class _LineReader:
    """Reads one of the lines of a file, and collects what is wrong with it."""

    def __init__(self, written: list[str], number: int, source: str) -> None:
        self._line = written[number - 1].rstrip()
        self._written = written
        self._number = number
        self._source = source
        self.complaints: list[Complaint] = []

    def read(self) -> Line | None:
        """Return the line, None for a comment, an empty one, and one that is complained about."""
        try:
            tree = _grammar().parse(self._line)
        except UnexpectedInput as e:
            self._refused(e)
            return None
        line = next((self._entry(t) for t in tree.children if isinstance(t, Tree)), None)
        return None if self.complaints else line

    def _entry(self, tree: Tree[Token]) -> Line:
        patterns: dict[str, str] = {}
        until: date | None = None
        reason = ""
        for kind, tokens in _parts(tree):
            value = tokens[-1]
            match kind:
                case "match":
                    key = str(tokens[0])[:-1]
                    if key in patterns:
                        self._complain(tokens[0], f"{key} stands twice: for another {key}, write another line")
                    patterns[key] = _unquoted(value) if value.type == "STRING" else str(value)
                case "until":
                    if until is not None:
                        self._complain(value, "until stands twice: a line has one end")
                    until = self._date(value)
                case _:
                    reason = self._reason(value)
        if all(_ALL_WILD.fullmatch(p) for p in patterns.values()):
            first = next(tokens[0] for kind, tokens in _parts(tree) if kind == "match")
            self._complain(first, "this would cover every finding: its patterns hold nothing but wildcards")
        return Line(tuple(patterns.items()), reason, until, self._number)

    def _date(self, token: Token) -> date | None:
        try:
            return date.fromisoformat(token)
        except ValueError:
            self._complain(token, "there is no such day", expected=_EXPECTED["DATE"])
            return None

    def _reason(self, token: Token) -> str:
        # As a part of the text it neither narrows the line nor ends it: the line would cover more than is meant.
        inside = _KEY_INSIDE.search(token)
        if inside is not None:
            self._complain(
                Token("TEXT", inside[0], column=(token.column or 1) + inside.start()),
                f"{inside[0]} stands in the reason: put it before reason:, or a blank behind its colon",
            )
        return str(token)

    def _refused(self, error: UnexpectedInput) -> None:
        accepted: set[str] = set()
        if isinstance(error, UnexpectedCharacters):
            accepted = set(error.allowed or ())
        elif isinstance(error, UnexpectedToken):
            accepted = set(error.accepts or error.expected)
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        column = len(self._line) + 1 if at_end else error.column
        found = _WORD.match(self._line, column - 1)
        word = found[0] if found is not None else ""
        if at_end and accepted == {"_BLANK"}:  # behind a whole pattern or date
            message, accepted = "the line has no reason", {"KEY", "_UNTIL", "_REASON"}
        elif at_end:
            message = "the line has no reason" if "TEXT" in accepted else "the line ends too early"
        elif word == '"' and "STRING" in accepted:
            message = 'this text has no end on its line, or a \\ before something else than " and \\'
        elif "KEY" in accepted and word.endswith(":") and word[:-1] not in _WORDS:
            message = f"unknown key {word[:-1]!r}"
        else:
            message = "unexpected blank" if word.isspace() else f"unexpected {word!r}"
        expected = [name for terminal in _EXPECTED if terminal in accepted for name in _EXPECTED[terminal]]
        self._complain(
            Token("WORD", word or " ", column=column), message, expected=expected or ["a blank"],
            known=[e for e in expected if e.endswith(":")], wrong=word,
        )  # fmt: skip

    def _complain(
        self, token: Token, message: str, *, expected: Sequence[str] = (), known: Sequence[str] = (), wrong: str = ""
    ) -> None:  # fmt: skip
        text = "\n".join(self._written[: self._number])
        complaint = Complaint(
            self._source, self._number, token.column or 1, len(token), message, text, expected=expected,
            example=_EXAMPLE, known=known, wrong=wrong,
        )  # fmt: skip
        self.complaints.append(complaint)


def _parts(tree: Tree[Token]) -> Iterator[tuple[str, list[Token]]]:
    for part in tree.children:
        if isinstance(part, Tree):
            yield str(part.data), [c for c in part.children if isinstance(c, Token)]


def _unquoted(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])
