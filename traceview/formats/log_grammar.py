"""The log backend's line: the Lark grammar as the reference, and what the hot path derives from it.

`scanner` is one regular expression for a line's prefix and name, read off the grammar's rules and terminals.
`DecodePlan` is the same for one form of an event: its literals and the grammar's value terminals, in order.
`reference` is the whole grammar with one alternative a form: the oracle of the tests, and what explains a line
that the hot path refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.grammar import Terminal
from lark.lexer import PatternStr

from traceview.errors import GrammarError
from traceview.events import Conversion, EventForm, Piece, StringTable, to_int64
from traceview.resources import grammar_text

__all__ = ["DecodePlan", "LineScanner", "event_name", "explain", "reference", "scanner", "terminal_pattern"]

PREFIXES = ("epoch", "iso_named", "iso", "named")
_UNDECLARED = "undeclared"
_AS_READ = ("utf-8", "surrogateescape")
_DIGIT = re.compile("[0-9a-fA-F]")
_VALUES = ("POINTER", "DECIMAL", "UNSIGNED", "HEX", "UPPER_HEX", "ALT_HEX", "OCTAL", "FLOAT", "CHARACTER", "STRING")


@cache
def _grammar() -> Lark:
    # Lark drops terminals that no rule uses; the values are used by the alternatives that are added later.
    keep = "\n_values: " + " | ".join(_VALUES) + "\n"
    return Lark(grammar_text("log_line") + keep, parser="lalr", start=["start", "_values"])


@cache
def terminal_pattern(name: str) -> str:
    """Return the regular expression of a terminal of ``grammars/log_line.lark``."""
    return _pattern_of(_grammar(), name)


def _pattern_of(grammar: Lark, name: str) -> str:
    pattern = grammar.get_terminal(name).pattern.to_regexp()
    return f"(?:{pattern})".replace("\n", "\\n")


def _rule_pattern(rule: str) -> str:
    """Return the regular expression of a prefix rule, each named terminal a group ``rule_TERMINAL``."""
    grammar = _grammar()
    expansions = [r.expansion for r in grammar.rules if r.origin.name == rule]
    if len(expansions) != 1 or not all(isinstance(s, Terminal) for s in expansions[0]):
        raise GrammarError(f"rule {rule!r} of log_line.lark must be one plain sequence of terminals")
    out = []
    for symbol in expansions[0]:
        pattern = _pattern_of(grammar, symbol.name)
        literal = isinstance(symbol, Terminal) and symbol.filter_out
        out.append(pattern if literal else f"(?P<{rule}_{symbol.name}>{pattern})")
    return "".join(out)


@dataclass(frozen=True, slots=True)
class LineScanner:
    """The hot path's expression for prefix, name and text of a line, with the numbers of its groups."""

    line: re.Pattern[bytes]
    """Matches a whole line (multi-line mode), anchored at its beginning."""
    embedded: re.Pattern[bytes]
    """Finds where a record with an epoch prefix begins in the middle of a line."""
    thread: int
    seconds: int
    microseconds: int
    iso: tuple[tuple[int, int], ...]
    """(time group, thread group or 0) of the prefixes with ISO time."""
    named_thread: int
    name: int
    text: int


@cache
def scanner() -> LineScanner:
    """Return the scanner derived from the grammar (built once)."""
    rest = f"(?P<NAME>{terminal_pattern('NAME')}) (?P<TEXT>{terminal_pattern('TEXT')}?)"
    prefix = "|".join(_rule_pattern(p) for p in PREFIXES)
    line = re.compile(f"^(?:{prefix})?{rest}$".encode(), re.MULTILINE)
    epoch = _rule_pattern("epoch")
    group = line.groupindex
    return LineScanner(
        line=line,
        embedded=re.compile(f"{epoch}{terminal_pattern('NAME')} ".encode()),
        thread=group["epoch_THREAD"],
        seconds=group["epoch_SECONDS"],
        microseconds=group["epoch_MICROSECONDS"],
        iso=((group["iso_named_ISO_TIME"], group["iso_named_THREAD"]), (group["iso_ISO_TIME"], 0)),
        named_thread=group["named_THREAD"],
        name=group["NAME"],
        text=group["TEXT"],
    )


def _pointer(raw: bytes) -> int:
    return 0 if raw == b"(nil)" else to_int64(int(raw, 16))


def _decimal(raw: bytes) -> int:
    value = int(raw)
    if value >= 1 << 63:
        raise OverflowError(f"{value} is not signed")  # a form that prints it unsigned can still fit
    return to_int64(value)


def _unsigned(raw: bytes) -> int:
    return to_int64(int(raw))


def _hexadecimal(raw: bytes) -> int:
    return to_int64(int(raw, 16))


def _octal(raw: bytes) -> int:
    return to_int64(int(raw, 8))


_NUMBERS: dict[str, Callable[[bytes], int]] = {
    "POINTER": _pointer, "DECIMAL": _decimal, "UNSIGNED": _unsigned, "HEX": _hexadecimal,
    "UPPER_HEX": _hexadecimal, "ALT_HEX": _hexadecimal, "OCTAL": _octal, "CHARACTER": ord,
}  # fmt: skip


