"""The report of a scan for people: what was found, where to look, what could not be judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.report import HOSTILE, RAW, mark, request, result, sample, summary, window
from tests.report.told import COVERS, known
from traceview.events import Gap
from traceview.findings import Evidence, Extent, ScanResult, Shape, TraceSummary, Unjudged, Verdict, Window
from traceview.fleet import scan_all
from traceview.report.style import Style
from traceview.report.text import request_words, scan_lines
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, load_rules
from traceview.vocabulary import Op

PLAIN = Style(colour=False)


def lines_of(scan: ScanResult) -> list[str]:
    return list(scan_lines(scan, PLAIN))


def report_of(*windows: Window, trace: TraceSummary | None = None) -> list[str]:
    return lines_of(result(*windows, trace=trace))


def line_with(lines: list[str], part: str) -> str:
    (found,) = [line for line in lines if part in line]
    return found


def test_a_finding_tells_what_who_and_where() -> None:
    write = request(kick=mark(11, 26, event="virtio_queue_host_notifier_read"))
    lost = [Extent(8192, 4096)]
    lines = report_of(window(write, lost=lost, target_image="/images/target.raw"))
    assert lines == [
        "✗ DATA LOSS  mirror job 0x10b on drive0   [1] mirror-exit-guest-io · LP 1570134 · exact",
        "  window 626 µs, main_loop_wait 7 → 7, case 1: iohandler_ctx dispatched after the job, same iteration",
        "  (a) line 10              0 µs  block_job_defer_to_main_loop",
        "  (b) line 12            +40 µs  guest write 4096 B at 8192, kick at line 11",
        "  (c) line 20           +626 µs  mirror_exit: guest moved to bs 0xa1 (/images/target.raw)",
        "  target lacks 4096 B in 1 extent: traceview repair brings them back",
        "windows: 1 checked, 0 clean, 1 violated, 0 inconclusive     (exposure: median 626 µs)",
    ]


def test_the_first_write_is_shown_before_a_read_that_came_earlier() -> None:
    reads = [request(Op.READ, at=mark(n, n), offset=0) for n in (11, 12)]
    lines = report_of(window(*reads, request(at=mark(13, 13)), request(at=mark(14, 14)), request(at=mark(15, 15))))
    assert line_with(lines, "(b)") == "  (b) line 13            +13 µs  guest write 4096 B at 8192"
    assert line_with(lines, "…").strip() == "… 2 more writes, 2 reads"


def test_reads_alone_are_a_broken_promise_and_cost_nothing() -> None:
    lines = report_of(window(request(Op.READ), request(Op.READ, at=mark(13, 50)), request(Op.FLUSH, length=0)))
    assert lines[0].startswith("✗ BROKEN PROMISE  ")
    assert line_with(lines, "…").strip() == "… 1 flush, 1 more read"
    assert not any("lacks" in line for line in lines)


def test_writes_of_all_kinds_come_before_reads() -> None:
    others = [request(op, at=mark(13, 50)) for op in (Op.READ, Op.WRITE_ZEROES, Op.DISCARD, Op.WRITE_ZEROES)]
    lines = report_of(window(request(), *others))
    assert line_with(lines, "…").strip() == "… 1 discard, 2 write zeroes, 1 read"


def test_one_request_alone_has_no_line_of_others() -> None:
    assert not any("…" in line for line in report_of(window(request())))


@pytest.mark.parametrize(("count", "words"), [(1, "1 more request held back"), (3, "3 more requests held back")])
def test_requests_that_had_to_wait_are_counted_apart(count: int, words: str) -> None:
    held = [request(held_back=True, at=mark(15 + i, 60)) for i in range(count)]
    assert line_with(report_of(window(request(), *held)), "held back").strip() == f"{words} until after the window"


def test_a_suppressed_finding_says_by_what() -> None:
    scan = known(result(window(request())), suppression=COVERS)
    lines = lines_of(scan)
    assert line_with(lines, "suppressed") == (
        "  suppressed by known.baseline line 3: the hosts of rack 7 get the fix in March"
    )
    assert [line for line in lines if "suppressed" not in line] == lines_of(result(window(request())))


def test_the_reason_of_a_baseline_is_made_harmless() -> None:
    scan = known(result(window(request())), suppression=replace(COVERS, source=HOSTILE, reason=HOSTILE))
    assert not [line for line in lines_of(scan) if any(raw in line for raw in RAW)]


def test_a_request_whose_order_is_not_certain_is_only_possible() -> None:
    assert request_words(request(doubt="so it is")).endswith(" (possible: so it is)")
    assert "possible" not in request_words(request())


def test_a_request_without_length_names_no_place() -> None:
    assert request_words(request(Op.FLUSH, length=0)) == "guest flush"


def test_a_window_that_the_trace_leaves_open_has_no_c() -> None:
    lines = report_of(window(request(), close=None, pivoted=False, reason="still open at the end of the trace"))
    assert not any("(c)" in line for line in lines)
    assert line_with(lines, "window ?")
    assert line_with(lines, "note: still open at the end of the trace")


def test_a_cancelled_job_leaves_the_guest_where_it_is() -> None:
    lines = report_of(window(request(), pivoted=False))
    assert lines[0].startswith("✗ BROKEN PROMISE  ")
    assert line_with(lines, "(c)").endswith("mirror_exit: the guest stays on its node")


def test_a_trace_that_ends_in_the_switch_does_not_say_that_the_guest_was_moved() -> None:
    lines = report_of(window(request(), ends_in_switch=True))
    assert line_with(lines, "(c)").endswith("mirror_exit: the switch to bs 0xa1 begins")
    assert not any("lacks" in line for line in lines)


def test_what_was_written_again_is_not_lacking() -> None:
    left = report_of(window(request(), lost=[Extent(0, 512), Extent(4096, 512)], rewritten_bytes=4096))
    assert left[-2] == (
        "  target lacks 1024 B in 2 extents (4096 B rewritten since): traceview repair brings them back"
    )
    nothing = report_of(window(request(), rewritten_bytes=4096))
    assert nothing[-2] == "  all 4096 B lost were rewritten since: the target lacks nothing any more"


def test_the_window_before_the_deferral_opens_with_the_last_look_and_closes_before_the_switch() -> None:
    door = window(
        request(),
        rule=FINAL_DRAIN_RULE,
        open=mark(10, event="mirror_before_sleep"),
        close=mark(20, 626, event="block_job_defer_to_main_loop"),
        shape=None,
        opening="job_look",
        closing="job_deferred",
    )
    lines = report_of(door)
    assert line_with(lines, "(a)").endswith("mirror_before_sleep, the last look: no dirty chunk")
    assert line_with(lines, "(c)").endswith("block_job_defer_to_main_loop; later the guest is moved to bs 0xa1")
    assert lines[1] == "  window 626 µs, main_loop_wait 7 → 7"


def test_evidence_of_stock_events_says_what_they_stand_for_and_names_no_shape() -> None:
    stock = window(
        request(),
        evidence=Evidence.PROXY,
        open=mark(10, event="qemu_aio_coroutine_enter", iteration=0),
        shape=Shape.UNCLASSIFIED,
        shape_reason="stock builds do not trace what dispatched the request",
        opening="job_drained",
        closing="job_switched",
    )
    lines = report_of(stock)
    assert lines[0].endswith(" · proxy")
    assert lines[1] == "  window 626 µs"
    assert line_with(lines, "(a)").endswith("qemu_aio_coroutine_enter: the job is back from its final drain")


def test_a_trace_without_times_is_shown_without_them() -> None:
    timeless = window(
        request(at=mark(12, None)), open=mark(10, None, event="block_job_defer_to_main_loop"), close=mark(20, None)
    )
    lines = report_of(timeless)
    assert line_with(lines, "window ?")
    assert line_with(lines, "(b)").split()[:4] == ["(b)", "line", "12", "guest"]
    assert lines[-1] == "windows: 1 checked, 0 clean, 1 violated, 0 inconclusive"


def test_exposure_is_that_of_the_exit_windows_alone() -> None:
    door = window(rule=FINAL_DRAIN_RULE, close=mark(20, 900_000))
    lines = report_of(door, window(close=mark(20, 10)), window(close=mark(20, 30)), window(close=mark(20, 500)))
    assert lines == ["windows: 4 checked, 4 clean, 0 violated, 0 inconclusive     (exposure: median 30 µs)"]


def test_guarded_windows_are_counted_where_there_are_any() -> None:
    guarded = window(request(held_back=True), verdict=Verdict.GUARDED)
    assert report_of(guarded)[-1].startswith("windows: 1 checked, 0 clean, 1 guarded, 0 violated, 0 inconclusive")


def test_inconclusive_windows_are_told_once_for_each_reason() -> None:
    unknown = [window(verdict=Verdict.INCONCLUSIVE, reason=r) for r in ("no close", "a gap", "no close")]
    assert report_of(*unknown)[:2] == [
        f"? INCONCLUSIVE  2 windows of {EXIT_RULE}: no close",
        f"? INCONCLUSIVE  1 window of {EXIT_RULE}: a gap",
    ]


def test_a_rule_that_cannot_be_judged_says_what_to_trace() -> None:
    needs = (("blk_aio_writev", "blk_aio_pwritev"), ("mirror_exit",))
    lines = report_of(trace=summary(unjudged=[Unjudged(EXIT_RULE, "no mirror job is seen", needs)]))
    assert lines[:2] == [
        f"? NOT JUDGED  {EXIT_RULE}: no mirror job is seen",
        "  enable: blk_aio_writev or blk_aio_pwritev, mirror_exit",
    ]


def gap(line: int, text: str = "records dropped") -> Gap:
    return Gap("dropped", 5, line * 80, line, 0, 1, text)


def test_the_first_three_gaps_are_shown_and_the_others_counted() -> None:
    lines = report_of(trace=summary(gaps=[gap(n) for n in range(1, 6)]))
    assert lines[:4] == [*(f"gap at line {n}: records dropped" for n in (1, 2, 3)), "gap: 2 more (see --format json)"]


def test_a_gap_of_a_binary_file_stands_at_a_byte() -> None:
    lines = report_of(trace=summary(gaps=[Gap("cut", 5, 4096, 0, 0, 1, "the file ends 7 bytes into a record")]))
    assert lines[0] == "gap at byte 4096: the file ends 7 bytes into a record"


def test_no_trace_at_all_is_no_window() -> None:
    assert lines_of(ScanResult()) == ["windows: 0 checked, 0 clean, 0 violated, 0 inconclusive"]


def test_several_traces_stand_under_their_paths_each_with_its_own_count() -> None:
    scan = result(window(request()), trace=summary("a.log"))
    scan.merge(result(window(), window(), trace=summary("b.log")))
    lines = lines_of(scan)
    assert lines[0] == "a.log"
    assert lines[1].startswith("✗ DATA LOSS")
    assert line_with(lines, "  windows: 1 checked")
    assert lines[lines.index("b.log") + 1].startswith("  windows: 2 checked, 2 clean")
    assert lines[-2] == "2 traces"
    assert lines[-1].startswith("windows: 3 checked, 2 clean, 1 violated")


def test_findings_of_several_traces_are_numbered_through() -> None:
    scan = result(window(request()), window(request()), trace=summary("a.log"))
    scan.merge(result(window(request()), trace=summary("b.log")))
    numbers = [line.split("[")[1].split("]")[0] for line in lines_of(scan) if line.startswith("✗")]
    assert numbers == ["1", "2", "3"]


def test_one_trace_has_its_path_above_it_only_where_that_is_asked_for() -> None:
    scan = result(window(), trace=summary("logs/vm.log"))
    assert lines_of(scan)[0].startswith("windows:")
    assert next(scan_lines(scan, PLAIN, named=True)) == "logs/vm.log"


def test_nothing_that_a_trace_chose_reaches_the_terminal_as_it_stands() -> None:
    hostile = window(
        request(device=HOSTILE),
        target_image=HOSTILE,
        reason=HOSTILE,
        shape=Shape.UNCLASSIFIED,
        shape_reason=HOSTILE,
        lost=[Extent(0, 1)],
    )
    unknown = window(verdict=Verdict.INCONCLUSIVE, reason=HOSTILE)
    trace = summary(HOSTILE, gaps=[gap(1, HOSTILE)], unjudged=[Unjudged(EXIT_RULE, HOSTILE, (("mirror_exit",),))])
    lines = list(scan_lines(result(hostile, unknown, trace=trace), PLAIN, named=True))
    assert sum(line.count("a\\x1b[31m\\x0d\\x0ab\\u202ec\\u2028\\xff") for line in lines) == 8
    assert not [line for line in lines if any(raw in line for raw in RAW)]


def test_colour_marks_what_was_found_and_nothing_else_changes() -> None:
    scan = result(window(request()))
    painted = "\n".join(scan_lines(scan, Style(colour=True)))
    assert "\x1b[31;1m✗ DATA LOSS\x1b[0m" in painted
    for code in ("\x1b[31;1m", "\x1b[33;1m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted.split("\n") == lines_of(scan)


def test_the_sample_of_case_1_reads_as_its_trace_does() -> None:
    path = sample("lp1570134-case-1")
    text = path.read_bytes().split(b"\n")
    lines = lines_of(scan_all([path]))
    numbers = {line[2:5]: int(line.split()[2]) for line in lines if line.startswith("  (")}
    events = {"(a)": b"block_job_defer_to_main_loop ", "(b)": b"blk_aio_writev ", "(c)": b"mirror_exit "}
    assert set(numbers) == set(events)
    for letter, event in events.items():
        assert event in text[numbers[letter] - 1]
    assert int(line_with(lines, "kick at").split()[-1]) == numbers["(b)"] - 4
    assert b"virtio_queue_host_notifier_read " in text[numbers["(b)"] - 5]


def test_every_finding_names_its_rule_and_its_label() -> None:
    for rule in (EXIT_RULE, FINAL_DRAIN_RULE):
        lines = report_of(window(request(), rule=rule))
        assert f"{rule} · {load_rules()[rule].label} · exact" in lines[0]
