"""``traceview repair`` and ``traceview verify``, end to end, over raw images."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import traceview
from tests.cli import COMMAND, IN_OWN_PROCESS, Done, run, sample
from tests.conftest import ROOT
from tests.repair import MIB, in_use_by_qemu, make_image, needs_qemu, noise, without
from traceview.errors import ImageError
from traceview.findings import Extent
from traceview.repair.images import RawImage

TRACE = sample("lp1570134-case-1")
OFFSETS = [1183744, 3162112, 7266304, 9486336, 13332480, 16130048]
LOST = [Extent(o, 4096) for o in OFFSETS]
UNCERTAIN = sample("lp1570134-first-diagram")
"""Four extents are uncertain there: in flight at the switch, on a QEMU that exchanged the nodes."""
UNCERTAIN_OFFSETS = [9236480, 11919360, 13656064, 16551936]
OLD = noise(17 * MIB)
NEW = without(OLD, LOST, noise(17 * MIB, 2))


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Return the options that name two images of the trace's disk."""
    old, new = make_image(tmp_path / "old.img", OLD), make_image(tmp_path / "new.img", NEW)
    return ["--source", str(old), "--target", str(new)]


def target(images: Sequence[str]) -> Path:
    return Path(images[3])


def undo_files(images: Sequence[str]) -> list[Path]:
    return sorted(target(images).parent.glob("*undo*"))


# plans


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_a_plan_is_the_default_writes_nothing_and_ends_with_1(words: list[str], images: list[str]) -> None:
    done = run("repair", TRACE, *images, *words)
    assert (done.code, done.err) == (1, "")
    assert [line.split()[2] for line in done.lines if line.startswith("✓ copy")] == [str(o) for o in OFFSETS]
    assert done.lines[-2].startswith("plan: to copy: 6 extents, 24576 B (24 KiB); rewritten since: 1 extent")
    assert done.lines[-1] == "nothing was written; --execute does it"
    assert target(images).read_bytes() == NEW
    assert undo_files(images) == []


def test_where_nothing_is_lost_nothing_is_to_be_done(images: list[str]) -> None:
    done = run("repair", sample("fixed"), *images, "--execute")
    assert (done.code, done.err) == (0, "")
    assert "no lost extent" in done.out
    assert undo_files(images) == []


def test_where_both_images_have_the_bytes_nothing_is_to_be_done(images: list[str]) -> None:
    target(images).write_bytes(OLD)
    done = run("repair", TRACE, *images, "--execute")
    assert (done.code, done.lines[-1]) == (0, "done: copied, read back and compared: 0 extents, 0 B")
    assert undo_files(images) == []


def test_a_plan_with_nothing_but_doubts_ends_with_3(tmp_path: Path) -> None:
    old = make_image(tmp_path / "d0.img", OLD)
    new = make_image(tmp_path / "t-0-5.raw", noise(17 * MIB, 2))
    done = run("repair", UNCERTAIN, "--source", old, "--target", new)
    assert done.code == 3
    assert "in flight at the switch" in done.out
    forces = [line.split()[1] for line in done.lines if line.startswith("      --force ")]
    assert forces == [str(o) for o in UNCERTAIN_OFFSETS]


def test_a_trace_that_could_not_show_a_loss_ends_with_3(images: list[str], tmp_path: Path) -> None:
    trace = tmp_path / "vm.log"
    trace.write_text("1@1500000000.000000:virtio_queue_notify vdev 0xe1 n 0 vq 0xf1\n" * 3, encoding="ascii")
    for command in ("repair", "verify"):
        assert run(command, trace, *images).code == 3


# execution


