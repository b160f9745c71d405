"""``traceview show``: one finding, with the interleaving around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import run, sample

CLEAN, LOSS, DOOR = sample("fixed"), sample("lp1570134-case-1"), sample("second-door")


def test_the_first_finding_is_shown_unless_another_is_asked_for() -> None:
    done = run("show", LOSS)
    assert (done.code, done.err) == (0, "")
    assert done.raw == run("show", LOSS, "--finding", "1").raw
    assert "(a)     block_job_defer_to_main_loop" in done.out


def test_a_finding_is_shown_under_the_head_that_scan_prints_of_it() -> None:
    scanned = run("scan", DOOR).lines
    for number in (1, 2, 3):
        shown = run("show", DOOR, "--finding", str(number)).lines
        head = shown[: shown.index("")]
        assert f"[{number}]" in head[0]
        at = scanned.index(head[0])
        assert scanned[at : at + len(head)] == head


def test_findings_of_several_paths_have_the_numbers_that_scan_gives_them() -> None:
    paths = [LOSS, CLEAN, DOOR]
    heads = [line for line in run("scan", *paths).lines if line.startswith("✗")]
    assert len(heads) == 4
    for number, head in enumerate(heads, 1):
        assert run("show", *paths, "--finding", str(number)).lines[0] == head


@pytest.mark.parametrize("number", ["4", "0", "-1"])
def test_a_number_that_is_none_says_which_there_are(number: str) -> None:
    done = run("show", DOOR, "--finding", number)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"traceview: error: there is no finding {number}: the findings are 1 to 3\n"


def test_a_clean_trace_has_nothing_to_show() -> None:
    done = run("show", CLEAN)
    assert (done.code, done.out) == (2, "")
    assert done.err == "traceview: error: there is no finding 1: the scan found nothing\n"


def test_a_number_that_is_no_number_is_a_usage_error() -> None:
    done = run("show", DOOR, "--finding", "first")
    assert done.code == 2
    assert "--finding" in done.complaint


def test_what_cannot_be_read_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    done = run("show", missing, LOSS)
    assert done.code == 2
    assert done.err == f"traceview: error: {missing}: no such file\n"
    assert done.lines[0] == run("show", LOSS).lines[0]


def test_where_nothing_could_be_read_only_that_is_told(tmp_path: Path) -> None:
    done = run("show", tmp_path / "missing.log")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("traceview: error:") == 1


def test_stdin_and_directories_are_read_as_by_scan() -> None:
    assert run("show", "-", stdin=LOSS.read_bytes()).raw == run("show", LOSS).raw
    assert run("show", LOSS.parent).raw == run("show", LOSS).raw


def test_a_rule_limits_what_is_found() -> None:
    both = sample("simpletrace-2.6")
    assert run("show", both, "--rule", "mirror-final-drain-guest-io", "--finding", "2").code == 0
    assert run("show", both, "--rule", "mirror-exit-guest-io").code == 2


def test_there_is_no_tree_in_json() -> None:
    done = run("show", LOSS, "--format", "json")
    assert done.code == 2
    assert "'json' is none of text (to print), " in done.complaint


def test_all_shows_what_a_long_window_hides(tmp_path: Path) -> None:
    lines = sample("lp1570134-case-2").read_bytes().splitlines(keepends=True)
    # All at one time: records of the same times once more would be a copy of a stretch of the log, and count once.
    prefix = lines[318].split(b":", 1)[0]
    again = [prefix + b":" + line.split(b":", 1)[1] for line in lines[316:319]]
    path = tmp_path / "crowded.log"
    path.write_bytes(b"".join([*lines[:316], *again * 300, *lines[319:]]))
    short, whole = run("show", path), run("show", path, "--all")
    assert short.lines[-1].endswith("records are not shown; --all shows them")
    assert len(short.lines) < 250 < len(whole.lines)
