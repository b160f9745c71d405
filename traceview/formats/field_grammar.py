"""Grammars of lines that carry named values: the hot path's expressions, the reference, and what explains a refusal.

A grammar has one rule ``record`` with an alternative ``undeclared``, whose ``NAME`` is the event and whose ``TEXT?``
are the values; ``NUMBER``, ``QUOTED`` and ``RAW`` are how it writes them. The reference is made of it by one more
alternative for each known form of an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr

from traceview.errors import GrammarError
from traceview.events import EventForm, Kind
from traceview.resources import grammar_text

__all__ = ["Syntax", "explain_fields", "field_reference", "field_terminal", "literal_pattern", "values_pattern"]

_UNDECLARED = re.compile(r"^ *(?:record:|\|) *(?P<body>.*) -> undeclared$", re.MULTILINE)
_KEEP = "\n_values: NUMBER | QUOTED | RAW\n"
"""Lark drops terminals that no rule uses; the values are used by the alternatives that are added."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a format writes named values.

    `lead` stands before the first, `between` before each other, `equals` behind a name. A string is either quoted (a
    literal whose end shows by itself, which `unquote` reads), or stands as it is between `before` and `behind`, and
    only what follows it can tell where it ends. `tail` follows the last value.
    """

    grammar: str
    lead: bytes
    between: bytes
    equals: bytes
    before: bytes
    behind: bytes
    tail: bytes
    unquote: Callable[[bytes], bytes]
    name_end: str = "(?![A-Za-z0-9_])"
    """An expression of what follows the name of an event."""

    def marker(self, place: int, name: str) -> bytes:
        """Return what stands before the value of an argument; nothing names it where `name` is empty."""
        start = self.between if place else self.lead
        return start + name.encode("ascii") + self.equals if name else start


@cache
def _grammar(name: str) -> Lark:
    return Lark(grammar_text(name) + _KEEP, parser="lalr", start=["start", "_values"])


@cache
def field_terminal(grammar: str, terminal: str) -> str:
    """Return the regular expression of a terminal of ``grammars/<grammar>.lark``, in a group of its own."""
    # Lark has made line feeds of what the grammar writes as \\n, and takes none in an expression.
    pattern = _grammar(grammar).get_terminal(terminal).pattern.to_regexp().replace("\n", "\\n")
    return f"(?:{pattern})"


def literal_pattern(literal: bytes) -> str:
    """Return the expression of bytes as they stand, as text of one character a byte."""
    return re.escape(literal.decode("latin-1"))


def values_pattern(
    form: EventForm, names: Sequence[str], syntax: Syntax, *, first: int = 0, quoted: bool = True
) -> str:
    """Return the expression of a form's values from argument `first` on, each value a group.

    With `quoted` the strings are literals, else they stand as they are.
    """
    number, literal, raw = (f"({field_terminal(syntax.grammar, t)})" for t in ("NUMBER", "QUOTED", "RAW"))
    as_it_is = f"{literal_pattern(syntax.before)}{raw[:-1]}?){literal_pattern(syntax.behind)}"
    out = []
    for place in range(first, len(form.args)):
        out.append(literal_pattern(syntax.marker(place, names[place])))
        string = form.args[place].kind is Kind.STRING
        out.append((literal if quoted else as_it_is) if string else number)
    return "".join(out)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _slashed(pattern: str) -> str:
    return re.sub(r"(?<!\\)/", r"\\/", pattern)


class _Alternative:
    """One form as an alternative of the reference, and the terminals that only it has."""

    def __init__(self, number: int, form: EventForm, syntax: Syntax, *, quoted: bool, ahead: bool) -> None:
        self.number = number
        self.form = form
        self.syntax = syntax
        self.quoted = quoted
        name = rf"EVENT_{number}.4: /{form.name}{syntax.name_end}/"
        # Contexts before the values look like values: they begin where all of them follow, or the first.
        follows = self._rest(0) if ahead or not form.args else literal_pattern(syntax.marker(0, form.args[0].name))
        opening = rf"OPEN_{number}.4: /(?:[a-z.]+ = )?\{{ (?={_slashed(follows)})/"
        self.terminals = [name, opening] if syntax.tail else [name]
        self.values = " ".join(p for place in range(len(form.args)) for p in self._value(place))

    def _rest(self, first: int) -> str:
        names = [a.name for a in self.form.args]
        pattern = values_pattern(self.form, names, self.syntax, first=first, quoted=self.quoted)
        tail = self.syntax.tail if self.form.args else self.syntax.tail.lstrip()
        return f"{pattern}{literal_pattern(tail)}$"

    def _value(self, place: int) -> list[str]:
        syntax, arg = self.syntax, self.form.args[place]
        marker = syntax.marker(place, arg.name).decode("ascii")
        if arg.kind is not Kind.STRING:
            return [_quoted(marker), "NUMBER"]
        value = f"VALUE_{self.number}_{place}"
        if self.quoted:
            self.terminals.append(f"{value}.4: /{_slashed(field_terminal(syntax.grammar, 'QUOTED'))}/")
            return [_quoted(marker), value]
        before, behind = syntax.before.decode("ascii"), syntax.behind.decode("ascii")
        pattern = f"{field_terminal(syntax.grammar, 'RAW')}(?={re.escape(behind)}{self._rest(place + 1)})"
        self.terminals.append(f"{value}.4: /{_slashed(pattern)}/")
        return [_quoted(marker + before), f"{value}?", *([_quoted(behind)] if behind else [])]


def field_reference(forms: Sequence[EventForm], syntax: Syntax, *, quoted: bool, ahead: bool = True) -> Lark:
    """Return the whole grammar, with one alternative of ``record`` for each form (named ``event_<number>``).

    A line is read with strings as literals (`quoted`) if it can be, else with strings as they are: two grammars.
    Without `ahead` the values in braces begin where the first does: then it shows where they go wrong.
    """
    text = grammar_text(syntax.grammar)
    undeclared = _UNDECLARED.search(text)
    if undeclared is None:
        raise GrammarError(f"{syntax.grammar}.lark has no alternative 'undeclared'")
    made = [_Alternative(i, form, syntax, quoted=quoted, ahead=ahead) for i, form in enumerate(forms)]
    rules = []
    for each in made:
        body = undeclared["body"].replace("TEXT?", each.values).replace("NAME", f"EVENT_{each.number}")
        if syntax.tail:
            body = body.replace("OPEN", f"OPEN_{each.number}")
        rules.append(f"      | {body} -> event_{each.number}")
    whole = text[: undeclared.end()] + "\n" + "\n".join(rules) + text[undeclared.end() :]
    return Lark("\n".join([whole, *(t for each in made for t in each.terminals)]), parser="lalr")


@lru_cache(maxsize=256)
def _reference_of(form: EventForm, syntax: Syntax, quoted: bool) -> Lark:
    """Return the grammar by which a line of one form is explained: many lines of a trace are of the same."""
    return field_reference([form], syntax, quoted=quoted, ahead=False)


def explain_fields(line: bytes, forms: Sequence[EventForm], syntax: Syntax) -> str:
    """Say why the grammar refuses a line, with a caret (trace text inside); ``""`` for a line that it takes.

    `forms` are the forms of the line's event.
    """
    text = line.decode("latin-1")
    problems = []
    for form in forms:
        found = []
        for quoted in (True, False):
            grammar = _reference_of(form, syntax, quoted)
            try:
                grammar.parse(text)
            except UnexpectedInput as e:
                found.append(_place(e, grammar, text, form))
            else:
                return ""
        problems.append(max(found)[1])  # the reading that comes farther says more
    return "\n".join(problems)


def _place(e: UnexpectedInput, grammar: Lark, text: str, form: EventForm) -> tuple[int, str]:
    at_end = isinstance(e, UnexpectedToken) and e.token.type == "$END"
    column = len(text) if at_end else int(e.pos_in_stream or 0)
    allowed: Any = e.allowed if isinstance(e, UnexpectedCharacters) else getattr(e, "expected", None)
    expected = " or ".join(sorted({_shown(n, grammar, form) for n in allowed or ("$END",)}))
    start = max(0, column - 60)
    releases = f" ({form.releases[0]} to {form.releases[1]})" if form.releases else ""
    shown = f"{text[start : column + 40]}\n{' ' * (column - start)}^"
    return column, f"{form.name}{releases}: expected {expected} at column {column + 1}\n{shown}"


def _shown(name: str, grammar: Lark, form: EventForm) -> str:
    if name in ("$END", "<END-OF-FILE>"):
        return "the end of the line"
    if name.startswith("VALUE_"):
        return f"the string of {form.args[int(name.rpartition('_')[2])].name}"
    if name.startswith(("EVENT_", "OPEN_")):
        return form.name if name.startswith("EVENT_") else "its arguments"
    pattern = grammar.get_terminal(name).pattern
    return _quoted(pattern.value) if isinstance(pattern, PatternStr) else name
