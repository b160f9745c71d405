"""What qemu-img map says of an image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.errors import ImageMapError
from traceview.findings import Extent
from traceview.image_map import ImageMap


def stretch(start: int, length: int, *, data: bool = True, depth: int = 0) -> dict[str, object]:
    return {"start": start, "length": length, "depth": depth, "present": True, "zero": not data, "data": data}


MAP = ImageMap.parse(
    [stretch(0, 4096), stretch(4096, 8192, data=False), stretch(12288, 4096), stretch(16384, 4096, depth=1)]
)


def test_only_data_of_the_image_itself_is_allocated() -> None:
    assert MAP.allocated == (Extent(0, 4096), Extent(12288, 4096))
    assert MAP.end == 20480


def test_the_allocated_parts_of_an_extent_are_told() -> None:
    assert list(MAP.within(Extent(2048, 12288))) == [Extent(2048, 2048), Extent(12288, 2048)]
    assert MAP.allocated_bytes(Extent(4096, 8192)) == 0
    assert MAP.allocated_bytes(Extent(0, 1 << 40)) == 8192


@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 1)), max_size=12),
    st.integers(0, 60), st.integers(0, 60),
)  # fmt: skip
def test_what_is_allocated_is_what_each_byte_says(
    stretches: list[tuple[int, bool, int]], offset: int, length: int
) -> None:
    entries, own, at = [], set(), 0
    for size, data, depth in stretches:
        entries.append(stretch(at, size, data=data, depth=depth))
        own |= set(range(at, at + size)) if data and not depth else set()
        at += size
    found = ImageMap.parse(entries)
    assert found.end == at
    parts = list(found.within(Extent(offset, length)))
    assert {b for e in parts for b in range(e.offset, e.end)} == own & set(range(offset, offset + length))
    assert found.allocated_bytes(Extent(offset, length)) == len(own & set(range(offset, offset + length)))


def test_a_map_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "old.map"
    file.write_text(json.dumps([stretch(0, 512)]))
    assert ImageMap.read(file) == ImageMap((Extent(0, 512),), 512)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Offset          Length", r"no JSON \(.*\); make it with: qemu-img map --output=json IMAGE"),
        ("{}", "expected an array of stretches"),
        ("[7]", "entry 0 is no object"),
        ('[{"start": 0}]', "entry 0 lacks start, length, depth or data"),
        ('[{"start": -1, "length": 1, "depth": 0, "data": true}]', "entry 0 lacks"),
        ('[{"start": true, "length": 1, "depth": 0, "data": true}]', "entry 0 lacks"),
    ],
)
def test_what_is_no_map_is_refused_with_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "old.map"
    file.write_text(text)
    with pytest.raises(ImageMapError, match=said):
        ImageMap.read(file)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ImageMapError, match="No such file"):
        ImageMap.read(Path("/nowhere/old.map"))
