"""What a rule says, when it has been read and found to make sense."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from traceview.releases import ReleaseRange, first_of, last_of
from traceview.vocabulary import Meaning, Op
from traceview.vocabulary.words import Word

__all__ = [
    "OF_JOBS",
    "SUBJECTS",
    "Affected",
    "Again",
    "Condition",
    "Evidence",
    "Executor",
    "Need",
    "Outcome",
    "Pattern",
    "Rule",
    "Severity",
    "SeverityClause",
    "Span",
    "Template",
    "WindowClause",
    "severity_of",
]

SUBJECTS = {
    "job": "a block job, from its start to its end",
    "node": "a node of the block graph (BDS)",
    "blk": "a BlockBackend",
    "ctx": "an AioContext",
    "request": "one request",
    "device": "a guest device",
    "queue": "a virtqueue",
    "coroutine": "a coroutine",
    "qemu": "all of QEMU: there is one window at a time",
}
"""What a window can be about: the role that its opening and its closing share, in a sentence."""


class Template(enum.StrEnum):
    """What kind of promise a rule is about."""

    FORBIDDEN = "forbidden-in-window"
    NEVER_CLOSED = "never-closed"
    COUNTER = "counter-says-idle"
    EXECUTOR = "wrong-executor"


OF_JOBS = (Template.FORBIDDEN, Template.COUNTER)
"""The templates by which jobs are followed from point to point."""


class Evidence(enum.StrEnum):
    """By what a window is bounded: its very events, or stock events that stand in for them."""

    EXACT = "exact"
    PROXY = "proxy"


class Severity(enum.StrEnum):
    """How bad a violated window is."""

    DATA_LOSS = "data-loss"
    BROKEN_PROMISE = "broken-promise"

    @property
    def rank(self) -> int:
        """A number that grows with the severity."""
        return 2 if self is Severity.DATA_LOSS else 1


class Outcome(enum.StrEnum):
    """What a severity can hang on."""

    CHANGED = "changed"
    """A request changed the guest's data."""
    PIVOTED = "pivoted"
    """The job moved the guest to its target."""


class Again(enum.Enum):
    """What another opening does to a window that is open."""

    NOTHING = "nothing"
    RESTARTS = "restarts"
    NESTS = "nests"


@dataclass(frozen=True, slots=True)
class Executor:
    """Where something must run: in the `thread` or `context` of the window's opening (`same`), or elsewhere."""

    role: str
    same: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """What a role of a record must be: `value` is a number, text, or the name of a role of the window's opening."""

    role: str
    relation: str
    value: int | str
    of_opening: bool = False

    def __str__(self) -> str:
        if self.of_opening:
            return f"{self.role} {self.relation} open.{self.value}"
        return f"{self.role} {self.relation} " + (f'"{self.value}"' if isinstance(self.value, str) else str(self.value))


@dataclass(frozen=True, slots=True)
class Pattern:
    """Records that mean `word`, whose role `key` is the window's subject (None for any), and that meet `conditions`."""

    word: Word
    key: str | None
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        inside = ", ".join([*([self.key] if self.key else []), *map(str, self.conditions)])
        return f"{self.word.name}({inside})" if inside else self.word.name


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must have been traced: one of the meanings, for one operation or for any (`Op.NONE`)."""

    meanings: tuple[Meaning, ...]
    op: Op = Op.NONE

    @classmethod
    def parse(cls, text: str) -> Need:
        """Read ``meaning``, ``meaning|meaning`` or ``meaning:operation``. Raises KeyError for an unknown name."""
        meanings, _, op = text.partition(":")
        return cls(tuple(Meaning[m.upper()] for m in meanings.split("|")), Op[op.upper()] if op else Op.NONE)

    def __str__(self) -> str:
        return "|".join(m.name.lower() for m in self.meanings) + (f":{self.op.label}" if self.op else "")


Patterns = tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Releases from `since` on, up to and without `until` (None for no end)."""

    since: str
    until: str | None

    def includes(self, releases: ReleaseRange) -> bool:
        """Say whether all of a range of releases lie in the span."""
        begins = releases.since is not None and first_of(self.since) <= first_of(releases.since)
        ended = self.until is not None and (releases.until is None or last_of(releases.until) >= first_of(self.until))
        return begins and not ended

    def __str__(self) -> str:
        return f"{self.since} until {self.until}" if self.until else f"{self.since} and newer"


