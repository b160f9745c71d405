"""Lost extents as text, JSON and CSV: what each disk lacks, where the bytes still are, until when that is known."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from traceview.errors import TraceviewError
from traceview.events import NO_TIME
from traceview.findings import Verdict
from traceview.image_map import ImageMap
from traceview.losses import Horizon, Image, Losses, LossState, LostExtent
from traceview.report.escape import printable, spreadsheet_cell, valid_text
from traceview.report.machine import point
from traceview.report.style import Style, place, plural
from traceview.timeline.names import pointer

__all__ = ["EXTENT_COLUMNS", "SCHEMA_VERSION", "extent_csv", "extent_lines", "extents_json", "image_words"]

SCHEMA_VERSION = 1
EXTENT_COLUMNS = (
    "trace", "device", "offset_bytes", "length_bytes", "state", "reason", "ops", "job", "job_kind", "rules",
    "has_node", "has_image", "lacks_node", "lacks_image", "now_node", "now_image", "written_line", "written_record",
    "written_ns", "rewritten_line", "rewritten_record", "rewritten_ns", "allocated_bytes",
)  # fmt: skip
"""Columns of the CSV: `state` is lost, uncertain or rewritten; records count from 0, lines from 1 (empty in binary
traces), times are ns of the trace's own clock; `allocated_bytes` is empty without a map of the old image."""
_COLOUR = {LossState.LOST: "red", LossState.UNCERTAIN: "yellow", LossState.REWRITTEN: "dim"}
_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def extent_lines(losses: Losses, style: Style, image_map: ImageMap | None = None) -> Iterator[str]:
    """Yield the lost extents for a person: a headline a disk, a paragraph a job, a line an extent."""
    named = len(losses.scan.traces) > 1
    for (trace, device), of_disk in itertools.groupby(losses.extents, key=lambda e: (e.trace, e.device)):
        extents = list(of_disk)
        where = f"{printable(losses.scan.traces[trace].path)}: " if named else ""
        yield style.paint(f"{where}{printable(device)}: {_totals(extents)}", "bold")
        for _, of_job in itertools.groupby(extents, key=lambda e: (e.job, e.windows[0], e.has, e.lacks, e.now)):
            group = list(of_job)
            yield f"  {group[0].job_kind} job {pointer(group[0].job)}: {_images(group[0])}"
            yield from (_extent_line(e, style, image_map) for e in group)
        yield ""
    if not losses.extents:
        yield "no lost extent: no violated window of a job that moved the guest has a write in it"
    for summary, horizon in zip(losses.scan.traces, losses.horizons, strict=True):
        yield f"{printable(summary.path)}: {_until(horizon)}"
    yield from _open_questions(losses, style)


def _totals(extents: Sequence[LostExtent]) -> str:
    lengths = {state: [e.extent.length for e in extents if e.state is state] for state in LossState}
    return "; ".join(
        f"{plural(len(each), 'extent')} {state.value}, {size(sum(each))}" for state, each in lengths.items() if each
    )


def size(count: int) -> str:
    """Return a number of bytes, with a rounder unit beside it where one fits."""
    for unit, scale in _UNITS:
        if count >= scale:
            return f"{count} B ({count / scale:.3g} {unit})"
    return f"{count} B"


def image_words(image: Image) -> str:
    """Return what an image is called: its file, or its node."""
    return printable(image.file) or (f"bs {pointer(image.node)}" if image.node else "an image that is not named")


def _images(extent: LostExtent) -> str:
    words = f"{image_words(extent.has)} has what {image_words(extent.lacks)} lacks"
    if extent.now == extent.lacks or not (extent.now.node or extent.now.file):
        return words
    # A node that is gone leaves its address to another one.
    later = "the target of a later job" if extent.now == extent.has else image_words(extent.now)
    return f"{words}, and {later}, which the disk is on now"


def _extent_line(extent: LostExtent, style: Style, image_map: ImageMap | None) -> str:
    span = f"{extent.extent.offset:>15} +{extent.extent.length:<9}"
    ops = "/".join(op.label.replace("_", " ") for op in extent.ops)
    words = f"{ops} at {place(extent.written)}"
    if extent.made_good is not None:
        words += f", rewritten at {place(extent.made_good)}"
    if extent.reason:
        words += f"; {printable(extent.reason)}"
    if image_map is not None:
        words += f"; {_allocation(extent, image_map)}"
    return f"    {style.paint(f'{extent.state.value:<9}', _COLOUR[extent.state])} {span} {words}"


def _allocation(extent: LostExtent, image_map: ImageMap) -> str:
    allocated = image_map.allocated_bytes(extent.extent)
    if extent.extent.end > image_map.end:
        return f"{allocated} B allocated in the old image, which the map follows to {image_map.end} only"
    if not allocated:
        return "a hole in the old image"
    part = f"{allocated} of {extent.extent.length} B " if allocated < extent.extent.length else ""
    return f"{part}allocated in the old image"


