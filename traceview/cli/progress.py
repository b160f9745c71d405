"""The progress bar."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from traceview.report.escape import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from traceview.api import Trace

__all__ = ["ProgressBar"]

PROGRESS_AFTER_S = 1.0


class ProgressBar:
    """Bytes, rate and time left on stderr, where that is a terminal and reading takes more than a second.

    `hidden` where the terminal shows the data meanwhile.
    """

    def __init__(self, *, hidden: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._bar: Progress | None = None
        self._done = 0
        self._total: int | None = None
        self._name = ""
        self._wanted = sys.stderr.isatty() and not hidden

    @property
    def visible(self) -> bool:
        """Whether it is to be seen just now."""
        return self._bar is not None

    def watch(self, trace: Trace) -> None:
        """Follow the reading of a trace."""
        self._done, self._total, self._name = 0, trace.source.size(), trace.path
        self.pause()
        if self._wanted:
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

    def pause(self) -> None:
        """Take the bar away until more is read: something else is to be printed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> ProgressBar:
        gc.freeze()
        gc.enable()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.pause()
