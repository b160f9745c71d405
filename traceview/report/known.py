"""The names of the machine formats, apart from what writes them: help and completion need no more."""

from __future__ import annotations

__all__ = ["SCAN_FORMATS", "TABLE_FORMATS"]

SCAN_FORMATS = ("text", "json", "jsonl")
TABLE_FORMATS = ("text", "csv", "jsonl", "parquet")
