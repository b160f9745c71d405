"""What is wrong with the patterns of rules: each complaint has its place, and says what would have been right.

In the texts below, «» stand around what the caret must mark.
"""

from __future__ import annotations

import pytest

from tests.rules.texts import built
from traceview.errors import RuleFileError
from traceview.rules import Condition, words
from traceview.rules.build import build_rules
from traceview.vocabulary.meanings import ROLES

NODE = "open drained(node) close drained_end(node)"
JOB = "open job_deferred(job) close job_exit(job)"
QEMU = "open graph_locked close graph_unlocked"
FORBIDS, COUNTS, RUNS, LASTS = "forbidden-in-window", "counter-says-idle", "wrong-executor", "never-closed"


def rule_text(subject: str, template: str, clauses: str) -> str:
    """Return a rule of one block, each clause of it on a line of its own."""
    parts = clauses.replace(" close ", "\n close ").replace(" forbid ", "\n forbid ")
    return f'rule x {{\n title "x" says "y."\n template {template}\n subject {subject}\n exact {{\n {parts}\n }}\n}}\n'


def complaints(subject: str, template: str, clauses: str) -> list[str]:
    """Return what is said of a rule's first fault, without the text that it shows; its place must be the marked one."""
    text = rule_text(subject, template, clauses)
    before, marked, _ = text.replace("»", "«").split("«")
    plain = text.replace("«", "").replace("»", "")
    with pytest.raises(RuleFileError) as told:
        build_rules(plain, "my.rules", words())
    head, shown, caret, *rest = told.value.complaints[0].split("\n")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    place = f"my.rules:{line}:{column}: "
    assert head.startswith(place)
    assert shown.endswith(plain.split("\n")[line - 1])
    assert caret[caret.index("|") + 2 :] == " " * (column - 1) + "^" * len(marked)
    return [head.removeprefix(place), *(part.strip() for part in rest)]


def pattern_of(subject: str, template: str, clauses: str) -> str:
    """Return the first pattern behind `forbid` and the like of a rule that makes sense, as it is understood."""
    (rule,) = build_rules(rule_text(subject, template, clauses), "my.rules", words())
    (clause,) = rule.windows
    return str((clause.forbid or clause.open)[0])


# words that not every clause can speak of


@pytest.mark.parametrize(
    ("subject", "template", "clauses", "word"),
    [
        ("node", FORBIDS, "open «job_drained»(node) close drained_end(node) forbid guest_io(node)", "job_drained"),
        ("job", FORBIDS, f"{JOB} forbid «job_left»(job)", "job_left"),
        ("job", FORBIDS, f"{JOB} forbid guest_io(node) allow «job_running»(job)", "job_running"),
        ("job", RUNS, "open «job_running»(job) close job_exit(job) run job_exit(job) on same thread", "job_running"),
        ("job", LASTS, "open job_start(job) close «job_working»(job) lasts 3 s", "job_working"),
    ],
)
def test_points_of_jobs_bound_the_windows_of_jobs_and_nothing_else(
    subject: str, template: str, clauses: str, word: str
) -> None:
    assert complaints(subject, template, clauses)[:2] == [
        f"{word} is a point on a job's way: it bounds windows of jobs, and nothing else",
        "expected: open, close, cancel, after, confirm in a rule about a job that forbids or disproves",
    ]


@pytest.mark.parametrize("part", ["cancel", "confirm", "open job_look(job) after", "close"])
def test_and_any_edge_of_them(part: str) -> None:
    edges = {"close": "open job_deferred(job)", "cancel": JOB, "confirm": JOB}.get(part, "close job_exit(job)")
    assert pattern_of("job", FORBIDS, f"{edges} {part} job_drained(job) forbid guest_io(node)") == "guest_io(node)"


