"""Formats that lose records without a mark: what was seen is told, and nothing is clean. The traces are synthetic."""

from __future__ import annotations

from tests.detect.test_judge import deferred
from tests.timeline.story import Story, exits
from traceview.findings import ScanResult, Verdict

WHY = "syslog may drop lines"


def scan(story: Story, rules: list[str] | None = None) -> ScanResult:
    trace = story.trace()
    trace.lossy = WHY
    return trace.scan(rules)


def test_a_window_without_requests_is_inconclusive_with_the_reason() -> None:
    story = deferred()
    story.leave()
    (window,) = exits(scan(story))
    assert (window.verdict, window.reason) == (Verdict.INCONCLUSIVE, WHY)


def test_a_window_that_held_its_kicks_back_is_no_more_certain() -> None:
    story = deferred()
    story.kick()
    story.take_up("write", 4096)
    story.leave()
    (window,) = exits(scan(story))
    assert window.verdict is Verdict.INCONCLUSIVE


def test_a_write_between_two_edges_that_were_seen_is_told() -> None:
    story = deferred()
    story.write()
    story.leave()
    result = scan(story)
    (window,) = exits(result)
    assert window.verdict is Verdict.VIOLATED
    assert len(result.findings) == 1


def test_a_write_in_a_window_whose_end_may_be_among_the_lost_proves_nothing() -> None:
    story = deferred()
    story.write()
    (window,) = exits(scan(story))
    assert window.verdict is Verdict.INCONCLUSIVE


def test_no_rule_has_clean_windows_listed_or_not() -> None:
    story = deferred()
    story.leave()
    result = scan(story)
    assert not any(w.verdict is Verdict.CLEAN for w in result.windows)
    assert not any(c.unlisted for c in result.traces[0].coverage)
    assert result.inconclusive
