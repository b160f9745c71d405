"""From clauses to rules: every name is looked up, every pattern held against what its word can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from traceview.releases import first_of
from traceview.rules.complaints import Complaint, clause_example, refuse
from traceview.rules.critic import Critic
from traceview.rules.model import (
    OF_JOBS,
    SUBJECTS,
    Affected,
    Again,
    Evidence,
    Executor,
    Need,
    Outcome,
    Pattern,
    Rule,
    Severity,
    SeverityClause,
    Span,
    Template,
    WindowClause,
)
from traceview.rules.patterns import PatternBuilder, Setting
from traceview.rules.syntax import Block, Clause, RuleText, Value, parse_rules
from traceview.rules.templates import SHAPES
from traceview.vocabulary import Meaning, Op
from traceview.vocabulary.words import RUNS_IN, Word

__all__ = ["build_rules"]

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_AGAIN = ("restarts", "nests")
_UNIT_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_ONCE = ("title", "version", "label", "says", "template", "subject", "unjudged")
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
    """Builds the rules of one file."""

    def __init__(self, text: str, source: str, words: Mapping[str, Word]) -> None:
        self._critic = Critic(text, source)
        self._complain = self._critic.complain
        self._patterns = PatternBuilder(self._critic, words).patterns

    @property
    def complaints(self) -> list[Complaint]:
        """What is wrong with the file so far."""
        return self._critic.complaints

    def _one_of(self, value: Value, known: Mapping[str, T], what: str) -> T | None:
        return self._critic.one_of(value, known, what)

    # rules

    def rule(self, written: RuleText, taken: dict[str, str]) -> Rule | None:
        name, before = written.name, len(self.complaints)
        if name.text in taken:
            self._complain(name.place, f"there is a rule {name.text!r} already, in {taken[name.text]}")
        taken[name.text] = f"{self._critic.source}, line {name.place.line}"
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
        version = self._version(once["version"]) if "version" in once else 1
        if len(self.complaints) > before:
            return None
        return Rule(
            id=name.text, title=_text(once["title"]), sentence=_text(once["says"]), template=template,
            subject=subject.text, windows=tuple(w for w in windows if w is not None), severities=severities,
            version=version,
            label=_text(once["label"]) if "label" in once else "", affected=affected,
            references=tuple(v.text for c in written.clauses if c.name == "see" for v in c.values),
            yields_to=tuple(v.text for c in written.clauses if c.name == "yields" for v in c.values),
            must_judge="unjudged" in once, source=self._critic.source, line=name.place.line,
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

    def _version(self, clause: Clause) -> int:
        value = clause.values[0]
        if int(value.text) < 1:
            self._complain(value.place, f"{value.text} is no version", expected=["a whole number from 1 on"])
        return int(value.text)

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
                    part.place,
                    f"a rule of template {template} has no {name.replace('_', '-')}",
                    expected=sorted(n.replace("_", "-") for n in shape.allowed),
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
        clause = self._clause(block, parts, template, subject)
        return clause if len(self.complaints) == before else None

    def _clause(
        self, block: Block, parts: Mapping[str, list[Clause]], template: Template, subject: str
    ) -> WindowClause:
        shape = SHAPES[template]
        opening, closing = parts.get(shape.opens, []), parts.get(shape.closes, [])
        of_jobs = subject == "job" and template in OF_JOBS
        setting = Setting(template, subject, of_jobs)
        opens = self._patterns(opening, setting)
        opened = frozenset(("job", "node")) if of_jobs else _roles(opens)
        after = [Clause("after", i.place, inner=i.inner) for p in opening for i in p.inner if i.name == "after"]
        again = next((i.name for p in opening for i in p.inner if i.name in _AGAIN), "nothing")
        for part in parts.get("excuse", []):
            self._one_of(part.values[0], {"copied": True}, "excuse")

        def edges(name: str) -> tuple[Pattern, ...]:
            return self._patterns(parts.get(name, []), setting)

        def inside(*names: str) -> tuple[Pattern, ...]:
            return self._patterns([p for name in names for p in parts.get(name, [])], replace(setting, opened=opened))

        clause = WindowClause(
            evidence=Evidence(block.evidence), about=block.about, open=opens, close=self._patterns(closing, setting),
            again=Again(again), after=self._patterns(after, setting), cancel=edges("cancel"), confirm=edges("confirm"),
            forbid=inside("forbid", "disprove", "run"), allow=inside("allow"), guard=inside("guard"),
            starved=inside("starves"), executor=self._executor(parts.get("run", [])),
            lasts_ns=self._span_ns(parts.get("lasts", [])), holds=self._holds(parts.get("holds", [])),
            excuse_copied="excuse" in parts,
            tentative="tentative" in parts, open_ended="open_ended" in parts,
        )  # fmt: skip
        self._check_windows(parts, clause, of_jobs=of_jobs)
        explicit = [
            n for part in parts.get("needs", []) for inner in part.inner if (n := self._need(inner)) is not None
        ]
        return _with_needs(clause, explicit)

    def _check_windows(self, parts: Mapping[str, list[Clause]], clause: WindowClause, *, of_jobs: bool) -> None:
        """Complain of what only some windows can have."""
        for name in ("confirm", "excuse"):
            if name in parts and not of_jobs:
                self._complain(
                    parts[name][0].place,
                    f"only windows of jobs that forbid or disprove can have {name.replace('_', '-')}",
                )
        if of_jobs and clause.again is Again.NESTS:
            self._complain(parts["open" if "open" in parts else "claim"][0].place, "windows of jobs do not nest")
        if any(p.word.name == "guest_reached" for p in clause.close) and not clause.is_wait:
            self._complain(
                parts["close"][0].place, "guest_reached closes only windows of requests that restart",
                example="open guest_taken_up(request) restarts close guest_reached(request) lasts 30 s",
            )  # fmt: skip

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

    def _holds(self, parts: Sequence[Clause]) -> Span | None:
        for part in parts:
            since, *until = part.values
            if until and first_of(since.text) >= first_of(until[0].text):
                self._complain(until[0].place, f"{until[0].text} does not come after {since.text}")
            return Span(since.text, until[0].text if until else None)
        return None

    def _need(self, clause: Clause) -> Need | None:
        meaning = self._one_of(clause.values[0], {m.name.lower(): m for m in Meaning if m}, "meaning")
        op = Op.NONE
        if len(clause.values) > 1:
            found = self._one_of(clause.values[1], {o.label: o for o in Op if o}, "operation")
            op = found if found is not None else Op.NONE
        return Need((meaning,), op) if meaning is not None else None


def _roles(opens: Sequence[Pattern]) -> frozenset[str]:
    """Return the roles that all openings of a window have."""
    roles = [p.word.roles(of_jobs=False) for p in opens]
    return frozenset.intersection(*roles) if roles else frozenset()


def _by_value(kinds: type[E]) -> dict[str, E]:
    return {k.value: k for k in kinds}


def _text(clause: Clause) -> str:
    return clause.values[0].text


def _with_needs(clause: WindowClause, explicit: Sequence[Need]) -> WindowClause:
    """Return a clause with all that it needs traced: what it names, and what its patterns speak of."""
    needs = list(explicit)
    found = [_any_of(clause.after), _any_of(clause.open), _any_of(clause.confirm), _any_of(clause.close)]
    found += [_needs_of(p.word) for p in (*clause.forbid, *clause.starved)]
    for of_one in found:
        needs += [n for n in of_one if n not in needs]
    if clause.asks_contexts:
        needs.append(Need(RUNS_IN))
    return replace(clause, needs=tuple(needs))


def _any_of(patterns: Sequence[Pattern]) -> list[Need]:
    """Return what an edge needs, which any of several patterns can tell."""
    if len(patterns) == 1:
        return _needs_of(patterns[0].word)
    return [Need(tuple(dict.fromkeys(m for p in patterns for m in p.word.meanings)))] if patterns else []


def _needs_of(word: Word) -> list[Need]:
    if word.all_of:
        return [Need((m,)) for m in word.meanings]
    if word.is_guest and word.ops:
        # Nobody knows what a guest would have done: both must be seen, or a window without them shows nothing.
        both: list[Op] = [op for op in (Op.WRITE, Op.READ) if op in word.ops]
        ops = both or list(word.ops)
        return [Need(word.meanings, op) for op in ops]
    return [Need(word.meanings)]
