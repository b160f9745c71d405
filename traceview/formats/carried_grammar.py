"""Expressions read off the Lark grammars of the formats that carry the log backend's text behind a prefix of their own.

A rule of these grammars is a sequence of terminals and rules, or several of them, of which one may be empty; none calls
itself. Its expression is then the same, with each terminal in an atomic group: what a terminal has taken it does not
give back, as in the grammar's lexer. A terminal that the grammar keeps becomes the group ``rule_TERMINAL``.
"""

from __future__ import annotations

import re
from functools import cache

from lark import Lark
from lark.grammar import Symbol, Terminal

from traceview.resources import grammar_text

__all__ = ["carrier_grammar", "expression", "rule_pattern"]


@cache
def carrier_grammar(name: str) -> Lark:
    """Return the grammar of ``grammars/<name>.lark``: the reference, which reads one line as characters of one byte."""
    return Lark(grammar_text(name), parser="lalr", maybe_placeholders=False)


def rule_pattern(grammar: str, rule: str) -> str:
    """Return the expression of a rule of a grammar, for the bytes of a line."""
    lark = carrier_grammar(grammar)
    expansions = sorted((r for r in lark.rules if r.origin.name == rule), key=lambda r: r.order)
    parts = ["".join(_symbol_pattern(grammar, rule, s) for s in r.expansion) for r in expansions]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _symbol_pattern(grammar: str, rule: str, symbol: Symbol) -> str:
    if not isinstance(symbol, Terminal):
        return rule_pattern(grammar, symbol.name)
    pattern = carrier_grammar(grammar).get_terminal(symbol.name).pattern.to_regexp().replace("\n", "\\n")
    kept = f"(?>{pattern})"
    return kept if symbol.filter_out else f"(?P<{rule}_{symbol.name}>{kept})"


def expression(pattern: str) -> re.Pattern[bytes]:
    """Return an expression for bytes; ``^`` and ``$`` are the ends of a line."""
    return re.compile(pattern.encode("latin-1"), re.MULTILINE)
