"""The logs to measure with: a capture, mixed and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.captures import LogLines
from benchmarks.mixing import mixed, places
from benchmarks.stretches import job_stretches, names_before, quiet_stretch, short_jobs
from benchmarks.template import TextTemplate

__all__ = ["LogSource", "log_text", "sections_begun", "windows_templates"]

Int64Array = npt.NDArray[np.int64]
_LINE_BYTES = 73
"""About the length of a line, to choose how many jobs make a template of a given size."""


@dataclass(frozen=True)
class LogSource:
    """A capture to repeat, and those that lines which do not matter are taken from."""

    capture: Path
    others: tuple[Path, ...]

    @cached_property
    def lines(self) -> LogLines:
        """The records of the capture."""
        return LogLines.read(self.capture)

    @cached_property
    def surplus(self) -> list[bytes]:
        """Name and text of the records that do not matter, of the capture and then of the others."""
        out: list[bytes] = []
        for lines in (self.lines, *(LogLines.read(p) for p in self.others)):
            out += [lines.rest[i] for i in np.flatnonzero(~lines.wanted).tolist()]
        return out

    def jobs(self, share: float, size: int) -> bytes:
        """Return about `size` bytes of log, at least one whole job, in which `share` of the lines matters."""
        stretches = job_stretches(self.lines)
        mattering = np.concatenate(([0], np.cumsum(self.lines.wanted)))
        per_job = np.array([mattering[last] - mattering[first] for first, last in stretches])
        bytes_of = np.cumsum(per_job) / share * _LINE_BYTES
        count = 1 + int(np.argmin(np.abs(bytes_of - size)))
        return self.text(np.arange(stretches[0][0], stretches[count - 1][1]), share)

    def text(self, index: Int64Array, share: float) -> bytes:
        """Return a log of the chosen lines, after those that name what they speak of, mixed to a share."""
        named = names_before(self.lines, int(index[0]))
        return log_text(self.lines.take(np.concatenate((named, index))), self.surplus, share)


def log_text(lines: LogLines, surplus: Sequence[bytes], share: float) -> bytes:
    """Return lines as a log in which `share` of them matters.

    What is mixed in bears the thread of what it follows. To write a record takes time: each that is mixed in makes it a
    microsecond later for itself and all that follow.
    """
    source, bearer = places(lines.wanted, share, len(surplus))
    rest = mixed(lines.rest, surplus, source)
    late = np.cumsum(source < 0).tolist()
    return b"".join(
        [_later(lines.head[b], us) + r + b"\n" for b, us, r in zip(bearer.tolist(), late, rest, strict=True)]
    )


def _later(head: bytes, us: int) -> bytes:
    """Return a prefix ``THREAD@SECONDS.MICROSECONDS:`` of a later time."""
    thread, _, time = head.partition(b"@")
    seconds, micros = divmod(int(time[:-1].replace(b".", b"")) + us, 1_000_000)
    return b"%s@%d.%06d:" % (thread, seconds, micros)


def sections_begun(nodes: int, deep: int) -> bytes:
    """Return the lines of drained sections that begin, as deep as asked, and never end."""
    lines = []
    for node in range(nodes):
        bs = 0x6F0000000000 + 0x1000 * node  # above all pointers of the captures
        for count in range(1, deep + 1):
            lines.append(b"1@1500000000.000000:bdrv_drained_begin bs 0x%x quiesce_counter %d\n" % (bs, count))
            lines.append(b"1@1500000000.000000:bdrv_drained_begin_done bs 0x%x\n" % bs)
    return b"".join(lines)


def windows_templates(source: LogSource, share: float, size: int) -> tuple[TextTemplate, TextTemplate]:
    """Return two templates of about `size` bytes: one of jobs cut short, at least one, and one without a job."""
    jobs = short_jobs(source.lines)
    mattering = np.cumsum([np.count_nonzero(source.lines.wanted[j]) for j in jobs])
    count = 1 + int(np.argmin(np.abs(mattering / share * _LINE_BYTES - size)))
    busy = source.text(np.concatenate(jobs[:count]), share)
    quiet = quiet_stretch(source.lines)
    # So many lines that matter as the other has: the rest is mixed in, so the sizes are alike too.
    needed = int(mattering[count - 1])
    enough = int(np.searchsorted(np.cumsum(source.lines.wanted[quiet]), needed)) + 1
    return TextTemplate(busy), TextTemplate(source.text(quiet[:enough], share))