def test_it_is_copied_and_can_be_put_back(images: list[str]) -> None:
    done = run("repair", TRACE, *images, "--execute")
    assert (done.code, done.err) == (0, "")
    assert target(images).read_bytes() == OLD
    (undo,) = undo_files(images)
    assert done.lines[-3:] == [
        f"what is overwritten is saved in {undo}",
        "done: copied, read back and compared: 6 extents, 24576 B (24 KiB)",
        f"to put back what was there: traceview repair --undo {undo}",
    ]
    assert run("repair", TRACE, *images).code == 0

    shown = run("repair", "--undo", undo, "--dry-run")
    assert (shown.code, shown.lines[-1]) == (1, "undo, not done: put back: 6 pieces")
    assert target(images).read_bytes() == OLD
    back = run("repair", "--undo", undo)
    assert (back.code, back.err, back.lines[-1]) == (0, "", "undo: put back: 6 pieces")
    assert target(images).read_bytes() == NEW
    assert run("repair", "--undo", undo, "--execute").lines[-1] == "undo: had the old bytes already: 6 pieces"


def test_the_undo_file_is_where_one_wants_it(images: list[str], tmp_path: Path) -> None:
    undo = tmp_path / "elsewhere"
    assert run("repair", TRACE, *images, "--execute", "--undo", undo).code == 0
    assert undo.stat().st_size > 6 * 4096
    moved = target(images).rename(tmp_path / "moved.img")
    assert run("repair", "--undo", undo).code == 2
    assert run("repair", "--undo", undo, "--target", moved).code == 0
    assert moved.read_bytes() == NEW


def test_what_is_not_shown_to_be_safe_is_left_until_it_is_named(tmp_path: Path) -> None:
    old = make_image(tmp_path / "d0.img", OLD)
    plain = noise(17 * MIB, 2)
    new = make_image(tmp_path / "t-0-5.raw", plain)
    words = ("repair", UNCERTAIN, "--source", old, "--target", new, "--execute")
    done = run(*words)
    assert done.code == 3
    assert new.read_bytes() == plain
    done = run(*words, "--force", str(UNCERTAIN_OFFSETS[0]), "--force", hex(UNCERTAIN_OFFSETS[2]))
    assert done.code == 3, "two are left"
    assert new.read_bytes() == without(plain, [Extent(UNCERTAIN_OFFSETS[i], 4096) for i in (0, 2)], OLD)
    done = run(*words, *(w for o in UNCERTAIN_OFFSETS for w in ("--force", str(o))))
    assert done.code == 0
    wrong = run(*words, "--force", "9236481")
    assert (wrong.code, "the nearest begins at 9236480" in wrong.complaint) == (2, True)


def test_images_of_other_names_than_the_traces_are_refused_until_forced(tmp_path: Path) -> None:
    old, new = make_image(tmp_path / "x.img", OLD), make_image(tmp_path / "y.img", noise(17 * MIB, 2))
    done = run("repair", UNCERTAIN, "--source", old, "--target", new)
    assert "the trace says that 'd0.img' has these bytes, not 'x.img'" in done.out
    assert done.code == 3


@needs_qemu
def test_an_image_in_use_is_left_alone(images: list[str]) -> None:
    with in_use_by_qemu(target(images)):
        assert run("repair", TRACE, *images).code == 3
        done = run("repair", TRACE, *images, "--execute")
    assert done.code == 2
    assert "nothing was written" in done.complaint
    assert "is in use" in done.complaint
    assert target(images).read_bytes() == NEW
    assert undo_files(images) == []


def test_a_trace_that_cannot_be_read_lets_nothing_be_written(images: list[str], tmp_path: Path) -> None:
    done = run("repair", TRACE, tmp_path / "gone.log", *images, "--execute")
    assert done.code == 2
    assert "✗ not now  not all traces could be read" in done.out
    assert "nothing was written: not all traces could be read" in done.complaint
    assert target(images).read_bytes() == NEW
    alone = run("repair", tmp_path / "gone.log", *images)
    assert (alone.code, alone.out) == (2, "")
    assert run("verify", tmp_path / "gone.log", *images).code == 2
    assert run("verify", TRACE, tmp_path / "gone.log", *images).code == 2


