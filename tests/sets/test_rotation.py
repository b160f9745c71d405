"""A rotated log is one trace, whatever it is cut at; what cannot be known of its joints is said."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sets import PACKERS, dated, lossy_mirror, numbered, rotate
from traceview.findings import ScanResult, Verdict
from traceview.fleet import losses_all, scan_all, sets_in
from traceview.report.machine import scan_document
from traceview.sets import Kind, find_sets

STORY = lossy_mirror()
LOG = STORY.log()
LINES = LOG.splitlines(keepends=True)


def without_files(result: ScanResult) -> Any:
    """Return a result as plain data without what must differ: the files."""
    document = scan_document(result)
    for trace in document["traces"]:
        del trace["path"], trace["members"], trace["vm"]
    return document


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ScanResult:
    path = tmp_path_factory.mktemp("whole") / "vm.log"
    path.write_bytes(LOG)
    return scan_all([path])


@given(
    cuts=st.lists(st.integers(1, len(LINES) - 1), min_size=1, max_size=4, unique=True),
    name=st.sampled_from([numbered, dated]),
    packing=st.lists(st.integers(0, len(PACKERS) - 1), max_size=5),
)
def test_cut_at_any_lines_it_has_the_very_result_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, whole: ScanResult, cuts: list[int], name: Callable[[int], str],
    packing: list[int],
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("cut")
    paths = rotate(folder, LOG, cuts, name, packing)
    (found,) = sets_in(folder)
    assert found.paths == tuple(paths)
    result = scan_all([folder])
    assert result.findings
    assert without_files(result) == without_files(whole)
    assert [m.path for m in result.traces[0].members] == [str(p) for p in paths]
    assert without_files(scan_all(paths)) == without_files(whole), "given together"


def test_a_point_names_its_file_and_the_line_in_it(tmp_path: Path) -> None:
    paths = rotate(tmp_path, LOG, [5, 14], packing=[1])
    result = scan_all([tmp_path])
    for window in result.windows:
        marks = [window.open, window.close, *(r.mark for r in window.requests), *(r.kick for r in window.requests)]
        for mark in (m for m in marks if m is not None):
            name, _, line = mark.place.rpartition(" line ")
            path = next(p for p in paths if p.name == name)
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert data.splitlines(keepends=True)[int(line) - 1] == LINES[mark.line - 1]
    losses = losses_all([tmp_path])
    assert all(e.written.place for e in losses.extents)


def test_only_what_was_asked_for_is_read(tmp_path: Path) -> None:
    paths = rotate(tmp_path, LOG, [5, 14])
    alone = scan_all([paths[-1]])
    assert [t.path for t in alone.traces] == [str(paths[-1])]
    assert alone.traces[0].events == len(LINES) - 14
    together = scan_all([paths[-1]], rotated=True)
    assert together.traces[0].events == len(LINES)
    assert together.traces[0].path == str(paths[-1])


def test_a_missing_number_is_a_gap_between_its_neighbours(tmp_path: Path) -> None:
    paths = rotate(tmp_path, LOG, [5, 14, 20])
    paths[1].unlink()
    (trace,) = scan_all([tmp_path]).traces
    (gap,) = trace.gaps
    assert (gap.cause, gap.text) == ("missing-file", "vm.log.2 is missing: what it had is not known")
    assert (gap.record, gap.line) == (5, 6)


def test_a_missing_file_turns_the_windows_across_it(tmp_path: Path) -> None:
    opening = next(i for i, line in enumerate(LINES) if b"block_job_defer_to_main_loop " in line)
    paths = rotate(tmp_path, LOG, [opening + 1, opening + 2])
    paths[1].unlink()
    result = scan_all([tmp_path])
    across = [w for w in result.windows if w.open is not None and w.open.record == opening]
    assert across
    assert {w.verdict for w in across} == {Verdict.INCONCLUSIVE}


def test_where_times_and_names_disagree_the_times_win_and_it_is_said(tmp_path: Path) -> None:
    older, newer = tmp_path / "vm.log.1", tmp_path / "vm.log.2"
    older.write_bytes(b"".join(LINES[:9]))
    newer.write_bytes(b"".join(LINES[9:20]))
    (tmp_path / "vm.log").write_bytes(b"".join(LINES[20:]))
    (found,) = sets_in(tmp_path)
    assert found.paths == (older, newer, tmp_path / "vm.log")
    (trace,) = scan_all([tmp_path]).traces
    assert trace.events == len(LINES)
    assert [g.cause for g in trace.gaps] == ["file-order"]
    assert f"{older} is older than {newer}" in trace.gaps[0].text


def test_logs_of_one_time_are_no_rotated_log(tmp_path: Path) -> None:
    second = b"@1600000000."
    late = LOG.replace(second, b"@1600000004.")
    (tmp_path / "vm.1").write_bytes(LOG + late)
    (tmp_path / "vm.2").write_bytes(LOG.replace(second, b"@1600000002."))
    assert [s.kind for s in sets_in(tmp_path)] == [Kind.FILE, Kind.FILE]


def test_what_was_copied_and_not_yet_cut_off_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "vm.log.1").write_bytes(b"".join(LINES[:14]))
    (tmp_path / "vm.log").write_bytes(b"".join(LINES[9:]))
    (trace,) = scan_all([tmp_path]).traces
    assert trace.events == len(LINES)
    (gap,) = trace.gaps
    assert gap.cause == "duplicated"


@pytest.mark.parametrize("copy", ["vm.log.1", "vm.log.1.gz"])
def test_a_copy_of_all_that_is_in_another_file_is_left_out(tmp_path: Path, copy: str, whole: ScanResult) -> None:
    data = b"".join(LINES[:14])
    (tmp_path / copy).write_bytes(gzip.compress(data) if copy.endswith(".gz") else data)
    (tmp_path / "vm.log").write_bytes(LOG)
    result = scan_all([tmp_path])
    assert without_files(result) == without_files(whole)
    read, left = result.traces[0].members
    assert (read.left_out, left.path) == ("", str(tmp_path / copy))
    assert "stands in" in left.left_out


def test_files_without_a_record_belong_to_it(tmp_path: Path, whole: ScanResult) -> None:
    rotate(tmp_path, LOG, [14])
    (tmp_path / "vm.log").rename(tmp_path / "vm.log.1x")
    (tmp_path / "vm.log.1").rename(tmp_path / "vm.log.3")
    (tmp_path / "vm.log.1x").rename(tmp_path / "vm.log.1")
    (tmp_path / "vm.log.2").write_bytes(b"")
    (tmp_path / "vm.log").write_bytes(b"Booting from Hard Disk\n")
    result = scan_all([tmp_path])
    assert result.traces[0].gaps == []
    assert [f.fingerprint for f in result.findings] == [f.fingerprint for f in whole.findings]
    assert result.traces[0].other_lines == 1


def test_each_log_of_a_folder_is_by_itself(tmp_path: Path) -> None:
    rotate(tmp_path, LOG, [14])
    rotate(tmp_path / "other", LOG, [9])
    (tmp_path / "another.log").write_bytes(LOG)
    assert [(s.kind, s.path.name) for s in sets_in(tmp_path)] == [
        (Kind.FILE, "another.log"), (Kind.ROTATED, "vm.log"), (Kind.ROTATED, "vm.log"),
    ]  # fmt: skip
    assert {t.vm for t in scan_all([tmp_path]).traces} == {"another", "vm"}


def test_binary_files_are_not_joined(tmp_path: Path) -> None:
    for name in ("trace.bin", "trace.bin.1"):
        (tmp_path / name).write_bytes(STORY.simpletrace())
    assert [s.kind for s in sets_in(tmp_path)] == [Kind.FILE, Kind.FILE]


def test_pipes_links_in_circles_and_strange_names_do_no_harm(tmp_path: Path) -> None:
    rotate(tmp_path, LOG, [14])
    os.mkfifo(tmp_path / "vm.log.3")
    (tmp_path / "vm.log.4").symlink_to(tmp_path / "vm.log.5")
    (tmp_path / "vm.log.5").symlink_to(tmp_path / "vm.log.4")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "\x1b[31mvm\n.log.1").write_bytes(b"".join(LINES[:14]))
    (tmp_path / "\x1b[31mvm\n.log").write_bytes(b"".join(LINES[14:]))
    found = sets_in(tmp_path)
    assert [s.kind for s in found] == [Kind.ROTATED, Kind.ROTATED]
    assert [t.events for t in scan_all([tmp_path]).traces] == [len(LINES)] * 2
    assert scan_all([tmp_path / "vm.log"], rotated=True).traces[0].events == len(LINES)


def test_a_file_that_is_given_twice_is_scanned_twice(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(LOG)
    assert [s.path for s in find_sets([path, path])] == [path, path]
    assert len(scan_all([path, path]).traces) == 2