@pytest.mark.parametrize(
    ("subject", "template", "clauses", "said", "expected"),
    [
        (
            "node", FORBIDS, f"{NODE} forbid «guest_taken_up»(request)", "guest_taken_up cannot stand behind forbid",
            "guest_taken_up behind open or close or guard or starves",
        ),
        (
            "node", FORBIDS, "open «guest_request»(node) close drained_end(node) forbid guest_io(node)",
            "guest_request cannot stand behind open", "guest_request behind forbid or allow",
        ),
        (
            "job", FORBIDS, f"{JOB} cancel «guest_done»(job) forbid guest_io(node)",
            "guest_done cannot stand behind cancel", "guest_done behind open or close or disprove",
        ),
        (
            "request", FORBIDS,
            "open guest_taken_up(request) after «guest_taken_up»(request) close guest_done(request) forbid guest_io",
            "guest_taken_up cannot stand behind after", "guest_taken_up behind open or close or guard or starves",
        ),
        (
            "node", COUNTS, "claim «guest_request»(node) until drained_end(node) disprove guest_done(node)",
            "guest_request cannot stand behind claim", "guest_request behind forbid or allow",
        ),
        (
            "node", COUNTS, "claim drained(node) until drained_end(node) disprove «guest_io»(node)",
            "guest_io cannot stand behind disprove", "guest_done",
        ),
        (
            "device", RUNS, "open interrupt(device) close interrupt(device) run «guest_taken_up» on same thread",
            "guest_taken_up cannot stand behind run", "guest_taken_up behind open or close or guard or starves",
        ),
    ],
)  # fmt: skip
def test_some_words_belong_to_some_clauses(subject: str, template: str, clauses: str, said: str, expected: str) -> None:
    assert complaints(subject, template, clauses)[:2] == [said, f"expected: {expected}"]


def test_claim_and_until_take_what_open_and_close_take() -> None:
    clauses = "claim guest_taken_up(request) until guest_done(request) disprove guest_done(request)"
    assert pattern_of("request", COUNTS, clauses) == "guest_done(request)"


# roles


@pytest.mark.parametrize(
    ("subject", "clauses", "said"),
    [
        ("node", "open «drained» close drained_end(node) forbid guest_io(node)", "drained"),
        ("node", "open «drained(thread)» close drained_end(node) forbid guest_io(node)", "drained"),
        ("node", "open «drained(node, thread)» close drained_end(node) forbid guest_io(node)", "drained"),
        ("node", f"{NODE} cancel «ctx_attached(ctx)» forbid guest_io(node)", "ctx_attached"),
        ("job", f"{JOB} cancel «job_activity» forbid guest_io(node)", "job_activity"),
        ("job", "open job_look(job) after «job_before_drain(count = 0)» close job_exit(job) forbid guest_io",
         "job_before_drain"),
    ],
)  # fmt: skip
def test_an_edge_must_name_the_subject_of_its_rule(subject: str, clauses: str, said: str) -> None:
    told = complaints(subject, FORBIDS, clauses)
    assert told[0] == f"{said} must name the subject of the rule here: {said}({subject})"
    assert told[-1].startswith("example: open ")


def test_only_a_cancel_may_name_no_subject_and_then_means_all_windows() -> None:
    assert pattern_of("node", FORBIDS, f"{NODE} cancel vm_stopped forbid guest_io") == "guest_io"


@pytest.mark.parametrize(
    ("subject", "clauses", "said", "expected"),
    [
        ("node", f"{NODE} forbid guest_io(«blk»)", "the window is of a node", "node"),
        ("node", f"{NODE} forbid guest_io(node) guard external_off(«ctx»)", "the window is of a node", "node"),
        ("job", f"{JOB} forbid guest_submit(«request»)", "a job's window is not of a request", "blk, job, node"),
        ("job", f"{JOB} forbid guest_io(node) allow job_io(«thread»)", "a job's window is not of a thread",
         "blk, job, node"),
    ],
)  # fmt: skip
def test_a_window_is_of_nothing_but_its_subject(subject: str, clauses: str, said: str, expected: str) -> None:
    assert complaints(subject, FORBIDS, clauses)[:2] == [said, f"expected: {expected}"]


