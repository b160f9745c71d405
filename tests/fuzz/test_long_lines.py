"""A line of one thing over and over, behind the beginning of a valid one, takes no reader more than its size is worth.

Regular expressions that try each place of a line from each other place are what this finds.
"""

from __future__ import annotations

import pytest

from tests.fuzz import trying
from tests.fuzz.entries import ENTRIES, EXTERNAL
from tests.fuzz.seeds import seeds
from tests.fuzz.trying import tried
from traceview.formats import FORMATS

SIZE = 1 << 16
"""As much as is looked at to recognise a format: what is a square of that takes seconds."""
UNITS = (
    b" ", b"\t", b"a", b"a ", b"a: ", b"a=", b'a="', b"a1_", b"a/1 ", b"0", b"0x", b"1 ", b"1-", b"[", b"] ", b"[0] ",
    b"{ ", b"}, {", b'"', b"'", b"\\", b"=", b":", b", ", b"(", b"(nil)", b"/", b"-", b".", b"%", b"@1.000001:a ",
)  # fmt: skip
TEXTS = sorted(f.id for f in FORMATS if f.id not in EXTERNAL and f.id in ENTRIES)


def beginnings(reader: str) -> list[bytes]:
    """Return nothing, and pieces of the first two records that readers are given valid ones of."""
    records = [line for data in seeds(reader)[:2] for line in data.split(b"\n")[:1]]
    return [b"", *(line[: len(line) * part // 3] for line in records for part in (1, 2, 3))]


@pytest.mark.parametrize("reader", TEXTS)
def test_a_line_of_one_thing_over_and_over_takes_no_longer_than_its_size_is_worth(reader: str) -> None:
    trying.limited_in_time()
    for begin in beginnings(reader):
        for unit in UNITS:
            line = (begin + unit * (SIZE // len(unit)))[:SIZE] + b"\n"
            assert tried(reader, line)[1] == "", (begin, unit)


def test_a_word_of_a_mebibyte_is_no_damaged_name() -> None:
    trying.limited_in_time()
    assert tried("log", b"1@1600000000.000001:" + b"a" * (1 << 20) + b" b 1\n")[1] == ""
