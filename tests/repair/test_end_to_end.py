"""From a trace and two images to a repaired disk and back, with the real QEMU's tools, and with kill -9 in between.

The trace is a real one; the images are made to be those of its guest: the source has what the guest wrote, the target
lacks what the trace says that it lacks.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli import COMMAND, IN_OWN_PROCESS, Done, run, sample
from tests.repair import MIB, content, in_use_by_qemu, make_image, needs_qemu, noise, without
from traceview.findings import Extent

pytestmark = needs_qemu

TRACE = sample("lp1570134-case-1")
LOST = [Extent(o, 4096) for o in (1183744, 3162112, 7266304, 9486336, 13332480, 16130048)]
REWRITTEN = Extent(11390976, 4096)
"""What the sample's README says of it: six extents are lost, one was rewritten."""
SIZE = 17 * MIB
FORMATS = ["raw", "qcow2"]
ALL_PAIRS = [("raw", "raw"), ("qcow2", "qcow2"), ("raw", "qcow2"), ("qcow2", "raw")]
PATTERNS = ["0xa1", "0xa2", "0xa3", "0xa4", "0xa5", "0xa6"]


class Disk:
    """A source and a target in a folder, as the trace's job has left them."""

    def __init__(self, folder: Path, formats: tuple[str, str] = ("raw", "raw")) -> None:
        self.folder, self.formats = folder, formats
        self.old, self.new = folder / "old.img", folder / "new.img"
        for path, image_format in zip((self.old, self.new), formats, strict=True):
            make_image(path, noise(SIZE), image_format)
        for extent, pattern in zip(LOST, PATTERNS, strict=True):
            self.qemu_io(self.old, formats[0], f"write -P {pattern} {extent.offset} {extent.length}")
        self.qemu_io(self.old, formats[0], f"write -P 0x0d {REWRITTEN.offset} {REWRITTEN.length}")
        self.qemu_io(self.new, formats[1], f"write -P 0x11 {REWRITTEN.offset} {REWRITTEN.length}")
        self.before = content(self.new, formats[1])
        self.after = without(self.before, LOST, content(self.old, formats[0]))

    @staticmethod
    def qemu_io(path: Path, image_format: str, command: str) -> str:
        options = f"driver={image_format},file.driver=file,file.filename={path}"
        done = subprocess.run(["qemu-io", "--image-opts", "-c", command, options], capture_output=True, check=True)
        return done.stdout.decode()

    def traceview(self, command: str, *words: str | Path) -> Done:
        return run(command, TRACE, "--source", self.old, "--target", self.new, *words)

    def now(self) -> bytes:
        return content(self.new, self.formats[1])


# the whole way


@pytest.mark.parametrize("formats", ALL_PAIRS)
def test_lost_bytes_come_back_and_can_be_taken_back_again(formats: tuple[str, str], tmp_path: Path) -> None:
    disk = Disk(tmp_path, formats)
    assert disk.before != disk.after
    assert disk.traceview("verify").code == 1
    plan = disk.traceview("repair")
    assert (plan.code, plan.err) == (1, "")
    assert disk.now() == disk.before, "a plan writes nothing"
    assert not list(tmp_path.glob("*undo*"))

    done = disk.traceview("repair", "--execute", "--undo", tmp_path / "vm.undo")
    assert (done.code, done.err) == (0, "")
    assert disk.now() == disk.after
    for extent, pattern in zip(LOST, PATTERNS, strict=True):
        printed = disk.qemu_io(disk.new, formats[1], f"read -P {pattern} {extent.offset} {extent.length}")
        assert "verification failed" not in printed
    assert disk.traceview("verify").code == 0
    assert disk.traceview("repair").code == 0

    back = run("repair", "--undo", tmp_path / "vm.undo")
    assert (back.code, back.err) == (0, "")
    assert disk.now() == disk.before
    assert disk.traceview("verify").code == 1
    if formats[1] != "raw":
        subprocess.run(["qemu-img", "check", "-q", "-f", formats[1], disk.new], check=True)


def test_snapshots_and_a_backing_file_of_the_target_stay_as_they_are(tmp_path: Path) -> None:
    disk = Disk(tmp_path, ("raw", "qcow2"))
    base = disk.new.rename(tmp_path / "base.qcow2")
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk.new)]
    subprocess.run(create, check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "before", disk.new], check=True)
    below = base.read_bytes()
    assert "names a backing file" in disk.traceview("repair").complaint
    assert disk.traceview("repair", "--target-format", "qcow2", "--execute").code == 0
    assert disk.now() == disk.after
    assert base.read_bytes() == below
    subprocess.run(["qemu-img", "snapshot", "-a", "before", disk.new], check=True)
    assert disk.now() == disk.before


