"""Labels stand near what they name and never upon each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.plot.labels import Label, gathered, place


def measure(text: str) -> float:
    return 10.0 * len(text)


def label(wish: float, text: str = "b", item: int = 0) -> Label:
    return Label(text, wish, measure(text), item)


LABELS = st.lists(
    st.builds(label, st.floats(0, 1000), st.sampled_from("abc"), st.integers(0, 99)), min_size=1, max_size=30
)


def placed(labels: list[Label], left: float = 0, right: float = 1000, gap: float = 5) -> list[tuple[float, float]]:
    middles = place(labels, left, right, gap)
    return [(m - x.width / 2, m + x.width / 2) for m, x in zip(middles, labels, strict=True)]


def test_a_label_with_room_stands_where_it_wishes() -> None:
    assert place([label(100), label(500)], 0, 1000, 5) == [100, 500]


def test_labels_that_would_touch_share_the_way() -> None:
    assert place([label(100), label(100)], 0, 1000, 5) == [92.5, 107.5]


def test_labels_stay_in_their_row() -> None:
    spans = placed([label(0), label(2), label(998), label(1000)])
    assert spans[0][0] == 0
    assert spans[-1][1] == 1000


def test_where_the_row_is_too_short_the_gaps_are_kept() -> None:
    assert placed([label(5) for _ in range(4)], 0, 20) == [(0, 10), (15, 25), (30, 40), (45, 55)]


def test_no_label_no_place() -> None:
    assert place([], 0, 1, 5) == []


def test_neighbours_of_one_text_become_one_that_says_how_many() -> None:
    (one,) = gathered([label(102, item=2), label(100, item=1), label(108, item=3)], 5, 1000, measure)
    assert (one.text, one.item, one.count, one.wish, one.width) == ("b ×3", 1, 3, 100, 40)


def test_labels_of_different_texts_stay_apart() -> None:
    assert [x.text for x in gathered([label(100, "a"), label(101, "b"), label(102, "c")], 5, 1000, measure)] == [
        "a",
        "b",
        "c",
    ]


def test_labels_far_from_each_other_become_one_where_there_is_no_room_for_both() -> None:
    labels = [label(0, "a"), label(20), label(45), label(100)]
    assert [x.text for x in gathered(labels, 5, 40, measure)] == ["a", "b ×3"]
    assert [x.text for x in gathered(labels, 5, 1000, measure)] == ["a", "b", "b", "b"]


@given(LABELS)
def test_labels_never_overlap_and_keep_their_order(labels: list[Label]) -> None:
    row = gathered(labels, 5, 1000, measure)
    assert sum(x.count for x in row) == len(labels)
    spans = placed(row)
    assert all(one[1] + 5 <= other[0] + 1e-6 for one, other in pairwise(spans))
    if sum(x.width + 5 for x in row) - 5 <= 1000:
        assert spans[0][0] >= -1e-6
        assert spans[-1][1] <= 1000 + 1e-6


@given(st.lists(st.floats(100, 900), min_size=1, max_size=8))
def test_no_label_moves_further_than_those_around_it_push(wishes: list[float]) -> None:
    labels = sorted((label(w) for w in wishes), key=lambda x: x.wish)
    middles = place(labels, 0, 1000, 5)
    most = 15 * (len(labels) - 1)
    assert all(abs(m - x.wish) <= most + 1e-6 for m, x in zip(middles, labels, strict=True))
    assert sum(middles) == pytest.approx(sum(x.wish for x in labels), abs=1e-3)
