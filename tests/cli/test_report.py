"""``traceview report``: a page, an exit code, and what is refused."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from tests.cli import run, sample

LOSS, CLEAN = sample("lp1570134-case-1"), sample("fixed")


def test_the_page_is_written_and_nothing_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", LOSS, "-o", page)
    assert (done.code, done.out, done.err) == (1, "", "")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("path", [LOSS, CLEAN, sample("stock-9.0-parked")])
@pytest.mark.parametrize("options", [(), ("--fail-on", "never"), ("--allow-inconclusive",)])
def test_the_exit_code_is_that_of_a_scan(tmp_path: Path, path: Path, options: tuple[str, ...]) -> None:
    assert run("report", path, "-o", tmp_path / "r.html", *options).code == run("scan", path, *options).code


def test_a_page_goes_to_stdout_where_that_is_asked_for() -> None:
    done = run("report", LOSS, "-o", "-")
    assert done.code == 1
    assert done.out.rstrip().endswith("</html>")


def test_stdin_is_refused_since_it_can_be_read_but_once(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", "-", "-o", page, stdin=LOSS.read_bytes())
    assert done.code == 2
    assert "stdin can be read but once" in done.complaint
    assert not page.exists()


def test_what_cannot_be_read_is_told_and_the_others_are_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", tmp_path / "gone.log", LOSS, "-o", page)
    assert done.code == 2
    assert done.err.count("gone.log") == 1
    text = page.read_text(encoding="utf-8")
    assert "gone.log" in text
    assert 'id="finding-1"' in text


def test_the_trace_is_never_overwritten(tmp_path: Path) -> None:
    log = tmp_path / "vm.log"
    log.write_bytes(LOSS.read_bytes())
    done = run("report", log, "-o", log)
    assert done.code == 2
    assert "is being read" in done.err
    assert log.read_bytes() == LOSS.read_bytes()


def test_the_command_line_stands_in_the_page(tmp_path: Path) -> None:
    page = tmp_path / "my report.html"
    run("report", LOSS, "-o", page, "--findings", "1")
    assert f"<code>traceview report {LOSS} -o &#39;{page}&#39; --findings 1</code>" in page.read_text(encoding="utf-8")


def test_open_opens_the_page_that_was_written(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with mock.patch("webbrowser.open") as opened:
        run("report", LOSS, "-o", page, "--open")
    opened.assert_called_once_with(page.as_uri())


def test_stdout_cannot_be_opened() -> None:
    done = run("report", LOSS, "-o", "-", "--open")
    assert done.code == 2
    assert "--open needs a file" in done.complaint


def test_a_missing_extra_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with (
        mock.patch("traceview.report.html.find_spec", return_value=None),
        mock.patch("traceview.fleet.scan_all") as scan,
    ):
        done = run("report", LOSS, "-o", tmp_path / "r.html")
    assert done.code == 2
    assert "pip install 'traceview[report]'" in done.err
    scan.assert_not_called()
