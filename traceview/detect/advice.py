"""What to trace so that rules can judge: the events of a release, and probes where it has none."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from traceview.detect.anchors import ANCHORS
from traceview.releases import ReleaseRange, release_key
from traceview.resources import data_files
from traceview.rules import Evidence, Need, Rule, WindowClause
from traceview.timeline.job_nodes import JobNodes
from traceview.timeline.names import NameTracker
from traceview.timeline.running import RunningContexts
from traceview.vocabulary import EventMeaning, Meaning, Vocabulary
from traceview.vocabulary.declare import declaration

__all__ = ["OLDEST", "Advice", "AdvisedRule", "Probe", "advise", "command_line", "newest"]

OLDEST = "1.2"
"""The first QEMU that takes an events file with comments in it (trace/control.c)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A tracepoint that the release lacks: its declaration, and where to call it (`place` is ``""`` for nowhere)."""

    event: str
    declaration: str
    place: str


@dataclass(frozen=True, slots=True)
class AdvisedRule:
    """What one rule needs. `clause` is the evidence that serves it best; `impossible` are needs that nothing can meet.

    `events` are those of the release, `probes` what has to be added to it: for each need, alternatives in one tuple.
    """

    rule: Rule
    clause: WindowClause
    events: tuple[str, ...]
    probes: tuple[tuple[Probe, ...], ...]
    impossible: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to trace in a release for some rules: `events` in the order of the vocabulary, and `more` that help.

    `probes` are needed, too, and `more_probes` help whoever adds tracepoints anyway.
    """

    releases: ReleaseRange
    rules: tuple[AdvisedRule, ...]
    events: tuple[str, ...]
    more: tuple[str, ...]
    probes: tuple[Probe, ...]
    more_probes: tuple[Probe, ...]


def advise(rules: Iterable[Rule], releases: ReleaseRange, vocabulary: Vocabulary, *, exact: bool = False) -> Advice:
    """Return what makes a trace of a QEMU of `releases` conclusive for rules.

    Of a rule's windows those are chosen that stock events bound; where there are none, those that need the fewest
    probes. With `exact` stand-ins are passed over where there is exact evidence.
    """
    advised = tuple(_advised(rule, releases, vocabulary, exact=exact) for rule in rules)
    needed = {name for a in advised for name in a.events}
    helping = {m for a in advised for m in _helping(a)}
    more = {e.name for e in _stock(vocabulary, releases) if e.meaning in helping} - needed
    probes = {p.event: p for a in advised for alternatives in a.probes for p in alternatives}
    patched = {m for a in advised if a.probes for m in _helping(a)} - {e.meaning for e in _stock(vocabulary, releases)}
    able = (_probe(e, releases) for e in vocabulary.events.values() if e.meaning in patched and e.releases is None)
    more_probes = tuple(p for p in able if p.place and p.event not in probes)
    order = [name for name in vocabulary.events if name in needed or name in more]
    return Advice(
        releases, advised, tuple(n for n in order if n in needed), tuple(n for n in order if n in more),
        tuple(probes.values()), more_probes,
    )  # fmt: skip


def _advised(rule: Rule, releases: ReleaseRange, vocabulary: Vocabulary, *, exact: bool) -> AdvisedRule:
    clauses = [c for c in rule.windows if c.evidence is Evidence.EXACT] if exact else []
    holding = [c for c in clauses or rule.windows if c.holds_in(releases)]
    found = [_for_clause(rule, clause, releases, vocabulary) for clause in holding or rule.windows[:1]]
    return min(found, key=lambda a: (len(a.impossible), len(a.probes)))


def _for_clause(rule: Rule, clause: WindowClause, releases: ReleaseRange, vocabulary: Vocabulary) -> AdvisedRule:
    events: list[str] = []
    probes: list[tuple[Probe, ...]] = []
    impossible: list[Need] = []
    for need in clause.needs:
        able = [e for e in vocabulary.events.values() if e.meaning in need.meanings and e.can(need.op)]
        stock = [e.name for e in able if e.releases is not None and releases.overlaps(*e.releases)]
        added = tuple(p for e in able if e.releases is None and (p := _probe(e, releases)).place)
        if stock:
            events += stock
        elif added:
            probes.append(added)
        else:
            impossible.append(need)
    return AdvisedRule(rule, clause, tuple(dict.fromkeys(events)), tuple(dict.fromkeys(probes)), tuple(impossible))


def _probe(event: EventMeaning, releases: ReleaseRange) -> Probe:
    places = (text for since, until, text in event.places if releases.overlaps(since, until))
    return Probe(event.name, declaration(event.forms[0]), next(places, ""))


def _stock(vocabulary: Vocabulary, releases: ReleaseRange) -> Iterator[EventMeaning]:
    for event in vocabulary.events.values():
        if event.releases is not None and releases.overlaps(*event.releases):
            yield event


def _helping(advised: AdvisedRule) -> Iterator[Meaning]:
    """Yield what tells more of a rule's windows than they need: whose a request is, what moved, who is called what."""
    clause = advised.clause
    yield from clause.meanings
    words = [p.word for p in clause.patterns]
    if advised.rule.of_jobs:
        yield from ANCHORS
    if any(w.is_guest for w in words):
        yield from NameTracker.MEANINGS
        yield Meaning.DEVICE_REQUEST
    if clause.asks_contexts:
        yield from RunningContexts.MEANINGS
    if any("node" in w.found and "job" in w.carried for w in words):
        yield from JobNodes.MEANINGS


@dataclass(frozen=True, slots=True)
class _CommandLine:
    since: str
    until: str
    options: str
    note: str


@cache
def _command_lines() -> list[_CommandLine]:
    (path,) = data_files("detect", "command_lines.toml")
    return [_CommandLine(**line) for line in tomllib.loads(path.read_text(encoding="utf-8"))["line"]]


def command_line(releases: ReleaseRange) -> tuple[str, str]:
    """Return the options that make a QEMU of `releases` write the trace, and what is to be known of them.

    EVENTS stands for the events file, TRACE for the log. Raises ValueError for a release without them.
    """
    for line in _command_lines():
        if releases.overlaps(line.since, line.until):
            return line.options, line.note
    raise ValueError(f"QEMU {releases} reads no file of events with comments: {OLDEST} is the first that does")


def newest(vocabulary: Vocabulary) -> str:
    """Return the newest release whose events are known."""
    return max((e.releases[1] for e in vocabulary.events.values() if e.releases), key=release_key)
