"""Where things are, as SARIF 2.1.0 says it: traces by URI, records by line or byte, code by its function."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from traceview.findings import TraceSummary
from traceview.formats.simpletrace_items import RECORD_HEADER
from traceview.report.escape import printable
from traceview.report.paths import relative_path
from traceview.report.sarif_words import message
from traceview.report.style import file_and_line, files_of
from traceview.timeline.marks import Mark

__all__ = ["ROOTS", "Functions", "Places", "context_place"]

_SOURCE_ROOT, _QEMU_ROOT = "%SRCROOT%", "QEMUROOT"
ROOTS = {
    _SOURCE_ROOT: "the folder in which the scan ran",
    _QEMU_ROOT: "the top of QEMU's source tree",
}
"""What relative paths begin at, and what that is. Consumers put their own folders in its place."""
_BINARY = ("ctf", "simpletrace")
"""The formats whose records are no lines."""
_NAMES = re.compile(r"([\w./-]+\.[ch]): (\w+(?:, \w+)*)")


class Places:
    """The traces of a result as SARIF's artifacts, and locations in them.

    `root` is the folder that paths are made relative to where they lie below it.
    """

    def __init__(self, traces: Sequence[TraceSummary], root: Path | None) -> None:
        self._traces = traces
        self._root = root
        self._index: dict[str, int] = {}
        for path in (p for t in traces for p in files_of(t)):
            self._index.setdefault(path, len(self._index))

    def artifacts(self) -> list[dict[str, Any]]:
        """Return the artifacts of the run: each file that was read, once."""
        first: dict[str, TraceSummary] = {}
        for trace in self._traces:
            for path in files_of(trace):
                first.setdefault(path, trace)
        return [self._artifact(path, trace) for path, trace in first.items()]

    def _located(self, path: str) -> dict[str, Any]:
        return {**self.uri(path), "index": self._index[path]}

    def _artifact(self, path: str, trace: TraceSummary) -> dict[str, Any]:
        known = {
            "format": trace.format, "qemu": trace.dating.text, "events": trace.events, "digest": trace.digest,
            "host": printable(trace.host), "vm": printable(trace.vm),
        }  # fmt: skip
        return {
            "location": self._located(path),
            "roles": ["analysisTarget"],
            "mimeType": "application/octet-stream" if trace.format in _BINARY else "text/plain",
            "properties": {name: value for name, value in known.items() if value not in (None, "")},
        }

    def uri(self, path: str) -> dict[str, Any]:
        """Return the location of a file: relative to the folder of the run where its path is, absolute elsewhere."""
        plain = relative_path(path, self._root)
        quoted = quote(os.fsencode(plain))
        if plain.startswith("/"):
            return {"uri": f"file://{quoted}"}
        return {"uri": quoted, "uriBaseId": _SOURCE_ROOT}

    def of(
        self, trace: int, mark: Mark | None, *, words: str = "", logical: Sequence[dict[str, str]] = (),
        number: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the location of a record of a trace (by its index), of the trace's beginning for None.

        `number` is the id by which links and relations find it.
        """
        summary = self._traces[trace]
        place: dict[str, Any] = {} if number is None else {"id": number}
        path, line = file_and_line(summary, mark)
        place["physicalLocation"] = {"artifactLocation": self._located(path), "region": _region(summary, mark, line)}
        if logical:
            place["logicalLocations"] = list(logical)
        if words:
            place["message"] = message(words)
        return place


def _region(trace: TraceSummary, mark: Mark | None, line: int) -> dict[str, int]:
    """Return the line of a record, or the bytes of a binary record's head: how long all of it is nobody has kept."""
    if trace.format not in _BINARY:
        return {"startLine": line or 1}
    return {"byteOffset": mark.byte_offset if mark is not None else 0, "byteLength": RECORD_HEADER}


def context_place(context: str) -> dict[str, str]:
    """Return the logical location of what ran something, such as ``main-loop/aio:iohandler_ctx``."""
    return {"name": context.rsplit("/", 1)[-1], "fullyQualifiedName": context, "kind": "context"}


class Functions:
    """The functions of QEMU that a rule's references name, such as ``block/mirror.c:mirror_run``."""

    def __init__(self, references: Iterable[str]) -> None:
        self._files: dict[str, str] = {}
        for reference in references:
            plain = re.sub(r" \([^)]*\)", "", reference.removeprefix("QEMU "))
            for part in plain.split("; "):
                named = _NAMES.fullmatch(part)
                if named is not None:
                    for function in named[2].split(", "):
                        self._files.setdefault(function, named[1])

    def first(self) -> list[dict[str, str]]:
        """Return the logical location of the function that is named first, if there is one."""
        return [self._place(name) for name in list(self._files)[:1]]

    def of(self, event: str) -> list[dict[str, str]]:
        """Return the logical location of the function that an event is called after, if the references name it."""
        return [self._place(event)] if event in self._files else []

    def source(self) -> dict[str, Any] | None:
        """Return the physical location of the file of the function that is named first, None where none is.

        Where in it the function stands differs from release to release: it is the whole file.
        """
        for file in self._files.values():
            return {"artifactLocation": {"uri": file, "uriBaseId": _QEMU_ROOT}, "region": {"startLine": 1}}
        return None

    def _place(self, name: str) -> dict[str, str]:
        return {"name": name, "fullyQualifiedName": f"{self._files[name]}:{name}", "kind": "function"}
