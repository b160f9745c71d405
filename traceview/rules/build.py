"""From clauses to rules: every name is looked up, every pattern held against what its word can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from traceview.releases import first_of
from traceview.rules.complaints import Complaint, clause_example, refuse
from traceview.rules.model import (
    SUBJECTS,
    Affected,
    Again,
    Condition,
    Evidence,
    Executor,
    Need,
    Outcome,
    Pattern,
    Rule,
    Severity,
    SeverityClause,
    Template,
    WindowClause,
)
from traceview.rules.syntax import Block, Clause, Place, RuleText, Value, parse_rules
from traceview.rules.templates import SHAPES, Shape
from traceview.vocabulary import Meaning, Op
from traceview.vocabulary.words import Word

__all__ = ["build_rules"]

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_AGAIN = ("restarts", "nests")
_UNIT_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_ONCE = ("title", "label", "says", "template", "subject", "unjudged")
_REPEATED = ("needs", "forbid", "allow", "guard", "excuse")
_RULE_NAME = "a rule's id: words of lower case letters, digits and - (such as mirror-exit-guest-io)"


def build_rules(
    text: str, source: str, words: Mapping[str, Word], *, taken: Mapping[str, str] | None = None
) -> list[Rule]:
    """Return the rules of a file's text; `source` is how errors call the file, `taken` says where ids are taken.

    Raises RuleFileError, which tells of everything that is wrong with the file.
    """
    builder = _Builder(text, source, words)
    known = dict(taken or {})
    rules = [rule for t in parse_rules(text, source) if (rule := builder.rule(t, known)) is not None]
    if builder.complaints:
        raise refuse(builder.complaints)
    return rules


class _Builder:
    """Builds the rules of one file and gathers what is wrong with them."""

    def __init__(self, text: str, source: str, words: Mapping[str, Word]) -> None:
        self._text = text
        self._source = source
        self._words = words
        self.complaints: list[Complaint] = []

    def _complain(
        self, place: Place, message: str, *, expected: Sequence[str] = (), known: Sequence[str] = (), wrong: str = "",
        example: str = "",
    ) -> None:  # fmt: skip
        self.complaints.append(
            Complaint(
                self._source, place.line, place.column, place.length, message, self._text, expected=expected,
                known=known or expected, wrong=wrong, example=example,
            )
        )  # fmt: skip

    def _one_of(self, value: Value, known: Mapping[str, T], what: str) -> T | None:
        found = known.get(value.text)
        if found is None:
            example = clause_example(what.split(maxsplit=1)[0])
            self._complain(
                value.place, f"unknown {what} {value.text!r}", expected=list(known), wrong=value.text, example=example
            )
        return found

    # rules

    def rule(self, written: RuleText, taken: dict[str, str]) -> Rule | None:
        name, before = written.name, len(self.complaints)
        if name.text in taken:
            self._complain(name.place, f"there is a rule {name.text!r} already, in {taken[name.text]}")
        taken[name.text] = f"{self._source}, line {name.place.line}"
        if "_" in name.text:
            self._complain(name.place, f"{name.text!r} is no id of a rule", expected=[_RULE_NAME])
        once = self._once(written)
        for needed in ("title", "says", "template", "subject"):
            if needed not in once:
                self._complain(name.place, f"rule {name.text!r} has no {needed}", example=clause_example(needed))
        template = (
            self._one_of(once["template"].values[0], _by_value(Template), "template") if "template" in once else None
        )
        subject = once["subject"].values[0] if "subject" in once else None
        known_subject = subject is not None and self._one_of(subject, SUBJECTS, "subject") is not None
        if not written.blocks:
            self._complain(
                name.place, f"rule {name.text!r} says nothing of its windows", expected=["exact", "proxy"],
                example=clause_example("exact"),
            )  # fmt: skip
        if template is None or subject is None or not known_subject:
            return None
        windows = [self._window(b, template, subject.text) for b in written.blocks]
        severities = tuple(self._severity(c) for c in written.clauses if c.name == "severity")
        affected = tuple(self._affected(c) for c in written.clauses if c.name == "affects")
        if "unjudged" in once:
            self._one_of(once["unjudged"].values[0], {"inconclusive": True}, "unjudged")
        if len(self.complaints) > before:
            return None
        return Rule(
            id=name.text, title=_text(once["title"]), sentence=_text(once["says"]), template=template,
            subject=subject.text, windows=tuple(w for w in windows if w is not None), severities=severities,
            label=_text(once["label"]) if "label" in once else "", affected=affected,
            references=tuple(v.text for c in written.clauses if c.name == "see" for v in c.values),
            yields_to=tuple(v.text for c in written.clauses if c.name == "yields" for v in c.values),
            must_judge="unjudged" in once, source=self._source, line=name.place.line,
        )  # fmt: skip

    def _once(self, written: RuleText) -> dict[str, Clause]:
        """Return the clauses that a rule may have but once, by name."""
        found: dict[str, Clause] = {}
        for clause in written.clauses:
            if clause.name in _ONCE:
                if clause.name in found:
                    message = f"a second {clause.name}: line {found[clause.name].place.line} has one already"
                    self._complain(clause.place, message)
                found[clause.name] = clause
        return found

    def _severity(self, clause: Clause) -> SeverityClause:
        first, *conditions = clause.values
        severity = self._one_of(first, _by_value(Severity), "severity")
        outcomes = [self._one_of(c, _by_value(Outcome), "outcome") for c in conditions]
        return SeverityClause(severity or Severity.BROKEN_PROMISE, frozenset(o for o in outcomes if o is not None))

    def _affected(self, clause: Clause) -> Affected:
        releases = [v for v in clause.values if v.kind == "RELEASE"]
        fix = "".join(v.text for v in clause.values if v.kind == "STRING")
        about = "".join(v.text for inner in clause.inner for v in inner.values)
        since, *until = [r.text for r in releases]
        if until and first_of(since) >= first_of(until[0]):
            self._complain(releases[1].place, f"{until[0]} does not come after {since}")
        return Affected(since, until[0] if until else None, fix, about)

    # windows

    def _window(self, block: Block, template: Template, subject: str) -> WindowClause | None:
        before = len(self.complaints)
        shape = SHAPES[template]
        parts: dict[str, list[Clause]] = {}
        for part in block.parts:
            name = part.name
            if name not in shape.allowed:
                self._complain(
                    part.place, f"a rule of template {template} has no {name}", expected=sorted(shape.allowed)
                )
            elif name in parts and name not in _REPEATED:
                self._complain(part.place, f"a second {name}: line {parts[name][0].place.line} has one already")
            parts.setdefault(name, []).append(part)
        for needed in shape.needed:
            if needed not in parts:
                self._complain(
                    block.place, f"these windows have no {needed}, which template {template} needs",
                    example=clause_example(needed),
                )  # fmt: skip
        clause = self._clause(block, parts, shape, subject)
        return clause if len(self.complaints) == before else None

    def _clause(self, block: Block, parts: Mapping[str, list[Clause]], shape: Shape, subject: str) -> WindowClause:
        opening, closing = parts.get(shape.opens, []), parts.get(shape.closes, [])
        key = None if subject == "qemu" else subject
        evidence = Evidence(block.evidence)
        opens = self._patterns(opening, key)
        opened = frozenset().union(*(p.word.roles for p in opens)) if opens else frozenset()
        after = [inner for part in opening for inner in part.inner if inner.name == "after"]
        again = next((i.name for p in opening for i in p.inner if i.name in _AGAIN), "nothing")
        for part in parts.get("excuse", []):
            self._one_of(part.values[0], {"copied": True}, "excuse")
        breaks = {name: self._patterns(parts.get(name, []), None, opened) for name in ("forbid", "disprove", "run")}
        clause = WindowClause(
            evidence=evidence, about=block.about, open=opens,
            close=self._patterns(closing, key), again=Again(again), after=self._patterns(after, key),
            cancel=self._patterns(parts.get("cancel", []), key), confirm=self._patterns(parts.get("confirm", []), key),
            forbid=breaks["forbid"] or breaks["disprove"] or breaks["run"],
            allow=self._patterns(parts.get("allow", []), None, opened),
            guard=self._patterns(parts.get("guard", []), None, opened),
            starved=self._patterns(parts.get("starves", []), None, opened),
            executor=self._executor(parts.get("run", [])), lasts_ns=self._span_ns(parts.get("lasts", [])),
            excuse_copied="excuse" in parts, tentative="tentative" in parts,
            open_ended="open_ended" in parts,
        )  # fmt: skip
        explicit = [
            n for part in parts.get("needs", []) for inner in part.inner if (n := self._need(inner)) is not None
        ]
        return _with_needs(clause, explicit)

    def _executor(self, parts: Sequence[Clause]) -> Executor | None:
        for part in parts:
            same = self._one_of(part.values[0], {"same": True, "another": False}, "run")
            role = self._one_of(part.values[1], {"thread": "thread", "context": "ctx"}, "run")
            return Executor(role, same) if role is not None and same is not None else None
        return None

    def _span_ns(self, parts: Sequence[Clause]) -> int:
        for part in parts:
            unit = self._one_of(part.values[1], _UNIT_NS, "lasts")
            return int(part.values[0].text) * (unit or 0)
        return 0

    def _need(self, clause: Clause) -> Need | None:
        meaning = self._one_of(clause.values[0], {m.name.lower(): m for m in Meaning if m}, "meaning")
        op = Op.NONE
        if len(clause.values) > 1:
            found = self._one_of(clause.values[1], {o.label: o for o in Op if o}, "operation")
            op = found if found is not None else Op.NONE
        return Need((meaning,), op) if meaning is not None else None

    # patterns

    def _patterns(
        self, parts: Sequence[Clause], key: str | None, opened: frozenset[str] | None = None
    ) -> tuple[Pattern, ...]:
        """Return the patterns of clauses.

        With a `key` (that of edges) each must name it; without, any role that the opening has can be the key.
        """
        found = []
        for clause in _pattern_clauses(parts):
            pattern = self._pattern(clause, key, opened)
            if pattern is not None:
                found.append(pattern)
        return tuple(found)

    def _pattern(self, clause: Clause, key: str | None, opened: frozenset[str] | None) -> Pattern | None:
        name = clause.values[0]
        word = self._words.get(name.text)
        if word is None:
            fitting = [w.name for w in self._words.values() if key is None or w.takes(key)]
            near = get_close_matches(name.text, fitting, n=8, cutoff=0.0)
            with_role = f" that has the role {key}" if key else ""
            self._complain(
                name.place, f"unknown meaning {name.text!r}", known=list(self._words), wrong=name.text,
                expected=[f"a meaning{with_role}, such as {', '.join(near)} (all: traceview vocabulary)"],
                example=_pattern_example(key),
            )  # fmt: skip
            return None
        keys: list[Value] = []
        conditions: list[Condition] = []
        before = len(self.complaints)
        for argument in clause.inner:
            role = argument.values[0]
            if not word.takes(role.text):
                roles = sorted(word.roles)
                self._complain(
                    role.place, f"{word.name} has no role {role.text!r}", expected=roles, wrong=role.text,
                    example=f"{word.name}({roles[0]})",
                )  # fmt: skip
            elif len(argument.values) == 1:
                keys.append(role)
            else:
                condition = self._condition(word, argument, opened)
                if condition is not None:
                    conditions.append(condition)
        if len(self.complaints) > before:
            return None
        if key is not None and [k.text for k in keys] != [key]:
            self._complain(
                clause.place, f"{word.name} must name the subject of the rule here: {word.name}({key})",
                example=_pattern_example(key),
            )  # fmt: skip
        if key is None and opened is None and keys:
            self._complain(keys[0].place, "a rule about all of QEMU has no role to compare here")
        if len(keys) > 1:
            self._complain(keys[1].place, "only one role can be that of the window; compare others with open.ROLE")
        return Pattern(word, keys[0].text if keys else None, tuple(conditions))

    def _condition(self, word: Word, argument: Clause, opened: frozenset[str] | None) -> Condition | None:
        role, relation = argument.values
        (value_clause,) = argument.inner
        value = value_clause.values[0]
        if value.kind == "NAME":
            if opened is None:
                self._complain(value.place, "only what happens inside a window can be compared with its opening")
            elif value.text not in opened:
                self._complain(
                    value.place, f"the opening has no role {value.text!r}", expected=sorted(opened), wrong=value.text
                )
            return Condition(role.text, relation.text, value.text, of_opening=True)
        is_text = value.kind == "STRING"
        if is_text != word.is_text(role.text):
            kind = "text in double quotes" if word.is_text(role.text) else "a whole number"
            self._complain(value.place, f"{role.text} is compared with the wrong kind of value", expected=[kind])
            return None
        if is_text and relation.text not in ("=", "!="):
            self._complain(relation.place, "text can only be compared with = and !=")
        return Condition(role.text, relation.text, value.text if is_text else int(value.text))


def _pattern_example(key: str | None) -> str:
    return f"open drained_begin({key})" if key == "node" else clause_example("open")


def _pattern_clauses(parts: Sequence[Clause]) -> Iterator[Clause]:
    for part in parts:
        for inner in part.inner:
            if inner.name == "patterns":
                yield from inner.inner


def _by_value(kinds: type[E]) -> dict[str, E]:
    return {k.value: k for k in kinds}


def _text(clause: Clause) -> str:
    return clause.values[0].text


def _with_needs(clause: WindowClause, explicit: Sequence[Need]) -> WindowClause:
    """Return a clause with all that it needs traced: what it names, and what its patterns speak of."""
    needs = list(explicit)
    for pattern in (*clause.after, *clause.open, *clause.confirm, *clause.close, *clause.forbid, *clause.starved):
        needs += [n for n in _needs_of(pattern.word) if n not in needs]
    return replace(clause, needs=tuple(needs))


def _needs_of(word: Word) -> list[Need]:
    if word.all_of:
        return [Need((m,)) for m in word.meanings]
    if word.is_guest and word.ops:
        # Nobody knows what a guest would have done: both must be seen, or a window without them shows nothing.
        both: list[Op] = [op for op in (Op.WRITE, Op.READ) if op in word.ops]
        ops = both or list(word.ops)
        return [Need(word.meanings, op) for op in ops]
    return [Need(word.meanings)]
