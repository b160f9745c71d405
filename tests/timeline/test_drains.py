"""Drained sections of nodes. The traces are synthetic."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.timeline.story import DISK, OTHER_DISK, START_US, STEP_US, Story
from traceview.errors import MissingEventsError

COLUMNS = {
    "node": "str", "quiesce_counter": "int64", "begin_record": "int64", "drained_record": "Int64",
    "end_record": "Int64", "begin_ns": "Int64", "drain_us": "Float64", "duration_us": "Float64",
}  # fmt: skip


def begin(story: Story, count: int = 1, node: int = DISK) -> int:
    return story.say(f"bdrv_drained_begin bs 0x{node:x} quiesce_counter {count}")


def drained(story: Story, node: int = DISK) -> int:
    return story.say(f"bdrv_drained_begin_done bs 0x{node:x}")


def end(story: Story, count: int = 0, node: int = DISK) -> int:
    return story.say(f"bdrv_drained_end bs 0x{node:x} quiesce_counter {count}")


def table(story: Story) -> pd.DataFrame:
    return story.trace().timeline().drains


def sections(story: Story) -> list[tuple[int | None, ...]]:
    """Return the lines of begin, drained point and end of each section."""
    columns = (table(story)[c].tolist() for c in ("begin_record", "drained_record", "end_record"))
    return [tuple(None if pd.isna(r) else r + 1 for r in row) for row in zip(*columns, strict=True)]


def test_a_section_runs_from_begin_to_end_with_its_drained_point() -> None:
    story = Story()
    begun, quiet, ended = begin(story), drained(story), end(story)
    assert sections(story) == [(begun, quiet, ended)]
    (row,) = table(story).to_dict("records")
    assert (row["node"], row["quiesce_counter"]) == ("0xb1", 1)
    assert (row["begin_ns"], row["drain_us"], row["duration_us"]) == (
        (START_US + STEP_US) * 1000,
        STEP_US,
        2 * STEP_US,
    )


def test_an_end_closes_the_innermost_section() -> None:
    story = Story()
    outer, outer_quiet = begin(story, 1), drained(story)
    inner, inner_quiet = begin(story, 2), drained(story)
    inner_end, outer_end = end(story, 1), end(story, 0)
    assert sections(story) == [(outer, outer_quiet, outer_end), (inner, inner_quiet, inner_end)]


def test_a_drained_point_belongs_to_the_innermost_section_that_waits_for_it() -> None:
    story = Story()
    outer, inner = begin(story, 1), begin(story, 2)
    inner_quiet, outer_quiet = drained(story), drained(story)
    assert sections(story) == [(outer, outer_quiet, None), (inner, inner_quiet, None)]


def test_nodes_are_told_apart() -> None:
    story = Story()
    first, other = begin(story), begin(story, node=OTHER_DISK)
    other_end, first_end = end(story, node=OTHER_DISK), end(story)
    assert sections(story) == [(first, None, first_end), (other, None, other_end)]


def test_a_begin_that_counts_to_1_says_that_the_sections_before_have_ended() -> None:
    # QEMU 2.6 does not trace the end of every section.
    story = Story()
    lost, later = begin(story, 1), begin(story, 1)
    quiet, ended = drained(story), end(story)
    assert sections(story) == [(lost, None, None), (later, quiet, ended)]


def test_an_end_without_begin_is_no_section() -> None:
    story = Story()
    drained(story)
    end(story)
    begun = begin(story)
    assert sections(story) == [(begun, None, None)]


def test_a_section_that_is_open_at_the_end_of_the_trace_has_no_end() -> None:
    story = Story()
    begin(story)
    (row,) = table(story).to_dict("records")
    assert pd.isna(row["end_record"])
    assert pd.isna(row["duration_us"])


def test_the_table_has_the_documented_columns() -> None:
    story = Story()
    begin(story)
    assert {n: str(t).replace("object", "str") for n, t in table(story).dtypes.items()} == COLUMNS


def test_asking_for_sections_where_none_was_traced_says_what_is_missing() -> None:
    story = Story()
    story.say(f"bdrv_drained_end bs 0x{DISK:x} quiesce_counter 0")
    with pytest.raises(MissingEventsError, match="drained_begin"):
        table(story)