def _until(horizon: Horizon) -> str:
    if horizon.gap is not None:
        return f"what was rewritten is known until {place_of_gap(horizon)}: {printable(horizon.gap.text)}"
    if horizon.last is None:
        return "the trace has no record"
    return f"what was rewritten is known until the end of the trace, {place(horizon.last)}"


def place_of_gap(horizon: Horizon) -> str:
    """Return where the records are missing that end what is known."""
    assert horizon.gap is not None
    return f"line {horizon.gap.line}" if horizon.gap.line else f"byte {horizon.gap.byte_offset}"


def _open_questions(losses: Losses, style: Style) -> Iterator[str]:
    """Yield why some windows could not be judged, in which more may have been lost."""
    for trace in losses.scan.traces:
        for unjudged in trace.unjudged:
            yield f"{style.paint('? NOT JUDGED', 'yellow')}  {unjudged.rule}: {printable(unjudged.reason)}"
    scan = losses.scan
    blind = [w for w in scan.windows if w.verdict is Verdict.INCONCLUSIVE and scan.must_judge(w)]
    reasons = Counter((w.rule, w.reason) for w in blind)
    for (rule, reason), count in reasons.items():
        yield f"{style.paint('? INCONCLUSIVE', 'yellow')}  {plural(count, 'window')} of {rule}: {printable(reason)}"


def _image(image: Image) -> dict[str, Any]:
    return {"node": pointer(image.node) if image.node else None, "file": valid_text(image.file)}


def _extent(extent: LostExtent, image_map: ImageMap | None) -> dict[str, Any]:
    return {
        "trace": extent.trace,
        "device": valid_text(extent.device),
        "offset_bytes": extent.extent.offset,
        "length_bytes": extent.extent.length,
        "state": extent.state.value,
        "reason": valid_text(extent.reason),
        "ops": [op.label for op in extent.ops],
        "job": pointer(extent.job),
        "job_kind": extent.job_kind,
        "rules": list(extent.rules),
        "windows": list(extent.windows),
        "has": _image(extent.has),
        "lacks": _image(extent.lacks),
        "now": _image(extent.now),
        "written": point(extent.written),
        "rewritten": point(extent.made_good) if extent.made_good is not None else None,
        "allocated": None
        if image_map is None
        else [{"offset_bytes": e.offset, "length_bytes": e.length} for e in image_map.within(extent.extent)],
    }


def extents_json(losses: Losses, errors: Iterable[TraceviewError] = (), image_map: ImageMap | None = None) -> str:
    """Return the lost extents as one JSON document (docs/extents.md), escaped to ASCII."""
    totals = {
        state.value: {
            "extents": sum(1 for _ in losses.of(state)),
            "bytes": sum(e.extent.length for e in losses.of(state)),
        }
        for state in LossState
    }
    document = {
        "schema_version": SCHEMA_VERSION,
        "traces": [
            {
                "path": valid_text(summary.path),
                "qemu": summary.dating.text,
                "known_until": point(horizon.last) if horizon.last is not None else None,
                "gap": valid_text(horizon.gap.text) if horizon.gap is not None else None,
            }
            for summary, horizon in zip(losses.scan.traces, losses.horizons, strict=True)
        ],
        "extents": [_extent(e, image_map) for e in losses.extents],
        "errors": [{"kind": type(e).__name__, "message": valid_text(str(e))} for e in errors],
        "summary": totals,
    }
    return json.dumps(document, indent=1)


def extent_csv(losses: Losses, image_map: ImageMap | None = None) -> Iterator[str]:
    """Yield the lines of a CSV with `EXTENT_COLUMNS`; no cell of it is a formula."""
    yield _row(EXTENT_COLUMNS)
    for e in losses.extents:
        cells: list[object] = [
            losses.scan.traces[e.trace].path, e.device, e.extent.offset, e.extent.length, e.state.value, e.reason,
            " ".join(op.label for op in e.ops), pointer(e.job), e.job_kind, " ".join(e.rules),
        ]  # fmt: skip
        for image in (e.has, e.lacks, e.now):
            cells += [pointer(image.node) if image.node else "", image.file]
        for mark in (e.written, e.made_good):
            if mark is None:
                cells += ["", "", ""]
            else:
                cells += [mark.line or "", mark.record, mark.ts_ns if mark.ts_ns != NO_TIME else ""]
        cells.append("" if image_map is None else image_map.allocated_bytes(e.extent))
        yield _row(spreadsheet_cell(c) if isinstance(c, str) else c for c in cells)


def _row(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()
