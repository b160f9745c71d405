"""The interleaving as an indented call tree, the way QEMU developers draw it by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.report import RAW, SAMPLES, sample
from traceview.errors import MissingEventsError, UnknownNameError
from traceview.findings import ScanResult
from traceview.fleet import scan_all
from traceview.report.style import Style
from traceview.report.tree import MOST_ROWS, tree_lines

PLAIN = Style(colour=False)
_DRAWN = re.compile(r"(?P<letter>\([abc]\)|   ) (?P<indent> *)(?P<call>.*?) +(?:line|byte) (?P<at>\d+)(?P<when>.*)")
_FRAMES = ("main_loop_wait", "aio_ctx_dispatch", "aio_poll", "qemu_iohandler_poll")
_UNITS = {"ns": 1, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
WITH_FINDINGS = {
    "abort": 1, "cancelled": 1, "lp1570134-case-1": 1, "lp1570134-case-2": 1, "lp1570134-first-diagram": 1,
    "second-door": 3,
    "workaround": 1, "simpletrace-2.6": 2, "stock-4.1-ide-lost-write": 1,
}  # fmt: skip
"""How many findings the log of each sample has."""


@dataclass(frozen=True)
class Drawn:
    """One line of a tree."""

    letter: str
    depth: int
    call: str
    at: int
    when: str


def scan_of(path: Path) -> ScanResult:
    return scan_all([path], keep_witness=True)


def tree_of(scan: ScanResult, number: int = 1, *, whole: bool = False) -> list[str]:
    """Return the lines below the finding's own."""
    lines = list(tree_lines(scan, number, PLAIN, whole=whole))
    return lines[lines.index("") + 1 :]


def drawn(lines: list[str]) -> list[Drawn]:
    out = []
    for line in lines:
        found = _DRAWN.fullmatch(line)
        if found is not None:
            call, depth = found["call"], len(found["indent"]) // 2
            out.append(Drawn(found["letter"].strip(), depth, call, int(found["at"]), found["when"].strip()))
    return out


def calls(lines: list[str]) -> list[tuple[str, int, str]]:
    return [(d.letter, d.depth, re.sub(r" (?:vdev|req|blk|bs|job) .*", "", d.call)) for d in drawn(lines)]


FINDINGS = [(name, number) for name, count in WITH_FINDINGS.items() for number in range(1, count + 1)]


def test_the_list_of_findings_covers_every_sample_that_has_some() -> None:
    counts = {p.parent.name: len(scan_all([p]).findings) for p in SAMPLES.glob("*/trace.log")}
    assert {name: n for name, n in counts.items() if n} == WITH_FINDINGS


@pytest.mark.parametrize(("name", "number"), FINDINGS)
def test_a_b_and_c_stand_on_the_lines_of_the_window(name: str, number: int) -> None:
    scan = scan_of(sample(name))
    window = scan.windows[scan.findings[number - 1].window]
    assert window.open is not None
    assert window.close is not None
    found = [(d.letter, d.at) for d in drawn(tree_of(scan, number)) if d.letter]
    requests = [("(b)", window.requests[i].mark.line) for i in window.violating]
    assert found == [("(a)", window.open.line), *requests, ("(c)", window.close.line)]


@pytest.mark.parametrize(("name", "number"), FINDINGS)
def test_every_line_of_a_tree_is_the_line_of_the_trace_that_it_names(name: str, number: int) -> None:
    text = sample(name).read_text(encoding="utf-8").split("\n")
    lines = drawn(tree_of(scan_of(sample(name)), number))
    assert len(lines) >= 10
    for line in lines:
        record = text[line.at - 1].split(":", 1)[1]
        call = re.sub(r"^\d+ ", "", line.call)  # the thread, where there are several
        if call.startswith(_FRAMES):
            assert record.split(" ")[0] == call.split(" ")[0]
        else:
            assert record == call


