"""Whatever order traces are scanned in: each occurrence counts once, and nothing that matters stays untold."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.conftest import empty
from tests.store.notes import BROKEN, LOSS, note, seen
from traceview.store import SeenFinding, Store, TriageState
from traceview.store.engine import Database
from traceview.store.states import rank

BUGS = ["a", "b"]


@dataclass(frozen=True)
class Step:
    """One scan of one trace, as long as it is then, by a run that ends or is killed."""

    trace: int
    events: int
    findings: tuple[SeenFinding, ...]
    killed: bool


@st.composite
def steps(draw: st.DrawFn) -> Step:
    trace = draw(st.integers(0, 1))
    findings = st.builds(
        lambda bug, place, severity, certain, suppressed: seen(
            bug, (trace, place), severity=severity, certain=certain, suppressed=suppressed
        ),
        st.sampled_from(BUGS),
        st.integers(0, 2),
        st.sampled_from([BROKEN, LOSS]),
        st.booleans(),
        st.sampled_from(["", "", "a lab machine"]),
    )
    return Step(trace, draw(st.integers(0, 3)), tuple(draw(st.lists(findings, max_size=4))), draw(st.booleans()))


def scanned(store: Store, step: Step) -> list[tuple[str, str]]:
    """Scan a trace; return what was told: of which bug, and how bad it was."""
    run = store.run(host="hv1", webhooks=["https://chat.example/hook"])
    news = run.record(note(str(step.trace), events=step.events), step.findings)
    if step.killed:
        return []
    with run:
        return [(n.finding.identity, n.occurrence.severity) for n in news]


@pytest.mark.parametrize("kind", ["sqlite"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps(), max_size=6))
def test_nothing_counts_twice_and_nothing_stays_untold(
    store: Store, databases: dict[str, Database], kind: str, story: list[Step]
) -> None:
    empty(databases[kind])
    told: list[tuple[str, str]] = []
    recorded: set[tuple[int, int]] = set()
    loud: dict[str, str] = {}
    instances: set[str] = set()
    for step in story:
        told += scanned(store, step)
        if (step.trace, step.events) in recorded:
            continue  # the store had that, and took nothing of it
        recorded.add((step.trace, step.events))
        instances |= {f.instance for f in step.findings}
        for finding in step.findings:
            if not finding.suppressed:
                worst = max(loud.get(finding.identities[0], ""), finding.severity, key=rank)
                loud[finding.identities[0]] = worst
    # What was killed before it could tell is told when its trace is scanned once more.
    for trace in {step.trace for step in story}:
        everything = [
            seen(bug, (trace, place), severity=BROKEN, certain=False, suppressed="x")
            for bug in BUGS
            for place in range(3)
        ]
        known = tuple(f for f in everything if f.instance in instances)
        told += scanned(store, Step(trace, 1000, known, killed=False))
    assert sum(f.occurrences for f in store.findings()) == len(instances)
    assert len(store.scans()) == len(recorded) + len({step.trace for step in story})
    heard: dict[str, str] = {}
    for identity, severity in told:
        heard[identity] = max(heard.get(identity, ""), severity, key=rank)
    assert heard.keys() == loud.keys()
    assert all(rank(heard[identity]) >= rank(worst) for identity, worst in loud.items())
    assert all(f.state is TriageState.NEW for f in store.findings())
    before = store.export()
    for step in story:
        assert scanned(store, step) == []
    assert store.export() == before
