"""Rules as text for a person: what each promises, how its windows are bounded, what to trace."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from traceview.findings import RuleCoverage, ScanResult
from traceview.report.escape import printable
from traceview.report.style import Style, plural
from traceview.rules import Again, Evidence, Need, Pattern, Rule, RuleSet, WindowClause
from traceview.rules.complaints import clauses
from traceview.rules.model import Template
from traceview.vocabulary import Vocabulary

__all__ = ["clause_lines", "coverage_lines", "list_lines", "rule_lines"]

_WIDTH = 100


def list_lines(rules: RuleSet, style: Style) -> Iterator[str]:
    """Yield the rules, two lines each: the id, the label, the evidence that can judge it; the title."""
    for rule in rules:
        evidence = ", ".join(dict.fromkeys(w.evidence.value for w in rule.windows))
        label = f" · {printable(rule.label)}" if rule.label else ""
        yield f"{style.paint(rule.id, 'bold')}{label} · {evidence}"
        yield f"  {printable(rule.title)}"
    yield ""
    yield f"{plural(len(rules), 'rule')}; traceview rules show ID tells all of one"


def rule_lines(rule: Rule, vocabulary: Vocabulary, style: Style) -> Iterator[str]:
    """Yield all that there is to know of a rule."""
    label = f" ({printable(rule.label)})" if rule.label else ""
    yield f"{style.paint(rule.id, 'bold')}  {printable(rule.title)}{label}"
    yield from _wrapped(printable(rule.sentence, limit=5000), "  ")
    yield ""
    for clause in rule.windows:
        yield from _window_lines(rule, clause, vocabulary, style)
        yield ""
    if rule.version > 1:
        yield f"  version   {rule.version}"
    for severity in rule.severities:
        when = " and ".join(sorted(o.value for o in severity.when))
        yield f"  severity  {severity.severity.value}" + (f" when {when}" if when else "")
    for affected in rule.affected:
        yield f"  affects   QEMU {printable(str(affected))}"
    for other in rule.yields_to:
        yield f"  yields    to {printable(other)}: what that finds is not told again"
    if rule.must_judge:
        yield "  unjudged  a scan with nothing to judge by it is inconclusive"
    yield from (f"  see       {printable(r)}" for r in rule.references)
    yield f"  written   in {printable(rule.source)}, line {rule.line}"


def _window_lines(rule: Rule, clause: WindowClause, vocabulary: Vocabulary, style: Style) -> Iterator[str]:
    about = f"  {printable(clause.about)}" if clause.about else ""
    yield f"  {style.paint(clause.evidence.value, 'bold')}{about}"
    opens, closes = ("claim", "until") if rule.template is Template.COUNTER else ("open", "close")
    again = {Again.RESTARTS: ", anew with each", Again.NESTS: ", and each needs its own closing"}.get(clause.again, "")
    after = f", after {_patterns(clause.after)}" if clause.after else ""
    parts = [
        (opens, _patterns(clause.open) + again + after),
        (closes, _patterns(clause.close)),
        ("cancel", _patterns(clause.cancel)),
        ("confirm", _patterns(clause.confirm)),
        (_FORBIDS.get(rule.template, "forbid"), _patterns(clause.forbid) + _executor(clause)),
        ("allow", _patterns(clause.allow)),
        ("guard", _patterns(clause.guard)),
        ("lasts", f"{clause.lasts_ns / 1e9:g} s at the most" if clause.lasts_ns else ""),
        ("starves", _patterns(clause.starved)),
        ("holds", f"for QEMU {clause.holds}" if clause.holds else ""),
        ("excuse", "what the job copied later" if clause.excuse_copied else ""),
        ("tentative", "counts only when it closes" if clause.tentative else ""),
        ("open-ended", "may last to the end of the trace" if clause.open_ended else ""),
    ]
    for name, text in parts:
        if text:
            yield f"    {name:<10} {text}"
    yield "    trace"
    for need in clause.needs:
        yield f"      {_need_words(need):<30} {', '.join(_events(need, clause.evidence, vocabulary))}"


_FORBIDS = {Template.COUNTER: "disprove", Template.EXECUTOR: "run"}


def _executor(clause: WindowClause) -> str:
    if clause.executor is None:
        return ""
    where = "thread" if clause.executor.role == "thread" else "context"
    return f" on {'the same' if clause.executor.same else 'another'} {where}"


def _patterns(patterns: Iterable[Pattern]) -> str:
    return " or ".join(printable(str(p)) for p in patterns)


def _need_words(need: Need) -> str:
    return str(need).replace("|", " or ").replace(":", " of a ")


def _events(need: Need, evidence: Evidence, vocabulary: Vocabulary) -> Iterator[str]:
    """Yield the events any of which meets a need, with the releases that have them."""
    for event in vocabulary.events.values():
        if event.meaning in need.meanings and event.can(need.op) and (event.releases or evidence is Evidence.EXACT):
            since, until = event.releases or ("", "")
            yield f"{event.name} ({f'{since} to {until}' if since else 'a probe'})"


def clause_lines(style: Style) -> Iterator[str]:
    """Yield the clauses of the language, each with what it says and an example."""
    for name, clause in clauses().items():
        yield style.paint(name, "bold")
        yield from _wrapped(clause["says"], "    ")
        yield f"    e.g. {clause['example']}"


def coverage_lines(result: ScanResult, style: Style) -> Iterator[str]:
    """Yield what each rule came to in each trace."""
    for trace in result.traces:
        if len(result.traces) > 1:
            yield style.paint(printable(trace.path), "bold")
        for coverage in trace.coverage:
            yield f"{style.paint(coverage.rule, 'bold')}: {_coverage_words(coverage)}"


def _coverage_words(coverage: RuleCoverage) -> str:
    if coverage.windows:
        return plural(coverage.windows, "window") + (f"; {coverage.reason}" if coverage.reason else "")
    lacking = "; ".join(" or ".join(names) for names in coverage.events)
    return f"no window: {coverage.reason}" + (f": {lacking}" if lacking else "")


def _wrapped(text: str, indent: str) -> Iterator[str]:
    return iter(textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent))
