"""``traceview triage open``, end to end: the page of one finding, from its trace read anew."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from unittest import mock

import pytest

from tests.cli import Done, run, sample
from tests.cli.triaged import copied_to, recorded
from traceview.store import open_store


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return copied_to(tmp_path)


def opened(where: Path, *words: str | Path) -> Done:
    return run("triage", "open", *words, "--store", where)


def page(path: str | Path) -> str:
    """Return the body of a page, without the scripts before it."""
    text = Path(path).read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    return text[text.index("<body") :]


def test_the_page_has_the_finding_its_loss_and_its_timeline_and_no_other(where: Path, tmp_path: Path) -> None:
    target = tmp_path / "finding.html"
    done = opened(where, "4", "-o", target, "--no-browser")
    assert (done.code, done.out, done.err) == (0, f"{target}\n", "")
    body = page(target)
    assert set(re.findall(r'id="(finding-\d+)"', body)) == {"finding-1"}
    assert 'id="finding-1-timeline"' in body
    own, *others = (o.document["window"] for o in open_store(where).occurrences(4))
    assert f"line {own['open']['line']}" in body
    lost = {e["offset_bytes"] for e in own["lost"]}
    elsewhere = {e["offset_bytes"] for w in others for e in w["lost"]} - lost
    assert lost
    assert elsewhere
    assert {offset for offset in lost | elsewhere if re.search(rf"\b{offset}\b", body)} == lost


def test_it_is_opened_in_a_browser_and_kept_in_a_file(where: Path) -> None:
    with mock.patch("webbrowser.open", return_value=True) as browser:
        done = opened(where, "1")
    (path,) = done.lines
    browser.assert_called_once_with(Path(path).as_uri())
    assert "finding-1" in page(path)
    assert Path(path).stat().st_mode & 0o077 == 0
    Path(path).unlink()


def test_without_a_browser_the_path_is_told_all_the_same(where: Path, tmp_path: Path) -> None:
    with mock.patch("webbrowser.open", return_value=False):
        done = opened(where, "1", "-o", tmp_path / "x.html")
    assert (done.code, done.lines) == (0, [str(tmp_path / "x.html")])
    assert "no browser could be opened" in done.err


@pytest.fixture
def moving(tmp_path: Path) -> tuple[Path, Path]:
    """Return a store and a trace that it has, which can be moved."""
    trace = tmp_path / "vm.log"
    shutil.copy(sample("lp1570134-case-1"), trace)
    where = tmp_path / "findings.sqlite"
    recorded(where, trace)
    return where, trace


def test_a_trace_that_is_gone_is_a_clean_error(moving: tuple[Path, Path], tmp_path: Path) -> None:
    where, trace = moving
    trace.unlink()
    done = opened(where, "1", "-o", tmp_path / "x.html", "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert f"{trace}: the trace of finding 1 is not here; it was read on hyper-1" in done.complaint
    assert "--trace PATH says" in done.complaint
    assert not (tmp_path / "x.html").exists()


def test_a_trace_that_was_moved_and_packed_is_read_where_it_is_now(moving: tuple[Path, Path], tmp_path: Path) -> None:
    where, trace = moving
    packed = tmp_path / "old" / "vm.log.1.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(trace.read_bytes()))
    trace.unlink()
    done = opened(where, "1", "--trace", packed, "-o", tmp_path / "x.html", "--no-browser")
    assert (done.code, done.err) == (0, "")
    assert "vm.log.1.gz" in page(tmp_path / "x.html")


def test_a_trace_that_was_replaced_is_a_clean_error(moving: tuple[Path, Path], tmp_path: Path) -> None:
    where, trace = moving
    shutil.copy(sample("lp1570134-case-2"), trace)
    done = opened(where, "1", "-o", tmp_path / "x.html", "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert (
        "finding 1 is not in it any more (1 of its rule are): either the file holds another trace now" in done.complaint
    )
    assert not (tmp_path / "x.html").exists()


def test_where_the_worst_trace_is_gone_the_next_one_is_taken_and_that_is_said(
    moving: tuple[Path, Path], tmp_path: Path
) -> None:
    where, trace = moving
    other = tmp_path / "other.log"
    # The same bug, in another VM: the time of its first record is another.
    other.write_bytes(re.sub(rb"(?m)^(\d+)@(\d+)", lambda m: b"%s@%d" % (m[1], int(m[2]) + 5), trace.read_bytes()))
    store = recorded(where, other)
    assert store.finding("1").occurrences == 2
    worst, next_one = (Path(o.scan.note.trace) for o in store.occurrences(1))
    worst.unlink()
    done = opened(where, "1", "-o", tmp_path / "x.html", "--no-browser")
    assert done.code == 0
    assert f"{worst}: is not here; this is the worst of those that are: {next_one}" in done.complaint
    moved = next_one.rename(tmp_path / "moved.log")
    assert opened(where, "1", "--trace", moved, "-o", tmp_path / "x.html", "--no-browser").code == 0
    moved.rename(next_one)
    next_one.unlink()
    done = opened(where, "1", "-o", tmp_path / "x.html", "--no-browser")
    assert "and neither is any other that it was seen in" in done.complaint


def test_a_page_goes_to_stdout_where_that_is_asked_for(where: Path) -> None:
    with mock.patch("webbrowser.open") as browser:
        done = opened(where, "1", "-o", "-")
    assert (done.code, done.out.rstrip().endswith("</html>")) == (0, True)
    browser.assert_not_called()


def test_a_trace_is_read_as_the_scan_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "simple"
    folder.mkdir()
    for name in ("trace.bin", "trace-events"):
        shutil.copy(sample("simpletrace-2.6", name), folder)
    where = tmp_path / "findings.sqlite"
    recorded(where, folder)
    done = opened(where, "1", "-o", tmp_path / "x.html", "--no-browser")
    assert (done.code, done.err) == (0, "")


def test_what_cannot_be_read_any_more_is_told(moving: tuple[Path, Path], tmp_path: Path) -> None:
    where, trace = moving
    trace.write_bytes(b"no trace at all")
    done = opened(where, "1", "-o", tmp_path / "x.html", "--no-browser")
    assert done.code == 2
    assert done.err.startswith("traceview: error: ")
    assert not (tmp_path / "x.html").exists()


def test_the_trace_is_never_overwritten(moving: tuple[Path, Path]) -> None:
    where, trace = moving
    before = trace.read_bytes()
    assert opened(where, "1", "-o", trace, "--no-browser").code == 2
    assert trace.read_bytes() == before


def test_a_missing_extra_is_told_before_anything_is_read(where: Path) -> None:
    with mock.patch("traceview.report.html.find_spec", return_value=None):
        done = opened(where, "1", "--no-browser")
    assert done.code == 2
    assert "pip install 'traceview[report]'" in done.err
