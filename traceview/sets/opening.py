"""Opens the files of a set as one trace."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from traceview.api import Trace, open_source
from traceview.detect.lives import MAX_LIVES
from traceview.formats import detect, format_by_id
from traceview.formats.base import FormatInfo
from traceview.formats.declarations import Declarations
from traceview.formats.merged import MergedReader, ThreadsSource
from traceview.sets.model import Kind, TraceSet
from traceview.source import DEFAULT_CHUNK, ByteSource
from traceview.source.rotated import RotatedSource

__all__ = ["open_set"]

UNORDERED = (
    "the records of other threads are in files of their own, and their order is not known; "
    "-msg timestamp=on gives them threads and times"
)


def open_set(
    files: TraceSet,
    *,
    format: str | None = None,
    trace_events: str | Path | Declarations | None = None,
    chunk_bytes: int = DEFAULT_CHUNK,
    max_bytes: int | None = None,
    jobs: int | None = None,
    max_lives: int = MAX_LIVES,
) -> Trace:
    """Open the files of a set as one trace.

    What it takes, and raises, is told at `traceview.open`; of threads, each file is read as far as `max_bytes`.
    """
    trace = _opened(files, format, trace_events, chunk_bytes, max_bytes, jobs, max_lives)
    trace.named = str(files.named)
    return trace


def _opened(
    files: TraceSet, format: str | None, trace_events: str | Path | Declarations | None, chunk_bytes: int,
    max_bytes: int | None, jobs: int | None, max_lives: int,
) -> Trace:  # fmt: skip
    source: ByteSource = ByteSource(files.path, chunk_bytes=chunk_bytes, max_bytes=max_bytes)
    info: str | FormatInfo | None = format
    lossy = ""
    if files.kind is Kind.ROTATED:
        source = RotatedSource(
            files.paths, chunk_bytes=chunk_bytes, max_bytes=max_bytes, before=files.before, timed=files.timed,
            left_out=files.left_out,
        )  # fmt: skip
    elif files.kind is Kind.UNORDERED:
        lossy = UNORDERED
    elif files.kind is Kind.THREADS:
        source = ThreadsSource(
            {
                thread: ByteSource(path, chunk_bytes=chunk_bytes, max_bytes=max_bytes)
                for thread, path in zip(files.threads, files.paths, strict=True)
            }
        )
        of_one = format_by_id(format) if format is not None else detect(source)
        info = replace(of_one, make=partial(MergedReader, of_one))
    return open_source(
        source, format=info, trace_events=trace_events, jobs=jobs, max_lives=max_lives, lossy=lossy
    )  # fmt: skip
