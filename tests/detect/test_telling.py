"""From judged windows to findings: their titles, their order, and that nothing is told twice."""

from __future__ import annotations

import pytest

from tests.detect.ruled import NAME, Tale, inside, rule, scan, told
from tests.timeline.story import BLOCK, DISK, IO_THREAD, OTHER_DRIVE, instrumented
from traceview.detect.telling import findings_of, told_once
from traceview.findings import Evidence, Happening, Request, Severity, Verdict, Window
from traceview.rules import EXIT_RULE, RuleSet, load_rules
from traceview.rules.standing import State
from traceview.timeline.marks import Mark
from traceview.vocabulary import Dating, Op

CLOSER = "closer-rule"
CLAUSES = "open drained(node) close drained_end(node) forbid guest_io(node)"
RULES = RuleSet([rule(CLAUSES, more=f"yields to {CLOSER}"), rule(CLAUSES, name=CLOSER)])


def mark(record: int) -> Mark:
    return Mark(record, record + 1, 0, record * 1000, 1, "an_event", 0)


def request(record: int, offset: int = 0, op: Op = Op.WRITE, *, held_back: bool = False) -> Request:
    return Request(op, offset, BLOCK, 0xD1, "drive0", DISK, held_back, mark(record))


def window(
    rule_id: str, first: int | None, last: int | None, *requests: Request, happened: tuple[int, ...] = (),
    verdict: Verdict = Verdict.VIOLATED,
) -> Window:  # fmt: skip
    return Window(
        rule=rule_id, evidence=Evidence.EXACT, verdict=verdict, reason="", job=0, job_kind="", node=DISK, target=0,
        pivoted=False, open=mark(first) if first is not None else None,
        close=mark(last) if last is not None else None, shape=None, shape_reason="", requests=list(requests),
        subject="node", key=DISK, happenings=[Happening(mark(r), "an_event") for r in happened],
    )  # fmt: skip


def kept(*windows: Window) -> list[tuple[str, list[int], list[int]]]:
    """Return rule, requests and happenings (by their records) of the windows that are told."""
    return [
        (w.rule, [r.mark.record for r in w.requests], [h.mark.record for h in w.happenings])
        for w in told_once(list(windows), RULES)
    ]


# what is told once


def test_what_a_rule_tells_more_closely_is_not_told_again() -> None:
    assert kept(window(NAME, 10, 20, request(15)), window(CLOSER, 12, 18, request(15))) == [(CLOSER, [15], [])]


def test_what_it_does_not_tell_is_told_by_the_other() -> None:
    own = window(NAME, 10, 20, request(11), request(15, BLOCK))
    assert kept(own, window(CLOSER, 12, 18, request(15, BLOCK))) == [(NAME, [11], []), (CLOSER, [15], [])]


def test_a_request_is_known_again_by_another_of_its_steps() -> None:
    assert kept(window(NAME, 10, 20, request(16)), window(CLOSER, 12, 18, request(15))) == [(CLOSER, [15], [])]


@pytest.mark.parametrize(
    "other", [request(15, BLOCK), request(15, op=Op.READ), request(15, held_back=True)], ids=["place", "op", "held"]
)
def test_a_request_of_another_place_or_operation_is_another(other: Request) -> None:
    assert kept(window(NAME, 10, 20, request(16)), window(CLOSER, 12, 18, other)) == [
        (NAME, [16], []), (CLOSER, [15], []),
    ]  # fmt: skip


@pytest.mark.parametrize("record", [11, 19])
def test_nor_is_a_request_at_the_same_place_that_stands_outside_of_the_other_window(record: int) -> None:
    assert (NAME, [record], []) in kept(window(NAME, 10, 20, request(record)), window(CLOSER, 12, 18, request(15)))


@pytest.mark.parametrize(("first", "last"), [(None, 18), (12, None)])
def test_a_window_without_an_edge_goes_on_to_the_end_of_the_trace(first: int | None, last: int | None) -> None:
    assert kept(window(NAME, 10, 20, request(16)), window(CLOSER, first, last, request(15))) == [(CLOSER, [15], [])]


def test_a_rule_that_yields_to_nobody_tells_all_it_found() -> None:
    assert kept(window(CLOSER, 10, 20, request(15)), window(NAME, 12, 18, request(15))) == [(CLOSER, [15], [])]
    alone = RuleSet([rule(CLAUSES), rule(CLAUSES, name=CLOSER)])
    both = [window(CLOSER, 10, 20, request(15)), window(NAME, 12, 18, request(15))]
    assert [w.rule for w in told_once(both, alone)] == [CLOSER, NAME]


@pytest.mark.parametrize("verdict", [Verdict.CLEAN, Verdict.GUARDED, Verdict.INCONCLUSIVE])
def test_only_what_is_violated_gives_way_and_only_to_what_is_violated(verdict: Verdict) -> None:
    held = request(15, held_back=True)
    assert kept(window(NAME, 10, 20, request(15)), window(CLOSER, 12, 18, held, verdict=verdict)) == [
        (NAME, [15], []), (CLOSER, [15], []),
    ]  # fmt: skip
    assert kept(window(NAME, 10, 20, held, verdict=verdict), window(CLOSER, 12, 18, request(15))) == [
        (NAME, [15], []), (CLOSER, [15], []),
    ]  # fmt: skip