def time_ns(line: str) -> int:
    seconds, micros = line.split("@", 1)[1].split(":", 1)[0].split(".")
    return int(seconds) * 1_000_000_000 + int(micros) * 1_000


@pytest.mark.parametrize(("name", "number"), FINDINGS)
def test_times_count_from_a(name: str, number: int) -> None:
    text = sample(name).read_text(encoding="utf-8").split("\n")
    lines = drawn(tree_of(scan_of(sample(name)), number))
    (a,) = [line for line in lines if line.letter == "(a)"]
    assert a.when == "0 µs"
    for line in lines:
        value, unit = line.when.split(" ")
        span = time_ns(text[line.at - 1]) - time_ns(text[a.at - 1])
        assert float(value) * _UNITS[unit] == pytest.approx(span, rel=0.006)


@pytest.mark.parametrize(("name", "number"), FINDINGS)
def test_lines_stand_in_the_order_of_the_trace(name: str, number: int) -> None:
    places = [d.at for d in drawn(tree_of(scan_of(sample(name)), number))]
    assert places == sorted(places)


def test_case_2_is_drawn_as_the_founding_report_draws_it() -> None:
    assert calls(tree_of(scan_of(sample("lp1570134-case-2")))) == [
        ("", 0, "main_loop_wait # 126"),
        ("", 1, "aio_ctx_dispatch (qemu_aio_context)"),
        ("", 2, "aio_poll (qemu_aio_context)"),
        ("", 2, "bdrv_drained_begin_done"),
        ("(a)", 2, "block_job_defer_to_main_loop"),
        ("", 0, "main_loop_wait # 127"),
        ("", 1, "aio_ctx_dispatch (iohandler_ctx)"),
        ("", 2, "virtio_queue_host_notifier_read"),
        ("", 3, "virtio_blk_handle_write"),
        ("(b)", 3, "blk_aio_writev"),
        ("", 1, "aio_ctx_dispatch (qemu_aio_context)"),
        ("", 2, "block_job_defer_to_main_loop_bh"),
        ("(c)", 2, "mirror_exit"),
    ]


def test_case_1_has_b_in_a_dispatch_of_iohandler_ctx_in_the_iteration_of_a() -> None:
    seen = calls(tree_of(scan_of(sample("lp1570134-case-1"))))
    iterations = [i for i, (_, depth, _) in enumerate(seen) if depth == 0]
    assert [seen[i][2] for i in iterations] == ["main_loop_wait # 166", "main_loop_wait # 167"]
    dispatch = seen.index(("", 1, "aio_ctx_dispatch (iohandler_ctx)"))
    letters = [(i, letter, depth) for i, (letter, depth, _) in enumerate(seen) if letter]
    assert [(letter, depth) for _, letter, depth in letters] == [("(a)", 2), *[("(b)", 3)] * 8, ("(c)", 2)]
    assert letters[0][0] < dispatch < letters[1][0]
    assert letters[-2][0] < iterations[1] < letters[-1][0]


def test_the_first_diagram_has_b_in_qemu_iohandler_poll_after_a() -> None:
    seen = calls(tree_of(scan_of(sample("lp1570134-first-diagram"))))
    poll = seen.index(("", 1, "qemu_iohandler_poll"))
    a = seen.index(("(a)", 3, "block_job_defer_to_main_loop"))
    notifier = seen.index(("", 2, "virtio_queue_host_notifier_read"))
    first_b = seen.index(("(b)", 3, "blk_aio_writev"))
    assert a < poll < notifier < first_b
    assert {depth for letter, depth, _ in seen if letter == "(b)"} == {3}


def test_the_second_door_has_the_drain_between_a_and_b() -> None:
    seen = [call for _, _, call in calls(tree_of(scan_of(sample("second-door"))))]
    order = ["bdrv_drained_begin", "aio_ctx_dispatch (iohandler_ctx)", "blk_aio_writev", "bdrv_drained_begin_done"]
    assert [c for c in seen if c in order] == order


