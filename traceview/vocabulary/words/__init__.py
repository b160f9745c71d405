"""The words of rules: what a record can say, and the roles that can be asked of it (``meanings.toml``)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from traceview.resources import data_files
from traceview.vocabulary.meanings import STRING_ROLES, Meaning, Op

if TYPE_CHECKING:
    from traceview.vocabulary import EventMeaning, Vocabulary

__all__ = ["ANYWHERE", "Word", "read_words"]

ANYWHERE = ("thread",)
"""Roles that every record has: the process or thread that the trace names for it."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of rules.

    `meanings` are what it stands for, `beside` those that tell more of it, `ops` the operations (none for any). `roles`
    can be asked of it: those that some event of these meanings carries, and those that the timeline finds out. A
    `point` is told of jobs by the timeline, from `all_of` its meanings or from any.
    """

    name: str
    says: str
    meanings: tuple[Meaning, ...]
    beside: tuple[Meaning, ...]
    ops: tuple[Op, ...]
    roles: frozenset[str]
    point: bool
    all_of: bool

    @property
    def is_guest(self) -> bool:
        """Whether it speaks of what a guest does, so that the I/O of jobs must be told apart."""
        return self.name.startswith("guest_")

    def takes(self, role: str) -> bool:
        """Say whether a role can be asked of it."""
        return role in self.roles

    def is_text(self, role: str) -> bool:
        """Say whether a role's value is text."""
        return role in STRING_ROLES


def read_words(vocabulary: Vocabulary) -> dict[str, Word]:
    """Return the words of rules by name, in the order of the file; roles are those of the vocabulary's events."""
    by_meaning: dict[Meaning, list[EventMeaning]] = {}
    for event in vocabulary.events.values():
        by_meaning.setdefault(event.meaning, []).append(event)
    words = {}
    for path in data_files("vocabulary/words", "meanings.toml"):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            words[name] = _word(name, table, by_meaning)
    return words


def _word(name: str, table: dict[str, Any], by_meaning: dict[Meaning, list[EventMeaning]]) -> Word:
    meanings = tuple(Meaning[m.upper()] for m in table.get("of", [name]))
    beside = tuple(Meaning[m.upper()] for m in table.get("beside", ()))
    carried = {role for m in meanings for event in by_meaning.get(m, ()) for role in event.roles}
    point = bool(table.get("point", False))
    found = set(table.get("finds", ()))
    roles = (found if point else carried | found) | set(ANYWHERE)
    ops = tuple(Op[o.upper()] for o in table.get("ops", ()))
    all_of = point and not table.get("any", False)
    return Word(name, table["says"], meanings, beside, ops, frozenset(roles), point, all_of)
