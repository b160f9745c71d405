"""The interleaving around a window as an indented call tree, the way QEMU developers draw it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from traceview.errors import MissingEventsError, UnknownNameError
from traceview.findings import ScanResult, Window
from traceview.report.escape import printable
from traceview.report.style import Style, offset_from, place_in, plural
from traceview.report.text import finding_lines
from traceview.source.rotated import Member
from traceview.timeline.marks import Mark
from traceview.timeline.nesting import Frame, Nesting, build_nesting
from traceview.vocabulary import Meaning, MeaningTable, Row

__all__ = ["tree_lines", "tree_rows"]

MOST_ROWS = 200
"""Rows shown of one window unless all are asked for."""
NEAR = 3
"""Rows shown before and after (a), (b) and (c) of a longer window."""
WIDEST = 120
"""Up to this width of the calls, the places and times behind them stand in columns."""
_CLOSERS = (Meaning.DISPATCH_DONE, Meaning.POLL_DONE, Meaning.ITERATION_DONE, Meaning.JOB_EXIT_DONE)
_PLAIN = {"iteration": "main_loop_wait", "iohandler_poll": "qemu_iohandler_poll"}


def tree_lines(result: ScanResult, number: int, style: Style, *, whole: bool) -> Iterator[str]:
    """Yield finding `number` (from 1) of a scan that kept its witnesses, with the interleaving around it.

    Raises UnknownNameError for a number that is none, MissingEventsError if the scan kept no witness.
    """
    if not 1 <= number <= len(result.findings):
        known = f"the findings are 1 to {len(result.findings)}" if result.findings else "the scan found nothing"
        raise UnknownNameError(f"there is no finding {number}: {known}")
    finding = result.findings[number - 1]
    window = result.windows[finding.window]
    if window.witness is None:
        raise MissingEventsError(f"finding {number} was scanned without its surroundings")
    yield from finding_lines(number, finding, window, style, result.traces[window.trace].lives)
    yield ""
    trace = result.traces[window.trace]
    hint = "; --all shows them"
    for _, text in tree_rows(
        window, window.witness, trace.contexts, style, whole=whole, hint=hint, members=trace.members
    ):  # fmt: skip
        yield text


def tree_rows(
    window: Window, table: MeaningTable, contexts: dict[int, str], style: Style, *, whole: bool,
    hint: str = "", members: Sequence[Member] = (),
) -> Iterator[tuple[int | None, str]]:  # fmt: skip
    """Yield the lines of the tree of a window, each with the number of its record (None for a line about the tree).

    `hint` stands behind the words that some records are not shown; `members` are the files of the trace.
    """
    nesting = build_nesting(table, contexts)
    letters = _letters(window)
    origin = window.open or Mark.of(table.row(0))
    threads = len(set(table.tid.tolist())) > 1
    rows = range(len(table))
    shown = list(rows) if whole or len(rows) <= MOST_ROWS else _near(table, letters, nesting)
    drawn: list[tuple[int, str]] = []
    for i in shown:
        row = table.row(i)
        if row.meaning not in _CLOSERS or row.record in letters:
            drawn.append((i, _call(row, nesting.inner[i], letters, contexts, threads=threads)))
    width = min(max((len(text) for _, text in drawn), default=0), WIDEST)
    places = max((len(place_in(members, Mark.of(table.row(i)))) for i, _ in drawn), default=0)
    texts = dict(drawn)
    last = -1
    for i in shown:
        if i != last + 1:
            yield None, style.paint(f"        … {plural(i - last - 1, 'record')}", "dim")
        last = i
        if i in texts:
            mark = Mark.of(table.row(i))
            letter = letters.get(mark.record)
            painted = style.paint(texts[i], *(("red", "bold") if letter == "(b)" else ("bold",) if letter else ()))
            when = f"{place_in(members, mark):<{places}}{offset_from(mark, origin):>11}"
            yield mark.record, f"{painted}{' ' * (width - len(texts[i]))}  {when}".rstrip()
    if len(shown) < len(rows):
        hidden = len(rows) - len(shown)
        yield None, style.paint(f"{hidden} of {len(rows)} records are not shown{hint}", "dim")


def _letters(window: Window) -> dict[int, str]:
    letters = {window.requests[i].mark.record: "(b)" for i in window.violating}
    letters |= {h.mark.record: "(b)" for h in window.happenings}
    if window.open is not None:
        letters[window.open.record] = "(a)"
    if window.close is not None:
        letters[window.close.record] = "(c)"
    return letters


def _near(table: MeaningTable, letters: dict[int, str], nesting: Nesting) -> list[int]:
    """Return the rows around (a) and (c) and around the first of the (b), with the calls that they stand in."""
    marked = [i for i in range(len(table)) if int(table.record[i]) in letters]
    edges = [i for i in marked if letters[int(table.record[i])] != "(b)"]
    kept: set[int] = set()
    for i in edges + [i for i in marked if i not in edges]:
        around = set(range(max(0, i - NEAR), min(len(table), i + NEAR + 1)))
        frame = nesting.inner[i]
        while frame is not None:
            around.add(frame.first)
            frame = frame.parent
        if len(kept | around) > MOST_ROWS:
            break
        kept |= around
    return sorted(kept)


def _call(row: Row, frame: Frame | None, letters: dict[int, str], contexts: dict[int, str], *, threads: bool) -> str:
    own = frame is not None and frame.first == row.index
    depth = frame.depth + (not own) if frame is not None else 0
    thread = f"{row.tid} " if threads else ""
    return f"{letters.get(row.record, ''):<4}{'  ' * depth}{thread}{_words(row, frame if own else None, contexts)}"


def _words(row: Row, frame: Frame | None, contexts: dict[int, str]) -> str:
    if frame is not None:
        if frame.kind == "iteration":
            return f"main_loop_wait # {row.iteration}"
        if frame.kind in ("dispatch", "poll") and frame.key in contexts:
            return f"{row.event} ({printable(contexts[frame.key])})"
        if frame.kind in _PLAIN:
            return _PLAIN[frame.kind]
    return printable(row.text(), limit=160)
