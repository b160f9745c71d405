"""Repairs: lost extents made up here, and images in a folder of their own."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.report import mark, result, summary
from traceview.findings import Extent
from traceview.losses import Horizon, Image, Losses, LossState, LostExtent
from traceview.vocabulary import Op

needs_qemu = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("qemu-img", "qemu-io", "qemu-nbd")),
    reason="QEMU's tools are not installed (Debian: qemu-utils)",
)
MIB = 1 << 20


def lost(offset: int = 8192, length: int = 4096, **changes: Any) -> LostExtent:
    """Return a lost extent of a disk whose images the trace does not name."""
    plain = LostExtent(
        trace=0,
        device="drive0",
        blk=0xB1,
        extent=Extent(offset, length),
        state=LossState.LOST,
        reason="",
        ops=(Op.WRITE,),
        rules=("mirror-exit-guest-io",),
        windows=(0,),
        job=0x10B,
        job_kind="mirror",
        has=Image(0xA0, ""),
        lacks=Image(0xA1, ""),
        now=Image(0xA1, ""),
        written=mark(12, 40),
    )
    return replace(plain, **changes)


def named(has: str | Image = "/vm/old.img", now: str | Image = "/vm/new.img", **changes: Any) -> LostExtent:
    """Return a lost extent of a disk whose images the trace names."""
    return lost(**{"has": image(0xA0, has), "lacks": image(0xA1, now), "now": image(0xA1, now), **changes})


def image(node: int, file: str | Image) -> Image:
    """Return an image by its name."""
    return file if isinstance(file, Image) else Image(node, file)


def losses_of(*extents: LostExtent, last_us: int | None = 1000, traces: int = 1) -> Losses:
    """Return what one trace lost, or several of them."""
    scan = result()
    scan.traces += [summary(f"vm{i}.log") for i in range(1, traces)]
    return Losses(scan, list(extents), [Horizon(mark(900, last_us)) for _ in range(traces)])


@cache
def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that no other seed gives."""
    return random.Random(seed).randbytes(size)  # noqa: S311  (to be told apart, not to be secret)


def without(data: bytes, extents: Iterable[Extent], filler: bytes | None = None) -> bytes:
    """Return what a disk has that lacks some extents of `data`: zeros there, or what `filler` has."""
    rest = bytearray(data)
    for e in extents:
        rest[e.offset : e.end] = filler[e.offset : e.end] if filler is not None else bytes(e.length)
    return bytes(rest)


def make_image(path: Path, data: bytes, image_format: str = "raw", *options: str) -> Path:
    """Make an image that has some bytes on its disk."""
    plain = path.with_name(path.name + ".plain")
    plain.write_bytes(data)
    if image_format == "raw":
        return plain.rename(path)
    command = ["qemu-img", "convert", "-f", "raw", "-O", image_format, *options, str(plain), str(path.absolute())]
    subprocess.run(command, check=True)
    plain.unlink()
    return path


def content(path: Path, image_format: str = "raw") -> bytes:
    """Return all bytes of an image's disk."""
    if image_format == "raw":
        return path.read_bytes()
    plain = path.with_name(path.name + ".read")
    where = str(path.absolute()).replace(",", ",,")
    options = f"driver={image_format},file.driver=file,file.filename={where}"
    command = ["qemu-img", "convert", "-O", "raw", "--image-opts", options, str(plain.absolute())]
    subprocess.run(command, check=True)
    data = plain.read_bytes()
    plain.unlink()
    return data


@contextmanager
def in_use_by_qemu(path: Path, image_format: str = "raw", *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have a QEMU hold an image open while the block lasts."""
    command = ["qemu-io", *options, "--image-opts", f"driver={image_format},file.driver=file,file.filename={path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(9) == b"qemu-io> ", "it asks for commands when it has opened the image"
        yield process
        process.stdin.close()


def qemu_opens(path: Path, image_format: str = "raw", *options: str) -> bool:
    """Say whether a QEMU gets hold of an image."""
    command = ["qemu-io", *options, "--image-opts", "-c", "length"]
    command.append(f"driver={image_format},file.driver=file,file.filename={path}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ("lock" in done.stderr) == bool(done.returncode), done.stderr
    return done.returncode == 0
