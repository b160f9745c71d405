"""A repair as JSON: one document, schema version 1 (docs/repair.md has its keys)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from traceview.errors import TraceviewError
from traceview.losses import Image, LostExtent
from traceview.repair.commands import commands_of
from traceview.repair.compare import Difference
from traceview.repair.images import DiskImage
from traceview.repair.pair import Pair
from traceview.repair.plan import Choice, Plan, Step
from traceview.repair.putback import Restored, Restoring
from traceview.repair.verify import Checked
from traceview.report.escape import valid_text
from traceview.report.machine import point
from traceview.timeline.names import pointer

__all__ = ["SCHEMA_VERSION", "repair_json", "undo_json", "verify_json"]

SCHEMA_VERSION = 1


def repair_json(
    plan: Plan,
    pair: Pair,
    *,
    undo: Path | None = None,
    copied: Sequence[Step] | None = None,
    errors: Iterable[TraceviewError] = (),
) -> str:
    """Return a plan, and what was copied of it (None where nothing was to be: a dry run)."""
    return _document(
        "repair",
        {
            **_images(pair),
            "obstacles": [valid_text(o) for o in plan.obstacles],
            "notes": [valid_text(n) for n in plan.notes],
            "steps": [_step(s, pair) for s in plan.steps],
            "executed": copied is not None,
            "copied": [i for i, s in enumerate(plan.steps) if s.choice is Choice.COPY][: len(copied or ())],
            "undo": valid_text(str(undo)) if undo is not None else None,
            "errors": _errors(errors),
            "summary": {c.value: _total(s.lost for s in plan.of(c)) for c in Choice},
        },
    )


def undo_json(restored: Sequence[Restored], target: Path, *, written: bool, finished: bool) -> str:
    """Return what was put back, or would be."""
    return _document(
        "undo",
        {
            "target": valid_text(str(target)),
            "executed": written,
            "repair_finished": finished,
            "pieces": [
                {
                    "offset_bytes": r.extent.offset,
                    "length_bytes": r.extent.length,
                    "outcome": r.outcome.value,
                    "forced": r.forced,
                }
                for r in restored
            ],
            "summary": {o.value: sum(r.outcome is o for r in restored) for o in Restoring},
        },
    )


def verify_json(checked: Sequence[Checked], pair: Pair, errors: Iterable[TraceviewError] = ()) -> str:
    """Return which of the lost extents differ."""
    compared = [c for c in checked if c.difference is not None]
    return _document(
        "verify",
        {
            **_images(pair),
            "notes": [valid_text(n) for n in (*pair.used, *pair.doubts)],
            "extents": [
                {**_lost(c.lost), **_difference(c.difference), "reasons": [valid_text(r) for r in c.reasons]}
                for c in checked
            ],
            "errors": _errors(errors),
            "summary": {
                "same": sum(not c.difference.count for c in compared if c.difference),
                "differs": sum(bool(c.difference.count) for c in compared if c.difference),
                "not_compared": len(checked) - len(compared),
            },
        },
    )


def _document(command: str, content: dict[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, "command": command, **content}, indent=1)


def _images(pair: Pair) -> dict[str, Any]:
    return {"source": _image(pair.source), "target": _image(pair.target)}


def _image(image: DiskImage) -> dict[str, Any]:
    return {"path": valid_text(str(image.path)), "format": image.format, "size_bytes": image.size}


def _step(step: Step, pair: Pair) -> dict[str, Any]:
    commands = commands_of(step, pair) if step.choice is Choice.COPY else ()
    return {
        **_lost(step.lost),
        "choice": step.choice.value,
        "forced": step.forced,
        "reasons": [valid_text(r) for r in step.reasons],
        **_difference(step.difference),
        "commands": [[valid_text(word) for word in command] for command in commands],
    }


def _lost(lost: LostExtent) -> dict[str, Any]:
    return {
        "trace": lost.trace,
        "device": valid_text(lost.device),
        "offset_bytes": lost.extent.offset,
        "length_bytes": lost.extent.length,
        "state": lost.state.value,
        "reason": valid_text(lost.reason),
        "ops": [op.label for op in lost.ops],
        "job": pointer(lost.job),
        "job_kind": lost.job_kind,
        "has": _named(lost.has),
        "lacks": _named(lost.lacks),
        "now": _named(lost.now),
        "written": point(lost.written),
        "rewritten": point(lost.made_good) if lost.made_good is not None else None,
    }


def _named(image: Image) -> dict[str, Any]:
    return {"node": pointer(image.node) if image.node else None, "file": valid_text(image.file)}


def _difference(difference: Difference | None) -> dict[str, Any]:
    if difference is None:
        return {"differing_bytes": None, "first_difference_bytes": None}
    return {"differing_bytes": difference.count, "first_difference_bytes": difference.first}


def _errors(errors: Iterable[TraceviewError]) -> list[dict[str, str]]:
    return [{"kind": type(e).__name__, "message": valid_text(str(e))} for e in errors]


def _total(extents: Iterable[LostExtent]) -> dict[str, int]:
    lengths = [e.extent.length for e in extents]
    return {"extents": len(lengths), "bytes": sum(lengths)}
