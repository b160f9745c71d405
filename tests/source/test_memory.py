"""Bytes in memory are read as those of a file are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from traceview.source.memory import MemorySource


@given(st.binary(max_size=200), st.integers(1, 50))
def test_it_gives_its_bytes_again_and_again(data: bytes, chunk: int) -> None:
    source = MemorySource(data, "vm.log", chunk_bytes=chunk)
    assert b"".join(source.chunks()) == b"".join(source.chunks()) == source.head() == data
    assert (source.size(), source.name, source.compression, source.once, source.cut) == (
        len(data), "vm.log", "", False, "",
    )  # fmt: skip