def _pieces_bytes(pieces: Iterable[Piece]) -> bytes:
    """Return the expression of pieces for the bytes of a line; each argument is a group."""
    return "".join(map(_piece_pattern, pieces)).encode("latin-1")


def _as_bytes(text: str) -> str:
    """Return text as one character a byte, which is how the reference and the expressions take a line."""
    return text.encode(*_AS_READ).decode("latin-1")


def _piece_pattern(piece: Piece, *, group: bool = True) -> str:
    if isinstance(piece, str):
        return re.escape(_as_bytes(piece))
    value = terminal_pattern(piece.terminal) + ("?" if piece.terminal == "STRING" else "")
    if group and piece.arg >= 0:
        value = f"({value})"
    if not piece.width or piece.terminal == "STRING":
        return value  # a string's own blanks cannot be told from its padding: they stay
    return f" *{value}" if piece.width > 0 else f"{value} *"


class _Part:
    """The literals and numbers of a form that stand before, between or after its strings."""

    __slots__ = ("literal", "pattern")

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.literal = pieces[0].encode(*_AS_READ) if pieces and isinstance(pieces[0], str) else b""
        self.pattern = re.compile(_pieces_bytes(pieces))

    def rightmost(self, text: bytes, limit: int, *, to_end: bool) -> re.Match[bytes] | None:
        """Return the match in ``text[:limit]`` that begins last (and ends at `limit` if `to_end`), or None."""
        match = self.pattern.fullmatch if to_end else self.pattern.match
        at = text.rfind(self.literal, 0, limit)
        while at >= 0:
            found = match(text, at, limit)
            if found is not None:
                return found
            at = text.rfind(self.literal, 0, at + len(self.literal) - 1) if at else -1
        return None


def _between_strings(line: Sequence[Piece]) -> tuple[list[_Part], list[bool]]:
    """Return the parts around a line's strings, and of each string whether it is an argument."""
    parts: list[list[Piece]] = [[]]
    printed: list[bool] = []
    for piece in line:
        if isinstance(piece, Conversion) and piece.terminal == "STRING":
            parts.append([])
            printed.append(piece.arg >= 0)
        else:
            parts[-1].append(piece)
    return [_Part(p) for p in parts], printed


class DecodePlan:
    """How to take the arguments out of the text after an event's name, for one form.

    `pattern` is the expression of the whole form. It is not what reads a form with several strings, because that can
    take time that grows with a power of the line's length. A string goes on as long as the rest still fits, so what
    stands between strings can be found from the right instead, each part once.

    Raises GrammarError where a form prints its arguments out of order, or one record makes several lines.
    """

    __slots__ = ("_parts", "_printed", "_values", "form", "pattern")

    def __init__(self, form: EventForm, strings: StringTable) -> None:
        conversions = [p for p in form.line if isinstance(p, Conversion) and p.arg >= 0]
        if [c.arg for c in conversions] != list(range(len(form.args))):
            raise GrammarError(f"{form.name}: the line does not print the declared arguments one by one")
        if any(isinstance(p, str) and "\n" in p for p in form.line):
            raise GrammarError(f"{form.name}: one record makes several lines")
        self.form = form
        self.pattern = re.compile(_pieces_bytes(form.line))
        self._values = [_NUMBERS.get(c.terminal, strings.intern) for c in conversions]
        self._parts, self._printed = _between_strings(form.line)

    def decode(self, text: bytes) -> tuple[int, ...] | None:
        """Return the arguments as int64, or None where the text is not of this form (or a number overflows)."""
        if len(self._printed) > 1:
            found = self._from_right(text, to_end=True)
            return None if found is None else self._convert(found[0])
        match = self.pattern.fullmatch(text)
        return None if match is None else self._convert(match.groups())

    def decode_head(self, text: bytes) -> tuple[tuple[int, ...], int] | None:
        """Return the arguments and the length of the beginning of `text` that is of this form, or None."""
        if len(self._printed) > 1:
            found = self._from_right(text, to_end=False)
        else:
            match = self.pattern.match(text)
            found = None if match is None else (match.groups(), match.end())
        values = None if found is None else self._convert(found[0])
        return None if found is None or values is None else (values, found[1])

    def _from_right(self, text: bytes, *, to_end: bool) -> tuple[Sequence[bytes], int] | None:
        """Return the arguments' texts and where the form ends (at the end of `text` if `to_end`), or None."""
        if b"\n" in text:
            return None
        found: list[re.Match[bytes]] = []
        for part in reversed(self._parts):
            limit = found[-1].start() if found else len(text)
            if len(found) == len(self._parts) - 1:
                match = part.pattern.match(text, 0, limit)
            else:
                match = part.rightmost(text, limit, to_end=to_end and not found)
            if match is None:
                return None
            found.append(match)
        found.reverse()
        groups = list(found[0].groups())
        for left, right, printed in zip(found, found[1:], self._printed, strict=False):
            if printed:
                groups.append(text[left.end() : right.start()])
            groups += right.groups()
        return groups, found[-1].end()

    def _convert(self, groups: Sequence[bytes]) -> tuple[int, ...] | None:
        try:
            return tuple([convert(g) for convert, g in zip(self._values, groups, strict=True)])
        except OverflowError:
            return None

    def overflow(self, text: bytes) -> int | None:
        """Return where the first number begins that does not fit 64 bits, in text that is else of this form."""
        match = self.pattern.fullmatch(text)
        for number, convert in enumerate(self._values if match is not None else (), 1):
            assert match is not None
            try:
                convert(match[number])
            except OverflowError:
                return match.start(number)
        return None


