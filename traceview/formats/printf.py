"""Format strings as pieces of a line: QEMU's printf formats, and the vocabulary's own line templates."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from traceview.errors import GrammarError
from traceview.events import Arg, Conversion, Kind, Piece
from traceview.resources import grammar_text

__all__ = ["line_template", "printf_pieces"]

_TERMINALS = {
    "d": "DECIMAL", "i": "DECIMAL", "u": "UNSIGNED", "x": "HEX", "X": "UPPER_HEX", "o": "OCTAL", "p": "POINTER",
    "s": "STRING", "c": "CHARACTER", "e": "FLOAT", "f": "FLOAT", "g": "FLOAT", "a": "FLOAT", "m": "STRING",
}  # fmt: skip
_INTEGERS = {"DECIMAL", "UNSIGNED", "HEX", "UPPER_HEX", "ALT_HEX", "OCTAL"}
_TEMPLATE_KINDS = {
    "p": ("POINTER", Kind.POINTER), "d": ("DECIMAL", Kind.INT), "u": ("UNSIGNED", Kind.UINT),
    "x": ("HEX", Kind.UINT), "ax": ("ALT_HEX", Kind.UINT), "s": ("STRING", Kind.STRING),
}  # fmt: skip
# Macros whose text includes the per cent sign; all others (PRIx64, HWADDR_PRIx ...) end in their conversion letter.
_WHOLE_MACROS = {
    "TARGET_FMT_lx": "%x", "TARGET_FMT_ld": "%d", "TARGET_FMT_lu": "%u", "TARGET_FMT_plx": "%016x",
    "HWADDR_FMT_plx": "%016x", "RAM_ADDR_FMT": "%x",
}  # fmt: skip
_PRI = re.compile(r"(?:PRI|TARGET_PRI|HWADDR_PRI|VADDR_PRI)([diuoxX])(?:8|16|32|64|PTR|MAX)?")


@cache
def _printf_grammar() -> Lark:
    return Lark(grammar_text("printf"), parser="lalr", maybe_placeholders=False)


@cache
def _template_grammar() -> Lark:
    return Lark(grammar_text("line_template"), parser="lalr")


def expand_macro(name: str) -> str:
    """Return the text that a format macro stands for, as far as it matters to what is printed.

    Raises GrammarError for a macro that no QEMU release to 9.0 uses in a declaration.
    """
    if name in _WHOLE_MACROS:
        return _WHOLE_MACROS[name]
    match = _PRI.fullmatch(name)
    if match is None:
        raise GrammarError(f"format macro {name!r} is not known")
    return match[1]


def printf_pieces(text: str) -> tuple[Piece, ...]:
    """Return the pieces of a printf format whose macros have been expanded.

    Conversions take the arguments in their order; a width of ``*`` takes one too and is rewritten to no width.
    Raises GrammarError, with a caret, for text that is no printf format.
    """
    text = re.sub(r"%0?\*(?=[a-zA-Z])", "%", text)
    tree = _parsed(_printf_grammar(), text, "printf format")
    pieces: list[Piece] = []
    arg = 0
    for child in tree.children:
        assert isinstance(child, Tree)
        if child.data != "conversion":
            _literal(pieces, "%" if child.data == "percent" else str(child.children[0]))
            continue
        part = {t.type: str(t) for t in child.children if isinstance(t, Token)}
        letter, flags = part["CONVERSION"], part.get("FLAGS", "")
        terminal = "ALT_HEX" if letter == "x" and "#" in flags else _TERMINALS[letter]
        width, zeros = int(part.get("WIDTH", "0")), 0
        if terminal in _INTEGERS and "PRECISION" in part:
            zeros = int(part["PRECISION"][1:] or "0")
        elif terminal in _INTEGERS and "0" in flags and "-" not in flags:
            zeros, width = width, 0  # padded with zeros: the terminal takes them
        if " " in flags:
            width = max(width, 1)  # a blank where a sign could be
        takes = letter != "m"
        pieces.append(Conversion(terminal, arg if takes else -1, -width if "-" in flags else width, zeros))
        arg += takes
    return tuple(pieces)


def line_template(text: str) -> tuple[tuple[Arg, ...], tuple[Piece, ...]]:
    """Return arguments and pieces of a vocabulary template such as ``bs {bs:p} offset {offset:d}``.

    Raises GrammarError, with a caret, for text that is no template.
    """
    tree = _parsed(_template_grammar(), text, "line template")
    args: list[Arg] = []
    pieces: list[Piece] = []
    for child in tree.children:
        assert isinstance(child, Tree)
        if child.data == "text":
            _literal(pieces, str(child.children[0]))
            continue
        name, kind = (str(t) for t in child.children)
        terminal, value = _TEMPLATE_KINDS[kind]
        pieces.append(Conversion(terminal, len(args)))
        args.append(Arg(name, value))
    return tuple(args), tuple(pieces)


def _literal(pieces: list[Piece], text: str) -> None:
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] += text
    else:
        pieces.append(text)


def _parsed(grammar: Lark, text: str, what: str) -> Tree[Any]:
    try:
        return grammar.parse(text)
    except UnexpectedInput as e:
        raise GrammarError(f"not a {what}:\n{e.get_context(text)}") from e
