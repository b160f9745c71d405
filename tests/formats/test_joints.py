"""What is said of the joints between files stands among the records where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from traceview.api import Trace, open_source
from traceview.events import Gap
from traceview.source.rotated import RotatedSource


def line(us: int, *, second: int = 1_600_000_000) -> bytes:
    return f"7@{second}.{us:06d}:virtio_notify vdev 0x{us + 1:x} vq 0x1\n".encode()


def gaps(
    folder: Path, *files: bytes, before: dict[int, tuple[str, str]] | None = None, chunk: int = 1 << 20,
    events: Sequence[str] | None = None, max_bytes: int | None = None,
) -> tuple[Trace, list[Gap]]:  # fmt: skip
    folder.mkdir(exist_ok=True)
    paths = [folder / f"vm.log.{len(files) - i}" for i in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    trace = open_source(RotatedSource(paths, before=before, chunk_bytes=chunk, max_bytes=max_bytes))
    for _ in trace.batches(events):
        pass
    return trace, trace.stats.gaps


@pytest.mark.parametrize("chunk", [1, 40, 1 << 20])
def test_it_stands_before_the_first_record_of_the_next_file(tmp_path: Path, chunk: int) -> None:
    before = {1: ("missing-file", "one"), 2: ("missing-file", "two")}
    files = (line(1) + line(2), b"some text\n" + line(3), line(4))
    trace, found = gaps(tmp_path, *files, before=before, chunk=chunk)
    assert [(g.cause, g.record, g.line, g.text) for g in found] == [
        ("missing-file", 2, 4, "one"), ("missing-file", 3, 5, "two"),
    ]  # fmt: skip
    assert [g.byte_offset for g in found] == [len(files[0]), len(files[0] + files[1])]
    assert trace.stats.records == 4


def test_behind_the_last_record_it_stands_at_the_end(tmp_path: Path) -> None:
    _, (gap,) = gaps(tmp_path, line(1) + line(2), b"some text\n", before={1: ("missing-file", "one")})
    assert (gap.record, gap.line) == (2, 3)


def test_a_file_that_was_not_reached_is_not_told_of(tmp_path: Path) -> None:
    files = (line(1) + line(2), line(3), line(4))
    _, found = gaps(tmp_path, *files, before={2: ("missing-file", "one")}, max_bytes=len(files[0]))
    assert [g.cause for g in found] == ["cut"]


@pytest.mark.parametrize(("back_s", "causes"), [(0, []), (1, []), (2, ["file-order"])])
def test_a_file_that_begins_long_before_the_last_one_ends_is_told_of(
    tmp_path: Path, back_s: int, causes: list[str]
) -> None:  # fmt: skip
    _, found = gaps(tmp_path, line(1), line(1, second=1_600_000_000 - back_s))
    assert [g.cause for g in found if g.cause == "file-order"] == causes


def test_the_gaps_are_in_the_order_of_records(tmp_path: Path) -> None:
    files = (line(1) + b"7@1600000000.000002:virtio_notify what\n" + line(3), line(4) + b"7@16")
    _, found = gaps(tmp_path, *files, before={1: ("missing-file", "one")})
    assert [g.record for g in found] == sorted(g.record for g in found)
    assert [g.cause for g in found] == ["unreadable", "missing-file", "cut"]
