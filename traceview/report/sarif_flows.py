"""The interleaving of a finding as a code flow of SARIF 2.1.0.

The first thread flow is ``merged``: all steps in the order of the trace, for viewers that show one flow only. Behind it
stands one for each context or thread; a step has the same place in time (``executionOrder``) in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from traceview.events import NO_TIME
from traceview.report.sarif_places import Functions, Places, context_place
from traceview.report.sarif_words import message
from traceview.report.steps import Interleaving, Step
from traceview.report.style import plural

__all__ = ["MERGED", "code_flow"]

MERGED = "merged"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WALL_CLOCK = ("log",)
"""The formats whose times are of the wall clock; others have a clock that begins with the machine."""


def code_flow(shown: Interleaving, trace: int, format_id: str, places: Places, functions: Functions) -> dict[str, Any]:
    """Return the code flow of a finding of a trace (by its index), which has at least one step."""
    made = [
        (step, _location(step, order, trace, format_id, places, functions)) for order, step in enumerate(shown.steps, 1)
    ]
    words = f"{plural(len(shown.steps), 'record')} of the trace, in its order"
    if shown.left_out:
        words += f"; {shown.left_out} more around them are left out"
    flows = [_flow(MERGED, words, [place for _, place in made])]
    for context in dict.fromkeys(step.context for step in shown.steps):
        own = [place for step, place in made if step.context == context]
        flows.append(_flow(context, f"what {context} ran", own))
    return {"threadFlows": flows}


def _flow(name: str, words: str, locations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"id": name, "message": message(words), "locations": list(locations)}


def _location(
    step: Step, order: int, trace: int, format_id: str, places: Places, functions: Functions
) -> dict[str, Any]:
    logical = [context_place(step.context), *functions.of(step.mark.event)]
    made: dict[str, Any] = {
        "location": places.of(trace, step.mark, words=step.words, logical=logical),
        "nestingLevel": step.depth,
        "executionOrder": order,
        "importance": "essential" if step.letter else "important" if step.frames else "unimportant",
    }
    time = _utc(step.mark.ts_ns) if format_id in _WALL_CLOCK else None
    if time is not None:
        made["executionTimeUtc"] = time
    if step.counters:
        made["state"] = {name: {"text": str(value)} for name, value in step.counters.items()}
    return made


def _utc(ts_ns: int) -> str | None:
    """Return a time of the wall clock, in microseconds; None where there is none, or none that a calendar has."""
    if ts_ns == NO_TIME or ts_ns < 0:
        return None
    try:
        moment = _EPOCH + timedelta(microseconds=ts_ns // 1000)
    except OverflowError:
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"