def _lark_regex(pattern: str) -> str:
    return pattern.replace("/", "\\/")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reference(forms: Iterable[EventForm]) -> Lark:
    """Return the whole grammar, with one alternative of ``event`` for each form.

    A string takes as much as leaves the rest of the line its form, which a terminal can only say by looking
    ahead: each string of a form is a terminal of its own. So is a number that what follows it could prolong.
    """
    rules, terminals = [], []
    for number, form in enumerate(forms):
        # One terminal takes name and blank, so that no other event's name is a prefix of it.
        name = f"EVENT_{number}"
        terminals.append(f"{name}.2: {_quoted(form.name + ' ')}")
        parts = [name]
        for i, piece in enumerate(form.line):
            if isinstance(piece, str):
                parts.append(_quoted(_as_bytes(piece)))
                continue
            followed = form.line[i + 1] if i + 1 < len(form.line) else " "
            if piece.terminal == "STRING" or piece.width or isinstance(followed, Conversion) or _DIGIT.match(followed):
                is_string = piece.terminal == "STRING"
                pattern = terminal_pattern("STRING") if is_string else _piece_pattern(piece, group=False)
                rest = "".join(_piece_pattern(p, group=False) for p in form.line[i + 1 :])
                terminal = f"VALUE_{number}_{i}"
                terminals.append(f"{terminal}.1: /{_lark_regex(f'{pattern}(?={rest}$)')}/")
                parts.append(terminal + "?" if is_string else terminal)
            else:
                parts.append(piece.terminal)
        rules.append(f"     | {' '.join(parts)} -> event_{number}")
    text = grammar_text("log_line").replace(f"-> {_UNDECLARED}", f"-> {_UNDECLARED}\n" + "\n".join(rules), 1)
    return Lark(text + "\n" + "\n".join(terminals), parser="lalr", propagate_positions=True)


@lru_cache(maxsize=256)
def _reference_of(form: EventForm) -> Lark:
    """Return the grammar of one form; many refused lines of a trace are of the same."""
    return reference([form])


def event_name(line: bytes) -> str:
    """Return the name of the event that a line begins with, ``""`` if it begins with none."""
    match = scanner().line.match(line)
    return match[scanner().name].decode("ascii") if match is not None else ""


def explain(line: bytes, forms: Sequence[EventForm]) -> str:
    """Say why the grammar refuses a line: what was expected, what was found, with a caret (trace text inside).

    `forms` are the forms of the line's event. Returns ``""`` for a line that the grammar takes.
    """
    text = line.decode("latin-1")
    problems = []
    for form in forms:
        grammar = _reference_of(form)
        try:
            grammar.parse(text)
        except UnexpectedInput as e:
            problems.append(_unexpected(e, grammar, text, form))
            continue
        match = scanner().line.match(line)
        number = DecodePlan(form, StringTable()).overflow(match["TEXT"]) if match is not None else None
        if match is None or number is None:
            return ""
        problems.append(_problem("expected a number of 64 bits", match.start("TEXT") + number, text, form))
    return "\n".join(problems)


def _unexpected(e: UnexpectedInput, grammar: Lark, text: str, form: EventForm) -> str:
    at_end = isinstance(e, UnexpectedToken) and e.token.type == "$END"
    column = len(text) if at_end else int(e.pos_in_stream or 0)
    allowed: Any = e.allowed if isinstance(e, UnexpectedCharacters) else getattr(e, "expected", None)
    names = sorted({_shown_terminal(n, grammar, form) for n in allowed or ("$END",)})
    return _problem(f"expected {' or '.join(names)}", column, text, form)


def _shown_terminal(name: str, grammar: Lark, form: EventForm) -> str:
    """Return a terminal as people know it: literals in quotes, a form's own strings by their kind."""
    if name in ("$END", "<END-OF-FILE>"):
        return "the end of the line"
    if name.startswith("VALUE_"):
        piece = form.line[int(name.rpartition("_")[2])]
        assert isinstance(piece, Conversion)
        return piece.terminal
    pattern = grammar.get_terminal(name).pattern
    return _quoted(pattern.value) if isinstance(pattern, PatternStr) else name


def _problem(expected: str, column: int, text: str, form: EventForm) -> str:
    start = max(0, column - 60)
    shown = text[start : column + 40]
    releases = f" ({form.releases[0]} to {form.releases[1]})" if form.releases else ""
    return f"{form.name}{releases}: {expected} at column {column + 1}\n{shown}\n{' ' * (column - start)}^"
