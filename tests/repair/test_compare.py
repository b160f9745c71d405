"""What differs between two images."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repair import make_image, noise
from traceview.errors import ImageError
from traceview.findings import Extent
from traceview.repair import images
from traceview.repair.compare import Difference, compare, difference
from traceview.repair.images import RawImage


@given(st.binary(max_size=200), st.data(), st.integers(0, 1 << 50))
def test_the_bytes_that_differ_are_counted_and_the_first_is_named(a: bytes, data: st.DataObject, offset: int) -> None:
    b = bytearray(a)
    for at in data.draw(st.sets(st.integers(0, len(a) - 1))) if a else ():
        b[at] = data.draw(st.integers(0, 255))
    places = [offset + i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    assert difference(a, bytes(b), offset) == Difference(len(places), places[0] if places else None)


def test_an_extent_is_compared_piece_by_piece_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PIECE", 1000)
    monkeypatch.setattr(images.pieces, "__defaults__", (1000,))
    a = noise(10_000)
    b = bytearray(a)
    for at in (499, 500, 1499, 1500, 4100, 7499, 7500):
        b[at] ^= 1
    one = RawImage(make_image(tmp_path / "a.img", a), writable=False)
    two = RawImage(make_image(tmp_path / "b.img", bytes(b)), writable=False)
    assert compare(one, two, Extent(500, 7000)) == Difference(5, 500)
    assert compare(one, two, Extent(501, 900)) == Difference(0, None)
    assert compare(one, two, Extent(1600, 5000)) == Difference(1, 4100)
    with pytest.raises(ImageError):
        compare(one, two, Extent(9000, 2000))
    one.close()
    two.close()
