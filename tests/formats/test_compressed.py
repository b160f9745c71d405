"""A compressed log is not read yet, but its owner is told what to do."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from tests.writers import MemorySource
from traceview.errors import UnknownFormatError
from traceview.formats import detect

LINE = b"1@2.000003:mirror_before_drain s 0x1 dirty count 0\n"


@pytest.mark.parametrize(
    ("data", "tool"), [(gzip.compress(LINE), "zcat"), (lzma.compress(LINE), "xzcat"), (bz2.compress(LINE), "bzcat")]
)
def test_the_error_names_the_tool_that_unpacks_it(data: bytes, tool: str) -> None:
    with pytest.raises(UnknownFormatError, match=rf"{tool} FILE \| traceview scan -"):
        detect(MemorySource(data))
