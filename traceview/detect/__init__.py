"""Windows, the requests in them, and verdicts."""

from __future__ import annotations

from traceview.detect.scan import Scanner

__all__ = ["Scanner"]
