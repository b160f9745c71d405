"""Words and units as people read them, and colour where the output is a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from traceview.events import NO_TIME
from traceview.findings import Severity, Shape, TraceSummary, Window
from traceview.report.escape import printable
from traceview.source.rotated import Member
from traceview.timeline.marks import Mark

__all__ = [
    "Style", "duration", "file_and_line", "files_of", "place", "place_in", "place_of", "plural", "shape_words",
]  # fmt: skip

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
SHAPE_WORDS = {
    Shape.FIRST_DIAGRAM: "first diagram: qemu_iohandler_poll, later in the same iteration",
    Shape.CASE_1: "case 1: iohandler_ctx dispatched after the job, same iteration",
    Shape.CASE_2: "case 2: iohandler_ctx dispatched in the next iteration, before the BH of the exit",
}
SEVERITY_WORDS = {Severity.DATA_LOSS: "DATA LOSS", Severity.BROKEN_PROMISE: "BROKEN PROMISE"}
SEVERITY_COLOUR = {Severity.DATA_LOSS: "red", Severity.BROKEN_PROMISE: "yellow"}


class Style:
    """Paints text, or leaves it as it is."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour

    def paint(self, text: str, *names: str) -> str:
        """Return `text` in the named colours (red, green, yellow, cyan, bold, dim)."""
        if not self.colour or not names:
            return text
        return f"\x1b[{';'.join(_CODES[n] for n in names)}m{text}\x1b[0m"


def duration(ns: int | None) -> str:
    """Return a time span in the unit that fits: ns, µs, ms or s; ``?`` where it is not known."""
    if ns is None:
        return "?"
    if not ns:
        return "0 µs"
    size = abs(ns)
    for unit, scale in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if size >= scale:
            value = ns / scale
            return f"{value:.0f} {unit}" if size % scale == 0 or size >= 100 * scale else f"{value:.3g} {unit}"
    return f"{ns} ns"


def offset_from(mark: Mark, origin: Mark) -> str:
    """Return when a record stands, from another one on, with its sign; ``""`` without times."""
    if NO_TIME in (mark.ts_ns, origin.ts_ns):
        return ""
    span = mark.ts_ns - origin.ts_ns
    return ("+" if span > 0 else "") + duration(span)


def place(mark: Mark) -> str:
    """Return where a record stands: its line, or its byte in a binary file; with its file where there are several."""
    if mark.place:
        return printable(mark.place)
    return f"line {mark.line}" if mark.line else f"byte {mark.byte_offset}"


def files_of(trace: TraceSummary) -> list[str]:
    """Return the paths of the files that were read of a trace."""
    return [m.path for m in trace.members if not m.left_out] or [trace.path]


def file_and_line(trace: TraceSummary, mark: Mark | None) -> tuple[str, int]:
    """Return in which file of a trace a record stands, and in which line there: 0 without lines, and for None."""
    if mark is None:
        return files_of(trace)[0] if trace.members else trace.path, 0
    member = _member(trace.members, mark.line, mark.tid)
    if member is None:
        return trace.path, mark.line
    return member.path, mark.line - member.first_line + 1 if mark.line else 0


def _member(members: Sequence[Member], line: int, thread: int | None) -> Member | None:
    """Return the file in which a line stands, of a rotated log, or whose thread it is; None where that is not known."""
    read = [m for m in members if not m.left_out]
    if read and read[0].thread is not None:
        return next((m for m in read if m.thread == thread), None)
    begun = [m for m in read if m.first_line <= line]
    return begun[-1] if line and begun else None


def place_in(members: Sequence[Member], mark: Mark) -> str:
    """Return where a record stands, with its file where the trace lies in several: its `members`."""
    member = _member(members, mark.line, mark.tid)
    if mark.place or member is None:
        return place(mark)
    line = f"line {mark.line - member.first_line + 1}" if mark.line else f"byte {mark.byte_offset}"
    return printable(f"{member.path.rpartition('/')[2]} {line}")


def place_of(members: Sequence[Member], line: int, byte_offset: int) -> str:
    """Return where a line, or a byte where there are none, stands; of a rotated log with the file that it is in."""
    member = _member(members, line, None)
    if member is None:
        return f"line {line}" if line else f"byte {byte_offset}"
    return printable(f"{member.path.rpartition('/')[2]} line {line - member.first_line + 1}")


def plural(count: int, word: str) -> str:
    """Return ``1 write``, ``2 writes``."""
    if count != 1 and not word.endswith("zeroes"):
        word = word + ("es" if word.endswith("sh") else "s")
    return f"{count} {word}"


def shape_words(window: Window) -> str:
    """Return a window's shape in words, or why it has none."""
    if window.shape is None:
        return ""
    return SHAPE_WORDS.get(window.shape, f"unclassified: {window.shape_reason}")