def test_the_window_of_a_job_is_of_the_job_its_node_and_its_blockbackends() -> None:
    assert pattern_of("job", FORBIDS, f"{JOB} forbid guest_reach(blk)") == "guest_reach(blk)"
    assert pattern_of("job", FORBIDS, f"{JOB} forbid job_io(job)") == "job_io(job)"


def test_only_one_role_can_be_that_of_the_window() -> None:
    said = "only one role can be that of the window; compare others with open.ROLE"
    assert complaints("node", FORBIDS, f"{NODE} forbid guest_io(node, «length», offset)") == [said]
    assert complaints("job", FORBIDS, f"{JOB} forbid guest_io(node, «blk»)") == [said]


@pytest.mark.parametrize(
    ("clauses", "said"),
    [
        (f"{QEMU} forbid drained_begin(«node»)",
         "a rule about all of QEMU has one window: compare with open.ROLE what must be the same"),
        ("open graph_locked close graph_unlocked(«thread») forbid drained_begin",
         "a rule about all of QEMU has no role to compare here"),
        (f"{QEMU} cancel ctx_attached(«node») forbid drained_begin",
         "a rule about all of QEMU has no role to compare here"),
    ],
)  # fmt: skip
def test_a_rule_about_all_of_qemu_is_of_no_role(clauses: str, said: str) -> None:
    assert complaints("qemu", FORBIDS, clauses) == [said]


@pytest.mark.parametrize(
    ("subject", "clauses", "said", "expected", "nearest"),
    [
        ("node", f"{NODE} forbid guest_io(«nodes»)", "guest_io has no role 'nodes'",
         "blk, ctx, flags, length, node, offset, request, thread", "node"),
        ("job", "open job_running(«coroutine») close job_exit(job) forbid guest_io",
         "job_running has no role 'coroutine' here", "job, thread", ""),
        ("node", f"{NODE} forbid guest_io(node, «count» = 1)", "guest_io has no role 'count'",
         "blk, ctx, flags, length, node, offset, request, thread", ""),
    ],
)  # fmt: skip
def test_a_role_that_a_word_has_not_is_told_with_those_that_it_has(
    subject: str, clauses: str, said: str, expected: str, nearest: str
) -> None:
    told = complaints(subject, FORBIDS, clauses)
    assert told[:2] == [said, f"expected: {expected}"]
    assert [t for t in told if t.startswith("did you mean")] == ([f"did you mean {nearest}?"] if nearest else [])
    assert set(expected.split(", ")) <= {*ROLES, "thread"}


# conditions


@pytest.mark.parametrize(
    ("subject", "clauses", "lacking", "expected"),
    [
        ("node", f"{NODE} forbid guest_io(ctx = open.«ctx»)", "ctx", "node, thread"),
        ("node", "open drained_begin(node) or drained(node) close drained_end(node) forbid drained_end(count = "
         "open.«count»)", "count", "node, thread"),
        ("job", f"{JOB} forbid job_io(job != open.«jobs»)", "jobs", "job, node"),
        ("job", f"{JOB} forbid job_io(thread != open.«thread»)", "thread", "job, node"),
        ("qemu", f"{QEMU} forbid drained_begin(node = open.«node»)", "node", "thread"),
    ],
)  # fmt: skip
def test_the_opening_can_be_asked_only_for_what_it_has(subject: str, clauses: str, lacking: str, expected: str) -> None:
    told = complaints(subject, FORBIDS, clauses)
    assert told[:2] == [f"the opening has no role {lacking!r}", f"expected: {expected}"]
    assert ("did you mean job?" in told) == (lacking == "jobs")


