"""``traceview triage report``, end to end: the text of an issue, from a store that scans have filled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli import Done, run, sample
from tests.cli.triaged import COMMAND_LINE, copied_to, recorded
from tests.rules.texts import PLAIN
from traceview.report.issue import BLANK


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return copied_to(tmp_path)


def report(where: Path, *words: str | Path, stdin: bytes = b"") -> Done:
    return run("triage", "report", *words, "--store", where, stdin=stdin)


def test_the_text_of_an_issue_for_qemu_is_printed(where: Path) -> None:
    done = report(where, "1")
    assert (done.code, done.err) == (0, "")
    for expected in (
        "## Host environment",
        " - In it: 7 guest writes, 1 guest read of `drive0` (virtio-blk)",
        "(c)     mirror_exit bs 0x5634320b8340 job 0x563433de3b80 ret 0 should_complete 1",
        "| 9486336 | 4096 |",
        "The trace is of QEMU 2.7 or older, and there are newer releases: 9.0 at least.",
    ):
        assert any(line.startswith(expected) for line in done.lines)
    assert done.lines[-1] == '/label ~"kind::Bug"'
    assert report(where, "1", "--template", "qemu-gitlab").out == done.out


def test_stock_builds_get_the_events_of_their_release(where: Path) -> None:
    text = report(where, "3").out
    assert "`traceview suggest --rules mirror-exit-guest-io --qemu 4.0 > vm.events`" in text
    assert " - Evidence: stock tracepoints that stand in for the functions (QEMU 2.12 and newer)" in text
    assert "\n   qemu_aio_coroutine_enter\n" in text


def test_a_file_is_written_and_the_blanks_in_it_are_counted(where: Path, tmp_path: Path) -> None:
    target = tmp_path / "issue.md"
    done = report(where, "1", "-o", target)
    text = target.read_text(encoding="utf-8")
    assert text == report(where, "1").out
    blanks = text.split("-->")[1].count(BLANK)
    assert done.lines == [f"{target}: {blanks} blanks to fill in (look for {BLANK})"]


def test_the_command_line_is_that_of_the_scan_or_of_a_file(tmp_path: Path) -> None:
    shutil.copy(sample("lp1570134-case-1"), tmp_path / "trace.log")
    (tmp_path / "cmdline").write_text(COMMAND_LINE, encoding="utf-8")
    where = tmp_path / "findings.sqlite"
    recorded(where, tmp_path / "trace.log")
    assert f"   {COMMAND_LINE}\n" in report(where, "1").out
    file = tmp_path / "vm.cmd"
    file.write_text("qemu-kvm -m 1G \\\n -name x\n", encoding="utf-8")
    named = report(where, "1", "--command-line", file).out
    assert "   qemu-kvm -m 1G \\\n    -name x\n" in named
    assert " - QEMU flavor: `qemu-kvm`" in named
    assert report(where, "1", "--command-line", "-", stdin=file.read_bytes()).out == named


@pytest.mark.parametrize(
    ("size", "complaint"), [(None, "cannot be read"), ((1 << 20) + 1, "longer than any command line")]
)
def test_what_is_no_command_line_is_a_clean_error(
    where: Path, tmp_path: Path, size: int | None, complaint: str
) -> None:
    file = tmp_path / "vm.cmd"
    if size is not None:
        file.write_bytes(b"x" * size)
    done = report(where, "1", "--command-line", file)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint


def test_ones_own_tracker_gets_the_names(where: Path) -> None:
    done = report(where, "1", "--template", "markdown")
    assert done.lines[0].startswith("# block")
    assert " - Hosts: hyper-1" in done.lines
    assert str(sample("lp1570134-case-1")) in done.out
    assert "/label" not in done.out


def test_a_rule_of_ones_own_is_told_where_its_folder_is_named(tmp_path: Path, where: Path) -> None:
    rules = tmp_path / "my.rules"
    rules.write_text(PLAIN, encoding="utf-8")
    assert report(where, "1", "--rules", rules).code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("1", "--template", "jira"), "'jira' is none of qemu-gitlab, markdown"),
        (("77",), "finding #77 is not in the store"),
        (("1", "--rules", "none"), "there is no such folder of rules"),
    ],
)
def test_what_makes_no_sense_is_an_error(where: Path, words: tuple[str, ...], complaint: str) -> None:
    done = report(where, *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint
