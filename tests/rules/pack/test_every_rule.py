"""Every rule of the pack is shown a trace that breaks it, one that keeps it, and one that leaves it open.

The traces are synthetic; what the rules say of real ones is in ``test_real_traces.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from tests.rules.pack import (
    test_contexts,
    test_devices,
    test_drains,
    test_drains_that_last,
    test_jobs,
    test_machine,
    test_mirror,
    test_mirror_old_releases,
    test_mirror_start,
    test_notifiers,
)
from tests.rules.pack.cases import QUIET, Case, PackStory, coverage_of, quiet_windows
from tests.timeline.story import Story
from traceview.detect import Scanner
from traceview.detect.needs import Namer
from traceview.findings import ScanResult, Verdict
from traceview.rules import Need, builtin_rules, load_rules
from traceview.vocabulary import Meaning, builtin

MODULES = (
    test_mirror, test_mirror_old_releases, test_mirror_start, test_drains, test_drains_that_last, test_notifiers,
    test_jobs, test_contexts, test_machine, test_devices,
)  # fmt: skip
"""The tests of each rule file, in one module or several whose names begin with its name."""
CASES: list[Case] = [case for module in MODULES for case in module.CASES]


def needs_of(case: Case) -> list[Need]:
    """Return what all clauses that a case is for need traced.

    A job that began before the trace did is judged all the same.
    """
    windows = load_rules()[case.rule].windows
    clauses = [w for w in windows if (w.evidence, w.about) == (case.evidence, case.about)]
    common = [n for n in clauses[0].needs if all(n in w.needs for w in clauses)]
    return [n for n in common if Meaning.JOB_START not in n.meanings]


every_case = pytest.mark.parametrize("case", CASES, ids=str)


def events_for(need: Need, case: Case) -> tuple[str, ...]:
    return Namer(builtin()).names(need, case.evidence)


def without(story: Story, events: Iterable[str]) -> Story:
    """Return a story as a build would tell it that does not trace some events."""
    names = frozenset(events)
    return Story(told=[t for t in story.told if getattr(t, "text", "").split(" ")[0] not in names])


def spoiled(story: Story, after: int) -> Story:
    """Return a story in which a record that cannot be read stands behind line `after`."""
    bad = PackStory()
    bad.spoil()
    return Story(told=[*story.told[:after], *bad.told, *story.told[after:]])


def cut_in_two(story: Story, rule: str, row: int) -> ScanResult:
    """Scan a story that comes in two parts, the second of which begins at a row of what the scan reads."""
    trace = story.trace()
    scanner = Scanner(builtin(), load_rules().choose([rule]))
    for batch in trace.batches(scanner.wanted):
        for part in (slice(row), slice(row, None)):
            scanner.feed(batch.take(part))
    return scanner.finish(trace.path, trace.format.id, trace.stats)


def test_every_rule_of_the_pack_has_a_case_beside_its_neighbours() -> None:
    def of(module: ModuleType) -> str:
        return module.__name__.rpartition(".test_")[2].split("_")[0]

    told = {(of(module), case.rule) for module in MODULES for case in module.CASES}
    assert told == {(Path(rule.source).stem, rule.id) for rule in builtin_rules()}


def test_so_has_every_block_of_a_rules_evidence() -> None:
    told = {(case.rule, case.evidence, case.about) for case in CASES}
    assert told == {(rule.id, w.evidence, w.about) for rule in builtin_rules() for w in rule.windows}


@every_case
def test_a_broken_promise_is_found(case: Case) -> None:
    result = case.broken().scan([case.rule])
    (finding,) = result.findings
    window = result.windows[finding.window]
    assert (finding.rule, finding.severity, finding.certain) == (case.rule, case.severity, True)
    assert (window.rule, window.verdict, window.severity) == (case.rule, Verdict.VIOLATED, case.severity)
    assert (window.evidence, window.about) == (case.evidence, case.about)
    assert finding.requests or finding.happenings


@every_case
def test_a_kept_promise_is_clean_or_guarded_and_not_merely_absent(case: Case) -> None:
    result = case.kept().scan([case.rule])
    assert (result.findings, result.inconclusive) == ([], False)
    assert {w.verdict for w in result.windows} <= set(QUIET)
    assert {(w.evidence, w.about) for w in result.windows} <= {(case.evidence, case.about)}
    assert quiet_windows(result, case.rule) == coverage_of(result, case.rule).windows > 0


@every_case
def test_what_the_trace_does_not_tell_is_inconclusive_where_it_was_asked_for(case: Case) -> None:
    result = case.untold().scan([case.rule])
    assert (result.findings, result.inconclusive) == ([], True)
    assert {w.verdict for w in result.windows} <= {Verdict.INCONCLUSIVE}
    assert quiet_windows(result, case.rule) == 0


@every_case
def test_what_the_trace_does_not_tell_is_passed_over_with_a_reason_where_it_was_not(case: Case) -> None:
    result = case.untold().scan(None)
    windows = [w for w in result.windows if w.rule == case.rule]
    assert {w.verdict for w in windows} <= {Verdict.INCONCLUSIVE}
    assert all(w.reason for w in windows)
    assert windows or coverage_of(result, case.rule).reason


@pytest.mark.parametrize(("case", "need"), [(case, need) for case in CASES for need in needs_of(case)], ids=str)
def test_no_promise_is_said_to_be_kept_where_an_event_that_it_hangs_on_is_not_traced(case: Case, need: Need) -> None:
    rules = [case.rule, *load_rules()[case.rule].yields_to]
    result = without(case.kept(), events_for(need, case)).scan(rules)
    quiet = {(w.rule, w.evidence, w.about) for w in result.windows if w.verdict in QUIET}
    assert result.findings == []
    assert (case.rule, case.evidence, case.about) not in quiet
    assert coverage_of(result, case.rule).unlisted == 0
    # Another block, or another rule that tells the same more closely, may do without the event.
    assert quiet or result.inconclusive


@every_case
def test_no_window_is_said_to_be_quiet_that_a_record_is_missing_in(case: Case) -> None:
    story = case.kept()
    whole = story.scan([case.rule])
    last = whole.windows[-1] if whole.windows else None
    # What is closed in time is not listed: such a story ends with its closing.
    inside = last.open.line if last is not None and last.open is not None else len(story.told) - 1
    result = spoiled(story, inside).scan([case.rule])
    assert result.findings == []
    assert quiet_windows(result, case.rule) < quiet_windows(whole, case.rule)


@every_case
@pytest.mark.parametrize("outcome", ["broken", "kept", "untold"])
def test_it_does_not_matter_how_a_trace_is_cut(case: Case, outcome: str) -> None:
    story: Story = getattr(case, outcome)()
    whole = story.scan([case.rule])
    for row in range(1, len(story.told)):
        cut = cut_in_two(story, case.rule, row)
        assert (cut.windows, cut.findings) == (whole.windows, whole.findings)
        assert cut.traces[0].coverage == whole.traces[0].coverage


@every_case
@pytest.mark.parametrize("outcome", ["broken", "kept"])
def test_it_does_not_matter_which_other_rules_a_trace_is_scanned_by(case: Case, outcome: str) -> None:
    story: Story = getattr(case, outcome)()
    alone, among_all = story.scan([case.rule]), story.scan(None)
    assert [w for w in among_all.windows if w.rule == case.rule] == alone.windows
    assert [f.severity for f in among_all.findings if f.rule == case.rule] == [f.severity for f in alone.findings]
    assert quiet_windows(among_all, case.rule) == quiet_windows(alone, case.rule)


@every_case
@pytest.mark.parametrize("outcome", ["broken", "kept", "untold"])
def test_a_verdict_does_not_hang_on_whether_the_records_around_it_are_kept(case: Case, outcome: str) -> None:
    story: Story = getattr(case, outcome)()
    plain, kept = (story.trace().scan([case.rule], keep_witness=k) for k in (False, True))
    for window in kept.windows:
        window.witness = None
    assert (kept.windows, kept.findings) == (plain.windows, plain.findings)
