"""Traces that the tests of the benchmarks make or take apart."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.writers import SimpletraceWriter
from traceview.formats.declarations import read_declarations


def as_version_4(data: bytes, declared: Path) -> bytes:
    """Return a simpletrace file of version 3 as version 4, with names for the ids."""
    forms = read_declarations(declared).numbered(3)
    writer = SimpletraceWriter(4)
    writer.mappings({number: form.name for number, form in enumerate(forms)})
    at = 24
    while at + 24 <= len(data):
        number, time, length, pid = struct.unpack_from("<QQII", data, at)
        if at + length <= len(data):
            writer.raw_record(number, data[at + 24 : at + length], ts_ns=time, pid=pid)
        at += length
    return writer.data
