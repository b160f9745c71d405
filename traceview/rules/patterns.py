"""From the text of a pattern to a pattern: its word is looked up, its roles are held against what the word can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from traceview.rules.complaints import clause_example
from traceview.rules.critic import Critic
from traceview.rules.model import Condition, Pattern, Template
from traceview.rules.syntax import Clause, Value
from traceview.vocabulary.words import Word

__all__ = ["PatternBuilder", "Setting"]

EDGES = frozenset({"open", "close", "cancel", "after", "confirm", "claim", "until"})
"""The clauses that bound windows."""
_ROLES_OF_JOBS = frozenset({"job", "node", "blk"})
"""What is known of a job that the timeline follows: inside its windows, a role is compared with one of these."""
_CALLED = {"claim": "open", "until": "close"}


@dataclass(frozen=True, slots=True)
class Setting:
    """In what rule a pattern stands. `opened` are the roles of the opening that others can be compared with."""

    template: Template
    subject: str
    of_jobs: bool
    opened: frozenset[str] = frozenset()

    @property
    def key(self) -> str | None:
        """The role that edges must name, None for a rule about all of QEMU."""
        return None if self.subject == "qemu" else self.subject


class PatternBuilder:
    """Builds the patterns of one file."""

    def __init__(self, critic: Critic, words: Mapping[str, Word]) -> None:
        self._critic = critic
        self._words = words

    def patterns(self, parts: Sequence[Clause], setting: Setting) -> tuple[Pattern, ...]:
        """Return the patterns of clauses. Edges must name the rule's subject; elsewhere any role can be the key."""
        built = (self._pattern(c, part.name, setting) for part in parts for c in _pattern_clauses(part))
        return tuple(p for p in built if p is not None)

    def _pattern(self, clause: Clause, part: str, setting: Setting) -> Pattern | None:
        word = self._word(clause, part, setting)
        if word is None:
            return None
        before = len(self._critic.complaints)
        keys: list[Value] = []
        conditions: list[Condition] = []
        for argument in clause.inner:
            role = argument.values[0]
            if not word.takes(role.text, of_jobs=setting.of_jobs):
                roles = sorted(word.roles(of_jobs=setting.of_jobs))
                self._critic.complain(
                    role.place, f"{word.name} has no role {role.text!r}{' here' if role.text in word.ever else ''}",
                    expected=roles, wrong=role.text, example=f"{word.name}({roles[0]})",
                )  # fmt: skip
            elif len(argument.values) == 1:
                keys.append(role)
            elif (condition := self._condition(word, argument, part, setting)) is not None:
                conditions.append(condition)
        if word.point and conditions:
            self._critic.complain(
                clause.inner[0].place, f"{word.name} is a point on a job's way: nothing more can be asked of it",
                example=f"{word.name}(job)",
            )  # fmt: skip
        if len(self._critic.complaints) == before:
            self._check_keys(word, clause, keys, part, setting)
        if len(self._critic.complaints) > before:
            return None
        return Pattern(word, keys[0].text if keys else None, tuple(conditions))

    def _word(self, clause: Clause, part: str, setting: Setting) -> Word | None:
        name = clause.values[0]
        word = self._words.get(name.text)
        key = setting.key if part in EDGES else None
        if word is None:
            fitting = [w.name for w in self._words.values() if key is None or w.takes(key, of_jobs=setting.of_jobs)]
            near = get_close_matches(name.text, fitting, n=8, cutoff=0.0)
            with_role = f" that has the role {key}" if key else ""
            self._critic.complain(
                name.place, f"unknown meaning {name.text!r}", known=list(self._words), wrong=name.text,
                expected=[f"a meaning{with_role}, such as {', '.join(near)} (all: traceview vocabulary)"],
                example=_example(key),
            )  # fmt: skip
            return None
        if word.point and not (setting.of_jobs and part in EDGES):
            self._critic.complain(
                name.place, f"{word.name} is a point on a job's way: it bounds windows of jobs, and nothing else",
                expected=["open, close, cancel, after, confirm in a rule about a job that forbids or disproves"],
                example=clause_example("proxy"),
            )  # fmt: skip
            return None
        if (word.only and _CALLED.get(part, part) not in word.only) or (part == "disprove" and part not in word.only):
            able = sorted(w.name for w in self._words.values() if part in w.only)
            self._critic.complain(
                name.place, f"{word.name} cannot stand behind {part}",
                expected=able if part == "disprove" else [f"{word.name} behind {' or '.join(word.only)}"],
                example=clause_example(part),
            )  # fmt: skip
            return None
        return word

    def _check_keys(self, word: Word, clause: Clause, keys: Sequence[Value], part: str, setting: Setting) -> None:
        named = [k.text for k in keys]
        if part in EDGES:
            of_all = part == "cancel" and not keys and not setting.of_jobs
            if setting.key is not None and named != [setting.key] and not of_all:
                self._critic.complain(
                    clause.place, f"{word.name} must name the subject of the rule here: {word.name}({setting.key})",
                    example=_example(setting.key),
                )  # fmt: skip
            if "disprove" in word.only and setting.key in word.found - word.carried:
                self._critic.complain(
                    clause.place, f"{word.name} does not tell its {setting.key} here: only what disproves a claim does"
                )
            if setting.key is None and keys:
                self._critic.complain(keys[0].place, "a rule about all of QEMU has no role to compare here")
        elif keys and setting.key is None:
            self._critic.complain(
                keys[0].place, "a rule about all of QEMU has one window: compare with open.ROLE what must be the same"
            )
        elif setting.of_jobs and not _ROLES_OF_JOBS.issuperset(named):
            self._critic.complain(
                keys[0].place, f"a job's window is not of a {named[0]}", expected=sorted(_ROLES_OF_JOBS), wrong=named[0]
            )
        elif named and not setting.of_jobs and named[0] != setting.subject:
            self._critic.complain(
                keys[0].place, f"the window is of a {setting.subject}", expected=[setting.subject], wrong=named[0]
            )
        if len(keys) > 1:
            self._critic.complain(
                keys[1].place, "only one role can be that of the window; compare others with open.ROLE"
            )

    def _condition(self, word: Word, argument: Clause, part: str, setting: Setting) -> Condition | None:
        role, relation = argument.values
        (value_clause,) = argument.inner
        value = value_clause.values[0]
        if value.kind == "NAME":
            if part in EDGES:
                self._critic.complain(value.place, "only what happens inside a window can be compared with its opening")
            elif value.text not in setting.opened:
                self._critic.complain(
                    value.place, f"the opening has no role {value.text!r}", expected=sorted(setting.opened),
                    wrong=value.text,
                )  # fmt: skip
            return Condition(role.text, relation.text, value.text, of_opening=True)
        is_text = value.kind == "STRING"
        if is_text != word.is_text(role.text):
            kind = "text in double quotes" if word.is_text(role.text) else "a whole number"
            self._critic.complain(value.place, f"{role.text} is compared with the wrong kind of value", expected=[kind])
            return None
        if is_text and relation.text not in ("=", "!="):
            self._critic.complain(relation.place, "text can only be compared with = and !=")
        return Condition(role.text, relation.text, value.text if is_text else int(value.text))


def _example(key: str | None) -> str:
    return f"open drained_begin({key})" if key == "node" else clause_example("open")


def _pattern_clauses(part: Clause) -> Iterator[Clause]:
    for inner in part.inner:
        if inner.name == "patterns":
            yield from inner.inner
