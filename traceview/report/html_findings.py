"""A finding as the page shows it: its words, its points with their places, its call tree, what it lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from traceview.detect.witness import surroundings
from traceview.events import Gap
from traceview.findings import Finding, ScanResult, Window
from traceview.losses import Losses, LostExtent
from traceview.report.escape import printable
from traceview.report.extents import image_words, size
from traceview.report.html_timeline import timeline_document
from traceview.report.style import SEVERITY_WORDS, Style, offset_from, place
from traceview.report.text import closing_words, finding_lines, opening_words, request_words, subject_words
from traceview.report.tree import tree_rows
from traceview.scene import Scene, build_scene
from traceview.scene.spans import is_long
from traceview.timeline import Timeline
from traceview.timeline.marks import Mark
from traceview.vocabulary import MeaningTable

__all__ = [
    "ExtentView",
    "FindingView",
    "Picture",
    "PointView",
    "Room",
    "extent_view",
    "finding_view",
    "losses_by_window",
    "picture_of",
    "window_place",
]


_PLAIN = Style(colour=False)


@dataclass(frozen=True, slots=True)
class Room:
    """How much of one finding there is room for: rows of its tables, characters of its tree, bytes of its timeline."""

    points: int
    extents: int
    tree_chars: int
    timeline_bytes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What surrounds a window: its scene, and the records of its tree. `partial` where only those near its points."""

    scene: Scene
    witness: MeaningTable | None
    partial: bool = False


def picture_of(window: Window, timeline: Timeline, gaps: Sequence[Gap] = ()) -> Picture:
    """Return what surrounds a window, of the records around it and the gaps of its trace."""
    witness = window.witness if window.witness is not None else surroundings(window, [timeline.table])
    return Picture(build_scene(timeline, window, gaps=gaps), witness, is_long(window))


@dataclass(frozen=True, slots=True)
class PointView:
    """A row of the evidence: one point of the window."""

    letter: str
    record: int
    place: str
    offset: str
    what: str
    event: str
    thread: int
    iteration: int


@dataclass(frozen=True, slots=True)
class ExtentView:
    """A lost extent in words."""

    trace: str
    device: str
    offset: int
    length: str
    state: str
    ops: str
    job: str
    has: str
    lacks: str
    now: str
    written: str
    rewritten: str
    reason: str


@dataclass(slots=True)
class FindingView:
    """A finding in words; all of its text is printable and none of it is HTML."""

    number: int
    severity: str
    severity_words: str
    possible: bool
    subject: str
    rule: str
    label: str
    evidence: str
    title: str
    trace: str
    facts: list[str]
    points: list[PointView]
    more_points: int
    links: list[str]
    references: list[str]
    extents: list[ExtentView]
    more_extents: int
    duration: str
    tree: list[tuple[int | None, str]] = field(default_factory=list)
    tree_cut: bool = False
    timeline: dict[str, Any] | None = None
    partial: bool = False


def finding_view(
    result: ScanResult, number: int, lost: Sequence[LostExtent], losses: Losses, picture: Picture | None, room: Room
) -> FindingView:
    """Return finding `number` (from 1) in words and with its picture, where it has one."""
    finding = result.findings[number - 1]
    window = result.windows[finding.window]
    inside = _inside(window, finding)
    secure = [r for r in finding.references if r.startswith("https://")]
    view = FindingView(
        number=number,
        severity=finding.severity.value,
        severity_words=SEVERITY_WORDS[finding.severity],
        possible=not finding.certain,
        subject=subject_words(window),
        rule=finding.rule,
        label=printable(finding.label),
        evidence=window.evidence.value,
        title=printable(finding.title).removeprefix(f"{subject_words(window)}: "),
        trace=printable(result.traces[window.trace].path),
        facts=_facts(number, finding, window),
        points=list(_points(window, inside[: room.points])),
        more_points=max(len(inside) - room.points, 0) + window.more,
        links=[printable(r) for r in secure],
        references=[printable(r) for r in finding.references if r not in secure],
        extents=[extent_view(e, losses) for e in lost[: room.extents]],
        more_extents=max(len(lost) - room.extents, 0),
        duration=_span(window),
    )
    if picture is not None:
        view.timeline, view.partial = timeline_document(picture.scene, room.timeline_bytes), picture.partial
        if picture.witness is not None:
            _add_tree(view, result, picture.witness, room.tree_chars)
    return view


