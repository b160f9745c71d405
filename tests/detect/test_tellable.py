"""What a trace tells: the rules that it can judge are those that a scan of it judges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import SAMPLES
from tests.timeline.story import instrumented, stock
from traceview.api import open
from traceview.rules import EXIT_RULE, Evidence, load_rules
from traceview.vocabulary import Meaning

LOGS = sorted(SAMPLES.glob("*/trace.log"))


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.parent.name)
def test_what_cannot_be_judged_is_what_a_scan_had_no_windows_of(path: Path) -> None:
    trace = open(path)
    told = {r.rule.id: r for r in trace.tells().rules}
    coverage = trace.scan().traces[0].coverage
    assert list(told) == [c.rule for c in coverage]
    for covered in coverage:
        can = told[covered.rule].can
        assert can or not covered.windows or told[covered.rule].rule.must_judge
        if can and not covered.windows:
            assert not covered.events
        if not can and not covered.windows and covered.events:
            assert told[covered.rule].lacks == covered.events


def test_each_event_is_counted_under_what_it_means() -> None:
    story = instrumented()
    story.start()
    story.defer()
    story.write()
    story.write()
    story.leave()
    story.say("mirror_yield_in_flight s 0xa1 offset 0 in_flight 1")
    told = story.trace().tells([EXIT_RULE])
    assert told.events["blk_aio_pwritev"] == story.log().count(b":blk_aio_pwritev ") > 2
    assert told.meanings[Meaning.SUBMIT] == sum(told.events[n] for n in told.events if n.startswith("blk_aio_"))
    assert told.unknown == {"mirror_yield_in_flight": 1}
    assert [(r.rule.id, r.can, r.clause.evidence) for r in told.rules] == [(EXIT_RULE, True, Evidence.EXACT)]


def test_a_rule_that_cannot_be_judged_says_what_would_have_to_be_traced() -> None:
    story = stock()
    story.before_drain()
    (told,) = story.trace().tells(["drained-node-guest-io"]).rules
    assert not told.can
    assert ("bdrv_drained_begin_done",) in told.lacks
    assert ("bdrv_drained_end",) in told.lacks


def test_a_trace_of_one_thread_cannot_judge_where_something_runs() -> None:
    rule = "job-exit-on-foreign-thread"
    sample = SAMPLES / "stock-4.1-ide-lost-write" / "trace.log"
    assert open(sample).tells([rule]).rules[0].can
    one_thread = b"".join(b"1" + line[line.index(b"@") :] for line in _records(sample))
    from tests.timeline.story import trace_of  # noqa: PLC0415

    (told,) = trace_of(one_thread).tells([rule]).rules
    assert (told.can, told.lacks, told.reason) == (False, (), "the trace does not tell threads apart")


def _records(sample: Path) -> list[bytes]:
    return [x for x in sample.read_bytes().splitlines(keepends=True) if x[:1].isdigit() and b"@" in x]


def test_a_clause_that_holds_for_other_releases_does_not_serve() -> None:
    sample = SAMPLES / "stock-4.1-ide-lost-write" / "trace.log"
    rule = "job-exit-in-anothers-exit"
    assert open(sample).tells([rule], qemu="4.1").rules[0].can
    older = open(sample).tells([rule], qemu="3.0").rules[0]
    assert not older.can
    assert older.clause.evidence is Evidence.EXACT


def test_an_empty_trace_tells_nothing() -> None:
    from tests.timeline.story import trace_of  # noqa: PLC0415

    told = trace_of(b"").tells()
    assert (told.events, told.unknown, told.meanings, told.dating.text) == ({}, {}, {}, None)
    assert len(told.rules) == len(load_rules())
    assert not any(r.can for r in told.rules)
