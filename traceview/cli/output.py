"""Where output goes: data to stdout, notes and progress to stderr, colour on a terminal only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from traceview.report.escape import printable
from traceview.report.style import Style

if TYPE_CHECKING:
    from rich.progress import Progress

    from traceview.api import Trace

__all__ = ["ProgressBar", "complain", "note", "out_style", "output_file", "write_lines"]

PROGRESS_AFTER_S = 1.0


def complain(text: str) -> None:
    """Print an error to stderr. Each line is made harmless: file names are untrusted."""
    lines = [printable(line, limit=2000) for line in text.split("\n")]
    print("traceview: error: " + "\n".join(lines), file=sys.stderr)


def note(text: str) -> None:
    """Print a note to stderr."""
    print(f"traceview: {printable(text, limit=2000)}", file=sys.stderr)


def out_style() -> Style:
    """Return the style for stdout: colour on a terminal, unless NO_COLOR or TERM=dumb says otherwise."""
    wants = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(colour=bool(wants or os.environ.get("FORCE_COLOR")))


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout as UTF-8, whatever the locale says."""
    out = sys.stdout.buffer
    for line in lines:
        out.write(line.encode("utf-8", "backslashreplace") + b"\n")
    out.flush()


@contextmanager
def output_file(path: Path | None) -> Iterator[BinaryIO]:
    """Open the file to write to: `path`, or stdout for None."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with path.open("wb") as f:
        yield f


class ProgressBar:
    """Bytes, rate and time left on stderr, where that is a terminal and reading takes more than a second."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._bar: Progress | None = None
        self._done = 0
        self._total: int | None = None
        self._name = ""
        self._visible = sys.stderr.isatty()

    def watch(self, trace: Trace) -> None:
        """Follow the reading of a trace."""
        self._done, self._total, self._name = 0, trace.source.size(), trace.path
        self._stop()
        if self._visible:
            trace.source.on_bytes = self._advance

    def _advance(self, count: int) -> None:
        self._done += count
        if self._bar is None and self._clock() - self._started < PROGRESS_AFTER_S:
            return
        if self._bar is None:
            self._bar = self._start()
        self._bar.update(self._bar.task_ids[0], completed=self._done)

    def _start(self) -> Progress:
        from rich.console import Console  # noqa: PLC0415  (only for long work on a terminal)
        from rich.markup import escape  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        bar.add_task(escape(printable(self._name, limit=60)), total=self._total)
        bar.start()
        return bar

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop()
