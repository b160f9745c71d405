"""Traces that are made to be too much: time grows with their size and no faster, memory stays within bounds.

What cannot be followed is told. ``python -m tests.robustness.hostile`` measures scans of all scenarios, of any size.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.cli import run
from tests.robustness.hostile import SCENARIOS, Cost, measure, write
from tests.timeline.story import Story, trace_of
from traceview.api import open
from traceview.detect import job_windows, keyed_windows, waits
from traceview.fleet import scan_all
from traceview.source import find_files
from traceview.timeline import jobs

SMALL, LARGE = 10_000, 40_000
SECONDS_A_MEGABYTE = 6.0
"""Of processor time, beside what a start takes: a machine that is busy is four times as slow as one that is not."""
MEGABYTES = 700
FASTER_THAN = 2.5
"""How many times the time of as many records a scan may take of four times as many, each: 4 would be a square."""

TRIES = 3
"""Other programs may take the processor's cache, its turbo or the half of a core from one of both scans."""


def scan_seconds(scenario: str, count: int, path: Path) -> float:
    write(scenario, count, path)
    begun = time.process_time()
    open(path, jobs=1).scan()
    return time.process_time() - begun


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_time_of_a_scan_grows_with_the_number_of_records_and_no_faster(scenario: str, tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    scan_seconds(scenario, 1000, path)  # what is made once
    for _ in range(TRIES):
        small, large = (scan_seconds(scenario, count, path) for count in (SMALL, LARGE))
        grows = large / max(small, 0.2) / (LARGE / SMALL)
        if grows < FASTER_THAN:
            break
    assert grows < FASTER_THAN
    assert large < 1 + SECONDS_A_MEGABYTE * path.stat().st_size / 1e6


@pytest.mark.parametrize("scenario", ["processes", "window_never_closed", "requests_done_late", "blks"])
def test_a_scan_of_a_hundred_thousand_records_keeps_to_its_memory(scenario: str, tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    write(scenario, 100_000, path)
    cost: Cost = measure("scan", path)
    assert cost.code in (0, 1, 3), cost.err
    assert cost.megabytes < MEGABYTES


@pytest.mark.parametrize("scenario", ["processes", "gaps"])
def test_a_check_keeps_to_its_memory_and_tells_the_limits_that_it_reached(scenario: str, tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    write(scenario, 100_000, path)
    cost = measure("check", path)
    assert cost.megabytes < MEGABYTES
    told = {"processes": "more than 10000 threads", "gaps": "1 gap (many)"}[scenario]
    assert told in cost.out.decode()


# limits are told


def records_of(scenario: str, count: int) -> bytes:
    return "".join(SCENARIOS[scenario](count)).encode()


def notes_of(scenario: str, count: int) -> list[str]:
    return trace_of(records_of(scenario, count)).scan().traces[0].notes


def test_jobs_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_JOBS", 10)
    (note,) = notes_of("jobs_never_closed", 60)
    assert note == "20 jobs were not followed to their end: more than 10 ran at once"
    assert notes_of("jobs_never_closed", 20) == []


def test_windows_of_jobs_beyond_the_limit_are_told_and_are_not_called_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_windows, "MOST_WINDOWS", 5)
    result = trace_of(records_of("findings", 70)).scan(["mirror-exit-guest-io"])
    assert len(result.windows) == len(result.findings) == 5
    (covered,) = result.traces[0].coverage
    assert covered.fell_short
    assert covered.reason == "5 of its windows are not judged: more than 5"
    assert result.traces[0].notes == [f"mirror-exit-guest-io: {covered.reason}"]


def test_windows_of_anything_else_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_windows, "MOST_WINDOWS", 5)
    rule = "guest-request-parked-for-good"
    trace = trace_of(records_of("requests_done_late", 4000)).scan([rule]).traces[0]
    (covered,) = trace.coverage
    assert "of its windows are not judged: more than 5" in covered.reason
    assert trace.notes == [f"{rule}: {covered.reason}"]


def test_what_waits_beyond_the_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MOST_WAITING", 5)
    monkeypatch.setattr(keyed_windows, "MOST_WAITING", 5)
    rule = "guest-request-parked-for-good"
    trace = trace_of(records_of("requests_never_done", 50)).scan([rule]).traces[0]
    assert [note.partition(": ")[2] for note in trace.notes] == [
        "45 of its windows are not judged: more than 5 stood open at once"
    ]


def test_a_note_is_printed_with_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_JOBS", 10)
    path = tmp_path / "vm.log"
    write("jobs_never_closed", 60, path)
    assert "note: 20 jobs were not followed to their end: more than 10 ran at once" in run("scan", path).lines


# folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    story = Story().cast().warm_up()
    (tmp_path / "vm.log").write_bytes(story.log())
    return tmp_path


def test_named_pipes_and_circles_of_links_in_a_folder_are_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe.log")
    (folder / "circle").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "nowhere.log").symlink_to("gone")
    assert find_files(folder) == [folder / "vm.log"]
    assert [t.path for t in scan_all([folder]).traces] == [str(folder / "vm.log")]


@pytest.mark.parametrize(
    "name", ["\x1b[2J\x1b[31mvm.log", "<script>alert(1)</script>.log", "=cmd|'!A1.log", "a\nb.log", "\u202egol.mv"]
)
def test_names_of_files_cannot_steer_a_terminal(folder: Path, name: str) -> None:
    if "/" in name:
        name = name.replace("/", "\u2215")
    (folder / "vm.log").rename(folder / name)
    for words in (("scan", folder), ("check", folder)):
        done = run(*words)
        for text in (done.out, done.err):
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "\nb.log" not in text


def test_values_of_a_trace_cannot_steer_a_terminal(tmp_path: Path) -> None:
    story = Story().cast()
    story.say('bdrv_open_common bs 0xb1 filename "\x1b[2J<img src=x>" flags 0x0 format_name "raw"')
    story.say("mirror_start bs \x1b[31m s 0xa1 opaque (nil)")
    path = tmp_path / "vm.log"
    path.write_bytes(story.log())
    for command in ("scan", "check"):
        done = run(command, path)
        assert "\x1b" not in done.out + done.err
