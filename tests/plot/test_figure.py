"""A figure shows what its scene has, where and when it was: told from its artists, never from its pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

import traceview
from tests.conftest import ROOT
from tests.plot.scenes import at, boxes, case_1, extents, many, overlapping, texts
from traceview.plot.figure import draw_scene, scene_figure
from traceview.plot.layout import COLUMN, SLIDE, WIDTHS, Size
from traceview.plot.marks import MOST_ARROWS
from traceview.plot.save import picture_bytes
from traceview.plot.theme import THEMES, Theme
from traceview.scene import Arrow, Letter, Scene

SAMPLES = ("lp1570134-first-diagram", "lp1570134-case-1", "lp1570134-case-2", "stock-4.1-ide-lost-write")


def drawn(scene: Scene, size: Size = SLIDE) -> Axes:
    return scene_figure(scene, size=size).axes[0]


def marks(axes: Axes, letter: str) -> list[tuple[float, float]]:
    line = next(x for x in axes.lines if x.get_gid() == f"marks-{letter}")
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]  # lists of numbers


def sample(name: str) -> Scene:
    trace = traceview.open(ROOT / "sample-traces" / name / "trace.log")
    result = trace.scan()
    finding = result.findings[0]
    return trace.scene(result.windows[finding.window], title=finding.title)


def test_each_lane_has_its_title_one_below_the_other() -> None:
    axes = drawn(case_1())
    titles = [t for t in axes.texts if str(t.get_gid()).startswith("lane-")]
    assert [t.get_text() for t in titles] == ["process 1000", "disk drained", "drive0"]
    heights = [t.get_position()[1] for t in titles]
    assert heights == sorted(heights)
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "lanes go from the top down"


def test_calls_stand_at_their_times_each_below_the_one_around_it() -> None:
    found = boxes(drawn(case_1()), "call-")
    assert found["call-10"][::2] == (-20, 110)
    assert found["call-13"][::2] == (20, 60)
    assert found["call-14"][::2] == (22, 60)
    iteration, dispatch, notifier = (found[f"call-{r}"] for r in (10, 13, 14))
    assert iteration[3] <= dispatch[1] < dispatch[3] <= notifier[1]


def test_calls_are_named_as_far_as_there_is_room() -> None:
    wide, narrow = texts(drawn(case_1())), texts(drawn(case_1(), COLUMN))
    assert wide["call-name-13"] == "aio_ctx_dispatch (iohandler_ctx)"
    assert narrow["call-name-13"] == "dispatch iohandler_ctx"
    assert narrow["call-name-31"] == "exit of job"
    assert "call-name-11" not in narrow


def test_bands_and_requests_stand_at_their_times() -> None:
    axes = drawn(case_1())
    assert boxes(axes, "band-")["band-0"][::2] == (-5, 110)
    found = boxes(axes, "request-")
    assert found["request-5"][::2] == (-20, 70)
    assert found["request-15"][::2] == (28, 110)
    assert found["request-5"][3] <= found["request-15"][1]


def test_writes_are_filled_reads_are_hollow_and_breaking_ones_have_their_colour() -> None:
    patches = {p.get_gid(): p for p in drawn(case_1()).patches}
    theme = THEMES["light"]
    assert same_color(patches["request-5"].get_facecolor(), theme.paper)
    assert same_color(patches["request-5"].get_edgecolor(), theme.request)
    assert same_color(patches["request-15"].get_facecolor(), theme.breaks)


def test_the_window_is_shaded_from_a_to_c() -> None:
    (window,) = boxes(drawn(case_1()), "window").values()
    assert (window[0], window[2]) == (0, 90)


def test_letters_are_marked_where_and_when_they_were() -> None:
    axes = drawn(case_1())
    found = boxes(axes, "")
    ((a_x, a_y),), ((b_x, b_y),), ((c_x, c_y),) = (marks(axes, x) for x in "abc")
    assert (a_x, b_x, c_x) == (0, 30, 90)
    assert found["instant-12"][1] <= a_y <= found["instant-12"][3] + 1
    assert found["request-15"][1] <= b_y <= found["request-15"][3]
    assert found["call-31"][1] <= c_y <= found["call-31"][3] + 1


def test_each_letter_has_its_label_and_a_line_to_its_mark() -> None:
    axes = drawn(case_1())
    labels = {k: v for k, v in texts(axes).items() if k.startswith("label-")}
    assert labels == {"label-0": "(a)", "label-1": "(b)", "label-2": "(c)"}
    leaders = {str(x.get_gid()): x for x in axes.lines if str(x.get_gid()).startswith("leader-")}
    ends = [leaders[f"leader-{i}"].get_xdata()[-1] for i in range(3)]  # type: ignore[index]  # a list of numbers
    assert ends == [0, 30, 90]


def test_the_letters_are_explained_with_their_time_from_a() -> None:
    found = texts(drawn(case_1()))
    assert found["point-0-0"] == "(a) block_job_defer_to_main_loop"
    assert found["point-1-0"] == "(b) guest write 4096 B at 61440, +30 µs"
    assert found["point-2-0"] == "(c) mirror_exit, +90 µs"


def test_arrows_lead_from_scheduling_to_run_and_from_kick_to_request() -> None:
    axes = drawn(case_1())
    arrows = {str(p.get_gid()): p for p in axes.patches if isinstance(p, FancyArrowPatch)}
    assert set(arrows) == {"arrow-bh-12-30", "arrow-kick-14-15"}
    ends = {gid: tuple(x for x, _ in p._posA_posB) for gid, p in arrows.items()}  # type: ignore[attr-defined]
    assert ends == {"arrow-bh-12-30": (2, 80), "arrow-kick-14-15": (22, 28)}


def test_the_axis_is_in_microseconds_from_a() -> None:
    axes = drawn(case_1())
    assert axes.get_xlabel() == "µs from (a)"
    assert axes.get_xlim() == (-20, 110)
    assert "−20" not in {t.get_text() for t in axes.get_xticklabels()}, "a label at the edge would be cut"
    assert {"0", "50", "100"} <= {t.get_text() for t in drawn(case_1(), COLUMN).get_xticklabels()}


def test_without_an_opening_the_axis_says_from_when_it_counts() -> None:
    scene = replace(case_1(), letters=[], window_ns=None)
    assert drawn(scene).get_xlabel() == "µs from 1600000000.000000000 s"


def test_a_trace_without_times_is_drawn_by_record() -> None:
    scene = replace(case_1(), by_record=True)
    assert drawn(scene).get_xlabel() == "records from (a)"
    assert texts(drawn(scene))["point-1-0"].endswith(", +30 records")
    assert drawn(replace(scene, letters=[], origin_ns=7000)).get_xlabel() == "records from record 7"


def test_the_key_names_what_is_there_and_nothing_else() -> None:
    words = {v for k, v in texts(drawn(case_1())).items() if k.startswith("key-words-")}
    assert words == {
        "main_loop_wait", "aio_ctx_dispatch", "BH", "notifier read", "exit of a job", "drained", "window", "read",
        "write in the window",
    }  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SAMPLES)
def test_no_text_of_a_sample_stands_upon_another(name: str, width: str) -> None:
    figure = scene_figure(sample(name), size=WIDTHS[width])
    assert overlapping(extents(figure.axes[0])) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SAMPLES)
def test_all_text_of_a_sample_is_within_the_figure(name: str, width: str) -> None:
    figure = scene_figure(sample(name), size=WIDTHS[width])
    found = extents(figure.axes[0])
    assert all(b.x0 >= 0 and b.x1 <= figure.bbox.width and b.y0 >= 0 and b.y1 <= figure.bbox.height
               for b in found.values())  # fmt: skip
    assert figure.get_size_inches()[0] == WIDTHS[width].width_in


@settings(max_examples=15)
@given(st.lists(st.floats(0, 90), max_size=40))
def test_labels_of_letters_do_not_overlap_however_close_the_points(points: list[float]) -> None:
    scene = case_1()
    scene.letters[1:2] = [Letter("(b)", 2, at(us), "guest write", 15, 16) for us in sorted(points)]
    labels = extents(drawn(scene, COLUMN), "label-")
    assert overlapping(labels) == []
    assert len(labels) >= 2 + bool(points)


def test_points_too_close_for_a_label_each_share_one_that_counts_them() -> None:
    scene = case_1()
    scene.letters[1:2] = [Letter("(b)", 2, at(us), "guest write", 15, 16) for us in (30, 30.1, 30.2)]
    found = texts(drawn(scene, COLUMN))
    assert found["label-1"] == "(b) ×3"
    assert found["point-1-0"] == "(b) guest write, +30 µs; 2 more"


def test_many_requests_are_drawn_as_how_many_are_on_their_way() -> None:
    axes = drawn(many(500))
    assert boxes(axes, "request-") == {}
    assert {"density-all-2", "density-breaking-2"} <= {str(c.get_gid()) for c in axes.collections}
    found = texts(axes)
    assert found["density-scale-2"].startswith("up to ")
    assert found["note-0"] == "502 requests, drawn as how many are on their way"
    assert boxes(drawn(many(300)), "request-")


def test_more_arrows_than_can_be_seen_are_left_out_and_that_is_said() -> None:
    scene = case_1()
    scene.arrows += [Arrow("bh", 0, at(100), 0, at(101), "BH 0x6", 40 + i, 1000 + i) for i in range(60)]
    axes = drawn(scene)
    arrows = [str(p.get_gid()) for p in axes.patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == MOST_ARROWS
    assert "arrow-kick-14-15" in arrows, "those that lead to what breaks the promise come first"
    assert texts(axes)["note-0"] == "22 of 62 arrows are left out"


def test_calls_too_short_to_be_seen_are_drawn_once() -> None:
    scene = case_1()
    short = scene.calls[1]
    scene.calls += [replace(short, begin_ns=at(70) + i, end_ns=at(70) + i + 1, record=500 + i) for i in range(2000)]
    assert 0 < sum(int(gid.split("-")[1]) >= 500 for gid in boxes(drawn(scene), "call-") if "name" not in gid) < 100


def test_hostile_text_is_drawn_as_text() -> None:
    scene = case_1()
    scene.title, scene.subtitle = "$\\frac{1}{0}$ \x1b[31m", "日本 \u202e"
    scene.lanes[0] = replace(scene.lanes[0], title="$x^2$ <script>")
    axes = drawn(scene)
    found = texts(axes)
    assert found["title-0"] == "$\\frac{1}{0}$ \\x1b[31m"
    assert found["subtitle-0"] == "\\u65e5\\u672c \\u202e"
    assert found["lane-0"] == "$x^2$ <script>"
    extents(axes)  # nothing of it is taken for TeX, no glyph is missing


def test_an_empty_scene_can_be_drawn() -> None:
    axes = drawn(Scene("", "", 0, 0, 0))
    assert axes.get_xlim()[0] < axes.get_xlim()[1]


def test_axes_that_are_given_are_drawn_into() -> None:
    figure = Figure(figsize=(7, 5))
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    assert draw_scene(case_1(), right) is right
    assert not left.patches
    assert boxes(right, "call-")["call-13"][::2] == (20, 60)


def test_calls_nested_absurdly_deep_can_be_drawn() -> None:
    scene = case_1()
    scene.calls += [replace(scene.calls[1], kind="poll", depth=i, record=1000 + i) for i in range(2, 3000)]
    scene.lanes[0] = replace(scene.lanes[0], rows=3000)
    figure = scene_figure(scene)
    assert figure.get_size_inches()[1] < 20
    assert picture_bytes(figure, "png").startswith(b"\x89PNG")


def test_axes_of_a_figure_within_a_figure_are_drawn_into() -> None:
    figure = Figure(figsize=(12, 5))
    FigureCanvasAgg(figure)
    axes = figure.subfigures(1, 2, squeeze=False)[0, 1].subplots()
    draw_scene(case_1(), axes)
    assert texts(axes)["call-name-13"] == "dispatch iohandler_ctx"


def test_pyplot_does_not_know_of_figures() -> None:
    from matplotlib import _pylab_helpers  # noqa: PLC0415

    scene_figure(case_1())
    assert _pylab_helpers.Gcf.get_all_fig_managers() == []


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda t: t.name)
def test_a_theme_colours_paper_and_ink(theme: Theme) -> None:
    figure = scene_figure(case_1(), theme=theme)
    assert figure.get_facecolor()[:3] == pytest.approx(to_rgb(theme.paper))
    lanes = [t for t in figure.axes[0].texts if str(t.get_gid()).startswith("lane-")]
    assert {t.get_color() for t in lanes} == {theme.ink}
