"""What a repair tells: the plan, what was done, what was put back, what differs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.repair import losses_of, lost, named
from tests.report import HOSTILE, RAW, mark
from traceview.errors import ImageError
from traceview.findings import Extent
from traceview.losses import Image, Losses, LossState
from traceview.repair.compare import Difference
from traceview.repair.images import PIECE, DiskImage
from traceview.repair.pair import Pair
from traceview.repair.plan import Choice, Plan, Step
from traceview.repair.putback import Restored, Restoring
from traceview.repair.qemu import QemuImage
from traceview.repair.verify import Checked
from traceview.report.repair import done_lines, plan_lines, saving_line, undo_lines, verify_lines
from traceview.report.repair_json import repair_json, undo_json, verify_json
from traceview.report.style import Style
from traceview.vocabulary import Op

PLAIN = Style(colour=False)


class Known(DiskImage):
    """An image of which everything is known without a file."""

    def __init__(self, path: str, image_format: str = "raw", size: int = 1 << 30) -> None:
        self.path, self.format, self.size = Path(path), image_format, size

    def read(self, extent: Extent) -> bytes:
        raise NotImplementedError

    def write(self, offset: int, data: bytes) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class KnownQemu(Known, QemuImage):
    """The same of an image that QEMU reads."""


PAIR = Pair(Known("/here/old.img"), Known("new.img"))
STEPS = [
    Step(lost(9486336), Choice.COPY, (), Difference(4077, 9486336)),
    Step(lost(1183744, ops=(Op.WRITE, Op.DISCARD)), Choice.COPY, ("in flight",), Difference(1, 1183750), forced=True),
    Step(lost(3162112, state=LossState.UNCERTAIN), Choice.UNSAFE, ("in flight", "other names"), Difference(2, 3162112)),
    Step(lost(512, 512), Choice.SAME, (), Difference(0, None)),
    Step(lost(0, state=LossState.REWRITTEN, made_good=mark(90)), Choice.REWRITTEN),
    Step(named(offset=8192, has="/vm/middle.img"), Choice.ELSEWHERE, ("/vm/middle.img has it",)),
    Step(lost(1 << 40), Choice.IMPOSSIBLE, ("ends behind the end",)),
]


def planned(plan: Plan, pair: Pair = PAIR, losses: Losses | None = None, *, executed: bool = False) -> list[str]:
    return list(plan_lines(plan, pair, losses or losses_of(), PLAIN, executed=executed))


def test_a_plan_says_what_would_be_copied_and_why_it_is_safe_or_not() -> None:
    assert planned(Plan(STEPS, notes=["the trace ends early"])) == [
        "source  /here/old.img: raw, 1073741824 B (1 GiB)",
        "target  new.img: raw, 1073741824 B (1 GiB)",
        "✓ copy               9486336 +4096      drive0: write at line 12; 4077 B differ, from 9486336 on",
        "✓ forced             1183744 +4096      drive0: write/discard at line 12; 1 B differ, from 1183750 on",
        "      in flight",
        "? unsafe             3162112 +4096      drive0: write at line 12; 2 B differ, from 3162112 on",
        "      in flight",
        "      other names",
        "      --force 3162112 copies it nevertheless",
        "= same                   512 +512       drive0: write at line 12",
        "· rewritten                0 +4096      drive0: write at line 12, rewritten at line 90",
        "→ elsewhere             8192 +4096      drive0: write at line 12",
        "      /vm/middle.img has it",
        "✗ impossible   1099511627776 +4096      drive0: write at line 12",
        "      ends behind the end",
        "note: the trace ends early",
        "plan: to copy: 2 extents, 8192 B (8 KiB); not shown to be safe: 1 extent, 4096 B (4 KiB); in another image: "
        "1 extent, 4096 B (4 KiB); not to be had from these images: 1 extent, 4096 B (4 KiB); the same in both: "
        "1 extent, 512 B; rewritten since: 1 extent, 4096 B (4 KiB)",
        "nothing was written; --execute does it",
    ]


def test_a_plan_that_is_carried_out_does_not_say_that_nothing_is() -> None:
    assert not any("--execute" in line for line in planned(Plan(STEPS), executed=True))


def test_an_obstacle_stands_before_the_extents() -> None:
    lines = planned(Plan(STEPS, obstacles=["new.img: is in use"]))
    assert lines[2] == "✗ not now  new.img: is in use"
    assert not any("--execute" in line for line in lines)


def test_nothing_lost_is_said_in_words() -> None:
    assert planned(Plan([]))[2:] == [
        "no lost extent: no violated window of a job that moved the guest has a write in it",
        "plan: nothing to copy",
    ]


def test_of_several_traces_each_extent_has_its_own_named() -> None:
    lines = planned(Plan([Step(lost(trace=1), Choice.SAME)]), losses=losses_of(traces=2))
    assert lines[2].endswith("drive0: write at line 12 of vm1.log")


def qemu(tmp_path: Path, name: str) -> KnownQemu:
    (tmp_path / name).touch()
    return KnownQemu(str(tmp_path / name), "qcow2")


def test_the_commands_for_other_formats_are_shown_as_a_shell_takes_them(tmp_path: Path) -> None:
    pair = Pair(qemu(tmp_path, "old it's.img"), qemu(tmp_path, "new.img"))
    lines = planned(Plan(STEPS[:3]), pair)
    at = lines.index("what --execute runs (the pieces lie in a temporary folder; old.raw goes into the undo file):")
    old = f"file.file.filename={tmp_path}/old it'\"'\"'s.img'"
    assert lines[at + 1] == "  # 4096 B at 9486336"
    assert lines[at + 2] == (
        "  qemu-img convert -U -O raw --image-opts 'driver=raw,offset=9486336,size=4096,file.driver=qcow2,"
        f"file.file.driver=file,{old} new.raw"
    )
    assert [line.split()[-1] for line in lines[at + 3 : at + 6 : 2]] == ["old.raw", "back.raw"]
    assert lines[at + 4].startswith("  qemu-img convert -n -f raw -t writeback --target-image-opts new.raw ")
    assert lines[at + 6] == "  # 4096 B at 1183744"
    assert len(lines) == at + 13, "only what is to be copied has commands"


@pytest.mark.parametrize(("raw", "word"), [("source", "read from"), ("target", "written to")])
def test_where_one_image_is_raw_it_is_said_that_it_needs_no_command(raw: str, word: str, tmp_path: Path) -> None:
    images: dict[str, Any] = {"source": qemu(tmp_path, "old.img"), "target": qemu(tmp_path, "new.img")}
    images[raw] = Known("x.img")
    assert f"  # new.raw is {word} the {raw} without QEMU: it is raw" in planned(Plan(STEPS[:1]), Pair(**images))


def test_raw_images_have_no_commands() -> None:
    assert not any("qemu-img" in line for line in planned(Plan(STEPS)))


def test_what_was_done_is_said_with_the_command_that_undoes_it() -> None:
    assert list(done_lines(STEPS[:2], Path("my undo"), PLAIN)) == [
        "done: copied, read back and compared: 2 extents, 8192 B (8 KiB)",
        "to put back what was there: traceview repair --undo 'my undo'",
    ]
    assert list(done_lines([], None, PLAIN)) == ["done: copied, read back and compared: 0 extents, 0 B"]


RESTORED = [
    Restored(Extent(8192, 4096), Restoring.PUT_BACK),
    Restored(Extent(4096, 512), Restoring.PUT_BACK, forced=True),
    Restored(Extent(1024, 512), Restoring.SAME),
    Restored(Extent(0, 512), Restoring.CHANGED),
]


def test_what_was_put_back_is_told_from_what_was_left() -> None:
    assert list(undo_lines(RESTORED, Path("new.img"), PLAIN, written=True, finished=True)) == [
        "target  new.img",
        "✓ put-back              8192 +4096",
        "✓ forced                4096 +512",
        "= same                  1024 +512",
        "? changed                  0 +512",
        "      neither its old bytes nor those of the repair: somebody has written there since",
        "      (or a run that was to put them back was ended while it wrote)",
        "      --force 0 puts the old bytes back nevertheless",
        "undo: put back: 2 pieces; had the old bytes already: 1 piece; left: changed since: 1 piece",
    ]


def test_what_would_be_put_back_is_not_said_to_be() -> None:
    lines = list(undo_lines([], Path("new.img"), PLAIN, written=False, finished=False))
    assert lines[1:] == ["note: the repair was ended before its end", "undo, not done: nothing was overwritten"]


CHECKED = [
    Checked(lost(8192), Difference(12, 8200)),
    Checked(lost(16384), Difference(0, None), ("other names",)),
    Checked(lost(0, state=LossState.REWRITTEN, made_good=mark(90)), None, ("the guest has written there since",)),
    Checked(lost(1 << 40), None, ("behind the end",)),
]


def test_what_differs_is_told_from_what_does_not() -> None:
    assert list(verify_lines(CHECKED, PAIR, losses_of(), PLAIN))[2:] == [
        "✗ differs               8192 +4096      drive0: write at line 12; 12 B differ, from 8200 on",
        "= same                 16384 +4096      drive0: write at line 12",
        "      other names",
        "· rewritten                0 +4096      drive0: write at line 12, rewritten at line 90",
        "      the guest has written there since",
        "? unknown      1099511627776 +4096      drive0: write at line 12",
        "      behind the end",
        "verify: differs: 1 extent; same: 1 extent; rewritten: 1 extent; unknown: 1 extent",
    ]
    assert list(verify_lines([], PAIR, losses_of(), PLAIN))[-1] == "verify: nothing to compare"


def test_what_makes_a_comparison_doubtful_is_noted() -> None:
    pair = Pair(PAIR.source, PAIR.target, obstacles=["read-only"], doubts=["sizes differ"], used=["is in use"])
    assert list(verify_lines([], pair, losses_of(), PLAIN))[2:4] == ["note: is in use", "note: sizes differ"]
    assert json.loads(verify_json([], pair))["notes"] == ["is in use", "sizes differ"]


def test_nothing_that_a_trace_or_a_name_says_reaches_a_terminal_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "".join(c for c in HOSTILE if c not in "\n")
    path.touch()
    hostile = lost(device=HOSTILE, has=Image(1, HOSTILE), trace=1)
    losses = losses_of(traces=2)
    losses.scan.traces[1].path = HOSTILE
    pair = Pair(KnownQemu(str(path), "qcow2"), Known(HOSTILE))
    steps = [Step(hostile, c, (HOSTILE,), Difference(1, 0)) for c in Choice]
    lines = planned(Plan(steps, [HOSTILE], [HOSTILE]), pair, losses)
    lines += verify_lines([Checked(hostile, None, (HOSTILE,))], pair, losses, PLAIN)
    lines += undo_lines(RESTORED, path, PLAIN, written=True, finished=False)
    lines += [*done_lines(steps, path, PLAIN), saving_line(path)]
    assert not [line for line in lines for raw in RAW if raw in line]


def test_colour_says_the_same() -> None:
    painted = "\n".join(plan_lines(Plan(STEPS), PAIR, losses_of(), Style(colour=True)))
    assert "\x1b[32m✓ copy" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted).split("\n") == planned(Plan(STEPS))


# JSON


def test_the_document_of_a_plan_has_every_step(tmp_path: Path) -> None:
    pair = Pair(qemu(tmp_path, "old.img"), Known("new.img"))
    document = json.loads(repair_json(Plan(STEPS, ["in use"], ["note"]), pair, errors=[ImageError("wrong")]))
    assert (document["schema_version"], document["command"], document["executed"]) == (1, "repair", False)
    assert document["source"] == {"path": f"{tmp_path}/old.img", "format": "qcow2", "size_bytes": 1 << 30}
    assert document["target"] == {"path": "new.img", "format": "raw", "size_bytes": 1 << 30}
    assert (document["obstacles"], document["notes"]) == (["in use"], ["note"])
    assert (document["copied"], document["undo"]) == ([], None)
    assert document["errors"] == [{"kind": "ImageError", "message": "wrong"}]
    assert [s["choice"] for s in document["steps"]] == [s.choice.value for s in STEPS]
    first, forced, unsafe, same, rewritten, elsewhere, impossible = document["steps"]
    assert (first["offset_bytes"], first["length_bytes"], first["state"]) == (9486336, 4096, "lost")
    assert (first["differing_bytes"], first["first_difference_bytes"]) == (4077, 9486336)
    assert [c[0] for c in first["commands"]] == ["qemu-img"]
    assert (forced["forced"], forced["reasons"], forced["ops"]) == (True, ["in flight"], ["write", "discard"])
    assert (unsafe["commands"], unsafe["forced"]) == ([], False)
    assert (same["differing_bytes"], same["first_difference_bytes"]) == (0, None)
    assert (rewritten["rewritten"]["line"], rewritten["differing_bytes"]) == (90, None)
    assert elsewhere["has"] == {"node": "0xa0", "file": "/vm/middle.img"}
    assert impossible["reasons"] == ["ends behind the end"]
    assert document["summary"]["copy"] == {"extents": 2, "bytes": 8192}
    assert document["summary"]["same"] == {"extents": 1, "bytes": 512}


def test_the_document_of_a_repair_tells_what_was_copied_and_how_to_undo_it() -> None:
    document = json.loads(repair_json(Plan(STEPS), PAIR, undo=Path("vm.undo"), copied=STEPS[:2]))
    assert (document["executed"], document["copied"], document["undo"]) == (True, [0, 1], "vm.undo")
    nothing = json.loads(repair_json(Plan([]), PAIR, copied=[]))
    assert (nothing["executed"], nothing["copied"]) == (True, [])


def test_a_large_extent_has_commands_for_each_piece(tmp_path: Path) -> None:
    pair = Pair(qemu(tmp_path, "old.img"), qemu(tmp_path, "new.img"))
    step = Step(lost(0, 2 * PIECE + 512), Choice.COPY, (), Difference(1, 0))
    assert len(json.loads(repair_json(Plan([step]), pair))["steps"][0]["commands"]) == 12


def test_the_document_of_an_undo_has_every_piece() -> None:
    document = json.loads(undo_json(RESTORED, Path("new.img"), written=True, finished=False))
    assert (document["command"], document["executed"], document["repair_finished"]) == ("undo", True, False)
    assert document["pieces"][1] == {"offset_bytes": 4096, "length_bytes": 512, "outcome": "put-back", "forced": True}
    assert document["summary"] == {"put-back": 2, "same": 1, "changed": 1}


def test_the_document_of_a_comparison_has_every_extent() -> None:
    document = json.loads(verify_json(CHECKED, PAIR))
    assert document["command"] == "verify"
    assert [e["differing_bytes"] for e in document["extents"]] == [12, 0, None, None]
    assert document["extents"][1]["reasons"] == ["other names"]
    assert document["summary"] == {"same": 1, "differs": 1, "not_compared": 2}


def test_names_that_are_no_text_do_not_break_the_document() -> None:
    name = os.fsdecode(b"\xff.img")
    pair = Pair(Known(name), Known(name))
    hostile = lost(device=name, has=Image(1, name), state=LossState.UNCERTAIN, reason=name)
    plan = Plan([Step(hostile, Choice.COPY, (name,), Difference(1, 0))], [name], [name])
    for text in (
        repair_json(plan, pair, undo=Path(name), copied=plan.steps, errors=[ImageError(name)]),
        undo_json(RESTORED, Path(name), written=True, finished=True),
        verify_json([Checked(hostile, None, (name,))], pair, [ImageError(name)]),
    ):
        assert text.isascii()
        assert "\\udc" not in text
        json.loads(text)
