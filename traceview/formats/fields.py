"""Named values in the text of a record to the arguments of a form of its event.

A `FieldPlan` reads one form. `EventFields` knows all forms of one event, and makes a form of its own where records name
their arguments otherwise: newer releases have more of them, and whoever writes probes fetches some.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from traceview.events import Arg, Conversion, EventForm, Kind, Piece, StringTable, to_int64
from traceview.formats.field_grammar import Syntax, field_terminal, literal_pattern, values_pattern

__all__ = ["MAX_ADAPTED", "EventFields", "FieldPlan"]

MAX_ADAPTED = 16
"""How many ways of naming an event's arguments are learnt from a trace; a build has one."""
_PLACES = re.compile("arg([1-9][0-9]?)")
"""How USDT markers name their arguments."""
_CONVERSIONS = {
    Kind.POINTER: ("", "POINTER"),
    Kind.INT: ("", "DECIMAL"),
    Kind.UINT: ("0x", "HEX"),
    Kind.STRING: ("", "STRING"),
}
_TWO_63 = 1 << 63
_X = (b"x", b"X")
Decoded = tuple[EventForm, tuple[int, ...]]


def _unsigned(raw: bytes) -> int:
    """Return a number as the int64 of the same bits. Raises OverflowError for one that 64 bits do not hold."""
    value = int(raw, 16) if raw[1:2] in _X else int(raw)
    return value if -_TWO_63 <= value < _TWO_63 else to_int64(value)


def _signed(raw: bytes) -> int:
    """Return a number as int64: its bits where it is hexadecimal. Raises OverflowError for one that does not fit."""
    value = _unsigned(raw)
    if value < 0 and raw[1:2] not in _X and raw[:1] != b"-":
        raise OverflowError(f"{raw.decode()} does not fit 64 bits with a sign")
    return value


class FieldPlan:
    """How to take the arguments out of the values of a record, for one form.

    `names` are those of the arguments in the text, by default the form's own; nothing stands before the value of an
    empty one. Strings that are literals end by themselves. A string that stands as it is goes on as long as the rest
    still fits: what follows it is found from the right, each part once, so that no line takes longer than its length
    explains.
    """

    __slots__ = ("_as_they_are", "_literals", "_parts", "_unquoted", "form")

    def __init__(
        self, form: EventForm, syntax: Syntax, strings: StringTable, names: Sequence[str] | None = None
    ) -> None:
        self.form = form
        unquote, intern = syntax.unquote, strings.intern
        self._unquoted = _readers(form, lambda raw: intern(unquote(raw)))
        self._as_they_are = _readers(form, intern)
        named = names if names is not None else [a.name for a in form.args]
        self._literals = re.compile(values_pattern(form, named, syntax).encode("latin-1"))
        self._parts = _parts(form, named, syntax)

    def decode(self, text: bytes, *, literals: bool) -> tuple[int, ...] | None:
        """Return the arguments as int64, or None where `text` is not of the form.

        With `literals` the strings of `text` are literals, else they stand as they are. A number that its 64 bits do
        not hold is not of the form either.
        """
        if literals or len(self._parts) == 1:
            match = self._literals.fullmatch(text)
            return None if match is None else _converted(match.groups(), self._unquoted)
        groups = self._from_right(text)
        return None if groups is None else _converted(groups, self._as_they_are)

    def _from_right(self, text: bytes) -> list[bytes] | None:
        """Return the texts of the arguments where strings stand as they are, or None."""
        found: list[re.Match[bytes]] = []
        limit = len(text)
        for part in reversed(self._parts[1:]):
            match = part.rightmost(text, limit, to_end=not found)
            if match is None:
                return None
            found.append(match)
            limit = match.start()
        first = self._parts[0].pattern.match(text, 0, limit)
        if first is None:
            return None
        groups, end = list(first.groups()), first.end()
        for match in reversed(found):
            groups += [text[end : match.start()], *match.groups()]
            end = match.end()
        return groups


