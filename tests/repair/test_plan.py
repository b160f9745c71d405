"""What a repair would copy, and why that is safe or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repair import MIB, losses_of, lost, make_image, named, noise, without
from tests.report import mark
from traceview.errors import ImageError, RepairRefusedError, UnknownNameError
from traceview.findings import Extent, Unjudged
from traceview.losses import Horizon, Image, Losses, LossState, LostExtent
from traceview.repair.compare import Difference
from traceview.repair.pair import Pair, open_pair
from traceview.repair.plan import Choice, Plan, Step, _Covered, _overtaken, make_plan

DATA = noise(MIB)
HOLES = [Extent(8192, 4096), Extent(65536, 512), Extent(MIB - 4096, 4096)]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    old = make_image(tmp_path / "old.img", DATA)
    new = make_image(tmp_path / "new.img", without(DATA, HOLES, noise(MIB, 2)))
    with open_pair(old, new, write=False) as opened:
        yield opened


def step_for(extent: LostExtent, pair: Pair, *others: LostExtent, force: tuple[int, ...] = ()) -> Step:
    plan = make_plan(losses_of(extent, *others), pair, force=force)
    return plan.steps[0]


# what is done with an extent


def test_what_is_lost_and_differs_is_copied(pair: Pair) -> None:
    step = step_for(lost(), pair)
    assert (step.choice, step.reasons, step.forced) == (Choice.COPY, (), False)
    assert step.difference is not None
    assert step.difference.count > 4000


@pytest.mark.parametrize("state", [LossState.LOST, LossState.UNCERTAIN])
def test_what_both_images_have_needs_nothing_whatever_speaks_against_it(state: LossState, pair: Pair) -> None:
    pair.doubts.append("sizes")
    step = step_for(lost(16384, state=state, has=Image(0, "/vm/other.img")), pair)
    assert (step.choice, step.reasons, step.difference) == (Choice.SAME, (), Difference(0, None))


def test_what_was_rewritten_is_never_copied(pair: Pair) -> None:
    extent = lost(state=LossState.REWRITTEN, made_good=mark(30))
    assert step_for(extent, pair).choice is Choice.REWRITTEN
    with pytest.raises(UnknownNameError, match="--force 8192: cannot be copied, forced or not: the guest has written"):
        step_for(extent, pair, force=(8192,))


def test_what_is_uncertain_is_unsafe_for_its_reason(pair: Pair) -> None:
    step = step_for(lost(state=LossState.UNCERTAIN, reason="in flight at the switch"), pair)
    assert (step.choice, step.reasons) == (Choice.UNSAFE, ("in flight at the switch",))
    step = step_for(lost(state=LossState.UNCERTAIN), pair)
    assert step.reasons == ("the trace does not tell whether it is lost",)


def test_images_of_other_names_make_it_unsafe(pair: Pair) -> None:
    step = step_for(named(has="/vm/first.img"), pair)
    assert (step.choice, step.reasons) == (
        Choice.UNSAFE,
        ("the trace says that 'first.img' has these bytes, not 'old.img'",),
    )


def test_what_speaks_against_the_images_speaks_against_every_extent(pair: Pair) -> None:
    pair.doubts.append("the images differ in size")
    plan = make_plan(losses_of(lost(), lost(65536, 512)), pair)
    assert [(s.choice, s.reasons) for s in plan.steps] == [(Choice.UNSAFE, ("the images differ in size",))] * 2


def test_what_another_image_has_is_left_to_a_run_with_that(pair: Pair) -> None:
    plan = make_plan(losses_of(named(), named(offset=65536, has="/vm/middle.img")), pair)
    assert plan.steps[1].choice is Choice.ELSEWHERE
    assert plan.steps[1].reasons == ("/vm/middle.img has it: run again with that as --source",)
    assert [s.choice for s in plan.left] == [Choice.ELSEWHERE]


@pytest.mark.parametrize(
    "extent", [lost(MIB - 4096, 4097), lost(MIB, 512), lost(1 << 62, 4096), lost(8192, 1 << 62), lost(0, (1 << 64) - 1)]
)
def test_what_lies_behind_the_end_cannot_be_copied_forced_or_not(extent: LostExtent, pair: Pair) -> None:
    step = step_for(extent, pair)
    assert step.choice is Choice.IMPOSSIBLE
    assert "behind the end of old.img (1048576 B)" in step.reasons[0]
    with pytest.raises(UnknownNameError, match="cannot be copied, forced or not: ends at"):
        step_for(extent, pair, force=(extent.extent.offset,))


def test_what_was_lost_again_later_and_is_in_another_image_is_unsafe(pair: Pair) -> None:
    first = named(written=mark(10))
    again = named(offset=10240, length=8192, has="/vm/middle.img", written=mark(50))
    assert step_for(first, pair, again).reasons == (
        "bytes of it were lost again later, and another image has the newer ones",
    )
    earlier = named(offset=10240, length=8192, has="/vm/middle.img", written=mark(5))
    beside = named(offset=12288, has="/vm/middle.img", written=mark(50))
    made_good = named(offset=8192, has="/vm/middle.img", written=mark(50), state=LossState.REWRITTEN)
    same_image = named(offset=10240, written=mark(50))
    for other in (earlier, beside, made_good, same_image):
        assert step_for(first, pair, other).choice is Choice.COPY


# force


def test_what_is_unsafe_is_copied_where_its_offset_is_named_and_the_reasons_stay(pair: Pair) -> None:
    extents = [lost(h.offset, h.length, state=LossState.UNCERTAIN, reason="?") for h in HOLES]
    plan = make_plan(losses_of(*extents), pair, force=[65536])
    assert [s.choice for s in plan.steps] == [Choice.UNSAFE, Choice.COPY, Choice.UNSAFE]
    assert [s.forced for s in plan.steps] == [False, True, False]
    assert plan.steps[1].reasons == ("?",)


def test_to_force_what_is_safe_or_the_same_changes_nothing(pair: Pair) -> None:
    assert not step_for(lost(), pair, force=(8192,)).forced
    assert step_for(lost(16384), pair, force=(16384,)).choice is Choice.SAME


def test_an_offset_at_which_nothing_begins_is_an_error_that_names_the_nearest(pair: Pair) -> None:
    with pytest.raises(UnknownNameError, match="--force 9000: no lost extent begins there; the nearest begins at 8192"):
        make_plan(losses_of(lost(), lost(65536)), pair, force=[9000])
    with pytest.raises(UnknownNameError, match=r"--force 9000: no lost extent begins there$"):
        make_plan(losses_of(), pair, force=[9000])


# the plan as a whole


def test_nothing_lost_is_nothing_to_do(pair: Pair) -> None:
    plan = make_plan(losses_of(), pair)
    assert (plan.steps, plan.to_copy, plan.left, plan.notes) == ([], [], [], [])


def test_an_obstacle_lets_nothing_be_copied_and_all_of_it_is_left(pair: Pair) -> None:
    pair.obstacles.append("in use")
    plan = make_plan(losses_of(lost()), pair)
    assert (plan.obstacles, plan.to_copy) == (["in use"], [])
    assert [s.choice for s in plan.left] == [Choice.COPY]


def test_only_one_disks_extents_are_in_a_plan(pair: Pair) -> None:
    losses = losses_of(lost(), lost(65536, 512, device="drive1"))
    with pytest.raises(RepairRefusedError, match="several disks"):
        make_plan(losses, pair)
    assert [s.lost.device for s in make_plan(losses, pair, device="drive1").steps] == ["drive1"]


def test_an_image_that_cannot_be_read_is_an_error(pair: Pair) -> None:
    os.truncate(pair.source.path, 100)
    with pytest.raises(ImageError, match="it has become shorter"):
        make_plan(losses_of(lost()), pair)


# notes


def notes(losses: Losses, pair: Pair) -> list[str]:
    return make_plan(losses, pair).notes


def test_a_target_that_was_written_after_the_traces_end_is_noted(pair: Pair) -> None:
    losses = losses_of(lost())
    end = 1_600_000_000
    losses.horizons = [Horizon(mark(900, (end - 1000) * 1_000_000))]
    os.utime(pair.target.path, (end - 60, end - 60))
    assert notes(losses, pair) == []
    os.utime(pair.target.path, (end + 60, end + 60))
    (note,) = notes(losses, pair)
    assert note == (
        "the trace ends at 2020-09-13 12:26:40 UTC and the target was written at 2020-09-13 12:27:40 UTC: if the guest "
        "ran on, it may have rewritten some of these bytes"
    )


@pytest.mark.parametrize("horizon", [Horizon(None), Horizon(mark(900, None)), Horizon(mark(900, 5))])
def test_a_trace_without_a_time_of_day_is_noted(horizon: Horizon, pair: Pair) -> None:
    losses = losses_of(lost())
    losses.horizons = [horizon]
    assert "no time of day" in notes(losses, pair)[0]


def test_nothing_is_noted_of_times_where_nothing_is_to_be_copied(pair: Pair) -> None:
    assert notes(losses_of(lost(16384), last_us=None), pair) == []


def test_several_traces_are_noted(pair: Pair) -> None:
    losses = losses_of(named(), named(offset=65536, length=512, trace=1), traces=2)
    assert notes(losses, pair)[0].startswith("several traces: what one of them lost may have been rewritten in a later")


def test_a_scan_that_could_not_judge_everything_is_noted(pair: Pair) -> None:
    losses = losses_of()
    losses.scan.traces[0].unjudged.append(Unjudged("mirror-exit-guest-io", "no job events", ()))
    assert notes(losses, pair) == [
        "the scan could not judge everything: more may be lost than is listed (traceview scan tells what)"
    ]


# what stands in for sets of bytes


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=12), st.integers(0, 60), st.integers(1, 12))
def test_covered_bytes_are_the_bytes_of_the_extents(added: list[tuple[int, int]], offset: int, length: int) -> None:
    covered, model = _Covered(), set[int]()
    for extent in added:
        covered.add(Extent(*extent))
        model.update(range(extent[0], sum(extent)))
    assert covered.meets(Extent(offset, length)) == bool(model & set(range(offset, offset + length)))


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 8), st.sampled_from("ab"), st.integers(0, 99), st.booleans()),
        max_size=8, unique_by=lambda t: t[3],
    )
)  # fmt: skip
def test_an_extent_is_overtaken_where_a_later_one_of_another_image_meets_it(
    drawn: list[tuple[int, int, str, int, bool]],
) -> None:
    extents = [
        named(
            offset=offset, length=length, has=f"/vm/{image}.img", written=mark(line + 1),
            state=LossState.REWRITTEN if good else LossState.LOST,
        )
        for offset, length, image, line, good in drawn
    ]  # fmt: skip
    for one, said in zip(extents, _overtaken(extents), strict=True):
        if one.state is LossState.REWRITTEN:
            continue
        assert bool(said) == any(
            other.has != one.has and other.state is LossState.LOST and other.written.record > one.written.record
            and other.extent.offset < one.extent.end and one.extent.offset < other.extent.end
            for other in extents
        )  # fmt: skip


def test_a_plan_gives_the_steps_of_a_kind() -> None:
    steps = [Step(lost(), Choice.COPY), Step(lost(), Choice.SAME), Step(lost(), Choice.UNSAFE)]
    plan = Plan(steps)
    assert list(plan.of(Choice.COPY, Choice.UNSAFE)) == [steps[0], steps[2]]
    assert (plan.to_copy, plan.left) == ([steps[0]], [steps[2]])
