"""What stands on a track nests, whatever it is made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from traceview.perfetto.nesting import DEEPEST, INSIDE, Event, Item, Phase, nested


def slice_(begin: int, end: int | None, depth: int | None = 0, record: int = 0) -> Item:
    return Item(begin, end, depth, record, f"{begin}-{end}", "call", {})


def drawn(*items: Item) -> list[str]:
    """Return the events of a track in short: ``(`` and ``)`` with the slice's name, ``.`` for an instant."""
    signs = {Phase.BEGIN: "(", Phase.END: ")", Phase.INSTANT: "."}
    return [f"{signs[e.phase]}{e.item.name}@{e.ts_ns}" for e in nested(items)]


def test_a_call_in_a_call_begins_and_ends_within_it() -> None:
    assert drawn(slice_(1, 9), slice_(2, 3, 1, 1)) == ["(1-9@1", "(2-3@2", ")2-3@3", ")1-9@9"]


def test_of_two_calls_of_one_depth_the_first_ends_where_the_second_begins() -> None:
    assert drawn(slice_(1, 5), slice_(3, 7, record=1)) == ["(1-5@1", ")1-5@3", "(3-7@3", ")3-7@7"]


def test_a_call_does_not_outlast_the_one_around_it() -> None:
    assert drawn(slice_(1, 5), slice_(3, 7, 1, 1)) == ["(1-5@1", "(3-7@3", ")3-7@5", ")1-5@5"]


def test_calls_of_no_length_at_one_time_nest_by_their_depth() -> None:
    assert drawn(slice_(4, 4), slice_(4, 4, 1, 1), slice_(4, 4, 0, 2)) == [
        "(4-4@4", "(4-4@4", ")4-4@4", ")4-4@4", "(4-4@4", ")4-4@4",
    ]  # fmt: skip


def test_a_record_after_a_call_that_ends_at_the_same_time_stands_behind_it() -> None:
    assert drawn(slice_(1, 4), slice_(4, None, 0, 1)) == ["(1-4@1", ")1-4@4", ".4-None@4"]


def test_a_record_at_the_end_of_its_call_stands_in_it() -> None:
    assert drawn(slice_(1, 4), slice_(4, None, 1, 1)) == ["(1-4@1", ".4-None@4", ")1-4@4"]
    assert drawn(slice_(1, 4), slice_(4, None, INSIDE, 1)) == ["(1-4@1", ".4-None@4", ")1-4@4"]


def test_sections_without_a_depth_lie_in_those_that_last_longer() -> None:
    assert drawn(slice_(1, 9, None), slice_(2, 3, None, 1), slice_(3, 4, None, 2)) == [
        "(1-9@1", "(2-3@2", ")2-3@3", "(3-4@3", ")3-4@4", ")1-9@9",
    ]  # fmt: skip


def test_what_would_pile_up_without_end_becomes_instants() -> None:
    events = list(nested([slice_(i, 10_000, None, i) for i in range(DEEPEST + 5)]))
    assert sum(e.phase is Phase.BEGIN for e in events) == DEEPEST
    assert sum(e.phase is Phase.INSTANT for e in events) == 5
    assert sum(e.phase is Phase.END for e in events) == DEEPEST


ITEMS = st.lists(
    st.builds(
        slice_, st.integers(0, 12), st.none() | st.integers(0, 12),
        st.none() | st.integers(0, 4) | st.just(INSIDE), st.integers(0, 30),
    ),
    max_size=30,
)  # fmt: skip


@given(ITEMS)
def test_any_items_make_a_track_that_nests_in_order(items: list[Item]) -> None:
    events: list[Event] = list(nested(items))
    stack: list[Item] = []
    for event in events:
        if event.phase is Phase.BEGIN:
            stack.append(event.item)
        elif event.phase is Phase.END:
            assert stack.pop() is event.item
    assert not stack
    keys = [(e.ts_ns, e.order) for e in events]
    assert keys == sorted(keys)
    assert len([e for e in events if e.phase is not Phase.END]) == len(items)
    for event in events:
        if event.phase is not Phase.END:
            assert event.ts_ns == event.item.begin_ns
        elif event.item.end_ns is not None:
            assert event.ts_ns <= max(event.item.end_ns, event.item.begin_ns)