Read = Callable[[bytes], int]


def _readers(form: EventForm, string: Read) -> list[Read]:
    """Return what reads the value of each argument."""
    return [string if a.kind is Kind.STRING else _signed if a.kind is Kind.INT else _unsigned for a in form.args]


def _converted(groups: Sequence[bytes], readers: Sequence[Read]) -> tuple[int, ...] | None:
    try:
        return tuple([read(g) for read, g in zip(readers, groups, strict=True)])
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands before, between or behind a form's strings: it begins with `literal`."""

    literal: bytes
    pattern: re.Pattern[bytes]

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


def _parts(form: EventForm, names: Sequence[str], syntax: Syntax) -> list[_Part]:
    number = f"({field_terminal(syntax.grammar, 'NUMBER')})"
    parts: list[list[bytes | str]] = [[]]
    for place, arg in enumerate(form.args):
        parts[-1].append(syntax.marker(place, names[place]))
        if arg.kind is Kind.STRING:
            parts[-1].append(syntax.before)
            parts.append([syntax.behind])
        else:
            parts[-1].append(number)
    made = []
    for pieces in parts:
        literal = b""
        for piece in pieces:
            if isinstance(piece, str):
                break
            literal += piece
        pattern = "".join(p if isinstance(p, str) else literal_pattern(p) for p in pieces)
        made.append(_Part(literal, re.compile(pattern.encode("latin-1"))))
    return made


class EventFields:
    """All that is known of how records of one event name their arguments.

    With `partial` records may lack arguments. Else they have at least those of a known form: fewer are a record of
    which something is missing.
    """

    def __init__(
        self, name: str, forms: Sequence[EventForm], syntax: Syntax, strings: StringTable, *, partial: bool
    ) -> None:
        self.name = name
        # What tells the lines of the log backend apart (%#x, 0x%x) does not show here.
        self.forms = list({f.args: f for f in reversed(forms)}.values())[::-1]
        self._syntax = syntax
        self._strings = strings
        self._partial = partial
        self._plans = [FieldPlan(f, syntax, strings) for f in self.forms]
        self._by_place: list[FieldPlan] | None = None
        self._adapted: dict[tuple[tuple[str, Kind], ...], FieldPlan | None] = {}

    def read(self, text: bytes) -> Decoded | None:
        """Return the form of values that are all named, and the arguments as int64, or None where they have none."""
        for literals in (True, False):
            found = self.decode(text, literals=literals) or self.adapt(text, literals=literals)
            if found is not None:
                return found
        return None

    def decode(self, text: bytes, *, literals: bool) -> Decoded | None:
        """Return which of the known forms the values have, and the arguments as int64, or None."""
        return _first(self._plans, text, literals=literals)

    def decode_nameless(self, text: bytes, *, literals: bool) -> Decoded | None:
        """Return the same of values that nothing names."""
        if self._by_place is None:
            unnamed = [(f, [""] * len(f.args)) for f in self.forms if f.args]
            self._by_place = [FieldPlan(f, self._syntax, self._strings, names) for f, names in unnamed]
        return _first(self._by_place, text, literals=literals)

    def adapt(self, text: bytes, *, literals: bool) -> Decoded | None:
        """Return the same of values that are named otherwise than those of any known form, as far as that can be."""
        names = _names_in(text, self._syntax) if self.forms else None
        if names is None or len({n for n, _ in names}) < len(names):
            return None
        if names not in self._adapted:
            if len(self._adapted) >= MAX_ADAPTED:
                return None
            self._adapted[names] = self._learnt(names)
        plan = self._adapted[names]
        values = plan.decode(text, literals=literals) if plan is not None else None
        return None if plan is None or values is None else (plan.form, values)

    def _learnt(self, names: Sequence[tuple[str, Kind]]) -> FieldPlan | None:
        """Return how to read values of these names and kinds, or None where that would be a guess."""
        if self._partial and any(_PLACES.fullmatch(n) for n, _ in names):
            # A marker leaves out arguments that the compiler made constants of: the newest form that has those places.
            places = _places(names)
            form = next((f for f in self.forms if len(f.args) > places[-1]), None) if places else None
            if form is None:
                return None
            there = [form.args[p] for p in places]
            args = tuple(Arg(a.name, _kind(a.kind, seen)) for a, (_, seen) in zip(there, names, strict=True))
            return FieldPlan(self._form(args), self._syntax, self._strings, [n for n, _ in names])
        present = [n for n, _ in names]
        fitting = [f for f in self.forms if self._partial or _in_order([a.name for a in f.args], present)]
        if not fitting:
            return None
        best = max(fitting, key=lambda f: len({a.name for a in f.args} & set(present)))
        known = {a.name: a.kind for a in best.args}
        kinds = [(n, _kind(known.get(n, seen), seen) if self._partial else known.get(n, seen)) for n, seen in names]
        return FieldPlan(self._form(tuple(Arg(n, k) for n, k in kinds)), self._syntax, self._strings)

    def _form(self, args: tuple[Arg, ...]) -> EventForm:
        same = next((f for f in self.forms if f.args == args), None)
        if same is not None:
            return same
        line: list[Piece] = []
        for place, arg in enumerate(args):
            before, terminal = _CONVERSIONS[arg.kind]
            line += [f"{' ' if place else ''}{arg.name} {before}", Conversion(terminal, place)]
        return EventForm(self.name, args, tuple(line))


