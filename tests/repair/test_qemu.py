"""Images that qemu-img reads and writes, piece by piece."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.repair import MIB, content, make_image, needs_qemu, noise
from traceview.errors import ImageError
from traceview.findings import Extent
from traceview.repair.qemu import QemuImage, read_command, write_command

DATA = noise(2 * MIB)
HOSTILE_NAMES = (
    "a,b.qcow2", "a,,file.filename=x,b.qcow2", "json:{}", "nbd:unix:x", "a b;$(reboot)'\".qcow2", "-n", "x\udcff.qcow2",
    "naïve ☃.qcow2",
)  # fmt: skip


@needs_qemu
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_a_name_whatever_is_in_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_image(tmp_path / "plain.qcow2", DATA, "qcow2").rename(tmp_path / name)
    image = QemuImage(Path(name), "qcow2")
    assert image.size == len(DATA)
    image.write(8192, b"z" * 512)
    assert image.read(Extent(7680, 1536)) == DATA[7680:8192] + b"z" * 512 + DATA[8704:9216]
    image.close()


@needs_qemu
@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("qcow2", ()), ("qcow2", ("-o", "compat=0.10")), ("qcow2", ("-c",)), ("qcow2", ("-o", "cluster_size=512")),
        ("vmdk", ()), ("vdi", ()), ("qed", ()),
    ],
)  # fmt: skip
def test_only_the_extent_changes_in_any_format(image_format: str, options: tuple[str, ...], tmp_path: Path) -> None:
    path = make_image(tmp_path / "disk", DATA, image_format, *options)
    image = QemuImage(path, image_format)
    for offset, data in ((512, noise(512, 2)), (65536 - 512, noise(1024, 3)), (2 * MIB - 4096, bytes(4096))):
        image.write(offset, data)
        image.flush()
        assert image.read(Extent(offset, len(data))) == data
    image.close()
    expected = bytearray(DATA)
    expected[512:1024], expected[65024:66048], expected[-4096:] = noise(512, 2), noise(1024, 3), bytes(4096)
    assert content(path, image_format) == expected


@needs_qemu
def test_zeros_hide_what_a_backing_file_has_and_never_show_it_again(tmp_path: Path) -> None:
    base = make_image(tmp_path / "base.img", DATA)
    for compat in ("0.10", "1.1"):
        top = tmp_path / f"top-{compat}.qcow2"
        subprocess.run(
            [
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-o",
                f"compat={compat}",
                "-b",
                str(base),
                "-F",
                "raw",
                str(top),
            ],
            check=True,
        )
        image = QemuImage(top, "qcow2")
        assert image.read(Extent(4096, 4096)) == DATA[4096:8192]
        image.write(4096, bytes(4096))
        assert image.read(Extent(0, 12288)) == DATA[:4096] + bytes(4096) + DATA[8192:12288]
        image.close()
    assert base.read_bytes() == DATA


@needs_qemu
def test_a_hole_is_read_as_zeros(tmp_path: Path) -> None:
    path = tmp_path / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "64M"], check=True)
    image = QemuImage(path, "qcow2")
    assert image.read(Extent(32 * MIB, 4 * MIB)) == bytes(4 * MIB)
    image.close()


@needs_qemu
def test_extents_that_are_no_whole_sectors_or_lie_behind_the_end_are_refused(tmp_path: Path) -> None:
    image = QemuImage(make_image(tmp_path / "disk", DATA, "qcow2"), "qcow2")
    assert "whole sectors of 512 B" in image.refusal(Extent(100, 512))
    assert "whole sectors of 512 B" in image.refusal(Extent(512, 100))
    assert "behind the end of disk" in image.refusal(Extent(2 * MIB, 512))
    assert image.refusal(Extent(2 * MIB - 512, 512)) == ""
    image.close()


@needs_qemu
def test_what_qemu_img_says_of_an_image_that_it_does_not_open_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(bytes(4096))
    with pytest.raises(ImageError, match=r"disk\.qcow2: qemu-img cannot open it: .*not in qcow2 format"):
        QemuImage(path, "qcow2")
    with pytest.raises(ImageError, match="Unknown driver 'nonsense'"):
        QemuImage(path, "nonsense")


@needs_qemu
def test_a_write_that_qemu_img_refuses_is_an_error(tmp_path: Path) -> None:
    image = QemuImage(make_image(tmp_path / "disk", DATA, "qcow2"), "qcow2")
    with pytest.raises(ImageError, match="qemu-img cannot write it at 2097152"):
        image.write(2 * MIB, bytes(512))
    with pytest.raises(ImageError, match="qemu-img cannot read it at 2097152"):
        image.read(Extent(2 * MIB, 512))
    image.close()


def test_a_missing_qemu_img_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=r"qemu-img is needed, and that is not installed \(Debian, Ubuntu: qemu-utils"):
        QemuImage(path, "qcow2")


def test_no_room_to_put_a_piece_aside_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "qemu-img"
    fake.write_text("#!/bin/sh\necho '{\"virtual-size\": 1048576}'\n", encoding="ascii")
    fake.chmod(0o755)
    (tmp_path / "disk").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    image = QemuImage(tmp_path / "disk", "qcow2")
    monkeypatch.setattr(Path, "write_bytes", lambda *_words: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ImageError, match=r"a piece of it cannot be put aside: .*No space left"):
        image.write(0, bytes(512))
    monkeypatch.undo()
    image.close()


def test_a_tool_that_gives_too_little_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "qemu-img"
    fake.write_text(
        '#!/bin/sh\nif [ "$1" = info ]; then echo \'{"virtual-size": 1048576}\'; exit; fi\n'
        'for last; do :; done; printf short > "$last"\n',
        encoding="ascii",
    )
    fake.chmod(0o755)
    (tmp_path / "disk").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    image = QemuImage(tmp_path / "disk", "qcow2")
    with pytest.raises(ImageError, match="qemu-img gave 5 B at 0, not 512"):
        image.read(Extent(0, 512))
    image.close()


@needs_qemu
def test_the_commands_work_in_a_shell_as_they_are_printed(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a, b'$HOME.qcow2", DATA, "qcow2")
    extent = Extent(65536 - 512, 1024)
    (tmp_path / "new.raw").write_bytes(noise(1024, 4))
    for command in (
        write_command(path, "qcow2", extent, "new.raw"),
        read_command(path, "qcow2", Extent(65024, 1024), "back.raw"),
    ):
        subprocess.run(shlex.join(command), shell=True, cwd=tmp_path, check=True)  # noqa: S602  (as people paste it)
    assert (tmp_path / "back.raw").read_bytes() == noise(1024, 4)
    assert content(path, "qcow2") == DATA[:65024] + noise(1024, 4) + DATA[66048:]


def test_the_commands_name_driver_and_file_and_never_probe(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    for command in (read_command, write_command):
        words = command(tmp_path / "disk", "qcow2", Extent(512, 1024), "piece")
        (stretch,) = [w for w in words if "offset=512" in w]
        assert re.fullmatch(
            r"driver=raw,offset=512,size=1024,file\.driver=qcow2,file\.file\.driver=file,file\.file\.filename=/.*/disk",
            stretch,
        )
