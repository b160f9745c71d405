"""The names of the machine formats, apart from what writes them: help and completion need no more."""

from __future__ import annotations

__all__ = ["DOCUMENT_FORMATS", "EXTENT_FORMATS", "SCAN_FORMATS", "TABLE_FORMATS"]

SCAN_FORMATS = ("text", "json", "jsonl", "sarif", "junit", "gitlab", "markdown", "csv", "parquet")
DOCUMENT_FORMATS = ("text", "json")
EXTENT_FORMATS = ("text", "json", "csv")
TABLE_FORMATS = ("text", "csv", "jsonl", "parquet")