def _first(plans: Sequence[FieldPlan], text: bytes, *, literals: bool) -> Decoded | None:
    for plan in plans:
        values = plan.decode(text, literals=literals)
        if values is not None:
            return plan.form, values
    return None


def _places(names: Sequence[tuple[str, Kind]]) -> list[int]:
    """Return the places, from 0, of arguments that are named by them, in rising order; none where one is not."""
    found = [_PLACES.fullmatch(name) for name, _ in names]
    places = [int(match[1]) - 1 for match in found if match is not None]
    return places if len(places) == len(names) and places == sorted(places) else []


def _kind(known: Kind, seen: Kind) -> Kind:
    """Return what an argument is whose value looks like `seen`: a probe may have fetched a string's address."""
    if seen is Kind.STRING:
        return seen
    return Kind.POINTER if known is Kind.STRING else known


def _in_order(wanted: Sequence[str], there: Sequence[str]) -> bool:
    rest = iter(there)
    return all(name in rest for name in wanted)


@cache
def _field_patterns(syntax: Syntax) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return the expressions of the first named value and of those that follow: name, number or string."""
    number, quoted = (field_terminal(syntax.grammar, t) for t in ("NUMBER", "QUOTED"))
    equals, between, before, behind = (
        literal_pattern(b) for b in (syntax.equals, syntax.between, syntax.before, syntax.behind)
    )
    name = "[A-Za-z_][A-Za-z0-9_]{0,63}"
    end = f"(?={between}{name}{equals}|\\Z)"
    value = f"(?:(?P<number>{number}){end}|{quoted}{end}|{before}[^\\n]*?{behind}{end})"
    first, following = (
        re.compile(f"{literal_pattern(b)}(?P<name>{name}){equals}{value}".encode("latin-1"))
        for b in (syntax.lead, syntax.between)
    )
    return first, following


def _names_in(text: bytes, syntax: Syntax) -> tuple[tuple[str, Kind], ...] | None:
    """Return the names of all values in a text and what they look like, or None where it is something else."""
    pattern, following = _field_patterns(syntax)
    names, at = [], 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            return None
        raw = match["number"]
        kind = Kind.STRING if raw is None else Kind.UINT if raw[:2] in (b"0x", b"0X") else Kind.INT
        names.append((match["name"].decode("ascii"), kind))
        at, pattern = match.end(), following
    return tuple(names)
