"""What a picture of an interleaving is made of, whoever draws it: lanes, calls, bands, requests, marks, arrows.

Times are ns of the trace's own clock. Records of one lane are in the order of the file: where a clock steps back, a
record is as late as the one before it.
"""

from __future__ import annotations

from traceview.scene.build import build_scene, records_around
from traceview.scene.model import (
    Arrow,
    Band,
    Call,
    Instant,
    Lane,
    LaneKind,
    Letter,
    RequestBar,
    Scene,
)
from traceview.scene.spans import spans_around

__all__ = [
    "Arrow",
    "Band",
    "Call",
    "Instant",
    "Lane",
    "LaneKind",
    "Letter",
    "RequestBar",
    "Scene",
    "build_scene",
    "records_around",
    "spans_around",
]
