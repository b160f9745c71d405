"""Stories in several files, as logrotate and QEMU leave them."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.timeline.story import Story, instrumented

PACKERS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress),
)  # fmt: skip


def lossy_mirror() -> Story:
    """Tell of two mirror jobs, behind each of which a write is lost."""
    story = instrumented()
    for _ in range(2):
        story.start()
        story.look()
        story.iteration()
        story.defer()
        story.write(4096)
        story.leave()
    return story


def numbered(age: int) -> str:
    return f"vm.log.{age}" if age else "vm.log"


def dated(age: int) -> str:
    return f"vm.log-202611{28 - age:02d}" if age else "vm.log"


def rotate(
    folder: Path, log: bytes, cuts: Sequence[int], name: Callable[[int], str] = numbered, packing: Sequence[int] = ()
) -> list[Path]:  # fmt: skip
    """Write a log as files that are cut at some lines; return them, the oldest first. `packing` is that of each."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = log.splitlines(keepends=True)
    edges = [0, *sorted(cuts), len(lines)]
    paths = []
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        age = len(edges) - 2 - i
        ending, pack = PACKERS[packing[i] if i < len(packing) and age else 0]
        path = folder / (name(age) + ending)
        path.write_bytes(pack(b"".join(lines[a:b])))
        paths.append(path)
    return paths


def split_by_thread(folder: Path, log: bytes) -> list[Path]:
    """Write a log as ``-d tid -D trace-%d.log`` does; a line without a thread goes where the last one went."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[int, list[bytes]] = {}
    thread = 0
    for line in log.splitlines(keepends=True):
        before, at, _ = line.partition(b"@")
        thread = int(before) if at and before.isdigit() else thread
        files.setdefault(thread, []).append(line)
    for own, lines in files.items():
        (folder / f"trace-{own}.log").write_bytes(b"".join(lines))
    return [folder / f"trace-{own}.log" for own in sorted(files)]
