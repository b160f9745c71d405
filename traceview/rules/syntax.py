"""From the text of a rule file to its clauses, each with its place: what the grammar says and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from traceview.resources import grammar_text
from traceview.rules.complaints import Complaint, clause_example, refuse

__all__ = ["Block", "Clause", "Place", "RuleText", "Value", "parse_rules"]

_TERMINALS = {
    "NAME": "a name", "STRING": "text in double quotes", "RELEASE": "a release such as 2.6 or 2.6.0-rc4",
    "INTEGER": "a whole number", "LBRACE": '"{"', "RBRACE": '"}"', "LPAR": '"("', "RPAR": '")"', "COMMA": '","',
    "COLON": '":"', "DOT": '"."', "RELATION": "one of = != < > <= >=", "$END": "the end of the file",
}  # fmt: skip
"""What the grammar's terminals are called where one of them was expected; all others are keywords."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column from 1, and how many characters it takes."""

    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True)
class Value:
    """A name, text or number with its place; `kind` is the terminal (NAME, STRING, INTEGER, RELEASE ...)."""

    text: str
    kind: str
    place: Place


@dataclass(slots=True)
class Clause:
    """One clause: its name, its values in their order, and what stands inside it (patterns, needs)."""

    name: str
    place: Place
    values: list[Value] = field(default_factory=list)
    inner: list[Clause] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """A block of evidence."""

    evidence: str
    about: str
    place: Place
    parts: list[Clause]


@dataclass(slots=True)
class RuleText:
    """One rule as it is written."""

    name: Value
    clauses: list[Clause]
    blocks: list[Block]


@cache
def _grammar() -> Lark:
    # The basic lexer takes the longest name wherever it stands: "rulex" is no "rule" with an "x" behind it.
    return Lark(grammar_text("rules"), parser="lalr", lexer="basic", maybe_placeholders=False, propagate_positions=True)


def parse_rules(text: str, source: str) -> list[RuleText]:
    """Return the rules of a file. Raises RuleFileError, with a caret, where the grammar refuses it."""
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as e:
        raise refuse([_complaint(e, text, source)]) from e
    return [_rule(t) for t in _trees(tree)]


def _rule(tree: Tree[Token]) -> RuleText:
    name = next(_values(tree))
    clauses, blocks = [], []
    for child in _trees(tree):
        if child.data == "block":
            blocks.append(_block(child))
        else:
            clauses.append(_clause(child))
    return RuleText(name, clauses, blocks)


def _block(tree: Tree[Token]) -> Block:
    evidence, *parts = _trees(tree)
    place = Place(tree.meta.line, tree.meta.column, len(evidence.data))
    about = "".join(v.text for v in _values(tree))
    return Block(str(evidence.data), about, place, [_clause(t) for t in parts])


def _clause(tree: Tree[Token]) -> Clause:
    return Clause(str(tree.data), _place(tree), list(_values(tree)), [_clause(t) for t in _trees(tree)])


def _trees(tree: Tree[Token]) -> Iterator[Tree[Token]]:
    return (c for c in tree.children if isinstance(c, Tree))


def _values(tree: Tree[Token]) -> Iterator[Value]:
    for child in tree.children:
        if isinstance(child, Token):
            place = Place(child.line or 1, child.column or 1, len(child))
            yield Value(_unquoted(child) if child.type == "STRING" else str(child), child.type, place)


def _unquoted(token: Token) -> str:
    return token[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def _place(tree: Tree[Any]) -> Place:
    meta = tree.meta
    if meta.empty:  # a clause of keywords only
        return Place(0, 0, 0)
    length = meta.end_column - meta.column if meta.end_line == meta.line else 1
    return Place(meta.line, meta.column, max(length, 1))


# what the grammar refuses


def _complaint(error: UnexpectedInput, text: str, source: str) -> Complaint:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        token = error.token
        line, column, length = token.line or 1, token.column or 1, len(token)
        found = f"unexpected {_shown(token)}"
    elif isinstance(error, UnexpectedCharacters):
        line, column, length = error.line, error.column, 1
        found = f"unexpected character {error.char!r}"
        if error.char == '"':
            found = "this text has no end on its line"
    else:
        assert isinstance(error, UnexpectedToken | UnexpectedEOF)
        lines = text.rstrip().split("\n")
        line, column, length = len(lines), len(lines[-1]) + 1, 1
        found = "the file ends too early"
    expected = sorted({_expected(t) for t in _accepted(error)})
    keyword = _keyword_before(text, line, column)
    return Complaint(
        source, line, column, length, found, text, expected=expected, example=clause_example(keyword),
        known=[e for e in expected if e.isidentifier()],
        wrong=str(error.token) if isinstance(error, UnexpectedToken) else "",
    )  # fmt: skip


def _accepted(error: UnexpectedInput) -> set[str]:
    if isinstance(error, UnexpectedToken):
        return set(error.accepts or error.expected)
    if isinstance(error, UnexpectedCharacters):
        return set(error.allowed or ())
    assert isinstance(error, UnexpectedEOF)
    return set(error.expected)


def _expected(terminal: str) -> str:
    return _TERMINALS.get(terminal, terminal.lower())


def _shown(token: Token) -> str:
    return f"text {token}" if token.type == "STRING" else f"{str(token)!r}"


def _keyword_before(text: str, line: int, column: int) -> str:
    """Return the first word of the clause in which a place stands: of its line, or of a line before it."""
    lines = text.split("\n")[:line]
    lines[-1] = lines[-1][: max(column - 1, 0)]
    for candidate in reversed(lines):
        words = candidate.split("#")[0].replace("{", " ").split()
        for word in reversed(words):
            if clause_example(word):
                return word
    return "rule"