def test_a_window_of_which_only_what_was_held_back_is_left_is_left_out() -> None:
    own = window(NAME, 10, 20, request(13, BLOCK, held_back=True), request(15))
    assert kept(own, window(CLOSER, 12, 18, request(15))) == [(CLOSER, [15], [])]


def test_happenings_are_known_again_by_their_record() -> None:
    own, other = window(NAME, 10, 20, happened=(14, 15)), window(CLOSER, 12, 18, happened=(15, 16))
    assert kept(own, other) == [(NAME, [], [14]), (CLOSER, [], [15, 16])]
    assert kept(window(NAME, 10, 20, happened=(15,)), other) == [(CLOSER, [], [15, 16])]


def test_windows_come_in_the_order_of_their_opening_and_without_one_in_that_of_their_closing() -> None:
    told = kept(
        window(CLOSER, 30, 31, request(30)), window(CLOSER, None, 20, request(30, BLOCK)), window(CLOSER, 10, 40),
        window(CLOSER, 20, 50, request(40)),
    )  # fmt: skip
    assert [requests for _, requests, _ in told] == [[], [30], [40], [30]]


def test_in_a_scan_the_two_steps_of_one_request_are_told_by_the_closer_rule_alone() -> None:
    story = instrumented()
    story.reach("preadv", node=DISK)
    story.reach("pwritev", node=DISK)
    story.start()
    story.look()
    story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1")
    story.say(f"bdrv_drained_begin_done bs 0x{DISK:x}")
    story.defer()
    write = story.write(8 * BLOCK)
    story.reach("pwritev", 8 * BLOCK, node=DISK)
    story.leave()
    late = story.reach("preadv", 9 * BLOCK, node=DISK)
    story.say(f"bdrv_drained_end bs 0x{DISK:x} quiesce_counter 0")
    rules = load_rules(plugins=False).choose([EXIT_RULE, "drained-node-guest-io"])
    found = {w.rule: inside(w) for w in scan(story, *rules).windows}
    assert found == {EXIT_RULE: [write], "drained-node-guest-io": [late]}


# findings


def test_a_finding_is_called_by_its_subject_the_devices_and_the_title_of_its_rule() -> None:
    tale = told()
    tale.drained()
    for blk in (OTHER_DRIVE, 0xD1, OTHER_DRIVE):
        tale.write(blk=blk)
    tale.end()
    (finding,) = scan(tale, rule(CLAUSES, more='label "LP 1" see "here", "there"')).findings
    assert finding.title == f"node 0x{DISK:x} on drive0, drive1: a promise"
    assert (finding.rule, finding.window, finding.requests, finding.happenings) == (NAME, 0, (0, 1, 2), ())
    assert (finding.severity, finding.label, finding.references) == (
        Severity.BROKEN_PROMISE, "LP 1", ("here", "there"),
    )  # fmt: skip


def test_what_happened_without_a_request_names_no_device() -> None:
    tale = told()
    tale.lock()
    tale.begin()
    tale.unlock()
    own = rule("open graph_locked close graph_unlocked forbid drained_begin", subject="qemu")
    (finding,) = scan(tale, own).findings
    assert (finding.title, finding.requests, finding.happenings) == ("qemu: a promise", (), (0,))


def test_only_violated_windows_are_findings_and_each_knows_its_window() -> None:
    windows = [window(NAME, 1, 2, verdict=v) for v in Verdict]
    (finding,) = findings_of(windows, RULES, Dating.given("7.2"))
    assert windows[finding.window].verdict is Verdict.VIOLATED


def test_a_finding_is_certain_as_soon_as_anything_in_it_is() -> None:
    def certain(*us: int) -> bool:
        tale = told()
        start = tale.us + 10
        tale.drained(us=start)
        for at in us:
            tale.submit("pwritev", tid=IO_THREAD, us=start + at)
        tale.end(us=start + 1000)
        (finding,) = scan(tale, rule(CLAUSES)).findings
        return finding.certain

    assert not certain(0)
    assert not certain(0, 1000)
    assert certain(0, 500)


def test_a_happening_can_make_it_certain_too() -> None:
    tale = Tale()
    tale.cast()
    tale.lock()
    tale.begin(tid=IO_THREAD, us=tale.us)
    tale.unlock()
    own = rule("open graph_locked close graph_unlocked forbid drained_begin", subject="qemu")
    assert [f.certain for f in scan(tale, own).findings] == [False]
    tale = Tale()
    tale.lock()
    tale.begin()
    tale.unlock()
    assert [f.certain for f in scan(tale, own).findings] == [True]


@pytest.mark.parametrize(("qemu", "state"), [("2.7", State.AFFECTED), ("2.9", State.FIXED), ("2.5", State.UNLISTED)])
def test_a_finding_says_what_is_known_of_the_release(qemu: str, state: State) -> None:
    rules = RuleSet([rule(CLAUSES, more='affects 2.6 until 2.8 fixed by "0123456789"')])
    (finding,) = findings_of([window(NAME, 1, 2)], rules, Dating.given(qemu))
    assert finding.standing is not None
    assert finding.standing.state is state
