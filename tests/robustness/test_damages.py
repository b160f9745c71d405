"""Random damages to samples: what a scan of them says is never more than what the whole says.

``python -m tests.robustness.damages`` does the same with the captures, and with many more damages.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.robustness import damages as command
from tests.robustness.damages import Told, damages, table_lines
from tests.robustness.damaging import KINDS, UNITS, Damage, Layout, random_damage, starts_of_records
from tests.robustness.oracle import Breach, Damaged, Whole, whole_of
from tests.timeline.story import Story, instrumented

SAMPLES = ROOT / "sample-traces"
COUNT = 30
TRACES = (
    "lp1570134-case-1/trace.log", "lp1570134-first-diagram/trace.log", "second-door/trace.log",
    "stock-9.0-parked/trace.log", "stock-4.1-ide-lost-write/trace.log", "simpletrace-2.6/trace.bin",
)  # fmt: skip
UNNOTICEABLE = ("drop", "swap", "behead", "duplicate")
"""Whole records that are gone or stand elsewhere leave no mark in a format that does not number them."""


@cache
def whole(sample: str) -> Whole:
    return whole_of(SAMPLES / sample)


def told_of(damaged: Damaged) -> list[Breach]:
    """Return what breaks the oracle and could have been noticed."""
    silent = damaged.damage.kind in UNNOTICEABLE or damaged.damage.kind == "flip"
    return [b for b in damaged.breaches if b.marked or not silent]


# the oracle on samples


@pytest.mark.parametrize("sample", TRACES)
def test_a_damage_that_was_noticed_leaves_no_violated_window_clean_and_crashes_nothing(sample: str) -> None:
    for number, damage in damages(whole(sample), COUNT, seed=8):
        damaged = Damaged(whole(sample), damage)
        wrong = [b for b in told_of(damaged) if b.what in ("clean", "crash", "slow") and b.where != "behind"]
        assert not wrong, f"{number}: {damage.words}"


# the oracle itself


def violated() -> Story:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.write(8192)
    story.leave()
    return story


def line_span(data: bytes, text: bytes) -> tuple[int, int]:
    at = data.index(text)
    first = data.rindex(b"\n", 0, at) + 1
    return first, data.index(b"\n", at) + 1


def test_a_write_that_vanished_makes_a_clean_window_that_the_whole_violates() -> None:
    data = violated().log()
    first, last = line_span(data, b"offset 8192")
    complete = Whole(data)
    assert complete.scan.findings
    dropped = Damage("drop", "records", ((0, first), (last, len(data))), ((first, last),))
    found = Damaged(complete, dropped).breaches
    assert {(b.what, b.where, b.marked) for b in found} == {("clean", "inside", False)}
    assert "blk_aio_pwritev at byte" in found[0].words


def test_a_window_that_is_open_for_too_long_makes_a_finding_that_the_whole_does_not_have() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.look(dirty=1)
    story.write(8192)
    story.look()
    story.defer()
    story.leave()
    data = story.log()
    complete = Whole(data)
    assert not complete.scan.findings
    spans = [line_span(data, b"dirty count 1"), line_span(data[::1], b"dirty count 1")][:1]
    first, last = spans[0]
    second = data.index(b"mirror_before_sleep", last)
    again, end = line_span(data[second - 40 :], b"dirty count 0")
    again, end = again + second - 40, end + second - 40
    pieces = ((0, first), (last, again), (end, len(data)))
    found = Damaged(complete, Damage("drop", "records", pieces, ((first, last), (again, end)))).breaches
    assert {b.what for b in found} == {"finding"}


def test_what_is_undamaged_breaks_nothing() -> None:
    data = violated().log()
    nothing = Damage("flip", "bytes", ((0, len(data)),), ())
    damaged = Damaged(Whole(data), nothing)
    assert (damaged.breaches, damaged.marked, damaged.refused) == ([], False, "")


def test_a_refused_trace_is_no_breach() -> None:
    data = violated().log()
    damaged = Damaged(Whole(data), Damage("cut", "bytes", ((0, 0),), ((0, len(data)),)))
    assert damaged.refused.startswith("UnknownFormatError")
    assert not damaged.breaches


# damages


layouts = st.binary(min_size=1, max_size=300).map(Layout)


@given(layouts, st.integers(0, 10_000))
def test_each_byte_of_a_damaged_trace_knows_where_it_stood(layout: Layout, number: int) -> None:
    damage = random_damage(random.Random(number), layout)  # noqa: S311  (not for secrets)
    made = damage.apply(layout.data)
    changed = dict(damage.flips)
    for at, value in enumerate(made):
        origin = damage.origin(at)
        assert value == layout.data[origin] ^ changed.get(origin, 0)
    assert damage.kind in KINDS
    assert damage.unit in UNITS
    assert damage.words.startswith(f"{damage.kind} {damage.unit} ")


@given(layouts, st.integers(0, 10_000))
def test_what_is_dropped_duplicated_or_swapped_keeps_its_length(layout: Layout, number: int) -> None:
    damage = random_damage(random.Random(number), layout)  # noqa: S311  (not for secrets)
    size, touched = len(damage.apply(layout.data)), sum(b - a for a, b in damage.touched)
    if damage.kind in ("flip", "swap"):
        assert size == len(layout.data)
    elif damage.kind == "duplicate":
        assert size == len(layout.data) + touched
    else:
        assert size == len(layout.data) - touched


def test_records_are_lines_of_text_and_items_of_simpletrace() -> None:
    assert starts_of_records(b"a\nbc\nd") == [0, 2, 5, 6]
    data = violated().simpletrace()
    starts = starts_of_records(data)
    assert (starts[0], starts[-1]) == (24, len(data))
    (batch,) = violated().trace().batches()
    assert len(starts) - 1 == len(batch) + len(batch.forms)


def test_a_damage_depends_on_the_trace_the_seed_and_its_number_alone() -> None:
    complete = Whole(violated().log())
    ten = list(damages(complete, 10, seed=3))
    assert list(damages(complete, 1, seed=3, first=7)) == ten[7:8]
    assert [d for _, d in ten] != [d for _, d in damages(complete, 10, seed=4)]


# the command


def test_the_command_prints_breaches_and_a_table_and_repeats_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = tmp_path / "vm.log", tmp_path / "damaged.log"
    path.write_bytes(violated().log())
    command.main([str(path), "--count", "40", "--seed", "1"])
    out = capsys.readouterr().out
    assert "40 damages in" in out
    assert all(f"{kind} {unit} " in out for kind in KINDS for unit in UNITS)
    assert command.main([str(path), "--only", "5", "--seed", "1", "--save", str(copy)]) in (0, 1)
    ((_, damage),) = damages(Whole(path.read_bytes()), 1, 1, 5)
    assert copy.read_bytes() == damage.apply(path.read_bytes())


def test_the_table_counts_damages_not_breaches() -> None:
    data = violated().log()
    first, last = line_span(data, b"offset 8192")
    told = Told()
    told.add(Damaged(Whole(data), Damage("drop", "records", ((0, first), (last, len(data))), ((first, last),))))
    (line,) = (x for x in table_lines(told) if x.startswith("drop records"))
    assert line.split() == ["drop", "records", "1", "0", "1", "clean", "inside", "unmarked"]
