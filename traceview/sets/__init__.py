"""Files that are one trace together: rotated logs, and the files of the threads of one QEMU."""

from __future__ import annotations

from traceview.sets.find import find_sets, siblings
from traceview.sets.model import Kind, TraceSet
from traceview.sets.opening import open_set

__all__ = ["Kind", "TraceSet", "find_sets", "open_set", "siblings"]
