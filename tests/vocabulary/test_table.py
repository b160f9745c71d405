"""Tables of meanings: chosen rows, rows between records, and tables put together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.writers import MemorySource, log_line
from traceview.events import NO_THREAD, NO_TIME
from traceview.formats import log
from traceview.vocabulary import Meaning, MeaningTable, Op, builtin
from traceview.vocabulary.meanings import ROLES

LINES = [
    ("mirror_start", "bs 0x10 s 0x20 opaque 0x20"),
    ("made_up", "nothing that is known"),
    ("blk_aio_writev", "blk 0x1 bs 0x10 sector_num 8 nb_sectors 2 opaque 0x30"),
    ("aio_context_name", "ctx 0x40 name iohandler_ctx"),
    ("mirror_exit", "bs 0x10 job 0x20 ret -5 should_complete 1"),
]
DATA = b"noise\n" + b"".join(log_line(n, t, thread=9, ts_us=1_000_000 + i) + b"\n" for i, (n, t) in enumerate(LINES))
KNOWN = [0, 2, 3, 4]
"""The records that the vocabulary knows."""


def tables(*, chunk_bytes: int = 1 << 20, rows_a_batch: int = 1 << 16) -> list[MeaningTable]:
    """Return the known records as tables, one a batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "BATCH_ROWS", rows_a_batch)
        reader = log.FORMAT.make(MemorySource(DATA, chunk_bytes=chunk_bytes), builtin().forms_of, None)
        return [builtin().interpret(b) for b in reader.batches(builtin().events.__contains__)]


@pytest.fixture
def table() -> MeaningTable:
    (one,) = tables()
    return one


def records(table: MeaningTable) -> list[int]:
    return [int(r) for r in table.record]


def test_a_row_has_all_that_its_record_has(table: MeaningTable) -> None:
    row = table.row(3)
    assert (row.meaning, row.op, row.event) == (Meaning.JOB_EXIT, Op.NONE, "mirror_exit")
    assert (row.record, row.line, row.ts_ns, row.tid, row.iteration) == (4, 6, 1_000_004_000, 9, 0)
    assert DATA[row.byte_offset :] == log_line(*LINES[4], thread=9, ts_us=1_000_004) + b"\n"
    assert (row.role("node"), row.role("job"), row.role("ret"), row.role("flags")) == (0x10, 0x20, -5, 1)
    assert row.text() == "mirror_exit bs 0x10 job 0x20 ret -5 should_complete 1"


def test_string_roles_are_text_where_a_record_has_them(table: MeaningTable) -> None:
    assert table.row(2).string("name") == "iohandler_ctx"
    assert table.row(3).string("name") == ""


def test_rows_are_found_by_what_they_mean(table: MeaningTable) -> None:
    assert table.where(Meaning.SUBMIT).tolist() == [False, True, False, False]
    assert table.where(Meaning.JOB_EXIT, Meaning.JOB_START).tolist() == [True, False, False, True]
    assert not table.where().any()
    assert [r.record for r in table.rows(table.where(Meaning.JOB_EXIT, Meaning.JOB_START))] == [0, 4]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 4, [0, 2, 3, 4]),
        (0, 0, [0]),
        (1, 1, []),
        (1, 3, [2, 3]),
        (2, 2, [2]),
        (4, 1000, [4]),
        (-5, -1, []),
        (5, 9, []),
        (3, 2, []),
    ],
)
def test_rows_between_two_records_are_those_with_both_of_them(
    table: MeaningTable, first: int, last: int, expected: list[int]
) -> None:
    assert records(table.between(first, last)) == expected


@pytest.mark.parametrize(
    "rows", [np.array([False, True, False, True]), np.array([1, 3]), slice(1, 4, 2)], ids=["mask", "indices", "slice"]
)
def test_chosen_rows_keep_all_that_they_have(table: MeaningTable, rows: slice) -> None:
    table.iteration[:] = [1, 1, 2, 3]
    taken = table.take(rows)
    assert records(taken) == [2, 4]
    assert taken.iteration.tolist() == [1, 3]
    assert taken.op.tolist() == [Op.WRITE, Op.NONE]
    for i, source in enumerate([1, 3]):
        assert taken.row(i).text() == table.row(source).text()
        assert taken.row(i).meaning is table.row(source).meaning
        assert [taken.row(i).role(r) for r in ROLES] == [table.row(source).role(r) for r in ROLES]


def test_rows_can_be_chosen_in_another_order_or_twice(table: MeaningTable) -> None:
    assert records(table.take(np.array([3, 0, 0]))) == [4, 0, 0]


def test_tables_of_one_trace_are_one_table_again() -> None:
    (whole,) = tables()
    parts = tables(chunk_bytes=40, rows_a_batch=1)
    assert len(parts) > 1
    for number, part in enumerate(parts):
        part.iteration[:] = number
    joined = MeaningTable.concat(parts)
    assert records(joined) == KNOWN
    assert joined.iteration.tolist() == [n for n, p in enumerate(parts) for _ in range(len(p))]
    for i in range(len(whole)):
        assert joined.row(i).text() == whole.row(i).text()
        assert (joined.row(i).meaning, joined.row(i).op) == (whole.row(i).meaning, whole.row(i).op)
        assert [joined.row(i).role(r) for r in ROLES] == [whole.row(i).role(r) for r in ROLES]


def test_one_table_is_itself(table: MeaningTable) -> None:
    assert MeaningTable.concat([table]) is table


def test_no_tables_make_no_table() -> None:
    with pytest.raises(ValueError, match="at least one"):
        MeaningTable.concat([])


def test_an_empty_part_of_a_table_can_be_put_together_with_others(table: MeaningTable) -> None:
    joined = MeaningTable.concat([table.between(1, 1), table.between(0, 2), table.between(9, 9)])
    assert records(joined) == [0, 2]
    assert joined.row(1).role("offset") == 8 * 512


def test_a_record_without_time_and_thread_has_neither_in_its_row() -> None:
    data = log_line("mirror_exit_done", "bs 0x1 job 0x2", prefix="bare") + b"\n"
    reader = log.FORMAT.make(MemorySource(data), builtin().forms_of, None)
    (batch,) = reader.batches(lambda _name: True)
    row = builtin().interpret(batch).row(0)
    assert (row.ts_ns, row.tid) == (NO_TIME, NO_THREAD)


def test_two_traces_read_in_turn_do_not_mix_their_forms() -> None:
    """A vocabulary remembers how the forms of one trace are bound; another trace numbers its own."""
    other = log_line("aio_poll", "ctx 0x77 blocking 1") + b"\n" + log_line("mirror_exit_done", "bs 0x1 job 0x2") + b"\n"
    readers = [
        log.FORMAT.make(MemorySource(data), builtin().forms_of, None).batches(builtin().events.__contains__)
        for data in (DATA, other)
    ]
    first, second = (next(r) for r in readers)
    one, two = builtin().interpret(first), builtin().interpret(second)
    assert [one.row(i).event for i in range(len(one))] == [LINES[i][0] for i in KNOWN]
    assert one.row(0).meaning is Meaning.JOB_START
    assert [two.row(i).meaning for i in range(len(two))] == [Meaning.POLL, Meaning.JOB_EXIT_DONE]
    assert two.row(0).role("ctx") == 0x77
    assert one.row(0).role("job") == 0x20
