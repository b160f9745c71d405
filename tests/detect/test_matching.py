"""Which records a rule's pattern fits: by operation, by number, by text, by thread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts, pieces
from tests.detect.ruled import Tale, forbidding
from tests.timeline.story import BLOCK, DISK, DRIVE, IO_THREAD, JOB, MAIN_THREAD
from traceview.detect.matching import RELATIONS, matching_rows, row_matches
from traceview.rules import Pattern
from traceview.vocabulary import MeaningTable


def at_once(table: MeaningTable, pattern: Pattern) -> list[int]:
    """Return the lines of the records that a pattern fits, found a table at a time."""
    return [int(line) for line in table.batch.line[matching_rows(table, pattern)]]


def one_by_one(table: MeaningTable, pattern: Pattern) -> list[int]:
    """Return the same, each record asked by itself."""
    return [r.line for r in table.rows(table.where(*pattern.word.meanings)) if row_matches(r, pattern)]


def fitting(table: MeaningTable, text: str, *, subject: str = "node") -> list[int]:
    """Return the lines that a pattern fits; both ways of asking must agree."""
    pattern = forbidding(text, subject=subject)
    found = at_once(table, pattern)
    assert found == one_by_one(table, pattern)
    return found


def requests() -> tuple[MeaningTable, dict[str, int]]:
    """Return a table with a request of each operation, and the line of each."""
    tale = Tale()
    said = {
        "read": tale.read(),
        "write": tale.write(),
        "write_zeroes": tale.submit("pwrite_zeroes"),
        "discard": tale.submit("pdiscard"),
        "flush": tale.say(f"blk_aio_flush blk 0x{DRIVE:x} bs 0x{DISK:x} opaque (nil)"),
        "reached": tale.reach("pwritev", node=DISK),
        "zeroes by a flag": tale.reach("pwritev", node=DISK, flags=2),
    }
    tale.look()
    return tale.table(), said


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("guest_read", ["read"]),
        ("guest_write", ["write", "reached"]),
        ("guest_write_zeroes", ["write_zeroes", "zeroes by a flag"]),
        ("guest_discard", ["discard"]),
        ("guest_flush", ["flush"]),
        ("guest_change", ["write", "write_zeroes", "discard", "reached", "zeroes by a flag"]),
        ("guest_submit", ["read", "write", "write_zeroes", "discard", "flush"]),
        ("guest_reach", ["reached", "zeroes by a flag"]),
        ("submit", ["read", "write", "write_zeroes", "discard", "flush"]),
        ("job_look", []),
    ],
)
def test_a_word_fits_records_of_its_meanings_and_its_operations(word: str, what: list[str]) -> None:
    table, said = requests()
    expected = [said[w] for w in what] if what else [table.batch.line[-1]]
    assert fitting(table, word) == expected


def test_a_word_of_which_the_table_has_nothing_fits_nothing() -> None:
    table, _ = requests()
    assert fitting(table, "notifier_read", subject="qemu") == []
    assert fitting(table.take(slice(0, 0)), "guest_io(node, offset = 0)") == []


@pytest.mark.parametrize(
    ("relation", "offsets"),
    [
        ("=", [BLOCK]),
        ("!=", [0, 2 * BLOCK]),
        ("<", [0]),
        ("<=", [0, BLOCK]),
        (">", [2 * BLOCK]),
        (">=", [BLOCK, 2 * BLOCK]),
    ],
)
def test_a_number_is_compared_by_each_relation(relation: str, offsets: list[int]) -> None:
    tale = Tale()
    said = {offset: tale.write(offset) for offset in (0, BLOCK, 2 * BLOCK)}
    assert fitting(tale.table(), f"guest_write(node, offset {relation} {BLOCK})") == [said[o] for o in offsets]


def test_every_relation_of_the_language_is_known() -> None:
    assert set(RELATIONS) == {"=", "!=", "<", "<=", ">", ">="}


def test_numbers_below_zero_are_compared_as_such() -> None:
    tale = Tale()
    failed, well = tale.completed(JOB, ret=-125), tale.completed(JOB, ret=0)
    table = tale.table()
    assert fitting(table, "job_completed(ret = -125)") == [failed]
    assert fitting(table, "job_completed(ret > -125)") == [well]


def test_all_conditions_must_hold() -> None:
    tale = Tale()
    tale.write(0, length=512)
    both = tale.write(BLOCK, length=512)
    tale.write(BLOCK, length=1024)
    assert fitting(tale.table(), f"guest_write(node, offset = {BLOCK}, length < 1024)") == [both]


def test_a_role_that_names_the_window_is_no_condition() -> None:
    tale = Tale()
    lines = [tale.write(node=DISK), tale.write(node=0xB9)]
    assert fitting(tale.table(), "guest_write(node)") == lines


def test_text_is_equal_or_not() -> None:
    tale = Tale()
    pending, concluded = tale.state("pending", JOB), tale.state("concluded", JOB)
    table = tale.table()
    assert fitting(table, 'job_state(state = "pending")') == [pending]
    assert fitting(table, 'job_state(state != "pending")') == [concluded]


def test_text_that_no_record_has_is_equal_to_none_and_unlike_all() -> None:
    tale = Tale()
    lines = [tale.state("pending", JOB), tale.state("concluded", JOB)]
    table = tale.table()
    assert fitting(table, 'job_state(state = "pend")') == []
    assert fitting(table, 'job_state(state != "pend")') == lines


def test_the_thread_of_a_record_is_compared_like_a_role() -> None:
    tale = Tale()
    own = tale.submit("pwritev", tid=MAIN_THREAD)
    other = tale.submit("pwritev", tid=IO_THREAD)
    table = tale.table()
    assert fitting(table, f"guest_write(node, thread = {IO_THREAD})") == [other]
    assert fitting(table, f"guest_write(node, thread != {IO_THREAD})") == [own]


def test_what_is_asked_of_the_opening_is_left_to_whoever_knows_it() -> None:
    tale = Tale()
    lines = [tale.write(0), tale.write(BLOCK)]
    assert fitting(tale.table(), "guest_write(node, node = open.node, offset >= 0)") == lines
    assert fitting(tale.table(), f"guest_write(node, node = open.node, offset > {BLOCK})") == []


conditions = st.lists(
    st.tuples(st.sampled_from(["offset", "length", "thread"]), st.sampled_from(sorted(RELATIONS)), st.integers(0, 3)),
    max_size=3,
)
acts = st.lists(
    st.tuples(st.sampled_from(["preadv", "pwritev", "pdiscard"]), *(st.integers(0, 3) for _ in range(3))), max_size=20
)


@given(acts, st.sampled_from(["guest_io", "guest_read", "guest_change", "submit"]), conditions, any_cuts(20))
def test_a_table_at_a_time_or_one_by_one_the_same_records_fit(
    acts: list[tuple[str, int, int, int]], word: str, conditions: list[tuple[str, str, int]], cuts: list[int]
) -> None:
    tale = Tale()
    tale.iteration()  # so that there is a table
    for op, offset, length, tid in acts:
        tale.submit(op, offset, length=length, tid=tid)
    table = tale.table()
    pattern = forbidding(f"{word}({', '.join(['node', *(f'{role} {r} {n}' for role, r, n in conditions)])})")
    found = one_by_one(table, pattern)
    assert at_once(table, pattern) == found
    assert [line for part in pieces(table, cuts) for line in at_once(part, pattern)] == found
    plain = {
        "offset": [a[1] for a in acts],
        "length": [a[2] for a in acts],
        "thread": [a[3] for a in acts],
    }
    allowed = {"guest_read": {"preadv"}, "guest_change": {"pwritev", "pdiscard"}}.get(word, {a[0] for a in acts})
    assert found == [
        number + 2
        for number, (op, *_) in enumerate(acts)
        if op in allowed and all(RELATIONS[r](plain[role][number], n) for role, r, n in conditions)
    ]
