"""Which records a user asks for: by event, time, thread or pointer."""

from __future__ import annotations

import fnmatch
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.writers import MemorySource, log_line
from traceview.api import Trace
from traceview.events import NO_TIME, EventBatch
from traceview.formats import log
from traceview.selection import Selection, parse_moment
from traceview.vocabulary import builtin

START_US = 1_459_344_553_000_000
HIGH = 0xFFFF_8000_0000_1000
"""A pointer whose int64 is negative."""


def trace_of(*lines: bytes) -> Trace:
    return Trace(MemorySource(b"".join(line + b"\n" for line in lines)), log.FORMAT, None, builtin())


def batch_of(*lines: bytes) -> EventBatch:
    (batch,) = trace_of(*lines).batches()
    return batch


def chosen(selection: Selection, *lines: bytes) -> list[int]:
    """Return the places of the lines that are chosen."""
    return [int(r) for batch in trace_of(*lines).select(selection) for r in batch.record]


# times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1459344553.123456", (False, 1_459_344_553_123_456_000)),
        ("1459344553", (False, 1_459_344_553_000_000_000)),
        ("1459344553.123456789", (False, 1_459_344_553_123_456_789)),
        ("+2.5", (True, 2_500_000_000)),
        ("+0", (True, 0)),
        ("0.000000001", (False, 1)),
        ("-1.5", (False, -1_500_000_000)),
        ("+1e-3", (True, 1_000_000)),
    ],
)
def test_a_moment_is_seconds_exact_to_the_nanosecond(text: str, moment: tuple[bool, int]) -> None:
    assert parse_moment(text) == moment


@given(st.integers(min_value=0, max_value=(1 << 63) - 1), st.booleans())
def test_every_nanosecond_can_be_named(ns: int, relative: bool) -> None:
    text = f"{'+' * relative}{ns // 10**9}.{ns % 10**9:09}"
    assert parse_moment(text) == (relative, ns)


@pytest.mark.parametrize("text", ["", "+", "noon", "12:00", "nan", "inf", "+inf", "1,5", "0x10"])
def test_what_is_no_moment_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_moment(text)


# names


@pytest.mark.parametrize(
    ("patterns", "name", "wanted"),
    [
        ((), "mirror_exit", True),
        (("mirror_exit",), "mirror_exit", True),
        (("mirror_exit",), "mirror_exit_done", False),
        (("exit",), "mirror_exit", False),
        (("mirror_*",), "mirror_exit", True),
        (("*_exit",), "mirror_exit", True),
        (("mirror_exi?",), "mirror_exit", True),
        (("blk_aio_[rw]*",), "blk_aio_writev", True),
        (("a", "mirror_*"), "mirror_exit", True),
        (("mirror.exit",), "mirror_exit", False),
        (("MIRROR_EXIT",), "mirror_exit", False),
    ],
)
def test_names_and_patterns_choose_whole_names(patterns: tuple[str, ...], name: str, wanted: bool) -> None:
    assert Selection(patterns).wanted(name) is wanted


@given(
    st.lists(st.text("ab*?_", min_size=1, max_size=5), max_size=3), st.text("ab_", min_size=1, max_size=5)
)  # fmt: skip
def test_patterns_are_those_of_the_shell(patterns: list[str], name: str) -> None:
    expected = not patterns or any(fnmatch.fnmatchcase(name, p) for p in patterns)
    assert Selection(tuple(patterns)).wanted(name) is expected


def test_names_that_no_record_had_are_told() -> None:
    selection = Selection(("mirror_exit", "mirror_*", "job_*", "mirror"))
    assert selection.unmatched({"mirror_exit": 2, "blk_attach": 1}) == ["job_*", "mirror"]
    assert Selection().unmatched({}) == []


# records

RECORDS = (
    log_line("mirror_exit", "bs 0x1000 job 0x2000 ret 0 should_complete 1", thread=1, ts_us=START_US),
    log_line("bdrv_drained_begin", "bs 0x1000 quiesce_counter 1", thread=2, ts_us=START_US + 10),
    log_line("bdrv_drained_begin", f"bs 0x{HIGH:x} quiesce_counter 4096", thread=1, ts_us=START_US + 20),
    log_line("bare_probe", "bs 0x1000", thread=2, ts_us=START_US + 5),
)


