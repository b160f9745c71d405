"""Findings that are known: a text file of patterns, each with a reason, that says which ones are no news.

The syntax of the file is in ``grammars/baseline.lark``; docs/baseline.md explains it to users.
"""

from __future__ import annotations

from traceview.baseline.cover import Baseline, LineState, LineUse, read_baseline
from traceview.baseline.lines import KEYS, Line
from traceview.baseline.write import write_baseline

__all__ = ["KEYS", "Baseline", "Line", "LineState", "LineUse", "read_baseline", "write_baseline"]
