"""The words of rules: what a record can say, and the roles that can be asked of it (``meanings.toml``)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from traceview.resources import data_files
from traceview.vocabulary.meanings import STRING_ROLES, Meaning, Op

if TYPE_CHECKING:
    from traceview.vocabulary import EventMeaning, Vocabulary

__all__ = ["ANYWHERE", "RUNS_IN", "Word", "read_words"]

ANYWHERE = ("thread",)
"""Roles that every record has: the process or thread that the trace names for it."""
RUNS_IN = (Meaning.COROUTINE_ENTER, Meaning.DISPATCH, Meaning.POLL)
"""What tells in which context a thread runs."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of rules.

    `meanings` are what it stands for, `beside` those that tell more of it, `ops` the operations (none for any).
    `carried` are the roles that some event of these meanings carries, `found` and `found_of_jobs` those that are found
    out in windows of pointers and of jobs. A `point` is told of jobs by the timeline, from `all_of` its meanings or
    from any. `only` are the clauses that can speak of it, none for all.
    """

    name: str
    says: str
    meanings: tuple[Meaning, ...]
    beside: tuple[Meaning, ...]
    ops: tuple[Op, ...]
    carried: frozenset[str]
    found: frozenset[str]
    found_of_jobs: frozenset[str]
    point: bool
    all_of: bool
    only: tuple[str, ...]

    @property
    def is_guest(self) -> bool:
        """Whether it speaks of what a guest does, so that the I/O of jobs must be told apart."""
        return self.name.startswith("guest_")

    @property
    def ever(self) -> frozenset[str]:
        """The roles that can be asked of it in some rule."""
        return self.carried | self.found | self.found_of_jobs

    def roles(self, *, of_jobs: bool) -> frozenset[str]:
        """Return the roles that can be asked of it, in rules about jobs that the timeline follows or in others."""
        found = self.found_of_jobs if of_jobs else self.found
        return (found if self.point else self.carried | found) | set(ANYWHERE)

    def takes(self, role: str, *, of_jobs: bool) -> bool:
        """Say whether a role can be asked of it."""
        return role in self.roles(of_jobs=of_jobs)

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
    point = bool(table.get("point", False))
    return Word(
        name, table["says"], meanings, tuple(Meaning[m.upper()] for m in table.get("beside", ())),
        tuple(Op[o.upper()] for o in table.get("ops", ())),
        carried=frozenset(role for m in meanings for event in by_meaning.get(m, ()) for role in event.roles),
        found=frozenset(table.get("finds", ())), found_of_jobs=frozenset(table.get("finds_of_jobs", ())), point=point,
        all_of=point and not table.get("any", False), only=tuple(table.get("only", ())),
    )  # fmt: skip
