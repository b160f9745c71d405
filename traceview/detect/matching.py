"""Patterns of rules held against records: one by one, or a table at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from traceview.events import Int64Array
from traceview.rules import Condition, Pattern
from traceview.vocabulary import Mask, MeaningTable, Row
from traceview.vocabulary.words import Word

__all__ = ["RELATIONS", "matching_rows", "meeting", "row_matches"]

RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
"""What the relations of conditions mean, of numbers and of columns of them."""
_NO_TEXT, _UNKNOWN = -1, -2
"""In a column of texts, that a record has none; and a text that no record of the trace has."""


def row_matches(row: Row, pattern: Pattern) -> bool:
    """Say whether a record of one of the pattern's meanings meets those conditions that do not ask for the opening."""
    if pattern.word.ops and row.op not in pattern.word.ops:
        return False
    for c in pattern.conditions:
        if not c.of_opening:
            value: int | str = row.string(c.role) if isinstance(c.value, str) else _role(row, c.role)
            if not RELATIONS[c.relation](value, c.value):
                return False
    return True


def _role(row: Row, role: str) -> int:
    return row.tid if role == "thread" else row.role(role)


def matching_rows(table: MeaningTable, pattern: Pattern) -> Int64Array:
    """Return the rows of a table that a pattern fits, but for conditions that ask for the window's opening.

    Many rules ask for the same rows: they are looked for once a table. Do not write into them.
    """
    conditions = tuple(c for c in pattern.conditions if not c.of_opening)
    asked = (pattern.word.name, conditions)
    rows = table.found.get(asked)
    if rows is None:
        rows = table.found[asked] = _find(table, pattern.word, conditions)
    return rows


def _find(table: MeaningTable, word: Word, conditions: Iterable[Condition]) -> Int64Array:
    rows: Int64Array = np.flatnonzero(table.where(*word.meanings))
    if word.ops and len(rows):
        rows = rows[np.isin(table.op[rows], np.array(word.ops, dtype=np.uint8))]
    return meeting(table, rows, conditions)


def meeting(table: MeaningTable, rows: Int64Array, conditions: Iterable[Condition]) -> Int64Array:
    """Return those of some rows that meet all conditions, but for those that ask for the window's opening."""
    for condition in conditions:
        if len(rows) and not condition.of_opening:
            rows = rows[_meets(table, rows, condition)]
    return rows


def _meets(table: MeaningTable, rows: Int64Array, condition: Condition) -> Mask:
    column = table.tid[rows] if condition.role == "thread" else table.role(condition.role, rows)
    value = condition.value
    if isinstance(value, str):
        found = table.strings.find(value)
        # A record without text has none of the trace's texts: it is as good as empty.
        value = found if found >= 0 else _NO_TEXT if value == "" else _UNKNOWN
        if condition.value == "":
            column = np.where(column == _NO_TEXT, value, column)
    return np.asarray(RELATIONS[condition.relation](column, value))
