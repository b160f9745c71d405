"""The interleaving as steps: the points first, the calls around them, then what is near, and never too many."""

from __future__ import annotations

import pytest

from tests.report import mark, request, result, sample, window
from traceview.findings import Happening, ScanResult
from traceview.fleet import scan_all
from traceview.report.steps import MOST_POINTS, MOST_STEPS, Interleaving, interleaving, served_by
from traceview.vocabulary import Op


def shown(scan: ScanResult, number: int = 0) -> Interleaving:
    finding = scan.findings[number]
    w = scan.windows[finding.window]
    return interleaving(finding, w, scan.traces[w.trace].contexts)


def of_sample(name: str, file: str = "trace.log", **options: object) -> ScanResult:
    return scan_all([sample(name, file)], keep_witness=True, **options)  # type: ignore[arg-type]


def test_a_short_interleaving_is_told_as_a_whole() -> None:
    told = shown(of_sample("lp1570134-case-2"))
    assert told.left_out == 0
    assert [s.letter for s in told.steps if s.letter] == ["(a)", "(b)", "(c)"]
    records = [s.mark.record for s in told.steps]
    assert records == sorted(set(records))


def test_the_end_of_a_call_is_no_step() -> None:
    assert not [s for s in shown(of_sample("lp1570134-case-1")).steps if "done" in s.words and "drained" not in s.words]


def test_what_runs_a_step_is_named_by_its_thread_and_its_context() -> None:
    stock = shown(of_sample("stock-4.1-ide-lost-write"))
    threads = {s.letter: s.context for s in stock.steps if s.letter}
    assert threads["(a)"] == threads["(c)"] != threads["(b)"]
    assert all(name.startswith("thread:") for name in threads.values())
    diagram = shown(of_sample("lp1570134-first-diagram"))
    assert {s.context for s in diagram.steps if s.letter == "(b)"} == {"main-loop/qemu_iohandler_poll"}


def test_text_and_binary_traces_of_one_run_have_the_same_steps() -> None:
    text = shown(of_sample("simpletrace-2.6"))
    binary = shown(of_sample("simpletrace-2.6", "trace.bin", trace_events=sample("simpletrace-2.6", "trace-events")))
    alike = [[(s.letter, s.context, s.depth, s.frames) for s in told.steps] for told in (text, binary)]
    assert alike[0] == alike[1]


def test_without_a_witness_the_points_are_the_steps_writes_before_reads() -> None:
    reads = [request(Op.READ, at=mark(11 + i, 20)) for i in range(60)]
    write = request(at=mark(90, 500), context="iohandler_ctx")
    told = shown(result(window(*reads, write, close=mark(100, 626))))
    assert len(told.steps) == MOST_STEPS
    assert told.left_out == 63 - MOST_STEPS
    assert [s.mark.line for s in told.steps if "write" in s.words] == [90]
    assert (told.steps[0].letter, told.steps[-1].letter) == ("(a)", "(c)")


def test_happenings_are_points_with_their_doubts() -> None:
    scan = result(window(request(), happenings=[Happening(mark(15), "aio_notify \x1b ctx 0x1", "its order")]))
    scan.findings[0] = type(scan.findings[0])(**{
        **{f: getattr(scan.findings[0], f) for f in ("rule", "severity", "window", "title", "references")},
        "requests": (), "happenings": (0,),
    })  # fmt: skip
    (step,) = [s for s in shown(scan).steps if s.letter == "(b)"]
    assert step.words == "(b) aio_notify \\x1b ctx 0x1 (possible: its order)"


def test_points_beyond_the_records_that_were_kept_are_told_as_well() -> None:
    scan = of_sample("lp1570134-case-1")
    w = scan.windows[scan.findings[0].window]
    whole = shown(scan)
    assert w.witness is not None
    w.witness = w.witness.take(slice(0, 8))
    cut = shown(scan)
    assert [s.mark for s in cut.steps if s.letter] == [s.mark for s in whole.steps if s.letter]


def test_of_very_many_points_some_are_told_and_room_is_left_for_what_is_around(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("many") / "vm.log"
    lines = sample("lp1570134-case-1").read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:354], *[lines[353]] * 200, *lines[354:]]))
    told = shown(scan_all([path], keep_witness=True))
    assert len([s for s in told.steps if s.letter]) == MOST_POINTS
    assert MOST_POINTS < len(told.steps) <= MOST_STEPS
    assert any(s.frames for s in told.steps)
    assert told.left_out > 150


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ("", ""),
        ("iohandler_ctx", "main-loop/aio:iohandler_ctx"),
        ("qemu_aio_context", "main-loop/aio:qemu_aio_context"),
        ("qemu_iohandler_poll", "main-loop/qemu_iohandler_poll"),
        ("0x5597d6923260", "aio:0x5597d6923260"),
        ("a\x1b", "aio:a\\x1b"),
    ],
)
def test_the_context_of_a_request_is_named_as_steps_name_it(context: str, name: str) -> None:
    assert served_by(context) == name
