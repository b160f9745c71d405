"""A log is cut into blocks of whole lines, whatever its lines and buffers are."""

from __future__ import annotations

import io
import re
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traceview.compiled import PADDING
from traceview.events import ReadStats
from traceview.formats import log_blocks
from traceview.formats.log_blocks import FEWEST_ZEROS, MAX_LINE, Block, Blocks, Fault, note_fault

pieces = st.binary(max_size=30) | st.integers(1, 20).map(bytes) | st.just(b"plain text of a line")
texts = st.lists(pieces.map(lambda b: b.replace(b"\n", b" ")), max_size=20).map(b"\n".join)
Cut = tuple[list[bytes], list[Fault], Blocks]


def cut(data: bytes, block_bytes: int) -> Cut:
    """Return the lines of all blocks, the faults, and what cut them; all know their places."""
    stream = io.BytesIO(data)
    blocks = Blocks(stream.readinto, block_bytes)
    lines: list[bytes] = []
    faults: list[Fault] = []
    for block in blocks:
        assert len(block.buffer) >= block.size + PADDING
        assert block.size
        text = bytes(block.buffer[: block.size])
        assert data[block.base : block.base + block.size] == text
        assert text.endswith(b"\n")
        lines += [line + b"\n" for line in text[:-1].split(b"\n")]
        faults += block.faults
        blocks.free(block)
    return lines, faults + blocks.faults, blocks


def expected(data: bytes, longest: int) -> tuple[list[bytes], list[Fault], bytes]:
    """Return lines, faults and rest as the words of the module say what they are."""
    lines: list[bytes] = []
    faults: list[Fault] = []
    at = 0
    rest = b""
    for piece in re.split(rb"(\x00{%d,})" % FEWEST_ZEROS, data):
        if len(piece) >= FEWEST_ZEROS and not piece.strip(b"\0"):
            faults.append(Fault("nul-hole", at, len(piece), rest, at - len(rest)))
            at, rest = at + len(piece), b""
            continue
        *whole, rest = piece.split(b"\n")
        for line in whole:
            if len(line) > longest:
                faults.append(Fault("long-line", at, len(line) + 1))
            else:
                lines.append(line + b"\n")
            at += len(line) + 1
        if len(rest) > longest:
            faults.append(Fault("long-line", at, len(rest)))
            rest, at = b"", at + len(rest)
        at += len(rest)
    return lines, faults, rest


@given(texts, st.integers(1, 50), st.integers(3, 40))
@example(bytes(7) + b"x" + bytes(8), 1, 5)
@example(b"abcde" + bytes(3), 4, 5)
@example(b"abcde" + bytes(3) + b"\n", 4, 5)
@example(b"abcde" + bytes(9) + b"f\n", 4, 5)
@example(b"line\n" + bytes(30) + b"line\n" + bytes(8), 7, 20)
def test_lines_holes_and_lines_that_are_too_long_are_told_apart_however_the_bytes_are_cut(
    data: bytes, block_bytes: int, longest: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_blocks, "MAX_LINE", longest)
        lines, faults, blocks = cut(data, block_bytes)
        assert (lines, faults, blocks.rest) == expected(data, longest)
    assert blocks.bytes_read == len(data)
    assert blocks.rest_at == len(data) - len(blocks.rest)


def test_a_hole_of_any_size_takes_no_memory() -> None:
    size = 300 << 20
    left = size

    def zeros(view: memoryview) -> int:
        nonlocal left
        got = min(left, len(view))
        view[:got] = bytes(got)
        left -= got
        return got

    tracemalloc.start()
    blocks = Blocks(zeros, 1 << 20)
    assert list(blocks) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert blocks.faults == [Fault("nul-hole", 0, size)]
    assert peak < 8 << 20


def test_a_fault_becomes_a_gap_with_its_place_and_size() -> None:
    stats = ReadStats(records=3, lines=5, last_ts_ns=7)
    note_fault(Fault("nul-hole", 100, 50), stats)
    note_fault(Fault("long-line", 150, MAX_LINE + 2), stats)
    hole, line = stats.gaps
    assert (hole.cause, hole.byte_offset, hole.size_bytes, hole.end_byte_offset, hole.line) == (
        "nul-hole",
        100,
        50,
        150,
        6,
    )
    assert (line.cause, line.byte_offset, line.size_bytes, line.line) == ("long-line", 150, MAX_LINE + 2, 6)
    assert (stats.lines, stats.other_lines) == (6, 1)
    assert hole.text == "50 zero bytes: what stood there is lost, or never reached the disk"


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
