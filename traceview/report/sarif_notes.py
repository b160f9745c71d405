"""Troubles of a scan as notifications of SARIF 2.1.0: they are of the tool and its input, and no results.

What is told: places where a trace lacks something, lines that none of the known forms fits, records whose order or
device is in doubt, traces that could not be read, and what of the results was left out to stay within the limits of
those who read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from traceview.errors import TraceviewError
from traceview.events import Gap
from traceview.findings import RefusedLine, ScanResult
from traceview.report.sarif_places import Places
from traceview.report.sarif_words import message
from traceview.report.style import plural
from traceview.timeline.marks import Mark

__all__ = ["LeftOut", "notification_descriptors", "notifications"]

MOST_OF_A_KIND = 20
"""Gaps of one trace that are told one by one."""
_KINDS = {
    "unread-trace": ("error", "A trace could not be read; nothing of it was judged."),
    "gap": ("warning", "The trace lacks something here: what stands around it cannot be judged."),
    "refused-line": ("warning", "A line names a known event and fits none of its forms."),
    "doubt": ("note", "It is not certain that records stand in a window, or are of its disk."),
    "left-out": ("note", "Something was left out to stay within the limits of those who read the file."),
}
_INDEX = {kind: index for index, kind in enumerate(_KINDS)}


class LeftOut:
    """What of the results is not told, in words."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def note(self, count: int, words: str) -> None:
        """Note that something was left out `count` times; nothing is noted for none."""
        if count:
            self.words.append(words)


def notification_descriptors() -> list[dict[str, Any]]:
    """Return what kinds of notifications there are."""
    return [
        {"id": kind, "shortDescription": message(words), "defaultConfiguration": {"level": level}}
        for kind, (level, words) in _KINDS.items()
    ]


def notifications(
    result: ScanResult, errors: Sequence[TraceviewError], left_out: LeftOut, places: Places
) -> list[dict[str, Any]]:
    """Return the notifications of a scan, what weighs most first."""
    made = [{**_note("unread-trace", str(e)), "properties": {"kind": type(e).__name__}} for e in errors]
    for index, trace in enumerate(result.traces):
        made += _gaps(index, trace.gaps, places)
        made += _refused(index, trace.refused_lines, trace.refused, places)
    made += _doubts(result, places)
    return made + [_note("left-out", words) for words in left_out.words]


def _note(kind: str, words: str, place: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "descriptor": {"id": kind, "index": _INDEX[kind]},
        "level": _KINDS[kind][0],
        "message": message(words),
    }
    return made if place is None else {**made, "locations": [place]}


def _gaps(trace: int, gaps: Sequence[Gap], places: Places) -> Iterator[dict[str, Any]]:
    for gap in gaps[:MOST_OF_A_KIND]:
        at = Mark(gap.record, gap.line, gap.byte_offset, gap.ts_ns, 0, "", 0)
        yield {**_note("gap", gap.text, places.of(trace, at)), "properties": {"cause": gap.cause}}
    if len(gaps) > MOST_OF_A_KIND:
        words = f"{len(gaps) - MOST_OF_A_KIND} more gaps of this trace are not told one by one"
        yield _note("gap", words, places.of(trace, None))


def _refused(trace: int, count: int, explained: Sequence[RefusedLine], places: Places) -> Iterator[dict[str, Any]]:
    for line in explained:
        at = Mark(0, line.line, line.byte_offset, 0, 0, "", 0)
        yield _note("refused-line", line.explanation, places.of(trace, at))
    if count > len(explained):
        words = f"{plural(count - len(explained), 'more line')} of this trace could not be read so"
        yield _note("refused-line", words, places.of(trace, None))


def _doubts(result: ScanResult, places: Places) -> Iterator[dict[str, Any]]:
    """Yield what is in doubt, once for each trace and reason, at the first record of which it is."""
    found: dict[tuple[int, str], list[Mark]] = {}
    for window in result.windows:
        told = [(r.doubt, r.mark) for r in window.requests] + [(h.doubt, h.mark) for h in window.happenings]
        for doubt, mark in told:
            if doubt:
                found.setdefault((window.trace, doubt), []).append(mark)
    for (trace, doubt), marks in sorted(found.items(), key=lambda item: item[0][0]):
        yield _note("doubt", f"{plural(len(marks), 'record')} of windows in doubt: {doubt}", places.of(trace, marks[0]))