def test_the_binary_of_a_run_draws_the_tree_of_its_log() -> None:
    binary = scan_all(
        [sample("simpletrace-2.6", "trace.bin")],
        trace_events=sample("simpletrace-2.6", "trace-events"),
        keep_witness=True,
    )
    log = scan_of(sample("simpletrace-2.6"))
    for number in (1, 2):
        assert [(d.letter, d.depth, d.call) for d in drawn(tree_of(binary, number))] == [
            (d.letter, d.depth, d.call) for d in drawn(tree_of(log, number))
        ]
    assert all(" byte " in line for line in tree_of(binary))


def test_threads_are_named_where_there_are_several() -> None:
    seen = drawn(tree_of(scan_of(sample("stock-4.1-ide-lost-write"))))
    text = sample("stock-4.1-ide-lost-write").read_text(encoding="utf-8").split("\n")
    assert len({line.call.split(" ")[0] for line in seen}) > 1
    assert all(text[line.at - 1].startswith(line.call.split(" ")[0] + "@") for line in seen)


def test_places_and_times_stand_in_columns() -> None:
    lines = [line for line in tree_of(scan_of(sample("lp1570134-case-1"))) if " line " in line]
    assert len({line.index(" line ") for line in lines}) == 1
    assert len({len(line) for line in lines}) == 1


def crowded(folder: Path, copies: int) -> Path:
    """Write the sample of case 2 with many requests in its window in place of one."""
    lines = sample("lp1570134-case-2").read_bytes().splitlines(keepends=True)
    again = lines[316:319]
    assert b"host_notifier_read" in again[0]
    assert b"blk_aio_writev" in again[2]
    # All at one time: records of the same times once more would be a copy of a stretch of the log, and count once.
    prefix = again[2].split(b":", 1)[0]
    again = [prefix + b":" + line.split(b":", 1)[1] for line in again]
    path = folder / "crowded.log"
    path.write_bytes(b"".join([*lines[:316], *again * copies, *lines[319:]]))
    return path


def test_a_long_window_is_shortened_and_keeps_a_c_and_the_first_b(tmp_path: Path) -> None:
    scan = scan_of(crowded(tmp_path, 300))
    (finding,) = scan.findings
    window = scan.windows[finding.window]
    assert window.witness is not None
    lines = tree_of(scan)
    seen = drawn(lines)
    assert len(seen) <= MOST_ROWS < len(window.witness)
    assert [d.letter for d in seen if d.letter in ("(a)", "(c)")] == ["(a)", "(c)"]
    first = window.requests[0].mark.line
    assert [d.at for d in seen if d.letter == "(b)"][:3] == [first, first + 3, first + 6]
    depth = {d.at: d.depth for d in drawn(tree_of(scan, whole=True))}
    assert all(depth[d.at] == d.depth for d in seen)


def test_a_shortened_tree_says_how_much_it_leaves_out(tmp_path: Path) -> None:
    scan = scan_of(crowded(tmp_path, 300))
    lines = tree_of(scan)
    counted = sum(int(n) for n in re.findall(r"^ +… (\d+) records?$", "\n".join(lines), re.MULTILINE))
    total = re.fullmatch(r"(\d+) of (\d+) records are not shown; --all shows them", lines[-1])
    assert total is not None
    assert int(total[1]) == counted > 0
    witness = scan.windows[scan.findings[0].window].witness
    assert witness is not None
    assert int(total[2]) == len(witness)


def test_a_shortened_tree_shows_the_calls_that_c_stands_in(tmp_path: Path) -> None:
    lines = sample("lp1570134-case-2").read_bytes().splitlines(keepends=True)
    assert b"aio_ctx_dispatch " in lines[320]
    filler = lines[304:305]
    assert b"bdrv_drained_begin " in filler[0]
    path = tmp_path / "deep.log"
    path.write_bytes(b"".join([*lines[:320], *filler * 9, lines[320], *filler * 300, *lines[321:]]))
    seen = calls(tree_of(scan_of(path)))
    *_, before, dispatch, last = [call for call in seen if call[0] == "(c)" or call[2].startswith(_FRAMES)]
    assert before == ("", 1, "aio_ctx_dispatch (iohandler_ctx)")
    assert dispatch == ("", 1, "aio_ctx_dispatch (qemu_aio_context)")
    assert last == ("(c)", 2, "mirror_exit")


