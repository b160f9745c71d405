"""The HTML page: all that a scan found is in it, as text, and it asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from tests.report import RAW, SAMPLES, mark, result, summary, window
from tests.report.pages import CONTEXT, DEVICE, FILE, IMAGE, Page, hostile, lossy, read_page, write_page
from tests.timeline.story import COPY, DISK, DRIVE, instrumented
from traceview.errors import MissingPackageError, TraceReadError
from traceview.events import Gap
from traceview.findings import RefusedLine, ScanResult, Unjudged, Verdict
from traceview.losses import Losses
from traceview.report import html
from traceview.report.html import Occasion, html_report

CASE_1 = SAMPLES / "lp1570134-case-1" / "trace.log"
LARGEST = 8_000_000
OCCASION = Occasion("traceview report vm.log", "1.2.3", "today")


@pytest.fixture(scope="module")
def case_1(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read_page(write_page(tmp_path_factory.mktemp("case-1"), CASE_1))


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read_page(write_page(tmp_path_factory.mktemp("hostile"), hostile(), name=FILE))


def page_of(scanned: ScanResult, *errors: Exception) -> Page:
    told = [TraceReadError(str(e)) for e in errors]
    return Page(html_report(scanned, Losses(), {}, OCCASION, shown=100, errors=told))


def section(page: Page, name: str) -> str:
    (found,) = page.all("section", id=name)
    return found.text


def test_every_element_is_closed_and_every_id_is_one_of_a_kind(case_1: Page) -> None:
    assert case_1.open == []
    ids = [e.attributes["id"] for e in case_1.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert {e.attributes["href"][1:] for e in case_1.all("a") if e.attributes["href"].startswith("#")} <= set(ids)


def test_a_finding_has_its_points_with_their_lines_its_tree_and_its_extents(case_1: Page) -> None:
    (article,) = case_1.all("article", class_="finding")
    for words in ("DATA LOSS", "mirror job 0x563433de3b80 on drive0", "target lacks 24576 B in 6 extents"):
        assert words in article.text
    rows = [row.text for row in case_1.all("tr") if "data-record" in row.attributes]
    assert [r[:3] for r in rows] == ["(a)", *["(b)"] * 8, "(c)"]
    assert [e.text for e in case_1.all("button", class_="jump")][:2] == ["line 347", "line 354"]
    (tree,) = case_1.all("details", class_="tree")
    assert "aio_ctx_dispatch (iohandler_ctx)" in tree.text
    (lost,) = case_1.all("details", class_="extents")
    assert lost.text.count("lost") + lost.text.count("rewritten at") >= 7


def test_a_timeline_has_what_stands_around_the_window_and_each_text_once(case_1: Page) -> None:
    (scene,) = case_1.scenes()
    assert scene["window"] == [0, 626000]
    assert {row[0] for row in scene["items"]} == {0, 1, 2, 3, 4, 5}
    assert len(scene["items"]) == scene["total"]
    assert len(scene["texts"]) == len(set(scene["texts"]))
    assert all(row[2] < len(scene["lanes"]) for row in scene["items"])


def test_an_image_whose_address_a_later_job_took_is_not_said_to_have_the_bytes_now(tmp_path: Path) -> None:
    page = read_page(write_page(tmp_path, SAMPLES / "lp1570134-case-2" / "trace.log"))
    assert "the disk is on the target of a later job now" in section(page, "lost")


def test_the_making_is_told_and_what_was_read(case_1: Page) -> None:
    assert "traceview report" in section(case_1, "making")
    assert "plotly.js" in section(case_1, "making")
    assert "2.7 or older" in section(case_1, "summary")
    assert "block_job_cb is there up to 2.7" in section(case_1, "summary")
    assert "UTC" in section(case_1, "summary")


def test_clean_windows_say_how_long_they_stood_open(case_1: Page) -> None:
    text = section(case_1, "exposure")
    assert "mirror-exit-guest-io" in text
    assert "13 µs" in text


def test_nothing_of_the_page_is_loaded_and_nothing_may_be(case_1: Page) -> None:
    assert {e.tag for e in case_1.elements} & {"link", "img", "iframe", "object", "embed", "base", "form"} == set()
    assert not [e for e in case_1.elements if {"src", "srcset", "data", "action", "background"} & e.attributes.keys()]
    assert all(e.attributes["href"].startswith(("#", "https://")) for e in case_1.all("a"))
    (style,) = case_1.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    (policy,) = (e.attributes["content"] for e in case_1.all("meta") if "http-equiv" in e.attributes)
    assert policy.startswith("default-src 'none'; ")


def test_only_the_two_scripts_of_the_page_may_run(case_1: Page) -> None:
    (policy,) = (e.attributes["content"] for e in case_1.all("meta") if "http-equiv" in e.attributes)
    scripts = [e for e in case_1.all("script") if "type" not in e.attributes]
    digests = [base64.b64encode(hashlib.sha256(e.text.encode()).digest()).decode() for e in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src [^;]*unsafe", policy) is None


def test_hostile_names_are_text_and_nothing_else(hostile_page: Page) -> None:
    assert hostile_page.open == []
    assert not hostile_page.all("img")
    assert not hostile_page.all("b")
    assert len([e for e in hostile_page.all("script") if "type" not in e.attributes]) == 2
    assert not [e for e in hostile_page.elements if any(name.startswith("on") for name in e.attributes)]
    (article,) = hostile_page.all("article")
    assert DEVICE in article.text
    assert CONTEXT in article.text
    assert "<b>bold</b>" in section(hostile_page, "lost")
    assert FILE in section(hostile_page, "summary")


def test_hostile_names_are_text_in_the_data_of_a_timeline_too(hostile_page: Page) -> None:
    (data,) = hostile_page.all("script", class_="scene")
    assert "<" not in data.text
    (scene,) = hostile_page.scenes()
    titles = {title for _, title, _ in scene["lanes"]}
    assert DEVICE in titles
    assert any(t.startswith("/img/<b>bold</b>") for t in titles)
    assert any(CONTEXT in text for text in scene["texts"])


def test_nothing_that_steers_a_reader_is_left_as_it_stands(hostile_page: Page) -> None:
    assert IMAGE[-8] == "\u202e"
    # The library has characters of its own; all else of the page stands before it.
    ours = hostile_page.source.partition("<script>")[0]
    assert not [c for c in RAW if c in ours and c != "\n"]
    assert "\\u202egnp.exe" in ours


def test_a_hundred_findings_stay_small_and_each_has_its_timeline(tmp_path: Path) -> None:
    path = write_page(tmp_path, lossy(instrumented(), 103))
    assert path.stat().st_size < LARGEST
    page = read_page(path)
    assert len(page.all("article")) == len(page.scenes()) == 100
    assert "The first 100 of 103 findings" in section(page, "findings")


def test_text_without_end_cannot_make_the_page_large(tmp_path: Path) -> None:
    story = instrumented()
    for ctx in range(0x900, 0x940):
        story.say(f"aio_context_name ctx 0x{ctx:x} name {chr(39) * 4000}")
    for node in (DISK, COPY):
        story.say(f'bdrv_open_common bs 0x{node:x} filename "{chr(39) * 4000}{node}" flags 0x2 format_name "raw"')
    story.say(f"blk_attach blk 0x{DRIVE:x} name {chr(39) * 4000} bs 0x{DISK:x}")
    for job in range(100):
        lossy(story)
        for call in range(8):
            ctx = 0x900 + (job * 8 + call) % 64
            story.dispatch(ctx)
            story.dispatch_done(ctx)
    path = write_page(tmp_path, story)
    assert path.stat().st_size < LARGEST
    assert len(read_page(path).all("article")) == 100


def test_no_more_findings_are_told_than_were_asked_for(tmp_path: Path) -> None:
    page = read_page(write_page(tmp_path, lossy(instrumented(), 3), "--findings", "2"))
    assert [e.attributes["data-number"] for e in page.all("article")] == ["1", "2"]
    assert "The first 2 of 3 findings" in section(page, "findings")


def test_what_could_not_be_judged_is_told_with_the_events_to_enable() -> None:
    trace = summary(
        gaps=[Gap("dropped", 3, 100, 7, 0, 2, "2 records <dropped>")],
        unjudged=[Unjudged("mirror-exit-guest-io", "no <job> is traced", (("mirror_exit", "job_ended"),))],
    )
    trace.refused_lines, trace.refused = 1, [RefusedLine(9, 400, "expected a number\n  ^ <here>")]
    doubtful = window(verdict=Verdict.INCONCLUSIVE, reason="its end is not in the trace")
    page = page_of(result(doubtful, trace=trace), OSError("other.log: <gone>"))
    assert "no <job> is traced" in section(page, "not-judged")
    assert "enable: mirror_exit or job_ended" in section(page, "not-judged")
    assert "its end is not in the trace" in section(page, "not-judged")
    assert "gap at line 7: 2 records <dropped>" in section(page, "gaps")
    assert "line 9: expected a number\n  ^ <here>" in section(page, "gaps")
    assert "could not be read: other.log: <gone>" in section(page, "summary")


def test_a_scan_that_found_nothing_says_so_and_no_more_than_that() -> None:
    page = page_of(result(window(), trace=summary()))
    assert not page.all("article")
    assert "Nothing was found." in section(page, "findings")
    assert "All that must be judged was." in section(page, "not-judged")


def test_a_window_without_times_has_no_exposure_but_is_counted() -> None:
    page = page_of(result(window(open=mark(10, None), close=mark(20, None))))
    assert "1 without time" in section(page, "exposure")


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "find_spec", lambda name: None if name == "plotly" else object())
    with pytest.raises(MissingPackageError, match=r"plotly is not installed: pip install 'traceview\[report\]'"):
        html.require_report()
