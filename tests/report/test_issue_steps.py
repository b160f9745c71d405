"""How to see a finding again: what to trace for its rule in its release, which job, which question."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.stored import RULE, document, finding, note
from traceview.detect.advice import advise
from traceview.releases import ReleaseRange
from traceview.report.issue_steps import newest_release, step_lines, traced_release
from traceview.report.triage_occurrence import happened
from traceview.rules import Rule
from traceview.vocabulary import builtin


def steps(rule: Rule | None = RULE, *, window_changes: dict[str, Any] | None = None, **changes: Any) -> str:
    doc = document()
    doc["window"] |= window_changes or {}
    return "\n".join(step_lines(finding(), note(**changes), happened(doc), rule, blank="BLANK"))


@pytest.mark.parametrize(
    ("changes", "release"),
    [
        ({"since": "4.0", "until": "5.1"}, "4.0"),
        ({"since": None, "until": "2.6"}, "2.6"),
        ({"since": "7.0", "until": None}, "7.0"),
        ({"since": "2.2", "until": "2.6", "options": {"qemu": "2.5.0-rc3"}}, "2.5.0-rc3"),
        ({"since": None, "until": None}, newest_release()),
        ({"since": "98.0", "until": "99.0"}, newest_release()),
        ({"since": "1.0", "until": "1.1"}, newest_release()),
        ({"since": "nonsense", "until": "", "options": {"qemu": 7}}, newest_release()),
    ],
)
def test_the_release_to_trace_is_the_one_told_or_the_oldest_that_can_have_written_it(
    changes: dict[str, Any], release: str
) -> None:
    assert traced_release(note(**changes)) == release


@pytest.mark.parametrize(("evidence", "wish"), [("exact", " --exact"), ("proxy", "")])
def test_the_events_are_those_that_suggest_names(evidence: str, wish: str) -> None:
    text = steps(window_changes={"evidence": evidence}, since="4.1", until="5.1")
    assert f"`traceview suggest --rules {RULE.id} --qemu 4.1{wish} > vm.events`" in text
    advice = advise([RULE], ReleaseRange("4.1", "4.1"), builtin(), exact=evidence == "exact")
    listed = {line.strip() for line in text.splitlines() if line.startswith("   ")}
    assert {*advice.events, *advice.more, *(p.event for p in advice.probes)} <= listed
    assert "   # Run QEMU with: -trace events=vm.events,file=vm.log" in text


def test_the_job_is_told_and_its_arguments_are_a_blank() -> None:
    assert "3. Mirror the disk to another image (`drive-mirror` or `blockdev-mirror`)" in steps()
    assert "3. Commit the active layer of the disk (`block-commit`)" in steps(window_changes={"job_kind": "commit"})
    assert "BLANK (the arguments, which the trace does not tell)" in steps()


def test_where_there_is_no_job_what_was_done_is_a_blank() -> None:
    text = steps(window_changes={"job_kind": None, "subject": {"kind": "node", "pointer": "0x1"}})
    assert "3. BLANK (what was done to the VM: the trace shows a window of a node, not the command" in text


def test_the_steps_are_numbered_and_end_with_the_question_to_ask() -> None:
    text = steps()
    assert [line[0] for line in text.splitlines() if line[:1].isdigit()] == ["1", "2", "3", "4", "5"]
    assert "4. Repeat step 3 until it is met. The window stood open for 626 µs." in text
    assert text.splitlines()[-1].startswith(f"5. Ask the trace: `traceview scan vm.log --rule {RULE.id}`")


def test_a_window_without_times_says_nothing_of_them() -> None:
    assert steps(window_changes={"duration_ns": None}).splitlines()[-2] == "4. Repeat step 3 until it is met."