def _add_tree(view: FindingView, result: ScanResult, witness: MeaningTable, most_chars: int) -> None:
    window = result.windows[result.findings[view.number - 1].window]
    contexts = result.traces[window.trace].contexts
    left = most_chars
    for record, text in tree_rows(window, witness, contexts, _PLAIN, whole=False):
        left -= len(text) + 40  # what the element of a line takes
        if left < 0:
            view.tree_cut = True
            return
        view.tree.append((record, text))


def losses_by_window(losses: Losses) -> dict[tuple[object, ...], list[LostExtent]]:
    """Return the lost extents by the window that lost them (`window_place`).

    A scan and a search for losses have windows of their own each, as they judge by different rules: so a window is told
    by its place.
    """
    found: dict[tuple[object, ...], list[LostExtent]] = {}
    for extent in losses.extents:
        for index in extent.windows:
            found.setdefault(window_place(losses.scan, losses.scan.windows[index]), []).append(extent)
    return found


def window_place(result: ScanResult, window: Window) -> tuple[object, ...]:
    """Return what tells a window from all others, in whatever scan of the same traces it is."""
    edges = (m.record if m is not None else None for m in (window.open, window.close))
    return result.traces[window.trace].path, window.rule, window.subject, window.key, *edges


def extent_view(extent: LostExtent, losses: Losses) -> ExtentView:
    """Return a lost extent in words."""
    return ExtentView(
        trace=printable(losses.scan.traces[extent.trace].path),
        device=printable(extent.device),
        offset=extent.extent.offset,
        length=size(extent.extent.length),
        state=extent.state.value,
        ops=", ".join(op.label.replace("_", " ") for op in extent.ops),
        job=f"{extent.job_kind} 0x{extent.job % (1 << 64):x}",
        has=image_words(extent.has),
        lacks=image_words(extent.lacks),
        now=_now(extent),
        written=place(extent.written),
        rewritten=place(extent.made_good) if extent.made_good is not None else "",
        reason=printable(extent.reason),
    )


def _now(extent: LostExtent) -> str:
    """Return the image that the disk is on when the trace ends, where that is another one and known."""
    if extent.now == extent.lacks or not (extent.now.node or extent.now.file):
        return ""
    # A node that is gone leaves its address to another one.
    return "the target of a later job" if extent.now == extent.has else image_words(extent.now)


def _span(window: Window) -> str:
    if window.open is None or window.close is None:
        return ""
    return offset_from(window.close, window.open).lstrip("+")


def _facts(number: int, finding: Finding, window: Window) -> list[str]:
    """Return what the text report says of a finding, less its headline and its points: they have other places."""
    lines = list(finding_lines(number, finding, window, _PLAIN))[1:]
    return [line.strip() for line in lines if not line.startswith(("  (a)", "  (b)", "  (c)", "      "))]


def _inside(window: Window, finding: Finding) -> list[tuple[Mark, str]]:
    """Return all that broke a window, with its words, in the order of the file."""
    inside = [(window.requests[i].mark, request_words(window.requests[i])) for i in finding.requests]
    for i in finding.happenings:
        happening = window.happenings[i]
        doubt = f" (possible: {happening.doubt})" if happening.doubt else ""
        inside.append((happening.mark, happening.text + doubt))
    at_opening = window.open.record if window.open is not None else -1
    return sorted((each for each in inside if each[0].record != at_opening), key=lambda each: each[0].record)


def _points(window: Window, inside: list[tuple[Mark, str]]) -> Iterator[PointView]:
    origin = window.open
    if origin is not None:
        yield _point("(a)", origin, origin, opening_words(window))
    for mark, words in inside:
        yield _point("(b)", mark, origin, words)
    if window.close is not None:
        yield _point("(c)", window.close, origin, closing_words(window))


def _point(letter: str, mark: Mark, origin: Mark | None, what: str) -> PointView:
    offset = "0 µs" if mark is origin else offset_from(mark, origin) if origin is not None else ""
    return PointView(
        letter, mark.record, place(mark), offset, printable(what, limit=300), printable(mark.event), mark.tid,
        mark.iteration,
    )  # fmt: skip
