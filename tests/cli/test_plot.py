"""``traceview plot``: pictures of findings, windows, cuts and whole traces."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli import SAMPLES, Done, run, sample
from tests.timeline.story import START_US, instrumented

CASE_1 = sample("lp1570134-case-1")
OPENED_NS = 1795394131894778000
"""When (a) of the first finding of CASE_1 is."""


def words(svg: bytes | Path) -> set[str]:
    """Return the texts of an SVG."""
    data = svg.read_bytes() if isinstance(svg, Path) else svg
    root = ET.fromstring(data)  # noqa: S314  (our own)
    return {"".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")}


def drawn(*options: str | Path) -> set[str]:
    """Draw to stdout and return the texts of the picture."""
    done = run("plot", *options, "-o", "-", "--type", "svg")
    assert done.code == 0, done.err
    return words(done.raw)


def refused(*options: str | Path) -> str:
    done = run("plot", *options)
    assert done.code == 2
    assert done.raw == b""
    return done.complaint


def test_the_first_finding_is_drawn_and_the_file_is_named(tmp_path: Path) -> None:
    out = tmp_path / "finding.svg"
    done: Done = run("plot", CASE_1, "-o", out)
    assert (done.code, done.raw) == (0, b"")
    assert "note: finding 1 of " in done.err
    assert str(out) in done.complaint
    assert {"(a)", "(c)", "drive0", "process 14885", "µs from (a)"} <= words(out)


@pytest.mark.parametrize(
    ("name", "begins"), [("x.png", b"\x89PNG"), ("x.PDF", b"%PDF"), ("x.svg", b"<?xml"), ("x.v1.svg", b"<?xml")]
)
def test_the_suffix_says_what_is_written(tmp_path: Path, name: str, begins: bytes) -> None:
    assert run("plot", CASE_1, "-o", tmp_path / name).code == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_type_overrules_the_suffix(tmp_path: Path) -> None:
    assert run("plot", CASE_1, "-o", tmp_path / "x.dat", "--type", "PDF").code == 0
    assert (tmp_path / "x.dat").read_bytes().startswith(b"%PDF")


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    assert "'x.jpg' is no picture that can be written: .png, .svg or .pdf" in refused(CASE_1, "-o", tmp_path / "x.jpg")
    assert "give --type svg, png or pdf" in refused(CASE_1, "-o", "-")
    assert "'gif' is no picture" in refused(CASE_1, "-o", "-", "--type", "gif")
    assert "--output" in refused(CASE_1)
    assert list(tmp_path.iterdir()) == []


def test_a_trace_is_not_overwritten_by_its_picture(tmp_path: Path) -> None:
    trace = tmp_path / "trace.svg"
    trace.write_bytes(CASE_1.read_bytes())
    assert "is being read" in refused(trace, "-o", trace)
    assert trace.read_bytes() == CASE_1.read_bytes()


def test_a_finding_is_drawn_by_the_number_that_scan_gives_it() -> None:
    paths = (SAMPLES / "lp1570134-case-2", CASE_1)
    assert "process 29545" in drawn(*paths, "--finding", "1")
    assert "process 14885" in drawn(*paths, "--finding", "2")


def test_a_number_that_is_no_finding_is_refused_with_those_that_are(tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    assert "there is no finding 2: the findings are 1 to 1" in refused(CASE_1, "--finding", "2", "-o", out)
    assert "there is no finding 0" in refused(CASE_1, "--finding", "0", "-o", out)
    assert "the scan found nothing; --window K draws a window, 0 to" in refused(sample("fixed"), "-o", out)
    assert not out.exists()


def test_a_window_is_drawn_by_its_number_in_the_table_of_windows() -> None:
    found = drawn(sample("fixed"), "--window", "0")
    assert "external-off-kick: window 0, clean" in found
    assert {"(a)", "(c)"} <= found


def test_a_number_that_is_no_window_is_refused(tmp_path: Path) -> None:
    assert "there is no window 4000: the windows are 0 to" in refused(
        CASE_1, "--window", "4000", "-o", tmp_path / "x.png"
    )


def test_a_cut_is_drawn_between_two_times() -> None:
    seconds = OPENED_NS / 1e9
    found = drawn(CASE_1, "--from", f"{seconds - 0.0001:.6f}", "--to", f"{seconds + 0.001:.6f}", "--width", "slide")
    assert "drive0" in found
    assert not {"(a)", "(b)", "(c)"} & found
    assert any(re.fullmatch(r"µs from 1795394131\.\d{9} s", w) for w in found)


def test_a_cut_marks_the_points_of_a_finding_that_is_asked_for() -> None:
    seconds = OPENED_NS / 1e9
    cut = ("--from", f"{seconds - 0.0001:.6f}", "--to", f"{seconds + 0.0001:.6f}")
    assert "(a)" in drawn(CASE_1, *cut, "--finding", "1")


def test_times_may_count_from_the_first_record(tmp_path: Path) -> None:
    story = instrumented()
    for i in range(100):
        story.write(i * 4096)
    trace = tmp_path / "trace.log"
    trace.write_bytes(story.log())
    found = drawn(trace, "--from", "+0.0002", "--to", "+0.0004")
    assert f"µs from {(START_US + 210) / 1e6:.6f}000 s" in found


def test_a_cut_of_nothing_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    assert "must be later than --from" in refused(CASE_1, "--from", "+2", "--to", "+1", "-o", out)
    assert "no record that could be drawn" in refused(CASE_1, "--from", "+1", "--to", "+1.1", "-o", out)
    assert "is no time" in refused(CASE_1, "--from", "noon", "-o", out)


def test_around_says_how_much_is_drawn_on_both_sides() -> None:
    narrow, wide = drawn(CASE_1, "--around", "10us"), drawn(CASE_1, "--around", "5 ms")
    assert "main_loop_wait # 166" in narrow
    assert "2,000" in wide
    assert "2,000" not in narrow


def test_a_time_span_without_its_unit_is_refused(tmp_path: Path) -> None:
    assert "'200' is no time span" in refused(CASE_1, "--around", "200", "-o", tmp_path / "x.png")


def test_one_context_is_drawn_without_the_others() -> None:
    found = drawn(CASE_1, "--context", "iohandler_ctx", "--width", "slide")
    assert "aio_ctx_dispatch (iohandler_ctx)" in found
    assert not any("qemu_aio_context" in w for w in found)


def test_a_context_that_did_nothing_is_refused(tmp_path: Path) -> None:
    complaint = refused(CASE_1, "--context", "iohandler", "-o", tmp_path / "x.png")
    assert "it has iohandler_ctx, qemu_aio_context; did you mean 'iohandler_ctx'?" in complaint


def test_the_overview_is_of_the_whole_trace() -> None:
    found = drawn(CASE_1, "--overview")
    assert {"Windows by verdict", "How long windows stood open", "Guest requests a second", "violated 1"} <= found


def test_an_overview_is_of_one_trace_and_all_of_it(tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    for part in (("--finding", "1"), ("--window", "0"), ("--from", "+1"), ("--around", "1us"), ("--context", "x")):
        assert "an overview is of the whole trace" in refused(CASE_1, "--overview", *part, "-o", out)
    assert "there are 2 traces" in refused(CASE_1, sample("fixed"), "--overview", "-o", out)


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    assert "give one of them" in refused(CASE_1, "--finding", "1", "--window", "0", "-o", out)
    assert "give one of them" in refused(CASE_1, "--around", "1us", "--to", "+1", "-o", out)


def test_stdin_can_be_read_but_once(tmp_path: Path) -> None:
    done = run("plot", "-", "-o", tmp_path / "x.png", stdin=CASE_1.read_bytes())
    assert done.code == 2
    assert "stdin can be read but once: save it to a file first" in done.complaint


def test_themes_and_widths_are_had_by_name(tmp_path: Path) -> None:
    assert b"#16181d" in run("plot", CASE_1, "-o", "-", "--type", "svg", "--theme", "dark").raw
    slide = run("plot", CASE_1, "-o", "-", "--type", "svg", "--width", "slide").raw
    assert b'width="720pt"' in slide
    assert "did you mean 'dark'" in refused(CASE_1, "--theme", "drak", "-o", tmp_path / "x.png")
    assert "none of column, slide" in refused(CASE_1, "--width", "5", "-o", tmp_path / "x.png")


def test_a_trace_without_times_is_drawn_but_cannot_be_cut_by_time(tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    trace.write_bytes(re.sub(rb"(?m)^\d+@[\d.]+:", b"", CASE_1.read_bytes()))
    assert "records from (a)" in drawn(trace)
    assert "have no times" in refused(trace, "--around", "1us", "-o", tmp_path / "x.png")


def test_a_trace_that_cannot_be_read_is_told_and_the_others_are_drawn(tmp_path: Path) -> None:
    out = tmp_path / "x.svg"
    done = run("plot", tmp_path / "missing.log", CASE_1, "-o", out)
    assert done.code == 2
    assert "missing.log" in done.err
    assert "(a)" in words(out)


def test_help_has_examples() -> None:
    out = run("plot", "--help").out
    assert "Examples:" in out
    assert "traceview plot vm.log --overview -o overview.svg" in out
