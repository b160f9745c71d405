"""The interleaving around a window as an indented call tree, the way QEMU developers draw it by hand."""

from __future__ import annotations

from collections.abc import Iterator

from traceview.errors import MissingEventsError, UnknownNameError
from traceview.findings import ScanResult, Window
from traceview.report.escape import printable
from traceview.report.style import Style, offset_from, place
from traceview.report.text import finding_lines
from traceview.timeline.marks import Mark
from traceview.timeline.nesting import Frame, build_nesting
from traceview.vocabulary import Meaning, MeaningTable, Row

__all__ = ["tree_lines"]

MOST_ROWS = 200
"""Rows shown of one window unless all are asked for."""
_CLOSERS = (Meaning.DISPATCH_DONE, Meaning.POLL_DONE, Meaning.ITERATION_DONE, Meaning.JOB_EXIT_DONE)
_PLAIN = {"iteration": "main_loop_wait", "iohandler_poll": "qemu_iohandler_poll"}


def tree_lines(result: ScanResult, number: int, style: Style, *, whole: bool) -> Iterator[str]:
    """Yield finding `number` (from 1) of a scan that kept its witnesses, with the interleaving around it.

    Raises UnknownNameError for a number that is none, MissingEventsError if the scan kept no witness.
    """
    if not 1 <= number <= len(result.findings):
        known = f"the findings are 1 to {len(result.findings)}" if result.findings else "there is no finding"
        raise UnknownNameError(f"there is no finding {number}: {known}")
    finding = result.findings[number - 1]
    window = result.windows[finding.window]
    if window.witness is None:
        raise MissingEventsError(f"finding {number} was scanned without its surroundings")
    yield from finding_lines(number, finding, window, style)
    yield ""
    contexts = result.traces[window.trace].contexts
    yield from _tree(window, window.witness, contexts, style, whole=whole)


def _tree(window: Window, table: MeaningTable, contexts: dict[int, str], style: Style, *, whole: bool) -> Iterator[str]:
    nesting = build_nesting(table, contexts)
    letters = _letters(window)
    origin = window.open or Mark.of(table.row(0))
    threads = len(set(table.tid.tolist())) > 1
    rows = list(range(len(table)))
    hidden = 0
    if not whole and len(rows) > MOST_ROWS:
        near = {int(i) for i in range(len(table)) if int(table.record[i]) in letters}
        rows = [i for i in rows if any(abs(i - n) <= 3 for n in near)][:MOST_ROWS]
        hidden = len(table) - len(rows)
    last = -1
    for i in rows:
        row = table.row(i)
        if last >= 0 and i != last + 1:
            yield style.paint(f"        … {i - last - 1} records", "dim")
        last = i
        if row.meaning in _CLOSERS and row.record not in letters:
            continue
        frame = nesting.inner[i]
        yield _line(row, frame, letters, origin, contexts, style, threads=threads)
    if hidden:
        yield style.paint(f"{hidden} of {len(table)} records are not shown; --all shows them", "dim")


def _letters(window: Window) -> dict[int, str]:
    letters = {window.requests[i].mark.record: "(b)" for i in window.violating}
    if window.open is not None:
        letters[window.open.record] = "(a)"
    if window.close is not None:
        letters[window.close.record] = "(c)"
    return letters


def _line(
    row: Row, frame: Frame | None, letters: dict[int, str], origin: Mark, contexts: dict[int, str], style: Style, *,
    threads: bool,
) -> str:  # fmt: skip
    letter = letters.get(row.record, "")
    own = frame is not None and frame.first == row.index
    depth = frame.depth + (not own) if frame is not None else 0
    mark = Mark.of(row)
    words = _words(row, frame if own else None, contexts)
    thread = f"{row.tid} " if threads else ""
    text = f"{letter:<4}{'  ' * depth}{thread}{words}"
    painted = style.paint(text, *(("red", "bold") if letter == "(b)" else ("bold",) if letter else ()))
    return f"{painted}{' ' * max(2, 100 - len(text))}{place(mark):<13}{offset_from(mark, origin):>11}".rstrip()


def _words(row: Row, frame: Frame | None, contexts: dict[int, str]) -> str:
    if frame is not None:
        if frame.kind == "iteration":
            return f"main_loop_wait # {row.iteration}"
        if frame.kind in ("dispatch", "poll") and frame.key in contexts:
            return f"{row.event} ({printable(contexts[frame.key])})"
        if frame.kind in _PLAIN:
            return _PLAIN[frame.kind]
    return printable(row.text(), limit=160)
