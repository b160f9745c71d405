"""The commands that a plan shows are those that a repair runs."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.repair import MIB, content, losses_of, lost, make_image, needs_qemu, noise, without
from traceview.findings import Extent
from traceview.repair.commands import commands_of
from traceview.repair.execute import execute
from traceview.repair.images import PIECE
from traceview.repair.pair import open_pair
from traceview.repair.plan import make_plan
from traceview.repair.qemu import QemuImage

OLD = noise(6 * MIB)
HOLES = [Extent(8192, 4096), Extent(MIB, PIECE + 512)]
NEW = without(OLD, HOLES, noise(6 * MIB, 2))
LOSSES = losses_of(*(lost(h.offset, h.length) for h in HOLES))


def test_raw_images_need_none(tmp_path: Path) -> None:
    old, new = make_image(tmp_path / "old.img", OLD), make_image(tmp_path / "new.img", NEW)
    with open_pair(old, new, write=False) as pair:
        assert [list(commands_of(s, pair)) for s in make_plan(LOSSES, pair).steps] == [[], []]


@needs_qemu
@pytest.mark.parametrize("formats", [("qcow2", "qcow2"), ("raw", "qcow2"), ("qcow2", "raw")])
def test_a_repair_runs_what_the_plan_shows(
    formats: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_image(tmp_path / "old", OLD, formats[0]), make_image(tmp_path / "new", NEW, formats[1])
    ran: list[list[str]] = []
    plain = QemuImage._run

    def run(image: QemuImage, command: list[str], what: str, inherited: tuple[int, ...] = ()) -> str:
        ran.append(command)
        return plain(image, command, what, inherited)

    with open_pair(old, new, write=True) as pair:
        plan = make_plan(LOSSES, pair)
        shown = [command for step in plan.steps for command in commands_of(step, pair)]
        monkeypatch.setattr(QemuImage, "_run", run)
        execute(plan, pair, tmp_path / "vm.undo", datetime.now(UTC))
    assert [[w for w in c if not w.endswith(".raw")] for c in ran] == [
        [w for w in c if not w.endswith(".raw")] for c in shown
    ]
    assert content(new, formats[1]) == OLD


@needs_qemu
def test_run_by_hand_they_repair_as_well(tmp_path: Path) -> None:
    old, new = make_image(tmp_path / "old", OLD, "qcow2"), make_image(tmp_path / "new", NEW, "qcow2")
    with open_pair(old, new, write=False) as pair:
        commands = [c for step in make_plan(LOSSES, pair).steps for c in commands_of(step, pair)]
    for command in commands:
        subprocess.run(command, cwd=tmp_path, check=True)
    assert content(new, "qcow2") == OLD
