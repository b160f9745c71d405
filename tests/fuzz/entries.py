"""What is fuzzed: one entry a reader. Each takes bytes, and may raise nothing but TraceviewError."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT
from tests.writers import MemorySource
from traceview.api import Trace
from traceview.baseline.lines import parse_lines
from traceview.errors import TraceviewError
from traceview.formats import FORMATS, detect, format_by_id
from traceview.formats.base import FormatInfo
from traceview.formats.declarations import Declarations, read_declarations
from traceview.health import check
from traceview.report.check import check_lines
from traceview.report.style import Style
from traceview.report.text import scan_lines
from traceview.rules import words
from traceview.rules.build import build_rules
from traceview.vocabulary import builtin

__all__ = ["ENTRIES", "EXTERNAL", "SCANNED_EVERY", "run"]

EXTERNAL = ("ctf",)
"""Formats whose bytes another program reads."""
SCANNED_EVERY = 64
"""Of so many inputs one is judged and checked, too; the others are read."""
_CHUNKS = (100, 1000, 4096, 1 << 16, 1 << 20)
_VERSIONS = (2, 3, 4)
_PLAIN = Style(colour=False)

Entry = Callable[[bytes], None]


@cache
def _declared() -> Declarations:
    return read_declarations(ROOT / "sample-traces/simpletrace-2.6/trace-events")


def _traces(data: bytes, info: FormatInfo, declarations: Declarations | None) -> Iterator[Trace]:
    """Yield a trace to be read, in pieces of a size that depends on the input; now and then one to be judged."""
    chosen = sum(data[-64:])
    sizes = [_CHUNKS[chosen % len(_CHUNKS)]]
    for size in sizes * (2 if chosen % SCANNED_EVERY == 0 else 1):
        yield Trace(MemorySource(data, chunk_bytes=size, name="fuzzed"), info, declarations, builtin(), 1)


def _read(data: bytes, info: FormatInfo, declarations: Declarations | None = None) -> None:
    info.score(data)
    reading, *judging = _traces(data, info, declarations)
    rows = 0
    for batch in reading.batches():
        for row in range(min(len(batch), 8)):
            batch.text(row)
            batch.values(row)
        rows += len(batch)
    assert rows <= reading.stats.records, "more records are given than are counted"
    for trace in judging:
        list(scan_lines(trace.scan(), _PLAIN))
        list(check_lines([check(trace)], _PLAIN))


def _format(info: FormatInfo) -> Entry:
    return lambda data: _read(data, info)


def _simpletrace(version: int) -> Entry:
    def entry(data: bytes) -> None:
        declarations = None if version == 4 else _declared()
        _read(data, format_by_id("simpletrace"), declarations)

    return entry


def _detection(data: bytes) -> None:
    """Recognise a trace, unpacked where it is compressed, and read it."""
    source = MemorySource(data, name="fuzzed")
    info = detect(source)
    if info.id not in EXTERNAL:
        for _ in Trace(source, info, _declared(), builtin(), 1).batches(builtin().events.__contains__):
            pass


def _declarations(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        read_declarations(Path(file.name))


def _rules(data: bytes) -> None:
    build_rules(data.decode("utf-8", "surrogateescape"), "fuzzed.rules", words())


def _baseline(data: bytes) -> None:
    parse_lines(data.decode("utf-8", "surrogateescape"), "fuzzed.baseline")


ENTRIES: dict[str, Entry] = {
    **{f"simpletrace-{v}": _simpletrace(v) for v in _VERSIONS},
    **{f.id: _format(f) for f in FORMATS if f.id not in (*EXTERNAL, "simpletrace")},
    "detection": _detection,
    "declarations": _declarations,
    "rules": _rules,
    "baseline": _baseline,
}
"""Every reader by its name; a format that is registered is among them."""


def run(name: str, data: bytes) -> bool:
    """Give an input to a reader; return whether it was read, and not refused. Raises what should not be raised."""
    try:
        ENTRIES[name](data)
    except TraceviewError:
        return False
    return True
