"""The columnar table: forms, strings, batches, and how values of 64 bits get in and out of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import INT64_MAX, INT64_MIN, UINT64_MAX, signed, unsigned
from traceview.events import (
    MAX_GAPS,
    NO_LINE,
    NO_THREAD,
    NO_TIME,
    Arg,
    Conversion,
    EventBatch,
    EventForm,
    Gap,
    Kind,
    ReadStats,
    StringTable,
    to_int64,
)
from traceview.formats.builder import BatchBuilder

ONE = EventForm("one", (Arg("a", Kind.POINTER),), ("a ", Conversion("POINTER", 0)))
THREE = EventForm(
    "three",
    (Arg("n", Kind.INT), Arg("u", Kind.UINT), Arg("s", Kind.STRING)),
    ("n ", Conversion("DECIMAL", 0), " u ", Conversion("UNSIGNED", 1), " s ", Conversion("STRING", 2)),
)
NONE = EventForm("none", (), ("nothing",))


def only(batches: Sequence[EventBatch]) -> EventBatch:
    (batch,) = batches
    return batch


def form_of(conversion: Conversion, kind: Kind = Kind.UINT) -> EventForm:
    return EventForm("e", (Arg("a", kind),), (conversion,))


@given(unsigned())
def test_an_unsigned_value_is_kept_as_the_signed_one_of_the_same_bits(value: int) -> None:
    folded = to_int64(value)
    assert INT64_MIN <= folded <= INT64_MAX
    assert folded % (1 << 64) == value


@given(signed())
def test_a_signed_value_is_kept_as_it_is(value: int) -> None:
    assert to_int64(value) == value


@pytest.mark.parametrize("value", [UINT64_MAX + 1, INT64_MIN - 1, 1 << 100, -(1 << 100)])
def test_a_value_of_more_than_64_bits_overflows(value: int) -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        to_int64(value)


@pytest.mark.parametrize(
    ("conversion", "value", "text"),
    [
        (Conversion("POINTER", 0), 0, "(nil)"),
        (Conversion("POINTER", 0), -1, "0xffffffffffffffff"),
        (Conversion("DECIMAL", 0), -5, "-5"),
        (Conversion("UNSIGNED", 0), -1, str(UINT64_MAX)),
        (Conversion("HEX", 0), 0, "0"),
        (Conversion("HEX", 0), 255, "ff"),
        (Conversion("UPPER_HEX", 0), 255, "FF"),
        (Conversion("ALT_HEX", 0), 0, "0"),
        (Conversion("ALT_HEX", 0), 255, "0xff"),
        (Conversion("OCTAL", 0), 8, "10"),
        (Conversion("CHARACTER", 0), 65, "A"),
        (Conversion("CHARACTER", 0), -23, "\udce9"),
        (Conversion("DECIMAL", 0, width=4), 7, "   7"),
        (Conversion("DECIMAL", 0, width=-4), 7, "7   "),
        (Conversion("DECIMAL", 0, width=2), 12345, "12345"),
        (Conversion("DECIMAL", 0, zeros=4), -7, "-007"),
        (Conversion("HEX", 0, zeros=4), 0xABCDE, "abcde"),
        (Conversion("HEX", 0, zeros=4), 0xA, "000a"),
        (Conversion("ALT_HEX", 0, zeros=6), 0xA, "0x000a"),
        (Conversion("ALT_HEX", 0, zeros=6), 0, "000000"),
        (Conversion("HEX", 0, width=8, zeros=4), 0xA, "    000a"),
    ],
)
def test_a_value_is_printed_as_printf_prints_it(conversion: Conversion, value: int, text: str) -> None:
    assert form_of(conversion).render((value,), StringTable()) == text


def test_text_that_prints_no_argument_is_left_out() -> None:
    form = EventForm("e", (), ("failed: ", Conversion("STRING", -1)))
    assert form.render((), StringTable()) == "failed: "


def test_an_argument_is_found_by_its_name() -> None:
    assert [THREE.slot(a) for a in ("n", "s", "x")] == [0, 2, -1]


@given(st.lists(st.binary(max_size=8)))
def test_each_string_is_stored_once_and_comes_back_byte_for_byte(raws: list[bytes]) -> None:
    table = StringTable()
    indices = [table.intern(raw) for raw in raws]
    assert len(table) == len(set(raws))
    for raw, index in zip(raws, indices, strict=True):
        assert table[index].encode("utf-8", "surrogateescape") == raw
        assert table.find(table[index]) == index


def test_a_string_that_no_record_had_is_not_found() -> None:
    table = StringTable()
    table.intern(b"READ")
    assert table.find("WRITE") == -1


def test_an_empty_builder_yields_no_batch() -> None:
    builder = BatchBuilder()
    assert list(builder.flush()) == []
    builder.code_of(ONE)
    assert list(builder.flush()) == []


def test_a_batch_has_a_row_a_record_in_the_order_in_which_they_were_added() -> None:
    builder = BatchBuilder()
    text = builder.strings.intern(b"x y")
    builder.add(builder.code_of(THREE), (0, 1, 0, 500, 7), (-1, -1, text))
    builder.add(builder.code_of(NONE), (4, NO_LINE, 90, NO_TIME, NO_THREAD), ())
    builder.add(builder.code_of(ONE), (5, 3, 120, 600, 8), (0,))
    assert len(builder) == 3
    batch = only(list(builder.flush()))
    assert len(batch) == 3
    assert batch.code.tolist() == [0, 1, 2]
    assert batch.record.tolist() == [0, 4, 5]
    assert batch.line.tolist() == [1, NO_LINE, 3]
    assert batch.byte_offset.tolist() == [0, 90, 120]
    assert batch.ts_ns.tolist() == [500, NO_TIME, 600]
    assert batch.tid.tolist() == [7, NO_THREAD, 8]
    assert [batch.text(i) for i in range(3)] == [f"three n -1 u {UINT64_MAX} s x y", "none nothing", "one a (nil)"]
    assert [batch.values(i) for i in range(3)] == [{"n": -1, "u": UINT64_MAX, "s": "x y"}, {}, {"a": 0}]


def test_a_form_keeps_its_number_and_a_string_its_place_from_batch_to_batch() -> None:
    builder = BatchBuilder()
    first = builder.code_of(ONE)
    builder.add(first, (0, 1, 0, 0, 0), (1,))
    before = only(list(builder.flush()))
    assert len(builder) == 0
    second = builder.code_of(THREE)
    builder.add(second, (1, 2, 0, 0, 0), (1, 2, builder.strings.intern(b"s")))
    after = only(list(builder.flush()))
    assert (first, builder.code_of(ONE), second) == (0, 0, 1)
    assert before.forms is after.forms
    assert before.strings is after.strings
    assert before.text(0) == "one a 0x1"
    assert after.text(0) == "three n 1 u 2 s s"


def test_two_forms_that_look_alike_are_still_two_forms() -> None:
    builder = BatchBuilder()
    twin = EventForm(ONE.name, ONE.args, ONE.line)
    assert builder.code_of(ONE) != builder.code_of(twin)


def test_whole_runs_of_records_go_between_those_that_are_added_one_by_one() -> None:
    builder = BatchBuilder()
    one, none = builder.code_of(ONE), builder.code_of(NONE)
    builder.add(one, (0, 1, 0, 10, 7), (5,))
    rows = np.array([[1, 2, 20, 11, 7], [2, 3, 40, 12, 7]], dtype=np.int64)
    args = np.array([[0, 0, 0], [6, 0, 0]], dtype=np.int64)
    code = np.array([none, one], dtype=np.int64)
    builder.extend(code, rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4], args)
    builder.add(one, (3, 4, 60, 13, 7), (7,))
    assert len(builder) == 4
    batch = only(list(builder.flush()))
    assert batch.record.tolist() == [0, 1, 2, 3]
    assert [batch.text(i) for i in range(4)] == ["one a 0x5", "none nothing", "one a 0x6", "one a 0x7"]


def test_chosen_rows_of_a_batch_are_a_batch() -> None:
    builder = BatchBuilder()
    for i in range(5):
        builder.add(builder.code_of(ONE), (i, i + 1, i * 10, i, 1), (i + 1,))
    batch = only(list(builder.flush()))
    for rows in (np.array([True, False, False, True, False]), np.array([0, 3]), slice(0, 4, 3)):
        taken = batch.take(rows)
        assert taken.record.tolist() == [0, 3]
        assert [taken.text(i) for i in range(len(taken))] == ["one a 0x1", "one a 0x4"]


def test_batches_of_one_trace_are_one_batch_again_though_they_differ_in_width() -> None:
    builder = BatchBuilder()
    builder.add(builder.code_of(ONE), (0, 1, 0, 0, 0), (1,))
    batches = list(builder.flush())
    builder.add(builder.code_of(THREE), (1, 2, 0, 0, 0), (1, 2, builder.strings.intern(b"s")))
    batches += list(builder.flush())
    whole = EventBatch.concat(batches)
    assert [whole.text(i) for i in range(2)] == ["one a 0x1", "three n 1 u 2 s s"]
    assert whole.record.tolist() == [0, 1]


def test_beyond_a_thousand_gaps_one_stands_for_all_that_follow() -> None:
    stats = ReadStats()
    for record in range(0, 10 * MAX_GAPS, 10):
        stats.add_gap(Gap("unreadable", record, 0, 0, NO_TIME, 1, "bad"))
    for record in (20_000, 30_000):
        stats.add_gap(Gap("dropped", record, 0, 0, NO_TIME, 7, "worse"))
    assert len(stats.gaps) == MAX_GAPS
    assert [g.cause for g in stats.gaps[-2:]] == ["unreadable", "many"]
    many = stats.gaps[-1]
    assert many.record == 10 * (MAX_GAPS - 1)
    assert many.between(25_000, 26_000)
    assert not many.between(0, many.record - 1)
    assert not stats.gaps[0].between(1, 5)
    assert stats.gaps[1].between(9, 10)
    assert not stats.gaps[1].between(10, 20)