@pytest.mark.parametrize(
    ("selection", "places"),
    [
        (Selection(), [0, 1, 2, 3]),
        (Selection(("bdrv_*",)), [1, 2]),
        (Selection(tid=1), [0, 2]),
        (Selection(tid=3), []),
        (Selection(pointer=0x1000), [0, 1]),
        (Selection(pointer=0x2000), [0]),
        (Selection(pointer=HIGH), [2]),
        (Selection(pointer=4096, events=("bdrv_*",)), [1]),
        (Selection(since=(True, 5_000)), [1, 2, 3]),
        (Selection(until=(True, 5_000)), [0, 3]),
        (Selection(since=(True, 5_000), until=(True, 10_000)), [1, 3]),
        (Selection(since=(False, (START_US + 20) * 1000)), [2]),
        (Selection(until=(False, START_US * 1000)), [0]),
        (Selection(since=(True, 10_000), until=(True, 5_000)), []),
        (Selection(("bdrv_*",), tid=2, pointer=0x1000, since=(True, 1), until=(True, 10_000)), [1]),
    ],
)
def test_records_are_chosen_by_all_that_is_asked(selection: Selection, places: list[int]) -> None:
    assert chosen(selection, *RECORDS) == places


def test_a_number_that_equals_a_pointer_is_none() -> None:
    assert chosen(Selection(pointer=4096), RECORDS[2]) == []


def test_time_counts_from_the_first_record_also_where_it_is_not_chosen() -> None:
    assert chosen(Selection(("bdrv_*",), until=(True, 10_000)), *RECORDS) == [1]


def test_records_without_time_are_in_no_span() -> None:
    bare = [log_line("bdrv_drained_begin", "bs 0x1 quiesce_counter 1", prefix="bare")]
    assert int(batch_of(*bare).ts_ns[0]) == NO_TIME
    assert chosen(Selection(until=(False, 0)), *bare) == []
    assert chosen(Selection(since=(False, NO_TIME)), *bare) == []
    assert chosen(Selection(), *bare) == [0]


SELECTIONS = st.builds(
    Selection,
    events=st.sampled_from([(), ("bdrv_*",), ("mirror_exit", "bare_probe")]),
    since=st.none() | st.tuples(st.just(True), st.integers(0, 25_000)),
    until=st.none() | st.tuples(st.just(True), st.integers(0, 25_000)),
    tid=st.sampled_from([None, 1, 2]),
    pointer=st.sampled_from([None, 0x1000, HIGH]),
)


def picked(selection: Selection, batch: EventBatch, row: int) -> bool:
    """Say of one record whether it is chosen, the plain way."""
    form = batch.forms[int(batch.code[row])]
    values: dict[str, Any] = batch.values(row)
    pointers = [values[a.name] for a in form.args if a.kind.value == "pointer"]
    since_start = int(batch.ts_ns[row]) - START_US * 1000
    return (
        (not selection.events or any(fnmatch.fnmatchcase(form.name, p) for p in selection.events))
        and (selection.since is None or since_start >= selection.since[1])
        and (selection.until is None or since_start <= selection.until[1])
        and (selection.tid is None or int(batch.tid[row]) == selection.tid)
        and (selection.pointer is None or selection.pointer in pointers)
    )


@given(SELECTIONS, st.lists(st.sampled_from(RECORDS), min_size=1, max_size=6))
def test_a_mask_is_what_a_look_at_each_record_says(selection: Selection, lines: list[bytes]) -> None:
    batch = batch_of(*lines)
    mask = selection.mask(batch, START_US * 1000)
    assert mask.dtype == np.bool_
    assert mask.tolist() == [picked(selection, batch, i) for i in range(len(batch))]


def test_a_selection_can_be_used_for_several_traces() -> None:
    selection = Selection(("bdrv_*",), until=(True, 10_000))
    assert chosen(selection, *RECORDS) == chosen(selection, *RECORDS) == [1]


def test_a_time_beyond_all_numbers_is_no_time() -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_moment("1e999999999")
