"""Which windows must stay quiet. The rules are data: the TOML files of this folder."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache

from traceview.errors import UnknownNameError, nearest
from traceview.resources import data_files
from traceview.vocabulary import Meaning, Op

__all__ = ["EXIT_RULE", "FINAL_DRAIN_RULE", "Need", "Rule", "builtin_rules", "rule_by_id"]

EXIT_RULE = "mirror-exit-guest-io"
FINAL_DRAIN_RULE = "mirror-final-drain-guest-io"


@dataclass(frozen=True, slots=True)
class Need:
    """A meaning that must have been traced, for one operation or for any (`Op.NONE`)."""

    meaning: Meaning
    op: Op

    @classmethod
    def parse(cls, text: str) -> Need:
        """Read ``meaning`` or ``meaning:operation``. Raises KeyError for an unknown name."""
        meaning, _, op = text.partition(":")
        return cls(Meaning[meaning.upper()], Op[op.upper()] if op else Op.NONE)

    def __str__(self) -> str:
        return self.meaning.name.lower() + (f":{self.op.label}" if self.op else "")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `needs` lists, by evidence (``exact``, ``proxy``), what has to be traced for a verdict."""

    id: str
    title: str
    sentence: str
    subject: str
    affected: str
    fixed: str
    label: str
    references: tuple[str, ...]
    needs: dict[str, tuple[Need, ...]]


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """Return the rules that come with the package, in the order of their files."""
    rules = []
    for path in data_files("rules", ".toml"):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            needs = {e: tuple(Need.parse(n) for n in names) for e, names in table.pop("needs").items()}
            table["references"] = tuple(table["references"])
            rules.append(Rule(id=name, needs=needs, **table))
    return tuple(rules)


def rule_by_id(name: str) -> Rule:
    """Return a rule by its id. Raises UnknownNameError."""
    for rule in builtin_rules():
        if rule.id == name:
            return rule
    ids = [r.id for r in builtin_rules()]
    raise UnknownNameError(f"rule {name!r} is not known{nearest(name, ids)}; known are {', '.join(ids)}")
