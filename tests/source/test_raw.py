"""The bytes of a file before anything is unpacked."""

from __future__ import annotations

import io
import os
import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from traceview.source.raw import RawBytes


@given(st.binary(max_size=60), st.integers(1, 30), st.lists(st.tuples(st.booleans(), st.integers(1, 20))))
def test_however_they_are_asked_for_the_bytes_come_once_and_in_order(
    data: bytes, peeked: int, asked: list[tuple[bool, int]]
) -> None:
    raw = RawBytes(io.BytesIO(data), "memory")
    assert raw.peek(peeked) == data[:peeked]
    assert raw.taken == 0
    got = b""
    for into, count in asked:
        if into:
            room = bytearray(count)
            done = raw.read_into(memoryview(room))
            assert done == min(count, len(data) - len(got)), "a buffer is filled while there are bytes"
            got += room[:done]
        else:
            got += raw.read(count)
        assert raw.taken == len(got)
    assert got == data[: len(got)]
    assert got + raw.read(100) + raw.read(100) == data


def test_bytes_of_a_pipe_are_given_as_soon_as_there_are_some() -> None:
    end, beginning = os.pipe()
    with open(end, "rb") as stream, open(beginning, "wb", buffering=0) as writer:
        raw = RawBytes(stream, "pipe")
        writer.write(b"abc")
        assert raw.read(1000) == b"abc"


def test_a_reader_that_waits_for_a_pipe_in_another_thread_can_be_called_off() -> None:
    end, beginning = os.pipe()
    with open(end, "rb") as stream, open(beginning, "wb"):
        raw = RawBytes(stream, "pipe")
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.append(raw.read(10)))
        thread.start()
        time.sleep(0.05)
        assert thread.is_alive(), "it waits"
        raw.abandon()
        thread.join(10)
        assert got == [b""]
