"""Which format an image is in: told, or by its looks where a guest can do no harm with them."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from tests.repair import needs_qemu
from traceview.errors import ImageError
from traceview.repair.formats import format_of

SELF_CONTAINED = struct.pack(">4sIQI", b"QFI\xfb", 3, 0, 0).ljust(104, b"\0")
BACKED = struct.pack(">4sIQI", b"QFI\xfb", 3, 104, 11).ljust(104, b"\0") + b"/etc/shadow"
OLD_AND_BACKED = struct.pack(">4sIQI", b"QFI\xfb", 2, 72, 11).ljust(72, b"\0") + b"/etc/shadow"
WITH_DATA_FILE = SELF_CONTAINED[:72] + (4).to_bytes(8, "big") + SELF_CONTAINED[80:]


def image(tmp_path: Path, head: bytes) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(head.ljust(4096, b"\0"))
    return path


@pytest.mark.parametrize("head", [b"", b"\xeb\x63\x90 a boot sector", b"QFI", b"\0QFI\xfb"])
def test_what_has_no_known_magic_is_raw(head: bytes, tmp_path: Path) -> None:
    assert format_of(image(tmp_path, head), None, "--source-format") == "raw"


def test_a_qcow2_image_that_names_no_other_file_is_believed(tmp_path: Path) -> None:
    assert format_of(image(tmp_path, SELF_CONTAINED), None, "--source-format") == "qcow2"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (BACKED, "begins like qcow2 and names a backing file"),
        (OLD_AND_BACKED, "begins like qcow2 and names a backing file"),
        (WITH_DATA_FILE, "begins like qcow2 and names a file for its data"),
        (b"QFI\xfb\0\0\0\1", "begins like qcow and may name other files"),
        (b"KDMV", "begins like vmdk"),
        (b"# Disk DescriptorFile\nversion=1", "begins like vmdk"),
        (b"conectix", "begins like vpc"),
        (b"vhdxfile", "begins like vhdx"),
        (b"QED\0", "begins like qed"),
        (b"LUKS\xba\xbe\0\1", "begins like luks"),
        (b"WithouFreSpacExt", "begins like parallels"),
        (b"<<< Oracle VM VirtualBox Disk Image >>>".ljust(64, b"\0") + b"\x7f\x10\xda\xbe", "begins like vdi"),
    ],
)
def test_what_a_guest_may_have_written_to_have_other_files_read_is_not_believed(
    head: bytes, reason: str, tmp_path: Path
) -> None:
    path = image(tmp_path, head)
    with pytest.raises(ImageError, match=reason) as error:
        format_of(path, None, "--source-format")
    assert "--source-format raw" in str(error.value)
    assert format_of(path, "raw", "--source-format") == "raw"
    assert format_of(path, "qcow2", "--source-format") == "qcow2"


@pytest.mark.parametrize("told", ["", "QCOW2", "qcow2,file.filename=/etc/shadow", "a b", "-x"])
def test_a_name_that_no_format_has_is_refused(told: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"--target-format: .* is no format"):
        format_of(image(tmp_path, b""), told, "--target-format")


def test_an_image_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.img: cannot be read: No such file"):
        format_of(tmp_path / "gone.img", None, "--source-format")


@needs_qemu
@pytest.mark.parametrize("options", [(), ("-o", "compat=0.10")])
def test_images_that_qemu_makes_are_known(options: tuple[str, ...], tmp_path: Path) -> None:
    for image_format in ("raw", "qcow2"):
        path = tmp_path / f"disk.{image_format}"
        more = options if image_format == "qcow2" else ()
        subprocess.run(["qemu-img", "create", "-q", "-f", image_format, *more, str(path), "1M"], check=True)
        assert format_of(path, None, "--source-format") == image_format


@needs_qemu
@pytest.mark.parametrize("image_format", ["vmdk", "vdi", "vhdx", "vpc", "qed", "qcow", "parallels"])
def test_other_formats_that_qemu_makes_are_asked_for(image_format: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, str(path), "1M"], check=True)
    with pytest.raises(ImageError, match=f"begins like {image_format}"):
        format_of(path, None, "--source-format")


@needs_qemu
def test_a_backing_file_and_a_data_file_that_qemu_makes_are_seen(tmp_path: Path) -> None:
    base, top, split = tmp_path / "base.img", tmp_path / "top.img", tmp_path / "split.img"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(base), "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(top)], check=True)
    data = f"data_file={tmp_path / 'data.raw'}"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", data, str(split), "1M"], check=True)
    with pytest.raises(ImageError, match="names a backing file"):
        format_of(top, None, "--source-format")
    with pytest.raises(ImageError, match="names a file for its data"):
        format_of(split, None, "--source-format")
