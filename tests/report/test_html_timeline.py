"""The data of a page's timelines: short, complete where it fits, and harmless in a script element."""

from __future__ import annotations

import json

import pytest

from tests.report.pages import hostile, lossy
from tests.timeline.story import START_US, Story, instrumented
from traceview.report.html_timeline import PARTS, script_json, timeline_document
from traceview.scene import Scene
from traceview.scene.table import scene_frame

CALL, LETTER, REQUEST = (PARTS.index(p) for p in ("call", "letter", "request"))


def scene_of(story: Story, *, prefix: bool = True, whole: bool = False) -> Scene:
    trace = story.trace(prefix=prefix)
    result = trace.scan()
    span = (START_US * 1000, (START_US + story.us) * 1000) if whole else None
    return trace.scene(result.windows[result.findings[0].window], span_ns=span)


def test_every_part_of_a_scene_is_there() -> None:
    scene = scene_of(lossy(instrumented()))
    document = timeline_document(scene, 100_000)
    frame = scene_frame(scene)
    assert sorted(PARTS[row[0]] for row in document["items"]) == sorted(frame["part"])
    assert sorted(document["texts"][row[6]] for row in document["items"]) == sorted(frame["title"])
    assert document["total"] == len(frame)


def test_times_count_from_the_opening_of_the_window() -> None:
    document = timeline_document(scene_of(lossy(instrumented())), 100_000)
    assert document["window"][0] == 0
    opening = next(row for row in document["items"] if row[0] == LETTER)
    assert opening[4:6] == [0, 0]


def test_without_times_the_order_stands_for_them() -> None:
    document = timeline_document(scene_of(lossy(instrumented()), prefix=False), 100_000)
    assert document["by_record"]
    assert document["window"][0] == 0


@pytest.mark.parametrize("most", [700, 1500, 3000])
def test_what_does_not_fit_is_the_least_telling(most: int) -> None:
    story = instrumented()
    for _ in range(50):
        story.dispatch(0xC1)
        story.dispatch_done(0xC1)
    scene = scene_of(lossy(story), whole=True)
    document = timeline_document(scene, most)
    assert len(json.dumps([document["items"], document["texts"]], separators=(",", ":"))) <= most
    assert len(document["items"]) < document["total"]
    assert sum(row[0] == LETTER for row in document["items"]) == len(scene.letters)
    assert any(row[0] == REQUEST and row[9] & 4 for row in document["items"])


def test_json_in_a_script_element_cannot_end_it() -> None:
    text = script_json(timeline_document(scene_of(hostile()), 100_000))
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert "</script><script>alert(2)</script>" in str(json.loads(text)["texts"])
