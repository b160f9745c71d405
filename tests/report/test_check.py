"""The health of traces in words: what a person reads, made harmless."""

from __future__ import annotations

from dataclasses import replace

from tests.timeline.story import Story, instrumented, trace_of
from traceview.detect.health import Health
from traceview.events import NO_TIME
from traceview.health import check
from traceview.report.check import check_lines, moment
from traceview.report.style import Style

PLAIN = Style(colour=False)


def lines_of(*checked: Health, top: int = 10) -> list[str]:
    return list(check_lines(checked, PLAIN, top=top))


def fact(lines: list[str], name: str) -> str:
    (line,) = (x for x in lines if x.startswith(f"  {name} "))
    return line.removeprefix(f"  {name}").strip()


def told() -> Story:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.leave()
    return story


def test_a_healthy_trace_says_what_was_read_and_how() -> None:
    lines = lines_of(check(told().trace()))
    assert lines[0] == "synthetic"
    assert fact(lines, "format").startswith("log, ")
    assert "by its beginning: log 0.9" in fact(lines, "format")
    assert fact(lines, "records") == "13 on 13 lines; 0 other lines, 0 refused"
    assert fact(lines, "time").startswith("2020-09-13T12:26:40.000010Z to 2020-09-13T12:26:40.000130Z")
    assert "time steps back within a process or thread never" in fact(lines, "order")
    assert fact(lines, "threads") == "1: 1000 (13)"
    assert lines[-2] == "  ✓ healthy"


def test_what_is_missing_is_told_by_cause_and_one_by_one_up_to_a_number() -> None:
    story = told()
    for count in (3, 4):
        story.lose(count)
        story.write()
    lines = lines_of(check(story.binary()), top=1)
    (words,) = (x for x in lines if x.startswith("  gap dropped: "))
    assert words.startswith("  gap dropped: 2, lacking 7 records, the largest at byte ")
    assert sum(line.startswith("    byte ") for line in lines) == 1
    assert "    1 more (see --format json, --top)" in lines
    assert lines[-2] == "  ! not healthy: 2 gaps (dropped)"


def test_a_refused_line_is_shown_with_what_the_grammar_expected_and_a_caret() -> None:
    data = told().log() + b"1000@1600000001.000001:mirror_start bs 0xb1 s garbage opaque (nil)\n"
    lines = lines_of(check(trace_of(data)))
    at = next(i for i, line in enumerate(lines) if line.startswith("  refused at line 14: "))
    assert "expected" in lines[at]
    assert lines[at + 2].strip() == "^"
    assert lines[at + 1].index("garbage") == lines[at + 2].index("^")


def test_what_silence_means_is_told_or_why_it_means_nothing() -> None:
    assert fact(lines_of(check(told().trace())), "silence").startswith("means something for mirror-exit-guest-io")
    empty = lines_of(check(Story().cast().trace()))
    assert fact(empty, "silence") == "means nothing: no rule had a window to judge"


def test_a_trace_without_times_and_threads_says_so() -> None:
    lines = lines_of(check(told().trace(prefix=False)))
    assert fact(lines, "order") == "not told: records have no time"
    assert fact(lines, "threads") == "not told"
    assert not any(line.startswith(("  time ", "  rate ")) for line in lines)


def test_names_and_paths_from_outside_cannot_steer_the_terminal() -> None:
    health = check(told().trace())
    health.read = replace(health.read, path="vm\x1b[2J\u202e.log")
    health.stats.names["ev\x1bil_event"] = 10**6
    text = "\n".join(lines_of(health))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "vm\\x1b[2J\\u202e.log" in text


def test_several_traces_have_a_line_each_at_the_end() -> None:
    sick = told()
    sick.lose(1)
    sick.write()
    lines = lines_of(check(told().trace()), check(sick.binary()))
    assert lines[-3:] == [
        "2 traces: 1 healthy, 1 not, 27 records",
        "  ✓ synthetic: healthy",
        "  ! synthetic: 1 gap (dropped)",
    ]


def test_a_time_is_a_date_for_a_wall_clock_and_seconds_for_any_other() -> None:
    assert moment(1_500_000_000, "wall clock in ns") == "1970-01-01T00:00:01.500000Z"
    assert moment(1_500_000_000, "monotonic") == "1.500000 s"
    assert moment(NO_TIME, "wall clock") == "?"
    assert moment((1 << 63) - 1, "wall clock").startswith("2262-04-11")
    assert moment(-(1 << 62), "wall clock").endswith(" s")