@dataclass(frozen=True, slots=True)
class WindowClause:
    """How a rule's windows are bounded by one kind of evidence, and what breaks them.

    `after` must have come, since the last closing or cancelling, before `open` opens. `tentative` windows count only
    when they close, `open_ended` ones may last to the end of the trace. `starved` is what must not stay away for as
    long as `lasts_ns`.
    """

    evidence: Evidence
    about: str
    open: Patterns
    close: Patterns
    again: Again = Again.NOTHING
    after: Patterns = ()
    cancel: Patterns = ()
    confirm: Patterns = ()
    forbid: Patterns = ()
    allow: Patterns = ()
    guard: Patterns = ()
    executor: Executor | None = None
    lasts_ns: int = 0
    starved: Patterns = ()
    needs: tuple[Need, ...] = ()
    holds: Span | None = None
    excuse_copied: bool = False
    tentative: bool = False
    open_ended: bool = False

    def holds_in(self, releases: ReleaseRange | None) -> bool:
        """Say whether the clause is true of all of some releases (None for a trace that does not tell its release)."""
        return self.holds is None or (releases is not None and self.holds.includes(releases))

    @property
    def is_wait(self) -> bool:
        """Whether its windows begin anew with each opening and only may not last: they are followed by the million."""
        plain = not (self.after or self.cancel or self.starved)
        return self.lasts_ns > 0 and self.again is Again.RESTARTS and plain

    @property
    def asks_contexts(self) -> bool:
        """Whether it must be known in which AioContext something inside runs, where its record does not say so."""
        inside = (*self.forbid, *self.allow, *self.guard, *self.starved)
        found = any("ctx" in {p.key, *(c.role for c in p.conditions)} - p.word.carried for p in inside)
        opening = any(c.of_opening and c.value == "ctx" for p in inside for c in p.conditions)
        opened = opening and any("ctx" not in p.word.carried for p in self.open)
        return found or opened or (self.executor is not None and self.executor.role == "ctx")

    @property
    def edges(self) -> Patterns:
        """What bounds its windows."""
        return (*self.after, *self.open, *self.cancel, *self.confirm, *self.close)

    @property
    def patterns(self) -> Patterns:
        """All patterns of the clause."""
        return (*self.edges, *self.forbid, *self.allow, *self.guard, *self.starved)

    @property
    def meanings(self) -> frozenset[Meaning]:
        """All that must be decoded for it."""
        return frozenset(m for p in self.patterns for m in (*p.word.meanings, *p.word.beside)) | {
            m for n in self.needs for m in n.meanings
        }

    @property
    def counting(self) -> frozenset[Meaning]:
        """What can count inside a window: what is forbidden, and what a guard holds back."""
        return frozenset(m for p in (*self.forbid, *self.guard) for m in (*p.word.meanings, *p.word.beside))


@dataclass(frozen=True, slots=True)
class SeverityClause:
    """A severity, and the outcomes that it hangs on."""

    severity: Severity
    when: frozenset[Outcome]


def severity_of(clauses: Sequence[SeverityClause], outcomes: frozenset[Outcome]) -> Severity:
    """Return how bad a violated window with these outcomes is: the first severity that fits, or the mildest."""
    for clause in clauses:
        if clause.when <= outcomes:
            return clause.severity
    return Severity.BROKEN_PROMISE


@dataclass(frozen=True, slots=True)
class Affected:
    """Releases in which the promise is known to break: from `since` on, until a release that has the fix."""

    since: str
    until: str | None
    fix: str
    about: str

    def __str__(self) -> str:
        words = f"{self.since} until {self.until}, fixed by {self.fix}" if self.until else f"{self.since} and newer"
        return f"{words} ({self.about})" if self.about else words


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `source` is the file it was read from, `line` where in it."""

    id: str
    title: str
    sentence: str
    template: Template
    subject: str
    windows: tuple[WindowClause, ...]
    severities: tuple[SeverityClause, ...]
    label: str = ""
    affected: tuple[Affected, ...] = ()
    references: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    version: int = 1
    """The major version: what is filed of another one is of another bug."""
    must_judge: bool = False
    """Whether a scan that had nothing to judge by this rule is inconclusive."""
    source: str = ""
    line: int = 0

    @property
    def of_jobs(self) -> bool:
        """Whether its windows are those of jobs that the timeline follows, and not of bare pointers."""
        return self.subject == "job" and self.template in OF_JOBS

    @property
    def meanings(self) -> frozenset[Meaning]:
        """All that must be decoded for the rule."""
        return frozenset().union(*(w.meanings for w in self.windows))
