"""A log is cut into blocks of whole lines, whatever its lines and buffers are."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.compiled import PADDING
from traceview.formats import log_blocks
from traceview.formats.log_blocks import Block, Blocks

texts = st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b" ")), max_size=20).map(b"\n".join)


def cut(data: bytes, block_bytes: int) -> tuple[list[tuple[bytes, int, int]], Blocks]:
    """Return the blocks, each as (lines, place, where a line begins that was passed over), and what cut them."""
    stream = io.BytesIO(data)
    blocks = Blocks(stream.readinto, block_bytes)
    found = []
    for block in blocks:
        assert len(block.buffer) >= block.size + PADDING
        assert block.size or block.passed_over >= 0
        found.append((bytes(block.buffer[: block.size]), block.base, block.passed_over))
        blocks.free(block)
    return found, blocks


@given(texts, st.integers(1, 50))
def test_the_blocks_and_the_rest_are_the_whole_log(data: bytes, block_bytes: int) -> None:
    found, blocks = cut(data, block_bytes)
    assert b"".join(lines for lines, _, _ in found) + blocks.rest == data
    assert blocks.bytes_read == len(data)
    assert b"\n" not in blocks.rest
    for lines, place, passed_over in found:
        assert lines.endswith(b"\n")
        assert data[place : place + len(lines)] == lines
        assert passed_over == -1
    assert blocks.rest_at == len(data) - len(blocks.rest)


@given(texts, st.integers(1, 50), st.integers(3, 12))
def test_a_line_that_is_too_long_is_left_out_and_its_place_told(data: bytes, block_bytes: int, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_blocks, "MAX_LINE", longest)
        found, blocks = cut(data, block_bytes)
    lines = data.split(b"\n")
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines))]
    short = b"".join(line + b"\n" for line in lines[:-1] if len(line) <= longest)
    assert b"".join(lines for lines, _, _ in found) == short
    assert blocks.rest == (lines[-1] if len(lines[-1]) <= longest else b"")
    too_long = [at for at, line in zip(starts, lines, strict=True) if len(line) > longest]
    told = [passed_over for _, _, passed_over in found if passed_over >= 0]
    told += [blocks.rest_passed_over] if blocks.rest_passed_over >= 0 else []
    assert told == too_long


def test_two_buffers_do_for_a_long_log() -> None:
    stream = io.BytesIO(b"a line of a log\n" * 10_000)
    blocks = Blocks(stream.readinto, 1000)
    buffers = set()
    for block in blocks:
        buffers.add(id(block.buffer))
        blocks.free(block)
    assert len(buffers) == 2


def test_a_block_that_is_not_given_back_is_not_written_to() -> None:
    stream = io.BytesIO(b"".join(b"line %d\n" % i for i in range(1000)))
    blocks = Blocks(stream.readinto, 100)
    kept: list[tuple[Block, bytes]] = [(block, bytes(block.buffer[: block.size])) for block in blocks]
    assert all(bytes(block.buffer[: block.size]) == lines for block, lines in kept)