def test_what_all_openings_have_can_be_asked_of_any() -> None:
    opens = "open drained_begin(node) or drained_end(node) close ctx_attached(node)"
    assert pattern_of("node", FORBIDS, f"{opens} forbid drained_begin(count > open.count)").endswith("open.count)")


@pytest.mark.parametrize(
    "clauses",
    [
        "open drained_begin(node, count = open.«count») close drained_end(node) forbid guest_io(node)",
        "open drained(node) close drained_end(node, count = open.«count») forbid guest_io(node)",
        f"{NODE} cancel ctx_attached(node, ctx = open.«ctx») forbid guest_io(node)",
        "open drained(node) after drained_begin(node, count = open.«count») close drained_end(node) forbid guest_io",
    ],
)
def test_an_edge_cannot_be_compared_with_the_opening(clauses: str) -> None:
    said = complaints("node", FORBIDS, clauses)
    assert said == ["only what happens inside a window can be compared with its opening"]


@pytest.mark.parametrize(
    ("clauses", "said", "expected"),
    [
        (f'{NODE} forbid guest_io(offset = «"1"»)', "offset is compared with the wrong kind of value",
         ["expected: a whole number"]),
        (f"{NODE} forbid job_state(state = «1»)", "state is compared with the wrong kind of value",
         ["expected: text in double quotes"]),
        (f'{NODE} forbid job_state(state «>=» "x")', "text can only be compared with = and !=", []),
    ],
)  # fmt: skip
def test_a_role_is_compared_with_its_kind_of_value(clauses: str, said: str, expected: list[str]) -> None:
    assert complaints("node", FORBIDS, clauses) == [said, *expected]


def test_values_are_understood_as_they_are_written() -> None:
    (clause,) = built(("guest_io(node)", 'guest_io(node, offset >= -5) or job_state(state != "a \\"b\\"")')).windows
    assert [c for p in clause.forbid for c in p.conditions] == [
        Condition("offset", ">=", -5), Condition("state", "!=", 'a "b"'),
    ]  # fmt: skip


# what only some windows can have


@pytest.mark.parametrize(
    ("subject", "template", "clauses", "name"),
    [
        ("node", FORBIDS, f"{NODE} «confirm ctx_attached(node)» allow guest_read forbid guest_io(node)", "confirm"),
        ("node", FORBIDS, f"{NODE} «excuse copied» forbid guest_io(node)", "excuse"),
        ("job", RUNS, f"{JOB} «confirm job_completed(job)» run job_exit(job) on same thread", "confirm"),
    ],
)
def test_only_windows_of_jobs_are_confirmed_and_excused(subject: str, template: str, clauses: str, name: str) -> None:
    said = complaints(subject, template, clauses)
    assert said == [f"only windows of jobs that forbid or disprove can have {name}"]


@pytest.mark.parametrize(
    ("template", "clauses"),
    [
        (LASTS, "open guest_taken_up(request) «close guest_reached(request)» lasts 3 s"),
        (LASTS, "open guest_taken_up(request) restarts «close guest_reached(request)» cancel vm_stopped lasts 3 s"),
        (LASTS, "open guest_taken_up(request) nests «close guest_reached(request)» lasts 3 s"),
        (LASTS, "open guest_taken_up(request) restarts «close guest_reached(request)» lasts 3 s starves guest_io"),
        (FORBIDS, "open guest_taken_up(request) restarts «close guest_reached(request)» forbid guest_io"),
    ],
)
def test_reaching_the_node_closes_only_windows_of_requests_that_restart(template: str, clauses: str) -> None:
    assert complaints("request", template, clauses) == [
        "guest_reached closes only windows of requests that restart",
        "example: open guest_taken_up(request) restarts close guest_reached(request) lasts 30 s",
    ]


def test_and_of_those_it_does() -> None:
    clauses = "open guest_taken_up(request) restarts close guest_reached(request) lasts 3 s"
    assert pattern_of("request", LASTS, clauses) == "guest_taken_up(request)"