def test_a_document_names_the_undo_file_of_a_repair_that_failed_at_once(
    images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(image: RawImage, offset: int, data: bytes) -> None:
        raise ImageError("Input/output error")

    monkeypatch.setattr(RawImage, "write", write)
    done = run("repair", TRACE, *images, "--execute", "--format", "json")
    document = json.loads(done.out)
    assert (done.code, document["copied"], document["undo"]) == (2, [], str(undo_files(images)[0]))


def test_a_failure_is_told_with_what_was_done_and_how_to_undo_it(
    images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, count = RawImage.write, [0]

    def write(image: RawImage, offset: int, data: bytes) -> None:
        count[0] += 1
        if count[0] == 3:
            raise ImageError(f"{image.path}: cannot be written at {offset}: Input/output error")
        plain(image, offset, data)

    monkeypatch.setattr(RawImage, "write", write)
    done = run("repair", TRACE, *images, "--execute")
    monkeypatch.undo()
    (undo,) = undo_files(images)
    assert done.code == 2
    assert "Input/output error" in done.complaint
    assert "done:" not in done.out
    assert f"traceview repair --undo {undo} puts" not in done.complaint
    assert f"2 of 6 extents were copied before that. What was overwritten is in {undo}" in done.complaint
    assert run("repair", "--undo", undo).code == 0
    assert target(images).read_bytes() == NEW


def test_what_has_changed_since_is_not_put_back_unless_it_is_named(images: list[str], tmp_path: Path) -> None:
    undo = tmp_path / "vm.undo"
    run("repair", TRACE, *images, "--execute", "--undo", undo)
    with target(images).open("r+b") as file:
        file.seek(OFFSETS[2] + 7)
        file.write(b"guest")
    done = run("repair", "--undo", undo)
    assert done.code == 3
    assert f"--force {OFFSETS[2]} puts the old bytes back nevertheless" in done.out
    assert run("repair", "--undo", undo, "--force", str(OFFSETS[2])).code == 0
    assert target(images).read_bytes() == NEW


# verify


def test_only_lost_extents_are_compared(images: list[str]) -> None:
    done = run("verify", TRACE, *images)
    assert (done.code, done.err) == (1, "")
    assert done.lines[-1] == "verify: differs: 6 extents; rewritten: 1 extent"
    other = bytearray(OLD)
    other[0] ^= 1
    target(images).write_bytes(other)
    done = run("verify", TRACE, *images)
    assert (done.code, done.lines[-1]) == (0, "verify: same: 6 extents; rewritten: 1 extent")


def test_what_cannot_be_compared_ends_with_3(images: list[str]) -> None:
    os.truncate(target(images), 16 * MIB - MIB)
    done = run("verify", TRACE, *images)
    assert done.code == 1, "a difference is the news"
    target(images).write_bytes(OLD[: 15 * MIB])
    done = run("verify", TRACE, *images)
    assert (done.code, done.lines[-1]) == (3, "verify: same: 5 extents; rewritten: 1 extent; unknown: 1 extent")


# JSON


def test_a_document_tells_the_same(images: list[str], tmp_path: Path) -> None:
    plan = run("repair", TRACE, *images, "--format", "json")
    document = json.loads(plan.out)
    assert (plan.code, document["executed"], document["undo"]) == (1, False, None)
    assert document["summary"]["copy"] == {"extents": 6, "bytes": 24576}
    undo = tmp_path / "vm.undo"
    done = json.loads(run("repair", TRACE, *images, "--format", "json", "--execute", "--undo", undo).out)
    assert (done["executed"], len(done["copied"]), done["undo"]) == (True, 6, str(undo))
    assert json.loads(run("verify", TRACE, *images, "--format", "json").out)["summary"] == {
        "same": 6, "differs": 0, "not_compared": 1,
    }  # fmt: skip
    assert json.loads(run("repair", "--undo", undo, "--format", "json").out)["summary"]["put-back"] == 6


def test_a_document_has_what_failed(images: list[str], tmp_path: Path) -> None:
    done = run("repair", TRACE, tmp_path / "gone.log", *images, "--format", "json", "--execute")
    document = json.loads(done.out)
    assert done.code == 2
    assert [e["kind"] for e in document["errors"]] == ["TraceNotFoundError", "RepairRefusedError"]
    assert (document["executed"], document["copied"], document["undo"]) == (True, [], None)


# usage


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--execute", "--dry-run"], "--execute and --dry-run exclude each other"),
        ([], "say by which trace to repair, or with --undo FILE what to put back"),
        ([TRACE], "a repair needs both images: --source OLD --target NEW"),
        ([TRACE, "--source", "old.img"], "a repair needs both images: --source OLD --target NEW"),
        (["--undo", "x", "--source", "old.img"], "belongs to a repair"),
        (["--undo", "x", "--device", "drive0"], "belongs to a repair"),
        ([TRACE, "--force", "here"], "'here' is no offset"),
        ([TRACE, "--force", "-5"], "'-5' is no offset"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: list[str], complaint: str) -> None:
    done = run("repair", *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint


def test_an_undo_file_that_is_there_already_is_not_overwritten(images: list[str], tmp_path: Path) -> None:
    undo = tmp_path / "vm.undo"
    run("repair", TRACE, *images, "--execute", "--undo", undo)
    kept = undo.read_bytes()
    for words in ([], ["--execute"]):
        done = run("repair", TRACE, *images, "--undo", undo, *words)
        assert done.code == 2
        assert "is there already, and is not overwritten; to put back what it holds, give no PATH" in done.complaint
    assert undo.read_bytes() == kept


@pytest.mark.parametrize("command", ["repair", "verify"])
def test_images_that_cannot_be_are_errors(command: str, images: list[str], tmp_path: Path) -> None:
    for words, complaint in (
        (["--source", tmp_path / "gone.img", *images[2:]], "gone.img: cannot be opened: No such file"),
        ([*images[:2], "--target", images[1]], "are the same file"),
        ([*images, "--target-format", "QCOW"], "is no format"),
        ([*images, "--device", "drive9"], "'drive9' has lost nothing, but drive0 has"),
    ):
        done = run(command, TRACE, *words)
        assert (done.code, complaint in done.complaint) == (2, True), done.complaint


def test_a_file_that_is_no_undo_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else")
    done = run("repair", "--undo", tmp_path / "x")
    assert (done.code, "is no undo file" in done.complaint) == (2, True)


def test_a_reader_that_has_gone_does_not_end_a_repair(images: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "repair", str(TRACE), *images, "--execute"], env=IN_OWN_PROCESS, stdout=write,
        stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
    assert target(images).read_bytes() == OLD


def test_the_help_tells_the_exit_codes() -> None:
    for command in ("repair", "verify"):
        done: Done = run(command, "--help")
        assert "Exit codes: 0" in " ".join(done.out.split())


# documentation


def test_the_plan_in_the_documentation_is_what_is_printed(
    images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
    os.utime(target(images), (1_000_000_000, 1_000_000_000))
    monkeypatch.chdir(tmp_path)
    shown = page.split("<!-- plan -->\n```text\n", 1)[1].split("```", 1)[0]
    assert run("repair", TRACE, "--source", "old.img", "--target", "new.img").out == shown


def test_the_python_of_the_documentation_runs(
    images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
    code = textwrap.dedent(page.split("From Python:\n\n", 1)[1].split("\n## ", 1)[0])
    (tmp_path / "vm.log").write_bytes(TRACE.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(code, {"traceview": traceview, "Path": Path, "datetime": datetime, "UTC": UTC})  # noqa: S102  (our own page)
    assert target(images).read_bytes() == OLD