def test_a_block_device_is_repaired_as_a_file_is(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    done = subprocess.run(["losetup", "-f", "--show", str(disk.new)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no loop device can be had here")
    file, disk.new = disk.new, Path(done.stdout.strip())
    try:
        unnamed = disk.traceview("repair", "--execute")
        assert (unnamed.code, "say --undo FILE" in unnamed.err) == (2, True)
        assert disk.traceview("repair", "--execute", "--undo", tmp_path / "vm.undo").code == 0
        assert disk.traceview("verify").code == 0
        assert run("repair", "--undo", tmp_path / "vm.undo").code == 0
    finally:
        subprocess.run(["losetup", "-d", disk.new], check=True)
    assert content(file) == disk.before


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_disk_that_a_qemu_uses_is_not_touched(image_format: str, tmp_path: Path) -> None:
    disk = Disk(tmp_path, ("raw", image_format))
    with in_use_by_qemu(disk.new, image_format):
        plan = disk.traceview("repair")
        assert (plan.code, "has it open for writing" in plan.out) == (3, True)
        done = disk.traceview("repair", "--execute")
        assert (done.code, "nothing was written" in done.err) == (2, True)
    assert disk.now() == disk.before
    assert not list(tmp_path.glob("*undo*"))


# killed

KILLED_AT = """
import os, signal, sys
from traceview.cli import main
from traceview.repair.images import RawImage
from traceview.repair.undo import UndoWriter

number, moment = int(sys.argv[1]), sys.argv[2]
done = {"write": 0, "_append": 0}

def dying(cls, name):
    plain = getattr(cls, name)
    def call(self, *words):
        done[name] += 1
        if done[name] == number + (name == "_append") and moment.startswith(name):
            if moment.endswith("half"):
                plain(self, *words[:-1], words[-1][: len(words[-1]) // 2])
            if moment.endswith("after"):
                plain(self, *words)
            os.kill(os.getpid(), signal.SIGKILL)
        plain(self, *words)
    setattr(cls, name, call)

dying(RawImage, "write")
dying(UndoWriter, "_append")
sys.argv = ["traceview", *sys.argv[3:]]
main()
"""


def killed_at(number: int, moment: str, *words: str | Path) -> None:
    """Run the command line and have it killed at a write to the image, or to the undo file."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(number), moment, *map(str, words)], env=IN_OWN_PROCESS,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("number", [1, 4, 6])
@pytest.mark.parametrize(
    "moment", ["write before", "write half", "write after", "_append before", "_append half", "_append after"]
)
def test_killed_at_any_write_it_leaves_an_undo_file_that_restores_every_byte(
    number: int, moment: str, tmp_path: Path
) -> None:
    disk = Disk(tmp_path)
    undo = tmp_path / "vm.undo"
    words = ("--source", disk.old, "--target", disk.new, "--execute", "--undo", undo)
    killed_at(number, moment, "repair", TRACE, *words)
    touched = disk.now() != disk.before
    assert touched or number == 1 or "half" in moment
    back = run("repair", "--undo", undo)
    assert (back.code, back.err) == (0, "")
    assert disk.now() == disk.before


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.parametrize("moment", ["write before", "write half", "write after"])
def test_killed_while_it_puts_back_it_can_be_put_back_again(number: int, moment: str, tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    undo = tmp_path / "vm.undo"
    assert disk.traceview("repair", "--execute", "--undo", undo).code == 0
    killed_at(number, moment, "repair", "--undo", undo)
    back = run("repair", "--undo", undo, *(("--force", str(LOST[-number].offset)) if "half" in moment else ()))
    assert (back.code, back.err) == (0, "")
    assert disk.now() == disk.before


@pytest.mark.parametrize("image_format", FORMATS)
def test_killed_at_any_time_it_leaves_an_undo_file_that_restores_every_byte(image_format: str, tmp_path: Path) -> None:
    disk = Disk(tmp_path, (image_format, image_format))
    undo = tmp_path / "vm.undo"
    words: list[str | Path] = ["repair", TRACE, "--source", disk.old, "--target", disk.new, "--execute", "--undo", undo]
    env = {**IN_OWN_PROCESS, "TMPDIR": str(tmp_path)}
    for delay in (0, 1, 2, 4, 8, 16):
        with subprocess.Popen([*COMMAND, *words], env=env, stdout=subprocess.DEVNULL) as process:
            while not (undo.exists() and undo.stat().st_size) and process.poll() is None:
                time.sleep(0.001)
            time.sleep(delay / (400 if image_format == "raw" else 30))
            process.kill()
        back = run("repair", "--undo", undo)
        while back.code == 2 and "is in use" in back.err:  # a qemu-img outlives us by a moment, and keeps the lock
            time.sleep(0.01)
            back = run("repair", "--undo", undo)
        assert (back.code, back.err) == (0, "")
        assert disk.now() == disk.before
        undo.unlink()
