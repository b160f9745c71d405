"""QEMU's event declarations (``trace-events``, ``trace-events-all``), read through ``grammars/trace_events.lark``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from traceview.errors import GrammarError, TraceNotFoundError, TraceReadError
from traceview.events import Arg, Conversion, EventForm, Kind, Piece
from traceview.formats.printf import expand_macro, printf_pieces
from traceview.resources import grammar_text

__all__ = ["Declaration", "Declarations", "forms_for", "parse_declaration", "read_declarations"]

_ESCAPES = {r"\"": '"', r"\\": "\\", r"\n": "\n", r"\t": "\t", r"\'": "'"}
_SIGNED = {
    "bool",
    "ssize_t",
    "off_t",
    "int8_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "time_t",
    "ptrdiff_t",
    "intptr_t",
}
_SIGNED_WORDS = {"signed", "char", "short", "int", "long"}
"""C's own integer types are signed if these are all the words of their names, in any order."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One event that can be compiled in: its form and whether the build leaves it out (``disable``)."""

    form: EventForm
    disabled: bool


class Declarations:
    """The events of one build, in the order of the file, which numbers them (simpletrace versions 2 and 3)."""

    def __init__(self, declared: Iterable[Declaration], name: str) -> None:
        self.name = name
        self.all = list(declared)
        self._by_name: dict[str, EventForm] = {d.form.name: d.form for d in self.all}

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Declaration]:
        return iter(self.all)

    def get(self, name: str) -> EventForm | None:
        """Return the form of an event, or None if it is not declared."""
        return self._by_name.get(name)

    def numbered(self, version: int) -> list[EventForm]:
        """Return the forms by simpletrace id: version 2 leaves disabled events out of the count, 3 does not."""
        return [d.form for d in self.all if version != 2 or not d.disabled]


def forms_for(
    name: str, declarations: Declarations | None, known: Callable[[str], Sequence[EventForm]]
) -> list[EventForm]:
    """Return the forms that a line of an event may have.

    A user's declarations come first; a log of another build than theirs is read with the forms that are `known`.
    """
    declared = declarations.get(name) if declarations is not None else None
    return [*([declared] if declared is not None else []), *known(name)]


@cache
def _grammar() -> Lark:
    return Lark(grammar_text("trace_events"), parser="lalr", maybe_placeholders=False)


def read_declarations(path: str | Path) -> Declarations:
    """Read a declarations file.

    Raises
    ------
    TraceNotFoundError, TraceReadError
        The file is not there, or cannot be read.
    GrammarError
        A line is no declaration; the message has its number and a caret.
    """
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError as e:
        raise TraceNotFoundError(f"{path}: no such declarations file") from e
    except OSError as e:
        raise TraceReadError(f"{path}: cannot be read: {e.strerror}") from e
    text = raw.decode("utf-8", "surrogateescape")
    declared: list[Declaration] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            declared += parse_declaration(stripped, f"{path}:{number}")
    if not declared:
        raise GrammarError(f'{path}: declares no event; expected lines such as: name(void *bs, int ret) "bs %p ret %d"')
    return Declarations(declared, str(path))


def parse_declaration(line: str, place: str) -> list[Declaration]:
    """Return what one line declares: one event, or two for the ``tcg`` property (``_trans``, ``_exec``).

    ``vcpu`` (QEMU 2.7 to 8.0) adds a leading argument that prints as ``cpu=0x…``. Raises GrammarError.
    """
    try:
        tree = _grammar().parse(line)
    except UnexpectedInput as e:
        raise GrammarError(f"{place}: not an event declaration:\n{e.get_context(line)}") from e
    properties: set[str] = set()
    formats: list[str] = []
    arguments: list[tuple[str, str]] = []
    name = ""
    for child in tree.children:
        if isinstance(child, Token):
            name = str(child)
        elif child.data == "property":
            properties.add(str(child.children[0]))
        elif child.data == "format":
            formats.append(_format_text(child, place))
        elif child.data == "arguments":
            arguments = [_argument(str(a.children[0]), place) for a in child.children if isinstance(a, Tree)]
    if "tcg" not in properties:
        formats = formats or [""]
    if len(formats) != (2 if "tcg" in properties else 1):
        raise GrammarError(f"{place}: {name} has {len(formats)} format strings; tcg events have two, others one")
    disabled = "disable" in properties
    if "vcpu" in properties:
        arguments.insert(0, ("CPUState *", "__cpu"))
        formats = ["cpu=%p " + f for f in formats]
    if "tcg" not in properties:
        return [Declaration(_form(name, arguments, formats[0]), disabled)]
    host = [(t, n) for t, n in arguments if not t.startswith("TCGv")]
    executed = [("uint64_t" if t.startswith("TCGv") else t, n) for t, n in arguments]
    return [
        Declaration(_form(f"{name}_trans", host, formats[0]), disabled),
        Declaration(_form(f"{name}_exec", executed, formats[1]), disabled),
    ]


def _format_text(tree: Tree[Any], place: str) -> str:
    out = []
    for piece in tree.children:
        assert isinstance(piece, Tree)
        token = piece.children[0]
        assert isinstance(token, Token)
        if token.type == "QUOTED":
            out.append(_unescape(str(token)[1:-1]))
            continue
        try:
            out.append(expand_macro(str(token)))
        except GrammarError as e:
            raise GrammarError(f"{place}: {e}") from e
    return "".join(out)


def _unescape(text: str) -> str:
    out, i = [], 0
    while i < len(text):
        pair = text[i : i + 2]
        if pair in _ESCAPES:
            out.append(_ESCAPES[pair])
            i += 2
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def _argument(text: str, place: str) -> tuple[str, str]:
    words = text.replace("*", " * ").split()
    if len(words) < 2 or not words[-1].isidentifier():
        raise GrammarError(f"{place}: argument {text.strip()!r} has no name; expected a type and a name")
    return " ".join(words[:-1]), words[-1]


def _kind(c_type: str) -> Kind:
    words = [w for w in c_type.split() if w not in ("const", "volatile", "struct")]
    if words == ["char", "*"]:
        return Kind.STRING
    if "*" in words:
        return Kind.POINTER
    return Kind.INT if " ".join(words) in _SIGNED or set(words) <= _SIGNED_WORDS else Kind.UINT


def _form(name: str, arguments: list[tuple[str, str]], text: str) -> EventForm:
    args = tuple(Arg(n, _kind(t)) for t, n in arguments)
    text = text.removesuffix("\n")  # up to 4.1 a few ended so, which makes a blank line after the record
    try:
        line = printf_pieces(text)
    except GrammarError:
        return EventForm(name, args, _as_text(args))
    return EventForm(name, args, line if _fitting(args, line) else _as_text(args))


def _fitting(args: tuple[Arg, ...], line: tuple[Piece, ...]) -> bool:
    """Say whether `line` prints just the declared arguments and can be rendered from their kinds."""
    printed = [p for p in line if isinstance(p, Conversion) and p.arg >= 0]
    if [p.arg for p in printed] != list(range(len(args))):
        return False
    strings = {"STRING", "FLOAT"}
    return all((p.terminal in strings) == (a.kind is Kind.STRING) for p, a in zip(printed, args, strict=True))


def _as_text(args: tuple[Arg, ...]) -> tuple[Piece, ...]:
    """Return the line of a form that cannot be taken apart: its text is kept, its binary records can be read."""
    return () if args else (Conversion("STRING", -1),)
