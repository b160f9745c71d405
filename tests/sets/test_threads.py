"""The files of the threads of one QEMU are one trace, merged by time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sets import split_by_thread
from tests.timeline.story import COPY, FILTER, Story, stock, trace_of
from traceview.findings import ScanResult, Verdict
from traceview.fleet import scan_all, sets_in
from traceview.report.style import Style
from traceview.report.text import scan_lines
from traceview.sets import Kind


def story(main: int = 4711, io: int = 4712, idle: int = 4713, *, base: int = 0) -> Story:
    """Tell of a mirror job of a QEMU of 7.1 or newer, with an IOThread and with a thread that does little."""
    made = stock()
    for record in made.told:
        object.__setattr__(record, "tid", main)
    made.tid = main
    made.say(f'bdrv_open_common bs 0x7f0000{base:06x} filename "a" flags 0x2 format_name "raw"')
    made.say(f"virtio_queue_notify vdev 0x55550000{base + 1:06x} n 0 vq 0x55550000{base + 2:06x}", tid=io)
    made.say(f"virtio_notify vdev 0x55550000{base + 1:06x} vq 0x55550000{base + 2:06x}")
    made.say("virtio_notify vdev 0x1 vq 0x2", tid=idle)
    made.say("runstate_set current_run_state 6 (prelaunch) new_state 9 (running)")
    made.stock_job()
    made.before_drain()
    made.enter()
    made.completed()
    made.move(FILTER, COPY)
    made.concluded()
    made.say("virtio_notify vdev 0x1 vq 0x2", tid=idle)
    made.say(f"virtio_queue_notify vdev 0x55550000{base + 1:06x} n 0 vq 0x55550000{base + 2:06x}", tid=io)
    made.say(f"virtio_notify vdev 0x55550000{base + 1:06x} vq 0x55550000{base + 2:06x}")
    return made


def told(result: ScanResult) -> list[tuple[str, str, str, int | None, int | None]]:
    return [
        (w.rule, w.verdict.value, w.reason, w.open.record if w.open else None, w.close.record if w.close else None)
        for w in result.windows
    ]


def test_they_have_the_result_of_the_log_that_was_not_split(tmp_path: Path) -> None:
    log = story().log()
    paths = split_by_thread(tmp_path, log)
    (found,) = sets_in(tmp_path)
    assert (found.kind, found.threads, found.paths) == (Kind.THREADS, (4711, 4712, 4713), tuple(paths))
    result, whole = scan_all([tmp_path]), trace_of(log).scan()
    assert whole.windows
    assert told(result) == told(whole)
    assert told(scan_all(paths)) == told(whole), "given together"
    assert result.traces[0].events == whole.traces[0].events
    assert [(m.path, m.thread) for m in result.traces[0].members] == list(
        zip(map(str, paths), found.threads, strict=True)
    )


def test_a_point_names_the_file_of_its_thread(tmp_path: Path) -> None:
    paths = split_by_thread(tmp_path, story().log())
    result = scan_all([tmp_path])
    marks = [m for w in result.windows for m in (w.open, w.close) if m is not None]
    assert marks
    for mark in marks:
        name, _, line = mark.place.rpartition(" line ")
        path = next(p for p in paths if p.name == name)
        assert mark.event in path.read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert "files: 3 read as one trace: trace-4711.log, trace-4712.log, trace-4713.log" in list(
        scan_lines(result, Style(colour=False))
    )


def test_a_window_whose_edge_has_the_time_of_another_threads_record_is_not_clean(tmp_path: Path) -> None:
    log = story().log()
    split_by_thread(tmp_path / "apart", log)
    before = scan_all([tmp_path / "apart"])
    clean = [w for w in before.windows if w.verdict is Verdict.CLEAN and w.open is not None]
    assert clean
    edge = clean[0].open
    assert edge is not None
    stamp = f"{edge.ts_ns // 10**9}.{edge.ts_ns // 1000 % 10**6:06d}"
    lines = log.decode().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(f"4711@{stamp}"))
    lines.insert(at, f"4713@{stamp}:virtio_notify vdev 0x1 vq 0x2\n")
    split_by_thread(tmp_path / "tied", "".join(lines).encode())
    after = scan_all([tmp_path / "tied"])
    (window,) = [w for w in after.windows if w.rule == clean[0].rule and w.open and w.open.ts_ns == edge.ts_ns]
    assert window.verdict is Verdict.INCONCLUSIVE
    assert "order is not known" in window.reason


def test_files_of_processes_are_a_trace_each(tmp_path: Path) -> None:
    for process in (4711, 4712):
        (tmp_path / f"vm-{process}.log").write_bytes(
            b"".join(
                b"%d@1600000000.%06d:virtio_blk_handle_write req 0x55550000aaaa sector 1 nsectors 8\n" % (process, us)
                for us in range(20)
            )
        )
    assert [s.kind for s in sets_in(tmp_path)] == [Kind.FILE, Kind.FILE]


def test_threads_of_two_qemus_are_two_traces(tmp_path: Path) -> None:
    split_by_thread(tmp_path, story(4711, 4712, 4713).log() + story(5711, 5712, 5713, base=0xA0).log())
    found = sets_in(tmp_path)
    assert [(s.kind, s.threads) for s in found] == [
        (Kind.THREADS, (4711, 4712)),
        (Kind.UNORDERED, (4713,)),
        (Kind.THREADS, (5711, 5712)),
        (Kind.UNORDERED, (5713,)),
    ], "whose the quiet threads are nobody knows"


def test_files_of_other_times_are_no_set(tmp_path: Path) -> None:
    split_by_thread(tmp_path, story().log())
    for path in tmp_path.iterdir():
        if "4711" not in path.name:
            path.write_bytes(path.read_bytes().replace(b"@1600000000.", b"@1700000000."))
    assert (Kind.FILE, (tmp_path / "trace-4711.log",)) in [(s.kind, s.paths) for s in sets_in(tmp_path)]


def test_without_times_each_is_alone_and_nothing_is_clean(tmp_path: Path) -> None:
    paths = split_by_thread(tmp_path, story().log())
    for path in paths:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line.partition(b":")[2] for line in lines))
    found = {s.paths[0].name: s.kind for s in sets_in(tmp_path)}
    assert found["trace-4711.log"] is Kind.UNORDERED
    assert found["trace-4712.log"] is Kind.UNORDERED
    result = scan_all([tmp_path / "trace-4711.log", tmp_path / "trace-4712.log"])
    assert len(result.traces) == 2
    assert result.windows
    assert not result.count(Verdict.CLEAN)
    assert any("their order is not known" in w.reason for w in result.windows)


@pytest.mark.parametrize(("number", "vm"), [(4711, "trace"), (4711, "web")])
def test_the_number_of_a_thread_is_not_part_of_the_vms_name(tmp_path: Path, number: int, vm: str) -> None:
    folder = tmp_path / "web-1"
    for path in split_by_thread(folder, story().log()):
        path.rename(folder / path.name.replace("trace", vm))
    assert (folder / f"{vm}-{number}.log").is_file()
    assert scan_all([folder]).traces[0].vm == ("web-1" if vm == "trace" else "web")