def test_all_of_a_long_window_is_shown_on_demand(tmp_path: Path) -> None:
    lines = tree_of(scan_of(crowded(tmp_path, 300)), whole=True)
    assert sum(d.letter == "(b)" for d in drawn(lines)) == 300
    assert "not shown" not in lines[-1]


def test_a_window_of_up_to_200_records_is_shown_whole(tmp_path: Path) -> None:
    scan = scan_of(crowded(tmp_path, 50))
    assert tree_of(scan) == tree_of(scan, whole=True)


@pytest.mark.parametrize("number", [-1, 0, 2])
def test_a_finding_that_is_none_is_an_error_that_says_which_there_are(number: int) -> None:
    with pytest.raises(UnknownNameError, match=rf"no finding {number}: the findings are 1 to 1"):
        tree_of(scan_of(sample("lp1570134-case-2")), number)


def test_a_scan_without_findings_has_none_to_show() -> None:
    with pytest.raises(UnknownNameError, match="no finding 1: the scan found nothing"):
        tree_of(scan_of(sample("fixed")))


def test_a_scan_that_kept_no_records_cannot_be_drawn() -> None:
    with pytest.raises(MissingEventsError, match="without its surroundings"):
        tree_of(scan_all([sample("lp1570134-case-2")]))


def test_names_that_the_trace_gives_are_drawn_harmless(tmp_path: Path) -> None:
    raw = sample("lp1570134-case-2").read_bytes()
    evil = b"qemu\x1b[31m_\xe2\x80\xae\xff"
    path = tmp_path / "evil.log"
    path.write_bytes(raw.replace(b"name qemu_aio_context", b"name " + evil).replace(b"name drive0", b"name " + evil))
    lines = list(tree_lines(scan_of(path), 1, PLAIN, whole=True))
    assert "aio_ctx_dispatch (qemu\\x1b[31m_\\u202e\\xff)" in "\n".join(lines)
    assert "on qemu\\x1b[31m_\\u202e\\xff " in lines[0]
    assert not [line for line in lines if any(c in line for c in RAW)]


def test_records_are_drawn_harmless(tmp_path: Path) -> None:
    lines = sample("lp1570134-case-2").read_bytes().splitlines(keepends=True)
    prefix = lines[317].split(b":", 1)[0]
    evil = prefix + b':bdrv_open_common bs 0x1 filename "\x1b[2J\xe2\x80\xae\xff.img" flags 0x2 format_name "raw"\n'
    path = tmp_path / "evil.log"
    path.write_bytes(b"".join([*lines[:317], evil, *lines[317:]]))
    drawing = tree_of(scan_of(path))
    assert [line for line in drawing if 'filename "\\x1b[2J\\u202e\\xff.img"' in line]
    assert not [line for line in drawing if any(c in line for c in RAW)]


def test_b_is_painted_where_colour_is_wanted() -> None:
    scan = scan_of(sample("lp1570134-case-2"))
    painted = [line for line in tree_lines(scan, 1, Style(colour=True), whole=False) if "\x1b[31;1m(b)" in line]
    assert len(painted) == 1


def test_a_bottom_half_scheduled_by_a_worker_does_not_end_the_read_of_a_notifier() -> None:
    path = Path(__file__).parents[2] / "sample-traces" / "cancelled" / "trace.log"
    lines = list(tree_lines(scan_all([path], keep_witness=True), 1, Style(colour=False), whole=True))
    submitted = [line for line in lines if line.startswith("(b)")]
    assert len(submitted) > 1
    assert {len(line[4:]) - len(line[4:].lstrip()) for line in submitted} == {6}
