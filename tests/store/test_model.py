"""The records that a store takes and gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.store.notes import judged, note


def test_two_scans_of_one_trace_that_ask_the_same_have_one_key() -> None:
    one = note("vm.log", rules=(judged("a"), judged("b", version=2)))
    other = replace(
        one, trace="/elsewhere/vm.log.1", host="hv2", vm="", qemu="2.6.0", since=None, until=None, gaps=3,
        command_line="traceview scan vm.log.1", rules=(judged("b", version=2, windows=0), judged("a", violated=5)),
    )  # fmt: skip
    assert one.key == other.key


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "v1-0"},
        {"events": 1001},
        {"other_lines": 8},
        {"options": {"rules": ["all"], "qemu": "2.6"}},
        {"traceview": "0.2.0"},
        {"rules": (judged("a", version=2),)},
        {"rules": (judged("a"), judged("b"))},
        {"rules": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_scan_of_more_or_with_other_questions_has_another_key(change: dict[str, Any]) -> None:
    one = note(rules=(judged("a"),))
    assert replace(one, **change).key != one.key


def test_options_have_no_order() -> None:
    assert note(options={"a": 1, "b": 2}).key == note(options={"b": 2, "a": 1}).key


def test_text_that_is_no_unicode_has_a_key() -> None:
    assert note(options={"path": "\udcff"}).key != note(options={"path": "\udcfe"}).key


def test_windows_without_a_verdict_are_not_judged() -> None:
    assert judged(windows=10, violated=2, inconclusive=3).judged == 7
