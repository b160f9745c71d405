"""Pictures as files: the same bytes every time, and text that stays text."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from tests.plot.scenes import case_1
from traceview.errors import UnknownNameError
from traceview.plot.figure import scene_figure
from traceview.plot.layout import COLUMN, SLIDE, Size
from traceview.plot.save import PICTURE_TYPES, picture_bytes

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("kind", PICTURE_TYPES)
def test_a_picture_is_the_same_bytes_every_time(kind: str) -> None:
    assert picture_bytes(scene_figure(case_1()), kind) == picture_bytes(scene_figure(case_1()), kind)


def test_text_stays_text_in_svg() -> None:
    root = ET.fromstring(picture_bytes(scene_figure(case_1()), "svg"))  # noqa: S314  (our own)
    words = {"".join(t.itertext()) for t in root.iter(f"{SVG}text")}
    assert {"(a)", "(b)", "(c)", "process 1000", "drive0", "µs from (a)"} <= words
    assert "DejaVu Sans" in next(root.iter(f"{SVG}text")).attrib["style"]


def test_parts_can_be_found_in_svg_by_their_ids() -> None:
    root = ET.fromstring(picture_bytes(scene_figure(case_1()), "svg"))  # noqa: S314
    ids = [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
    assert {"window", "call-13", "request-15", "marks-a", "label-0", "arrow-bh-12-30", "lane-0"} <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("size", "wide"), [(COLUMN, 1020), (SLIDE, 2000)])
def test_a_png_is_fine_enough_for_its_use(size: Size, wide: int) -> None:
    with Image.open(io.BytesIO(picture_bytes(scene_figure(case_1(), size=size), "png"))) as image:
        assert image.width == wide


def test_a_pdf_embeds_letters_that_can_be_edited() -> None:
    data = picture_bytes(scene_figure(case_1()), "pdf")
    assert data.startswith(b"%PDF")
    assert b"CreationDate" not in data


def test_another_kind_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="png, svg, pdf"):
        picture_bytes(scene_figure(case_1()), "jpeg")
