"""What a stored document tells; one that is of another kind than expected tells less, and breaks nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import mark, request, window
from tests.report.stored import document
from traceview.findings import Extent, Happening
from traceview.report.triage_occurrence import happened
from traceview.vocabulary import Op

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)


def test_a_document_tells_the_window_its_requests_and_what_was_lost() -> None:
    found = window(
        request(), request(Op.READ), request(at=mark(13, 50)), request(held_back=True), lost=[Extent(8192, 4096)],
        rewritten_bytes=512, more=2, reason="the trace ends",
    )  # fmt: skip
    told = happened(document(found))
    assert (told.subject, told.job_kind, told.device) == ("job", "mirror", "drive0")
    assert told.requests == {"write": 2, "read": 1}
    assert told.inside == "2 guest writes, 1 guest read, 2 more that are not listed"
    assert list(told.figures()) == [
        "open for 626 µs",
        "1 iteration of the main loop",
        "case 1: iohandler_ctx dispatched after the job, same iteration",
    ]
    assert (told.opened, told.closed) == ("block_job_defer_to_main_loop at line 10", "mirror_exit at line 20")
    assert (told.lost, told.lost_bytes, told.rewritten_bytes) == (((8192, 4096),), 4096, 512)
    assert told.reason == "the trace ends"


def test_other_happenings_are_counted() -> None:
    doc = document(window(request(), happenings=[Happening(mark(12, 40), "bdrv_drained_begin bs 0x1")]))
    doc["finding"] |= {"requests": [], "happenings": [0]}
    told = happened(doc)
    assert told.happenings == ("bdrv_drained_begin bs 0x1",)
    assert told.inside == "1 record of what it forbids"


def test_a_place_in_a_binary_trace_is_its_byte() -> None:
    doc = document()
    doc["window"]["open"]["line"] = None
    assert happened(doc).opened == "block_job_defer_to_main_loop at byte 800"


@pytest.mark.parametrize("doc", [{}, {"finding": None, "window": []}, {"finding": "text", "window": {"lost": 3}}])
def test_of_an_empty_document_nothing_is_known(doc: dict[str, Any]) -> None:
    told = happened(doc)
    assert (told.inside, list(told.figures()), told.lost, told.opened, told.known) == ("", [], (), "", "")


@given(st.data())
def test_a_document_of_any_kind_is_read(data: st.DataObject) -> None:
    doc = document(window(request(), lost=[Extent(0, 512)]))
    for part in ("finding", "window"):
        for key in data.draw(st.lists(st.sampled_from(sorted(doc[part])), max_size=4)):
            doc[part][key] = data.draw(JSON)
    told = happened(doc)
    assert isinstance(told.inside, str)
    assert all(isinstance(text, str) for text in told.figures())
    assert told.lost_bytes == sum(length for _, length in told.lost)


def test_an_operation_that_is_none_is_a_request() -> None:
    doc = document(window(request(), request()))
    doc["window"]["requests"][1]["op"] = "/close\x1b"
    assert happened(doc).inside == "1 guest write, 1 guest request"
