"""What to trace, as a file that QEMU reads: the events, and in its comments how to run it and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from traceview.detect.advice import Advice, AdvisedRule, Probe, command_line
from traceview.releases import ReleaseRange, first_of
from traceview.report.escape import printable
from traceview.rules import Evidence
from traceview.rules.standing import standing

__all__ = ["advice_document", "advice_lines"]

_ONE_FILE = first_of("2.7")
"""Up to this release one file at the top of the tree declares all events."""


def advice_lines(advice: Advice, events_file: str) -> Iterator[str]:
    """Yield the lines of an events file for ``-trace events=``; `events_file` is what it will be called."""
    for advised in advice.rules:
        yield f"# {advised.rule.id}: {_evidence(advised)}"
        yield f"#   {standing(advised.rule.affected, advice.releases).facts}"
        for need in advised.impossible:
            yield f"#   QEMU {advice.releases} has nothing that tells {need}: the rule cannot be judged there"
    if not advice.rules:
        yield f"# QEMU {advice.releases} shows no rule's windows unless it is patched; name a rule to learn how."
    if not (advice.events or advice.probes):
        return
    options, note = command_line(advice.releases)
    yield "#"
    yield f"# Run QEMU with: {options.replace('EVENTS', events_file)}"
    if note:
        yield f"#   {note}"
    if advice.events:
        yield ""
        yield "# What the rules need."
        yield from advice.events
    if advice.more:
        yield ""
        yield "# What tells more of it: whose a request is, what was moved, who is called what."
        yield from advice.more
    if advice.probes:
        yield ""
        yield f"# What QEMU {advice.releases} lacks. Declare each in the file named, call it at the place, and build it"
        yield "# with the log backend. Of several that tell the same, one for reads and one for writes will do."
        yield from _probe_lines(advice.probes, advice.releases)
    if advice.more_probes:
        yield "# And what tells more of it."
        yield from _probe_lines(advice.more_probes, advice.releases)


def _probe_lines(probes: Iterable[Probe], releases: ReleaseRange) -> Iterator[str]:
    for probe in probes:
        yield f"# {_declared_in(probe, releases)}: {probe.declaration}"
        yield f"#   {probe.place}"
        yield probe.event


def _evidence(advised: AdvisedRule) -> str:
    if advised.impossible:
        return "not to be shown"
    kind = "exactly" if advised.clause.evidence is Evidence.EXACT else "by stand-ins"
    about = f" of {printable(advised.clause.about)}" if advised.clause.about else ""
    probes = sum(len(alternatives) > 0 for alternatives in advised.probes)
    patched = f", with {probes} tracepoint{'s' if probes != 1 else ''} that it lacks" if probes else ""
    return f"{kind}{about}{patched}"


def _declared_in(probe: Probe, releases: ReleaseRange) -> str:
    """Return the file that declares a tracepoint of a place (scripts/tracetool, per folder from 2.7 on)."""
    folder, _, _ = probe.place.partition(":")[0].rpartition("/")
    one_file = releases.until is not None and first_of(releases.until) < _ONE_FILE
    # What stands in a header is compiled in all folders; the one at the top serves them all.
    return "trace-events" if one_file or not folder or folder.startswith("include") else f"{folder}/trace-events"


def advice_document(advice: Advice) -> dict[str, Any]:
    """Return the advice as plain data."""
    options, note = command_line(advice.releases)
    return {
        "schema_version": 1,
        "qemu": str(advice.releases),
        "options": options,
        "note": note,
        "events": list(advice.events),
        "more": list(advice.more),
        "probes": [_probe(p, advice.releases) for p in advice.probes],
        "more_probes": [_probe(p, advice.releases) for p in advice.more_probes],
        "rules": [_rule(a, advice.releases) for a in advice.rules],
    }


def _probe(probe: Probe, releases: ReleaseRange) -> dict[str, str]:
    return {
        "event": probe.event,
        "file": _declared_in(probe, releases),
        "declaration": probe.declaration,
        "place": probe.place,
    }


def _rule(advised: AdvisedRule, releases: ReleaseRange) -> dict[str, Any]:
    known = standing(advised.rule.affected, releases)
    return {
        "rule": advised.rule.id,
        "evidence": advised.clause.evidence.value,
        "about": advised.clause.about,
        "possible": not advised.impossible,
        "events": list(advised.events),
        "probes": [[p.event for p in alternatives] for alternatives in advised.probes],
        "impossible": [str(n) for n in advised.impossible],
        "known": {"state": known.state.value, "words": known.facts},
    }
